package layers

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

// What is forgotten and had again for the gradient gives the same bits: alone, with all before it, and what is had again from
// another result.
func TestForget(t *testing.T) {
	const rows, width = 5, 8
	gradients := func(forget func(g *graph.Graph, norm, hidden, sum *graph.Node)) (out [][]float32, nodes int) {
		var grads []*graph.Node
		g, err := graph.Build(func(g *graph.Graph) {
			x := g.State("x", true, rows, width)
			gain, bias := g.State("gain", true, width), g.State("bias", true, width)
			w, b, v := g.State("w", true, 3*width, width), g.State("b", true, 3*width), g.State("v", true, width, 3*width)
			norm := op.LayerNorm(g, x, gain, bias, 1e-5)
			hidden := op.MatMulGELU(g, norm, w, b, false, true)
			sum := op.MatMulOnto(g, x, hidden, v, bias, false, true)
			forget(g, norm, hidden, sum)
			y := g.Keep(op.Mean(g, op.Mul(g, sum, sum)))
			grads = g.Gradients(y, g.Const("one", []float32{1}, 1), []*graph.Node{x, gain, bias, w, b, v})
			for _, d := range grads {
				g.Keep(d)
			}
		})
		require.NoError(t, err)
		e, err := cpu.New[float32](g, graph.PlanOptions{}, cpu.Options{Poison: true})
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(1, 2))
		for _, name := range []string{"x", "gain", "bias", "w", "b", "v"} {
			for i := range e.Data(g.Lookup(name)) {
				e.Data(g.Lookup(name))[i] = 2*rng.Float32() - 1
			}
		}
		require.NoError(t, e.Run(context.Background()))
		for _, d := range grads {
			out = append(out, append([]float32(nil), e.Data(d)...))
		}
		return out, len(e.Plan().Items)
	}
	want, nodes := gradients(func(*graph.Graph, *graph.Node, *graph.Node, *graph.Node) {})
	for name, c := range map[string]struct {
		forget func(g *graph.Graph, norm, hidden, sum *graph.Node)
		more   int
	}{
		"norm":       {func(g *graph.Graph, norm, _, _ *graph.Node) { g.Forget(norm) }, 1},
		"gelu":       {func(g *graph.Graph, _, hidden, _ *graph.Node) { g.ForgetFirst(hidden) }, 1},
		"both":       {func(g *graph.Graph, norm, hidden, _ *graph.Node) { g.Forget(norm); g.ForgetFirst(hidden) }, 2},
		"all":        {func(g *graph.Graph, norm, hidden, sum *graph.Node) { g.Forget(norm); g.Forget(hidden); g.Forget(sum) }, 3},
		"the middle": {func(g *graph.Graph, _, hidden, _ *graph.Node) { g.Forget(hidden) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, more := gradients(c.forget)
			require.Equal(t, want, got)
			require.Equal(t, nodes+c.more, more)
		})
	}
	_, err := graph.Build(func(g *graph.Graph) { g.ForgetFirst(op.Add(g, g.Input("a", 2), g.Input("b", 2))) })
	require.ErrorContains(t, err, "cannot be had again")
}
