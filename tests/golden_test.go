package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/internal/shared"
	"goxkd/safetensors"
)

// goldenCases are the small cases that stand in the project and, where XKD_SHARED names their folder, the larger ones.
func goldenCases(t *testing.T) []string {
	t.Helper()
	cases, err := filepath.Glob("testdata/mini_*.safetensors")
	require.NoError(t, err)
	require.Len(t, cases, 4)
	dir := os.Getenv(shared.Variable)
	if dir == "" {
		t.Logf("%s is not set: only the small cases are replayed", shared.Variable)
		return cases
	}
	for _, pattern := range []string{"xkd*", "ranks*"} {
		more, err := filepath.Glob(filepath.Join(dir, "golden", pattern+".safetensors"))
		require.NoError(t, err)
		cases = append(cases, more...)
	}
	return cases
}

func replay(t *testing.T, dev graph.Device) {
	t.Helper()
	for _, path := range goldenCases(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			r, err := check.Golden(context.Background(), dev, path)
			require.NoError(t, err)
			worst := map[string]check.Figure{}
			for _, f := range r.Figures {
				if !f.Pass {
					t.Errorf("%s: error %.3g, limit %.3g", f.Name, f.Error, f.Limit)
				}
				if w, ok := worst[f.What]; !ok || f.Error/f.Limit > w.Error/w.Limit {
					worst[f.What] = f
				}
			}
			for what, f := range worst {
				t.Logf("%-28s worst %-64s %.2g of %.0e", what, f.Name, f.Error, f.Limit)
			}
			require.True(t, r.Pass)
			require.Greater(t, len(r.Figures), 200)
		})
	}
}

// The released code's figures, on the CPU path.
func TestGoldenCPU(t *testing.T) { replay(t, cpu.Device{}) }

// The released code's figures, on the GPU path.
func TestGoldenGPU(t *testing.T) { replay(t, openGPU(t)) }

// The recorded linear SVMs: every C's weights, scores and accuracies.
func TestGoldenSVM(t *testing.T) {
	cases := []string{"testdata/svm.safetensors"}
	if dir := os.Getenv(shared.Variable); dir != "" {
		cases = append(cases, filepath.Join(dir, "golden/downstream/svm.safetensors"))
	}
	for _, path := range cases {
		r, err := check.Golden(t.Context(), cpu.Device{}, path)
		require.NoError(t, err)
		require.Len(t, r.Figures, 4*5)
		for _, f := range r.Figures {
			t.Logf("%-20s %.2g of %.2g", f.Name, f.Error, f.Limit)
			require.True(t, f.Pass, "%s: error %g, limit %g", f.Name, f.Error, f.Limit)
		}
	}
	for _, name := range []string{"C0.01/scores", "C1/intercept", "train/features", "test/labels"} {
		f, err := safetensors.Load("testdata/svm.safetensors")
		require.NoError(t, err)
		for i := range f.Tensors[name].Data {
			f.Tensors[name].Data[i]++
		}
		path := filepath.Join(t.TempDir(), "wrong.safetensors")
		require.NoError(t, f.Save(path))
		r, err := check.Golden(t.Context(), cpu.Device{}, path)
		require.True(t, err != nil || !r.Pass, name)
	}
}

// A case with one wrong figure fails, whichever it is: the replay compares them all.
func TestGoldenNoticesWrongFigures(t *testing.T) {
	for _, name := range []string{
		"step0/loss/vt2at_align_loss", "step1/loss/aud_recon_loss", "step0/grad/vid_ae.mask_token", "step1/clip_norms",
		"step0/features/audio_teacher", "final/aud_teacher.head.mlp.6.bias", "final/at2vs_ce_loss.center",
		"step1/video_local0", "init/vid_student.backbone.cls_token",
	} {
		t.Run(name, func(t *testing.T) {
			file, err := safetensors.Load("testdata/mini_xkd.safetensors")
			require.NoError(t, err)
			data := file.Tensors[name].Data
			require.NotEmpty(t, data)
			for i := range data {
				data[i] *= 1.02
			}
			path := filepath.Join(t.TempDir(), "wrong.safetensors")
			require.NoError(t, file.Save(path))
			r, err := check.Golden(context.Background(), cpu.Device{}, path)
			require.NoError(t, err)
			require.False(t, r.Pass)
		})
	}
}

func TestGoldenRefusesWhatIsNoCase(t *testing.T) {
	file, err := safetensors.Load("testdata/mini_xkd.safetensors")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "case.safetensors")
	golden := func() error {
		require.NoError(t, file.Save(path))
		_, err := check.Golden(context.Background(), cpu.Device{}, path)
		return err
	}
	delete(file.Tensors, "step1/video_mask_noise")
	require.ErrorContains(t, golden(), "no tensor step1/video_mask_noise")
	config := file.Metadata["config"]
	delete(file.Metadata, "config")
	require.ErrorContains(t, golden(), `no "config"`)
	file.Metadata["config"] = config[:20]
	require.ErrorContains(t, golden(), "config")
	_, err = check.Golden(context.Background(), cpu.Device{}, filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
