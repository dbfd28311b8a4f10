package op

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"goxkd/graph"
)

var rowMSEOp, rowMSEGradOp, softCrossEntropyOp, softCrossEntropyGradOp *graph.Op
var pairDistanceOp, pairDistanceGradOp, gaussKernelOp, gaussKernelGradOp *graph.Op

// RowMSE is the mean over the innermost axis of (x - target)², one figure per row. The target takes no gradient.
func RowMSE(g *graph.Graph, x, target *graph.Node) *graph.Node {
	return g.Apply(rowMSEOp, nil, x, target)
}

// TemperatureAttrs holds the divisor of the logits.
type TemperatureAttrs struct{ Temperature float64 }

// SoftCrossEntropy is -Σ q·log softmax(x/temperature) per row: q [B,K] are the teacher's probabilities, x [V·B,K] the
// student's logits of V views, view-major, so row r learns from q[r mod B]. q takes no gradient.
func SoftCrossEntropy(g *graph.Graph, q, x *graph.Node, temperature float64) *graph.Node {
	return g.Apply(softCrossEntropyOp, TemperatureAttrs{temperature}, q, x)
}

// PairDistance gives squared distances by direct differences: d[i,j] = max(|x[i]-y[j]|², 1e-30), x [n,D], y [m,D].
func PairDistance(g *graph.Graph, x, y *graph.Node) *graph.Node {
	return g.Apply(pairDistanceOp, nil, x, y)
}

// minDistance clamps squared distances from below.
const minDistance = 1e-30

// gammas are the widths of the Gaussian kernels summed in GaussKernel.
var gammas = [7]float64{1e-3, 1e-2, 1e-1, 1, 10, 100, 1000}

// GaussKernel is Σ over gammas of exp(-gamma·d), element by element.
func GaussKernel(g *graph.Graph, d *graph.Node) *graph.Node { return g.Apply(gaussKernelOp, nil, d) }

func rowMSERef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Inputs[0].Shape.Last()
	x, t := c.In[0], c.In[1]
	c.Par(len(c.Out), rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			var sum float64
			for i := r * w; i < (r+1)*w; i++ {
				d := float64(x[i]) - float64(t[i])
				sum += d * d
			}
			c.Out[r] = T(sum / float64(w))
		}
	})
}

func rowMSEGradRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	x, t, dy := c.In[0], c.In[1], c.In[2]
	c.Par(len(dy), rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			f := 2 * float64(dy[r]) / float64(w)
			for i := r * w; i < (r+1)*w; i++ {
				c.Out[i] = T(f * (float64(x[i]) - float64(t[i])))
			}
		}
	})
}

// logitsShape checks probabilities and logits; it gives the shape of the logits.
func logitsShape(n *graph.Node) graph.Shape {
	q, x := n.Inputs[0].Shape, n.Inputs[1].Shape
	if len(q) != 2 || len(x) != 2 || q[1] != x[1] || x[0]%q[0] != 0 {
		graph.Failf("%s: %v and %v are not [B,K] and [V·B,K]", n.Op.Name, q, x)
	}
	return x
}

// pairShape checks two lists of points; it gives the shape of the distances.
func pairShape(n *graph.Node) graph.Shape {
	x, y := n.Inputs[0].Shape, n.Inputs[1].Shape
	if len(x) != 2 || len(y) != 2 || x[1] != y[1] {
		graph.Failf("%s: %v and %v are not [n,D] and [m,D]", n.Op.Name, x, y)
	}
	return graph.Shape{x[0], y[0]}
}

// logSumExp of x·scale.
func logSumExp[T graph.Float](x []T, scale float64) float64 {
	peak := math.Inf(-1)
	for _, v := range x {
		peak = max(peak, float64(v)*scale)
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v)*scale - peak)
	}
	return peak + math.Log(sum)
}

func softCrossEntropyRef[T graph.Float](c *graph.Call[T]) {
	scale := 1 / c.Node.Attrs.(TemperatureAttrs).Temperature
	q, x := c.In[0], c.In[1]
	w, b := c.Node.Inputs[0].Shape[1], c.Node.Inputs[0].Shape[0]
	c.Par(len(c.Out), rowGrain(8*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, p := x[r*w:(r+1)*w], q[r%b*w:(r%b+1)*w]
			lse := logSumExp(row, scale)
			var sum float64
			for i, v := range row {
				sum -= float64(p[i]) * (float64(v)*scale - lse)
			}
			c.Out[r] = T(sum)
		}
	})
}

