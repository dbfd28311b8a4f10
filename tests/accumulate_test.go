package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// A run of several micro-batches a step that is stopped and resumed ends with the same bytes as one that was not, and takes
// the loader's batches in order.
func TestAccumulatedRunResumes(t *testing.T) {
	c := smallConfig(t, xkd.MATS, 4)
	c.Train.Accumulate = 3
	run := func(ctx context.Context, out string, opt xkd.RunOptions) *xkd.Summary {
		s, err := runIn(t, ctx, cpu.Device{}, c, out, opt)
		require.NoError(t, err)
		return s
	}
	whole, parts := t.TempDir(), t.TempDir()
	want := run(t.Context(), whole, xkd.RunOptions{})
	ctx, stop := context.WithCancel(t.Context())
	run(ctx, parts, xkd.RunOptions{Progress: func(p xkd.Progress) {
		if p.Step == 2 {
			stop()
		}
	}})
	got := run(t.Context(), parts, xkd.RunOptions{Resume: true})
	require.Equal(t, want.Losses, got.Losses)
	a, err := safetensors.Load(want.Checkpoint)
	require.NoError(t, err)
	b, err := safetensors.Load(got.Checkpoint)
	require.NoError(t, err)
	require.Equal(t, a.Tensors, b.Tensors)
}

// A graph of features that is compiled against the training step's store sees the weights as they train, without copies.
func TestFeaturesSeeTrainedWeights(t *testing.T) {
	for name, open := range map[string]func(*testing.T) graph.Device{
		"cpu": func(*testing.T) graph.Device { return cpu.Device{} },
		"gpu": func(t *testing.T) graph.Device { return openGPU(t) },
	} {
		t.Run(name, func(t *testing.T) {
			dev := open(t)
			c := smallConfig(t, xkd.XKD, 60)
			trainer, err := xkd.New(c, dev)
			require.NoError(t, err)
			defer trainer.Close()
			f, err := xkd.BuildFeatures(c, xkd.Video, xkd.Student, c.Train.Batch, xkd.FeatureOptions{})
			require.NoError(t, err)
			held := trainer.Store().Bytes()
			e, err := dev.Compile(f.Graph, graph.PlanOptions{Store: trainer.Store()})
			require.NoError(t, err)
			defer e.Close()
			require.Equal(t, held, trainer.Store().Bytes(), "states were added to the store")

			loader, err := views.NewLoader(t.Context(), synthetic.New(c.Generated()), c.Spec(), views.LoaderConfig{Batch: c.Train.Batch})
			require.NoError(t, err)
			defer loader.Close()
			batch, err := loader.Next()
			require.NoError(t, err)
			pooled := func(f *xkd.Features, e graph.Executor) []float32 {
				out, err := f.Extract(t.Context(), e, xkd.View{Bytes: batch.VideoGlobal})
				require.NoError(t, err)
				return out
			}
			before := pooled(f, e)
			for range 2 { // the learning rate starts from 0
				_, err = trainer.Train(t.Context(), batch)
				require.NoError(t, err)
			}
			after := pooled(f, e)
			require.NotEqual(t, before, after)

			// The same weights by way of a checkpoint give the same bits.
			file := t.TempDir() + "/checkpoint.safetensors"
			require.NoError(t, trainer.Save(file))
			l, err := xkd.LoadCheckpoint(file)
			require.NoError(t, err)
			alone, err := dev.Compile(f.Graph, graph.PlanOptions{})
			require.NoError(t, err)
			defer alone.Close()
			require.NoError(t, f.Restore(alone, l))
			require.Equal(t, pooled(f, alone), after)
		})
	}
}
