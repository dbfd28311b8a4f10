package device_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/device"
	"goxkd/graph"
	"goxkd/graph/op"
)

// recorder notes what a device was asked to choose.
type recorder struct {
	cpu.Device
	chosen []string
}

func (r *recorder) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	for _, n := range g.Nodes {
		if n.Op != nil {
			r.chosen = append(r.chosen, n.Op.Name+" "+opt.Choose(n, n.Op.VariantsOf(n, graph.Target{Class: graph.Discrete})))
		}
	}
	return r.Device.Compile(g, opt)
}

func TestPrefer(t *testing.T) {
	g, err := graph.Build(func(g *graph.Graph) {
		x := g.Input("x", 64, 64)
		g.Keep(op.Softmax(g, op.MatMul(g, x, x, nil, false, false)))
	})
	require.NoError(t, err)
	r := &recorder{}
	d, err := device.Prefer(r, map[string]string{"softmax": "serial"})
	require.NoError(t, err)
	e, err := d.Compile(g, graph.PlanOptions{})
	require.NoError(t, err)
	require.NoError(t, e.Close())
	require.Len(t, r.chosen, 2)
	assert.Equal(t, "softmax serial", r.chosen[1])

	d, err = device.Prefer(r, map[string]string{"softmax": "sideways"})
	require.NoError(t, err)
	_, err = d.Compile(g, graph.PlanOptions{})
	assert.ErrorContains(t, err, `softmax has no variant "sideways"`)

	_, err = device.Prefer(r, map[string]string{"soft": "serial"})
	assert.ErrorContains(t, err, `no operation "soft"`)
}
