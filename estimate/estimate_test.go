package estimate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/graph"
	"goxkd/xkd"
)

func preset(t *testing.T, name string, batch int) xkd.Config {
	t.Helper()
	c, err := xkd.Default(name, xkd.XKD)
	require.NoError(t, err)
	c.Train.Batch = batch
	return c
}

// The paper's network: what a change to graph or kernels may cost shows here first.
func TestBase(t *testing.T) {
	s, err := Of(preset(t, "base", 16), Options{Class: graph.Discrete, FLOPs: 50e12, Bandwidth: 1e12, Launch: 1e-6})
	require.NoError(t, err)
	assert.Less(t, s.Dispatches, 4000)
	assert.Less(t, s.Memory, int64(9_300_000_000))
	assert.Greater(t, s.FLOPs, 7.0e12)
	assert.Greater(t, s.Seconds, s.FLOPs/50e12)
	var sum Operation
	for _, o := range s.Operations {
		sum.Dispatches += o.Dispatches
		sum.Moved += o.Moved
		sum.Seconds += o.Seconds
	}
	assert.Equal(t, s.Dispatches, sum.Dispatches)
	assert.Equal(t, s.Moved, sum.Moved)
	assert.InDelta(t, s.Seconds, sum.Seconds, 1e-9)
	assert.Equal(t, s.Memory, s.States+s.Inputs+s.Slots+s.Params)
}

// Micro-batches repeat the gradients' stage and not the update's.
func TestAccumulation(t *testing.T) {
	c := preset(t, "nano", 4)
	one, err := Of(c, Options{Class: graph.Discrete})
	require.NoError(t, err)
	c.Train.Accumulate = 5
	five, err := Of(c, Options{Class: graph.Discrete})
	require.NoError(t, err)
	assert.InDelta(t, 5, five.FLOPs/one.FLOPs, 1e-9)
	assert.Greater(t, five.Dispatches, 4*one.Dispatches)
	assert.Zero(t, five.Seconds)
	update := func(s *Step) int {
		for _, o := range s.Operations {
			if o.Op == "adamw" {
				return o.Dispatches
			}
		}
		return 0
	}
	assert.Equal(t, update(one), update(five))
}

func TestFit(t *testing.T) {
	c := preset(t, "nano", 16)
	f, err := Fit(c, 100_000_000, Options{Class: graph.Integrated})
	require.NoError(t, err)
	for batch, fits := range map[int]bool{f.Batch: true, f.Batch + 1: false} {
		c.Train.Batch = batch
		s, err := Of(c, Options{Class: graph.Integrated})
		require.NoError(t, err)
		assert.Equal(t, fits, s.Memory <= f.Memory, "batch %d needs %d", batch, s.Memory)
	}
	_, err = Fit(c, 1_000_000, Options{})
	assert.ErrorIs(t, err, ErrNoFit)
}
