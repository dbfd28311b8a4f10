package tests

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// tuned is a small configuration that fine-tunes, with all that draws at random.
func tuned(t *testing.T, m xkd.Modality, steps int) xkd.Config {
	t.Helper()
	c, err := xkd.Default("nano", xkd.XKD)
	require.NoError(t, err)
	c.Model.Encoder = xkd.Size{Dim: 24, Depth: 2, Heads: 2}
	c = c.TuneFrom(m, 4)
	c.Data.Synthetic.Clips, c.Data.Synthetic.Classes = 16, 4
	c.Train.Steps, c.Train.Batch, c.Tune.TestClips = steps, 4, 2
	require.NoError(t, c.Validate())
	return c
}

// A run that was stopped and resumed gives the same bytes: views, mixing and dropout follow from the step alone. The figures
// on disk are those of fine-tuning, and the file serves as an encoder.
func TestFinetuneResumes(t *testing.T) {
	ctx := context.Background()
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		c := tuned(t, m, 6)
		src := synthetic.New(c.Generated())
		run := func(dir string, resume bool, stop int) {
			trainer, err := xkd.New(c, cpu.Device{})
			require.NoError(t, err)
			defer trainer.Close()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			_, err = trainer.Run(ctx, src, xkd.RunOptions{Folder: dir, Resume: resume, Progress: func(p xkd.Progress) {
				if p.Step == stop {
					cancel()
				}
			}})
			require.NoError(t, err)
		}
		whole, parts := t.TempDir(), t.TempDir()
		run(whole, false, 0)
		run(parts, false, 2)
		run(parts, true, 0)
		a, err := os.ReadFile(filepath.Join(whole, xkd.CheckpointFile))
		require.NoError(t, err)
		b, err := os.ReadFile(filepath.Join(parts, xkd.CheckpointFile))
		require.NoError(t, err)
		require.Equal(t, a, b, "%v", m)
		metrics, err := xkd.LoadMetrics(filepath.Join(parts, xkd.MetricsFile))
		require.NoError(t, err)
		require.Len(t, metrics.Losses["loss"], 6)
		e, err := xkd.OpenEncoder(filepath.Join(whole, xkd.CheckpointFile), m, cpu.Device{}, xkd.EncoderOptions{})
		require.NoError(t, err)
		require.NoError(t, e.Close())
		_, err = xkd.OpenEncoder(filepath.Join(whole, xkd.CheckpointFile), 1-m, cpu.Device{}, xkd.EncoderOptions{})
		require.ErrorIs(t, err, xkd.ErrNoEncoder)
	}
}

// Fine-tuning without augmentation learns its few clips by heart, and a frozen encoder stays as it was.
func TestFinetuneLearns(t *testing.T) {
	ctx := context.Background()
	for _, frozen := range []bool{false, true} {
		c := tuned(t, xkd.Audio, 60)
		if frozen {
			c = c.Probing()
		}
		c, err := c.With("", "views.audio.global.augment={}", "optimizer.lr=3e-3", "tune.layer_decay=1", "train.batch=8")
		require.NoError(t, err)
		src := synthetic.New(c.Generated())
		trainer, err := xkd.New(c, cpu.Device{})
		require.NoError(t, err)
		const name = "aud_student.backbone.encoder.blocks.1.mlp.fc1.weight"
		weights := func() []float32 {
			f, err := trainer.Checkpoint()
			require.NoError(t, err)
			data := make([]float32, graph.Shape(f.Tensors[name].Shape).Size())
			require.NotEmpty(t, data)
			require.NoError(t, f.Tensors[name].Fill(data))
			return data
		}
		before := weights()
		_, err = trainer.Run(ctx, src, xkd.RunOptions{})
		require.NoError(t, err)
		require.Equal(t, frozen, slices.Equal(before, weights()))
		r, err := trainer.Test(ctx, cpu.Device{}, src, nil)
		require.NoError(t, err)
		require.Equal(t, 16, r.Samples)
		if !frozen {
			require.Greater(t, r.Top1, 0.6, "chance is a quarter")
		}
		require.NoError(t, trainer.Close())
	}
}
