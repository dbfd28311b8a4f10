package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/layers"
	"goxkd/xkd"
)

// Steps of odd sizes agree too: widths that no vector divides, one head, heads of two and four layers, views that are not
// square, several local views or none, projections that fall away because the widths agree.
func TestOddStepsOnGPU(t *testing.T) {
	dev := openGPU(t)
	for name, change := range map[string]func(c *xkd.Config){
		"odd widths": func(c *xkd.Config) {
			c.Encoder, c.Decoder = layers.Size{Dim: 15, Depth: 2, Heads: 3}, layers.Size{Dim: 14, Depth: 1, Heads: 2}
			c.Head, c.Batch = layers.HeadSize{Hidden: 17, Layers: 2, Bottleneck: 5, Out: 23}, 3
		},
		"batch of one, many views": func(c *xkd.Config) {
			c.Variant, c.Cls, c.Batch = xkd.MATS, false, 1
			c.Encoder, c.Decoder = layers.Size{Dim: 20, Depth: 1, Heads: 4}, layers.Size{Dim: 20, Depth: 2, Heads: 2}
			c.Head = layers.HeadSize{Hidden: 9, Layers: 4, Bottleneck: 7, Out: 31}
			c.Video.Locals, c.Audio.Locals = 2, 3
		},
		"oblong views, no video locals": func(c *xkd.Config) {
			c.Variant, c.Attention, c.Batch = xkd.MAS, xkd.AttentionSoftmax, 5
			c.Video.Global, c.Video.Patch, c.Video.Locals = [4]int{3, 6, 16, 24}, [3]int{3, 8, 8}, 0
			c.Audio.Global, c.Audio.Local, c.Audio.Patch = [3]int{1, 12, 40}, [3]int{1, 12, 15}, [2]int{3, 5}
			c.Encoder, c.Decoder = layers.Size{Dim: 24, Depth: 2, Heads: 1}, layers.Size{Dim: 576, Depth: 1, Heads: 6}
			c.Loss = xkd.Coefficients{KD: 2, Recon: 0.5}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallPlan(t, xkd.XKD, 1).Config
			change(&c)
			r, err := check.Step(context.Background(), dev, c, check.StepOptions{Seed: 1, Plain: true})
			require.NoError(t, err)
			require.Nil(t, r.First, "%+v", r.First)
			require.True(t, r.Pass)
			t.Logf("%d nodes, worst %.2g at %s", r.Nodes, r.Worst.Error, r.Worst.Node)
		})
	}
}
