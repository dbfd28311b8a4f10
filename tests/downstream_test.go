package tests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/internal/shared"
	"goxkd/safetensors"
)

// downstreamCases are those of the project and, where XKD_SHARED names their folder, the rest.
func downstreamCases(t *testing.T) []string {
	t.Helper()
	cases, err := filepath.Glob("testdata/downstream/*.safetensors")
	require.NoError(t, err)
	require.Len(t, cases, 3)
	if dir := os.Getenv(shared.Variable); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "golden", "downstream", "ft_*.safetensors"))
		require.NoError(t, err)
		cases = append(cases, more...)
	}
	return cases
}

func replayDownstream(t *testing.T, dev graph.Device) {
	for _, path := range downstreamCases(t) {
		r, err := check.Golden(context.Background(), dev, path)
		require.NoError(t, err)
		for _, f := range r.Figures {
			require.True(t, f.Pass, "%s: %s: error %.3g, limit %.3g", path, f.Name, f.Error, f.Limit)
		}
		require.Greater(t, len(r.Figures), 60)
	}
}

// The released code's figures of fine-tuning and of a linear probe, on the CPU path.
func TestDownstreamGoldenCPU(t *testing.T) { replayDownstream(t, cpu.Device{}) }

// The same on the GPU path.
func TestDownstreamGoldenGPU(t *testing.T) { replayDownstream(t, openGPU(t)) }

// A case with one wrong figure fails, whichever it is.
func TestDownstreamNoticesWrongFigures(t *testing.T) {
	spoilt := func(change func(*safetensors.File)) *check.GoldenResult {
		file, err := safetensors.Load("testdata/downstream/lin_video.safetensors")
		require.NoError(t, err)
		change(file)
		path := filepath.Join(t.TempDir(), "case.safetensors")
		require.NoError(t, file.Save(path))
		r, err := check.Golden(context.Background(), cpu.Device{}, path)
		require.NoError(t, err)
		return r
	}
	for _, name := range []string{"step0/loss", "step2/logits", "step0/grad/head.bn.weight", "test/logits", "final/head.bn.running_var", "step1/dropout_keep"} {
		require.False(t, spoilt(func(f *safetensors.File) {
			require.NotEmpty(t, f.Tensors[name].Data)
			for i := range f.Tensors[name].Data {
				f.Tensors[name].Data[i] *= 1.02
			}
		}).Pass, name)
	}
	require.False(t, spoilt(func(f *safetensors.File) {
		f.Metadata["groups"] = strings.Replace(f.Metadata["groups"], "1.0", "0.5", 1)
	}).Pass)
}
