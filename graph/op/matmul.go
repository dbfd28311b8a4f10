package op

import (
	"slices"

	"goxkd/graph"
)

var matMulOp, matMulSlopeOp *graph.Op

// MatMulAttrs tells which operands are stored transposed, and what is made of the product as it is stored: it may be added onto
// the last input but one for GELUGrad, and pass through GELU. Then a further result is what GELU was taken of, and GELUGrad
// multiplies a product by GELU's derivative there, at the last input. With Sums a further result is the sums over the rows of a
// transposed a, [M]: where a is the gradient of a linear layer's result, these are its bias's gradient.
type MatMulAttrs struct {
	TransA, TransB bool
	Onto           bool
	GELU, GELUGrad bool
	Sums           bool
}

// MatMul is op(a)·op(b) + bias. Leading dimensions are flattened: a is [..., K] (or [..., M] summed over its rows when
// transposed), b [K, N] (or [N, K]), bias [N] or nil. The result is [..., N] (or [M, N]).
func MatMul(g *graph.Graph, a, b, bias *graph.Node, transA, transB bool) *graph.Node {
	if bias == nil {
		return g.Apply(matMulOp, MatMulAttrs{TransA: transA, TransB: transB}, a, b)
	}
	return g.Apply(matMulOp, MatMulAttrs{TransA: transA, TransB: transB}, a, b, bias)
}

// MatMulGELU is GELU(op(a)·op(b) + bias). What GELU is taken of is kept for the gradient; a large result is not, but had again.
func MatMulGELU(g *graph.Graph, a, b, bias *graph.Node, transA, transB bool) *graph.Node {
	n := g.Apply(matMulOp, MatMulAttrs{TransA: transA, TransB: transB, GELU: true}, a, b, bias)
	if n.Shape.Size() >= worthForgetting {
		g.ForgetFirst(n)
	}
	return n
}

// MatMulOnto is x + (op(a)·op(b) + bias), for x of the result's shape: the sum of a residual connection, made as the product
// is stored. It gives the bits that Add would give.
func MatMulOnto(g *graph.Graph, x, a, b, bias *graph.Node, transA, transB bool) *graph.Node {
	return g.Apply(matMulOp, MatMulAttrs{TransA: transA, TransB: transB, Onto: true}, a, b, bias, x)
}

// MatMulInputs numbers the inputs after the operands: the bias, what the product is added onto, and where GELU's derivative is
// taken; 0 stands for none.
func MatMulInputs(n *graph.Node) (bias, x, at int) {
	t, last := n.Attrs.(MatMulAttrs), len(n.Inputs)-1
	if t.GELUGrad {
		at, last = last, last-1
	}
	if t.Onto {
		x, last = last, last-1
	}
	if last == 2 {
		bias = 2
	}
	return bias, x, at
}

// MatMulSize gives the sizes of a matmul node: the result is M x N, the sums run over K.
func MatMulSize(n *graph.Node) (m, nn, k int) {
	nn = n.Shape.Last()
	m = n.Shape.Size() / nn
	return m, nn, n.Inputs[0].Shape.Size() / m
}

func matMulShape(n *graph.Node) graph.Shape {
	t := n.Attrs.(MatMulAttrs)
	least := 2
	for _, more := range []bool{t.Onto, t.GELUGrad} {
		if more {
			least++
		}
	}
	wants(n, least, least+1)
	if t.Sums && (!t.TransA || t.GELU) {
		graph.Failf("%s: there are sums of a transposed operand only", n.Op.Name)
	}
	bias, x, at := MatMulInputs(n)
	a, b := n.Inputs[0].Shape, n.Inputs[1].Shape
	lead, k := a[:len(a)-1].Clone(), a.Last()
	if t.TransA {
		lead, k = graph.Shape{a.Last()}, a.Rows()
	}
	kb, nn := b.Rows(), b.Last()
	if t.TransB {
		kb, nn = nn, kb
	}
	if k != kb {
		graph.Failf("%s: %v and %v (transposed: %v, %v) do not agree: sums over %d and %d", n.Op.Name, a, b, t.TransA, t.TransB, k, kb)
	}
	if bias > 0 {
		wantShape(n, bias, graph.Shape{nn})
	}
	out := append(lead, nn)
	for _, i := range []int{x, at} {
		if i > 0 {
			wantShape(n, i, out)
		}
	}
	return out
}

