package gpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"goxkd/graph"
	"goxkd/graph/op"
)

// BenchmarkAttention reports the time of attention and of its gradient by every variant, at the shapes of a step of preset
// base with 16 clips: student encoders with and without masks, decoders, and teachers, which have no gradient.
//
//	go test -c ./gpu && ./gpu.test -test.run '^$' -test.bench Attention -test.benchtime 10x
func BenchmarkAttention(b *testing.B) {
	const heads, repeats = 12, 8 // a run waits for the device: it should be busy for long
	attrs := op.AttentionAttrs{Heads: heads}
	for _, c := range []struct {
		tokens, dim int
		trained     bool
	}{
		{60, 768, true}, {73, 768, true}, {113, 768, true}, {141, 768, true}, {393, 384, true}, {561, 384, true}, {393, 768, false}, {561, 768, false},
	} {
		x, y, rows := graph.Shape{16, c.tokens, 3 * c.dim}, graph.Shape{16, c.tokens, c.dim}, graph.Shape{16, heads, c.tokens}
		for _, name := range []string{"attention", "attention_grad"} {
			shapes, products := []graph.Shape{x}, 2
			if name == "attention_grad" {
				shapes, products = []graph.Shape{x, y, rows, y}, 5
				if !c.trained {
					continue
				}
			}
			for _, variant := range []string{"flash", "flash64", "fused", "group", "thread"} {
				b.Run(fmt.Sprintf("%s/%dx%d/%s", name, c.tokens, c.dim, variant), func(b *testing.B) {
					d := shared(b)
					rng := rand.New(rand.NewPCG(1, 2))
					var in []*graph.Node
					var n *graph.Node
					g := build(b, func(g *graph.Graph) {
						for i, s := range shapes {
							in = append(in, g.Input(string(rune('a'+i)), s...))
						}
						for range repeats {
							n = g.Apply(find(b, name), attrs, in...)
							for _, r := range n.All() {
								g.Keep(r)
							}
						}
					})
					if !slices.Contains(n.Op.VariantsOf(n, d.Target()), variant) {
						b.Skip("it is not offered")
					}
					e := compile(b, d, g, force(variant))
					for i, n := range in {
						data := random(rng, n.Shape.Size())
						if i == 2 { // as if the scores were small
							for k := range data {
								data[k] = 6
							}
						}
						write(b, e, n, data)
					}
					for range 3 { // drivers compile at the first dispatch
						run(b, e)
					}
					best := time.Hour // the least disturbed run
					for b.Loop() {
						start := time.Now()
						if err := e.Run(context.Background()); err != nil {
							b.Fatal(err)
						}
						best = min(best, time.Since(start))
					}
					b.ReportMetric(best.Seconds()/repeats*1e3, "ms/node")
					b.ReportMetric(2*float64(products*16*c.tokens*c.tokens*c.dim)*repeats/best.Seconds()/1e9, "GFLOP/s")
				})
			}
		}
	}
}
