package op

import "goxkd/graph"

var sumAxisOp, spreadOp, rowDotOp, mulRowsOp *graph.Op

// AxisAttrs tells sum_axis and spread which axis, how often (spread), and a factor.
type AxisAttrs struct {
	Axis, N int
	Scale   float64
}

// SumAxis is scale · Σ over one axis of x; the axis is gone from the result.
func SumAxis(g *graph.Graph, x *graph.Node, axis int, scale float64) *graph.Node {
	return g.Apply(sumAxisOp, AxisAttrs{Axis: axis, Scale: scale}, x)
}

// MeanAxis is the mean over one axis of x.
func MeanAxis(g *graph.Graph, x *graph.Node, axis int) *graph.Node {
	if axis < 0 || axis >= len(x.Shape) {
		graph.Failf("sum_axis: no axis %d in %v", axis, x.Shape)
	}
	return SumAxis(g, x, axis, 1/float64(x.Shape[axis]))
}

// Mean is the mean of all elements, a scalar [1].
func Mean(g *graph.Graph, x *graph.Node) *graph.Node {
	return MeanAxis(g, g.Reshape(x, x.Shape.Size()), 0)
}

// Spread repeats x n times along a new axis, times scale.
func Spread(g *graph.Graph, x *graph.Node, axis, n int, scale float64) *graph.Node {
	return g.Apply(spreadOp, AxisAttrs{Axis: axis, N: n, Scale: scale}, x)
}

// RowDot is Σ over the innermost axis of a·b: [..., C] and [..., C] → [...].
func RowDot(g *graph.Graph, a, b *graph.Node) *graph.Node { return g.Apply(rowDotOp, nil, a, b) }

// MulRows multiplies each innermost row of x [..., C] by its own factor s [...].
func MulRows(g *graph.Graph, x, s *graph.Node) *graph.Node { return g.Apply(mulRowsOp, nil, x, s) }

func sumAxisRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(AxisAttrs)
	outer, length, inner := c.Node.Inputs[0].Shape.Around(a.Axis)
	x, y := c.In[0], c.Out
	// Pieces of the inner axis when there are few outer ones, so that both cores have work.
	const strip = 64
	strips := graph.CeilDiv(inner, strip)
	c.Par(outer*strips, max(1, grain/(length*min(inner, strip))), func(lo, hi int) {
		var sums [strip]float64
		for p := lo; p < hi; p++ {
			o, from := p/strips, p%strips*strip
			n := min(strip, inner-from)
			clear(sums[:n])
			for r := 0; r < length; r++ {
				at := (o*length+r)*inner + from
				for i, v := range x[at : at+n] {
					sums[i] += float64(v)
				}
			}
			for i, s := range sums[:n] {
				y[o*inner+from+i] = T(s * a.Scale)
			}
		}
	})
}

func spreadRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(AxisAttrs)
	_, _, inner := c.Node.Shape.Around(a.Axis)
	x, y := c.In[0], c.Out
	c.Par(len(y)/inner, rowGrain(inner), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			src := x[r/a.N*inner:]
			for i := range y[r*inner : (r+1)*inner] {
				y[r*inner+i] = T(float64(src[i]) * a.Scale)
			}
		}
	})
}

func rowDotRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Inputs[0].Shape.Last()
	a, b := c.In[0], c.In[1]
	c.Par(len(c.Out), rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			c.Out[r] = T(dot(a[r*w:(r+1)*w], b[r*w:(r+1)*w]))
		}
	})
}

func mulRowsRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	x, s := c.In[0], c.In[1]
	c.Par(len(s), rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			for i := r * w; i < (r+1)*w; i++ {
				c.Out[i] = x[i] * s[r]
			}
		}
	})
}

// rowsShape is the shape of x without its innermost axis.
func rowsShape(x graph.Shape) graph.Shape { return without(x, len(x)-1) }

// reduceParams is struct Params of reduce.wgsl.
type reduceParams struct {
	N, Rows, Width, Length, Inner, Chunks, Repeat uint32
	Scale                                         float32
}

// sumAxisVariants: rows and columns are summed by one thread or by several, as suits the adapter.
func sumAxisVariants(n *graph.Node, t graph.Target) []string {
	_, length, inner := n.Inputs[0].Shape.Around(n.Attrs.(AxisAttrs).Axis)
	if inner == 1 {
		return rowVariants(t, 1, length)
	}
	return columnVariants(t)
}

func sumAxisLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a := n.Attrs.(AxisAttrs)
	outer, length, inner := n.Inputs[0].Shape.Around(a.Axis)
	return sumStages(n, t, graph.In(0), graph.Out(), outer, length, inner, a.Scale, 0)
}

func spreadLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a := n.Attrs.(AxisAttrs)
	_, _, inner := n.Shape.Around(a.Axis)
	size := n.Shape.Size()
	p := reduceParams{N: uint32(size), Inner: uint32(inner), Repeat: uint32(a.N), Scale: float32(a.Scale)}
	return launch(elements(t, "reduce", "spread", size, p, bindIn("x", 0), bindOut()))
}

func rowDotLaunch(n *graph.Node, t graph.Target) graph.Launch {
	x := n.Inputs[0].Shape
	p := reduceParams{Rows: uint32(x.Rows()), Width: uint32(x.Last())}
	return launch(overRows(n, t, "reduce", "row_dot", x.Rows(), x.Last(), 1, p, bindIn("a", 0), bindIn("b", 1), bindOut()))
}

func mulRowsLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	p := reduceParams{N: uint32(size), Width: uint32(n.Shape.Last())}
	return launch(elements(t, "reduce", "mul_rows", size, p, bindIn("x", 0), bindIn("s", 1), bindOut()))
}

