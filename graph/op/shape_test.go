package op_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// A tensor too many, or one whose innermost axis does not fit, or kept in a way that the operation does not take, is an error
// that names the operation.
func TestMisuse(t *testing.T) {
	for _, o := range graph.Ops() {
		if o.View {
			continue
		}
		c := o.Cases[0]
		refuse := func(what string, shapes []graph.Shape, types []graph.Type) {
			t.Helper()
			_, err := applied(o, graph.Case{Attrs: c.Attrs, Shapes: shapes, Types: types})
			if err == nil || !strings.Contains(err.Error(), o.Name) {
				t.Errorf("%s with %s %v: the error is %v", o.Name, what, shapes, err)
			}
		}
		refuse("a tensor too many", append(slices.Clone(c.Shapes), c.Shapes[len(c.Shapes)-1]), c.Types)
		refuse("no tensor", nil, nil)
		for i, s := range c.Shapes {
			if !slices.Contains(o.Updates, i) { // states are float32 always
				for _, other := range []graph.Type{graph.Float32, graph.Float16, graph.Uint8} {
					if other != typeOf(c, i) {
						types := make([]graph.Type, len(c.Shapes))
						copy(types, c.Types)
						types[i] = other
						refuse(fmt.Sprintf("input %d kept as %v", i, other), c.Shapes, types)
					}
				}
			}
			if slices.Contains(o.Loose, i) {
				continue
			}
			shapes := slices.Clone(c.Shapes)
			shapes[i] = s.Clone()
			shapes[i][len(s)-1]++
			refuse(fmt.Sprintf("input %d longer", i), shapes, c.Types)
		}
	}
}

// What is declared loose does take another length.
func TestLoose(t *testing.T) {
	for _, o := range graph.Ops() {
		for _, i := range o.Loose {
			c := o.Cases[0]
			c.Shapes = slices.Clone(c.Shapes)
			c.Shapes[i] = c.Shapes[i].Clone()
			c.Shapes[i][len(c.Shapes[i])-1]++
			if _, err := applied(o, c); err != nil {
				t.Errorf("input %d of %s is not loose: %v", i, o.Name, err)
			}
		}
	}
}

