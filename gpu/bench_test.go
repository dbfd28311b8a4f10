package gpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"goxkd/graph"
	"goxkd/graph/op"
)

// BenchmarkMatmul reports GFLOP/s of every variant at a square and at ViT shapes. On adapters with a chosen variant only,
// run it with -bench 'Matmul/chosen'.
func BenchmarkMatmul(b *testing.B) {
	shapes := []struct {
		m, n, k int
		form    string
	}{
		{1024, 1024, 1024, "nn"}, {2320, 96, 384, "nn"}, {2320, 384, 96, "nt"}, {288, 96, 2320, "tn"}, {2319, 95, 383, "nn"},
	}
	for _, variant := range []string{"chosen", "R8", "R16", "R32", "T64", "T128"} {
		for _, s := range shapes {
			b.Run(fmt.Sprintf("%s/%dx%dx%d%s", variant, s.m, s.n, s.k, s.form), func(b *testing.B) {
				d := shared(b)
				if variant[0] == 'T' && d.Target().Class == graph.Software && !strings.Contains(b.Name(), "1024") {
					b.Skip("barriers are slow on software adapters")
				}
				rng := rand.New(rand.NewPCG(1, 2))
				var x, y *graph.Node
				transA, transB := s.form[0] == 't', s.form[1] == 't'
				g := build(b, func(g *graph.Graph) {
					x = g.Input("a", swap(transA, s.m, s.k)...)
					y = g.Input("b", swap(transB, s.k, s.n)...)
					g.Keep(op.MatMul(g, x, y, nil, transA, transB))
				})
				e := compile(b, d, g, force(variant))
				write(b, e, x, random(rng, s.m*s.k))
				write(b, e, y, random(rng, s.k*s.n))
				for range 3 { // drivers compile at the first dispatch
					run(b, e)
				}
				b.ResetTimer()
				best := time.Hour // the least disturbed run
				for b.Loop() {
					start := time.Now()
					if err := e.Run(context.Background()); err != nil {
						b.Fatal(err)
					}
					best = min(best, time.Since(start))
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)/best.Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

func swap(trans bool, rows, cols int) []int {
	if trans {
		return []int{cols, rows}
	}
	return []int{rows, cols}
}