func matMulRef[T graph.Float](c *graph.Call[T]) {
	t := c.Node.Attrs.(MatMulAttrs)
	m, n, k := MatMulSize(c.Node)
	bias, x, at := MatMulInputs(c.Node)
	a, b := c.In[0], c.In[1]
	ai, ak := k, 1
	if t.TransA {
		ai, ak = 1, m
	}
	bk, bj := n, 1
	if t.TransB {
		bk, bj = 1, k
	}
	if t.Sums {
		for i := range m {
			var sum float64
			for p := range k {
				sum += float64(a[i*ai+p*ak])
			}
			c.Outs[1][i] = T(sum)
		}
	}
	c.Par(m, max(1, grain/(n*k)), func(lo, hi int) {
		sums := make([]float64, n)
		for i := lo; i < hi; i++ {
			clear(sums)
			if bias > 0 {
				for j := range sums {
					sums[j] = float64(c.In[bias][j])
				}
			}
			for p := 0; p < k; p++ {
				v := float64(a[i*ai+p*ak])
				for j := range sums {
					sums[j] += v * float64(b[p*bk+j*bj])
				}
			}
			for j, s := range sums {
				to, v := i*n+j, T(s)
				if x > 0 {
					v += c.In[x][to]
				}
				switch {
				case t.GELU:
					c.Outs[1][to] = v
					v = T(geluOf(float64(v)))
				case at > 0:
					v *= T(geluSlope(float64(c.In[at][to])))
				}
				c.Out[to] = v
			}
		}
	})
}

func matMulGrad(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
	t := n.Attrs.(MatMulAttrs)
	if t.GELU {
		dy = timesGELUGrad(g, n.Results[1], dy)
	}
	bias, x, _ := MatMulInputs(n)
	a, b := n.Inputs[0], n.Inputs[1]
	out := make([]*graph.Node, len(n.Inputs))
	if a.NeedsGrad {
		if t.TransA { // C = AᵀB: dA = op(B) dCᵀ
			out[0] = g.Reshape(MatMul(g, b, dy, nil, t.TransB, true), a.Shape...)
		} else {
			out[0] = g.Reshape(MatMul(g, dy, b, nil, false, !t.TransB), a.Shape...)
		}
	}
	if b.NeedsGrad {
		if t.TransB { // C = op(A) Bᵀ: dB = dCᵀ op(A)
			r := g.Apply(matMulOp, MatMulAttrs{TransA: true, TransB: t.TransA, Sums: bias > 0}, dy, a)
			out[1] = g.Reshape(r, b.Shape...)
			if bias > 0 {
				out[bias] = r.Results[1]
			}
		} else {
			out[1] = g.Reshape(MatMul(g, a, dy, nil, !t.TransA, false), b.Shape...)
		}
	}
	if bias > 0 && out[bias] == nil {
		out[bias] = foldTo(g, dy, n.Inputs[bias])
	}
	if x > 0 {
		out[x] = dy
	}
	return out
}

// timesGELUGrad is dy times GELU's derivative at x, made as dy is stored where it is a product that nothing else reads.
func timesGELUGrad(g *graph.Graph, x, dy *graph.Node) *graph.Node {
	r := dy.Root()
	if r.Kind == graph.KindOp && r.Op == matMulOp && g.Readers(r) == 0 {
		if t := r.Attrs.(MatMulAttrs); !t.GELU {
			t.GELUGrad = true
			return g.Reshape(g.Apply(matMulSlopeOp, t, append(slices.Clone(r.Inputs), g.Reshape(x, r.Shape...))...), x.Shape...)
		}
	}
	return g.Apply(geluGradOp, nil, x, dy)
}

