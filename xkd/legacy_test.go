package xkd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Plans that an earlier version has written into checkpoints become the same run, setting by setting.
func TestConvertPlan(t *testing.T) {
	for _, c := range []struct {
		file, preset, variant string
		steps                 int
	}{{"plan_nano_xkd.json", "nano", XKD, 2}, {"plan_nano_mas.json", "nano", MAS, 400}, {"plan_tiny_mats.json", "tiny", MATS, 1000}} {
		text, err := os.ReadFile(filepath.Join("testdata", c.file))
		require.NoError(t, err)
		got, err := convertPlan(string(text))
		require.NoError(t, err)
		want, err := Default(c.preset, c.variant)
		require.NoError(t, err)
		want.Train.Steps, want.Train.Batch, want.Train.Seed, want.Data.Synthetic.Seed = c.steps, 2, 3, 3
		require.Equal(t, want, got, c.file)
		require.NoError(t, sameClips(got, string(text)))
	}
}

// Ramps keep their warm-up in steps.
func TestConvertWarmUp(t *testing.T) {
	for _, steps := range []int{1, 2, 26, 27, 100, 800, 12345, 1_000_000} {
		for _, warm := range []int{0, 1, 3, steps / 3, steps} {
			if warm <= steps {
				require.Equal(t, warm, warmSteps(legacyRamp{Warm: warm}.share(steps), steps), "%d of %d", warm, steps)
			}
		}
		require.Equal(t, max(1, steps*30/800), warmSteps(warmUp, steps))
	}
}

// A plan whose clips could not be made again is told apart.
func TestConvertOtherClips(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "plan_nano_xkd.json"))
	require.NoError(t, err)
	var plan map[string]any
	require.NoError(t, json.Unmarshal(text, &plan))
	plan["synthetic"].(map[string]any)["Size"] = 200
	text, err = json.Marshal(plan)
	require.NoError(t, err)
	c, err := convertPlan(string(text))
	require.NoError(t, err)
	require.ErrorContains(t, sameClips(c, string(text)), "200 pixels")
}
