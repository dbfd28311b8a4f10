package op_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// longer lists the inputs whose innermost axis may grow by itself in the first case of an operation: nothing else depends
// on it.
var longer = map[string][]int{
	"gelu": {0}, "softmax": {0}, "gauss_kernel": {0}, "l2_normalize": {0}, "normalize_patches": {0}, "norm": {0},
	"row_stats": {0}, "sum_axis": {0}, "spread": {0}, "permute": {0}, "slice": {0}, "pad": {0}, "lincomb": {0},
	"matmul": {1}, "gather": {0, 1}, "mul_rows": {0},
}

// A tensor too many, or one whose innermost axis does not fit, is an error that names the operation.
func TestMisuse(t *testing.T) {
	for _, o := range graph.Ops() {
		if o.View {
			continue
		}
		c := o.Cases[0]
		refuse := func(what string, shapes []graph.Shape) {
			t.Helper()
			_, _, err := applied(o, c.Attrs, shapes)
			if err == nil || !strings.Contains(err.Error(), o.Name) {
				t.Errorf("%s with %s %v: the error is %v", o.Name, what, shapes, err)
			}
		}
		if o.Name != "concat" { // any number will do
			refuse("a tensor too many", append(slices.Clone(c.Shapes), c.Shapes[len(c.Shapes)-1]))
		}
		if len(o.Updates) == 0 {
			refuse("no tensor", nil)
		}
		for i, s := range c.Shapes {
			if slices.Contains(longer[o.Name], i) {
				continue
			}
			shapes := slices.Clone(c.Shapes)
			shapes[i] = s.Clone()
			shapes[i][len(s)-1]++
			refuse(fmt.Sprintf("input %d longer", i), shapes)
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
		{"adamw", func(g *graph.Graph, x *graph.Node) {
			f, h := g.Input("f", 1), g.Input("h", op.HyperSize)
			op.AdamW(g, x, x, x, x, f, h, op.AdamWAttrs{})
		}},
	} {
		_, err := graph.Build(func(g *graph.Graph) { c.apply(g, g.Input("x", 3, 4)) })
		if err == nil || !strings.Contains(err.Error(), c.op) {
			t.Errorf("misuse of %s: the error is %v", c.op, err)
		}
	}
}
