package op_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Every gradient against central differences (five points) of the float64 reference under a random upstream gradient: for
// each input alone, since gradients leave out what is not needed, and for all together.
func TestGradients(t *testing.T) {
	eachCase(t, false, func(t *testing.T, o *graph.Op, c graph.Case) {
		if o.Grad == nil {
			t.Skipf("no gradient: %s", o.NoGrad)
		}
		var all []int
		for i := range c.Shapes {
			if !slices.Contains(o.Frozen, i) {
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

// A frozen input that is to train is refused, or gets nothing.
func TestFrozen(t *testing.T) {
	eachCase(t, false, func(t *testing.T, o *graph.Op, c graph.Case) {
		for _, i := range o.Frozen {
			var got []*graph.Node
			_, err := graph.Build(func(g *graph.Graph) {
				in := inputs(g, o, c, i)
				y := g.Apply(o, c.Attrs, in...)
				got = g.Gradients(y, g.Input("upstream", y.Shape...), in)
			})
			if err == nil && got[i] != nil {
				t.Errorf("%s has a gradient with respect to input %d", o.Name, i)
			}
		}
	})
}

func gradient(t *testing.T, o *graph.Op, c graph.Case, trains ...int) {
	var in, grads []*graph.Node
	var upstream *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		in = inputs(g, o, c, trains...)
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
	for i := range in {
		v[g.Lookup(fmt.Sprintf("input %d", i))] = x[i]
	}
	v.run(g)
	for _, i := range trains {
		if grads[i] == nil {
			t.Fatalf("no gradient with respect to input %d", i)
		}
		want := graph.Differences(x[i], func() float64 {
			var sum float64
			for k, y := range reference(t, o, c, x, serial)[0] {
				sum += u[k] * y
			}
			return sum
		})
		near(t, fmt.Sprintf("gradient %d", i), v.of(grads[i]), want, 2e-6)
	}
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
