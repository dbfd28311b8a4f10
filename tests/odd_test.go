package tests

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/xkd"
)

// Steps of odd sizes agree too: widths that no vector divides, one head, heads of two and four layers, views that are not
// square, several local views or none, projections that fall away because the widths agree.
func TestOddStepsOnGPU(t *testing.T) {
	dev := openGPU(t)
	for name, change := range map[string]func(c *xkd.Config){
		"odd widths": func(c *xkd.Config) {
			c.Model.Encoder, c.Model.Decoder = xkd.Size{Dim: 15, Depth: 2, Heads: 3}, xkd.Size{Dim: 14, Depth: 1, Heads: 2}
			c.Model.Head, c.Train.Batch = xkd.Head{Hidden: 17, Layers: 2, Bottleneck: 5, Out: 23}, 3
		},
		"batch of one, many views": func(c *xkd.Config) {
			c.Variant, c.Model.Cls, c.Train.Batch = xkd.MATS, false, 1
			c.Model.Encoder, c.Model.Decoder = xkd.Size{Dim: 20, Depth: 1, Heads: 4}, xkd.Size{Dim: 20, Depth: 2, Heads: 2}
			c.Model.Head = xkd.Head{Hidden: 9, Layers: 4, Bottleneck: 7, Out: 31}
			c.Views.Video.Locals, c.Views.Audio.Locals = 2, 3
		},
		"oblong views, no video locals": func(c *xkd.Config) {
			c.Variant, c.Model.Refine, c.Train.Batch = xkd.MAS, xkd.RefineSoftmax, 5
			v, a := &c.Views.Video, &c.Views.Audio
			v.Global.Frames, v.Global.Size, v.Patch, v.Locals = 6, [2]int{16, 24}, [3]int{3, 8, 8}, 0
			a.Mels, a.Global.Frames, a.Local.Frames, a.Patch = 12, 40, 15, [2]int{3, 5}
			c.Model.Encoder, c.Model.Decoder = xkd.Size{Dim: 24, Depth: 2, Heads: 1}, xkd.Size{Dim: 576, Depth: 1, Heads: 6}
			c.Loss.Align, c.Loss.KD, c.Loss.Recon = 0, 2, 0.5
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := smallConfig(t, xkd.XKD, 1)
			change(&c)
			r, err := check.Step(context.Background(), dev, c, check.StepOptions{Seed: 1, Plain: true})
			require.NoError(t, err)
			require.Nil(t, r.First, "%+v", r.First)
			require.True(t, r.Pass)
			t.Logf("%d nodes, worst %.2g at %s", r.Nodes, r.Worst.Error, r.Worst.Node)
		})
	}
}
