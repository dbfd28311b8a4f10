package xkd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers of trainable parameters (docs/method.md, section 2.7).
func TestParameterCounts(t *testing.T) {
	for variant, want := range map[string]int{XKD: 206_346_560, MAS: 121_319_744, MATS: 121_319_744} {
		c, spec, err := Preset("base")
		require.NoError(t, err)
		require.NoError(t, SetVariant(&c, &spec, variant))
		c.Batch = 1
		step, err := BuildStep(c, StepOptions{})
		require.NoError(t, err)
		require.Equal(t, want, step.Trainable(), variant)
	}
}

func TestTokensOfTheRecipe(t *testing.T) {
	c, _, err := Preset("base")
	require.NoError(t, err)
	require.Equal(t, 392, c.VideoTokens())
	require.Equal(t, 560, c.AudioTokens())
}

// Every size of docs/method.md, section 2.7, every variant and every switch builds.
func TestEveryConfigurationBuilds(t *testing.T) {
	for name := range encoderSizes {
		c, _, err := Preset(name)
		require.NoError(t, err, name)
		require.NoError(t, c.Validate(), name)
	}
	for _, name := range []string{"tiny_d1", "small", "base_d1", "large"} {
		_, err := DecoderSize(name)
		require.NoError(t, err)
	}
	for _, variant := range []string{XKD, MAS, MATS} {
		for _, cls := range []bool{true, false} {
			for _, attention := range []string{AttentionMean, AttentionSoftmax} {
				for _, view := range []string{TeacherGlobal, TeacherLocal0} {
					for _, locals := range [][2]int{{0, 0}, {1, 1}, {3, 1}, {0, 2}} {
						c, spec, err := Preset("nano")
						require.NoError(t, err)
						require.NoError(t, SetVariant(&c, &spec, variant))
						c.Batch, c.Cls, c.Attention, c.TeacherView = 2, cls, attention, view
						c.Video.Locals, c.Audio.Locals = locals[0], locals[1]
						_, err = BuildStep(c, StepOptions{Keep: true})
						if view == TeacherLocal0 && (locals[0] == 0 || locals[1] == 0) {
							require.ErrorContains(t, err, "teacher_view local0 needs a local view")
							continue
						}
						require.NoError(t, err)
					}
				}
			}
		}
	}
}

func TestValidateNamesFields(t *testing.T) {
	c, _, err := Preset("nano")
	require.NoError(t, err)
	c.Variant, c.Batch, c.Clip, c.Encoder.Heads, c.Video.Patch[1] = "x", 0, 0, 5, 7
	err = c.Validate()
	for _, field := range []string{"variant", "batch", "clip", "encoder", "video.global"} {
		require.ErrorContains(t, err, field)
	}
	_, _, err = Preset("huge")
	require.ErrorContains(t, err, `no preset "huge": choose one of base, large, nano`)
	c, _, err = Preset("nano")
	require.NoError(t, err)
	c.Audio.Mask = 0.999
	require.ErrorContains(t, c.Validate(), "audio.mask")
}

// Rounding half to even, as Python's round.
func TestKept(t *testing.T) {
	require.Equal(t, 59, Kept(392, 0.85))
	require.Equal(t, 112, Kept(560, 0.8))
	require.Equal(t, 2, Kept(5, 0.5))
	require.Equal(t, 4, Kept(7, 0.5))
}

// The schedule's ends and middle, from its formula: warm-up by linspace with both ends, then a half cosine.
func TestRamp(t *testing.T) {
	r := Ramp{Start: 0, Base: 1, Final: 0.2, Warm: 5}
	require.Equal(t, 0.0, r.At(0, 25))
	require.Equal(t, 0.25, r.At(1, 25))
	require.Equal(t, 1.0, r.At(4, 25))
	require.Equal(t, 1.0, r.At(5, 25))
	require.InDelta(t, 0.6, r.At(15, 25), 1e-12)
	require.InDelta(t, 0.2, r.At(25, 25), 1e-12)
	require.InDelta(t, 0.2, r.At(99, 25), 1e-12)
	require.Equal(t, 0.3, Ramp{Base: 0.3, Final: 0.3}.At(7, 10))
}

// A head's last layer stays frozen for as many steps as asked, and counts its own steps after that.
func TestFrozenLastLayer(t *testing.T) {
	r := DefaultRecipe("nano", XKD, 100, 1)
	r.FreezeLast = 2
	require.Equal(t, 0, r.At(1).LastLayerStep)
	require.Equal(t, 1, r.At(2).LastLayerStep)
	require.Equal(t, 3, r.At(2).Step)
}
