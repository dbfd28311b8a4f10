package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// Blocks that are computed again for the gradient give the same bits with less memory, on the CPU path and on an adapter.
func TestRecompute(t *testing.T) {
	for name, open := range map[string]func(*testing.T) graph.Device{
		"cpu": func(*testing.T) graph.Device { return cpu.Device{} },
		"gpu": func(t *testing.T) graph.Device { return openGPU(t) },
	} {
		t.Run(name, func(t *testing.T) {
			dev := open(t)
			c := smallConfig(t, xkd.MAS, 2)
			run := func(again bool) (map[string]safetensors.Tensor, int64) {
				c.Train.Recompute = again
				s, err := runIn(t, context.Background(), dev, c, t.TempDir(), xkd.RunOptions{})
				require.NoError(t, err)
				f, err := safetensors.Load(s.Checkpoint)
				require.NoError(t, err)
				step, err := xkd.BuildStep(c, xkd.StepOptions{})
				require.NoError(t, err)
				bytes, err := dev.Announce(step.Graph, graph.PlanOptions{})
				require.NoError(t, err)
				return f.Tensors, bytes
			}
			kept, room := run(false)
			again, less := run(true)
			require.Equal(t, kept, again)
			require.Less(t, less, room)
		})
	}
}