// softCrossEntropyGradRef: dx = dy/temperature · (softmax(x/temperature)·Σq - q).
func softCrossEntropyGradRef[T graph.Float](c *graph.Call[T]) {
	scale := 1 / c.Node.Attrs.(TemperatureAttrs).Temperature
	q, x, dy := c.In[0], c.In[1], c.In[2]
	w, b := c.Node.Inputs[0].Shape[1], c.Node.Inputs[0].Shape[0]
	c.Par(len(dy), rowGrain(8*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, p := x[r*w:(r+1)*w], q[r%b*w:(r%b+1)*w]
			lse := logSumExp(row, scale)
			var mass float64
			for _, v := range p {
				mass += float64(v)
			}
			f := float64(dy[r]) * scale
			for i, v := range row {
				c.Out[r*w+i] = T(f * (math.Exp(float64(v)*scale-lse)*mass - float64(p[i])))
			}
		}
	})
}

func pairDistanceRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Inputs[0].Shape[1]
	n, m := c.Node.Shape[0], c.Node.Shape[1]
	x, y := c.In[0], c.In[1]
	c.Par(n, rowGrain(m*w), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			for j := 0; j < m; j++ {
				var sum float64
				yj := y[j*w : (j+1)*w]
				for k, v := range x[i*w : (i+1)*w] {
					d := float64(v) - float64(yj[k])
					sum += d * d
				}
				c.Out[i*m+j] = T(max(sum, minDistance))
			}
		}
	})
}

// pairDistanceGradRef: dx[i] = 2 Σ_j dy[i,j] (x[i]-y[j]). Where the clamp holds, the difference is nothing anyway.
func pairDistanceGradRef[T graph.Float](c *graph.Call[T]) {
	x, y, dy := c.In[0], c.In[1], c.In[2]
	w := c.Node.Shape[1]
	n, m := c.Node.Inputs[2].Shape[0], c.Node.Inputs[2].Shape[1]
	c.Par(n, rowGrain(m*w), func(lo, hi int) {
		sums := make([]float64, w)
		for i := lo; i < hi; i++ {
			clear(sums)
			for j := 0; j < m; j++ {
				f := 2 * float64(dy[i*m+j])
				yj := y[j*w : (j+1)*w]
				for k, v := range x[i*w : (i+1)*w] {
					sums[k] += f * (float64(v) - float64(yj[k]))
				}
			}
			for k, s := range sums {
				c.Out[i*w+k] = T(s)
			}
		}
	})
}

func gaussKernelRef[T graph.Float](c *graph.Call[T]) {
	for i, d := range c.In[0] {
		var sum float64
		for _, gamma := range gammas {
			sum += math.Exp(-gamma * float64(d))
		}
		c.Out[i] = T(sum)
	}
}

func gaussKernelGradRef[T graph.Float](c *graph.Call[T]) {
	for i, d := range c.In[0] {
		var sum float64
		for _, gamma := range gammas {
			sum -= gamma * math.Exp(-gamma*float64(d))
		}
		c.Out[i] = T(sum * float64(c.In[1][i]))
	}
}

// fillProbabilities makes input 0 rows of probabilities.
func fillProbabilities(w int) func(int, *rand.Rand, []float64) bool {
	return func(input int, rng *rand.Rand, data []float64) bool {
		if input == 0 {
			distribution(rng, data, w)
		}
		return input == 0
	}
}

// lossParams is struct Params of losses.wgsl.
type lossParams struct {
	N, Rows, Width, Batch, M uint32
	Scale                    float32
}

func rowMSELaunch(n *graph.Node, t graph.Target) graph.Launch {
	x := n.Inputs[0].Shape
	p := lossParams{Rows: uint32(x.Rows()), Width: uint32(x.Last())}
	return launch(overRows(n, t, "losses", "row_mse", x.Rows(), x.Last(), 1, p, bindIn("x", 0), bindIn("second", 1), bindOut()))
}

func rowMSEGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size, w := n.Shape.Size(), n.Shape.Last()
	p := lossParams{N: uint32(size), Width: uint32(w), Scale: float32(2 / float64(w))}
	return launch(elements(t, "losses", "row_mse_grad", size, p,
		bindIn("x", 0), bindIn("second", 1), bindIn("dy", 2), bindOut()))
}

// crossEntropyLaunch runs a kernel over the rows of the logits, input 1.
func crossEntropyLaunch(n *graph.Node, t graph.Target, passes int, more ...graph.Bind) graph.Launch {
	q, x := n.Inputs[0].Shape, n.Inputs[1].Shape
	p := lossParams{
		Rows: uint32(x[0]), Width: uint32(x[1]), Batch: uint32(q[0]),
		Scale: float32(1 / n.Attrs.(TemperatureAttrs).Temperature),
	}
	binds := append([]graph.Bind{bindIn("second", 0), bindIn("x", 1), bindOut()}, more...)
	return launch(overRows(n, t, "losses", n.Op.Name, x[0], x[1], passes, p, binds...))
}

func softCrossEntropyLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return crossEntropyLaunch(n, t, 2)
}

func softCrossEntropyGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return crossEntropyLaunch(n, t, 3, bindIn("dy", 2))
}

func pairDistanceLaunch(n *graph.Node, t graph.Target) graph.Launch {
	pairs, w := n.Shape.Size(), n.Inputs[0].Shape[1]
	p := lossParams{Rows: uint32(pairs), Width: uint32(w), M: uint32(n.Shape[1])}
	return launch(overRows(n, t, "losses", "pair_distance", pairs, w, 1, p, bindIn("x", 0), bindIn("second", 1), bindOut()))
}

func pairDistanceGradLaunch(n *graph.Node, _ graph.Target) graph.Launch {
	size := n.Shape.Size()
	p := lossParams{N: uint32(size), Width: uint32(n.Shape[1]), M: uint32(n.Inputs[1].Shape[0])}
	return launch(each("losses", "pair_distance_grad", size, n.Inputs[1].Shape[0], p,
		bindIn("x", 0), bindIn("second", 1), bindIn("dy", 2), bindOut()))
}

// gammaConsts writes gammas into the kernel's text, which has room for seven.
func gammaConsts() []graph.Const {
	var out []graph.Const
	for i, g := range gammas {
		out = append(out, graph.Const{Name: fmt.Sprintf("GAMMA%d", i), Value: strconv.FormatFloat(g, 'f', -1, 32) + "f"})
	}
	return out
}

func gaussLaunch(n *graph.Node, t graph.Target, more ...graph.Bind) graph.Launch {
	size := n.Shape.Size()
	d := elements(t, "losses", n.Op.Name, size, lossParams{N: uint32(size)}, append(more, bindIn("x", 0), bindOut())...)
	d.Consts = append(d.Consts, gammaConsts()...)
	return launch(d)
}

func gaussKernelLaunch(n *graph.Node, t graph.Target) graph.Launch { return gaussLaunch(n, t) }

func gaussKernelGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return gaussLaunch(n, t, bindIn("dy", 1))
}

// gaussKernelClosed by powers of ten and e.
func gaussKernelClosed(s graph.Sample) [][]float64 {
	return s.Fill(func(c []int) float64 {
		var sum float64
		for e := -3; e <= 3; e++ {
			sum += math.Pow(math.E, -math.Pow(10, float64(e))*s.At(0, c...))
		}
		return sum
	})
}

// rowMSEClosed as x² - 2 x·target + target².
func rowMSEClosed(s graph.Sample) [][]float64 {
	return s.Rows(func(x, target []float64) []float64 {
		var sum float64
		for i, v := range x {
			sum += v*v - 2*v*target[i] + target[i]*target[i]
		}
		return []float64{sum / float64(len(x))}
	})
}

// softCrossEntropyClosed as Σ q·log Σ exp((xⱼ - xᵢ)/T).
func softCrossEntropyClosed(s graph.Sample) [][]float64 {
	k := s.Shapes[0][1]
	return s.Fill(func(c []int) float64 {
		var loss float64
		for i := 0; i < k; i++ {
			var sum float64
			for j := 0; j < k; j++ {
				sum += math.Exp((s.At(1, c[0], j) - s.At(1, c[0], i)) / s.Attrs.(TemperatureAttrs).Temperature)
			}
			loss += s.At(0, c[0]%s.Shapes[0][0], i) * math.Log(sum)
		}
		return loss
	})
}

