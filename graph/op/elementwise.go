package op

import (
	"fmt"
	"math"

	"goxkd/graph"
)

// The operations of this file work element by element. In the binary ones b may have only the innermost dimensions of a and
// is then repeated over the rest (a bias, a position embedding, a scalar).
var (
	addOp, subOp, mulOp, divOp, linCombOp, geluOp, geluGradOp *graph.Op
	inverseSqrtOp, logisticLossOp, logisticLossGradOp         *graph.Op
)

// Add is a + b.
func Add(g *graph.Graph, a, b *graph.Node) *graph.Node { return g.Apply(addOp, nil, a, b) }

// Sub is a - b.
func Sub(g *graph.Graph, a, b *graph.Node) *graph.Node { return g.Apply(subOp, nil, a, b) }

// Mul is a * b, element by element.
func Mul(g *graph.Graph, a, b *graph.Node) *graph.Node { return g.Apply(mulOp, nil, a, b) }

// Div is a / b, element by element.
func Div(g *graph.Graph, a, b *graph.Node) *graph.Node { return g.Apply(divOp, nil, a, b) }

// MaxTerms is the number of tensors LinComb and Concat take: WebGPU grants eight storage buffers.
const MaxTerms = 7

// LinComb is Σ weights[i]·xs[i], tensors of one shape.
func LinComb(g *graph.Graph, weights []float64, xs ...*graph.Node) *graph.Node {
	return g.Apply(linCombOp, weights, xs...)
}

// Scale is w·x.
func Scale(g *graph.Graph, w float64, x *graph.Node) *graph.Node {
	return LinComb(g, []float64{w}, x)
}

// GELU is x·Φ(x) with the exact normal distribution function (Hendrycks and Gimpel, 2016).
func GELU(g *graph.Graph, x *graph.Node) *graph.Node { return g.Apply(geluOp, nil, x) }

// InverseSqrt is 1/√x, for x above 0. It has no gradient: what is normalised by it here are running statistics.
func InverseSqrt(g *graph.Graph, x *graph.Node) *graph.Node { return g.Apply(inverseSqrtOp, nil, x) }

// LogisticLoss is -t·log σ(x) - (1-t)·log(1-σ(x)), element by element, for logits x and targets t in [0,1], which take no
// gradient.
func LogisticLoss(g *graph.Graph, x, t *graph.Node) *graph.Node {
	return g.Apply(logisticLossOp, nil, x, t)
}

func logisticLoss(x, t float64) float64 {
	return max(x, 0) - x*t + math.Log1p(math.Exp(-math.Abs(x)))
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func inverseSqrtRef[T graph.Float](c *graph.Call[T]) {
	for i, v := range c.In[0] {
		c.Out[i] = T(1 / math.Sqrt(float64(v)))
	}
}

func logisticLossRef[T graph.Float](c *graph.Call[T]) {
	for i, v := range c.In[0] {
		c.Out[i] = T(logisticLoss(float64(v), float64(c.In[1][i])))
	}
}

func logisticLossGradRef[T graph.Float](c *graph.Call[T]) {
	for i, v := range c.In[0] {
		c.Out[i] = T(float64(c.In[2][i]) * (logistic(float64(v)) - float64(c.In[1][i])))
	}
}

func binaryShape(n *graph.Node) graph.Shape {
	wants(n, 2)
	if !n.Inputs[0].Shape.HasSuffix(n.Inputs[1].Shape) {
		graph.Failf("%s: %v does not end in %v", n.Op.Name, n.Inputs[0].Shape, n.Inputs[1].Shape)
	}
	return n.Inputs[0].Shape
}

// binaryRef applies f to a and the repeated b.
func binaryRef[T graph.Float](f func(a, b T) T) graph.Ref[T] {
	return func(c *graph.Call[T]) {
		a, b, y := c.In[0], c.In[1], c.Out
		c.Par(len(y), grain, func(lo, hi int) {
			j := lo % len(b)
			for i := lo; i < hi; i++ {
				y[i] = f(a[i], b[j])
				if j++; j == len(b) {
					j = 0
				}
			}
		})
	}
}

// foldTo sums x over its leading dimensions down to the shape of b: the gradient of repetition.
func foldTo(g *graph.Graph, x, b *graph.Node) *graph.Node {
	if x.Shape.Size() == b.Shape.Size() {
		return g.Reshape(x, b.Shape...)
	}
	k := b.Shape.Size()
	return g.Reshape(SumAxis(g, g.Reshape(x, x.Shape.Size()/k, k), 0, 1), b.Shape...)
}

// binaryCases are shapes for b equal to a, a row, a scalar; some ragged.
func binaryCases(rng [2]float64) []graph.Case {
	return []graph.Case{
		{Name: "same", Shapes: []graph.Shape{{3, 5, 7}, {3, 5, 7}}, Range: rng},
		{Name: "row", Shapes: []graph.Shape{{4, 3, 9}, {9}}, Range: rng},
		{Name: "rows", Shapes: []graph.Shape{{4, 3, 9}, {3, 9}}, Range: rng},
		{Name: "scalar", Shapes: []graph.Shape{{17}, {1}}, Range: rng},
		{Name: "large", Shapes: []graph.Shape{{16, 145, 96}, {145, 96}}, Range: rng, Large: true},
	}
}

func geluOf(v float64) float64 { return 0.5 * v * (1 + math.Erf(v/math.Sqrt2)) }

// geluSlope is its derivative.
func geluSlope(v float64) float64 {
	return 0.5*(1+math.Erf(v/math.Sqrt2)) + v*math.Exp(-0.5*v*v)/math.Sqrt(2*math.Pi)
}

func geluRef[T graph.Float](c *graph.Call[T]) {
	x, y := c.In[0], c.Out
	c.Par(len(y), grain/8, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			y[i] = T(geluOf(float64(x[i])))
		}
	})
}

