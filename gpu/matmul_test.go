package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Every kernel of the matrix product adds the terms of an element in the same order, so that all give the same bits as long
// as the sum is not cut; rows and columns that do not fill blocks, vectors or tiles among them. What is added as the product
// is stored gives the bits that a kernel of its own gives.
func TestMatMulVariantsAgree(t *testing.T) {
	d := shared(t)
	nn, nt, tn, tt := op.MatMulAttrs{}, op.MatMulAttrs{TransB: true}, op.MatMulAttrs{TransA: true}, op.MatMulAttrs{TransA: true, TransB: true}
	for _, s := range []struct {
		m, n, k int
		forms   []op.MatMulAttrs
	}{{140, 76, 72, []op.MatMulAttrs{nn, nt, tn, tt}}, {67, 133, 35, []op.MatMulAttrs{nt}}, {1, 4, 1, []op.MatMulAttrs{nn}}} {
		m, n, k := s.m, s.n, s.k
		if testing.Short() && k != 72 {
			continue // each text is compiled anew
		}
		for _, form := range s.forms {
			t.Run(fmt.Sprintf("%dx%dx%d/%+v", m, n, k, form), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				inputs := [][]float32{random(rng, m*k), random(rng, k*n), random(rng, n), random(rng, m*n)}
				var first []float32
				node := func(g *graph.Graph) []*graph.Node {
					a, b := g.Input("a", swap(form.TransA, m, k)...), g.Input("b", swap(form.TransB, k, n)...)
					bias, x := g.Input("bias", n), g.Input("x", m, n)
					added := g.Keep(op.Add(g, x, op.MatMul(g, a, b, bias, form.TransA, form.TransB)))
					return []*graph.Node{a, b, bias, x, added, g.Keep(op.MatMulOnto(g, x, a, b, bias, form.TransA, form.TransB))}
				}
				for _, variant := range matMulVariants(t, node) {
					var nodes []*graph.Node
					g := build(t, func(g *graph.Graph) { nodes = node(g) })
					e := compile(t, d, g, force(variant))
					for i, data := range inputs {
						write(t, e, nodes[i], data)
					}
					run(t, e)
					got := read(t, e, nodes[5])
					if err := e.CheckGuards(); err != nil {
						t.Errorf("%s: %v", variant, err)
					}
					if first == nil {
						first = read(t, e, nodes[4])
						call := graph.Call[float32]{Node: nodes[5], In: inputs, Out: make([]float32, m*n), Par: serial}
						call.Outs = [][]float32{call.Out}
						nodes[5].Op.Ref32(&call)
						if err := nmse(got, call.Out); !(err < 1e-12) {
							t.Errorf("%s: normalised mean square error %g", variant, err)
						}
					}
					for i := range got {
						if math.Float32bits(got[i]) != math.Float32bits(first[i]) {
							t.Errorf("%s: result %d is %g, expected %g", variant, i, got[i], first[i])
							break
						}
					}
				}
			})
		}
	}
}

// matMulVariants names the kernels for the last node of a graph.
func matMulVariants(t testing.TB, nodes func(g *graph.Graph) []*graph.Node) []string {
	t.Helper()
	var last *graph.Node
	build(t, func(g *graph.Graph) {
		all := nodes(g)
		last = all[len(all)-1]
	})
	return last.Op.VariantsOf(last, shared(t).Target())
}
