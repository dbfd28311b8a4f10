package op

import (
	"fmt"
	"math/rand/v2"

	"goxkd/graph"
)

var permuteOp, sliceOp, padOp, concatOp, gatherOp *graph.Op

// maxRank is the greatest number of dimensions Permute takes: what patches of video need.
const maxRank = 8

// Permute orders the axes of x anew: axis i of the result is axis perm[i] of x.
func Permute(g *graph.Graph, x *graph.Node, perm ...int) *graph.Node {
	return g.Apply(permuteOp, perm, x)
}

// SpanAttrs marks positions [From, From+Len) on an axis; Total is the axis of the larger tensor.
type SpanAttrs struct{ Axis, From, Len, Total int }

// Slice keeps positions [from, to) of one axis.
func Slice(g *graph.Graph, x *graph.Node, axis, from, to int) *graph.Node {
	if axis < 0 || axis >= len(x.Shape) {
		graph.Failf("slice: no axis %d in %v", axis, x.Shape)
	}
	return g.Apply(sliceOp, SpanAttrs{axis, from, to - from, x.Shape[axis]}, x)
}

// Concat puts tensors one after the other along an axis.
func Concat(g *graph.Graph, axis int, xs ...*graph.Node) *graph.Node {
	return g.Apply(concatOp, axis, xs...)
}

// Gather takes rows of x [B,N,D] by position: y[b,k] = x[b, ids[b,k]], and zeros where the id is -1. ids [B,K] must name
// each row at most once, and inverse [B,N] holds for each row of x its place in y, or -1: gathering by it is the gradient.
// Positions are carried as whole numbers in float32, exact below 2^24.
func Gather(g *graph.Graph, x, ids, inverse *graph.Node) *graph.Node {
	return g.Apply(gatherOp, nil, x, ids, inverse)
}

// strides are the row-major strides of s.
func strides(s graph.Shape) []int {
	out := make([]int, len(s))
	step := 1
	for i := len(s) - 1; i >= 0; i-- {
		out[i] = step
		step *= s[i]
	}
	return out
}

// permuteStrides gives, for each axis of the result, its stride in x.
func permuteStrides(n *graph.Node) []int {
	from := strides(n.Inputs[0].Shape)
	out := make([]int, len(from))
	for i, p := range n.Attrs.([]int) {
		out[i] = from[p]
	}
	return out
}

func permuteRef[T graph.Float](c *graph.Call[T]) {
	s, step := c.Node.Shape, permuteStrides(c.Node)
	w, last := s.Last(), step[len(step)-1]
	x := c.In[0]
	c.Par(s.Rows(), rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at, rest := 0, r
			for axis := len(s) - 2; axis >= 0; axis-- {
				at += rest % s[axis] * step[axis]
				rest /= s[axis]
			}
			for i := range c.Out[r*w : (r+1)*w] {
				c.Out[r*w+i] = x[at+i*last]
			}
		}
	})
}

func sliceRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(SpanAttrs)
	outer, _, inner := c.Node.Shape.Around(a.Axis)
	x, w := c.In[0], a.Len*inner
	c.Par(outer, rowGrain(w), func(lo, hi int) {
		for o := lo; o < hi; o++ {
			copy(c.Out[o*w:(o+1)*w], x[(o*a.Total+a.From)*inner:])
		}
	})
}

func padRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(SpanAttrs)
	outer, _, inner := c.Node.Shape.Around(a.Axis)
	x, w := c.In[0], a.Len*inner
	c.Par(outer, rowGrain(a.Total*inner), func(lo, hi int) {
		for o := lo; o < hi; o++ {
			y := c.Out[o*a.Total*inner : (o+1)*a.Total*inner]
			clear(y)
			copy(y[a.From*inner:], x[o*w:(o+1)*w])
		}
	})
}

func concatRef[T graph.Float](c *graph.Call[T]) {
	axis := c.Node.Attrs.(int)
	outer, total, inner := c.Node.Shape.Around(axis)
	from := 0
	for k, x := range c.In {
		w := c.Node.Inputs[k].Shape[axis] * inner
		at := from
		c.Par(outer, rowGrain(w), func(lo, hi int) {
			for o := lo; o < hi; o++ {
				copy(c.Out[o*total*inner+at:][:w], x[o*w:(o+1)*w])
			}
		})
		from += w
	}
}