func TestMisuseOfAttributes(t *testing.T) {
	for _, c := range []struct {
		op    string
		apply func(g *graph.Graph, x *graph.Node)
	}{
		{"sum_axis", func(g *graph.Graph, x *graph.Node) { op.SumAxis(g, x, 2, 1) }},
		{"sum_axis", func(g *graph.Graph, x *graph.Node) { op.MeanAxis(g, x, -1) }},
		{"spread", func(g *graph.Graph, x *graph.Node) { op.Spread(g, x, 3, 2, 1) }},
		{"spread", func(g *graph.Graph, x *graph.Node) { op.Spread(g, x, 0, 0, 1) }},
		{"permute", func(g *graph.Graph, x *graph.Node) { op.Permute(g, x, 1, 1) }},
		{"permute", func(g *graph.Graph, x *graph.Node) { op.Permute(g, x, 0) }},
		{"slice", func(g *graph.Graph, x *graph.Node) { op.Slice(g, x, 0, 2, 4) }},
		{"slice", func(g *graph.Graph, x *graph.Node) { op.Slice(g, x, 0, 2, 2) }},
		{"slice", func(g *graph.Graph, x *graph.Node) { op.Slice(g, x, 2, 0, 1) }},
		{"concat", func(g *graph.Graph, x *graph.Node) { op.Concat(g, 2, x, x) }},
		{"concat", func(g *graph.Graph, x *graph.Node) { op.Concat(g, 0, x, x, x, x, x, x, x, x) }},
		{"lincomb", func(g *graph.Graph, x *graph.Node) { op.LinComb(g, []float64{1, 2}, x) }},
		{"attention", func(g *graph.Graph, x *graph.Node) { op.Attention(g, x, 1) }},
		{"normalize_patches", func(g *graph.Graph, x *graph.Node) { op.NormalizePatches(g, g.Reshape(x, 12, 1)) }},
		{"adamw", func(g *graph.Graph, x *graph.Node) { adamW(g, graph.Span{Offset: 64, Size: 65}, 0, 0) }},
		{"adamw", func(g *graph.Graph, x *graph.Node) { adamW(g, graph.Span{Offset: 1, Size: 1}, 0, 0) }},
		{"adamw", func(g *graph.Graph, x *graph.Node) { adamW(g, graph.Span{Size: 1}, 1, 0) }},
		{"adamw", func(g *graph.Graph, x *graph.Node) { adamW(g, graph.Span{Size: 1}, 0, 2) }},
		{"bank_norms", func(g *graph.Graph, x *graph.Node) { bankNorms(g, 1, graph.Span{Size: 1}) }},
		{"bank_norms", func(g *graph.Graph, x *graph.Node) { bankNorms(g, 0, graph.Span{Offset: 1, Size: 1}) }},
		{"bank_norms", func(g *graph.Graph, x *graph.Node) { bankNorms(g, 0, graph.Span{Offset: 64, Size: 65}) }},
		{"clip", func(g *graph.Graph, x *graph.Node) { clip(g, 3) }},
		{"clip", func(g *graph.Graph, x *graph.Node) { clip(g, -1) }},
		{"bank_ema", func(g *graph.Graph, x *graph.Node) { bankEMA(g, op.EMASpan{To: 64, Size: 65}) }},
		{"bank_ema", func(g *graph.Graph, x *graph.Node) { bankEMA(g, op.EMASpan{From: 64, Size: 65}) }},
		{"bank_ema", func(g *graph.Graph, x *graph.Node) { bankEMA(g, op.EMASpan{To: 1, Size: 1}) }},
		{"bank_ema", func(g *graph.Graph, x *graph.Node) { bankEMA(g, op.EMASpan{Size: 64}, op.EMASpan{From: 64, Size: 64}) }},
		{"half", func(g *graph.Graph, x *graph.Node) { op.Half(g, op.Half(g, x)) }},
		{"widen", func(g *graph.Graph, x *graph.Node) { op.Widen(g, x) }},
		{"gelu", func(g *graph.Graph, x *graph.Node) { op.GELU(g, op.Half(g, x)) }},
		{"pixel_patches", func(g *graph.Graph, x *graph.Node) { pixels(g, [3]int{1, 2, 3}, [3]float64{1, 1, 1}) }},
		{"pixel_patches", func(g *graph.Graph, x *graph.Node) { pixels(g, [3]int{1, 2, 2}, [3]float64{1, 0, 1}) }},
	} {
		_, err := graph.Build(func(g *graph.Graph) { c.apply(g, g.Input("x", 3, 4)) })
		if err == nil || !strings.Contains(err.Error(), c.op) {
			t.Errorf("misuse of %s: the error is %v", c.op, err)
		}
	}
}

// The operations over banks on banks of two blocks.

func adamW(g *graph.Graph, at graph.Span, factor, row int) {
	var b [4]*graph.Node
	for i, name := range []string{"p", "m", "v", "g"} {
		b[i] = g.NewBank(name, 128, false)
	}
	op.AdamW(g, b[0], b[1], b[2], b[3], g.Input("factors", 1), g.Input("hyper", 2, op.HyperSize),
		op.AdamWAttrs{Tensors: []op.AdamWTensor{{Span: at, Factor: factor, Row: row}}})
}

func bankNorms(g *graph.Graph, bank int, at graph.Span) {
	op.BankNorms(g, []*graph.Node{g.NewBank("b", 128, false)}, g.Input("share", 1), []op.BankTensor{{Bank: bank, Span: at}})
}

func clip(g *graph.Graph, visit int) {
	op.Clip(g, g.Input("norms", 3), g.Input("share", 1), op.ClipAttrs{Max: 1, Visits: []int{0, visit}})
}

func bankEMA(g *graph.Graph, spans ...op.EMASpan) {
	op.BankEMA(g, g.NewBank("t", 128, false), g.NewBank("s", 128, false), g.Input("momenta", 2), spans)
}

func pixels(g *graph.Graph, patch [3]int, std [3]float64) {
	op.PixelPatches(g, g.InputAs("pixels", graph.Uint8, 1, 3, 1, 4, 4), patch, op.Normalization{Std: std})
}