func init() {
	nn, nt, tn, tt := MatMulAttrs{}, MatMulAttrs{TransB: true}, MatMulAttrs{TransA: true}, MatMulAttrs{TransA: true, TransB: true}
	onto, ontoNN := MatMulAttrs{TransB: true, Onto: true}, MatMulAttrs{Onto: true}
	gelu, slope := MatMulAttrs{TransB: true, GELU: true}, MatMulAttrs{GELUGrad: true}
	steep := [2]float64{-2, 2}
	matMulSlopeOp = graph.Register(graph.Op{
		Name: "matmul_slope", Formula: "C = (op(A) · op(B) + bias + X) · GELU'(at)", Shape: matMulShape,
		Ref32: matMulRef[float32], Ref64: matMulRef[float64], NoGrad: secondDerivative,
		Launch: matmulLaunch, Variants: matmulVariants, FLOPs: matMulFLOPs,
		Cases: []graph.Case{
			{Name: "nn", Shapes: []graph.Shape{{3, 5}, {5, 7}, {3, 7}}, Attrs: slope, Range: steep},
			{Name: "fours", Shapes: []graph.Shape{{3, 8}, {8, 12}, {3, 12}}, Attrs: slope, Range: steep},
			{Name: "nt bias onto", Shapes: []graph.Shape{{3, 5}, {7, 5}, {7}, {3, 7}, {3, 7}}, Attrs: MatMulAttrs{TransB: true, Onto: true, GELUGrad: true}},
			{Name: "ragged", Shapes: []graph.Shape{{131, 67}, {67, 45}, {131, 45}}, Attrs: slope, Large: true},
			{Name: "large", Shapes: []graph.Shape{{4, 73, 96}, {96, 384}, {4, 73, 384}}, Attrs: slope, Range: steep, Large: true},
			{Name: "pieces", Shapes: []graph.Shape{{6, 3000}, {3000, 5}, {6, 5}}, Attrs: slope, Large: true},
		},
		Closed: matMulClosed, Approximate: true,
	})
	matMulOp = graph.Register(graph.Op{
		Name: "matmul", Formula: "C = op(A) · op(B) + bias + X, or GELU of it", Shape: matMulShape,
		More: func(n *graph.Node) []graph.Shape {
			if n.Attrs.(MatMulAttrs).GELU {
				return []graph.Shape{n.Shape}
			}
			if n.Attrs.(MatMulAttrs).Sums {
				return []graph.Shape{{n.Shape.Rows()}}
			}
			return nil
		},
		Again: func(g *graph.Graph, n *graph.Node) *graph.Node { return GELU(g, n.Results[1]) },
		Ref32: matMulRef[float32], Ref64: matMulRef[float64], Grad: matMulGrad,
		Launch: matmulLaunch, Variants: matmulVariants,
		Loose: []int{1}, FLOPs: matMulFLOPs,
		Cases: []graph.Case{
			{Name: "nn", Shapes: []graph.Shape{{2, 3, 5}, {5, 7}}, Attrs: nn},
			{Name: "nt bias", Shapes: []graph.Shape{{2, 3, 5}, {7, 5}, {7}}, Attrs: nt},
			{Name: "nt onto", Shapes: []graph.Shape{{2, 3, 5}, {7, 5}, {7}, {2, 3, 7}}, Attrs: onto},
			{Name: "nn onto", Shapes: []graph.Shape{{2, 3, 5}, {5, 7}, {2, 3, 7}}, Attrs: ontoNN},
			{Name: "gelu", Shapes: []graph.Shape{{2, 3, 5}, {7, 5}, {7}}, Attrs: gelu, Range: steep},
			{Name: "fours gelu", Shapes: []graph.Shape{{3, 8}, {12, 8}, {12}}, Attrs: gelu, Range: steep},
			{Name: "large gelu", Shapes: []graph.Shape{{4, 73, 96}, {384, 96}, {384}}, Attrs: gelu, Large: true},
			{Name: "ragged gelu", Shapes: []graph.Shape{{131, 67}, {45, 67}, {45}}, Attrs: gelu, Large: true},
			{Name: "pieces gelu", Shapes: []graph.Shape{{6, 3000}, {5, 3000}, {5}}, Attrs: gelu, Range: [2]float64{-0.2, 0.2}, Large: true},
			{Name: "tn", Shapes: []graph.Shape{{11, 5}, {11, 3}}, Attrs: tn},
			{Name: "tn sums", Shapes: []graph.Shape{{11, 5}, {11, 3}}, Attrs: MatMulAttrs{TransA: true, Sums: true}},
			{Name: "fours tn sums", Shapes: []graph.Shape{{21, 8}, {21, 4}}, Attrs: MatMulAttrs{TransA: true, Sums: true}},
			{Name: "ragged tn sums", Shapes: []graph.Shape{{67, 131}, {67, 45}}, Attrs: MatMulAttrs{TransA: true, Sums: true}, Large: true},
			{Name: "weight gradient with sums", Shapes: []graph.Shape{{16, 145, 384}, {16, 145, 96}}, Attrs: MatMulAttrs{TransA: true, Sums: true}, Large: true},
			{Name: "long sums", Shapes: []graph.Shape{{60_000, 12}, {60_000, 5}}, Attrs: MatMulAttrs{TransA: true, Sums: true}, Large: true},
			{Name: "tt", Shapes: []graph.Shape{{4, 6}, {5, 4}}, Attrs: tt},
			{Name: "outer", Shapes: []graph.Shape{{9, 1}, {1, 6}}, Attrs: nn},
			{Name: "fours nn", Shapes: []graph.Shape{{3, 8}, {8, 12}}, Attrs: nn},
			{Name: "fours nt bias", Shapes: []graph.Shape{{3, 8}, {4, 8}, {4}}, Attrs: nt},
			{Name: "fours nt onto", Shapes: []graph.Shape{{3, 8}, {4, 8}, {4}, {3, 4}}, Attrs: onto},
			{Name: "fours tn", Shapes: []graph.Shape{{3, 8}, {3, 4}}, Attrs: tn},
			{Name: "ragged nn", Shapes: []graph.Shape{{131, 67}, {67, 45}}, Attrs: nn, Large: true},
			{Name: "ragged nt", Shapes: []graph.Shape{{131, 67}, {45, 67}, {45}}, Attrs: nt, Large: true},
			{Name: "ragged tn", Shapes: []graph.Shape{{67, 131}, {67, 45}}, Attrs: tn, Large: true},
			{Name: "linear", Shapes: []graph.Shape{{16, 145, 96}, {384, 96}, {384}}, Attrs: nt, Large: true},
			{Name: "linear onto", Shapes: []graph.Shape{{4, 145, 384}, {96, 384}, {96}, {4, 145, 96}}, Attrs: onto, Large: true},
			{Name: "pieces onto", Shapes: []graph.Shape{{6, 3000}, {3000, 5}, {5}, {6, 5}}, Attrs: ontoNN, Large: true},
			{Name: "weight gradient", Shapes: []graph.Shape{{16, 145, 384}, {16, 145, 96}}, Attrs: tn, Large: true},
			{Name: "long sum", Shapes: []graph.Shape{{200_000, 4}, {200_000, 4}}, Attrs: tn, Large: true},
		},
		Closed: matMulClosed,
	})
}

