package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"goxkd/graph"
	_ "goxkd/graph/op"
)

// eachCase runs f for every case of every operation with a reference; large ones only where asked for.
func eachCase(t *testing.T, large bool, f func(t *testing.T, op *graph.Op, c graph.Case)) {
	t.Helper()
	for _, op := range graph.Ops() {
		if op.View {
			continue
		}
		if len(op.Cases) == 0 {
			t.Errorf("%s has no cases", op.Name)
		}
		for _, c := range op.Cases {
			if c.Large && !large {
				continue
			}
			t.Run(op.Name+"/"+c.Name, func(t *testing.T) { f(t, op, c) })
		}
	}
}

// drawn makes the inputs of a case, rounded to float32 so that both references see the same figures.
func drawn(c graph.Case, rng *rand.Rand) [][]float64 {
	lo, hi := c.Range[0], c.Range[1]
	if lo == 0 && hi == 0 {
		lo, hi = -1, 1
	}
	out := make([][]float64, len(c.Shapes))
	for i, s := range c.Shapes {
		out[i] = make([]float64, s.Size())
		if c.Fill == nil || !c.Fill(i, rng, out[i]) {
			for k := range out[i] {
				out[i][k] = lo + (hi-lo)*rng.Float64()
			}
		}
		for k, v := range out[i] {
			out[i][k] = float64(float32(v))
		}
	}
	return out
}

// applied builds op on inputs of the case's shapes. Inputs that train may be named; those that the operation updates are
// states.
func applied(op *graph.Op, attrs any, shapes []graph.Shape, trains ...int) (in []*graph.Node, y *graph.Node, err error) {
	_, err = graph.Build(func(g *graph.Graph) {
		in = inputs(g, op, shapes, trains...)
		y = g.Apply(op, attrs, in...)
	})
	return in, y, err
}

func inputs(g *graph.Graph, op *graph.Op, shapes []graph.Shape, trains ...int) (in []*graph.Node) {
	for i, s := range shapes {
		name := fmt.Sprintf("input %d", i)
		if train := slices.Contains(trains, i); train || slices.Contains(op.Updates, i) {
			in = append(in, g.State(name, train, s...))
		} else {
			in = append(in, g.Input(name, s...))
		}
	}
	return in
}

func serial(n, _ int, f func(lo, hi int)) { f(0, n) }

// pieces runs the range in small parts, in falling order.
func pieces(n, _ int, f func(lo, hi int)) {
	for hi := n; hi > 0; hi -= 3 {
		f(max(0, hi-3), hi)
	}
}

// values are the elements of nodes, by the node that owns them.
type values map[*graph.Node][]float64

// run evaluates the nodes of a graph in building order by their float64 references.
func (v values) run(g *graph.Graph) {
	for _, n := range g.Nodes {
		switch {
		case n.Kind == graph.KindConst:
			v[n] = make([]float64, len(n.Value))
			for i, x := range n.Value {
				v[n][i] = float64(x)
			}
		case n.Kind == graph.KindOp && !n.Op.View:
			call := graph.Call[float64]{Node: n, Par: serial}
			for _, in := range n.Inputs {
				call.In = append(call.In, v.of(in))
			}
			if len(n.Op.Updates) == 0 {
				call.Out = make([]float64, n.Shape.Size())
				v[n] = call.Out
			}
			n.Op.Ref64(&call)
		}
	}
}

func (v values) of(n *graph.Node) []float64 { return v[n.Root()] }

// reference runs one operation by its float64 reference, with work shared out by par. The results are the one result, or
// the updated inputs.
func reference(t *testing.T, op *graph.Op, c graph.Case, in [][]float64, par func(int, int, func(int, int))) [][]float64 {
	t.Helper()
	_, y, err := applied(op, c.Attrs, c.Shapes)
	if err != nil {
		t.Fatal(err)
	}
	call := graph.Call[float64]{Node: y, Par: par}
	for _, x := range in {
		call.In = append(call.In, slices.Clone(x))
	}
	if len(op.Updates) == 0 {
		call.Out = make([]float64, y.Shape.Size())
	}
	op.Ref64(&call)
	if len(op.Updates) == 0 {
		return [][]float64{call.Out}
	}
	var out [][]float64
	for _, i := range op.Updates {
		out = append(out, call.In[i])
	}
	return out
}

// near compares element by element, relative to the greatest magnitude wanted.
func near(t *testing.T, what string, got, want []float64, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s has %d elements, expected %d", what, len(got), len(want))
	}
	var top float64
	for _, v := range want {
		top = max(top, math.Abs(v))
	}
	for i, w := range want {
		if d := math.Abs(got[i] - w); !(d <= limit*max(top, 1e-6)) {
			t.Fatalf("%s[%d] = %.12g, expected %.12g", what, i, got[i], w)
		}
	}
}

// The float32 reference against the float64 one, and the float64 one with its work in other pieces.
func TestReferencesAgree(t *testing.T) {
	eachCase(t, !testing.Short(), func(t *testing.T, op *graph.Op, c graph.Case) {
		in := drawn(c, rand.New(rand.NewPCG(5, 1)))
		want := reference(t, op, c, in, serial)
		for i, got := range reference(t, op, c, in, pieces) {
			if !slices.Equal(got, want[i]) {
				t.Errorf("result %d depends on how the work is shared out", i)
			}
		}

		_, y, err := applied(op, c.Attrs, c.Shapes)
		if err != nil {
			t.Fatal(err)
		}
		call := graph.Call[float32]{Node: y, Par: serial}
		for _, x := range in {
			narrow := make([]float32, len(x))
			for i, v := range x {
				narrow[i] = float32(v)
			}
			call.In = append(call.In, narrow)
		}
		if len(op.Updates) == 0 {
			call.Out = make([]float32, y.Shape.Size())
		}
		op.Ref32(&call)
		got := [][]float32{call.Out}
		if len(op.Updates) > 0 {
			got = nil
			for _, i := range op.Updates {
				got = append(got, call.In[i])
			}
		}
		for i, g := range got {
			var diff, size float64
			for k, w := range want[i] {
				d := float64(g[k]) - w
				diff += d * d
				size += w * w
			}
			if !(diff <= 1e-12*size) {
				t.Errorf("result %d: normalised mean square error of float32 %.3g", i, diff/size)
			}
		}
	})
}