func geluGradRef[T graph.Float](c *graph.Call[T]) {
	x, dy, dx := c.In[0], c.In[1], c.Out
	c.Par(len(dx), grain/8, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dx[i] = T(float64(dy[i]) * geluSlope(float64(x[i])))
		}
	})
}

func linCombRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Attrs.([]float64)
	c.Par(len(c.Out), grain, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			var sum float64
			for k, x := range c.In {
				sum += w[k] * float64(x[i])
			}
			c.Out[i] = T(sum)
		}
	})
}

// elementwiseParams is struct Params of elementwise.wgsl.
type elementwiseParams struct {
	N, Period                  uint32
	W0, W1, W2, W3, W4, W5, W6 float32
}

func binaryLaunch(entry string) func(*graph.Node, graph.Target) graph.Launch {
	return func(n *graph.Node, t graph.Target) graph.Launch {
		size := n.Shape.Size()
		p := elementwiseParams{N: uint32(size), Period: uint32(n.Inputs[1].Shape.Size())}
		return launch(elements(t, "elementwise", entry, size, p, bindIn("a", 0), bindIn("b", 1), bindOut()))
	}
}

func linCombLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size, terms := n.Shape.Size(), len(n.Inputs)
	p := elementwiseParams{N: uint32(size)}
	weights := [MaxTerms]*float32{&p.W0, &p.W1, &p.W2, &p.W3, &p.W4, &p.W5, &p.W6}
	binds := []graph.Bind{bindOut()}
	for i, name := range [MaxTerms]string{"x0", "x1", "x2", "x3", "x4", "x5", "x6"} {
		if i >= terms {
			binds = append(binds, bindIn(name, 0))
			continue
		}
		*weights[i] = float32(n.Attrs.([]float64)[i])
		binds = append(binds, bindIn(name, i))
	}
	d := elements(t, "elementwise", "lincomb", size, p, binds...)
	d.Consts = append(d.Consts, graph.Const{Name: "TERMS", Value: fmt.Sprintf("%du", terms)})
	return launch(d)
}

func geluLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "elementwise", "gelu", size, elementwiseParams{N: uint32(size)}, bindIn("x", 0), bindOut()))
}

func geluGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	p := elementwiseParams{N: uint32(size)}
	return launch(elements(t, "elementwise", "gelu_grad", size, p, bindIn("x", 0), bindIn("dy", 1), bindOut()))
}

func inverseSqrtLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "elementwise", "inverse_sqrt", size, elementwiseParams{N: uint32(size)}, bindIn("x", 0), bindOut()))
}

func logisticLossLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "elementwise", "logistic_loss", size, elementwiseParams{N: uint32(size)}, bindIn("a", 0), bindIn("b", 1), bindOut()))
}

func logisticLossGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "elementwise", "logistic_loss_grad", size, elementwiseParams{N: uint32(size)},
		bindIn("a", 0), bindIn("b", 1), bindIn("dy", 2), bindOut()))
}

// binaryClosed finds b by the innermost coordinates.
func binaryClosed(f func(a, b float64) float64) func(graph.Sample) [][]float64 {
	return func(s graph.Sample) [][]float64 {
		return s.Fill(func(c []int) float64 {
			b := s.Shapes[1]
			if b.Size() == 1 {
				return f(s.At(0, c...), s.In[1][0])
			}
			return f(s.At(0, c...), s.At(1, c[len(c)-len(b):]...))
		})
	}
}

