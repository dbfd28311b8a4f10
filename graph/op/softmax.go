package op

import (
	"math"

	"goxkd/graph"
)

var softmaxOp, softmaxGradOp *graph.Op

// Softmax is exp(x) / Σ exp(x) over the innermost axis.
func Softmax(g *graph.Graph, x *graph.Node) *graph.Node { return g.Apply(softmaxOp, nil, x) }

func softmaxRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	c.Par(len(c.Out)/w, rowGrain(8*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			softmaxRow(c.Out[r*w:(r+1)*w], c.In[0][r*w:(r+1)*w])
		}
	})
}

func softmaxGradRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	y, dy := c.In[0], c.In[1]
	c.Par(len(c.Out)/w, rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			s := dot(y[r*w:(r+1)*w], dy[r*w:(r+1)*w])
			for i := r * w; i < (r+1)*w; i++ {
				c.Out[i] = T(float64(y[i]) * (float64(dy[i]) - s))
			}
		}
	})
}

// softmaxParams is struct Params of softmax.wgsl.
type softmaxParams struct{ Rows, Width uint32 }

func softmaxLaunch(n *graph.Node, t graph.Target) graph.Launch {
	rows, w := n.Shape.Rows(), n.Shape.Last()
	p := softmaxParams{uint32(rows), uint32(w)}
	return launch(overRows(n, t, "softmax", "softmax", rows, w, 3, p, bindIn("x", 0), bindOut()))
}

func softmaxGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	rows, w := n.Shape.Rows(), n.Shape.Last()
	p := softmaxParams{uint32(rows), uint32(w)}
	return launch(overRows(n, t, "softmax", "softmax_grad", rows, w, 2, p, bindIn("x", 0), bindIn("dy", 1), bindOut()))
}

// softmaxClosed in the form 1 / Σ exp(xⱼ - xᵢ).
func softmaxClosed(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		var sum float64
		for j := range x {
			sum += math.Exp(x[j] - x[i])
		}
		out[i] = 1 / sum
	}
	return out
}

func init() {
	softmaxOp = graph.Register(graph.Op{
		Name: "softmax", Formula: "y = exp(x) / Σ exp(x) over the innermost axis", Shape: oneShape,
		Ref32: softmaxRef[float32], Ref64: softmaxRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(softmaxGradOp, nil, n, dy)}
		},
		Launch: softmaxLaunch, Variants: rowsOf(0, 3),
		Loose: []int{0},
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{2, 3, 7}}, Range: [2]float64{-4, 4}},
			{Name: "peaked", Shapes: []graph.Shape{{5, 33}}, Range: [2]float64{-90, 90}},
			{Name: "wide", Shapes: []graph.Shape{{16, 8192}}, Range: [2]float64{-20, 20}, Large: true},
			{Name: "too wide for a thread", Shapes: []graph.Shape{{2, 30_001}}, Range: [2]float64{-20, 20}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Rows(func(x, _ []float64) []float64 { return softmaxClosed(x) })
		},
	})
	softmaxGradOp = graph.Register(graph.Op{
		Name: "softmax_grad", Formula: "dx = y · (dy - Σ y·dy)", Shape: twoShape,
		Ref32: softmaxGradRef[float32], Ref64: softmaxGradRef[float64],
		NoGrad: secondDerivative,
		Launch: softmaxGradLaunch, Variants: rowsOf(0, 2),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{2, 3, 7}, {2, 3, 7}}},
			{Name: "wide", Shapes: []graph.Shape{{16, 512}, {16, 512}}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Rows(func(y, d []float64) []float64 {
				return jacobian(d, func(i, k int) float64 { return y[k] * (kronecker(i, k) - y[i]) })
			})
		},
	})
}
