package gpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"goxkd/graph"
	"goxkd/graph/op"
)

// matMulShape is C = op(A) op(B), m x n with sums over k, and how often a step needs it.
type matMulShape struct {
	m, n, k int
	form    string // whether A and B are stored transposed (t) or not (n)
	bias    bool
	count   int
}

func (s matMulShape) String() string { return fmt.Sprintf("%dx%dx%d%s", s.m, s.n, s.k, s.form) }

// stepShapes are most of the matrix products of a step of the preset base with 16 clips: teachers, which go forward alone
// (393 tokens of video, 561 of audio), students (60, 73, 113, 141), their input and weight gradients, a decoder; and those
// whose shapes differ in their rows alone stand for each other.
var stepShapes = []matMulShape{
	{8976, 768, 3072, "nt", true, 12}, {8976, 3072, 768, "nt", true, 12}, {8976, 2304, 768, "nt", false, 12}, {8976, 768, 768, "nt", true, 12},
	{6288, 768, 3072, "nt", true, 14}, {6288, 3072, 768, "nt", true, 14}, {6288, 2304, 768, "nt", false, 12}, {6288, 768, 768, "nt", true, 12},
	{2256, 768, 3072, "nt", true, 24}, {2256, 3072, 768, "nt", true, 24}, {2256, 2304, 768, "nt", false, 24}, {2256, 768, 768, "nt", true, 24},
	{2256, 768, 3072, "nn", false, 24}, {2256, 3072, 768, "nn", false, 24}, {2256, 768, 2304, "nn", false, 24}, {2256, 768, 768, "nn", false, 24},
	{3072, 768, 2256, "tn", false, 24}, {768, 3072, 2256, "tn", false, 24}, {2304, 768, 2256, "tn", false, 24}, {768, 768, 2256, "tn", false, 24},
	{960, 768, 3072, "nt", true, 24}, {960, 3072, 768, "nt", true, 24}, {960, 768, 3072, "nn", false, 24}, {960, 768, 768, "nn", false, 24},
	{3072, 768, 960, "tn", false, 24}, {2304, 768, 960, "tn", false, 24},
	{8976, 384, 1536, "nt", true, 4}, {8976, 384, 1536, "nn", false, 4}, {8976, 1536, 384, "nn", false, 4}, {384, 1536, 8976, "tn", false, 4},
}

// shortShapes are a square and shapes of small networks, also such as fill no vectors.
var shortShapes = []matMulShape{
	{1024, 1024, 1024, "nn", false, 1}, {2320, 96, 384, "nn", false, 1}, {2320, 384, 96, "nt", true, 1}, {288, 96, 2320, "tn", false, 1},
	{2319, 95, 383, "nn", false, 1},
}

// BenchmarkMatMul reports GFLOP/s of every variant; the name of the one that is chosen ends in +. At the end it sums up what a
// step would take with the chosen ones, and with the fastest. GPUs are tried on the shapes of a step, with -short and on
// software adapters small ones. -benchtime 1x is enough: the best time counts.
func BenchmarkMatMul(b *testing.B) {
	d := shared(b)
	software := d.Target().Class == graph.Software
	shapes := stepShapes
	if software || testing.Short() {
		shapes = shortShapes
	}
	var chosen, fastest, flops float64
	for _, s := range shapes {
		node := func(g *graph.Graph) []*graph.Node {
			transA, transB := s.form[0] == 't', s.form[1] == 't'
			list := []*graph.Node{g.Input("a", swap(transA, s.m, s.k)...), g.Input("b", swap(transB, s.k, s.n)...)}
			var bias *graph.Node
			if s.bias {
				bias = g.Input("bias", s.n)
				list = append(list, bias)
			}
			return append(list, op.MatMul(g, list[0], list[1], bias, transA, transB))
		}
		first, least := 0.0, 0.0
		for i, variant := range matMulVariants(b, node) {
			name := variant
			if i == 0 {
				name += "+"
			}
			b.Run(s.String()+"/"+name, func(b *testing.B) {
				if variant[0] != 'R' && software && s.m != shapes[0].m {
					b.Skip("barriers are slow on software adapters")
				}
				took := timeMatMul(b, d, s, node, variant)
				if i == 0 {
					first = took
				}
				if least == 0 || took < least {
					least = took
				}
				b.ReportMetric(s.flops()/took/1e9, "GFLOP/s")
				b.ReportMetric(0, "ns/op")
			})
		}
		chosen += first * float64(s.count)
		fastest += least * float64(s.count)
		flops += s.flops() * float64(s.count)
	}
	fmt.Printf("%s: together %.0f GFLOP, %.1f ms as chosen, %.1f ms by the fastest\n", d.adapter.Name, flops/1e9, 1e3*chosen, 1e3*fastest)
}

func (s matMulShape) flops() float64 { return 2 * float64(s.m) * float64(s.n) * float64(s.k) }

// timeMatMul gives the seconds of one product: the best time of several in one submission, whose cost they share. As in a
// step, none begins before the one before it has ended: they write the same memory, and a row of each is read meanwhile.
func timeMatMul(b *testing.B, d *Device, s matMulShape, node func(g *graph.Graph) []*graph.Node, variant string) float64 {
	repeat := 1
	if d.Target().Class != graph.Software {
		repeat = min(max(int(300e9/s.flops()), 1), 50)
	}
	var nodes []*graph.Node
	g := build(b, func(g *graph.Graph) {
		nodes = node(g)
		inputs, last := nodes[:len(nodes)-1], nodes[len(nodes)-1]
		for range repeat {
			g.Keep(op.Slice(g, g.Apply(last.Op, last.Attrs, inputs...), 0, 0, 1))
		}
	})
	opt := force(variant)
	opt.Guard = false
	e, err := d.Compile(g, opt)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	for _, in := range nodes[:len(nodes)-1] {
		if err := e.Write(in, noise(in.Shape.Size())); err != nil {
			b.Fatal(err)
		}
	}
	return bestRun(b, e) / float64(repeat)
}

// noiseData is drawn once: inputs are parts of it.
var noiseData []float32

func noise(n int) []float32 {
	if len(noiseData) < n {
		noiseData = random(rand.New(rand.NewPCG(1, 2)), n)
	}
	return noiseData[:n]
}

// bestRun gives the seconds of the least disturbed of some runs. Those before are not timed, since drivers compile at the
// first dispatch, and submissions grow.
func bestRun(b *testing.B, e graph.Executor) float64 {
	more := 0
	if shared(b).Target().Class != graph.Software {
		more = 4
	}
	best := time.Hour
	for i := range 1 + more + more + b.N {
		start := time.Now()
		if err := e.Run(context.Background()); err != nil {
			b.Fatal(err)
		}
		if i > more {
			best = min(best, time.Since(start))
		}
	}
	return best.Seconds()
}

func swap(trans bool, rows, cols int) []int {
	if trans {
		return []int{cols, rows}
	}
	return []int{rows, cols}
}