// bySimpson is GELU with the normal density integrated from 0 by Simpson's rule.
func bySimpson(x float64) float64 {
	const n = 400
	var area float64
	for i := 0; i <= n; i++ {
		w := 2 + 2*float64(i%2)
		if i == 0 || i == n {
			w = 1
		}
		z := x * float64(i) / n
		area += w * math.Exp(-z*z/2)
	}
	return x * (0.5 + area*x/n/3/math.Sqrt(2*math.Pi))
}

func init() {
	addOp = graph.Register(graph.Op{
		Name: "add", Formula: "y = a + b, b repeated over leading dimensions", Shape: binaryShape,
		Ref32: binaryRef(func(a, b float32) float32 { return a + b }),
		Ref64: binaryRef(func(a, b float64) float64 { return a + b }),
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{dy, foldTo(g, dy, n.Inputs[1])}
		},
		Launch: binaryLaunch("add"),
		Cases:  binaryCases([2]float64{-2, 2}),
		Closed: binaryClosed(func(a, b float64) float64 { return b + a }),
	})
	subOp = graph.Register(graph.Op{
		Name: "sub", Formula: "y = a - b, b repeated over leading dimensions", Shape: binaryShape,
		Ref32: binaryRef(func(a, b float32) float32 { return a - b }),
		Ref64: binaryRef(func(a, b float64) float64 { return a - b }),
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{dy, Scale(g, -1, foldTo(g, dy, n.Inputs[1]))}
		},
		Launch: binaryLaunch("sub"),
		Cases:  binaryCases([2]float64{-2, 2}),
		Closed: binaryClosed(func(a, b float64) float64 { return -(b - a) }),
	})
	mulOp = graph.Register(graph.Op{
		Name: "mul", Formula: "y = a · b, b repeated over leading dimensions", Shape: binaryShape,
		Ref32: binaryRef(func(a, b float32) float32 { return a * b }),
		Ref64: binaryRef(func(a, b float64) float64 { return a * b }),
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{Mul(g, dy, n.Inputs[1]), foldTo(g, Mul(g, dy, n.Inputs[0]), n.Inputs[1])}
		},
		Launch: binaryLaunch("mul"),
		Cases:  binaryCases([2]float64{-2, 2}),
		Closed: binaryClosed(func(a, b float64) float64 { return ((a+b)*(a+b) - (a-b)*(a-b)) / 4 }),
	})
	divOp = graph.Register(graph.Op{
		Name: "div", Formula: "y = a / b, b repeated over leading dimensions", Shape: binaryShape,
		Ref32: binaryRef(func(a, b float32) float32 { return a / b }),
		Ref64: binaryRef(func(a, b float64) float64 { return a / b }),
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{Div(g, dy, n.Inputs[1]),
				Scale(g, -1, foldTo(g, Mul(g, dy, Div(g, n, n.Inputs[1])), n.Inputs[1]))}
		},
		Launch: binaryLaunch("div"),
		Cases:  binaryCases([2]float64{0.5, 2}),
		Closed: binaryClosed(func(a, b float64) float64 { return a * math.Pow(b, -1) }),
	})
	linCombOp = graph.Register(graph.Op{
		Name: "lincomb", Formula: "y = Σ wᵢ xᵢ",
		Shape: func(n *graph.Node) graph.Shape {
			if w := n.Attrs.([]float64); len(w) != len(n.Inputs) || len(w) == 0 || len(w) > MaxTerms {
				graph.Failf("lincomb: %d weights for %d tensors (at most %d)", len(w), len(n.Inputs), MaxTerms)
			}
			return sameShape(n)
		},
		Ref32: linCombRef[float32], Ref64: linCombRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			out := make([]*graph.Node, len(n.Inputs))
			for i, w := range n.Attrs.([]float64) {
				out[i] = dy
				if w != 1 {
					out[i] = Scale(g, w, dy)
				}
			}
			return out
		},
		Launch: linCombLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "one", Shapes: []graph.Shape{{7}}, Attrs: []float64{-0.5}},
			{Name: "three", Shapes: []graph.Shape{{2, 5}, {2, 5}, {2, 5}}, Attrs: []float64{1, 2, -3}},
			{Name: "seven", Shapes: []graph.Shape{{1}, {1}, {1}, {1}, {1}, {1}, {1}}, Attrs: []float64{1, 2, 3, 4, 5, 6, 7}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) (sum float64) {
				for i, w := range s.Attrs.([]float64) {
					sum += w * s.At(i, c...)
				}
				return sum
			})
		},
	})
	geluOp = graph.Register(graph.Op{
		Name: "gelu", Formula: "y = x/2 · (1 + erf(x/√2))", Shape: oneShape,
		Ref32: geluRef[float32], Ref64: geluRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{timesGELUGrad(g, n.Inputs[0], dy)}
		},
		Launch: geluLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "middle", Shapes: []graph.Shape{{13, 5}}, Range: [2]float64{-3, 3}},
			{Name: "tails", Shapes: []graph.Shape{{501}}, Range: [2]float64{-12, 12}},
			{Name: "large", Shapes: []graph.Shape{{16, 145, 384}}, Range: [2]float64{-4, 4}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 { return bySimpson(s.At(0, c...)) })
		},
	})
	geluGradOp = graph.Register(graph.Op{
		Name: "gelu_grad", Formula: "dx = dy · (Φ(x) + x φ(x))", Shape: twoShape,
		Ref32: geluGradRef[float32], Ref64: geluGradRef[float64],
		NoGrad: secondDerivative,
		Launch: geluGradLaunch,
		Cases: []graph.Case{
			{Name: "middle", Shapes: []graph.Shape{{13, 5}, {13, 5}}, Range: [2]float64{-3, 3}},
			{Name: "tails", Shapes: []graph.Shape{{501}, {501}}, Range: [2]float64{-12, 12}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 {
				x := []float64{s.At(0, c...)}
				return s.At(1, c...) * graph.Differences(x, func() float64 { return bySimpson(x[0]) })[0]
			})
		},
		Approximate: true,
	})
	inverseSqrtOp = graph.Register(graph.Op{
		Name: "inverse_sqrt", Formula: "y = 1/√x", Shape: oneShape,
		Ref32: inverseSqrtRef[float32], Ref64: inverseSqrtRef[float64],
		NoGrad: "what is normalised by it are running statistics, which are not learnt",
		Loose:  []int{0},
		Launch: inverseSqrtLaunch,
		Cases:  []graph.Case{{Name: "middle", Shapes: []graph.Shape{{13, 5}}, Range: [2]float64{0.01, 4}}},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 { return math.Pow(s.At(0, c...), -0.5) })
		},
	})
	logisticCases := func(shapes ...graph.Shape) []graph.Case {
		return []graph.Case{
			{Name: "middle", Shapes: shapes, Range: [2]float64{0, 1}},
			{Name: "tails", Shapes: shapes, Range: [2]float64{-30, 30}},
		}
	}
	// By the two classes' probabilities, as the loss is defined.
	logisticClosed := func(s graph.Sample) [][]float64 {
		return s.Fill(func(c []int) float64 {
			x, t := s.At(0, c...), s.At(1, c...)
			return t*math.Log1p(math.Exp(-x)) + (1-t)*math.Log1p(math.Exp(x))
		})
	}
	logisticLossOp = graph.Register(graph.Op{
		Name: "logistic_loss", Formula: "y = -t log σ(x) - (1-t) log(1-σ(x))",
		Shape: func(n *graph.Node) graph.Shape { wants(n, 2); return sameShape(n) },
		Ref32: logisticLossRef[float32], Ref64: logisticLossRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			if n.Inputs[1].NeedsGrad {
				graph.Failf("logistic_loss: the target %s must not need a gradient", n.Inputs[1].Label())
			}
			return []*graph.Node{g.Apply(logisticLossGradOp, nil, n.Inputs[0], n.Inputs[1], dy), nil}
		},
		Frozen: []int{1}, // the target
		Launch: logisticLossLaunch, Cases: logisticCases(graph.Shape{7, 9}, graph.Shape{7, 9}), Closed: logisticClosed,
	})
	logisticLossGradOp = graph.Register(graph.Op{
		Name: "logistic_loss_grad", Formula: "dx = dy (σ(x) - t)",
		Shape: func(n *graph.Node) graph.Shape { wants(n, 3); return sameShape(n) },
		Ref32: logisticLossGradRef[float32], Ref64: logisticLossGradRef[float64],
		NoGrad: secondDerivative,
		Launch: logisticLossGradLaunch, Cases: logisticCases(graph.Shape{7, 9}, graph.Shape{7, 9}, graph.Shape{7, 9}),
		Closed: derivative(logisticClosed, 0, shapeOf(0)), Approximate: true,
	})
}