func gatherRef[T graph.Float](c *graph.Call[T]) {
	s := c.Node.Shape
	w, k, n := s[2], s[1], c.Node.Inputs[0].Shape[1]
	c.Par(s[0]*k, rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			y := c.Out[r*w : (r+1)*w]
			id := int(c.In[1][r])
			if id < 0 || id >= n {
				clear(y)
				continue
			}
			copy(y, c.In[0][(r/k*n+id)*w:])
		}
	})
}

// fillGather makes ids and inverse of a random choice of rows, K of N per sample, with one id in five missing.
func fillGather(b, n, k int) func(int, *rand.Rand, []float64) bool {
	ids, inv := make([]float64, b*k), make([]float64, b*n)
	return func(input int, rng *rand.Rand, data []float64) bool {
		switch input {
		case 1:
			for i := range inv {
				inv[i] = -1
			}
			for s := 0; s < b; s++ {
				for i, id := range rng.Perm(max(n, k))[:k] {
					ids[s*k+i] = -1
					if id < n && rng.IntN(5) > 0 {
						ids[s*k+i], inv[s*n+id] = float64(id), float64(i)
					}
				}
			}
			copy(data, ids)
		case 2:
			copy(data, inv)
		default:
			return false
		}
		return true
	}
}

// movementParams is struct Params of movement.wgsl.
type movementParams struct {
	N, Width                       uint32
	FromStride, FromOffset         uint32
	ToStride, ToOffset             uint32
	K, Rows                        uint32
	D0, D1, D2, D3, D4, D5, D6, D7 uint32
	S0, S1, S2, S3, S4, S5, S6, S7 uint32
}

// mergedAxes gives the result's dimensions and the source's strides along them, without axes of one element and with
// neighbours that stay neighbours merged: each axis costs every element.
func mergedAxes(n *graph.Node) (dims, steps []int) {
	for i, step := range permuteStrides(n) {
		d, last := n.Shape[i], len(dims)-1
		switch {
		case d == 1:
		case last >= 0 && steps[last] == d*step:
			dims[last], steps[last] = dims[last]*d, step
		default:
			dims, steps = append(dims, d), append(steps, step)
		}
	}
	return dims, steps
}

func permuteLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	p := movementParams{N: uint32(size)}
	ds := [maxRank]*uint32{&p.D0, &p.D1, &p.D2, &p.D3, &p.D4, &p.D5, &p.D6, &p.D7}
	ss := [maxRank]*uint32{&p.S0, &p.S1, &p.S2, &p.S3, &p.S4, &p.S5, &p.S6, &p.S7}
	dims, steps := mergedAxes(n)
	for i := range ds {
		*ds[i] = 1
		if k := i - (maxRank - len(dims)); k >= 0 {
			*ds[i], *ss[i] = uint32(dims[k]), uint32(steps[k])
		}
	}
	d := elements(t, "movement", "permute", size, p, bindIn("x", 0), bindOut())
	d.Trips += (d.Trips + 1) * maxRank
	d.Consts = append(d.Consts, graph.Const{Name: "RANK", Value: fmt.Sprintf("%du", max(1, len(dims)))})
	return launch(d)
}

func sliceLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a := n.Attrs.(SpanAttrs)
	_, _, inner := n.Shape.Around(a.Axis)
	size, w := n.Shape.Size(), uint32(a.Len*inner)
	p := movementParams{
		N: uint32(size), Width: w,
		FromStride: uint32(a.Total * inner), FromOffset: uint32(a.From * inner), ToStride: w,
	}
	return launch(elements(t, "movement", "copy_rows", size, p, bindIn("x", 0), bindOut()))
}

func padLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a := n.Attrs.(SpanAttrs)
	_, _, inner := n.Shape.Around(a.Axis)
	size := n.Shape.Size()
	p := movementParams{
		N: uint32(size), Width: uint32(a.Len * inner),
		ToStride: uint32(a.Total * inner), ToOffset: uint32(a.From * inner),
	}
	return launch(elements(t, "movement", "pad", size, p, bindIn("x", 0), bindOut()))
}

func concatLaunch(n *graph.Node, t graph.Target) graph.Launch {
	_, total, inner := n.Shape.Around(n.Attrs.(int))
	var l graph.Launch
	from := 0
	for i, in := range n.Inputs {
		w, size := in.Shape[n.Attrs.(int)]*inner, in.Shape.Size()
		p := movementParams{
			N: uint32(size), Width: uint32(w),
			FromStride: uint32(w), ToStride: uint32(total * inner), ToOffset: uint32(from),
		}
		l.Dispatches = append(l.Dispatches, elements(t, "movement", "copy_rows", size, p, bindIn("x", i), bindOut()))
		from += w
	}
	return l
}

func gatherLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	p := movementParams{
		N: uint32(size), Width: uint32(n.Shape[2]), K: uint32(n.Shape[1]), Rows: uint32(n.Inputs[0].Shape[1]),
	}
	return launch(elements(t, "movement", "gather", size, p, bindIn("x", 0), bindIn("ids", 1), bindOut()))
}

func init() {
	permuteOp = graph.Register(graph.Op{
		Name: "permute", Formula: "y = x with its axes in another order",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			x, perm := n.Inputs[0].Shape, n.Attrs.([]int)
			seen := make([]bool, len(x))
			if len(perm) != len(x) || len(x) > maxRank {
				graph.Failf("permute: %v does not order the axes of %v (at most %d)", perm, x, maxRank)
			}
			out := make(graph.Shape, len(x))
			for i, p := range perm {
				if p < 0 || p >= len(x) || seen[p] {
					graph.Failf("permute: %v does not order the axes of %v", perm, x)
				}
				seen[p] = true
				out[i] = x[p]
			}
			return out
		},
		Ref32: permuteRef[float32], Ref64: permuteRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			perm := n.Attrs.([]int)
			inverse := make([]int, len(perm))
			for i, p := range perm {
				inverse[p] = i
			}
			return []*graph.Node{Permute(g, dy, inverse...)}
		},
		Launch: permuteLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "transpose", Shapes: []graph.Shape{{5, 3}}, Attrs: []int{1, 0}},
			{Name: "four", Shapes: []graph.Shape{{2, 3, 4, 5}}, Attrs: []int{2, 0, 3, 1}},
			{Name: "video patches", Shapes: []graph.Shape{{2, 3, 2, 2, 3, 4, 3, 4}}, Attrs: []int{0, 2, 4, 6, 3, 5, 7, 1}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 {
				from := make([]int, len(c))
				for i, p := range s.Attrs.([]int) {
					from[p] = c[i]
				}
				return s.At(0, from...)
			})
		},
	})
	sliceOp = graph.Register(graph.Op{
		Name: "slice", Formula: "y = x[from:to] along one axis",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			a, x := n.Attrs.(SpanAttrs), n.Inputs[0].Shape
			wantAxis(n, x, a.Axis)
			if a.From < 0 || a.Len < 1 || a.From+a.Len > x[a.Axis] || x[a.Axis] != a.Total {
				graph.Failf("slice: no positions [%d,%d) on axis %d of %v", a.From, a.From+a.Len, a.Axis, x)
			}
			out := x.Clone()
			out[a.Axis] = a.Len
			return out
		},
		Ref32: sliceRef[float32], Ref64: sliceRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(padOp, n.Attrs, dy)}
		},
		Launch: sliceLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{5, 3}}, Attrs: SpanAttrs{0, 1, 3, 5}},
			{Name: "tokens", Shapes: []graph.Shape{{2, 6, 5}}, Attrs: SpanAttrs{1, 1, 5, 6}},
			{Name: "columns", Shapes: []graph.Shape{{2, 3, 7}}, Attrs: SpanAttrs{2, 2, 4, 7}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			a := s.Attrs.(SpanAttrs)
			return s.Fill(func(c []int) float64 {
				c[a.Axis] += a.From
				return s.At(0, c...)
			})
		},
	})
	padOp = graph.Register(graph.Op{
		Name: "pad", Formula: "y[from:to] = x along one axis, zeros elsewhere",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			a, x := n.Attrs.(SpanAttrs), n.Inputs[0].Shape
			wantAxis(n, x, a.Axis)
			if a.From < 0 || a.From+a.Len > a.Total || x[a.Axis] != a.Len {
				graph.Failf("pad: %v does not fit at [%d,%d) of %d on axis %d", x, a.From, a.From+a.Len, a.Total, a.Axis)
			}
			out := x.Clone()
			out[a.Axis] = a.Total
			return out
		},
		Ref32: padRef[float32], Ref64: padRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(sliceOp, n.Attrs, dy)}
		},
		Launch: padLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "tokens", Shapes: []graph.Shape{{2, 3, 5}}, Attrs: SpanAttrs{1, 1, 3, 6}},
			{Name: "columns", Shapes: []graph.Shape{{4, 3}}, Attrs: SpanAttrs{1, 2, 3, 5}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			a := s.Attrs.(SpanAttrs)
			return s.Fill(func(c []int) float64 {
				if c[a.Axis] -= a.From; c[a.Axis] < 0 || c[a.Axis] >= a.Len {
					return 0
				}
				return s.At(0, c...)
			})
		},
	})
	concatOp = graph.Register(graph.Op{
		Name: "concat", Formula: "y = the tensors one after the other along one axis",
		Shape: func(n *graph.Node) graph.Shape {
			axis := n.Attrs.(int)
			if len(n.Inputs) == 0 || len(n.Inputs) > MaxTerms {
				graph.Failf("concat: %d tensors, from 1 to %d are allowed", len(n.Inputs), MaxTerms)
			}
			out := n.Inputs[0].Shape.Clone()
			wantAxis(n, out, axis)
			for _, in := range n.Inputs[1:] {
				s := in.Shape.Clone()
				if len(s) != len(out) {
					graph.Failf("concat: %v and %v differ in rank", out, s)
				}
				out[axis] += s[axis]
				s[axis] = out[axis]
				if !s.Equal(out) {
					graph.Failf("concat: %v does not fit %v along axis %d", in.Shape, out, axis)
				}
			}
			return out
		},
		Ref32: concatRef[float32], Ref64: concatRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			axis, from := n.Attrs.(int), 0
			out := make([]*graph.Node, len(n.Inputs))
			for i, in := range n.Inputs {
				if in.NeedsGrad {
					out[i] = Slice(g, dy, axis, from, from+in.Shape[axis])
				}
				from += in.Shape[axis]
			}
			return out
		},
		Launch: concatLaunch,
		Cases: []graph.Case{
			{Name: "most", Shapes: []graph.Shape{{1, 3}, {1, 3}, {2, 3}, {1, 3}, {1, 3}, {1, 3}, {1, 3}}, Attrs: 0},
			{Name: "tokens", Shapes: []graph.Shape{{2, 1, 5}, {2, 4, 5}}, Attrs: 1},
			{Name: "views", Shapes: []graph.Shape{{2, 3}, {2, 3}, {1, 3}}, Attrs: 0},
			{Name: "columns", Shapes: []graph.Shape{{4, 3}, {4, 2}}, Attrs: 1},
			{Name: "scalars", Shapes: []graph.Shape{{1}, {1}, {1}, {1}, {1}, {1}, {1}}, Attrs: 0},
		},
		Closed: func(s graph.Sample) [][]float64 {
			axis := s.Attrs.(int)
			return s.Fill(func(c []int) float64 {
				i := 0
				for c[axis] >= s.Shapes[i][axis] {
					c[axis] -= s.Shapes[i][axis]
					i++
				}
				return s.At(i, c...)
			})
		},
	})
	gatherOp = graph.Register(graph.Op{
		Name: "gather", Formula: "y[b,k] = x[b, ids[b,k]], 0 where the id is -1",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			x, ids := n.Inputs[0].Shape, n.Inputs[1].Shape
			if len(x) != 3 || len(ids) != 2 || ids[0] != x[0] {
				graph.Failf("gather: %v and %v are not [B,N,D] and [B,K]", x, ids)
			}
			wantShape(n, 2, x[:2])
			return graph.Shape{x[0], ids[1], x[2]}
		},
		Ref32: gatherRef[float32], Ref64: gatherRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{Gather(g, dy, n.Inputs[2], n.Inputs[1]), nil, nil}
		},
		Frozen: []int{1, 2}, // positions
		Launch: gatherLaunch,
		Loose:  []int{0, 1},
		Cases: []graph.Case{
			{Name: "keep", Shapes: []graph.Shape{{2, 7, 3}, {2, 4}, {2, 7}}, Fill: fillGather(2, 7, 4)},
			{Name: "restore", Shapes: []graph.Shape{{2, 4, 3}, {2, 7}, {2, 4}}, Fill: fillGather(2, 4, 7)},
			{Name: "large", Shapes: []graph.Shape{{16, 144, 96}, {16, 22}, {16, 144}}, Fill: fillGather(16, 144, 22), Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 {
				id := s.At(1, c[0], c[1])
				if id < 0 {
					return 0
				}
				return s.At(0, c[0], int(id), c[2])
			})
		},
	})
}
