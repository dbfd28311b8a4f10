package cpu

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/graph"
	"goxkd/graph/op"
)

// near wants a norm of the difference within 1e-6 of the norm of what is wanted.
func near(t *testing.T, want, got []float32, what string) {
	t.Helper()
	var diff, size float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		diff += d * d
		size += float64(want[i]) * float64(want[i])
	}
	require.LessOrEqual(t, diff, 1e-12*size, "level %d, %s", level, what)
}

// Updates of banks give what their references give, with every instruction set: tensors of whole vectors and of others, with
// and without decay, one that rests; what lies between tensors stays.
func TestUpdatesEqualReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 9))
	fill := func(n int, low, high float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = low + (high-low)*rng.Float32()
		}
		return x
	}
	const n = 20_000
	span := func(offset, size int) graph.Span { return graph.Span{Offset: offset, Size: size} }
	adam := op.AdamWAttrs{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Tensors: []op.AdamWTensor{
		{Span: span(0, 37), Factor: 0, Row: 0, Decay: true}, {Span: span(64, 9000), Factor: 1, Row: 1}, {Span: span(9088, 5000), Factor: 2, Row: 2}, {Span: span(15_040, 1), Factor: 1, Row: 0},
	}}
	hyper := []float32{1e-3, 0.05, 0.1, 0.3, 1, 2e-3, 0.1, 0.5, 0.7, 1, 1e-3, 0.1, 0.5, 0.7, 0}
	cases := map[string]struct {
		attrs any
		in    [][]float32
		out   int
	}{
		"adamw":    {adam, [][]float32{fill(n, -1, 1), fill(n, -0.1, 0.1), fill(n, 0, 0.1), fill(n, -1, 1), {1, 0.5, 0.25}, hyper}, 0},
		"ema":      {nil, [][]float32{fill(n, -1, 1), fill(n, -1, 1), {0.997}}, 0},
		"bank_ema": {op.BankEMAAttrs{Spans: []op.EMASpan{{To: 64, From: 128, Size: 640, First: true, Second: true}, {To: 6400, From: 64, Size: 12_800, Second: true}}}, [][]float32{fill(n, -1, 1), fill(n, -1, 1), {0.997, 0.9}}, 0},
		"bank_norms": {op.BankNormsAttrs{Tensors: []op.BankTensor{{Bank: 1, Span: span(64, 33)}, {Bank: 0, Span: span(0, n)}, {Bank: 1, Span: span(128, 1)}}},
			[][]float32{{0.5}, nil, fill(n, -1, 1), fill(n, -1, 1)}, 3},
	}
	byName := map[string]*graph.Op{}
	for _, o := range graph.Ops() {
		byName[o.Name] = o
	}
	levels(func() {
		for name, c := range cases {
			run := func(f graph.Ref[float32]) [][]float32 {
				call := graph.Call[float32]{Node: &graph.Node{Op: byName[name], Attrs: c.attrs}, Par: Par, Out: make([]float32, c.out)}
				for _, x := range c.in {
					call.In = append(call.In, append([]float32(nil), x...))
				}
				f(&call)
				return append(call.In, call.Out)
			}
			want, got := run(byName[name].Ref32), run(vectors[name])
			for i := range want {
				near(t, want[i], got[i], name)
			}
		}
	})
}

// The products of attention's and of a layer's shapes with a bias and a residual, alone and shared out, by every instruction set.
func TestProductEpilogue(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 9))
	for _, s := range [][3]int{{1, 1, 1}, {13, 33, 5}, {12, 32, 300}, {97, 70, 257}, {200, 150, 40}} {
		m, n, k := s[0], s[1], s[2]
		data := make([][]float32, 4)
		for i, size := range []int{m * k, k * n, n, m * n} {
			data[i] = make([]float32, size)
			for j := range data[i] {
				data[i][j] = 2*rng.Float32() - 1
			}
		}
		want := make([]float32, m*n)
		for i := range m {
			for j := range n {
				var sum float64
				for p := range k {
					sum += float64(data[0][i*k+p]) * float64(data[1][j*k+p])
				}
				want[i*n+j] = float32(sum + float64(data[2][j]) + float64(data[3][i*n+j]))
			}
		}
		levels(func() {
			for _, par := range []func(int, int, func(lo, hi int)){nil, Par} {
				got := make([]float32, m*n)
				product32{tB: true, m: m, n: n, k: k, alpha: 1, a: data[0], lda: k, b: data[1], ldb: k, c: got, ldc: n, bias: data[2], add: data[3]}.run(level, par)
				near(t, want, got, "product")
			}
		})
	}
}