func matMulFLOPs(n *graph.Node) float64 {
	m, columns, k := MatMulSize(n)
	return 2 * float64(m) * float64(columns) * float64(k)
}

// matMulClosed goes by elements.
func matMulClosed(s graph.Sample) [][]float64 {
	a := s.Attrs.(MatMulAttrs)
	// Both operands as matrices, element by element.
	left, right := graph.Shape{s.Shapes[0].Rows(), s.Shapes[0].Last()}, s.Shapes[1]
	get := func(i int, shape graph.Shape, trans bool, r, c int) float64 {
		if trans {
			r, c = c, r
		}
		return s.In[i][r*shape[1]+c]
	}
	k := left[1]
	if a.TransA {
		k = left[0]
	}
	n := s.Y.Last()
	bias, x, at := MatMulInputs(&graph.Node{Attrs: a, Inputs: make([]*graph.Node, len(s.In))})
	out, before := make([]float64, s.Y.Size()), make([]float64, s.Y.Size())
	for e := range out {
		for p := 0; p < k; p++ {
			out[e] += get(0, left, a.TransA, e/n, p) * get(1, right, a.TransB, p, e%n)
		}
		if bias > 0 {
			out[e] += s.In[bias][e%n]
		}
		if x > 0 {
			out[e] += s.In[x][e]
		}
		before[e] = out[e]
		if a.GELU {
			out[e] = bySimpson(out[e])
		}
		if at > 0 {
			v := []float64{s.In[at][e]}
			out[e] *= graph.Differences(v, func() float64 { return bySimpson(v[0]) })[0]
		}
	}
	if a.GELU {
		return [][]float64{out, before}
	}
	if a.Sums {
		sums := make([]float64, left[1])
		for e, v := range s.In[0] {
			sums[e%left[1]] += v
		}
		return [][]float64{out, sums}
	}
	return [][]float64{out}
}