func init() {
	sumAxisOp = graph.Register(graph.Op{
		Name: "sum_axis", Formula: "y = scale · Σ over one axis of x",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			a := n.Attrs.(AxisAttrs)
			wantAxis(n, n.Inputs[0].Shape, a.Axis)
			return without(n.Inputs[0].Shape, a.Axis)
		},
		Ref32: sumAxisRef[float32], Ref64: sumAxisRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			a := n.Attrs.(AxisAttrs)
			x := n.Inputs[0].Shape
			if len(x) == 1 {
				return []*graph.Node{g.Reshape(Spread(g, dy, 0, x[0], a.Scale), x...)}
			}
			return []*graph.Node{Spread(g, dy, a.Axis, x[a.Axis], a.Scale)}
		},
		Launch: sumAxisLaunch, Variants: sumAxisVariants,
		Loose: []int{0},
		Cases: []graph.Case{
			{Name: "first", Shapes: []graph.Shape{{5, 3, 4}}, Attrs: AxisAttrs{Axis: 0, Scale: 1}},
			{Name: "middle", Shapes: []graph.Shape{{3, 7, 5}}, Attrs: AxisAttrs{Axis: 1, Scale: 0.5}},
			{Name: "last", Shapes: []graph.Shape{{3, 2, 9}}, Attrs: AxisAttrs{Axis: 2, Scale: 1}},
			{Name: "all", Shapes: []graph.Shape{{31}}, Attrs: AxisAttrs{Axis: 0, Scale: 1. / 31}},
			{Name: "tall", Shapes: []graph.Shape{{70_001, 3}}, Attrs: AxisAttrs{Axis: 0, Scale: 1}, Large: true},
			{Name: "bias", Shapes: []graph.Shape{{2320, 384}}, Attrs: AxisAttrs{Axis: 0, Scale: 1}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			a, out := s.Attrs.(AxisAttrs), make([]float64, s.Y.Size())
			for k, v := range s.In[0] {
				c := graph.Coordinates(s.Shapes[0], k)
				out[graph.Index(s.Y, append(c[:a.Axis:a.Axis], c[a.Axis+1:]...))] += v * a.Scale
			}
			return [][]float64{out}
		},
	})
	spreadOp = graph.Register(graph.Op{
		Name: "spread", Formula: "y = scale · x, repeated along a new axis",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			a := n.Attrs.(AxisAttrs)
			x := n.Inputs[0].Shape
			if a.Axis < 0 || a.Axis > len(x) || a.N < 1 {
				graph.Failf("spread: cannot repeat %v %d times along axis %d", x, a.N, a.Axis)
			}
			return append(append(x[:a.Axis].Clone(), a.N), x[a.Axis:]...)
		},
		Ref32: spreadRef[float32], Ref64: spreadRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			a := n.Attrs.(AxisAttrs)
			return []*graph.Node{SumAxis(g, dy, a.Axis, a.Scale)}
		},
		Launch: spreadLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "first", Shapes: []graph.Shape{{3, 4}}, Attrs: AxisAttrs{Axis: 0, N: 5, Scale: 1}},
			{Name: "middle", Shapes: []graph.Shape{{3, 5}}, Attrs: AxisAttrs{Axis: 1, N: 7, Scale: 0.25}},
			{Name: "last", Shapes: []graph.Shape{{3, 5}}, Attrs: AxisAttrs{Axis: 2, N: 3, Scale: 1}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			a := s.Attrs.(AxisAttrs)
			return s.Fill(func(c []int) float64 {
				return a.Scale * s.At(0, append(c[:a.Axis:a.Axis], c[a.Axis+1:]...)...)
			})
		},
	})
	rowDotOp = graph.Register(graph.Op{
		Name: "row_dot", Formula: "y = Σ a · b over the innermost axis",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 2)
			return rowsShape(sameShape(n))
		},
		Ref32: rowDotRef[float32], Ref64: rowDotRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{MulRows(g, n.Inputs[1], dy), MulRows(g, n.Inputs[0], dy)}
		},
		Launch: rowDotLaunch, Variants: rowsOf(0, 1),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 4, 7}, {3, 4, 7}}},
			{Name: "one", Shapes: []graph.Shape{{33}, {33}}},
			{Name: "wide", Shapes: []graph.Shape{{2, 2304}, {2, 2304}}, Large: true},
			{Name: "folded grid", Shapes: []graph.Shape{{70_001, 3}, {70_001, 3}}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Rows(func(a, b []float64) []float64 {
				var plus, minus float64
				for i := range a {
					plus += (a[i] + b[i]) * (a[i] + b[i])
					minus += (a[i] - b[i]) * (a[i] - b[i])
				}
				return []float64{(plus - minus) / 4}
			})
		},
	})
	mulRowsOp = graph.Register(graph.Op{
		Name: "mul_rows", Formula: "y[r,c] = x[r,c] · s[r]",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 2)
			x := n.Inputs[0].Shape
			wantShape(n, 1, rowsShape(x))
			return x
		},
		Ref32: mulRowsRef[float32], Ref64: mulRowsRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{MulRows(g, dy, n.Inputs[1]), RowDot(g, dy, n.Inputs[0])}
		},
		Launch: mulRowsLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 4, 7}, {3, 4}}},
			{Name: "one", Shapes: []graph.Shape{{9}, {1}}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 {
				row := c[:len(c)-1]
				return s.In[1][graph.Index(s.Shapes[1], row)] * s.At(0, c...)
			})
		},
	})
}