// pairDistanceClosed as |x|² - 2x·y + |y|².
func pairDistanceClosed(s graph.Sample) [][]float64 {
	return s.Fill(func(c []int) float64 {
		var xx, xy, yy float64
		for k := 0; k < s.Shapes[0][1]; k++ {
			x, y := s.At(0, c[0], k), s.At(1, c[1], k)
			xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
		}
		return xx - 2*xy + yy
	})
}

func init() {
	rowMSEOp = graph.Register(graph.Op{
		Name: "row_mse", Formula: "y = mean over the innermost axis of (x - target)²",
		Shape: func(n *graph.Node) graph.Shape { wants(n, 2); return rowsShape(sameShape(n)) },
		Ref32: rowMSERef[float32], Ref64: rowMSERef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			if n.Inputs[1].NeedsGrad {
				graph.Failf("row_mse: the target %s must not need a gradient", n.Inputs[1].Label())
			}
			return []*graph.Node{g.Apply(rowMSEGradOp, nil, n.Inputs[0], n.Inputs[1], dy), nil}
		},
		Frozen: []int{1}, // the target
		Launch: rowMSELaunch, Variants: rowsOf(0, 1),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{2, 3, 7}, {2, 3, 7}}},
			{Name: "large", Shapes: []graph.Shape{{16, 144, 384}, {16, 144, 384}}, Large: true},
		},
		Closed: rowMSEClosed,
	})
	rowMSEGradOp = graph.Register(graph.Op{
		Name: "row_mse_grad", Formula: "dx = 2 dy (x - target) / C",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			wantShape(n, 1, n.Inputs[0].Shape)
			wantShape(n, 2, rowsShape(n.Inputs[0].Shape))
			return n.Inputs[0].Shape
		},
		Ref32: rowMSEGradRef[float32], Ref64: rowMSEGradRef[float64],
		NoGrad: secondDerivative,
		Launch: rowMSEGradLaunch,
		Cases:  []graph.Case{{Name: "rows", Shapes: []graph.Shape{{2, 3, 7}, {2, 3, 7}, {2, 3}}}},
		Closed: derivative(rowMSEClosed, 0, rowCount(0)), Approximate: true,
	})
	softCrossEntropyOp = graph.Register(graph.Op{
		Name: "soft_cross_entropy", Formula: "y[r] = -Σ q[r mod B] · log softmax(x[r] / temperature)",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 2)
			return graph.Shape{logitsShape(n)[0]}
		},
		Ref32: softCrossEntropyRef[float32], Ref64: softCrossEntropyRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			if n.Inputs[0].NeedsGrad {
				graph.Failf("soft_cross_entropy: the probabilities %s must not need a gradient", n.Inputs[0].Label())
			}
			return []*graph.Node{nil, g.Apply(softCrossEntropyGradOp, n.Attrs, n.Inputs[0], n.Inputs[1], dy)}
		},
		Frozen: []int{0}, // the teacher's probabilities
		Launch: softCrossEntropyLaunch, Variants: rowsOf(1, 2),
		Cases: []graph.Case{
			{Name: "two views", Shapes: []graph.Shape{{3, 7}, {6, 7}}, Attrs: TemperatureAttrs{0.5}, Fill: fillProbabilities(7)},
			{Name: "sharp", Shapes: []graph.Shape{{2, 24}, {4, 24}}, Attrs: TemperatureAttrs{0.1}, Fill: fillProbabilities(24)},
			{Name: "wide", Shapes: []graph.Shape{{16, 8192}, {32, 8192}}, Attrs: TemperatureAttrs{0.1}, Fill: fillProbabilities(8192), Large: true},
		},
		Closed: softCrossEntropyClosed,
	})
	softCrossEntropyGradOp = graph.Register(graph.Op{
		Name: "soft_cross_entropy_grad", Formula: "dx = dy/temperature · (softmax(x/temperature)·Σq - q)",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			x := logitsShape(n)
			wantShape(n, 2, graph.Shape{x[0]})
			return x
		},
		Ref32: softCrossEntropyGradRef[float32], Ref64: softCrossEntropyGradRef[float64],
		NoGrad: secondDerivative,
		Launch: softCrossEntropyGradLaunch, Variants: rowsOf(1, 3),
		Cases: []graph.Case{
			{Name: "two views", Shapes: []graph.Shape{{3, 7}, {6, 7}, {6}}, Attrs: TemperatureAttrs{0.5}, Fill: fillProbabilities(7)},
			{Name: "wide", Shapes: []graph.Shape{{16, 8192}, {32, 8192}, {32}}, Attrs: TemperatureAttrs{0.1}, Fill: fillProbabilities(8192), Large: true},
		},
		Closed: derivative(softCrossEntropyClosed, 1, rowCount(1)), Approximate: true,
	})
	pairDistanceOp = graph.Register(graph.Op{
		Name: "pair_distance", Formula: "d[i,j] = max(|x[i] - y[j]|², 1e-30)",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 2)
			return pairShape(n)
		},
		Ref32: pairDistanceRef[float32], Ref64: pairDistanceRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			x, y := n.Inputs[0], n.Inputs[1]
			out := make([]*graph.Node, 2)
			if x.NeedsGrad {
				out[0] = g.Apply(pairDistanceGradOp, nil, x, y, dy)
			}
			if y.NeedsGrad {
				out[1] = g.Apply(pairDistanceGradOp, nil, y, x, Permute(g, dy, 1, 0))
			}
			return out
		},
		Launch: pairDistanceLaunch, Variants: rowsOf(0, 1),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 7}, {4, 7}}},
			{Name: "wide", Shapes: []graph.Shape{{32, 8192}, {32, 8192}}, Large: true},
		},
		Closed: pairDistanceClosed,
	})
	pairDistanceGradOp = graph.Register(graph.Op{
		Name: "pair_distance_grad", Formula: "dx[i] = 2 Σⱼ dy[i,j] (x[i] - y[j])",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			wantShape(n, 2, pairShape(n))
			return n.Inputs[0].Shape
		},
		Ref32: pairDistanceGradRef[float32], Ref64: pairDistanceGradRef[float64],
		NoGrad: secondDerivative,
		Launch: pairDistanceGradLaunch,
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 7}, {4, 7}, {3, 4}}},
			{Name: "wide", Shapes: []graph.Shape{{32, 8192}, {32, 8192}, {32, 32}}, Large: true},
		},
		Closed: derivative(pairDistanceClosed, 0, func(s graph.Sample) graph.Shape {
			return graph.Shape{s.Shapes[0][0], s.Shapes[1][0]}
		}), Approximate: true,
	})
	gaussKernelOp = graph.Register(graph.Op{
		Name: "gauss_kernel", Formula: "y = Σ over gamma of exp(-gamma·d)", Shape: oneShape,
		Ref32: gaussKernelRef[float32], Ref64: gaussKernelRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(gaussKernelGradOp, nil, n.Inputs[0], dy)}
		},
		Launch: gaussKernelLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "near", Shapes: []graph.Shape{{4, 5}}, Range: [2]float64{0.001, 0.1}},
			{Name: "far", Shapes: []graph.Shape{{4, 5}}, Range: [2]float64{10, 3000}},
		},
		Closed: gaussKernelClosed,
	})
	gaussKernelGradOp = graph.Register(graph.Op{
		Name: "gauss_kernel_grad", Formula: "dd = -dy Σ over gamma of gamma·exp(-gamma·d)", Shape: twoShape,
		Ref32: gaussKernelGradRef[float32], Ref64: gaussKernelGradRef[float64],
		NoGrad: secondDerivative,
		Launch: gaussKernelGradLaunch,
		Cases: []graph.Case{
			{Name: "near", Shapes: []graph.Shape{{4, 5}, {4, 5}}, Range: [2]float64{0.001, 0.1}},
			{Name: "far", Shapes: []graph.Shape{{4, 5}, {4, 5}}, Range: [2]float64{10, 3000}},
		},
		Closed: derivative(gaussKernelClosed, 0, shapeOf(0)), Approximate: true,
	})
}
