package op_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Every result of every reference against the closed form of the operation's declaration, as it is kept.
func TestClosedForms(t *testing.T) {
	eachCase(t, false, func(t *testing.T, o *graph.Op, c graph.Case) {
		if o.Closed == nil {
			t.Fatalf("%s has no closed form", o.Name)
		}
		in := drawn(c, rand.New(rand.NewPCG(3, 9)))
		y, err := applied(o, c)
		if err != nil {
			t.Fatal(err)
		}
		got := rounded(y, reference(t, o, c, in, serial))
		want := rounded(y, o.Closed(graph.Sample{Case: c, In: in, Y: y.Shape}))
		if len(got) != len(want) {
			t.Fatalf("the closed form has %d results, the reference %d", len(want), len(got))
		}
		limit := 1e-10
		if o.Approximate {
			limit = 2e-6
		}
		for i := range want {
			near(t, "result", got[i], want[i], limit)
		}
	})
}

// Figures worked out by hand, so that closed form and reference cannot err alike in the conventions.
func TestFiguresByHand(t *testing.T) {
	one := []op.AdamWTensor{{Span: graph.Span{Size: 1}, Decay: true}}
	for _, c := range []struct {
		op     string
		attrs  any
		shapes []graph.Shape
		types  []graph.Type
		in     [][]float64
		want   []float64
	}{
		{op: "softmax", shapes: []graph.Shape{{2}}, in: [][]float64{{0, math.Log(3)}}, want: []float64{0.25, 0.75}},
		{op: "layernorm", attrs: op.LayerNormAttrs{}, shapes: []graph.Shape{{2}, {2}, {2}},
			in: [][]float64{{1, 3}, {10, 10}, {0, 5}}, want: []float64{-10, 15}},
		{op: "normalize_patches", shapes: []graph.Shape{{3}}, in: [][]float64{{-1000, 0, 1000}}, want: []float64{-1, 0, 1}},
		{op: "soft_cross_entropy", attrs: op.TemperatureAttrs{Temperature: 0.5}, shapes: []graph.Shape{{1, 2}, {2, 2}},
			in: [][]float64{{1, 0}, {0, 0, 0, math.Log(3) / 2}}, want: []float64{math.Log(2), math.Log(4)}},
		{op: "pair_distance", shapes: []graph.Shape{{1, 2}, {2, 2}}, in: [][]float64{{0, 0}, {3, 4, 0, 0}}, want: []float64{25, 1e-30}},
		{op: "gauss_kernel", shapes: []graph.Shape{{1}}, in: [][]float64{{0}}, want: []float64{7}},
		{op: "match_norm", shapes: []graph.Shape{{2}, {2}}, in: [][]float64{{3, 4}, {0, 10}}, want: []float64{6, 8}},
		{op: "gelu", shapes: []graph.Shape{{2}}, in: [][]float64{{0, 1}}, want: []float64{0, 0.841344746068543}},
		{op: "bank_norms", attrs: op.BankNormsAttrs{Tensors: []op.BankTensor{{Span: graph.Span{Size: 2}}}},
			shapes: []graph.Shape{{1}, {1, 2}, {64}, {1, 3}}, in: [][]float64{{0.5}, {0, 1}, append([]float64{3, 4}, make([]float64, 62)...), {0, 2, 0}}, want: []float64{2.5}},
		// What is not visited, or small, keeps the share.
		{op: "clip", attrs: op.ClipAttrs{Max: 3, Visits: []int{0, 2}}, shapes: []graph.Shape{{3}, {1}, {2}},
			in: [][]float64{{6 - 1e-6, 9, 1}, {0.5}, {0, 2}}, want: []float64{0.25, 0.5, 0.5}},
		{op: "adamw", attrs: op.AdamWAttrs{Beta1: 0.9, Beta2: 0.99, Tensors: one},
			shapes: []graph.Shape{{1}, {1}, {1}, {1}, {1}, {1, op.HyperSize}, {1, 5}},
			in:     [][]float64{{2}, {0}, {0}, {5}, {1}, {0.1, 0.5, 0.1, 0.1, 1}, {0, 1, 1, 0, 1}}, want: []float64{2 - 0.1*0.5*2 - 0.1}},
		{op: "ema", shapes: []graph.Shape{{1}, {1}, {1}}, in: [][]float64{{1}, {2}, {0.75}}, want: []float64{1.25}},
		{op: "accumulate", shapes: []graph.Shape{{2}, {2}, {1}}, in: [][]float64{{math.NaN(), 1}, {2, 3}, {1}}, want: []float64{2, 3}},
		{op: "accumulate", shapes: []graph.Shape{{2}, {2}, {1}}, in: [][]float64{{5, 1}, {2, 3}, {0}}, want: []float64{7, 4}},
		{op: "gather", shapes: []graph.Shape{{1, 2, 1}, {1, 3}, {1, 2}}, in: [][]float64{{5, 6}, {1, -1, 0}, {2, 0}}, want: []float64{6, 0, 5}},
		{op: "permute", attrs: []int{1, 0}, shapes: []graph.Shape{{2, 3}}, in: [][]float64{{1, 2, 3, 4, 5, 6}}, want: []float64{1, 4, 2, 5, 3, 6}},
		{op: "matmul", attrs: op.MatMulAttrs{TransB: true}, shapes: []graph.Shape{{1, 2}, {2, 2}, {2}},
			in: [][]float64{{1, 2}, {3, 4, 5, 6}, {0, 100}}, want: []float64{11, 117}},
		{op: "pixel_patches", attrs: op.PixelPatchesAttrs{Patch: [3]int{1, 1, 1}, Normalization: op.Normalization{Std: [3]float64{1, 2, 4}}},
			shapes: []graph.Shape{{1, 3, 1, 1, 2}}, types: []graph.Type{graph.Uint8},
			in: [][]float64{{0, 255, 51, 102, 0, 255}}, want: []float64{0, 0.1, 0, 1, 0.2, 0.25}},
	} {
		got := reference(t, lookup(t, c.op), graph.Case{Attrs: c.attrs, Shapes: c.shapes, Types: c.types}, c.in, serial)[0]
		near(t, c.op, got[:len(c.want)], c.want, 1e-9)
	}
}

// What clipping finds is the norm that each visit meets.
func TestClipFindsNorms(t *testing.T) {
	c := graph.Case{Attrs: op.ClipAttrs{Max: 3, Visits: []int{1, 0, 1}}, Shapes: []graph.Shape{{2}, {1}, {3}}}
	got := reference(t, lookup(t, "clip"), c, [][]float64{{1, 8}, {0.5}, {1, 0, 1}}, serial)
	near(t, "norms found", got[1], []float64{8, 1, 3}, 1e-6)
}
