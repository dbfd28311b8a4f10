package op_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// without lists the inputs of differentiable operations that have no gradient, by design.
var without = map[string][]int{
	"gather":             {1, 2}, // positions
	"row_mse":            {1},    // the target
	"soft_cross_entropy": {0},    // the teacher's probabilities
}

// Every gradient against central differences (five points) of the float64 reference under a random upstream gradient: for
// each input alone, since gradients leave out what is not needed, and for all together.
func TestGradients(t *testing.T) {
	eachCase(t, false, func(t *testing.T, o *graph.Op, c graph.Case) {
		if o.Grad == nil {
			t.Skipf("no gradient: %s", o.NoGrad)
		}
		var all []int
		for i := range c.Shapes {
			if !slices.Contains(without[o.Name], i) {
				all = append(all, i)
			}
		}
		for _, i := range all {
			t.Run(fmt.Sprintf("input %d", i), func(t *testing.T) { gradient(t, o, c, i) })
		}
		if len(all) > 1 {
			t.Run("together", func(t *testing.T) { gradient(t, o, c, all...) })
		}
	})
}

// An input that must not train is refused, or gets nothing.
func TestNoGradients(t *testing.T) {
	for name, list := range without {
		o := lookup(t, name)
		for _, i := range list {
			var got []*graph.Node
			_, err := graph.Build(func(g *graph.Graph) {
				in := inputs(g, o, o.Cases[0].Shapes, i)
				y := g.Apply(o, o.Cases[0].Attrs, in...)
				got = g.Gradients(y, g.Input("upstream", y.Shape...), in)
			})
			if err == nil && got[i] != nil {
				t.Errorf("%s has a gradient with respect to input %d", name, i)
			}
		}
	}
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

func gradient(t *testing.T, o *graph.Op, c graph.Case, trains ...int) {
	var in, grads []*graph.Node
	var upstream *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		in = inputs(g, o, c.Shapes, trains...)
		y := g.Apply(o, c.Attrs, in...)
		upstream = g.Input("upstream", y.Shape...)
		grads = g.Gradients(y, upstream, in)
	})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 3))
	x := drawn(c, rng)
	u := make([]float64, upstream.Shape.Size())
	for i := range u {
		u[i] = 2*rng.Float64() - 1
	}
	v := values{upstream: u}
	for i, n := range in {
		v[n] = x[i]
	}
	v.run(g)
	// The five-point formula needs smooth ground: a step well below the shortest length in any case, and the last digits.
	for _, i := range trains {
		if grads[i] == nil {
			t.Fatalf("no gradient with respect to input %d", i)
		}
		want := differences(x[i], func() float64 {
			var sum float64
			for k, y := range reference(t, o, c, x, serial)[0] {
				sum += u[k] * y
			}
			return sum
		})
		near(t, fmt.Sprintf("gradient %d", i), v.of(grads[i]), want, 2e-6)
	}
}

// differences is the derivative of f with respect to each element of x.
func differences(x []float64, f func() float64) []float64 {
	const h = 2e-5
	out := make([]float64, len(x))
	for i, at := range x {
		for _, p := range [4]struct{ at, weight float64 }{{-2, 1}, {-1, -8}, {1, 8}, {2, -1}} {
			x[i] = at + p.at*h
			out[i] += p.weight * f() / (12 * h)
		}
		x[i] = at
	}
	return out
}

// A tensor that is used twice gets the sum of both gradients.
func TestGradientOfSharedInput(t *testing.T) {
	var x, dx, seed *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		x = g.State("x", true, 3)
		seed = g.Input("seed", 3)
		dx = g.Gradients(op.Mul(g, x, x), seed, []*graph.Node{x})[0]
	})
	if err != nil {
		t.Fatal(err)
	}
	v := values{x: {1, -2, 3}, seed: {1, 10, 100}}
	v.run(g)
	near(t, "gradient of x²", v.of(dx), []float64{2, -40, 600}, 1e-15)
}
