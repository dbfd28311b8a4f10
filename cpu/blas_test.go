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
	widest := level
	for _, o := range graph.Ops() {
		if fast[float32](o.Name) == nil || len(o.Updates) > 0 || o.Name == "bank_norms" {
			continue // those over banks have a test of their own
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
					out = g.Apply(o, c.Attrs, in...)
					for _, r := range out.All() {
						g.Keep(r)
					}
				})
				require.NoError(t, err)
				run := func(plain bool) (out64 []float64) {
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
					for _, r := range out.All() {
						for _, v := range e.Data(r) {
							out64 = append(out64, float64(v))
						}
					}
					return out64
				}
				want := run(true)
				levels(func() {
					if c.Large && level != widest {
						return
					}
					got := run(false)
					var diff, size float64
					for j := range want {
						diff += (got[j] - want[j]) * (got[j] - want[j])
						size += want[j] * want[j]
					}
					require.LessOrEqual(t, diff, 1e-11*size, "level %d", level)
				})
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
