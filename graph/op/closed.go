package op

import (
	"math"

	"goxkd/graph"
)

// The helpers of closed forms: formulas in other words than those of the references.

// hypot is the 2-norm without a sum of squares.
func hypot(x []float64) float64 {
	var n float64
	for _, v := range x {
		n = math.Hypot(n, v)
	}
	return n
}

// average gives mean and variance by the mean of squares less the square of the mean.
func average(x []float64) (mean, variance float64) {
	var squares float64
	for _, v := range x {
		mean += v / float64(len(x))
		squares += v * v / float64(len(x))
	}
	return mean, squares - mean*mean
}

// jacobian gives dx = Jᵀ d of a row, J from its elements.
func jacobian(d []float64, j func(i, k int) float64) []float64 {
	out := make([]float64, len(d))
	for i := range d {
		for k, v := range d {
			out[i] += j(k, i) * v
		}
	}
	return out
}

// kronecker is 1 on the diagonal.
func kronecker(i, k int) float64 {
	if i == k {
		return 1
	}
	return 0
}

// derivative differentiates the closed form of another operation with respect to input i; the upstream gradient is the
// last input.
func derivative(form func(graph.Sample) [][]float64, i int, y func(s graph.Sample) graph.Shape) func(graph.Sample) [][]float64 {
	return func(s graph.Sample) [][]float64 {
		last := len(s.In) - 1
		u := s.In[last]
		s.In, s.Shapes = s.In[:last], s.Shapes[:last]
		s.Y = y(s)
		return [][]float64{graph.Differences(s.In[i], func() float64 {
			var sum float64
			for k, v := range form(s)[0] {
				sum += u[k] * v
			}
			return sum
		})}
	}
}

// shapeOf and rowCount tell derivative the shape of the other operation's result.
func shapeOf(i int) func(graph.Sample) graph.Shape {
	return func(s graph.Sample) graph.Shape { return s.Shapes[i] }
}

func rowCount(i int) func(graph.Sample) graph.Shape {
	return func(s graph.Sample) graph.Shape { x := s.Shapes[i]; return x[:len(x)-1] }
}
