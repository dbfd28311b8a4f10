package cpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/graph"
	"goxkd/graph/op"
)

// The BLAS forms equal the declared references on every case of their operations, forward and, since the gradients are
// operations with forms of their own, backward.
func TestFastEqualsReference(t *testing.T) {
	for _, o := range graph.Ops() {
		if fast[float32](o.Name) == nil {
			continue
		}
		for i, c := range o.Cases {
			if c.Name == "long sum" {
				continue // the plain reference takes too long
			}
			t.Run(o.Name+"/"+c.Name, func(t *testing.T) {
				var out *graph.Node
				g, err := graph.Build(func(g *graph.Graph) {
					var in []*graph.Node
					for k, s := range c.Shapes {
						in = append(in, g.Input(fmt.Sprint(k), s...))
					}
					out = g.Keep(g.Apply(o, c.Attrs, in...))
				})
				require.NoError(t, err)
				var results [2][]float64
				for k, plain := range []bool{false, true} {
					e, err := New[float32](g, graph.PlanOptions{}, Options{Plain: plain})
					require.NoError(t, err)
					rng := rand.New(rand.NewPCG(uint64(i), 3))
					for _, n := range g.Nodes {
						if n.Kind == graph.KindInput {
							for j := range e.Data(n) {
								e.Data(n)[j] = 2*rng.Float32() - 1
							}
						}
					}
					require.NoError(t, e.Run(context.Background()))
					for _, v := range e.Data(out) {
						results[k] = append(results[k], float64(v))
					}
				}
				var diff, size float64
				for j, want := range results[1] {
					diff += (results[0][j] - want) * (results[0][j] - want)
					size += want * want
				}
				require.LessOrEqual(t, diff, 1e-11*size)
			})
		}
	}
}

// Every item is visited once, however many cores share them out.
func TestPar(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000} {
		for _, grain := range []int{0, 1, 3, 5000} {
			seen := make([]int, n)
			Par(n, grain, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					seen[i]++
				}
			})
			for i, k := range seen {
				require.Equal(t, 1, k, "item %d of %d, grain %d", i, n, grain)
			}
		}
	}
}

func TestRunStopsOnCancel(t *testing.T) {
	var y *graph.Node
	g, err := graph.Build(func(g *graph.Graph) { y = g.Keep(op.GELU(g, g.Input("x", 4))) })
	require.NoError(t, err)
	e, err := New[float32](g, graph.PlanOptions{}, Options{})
	require.NoError(t, err)
	require.NoError(t, e.Write(g.Lookup("x"), []float32{1, 2, 3, 4}))
	require.ErrorContains(t, e.Write(g.Lookup("x"), []float32{1}), "cannot write 1 elements to x [4]")
	require.ErrorContains(t, e.Read(y, make([]float32, 3)), "into 3 elements")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, e.Run(ctx), context.Canceled)
	require.Equal(t, make([]float32, 4), e.Data(y), "nothing was computed")
	require.NoError(t, e.Run(context.Background()))
	require.NotZero(t, e.Data(y)[0])
}
