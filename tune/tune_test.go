package tune

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/gpu"
	"goxkd/gpu/gputest"
	"goxkd/graph"
	"goxkd/graph/op"
)

func open(t *testing.T) *gpu.Device {
	t.Helper()
	if testing.Short() {
		t.Skip("compiles kernels")
	}
	d := gputest.Open(t)
	t.Cleanup(func() { d.Close() })
	return d
}

// small has two nodes of one shape and one of another; an addition has nothing to choose.
func small(t *testing.T) *graph.Graph {
	t.Helper()
	g, err := graph.Build(func(g *graph.Graph) {
		x, z := g.Input("x", 64, 128), g.Input("z", 8, 32)
		g.Keep(op.Add(g, op.Softmax(g, x), op.Softmax(g, op.Add(g, x, x))))
		g.Keep(op.Softmax(g, z))
	})
	require.NoError(t, err)
	return g
}

func TestGraph(t *testing.T) {
	d, g, folder := open(t), small(t), t.TempDir()
	tasks, err := Tasks(d, g)
	require.NoError(t, err)
	require.Len(t, tasks, 2)
	assert.Equal(t, 2, tasks[0].Nodes)
	assert.ElementsMatch(t, []string{"serial", "shared"}, tasks[0].Variants)

	c, err := OpenCache(folder, d.Adapter())
	require.NoError(t, err)
	calls := 0
	r, err := c.Graph(t.Context(), d, g, false, func(done, of int) { calls++ })
	require.NoError(t, err)
	require.Len(t, r.Tried, 2)
	assert.Equal(t, 3, calls)
	for _, tried := range r.Tried {
		assert.Empty(t, tried.Wrong)
		assert.Contains(t, tried.Variants, tried.Best)
		assert.GreaterOrEqual(t, tried.Gain(), 0.0)
	}

	// The choice is found again, and taken.
	c, err = OpenCache(folder, d.Adapter())
	require.NoError(t, err)
	r, err = c.Graph(t.Context(), d, g, false, nil)
	require.NoError(t, err)
	assert.Equal(t, 2, r.Known)
	for _, want := range []string{"serial", "shared"} {
		for k, choice := range c.Choices {
			choice.Variant, choice.Use = want, false
			c.Choices[k] = choice
		}
		assert.Equal(t, tasks[0].Variants[0], c.Device(d).(*tuned).choose(tasks[0].node, tasks[0].Variants), "not in use yet")
		require.NoError(t, c.Use(d, g, true))
		dev := c.Device(d).(*tuned)
		assert.Equal(t, want, dev.choose(tasks[0].node, tasks[0].Variants))
		e, err := dev.Compile(g, graph.PlanOptions{})
		require.NoError(t, err)
		require.NoError(t, e.Close())
	}
	// Not for other kernels, or for another driver.
	for k, choice := range c.Choices {
		choice.Kernels, choice.Variant = "of another version", tasks[0].Variants[1]
		c.Choices[k] = choice
	}
	assert.Equal(t, tasks[0].Variants[0], c.Device(d).(*tuned).choose(tasks[0].node, tasks[0].Variants))
	other := d.Adapter()
	other.Driver += " 2"
	fresh, err := OpenCache(folder, other)
	require.NoError(t, err)
	assert.Empty(t, fresh.Choices)
	assert.NotEqual(t, c.File(), fresh.File())

	// A damaged file is an empty cache.
	require.NoError(t, os.WriteFile(c.File(), []byte("{\"adapter\": 3"), 0o644))
	fresh, err = OpenCache(folder, d.Adapter())
	require.NoError(t, err)
	assert.Empty(t, fresh.Choices)
}

// A variant whose result is not the CPU path's is never taken.
func TestWrongVariant(t *testing.T) {
	d, g := open(t), small(t)
	tasks, err := Tasks(d, g)
	require.NoError(t, err)
	one, err := alone(tasks[0].node)
	require.NoError(t, err)
	require.NoError(t, one.compute(t.Context()))
	e, err := one.prepare(t.Context(), d, "serial")
	require.NoError(t, err)
	require.NoError(t, e.Close())
	one.want[0][77] += 0.1
	_, err = one.prepare(t.Context(), d, "serial")
	require.ErrorContains(t, err, "is allowed")

	tasks[0].Variants = []string{"sideways"}
	_, err = Try(t.Context(), d, tasks[0])
	require.ErrorContains(t, err, "no variant is right")
}
