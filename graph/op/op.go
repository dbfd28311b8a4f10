package op

import (
	"math"
	"math/rand/v2"

	"goxkd/graph"
)

func init() { graph.SetAdder(Add) }

// sameShape checks that every input has the shape of the first, which it returns.
func sameShape(n *graph.Node) graph.Shape {
	if len(n.Inputs) == 0 {
		graph.Failf("%s takes a tensor", n.Op.Name)
	}
	s := n.Inputs[0].Shape
	for i, in := range n.Inputs {
		if !in.Shape.Equal(s) {
			graph.Failf("%s: input %d has shape %v, input 0 has %v", n.Op.Name, i, in.Shape, s)
		}
	}
	return s
}

// oneShape is the shape rule of what keeps the shape of its only input.
func oneShape(n *graph.Node) graph.Shape { wants(n, 1); return n.Inputs[0].Shape }

// twoShape is the shape rule of what takes two tensors of one shape and keeps it.
func twoShape(n *graph.Node) graph.Shape { wants(n, 2); return sameShape(n) }

// wantAxis checks that s has the axis.
func wantAxis(n *graph.Node, s graph.Shape, axis int) {
	if axis < 0 || axis >= len(s) {
		graph.Failf("%s: no axis %d in %v", n.Op.Name, axis, s)
	}
}

// wants checks the number of inputs.
func wants(n *graph.Node, counts ...int) {
	for _, c := range counts {
		if len(n.Inputs) == c {
			return
		}
	}
	graph.Failf("%s takes %v inputs, got %d", n.Op.Name, counts, len(n.Inputs))
}

// wantShape checks input i.
func wantShape(n *graph.Node, i int, want graph.Shape) {
	if !n.Inputs[i].Shape.Equal(want) {
		graph.Failf("%s: input %d has shape %v, expected %v", n.Op.Name, i, n.Inputs[i].Shape, want)
	}
}

// without is the shape less one axis; a scalar stays [1].
func without(s graph.Shape, axis int) graph.Shape {
	out := append(s[:axis].Clone(), s[axis+1:]...)
	if len(out) == 0 {
		return graph.Shape{1}
	}
	return out
}

// worthForgetting is the number of elements from which a result is had again for the gradient: less is not worth a kernel.
const worthForgetting = 1 << 20

const secondDerivative = "it belongs to a gradient; second derivatives are not needed"

// grain is the number of elements below which work is not worth sharing out.
const grain = 8192

// rowGrain is grain in rows of c elements.
func rowGrain(c int) int { return max(1, grain/c) }

// uniform fills with uniform values in [lo,hi).
func uniform(rng *rand.Rand, data []float64, lo, hi float64) {
	for i := range data {
		data[i] = lo + (hi-lo)*rng.Float64()
	}
}

// distribution fills rows of c elements with positive values that sum to one.
func distribution(rng *rand.Rand, data []float64, c int) {
	uniform(rng, data, 0.05, 1)
	for r := 0; r < len(data); r += c {
		var sum float64
		for _, v := range data[r : r+c] {
			sum += v
		}
		for i := range data[r : r+c] {
			data[r+i] /= sum
		}
	}
}

// dot is Σ a·b in float64.
func dot[T graph.Float](a, b []T) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// softmaxRow writes softmax(x) to y.
func softmaxRow[T graph.Float](y, x []T) {
	peak := math.Inf(-1)
	for _, v := range x {
		peak = max(peak, float64(v))
	}
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v) - peak)
		y[i] = T(e)
		sum += e
	}
	for i := range y {
		y[i] = T(float64(y[i]) / sum)
	}
}
