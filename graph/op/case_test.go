package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
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

// typeOf tells how input i of a case is kept.
func typeOf(c graph.Case, i int) graph.Type {
	if i < len(c.Types) {
		return c.Types[i]
	}
	return graph.Float32
}

// drawn makes the inputs of a case, rounded to what is kept so that both references see the same figures.
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
			out[i][k] = typeOf(c, i).Round(v)
		}
	}
	if c.Follow != nil {
		c.Follow(c, out)
		for i, x := range out {
			for k, v := range x {
				x[k] = typeOf(c, i).Round(v)
			}
		}
	}
	return out
}

// applied builds op on inputs of the case's shapes and types.
func applied(op *graph.Op, c graph.Case) (y *graph.Node, err error) {
	_, err = graph.Build(func(g *graph.Graph) { y = g.Apply(op, c.Attrs, inputs(g, op, c)...) })
	return y, err
}

// inputs adds the inputs of a case. Those that the operation updates are states, and those that may be named as training,
// with a conversion where the operation takes half precision.
func inputs(g *graph.Graph, o *graph.Op, c graph.Case, trains ...int) (in []*graph.Node) {
	for i, s := range c.Shapes {
		name := fmt.Sprintf("input %d", i)
		train := slices.Contains(trains, i)
		switch {
		case train && typeOf(c, i) == graph.Float16:
			in = append(in, op.Half(g, g.State(name, true, s...)))
		case train || slices.Contains(o.Updates, i):
			in = append(in, g.State(name, train, s...))
		default:
			in = append(in, g.InputAs(name, typeOf(c, i), s...))
		}
	}
	return in
}

func lookup(t *testing.T, name string) *graph.Op {
	t.Helper()
	for _, o := range graph.Ops() {
		if o.Name == name {
			return o
		}
	}
	t.Fatalf("there is no operation %q", name)
	return nil
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

// run evaluates the nodes of a graph in building order by their float64 references, without rounding.
func (v values) run(g *graph.Graph) {
	for _, n := range g.Nodes {
		switch {
		case n.Kind == graph.KindConst:
			v[n] = make([]float64, len(n.Value))
			for i, x := range n.Value {
				v[n][i] = float64(x)
			}
		case n.Kind == graph.KindOp && !n.Op.View:
			var in [][]float64
			for _, x := range n.Inputs {
				in = append(in, v.of(x))
			}
			results := evaluate(n.Op.Ref64, n, in, serial)
			for i, r := range n.All() {
				if len(n.Op.Updates) == 0 {
					v[r] = results[i]
				}
			}
		}
	}
}

func (v values) of(n *graph.Node) []float64 { return v[n.Root()] }

// evaluate runs a reference, with work shared out by par. The results are those of the node, or the updated inputs. Room
// for results holds rubbish at first: a reference that leaves an element out shows.
func evaluate[T graph.Float](ref graph.Ref[T], n *graph.Node, in [][]T, par func(int, int, func(int, int))) (out [][]T) {
	call := graph.Call[T]{Node: n, In: in, Par: par}
	if len(n.Op.Updates) == 0 {
		for _, r := range n.All() {
			room := make([]T, r.Shape.Size())
			for i := range room {
				room[i] = T(math.NaN())
			}
			call.Outs = append(call.Outs, room)
		}
		call.Out = call.Outs[0]
	}
	ref(&call)
	if len(n.Op.Updates) == 0 {
		return call.Outs
	}
	for _, i := range n.Op.Updates {
		out = append(out, call.In[i])
	}
	return out
}

// reference runs one operation by its float64 reference, without rounding.
func reference(t *testing.T, op *graph.Op, c graph.Case, in [][]float64, par func(int, int, func(int, int))) [][]float64 {
	t.Helper()
	y, err := applied(op, c)
	if err != nil {
		t.Fatal(err)
	}
	return evaluate(op.Ref64, y, converted[float64](in), par)
}

// converted copies tensors to another element type.
func converted[T, S graph.Float](in [][]S) [][]T {
	out := make([][]T, len(in))
	for i, x := range in {
		out[i] = make([]T, len(x))
		for k, v := range x {
			out[i][k] = T(v)
		}
	}
	return out
}

// rounded gives the results of y as they are kept.
func rounded(y *graph.Node, results [][]float64) [][]float64 {
	if len(y.Op.Updates) > 0 {
		return results
	}
	for i, r := range y.All() {
		if r.Type == graph.Float32 {
			continue // arithmetic is float32 at best: what is compared stays as it is
		}
		for k, v := range results[i] {
			results[i][k] = r.Type.Round(v)
		}
	}
	return results
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

		y, err := applied(op, c)
		if err != nil {
			t.Fatal(err)
		}
		got := rounded(y, converted[float64](evaluate(op.Ref32, y, converted[float32](in), serial)))
		want = rounded(y, want)
		for i, g := range got {
			var diff, size float64
			for k, w := range want[i] {
				d := g[k] - w
				diff += d * d
				size += w * w
			}
			if !(diff <= 1e-12*size) {
				t.Errorf("result %d: normalised mean square error of float32 %.3g", i, diff/size)
			}
		}
	})
}

// A reference leaves alone what it does not update.
func TestReferencesKeepInputs(t *testing.T) {
	eachCase(t, false, func(t *testing.T, op *graph.Op, c graph.Case) {
		y, err := applied(op, c)
		if err != nil {
			t.Fatal(err)
		}
		before := drawn(c, rand.New(rand.NewPCG(6, 1)))
		in := converted[float64](before)
		evaluate(op.Ref64, y, in, serial)
		for i := range in {
			if !slices.Contains(op.Updates, i) && !slices.Equal(in[i], before[i]) {
				t.Errorf("input %d was changed", i)
			}
		}
	})
}
