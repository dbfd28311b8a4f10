package op

import "goxkd/graph"

var matMulOp *graph.Op

// MatMulAttrs tells which operands are stored transposed.
type MatMulAttrs struct{ TransA, TransB bool }

// MatMul is op(a)·op(b) + bias. Leading dimensions are flattened: a is [..., K] (or [..., M] summed over its rows when
// transposed), b [K, N] (or [N, K]), bias [N] or nil. The result is [..., N] (or [M, N]).
func MatMul(g *graph.Graph, a, b, bias *graph.Node, transA, transB bool) *graph.Node {
	if bias == nil {
		return g.Apply(matMulOp, MatMulAttrs{transA, transB}, a, b)
	}
	return g.Apply(matMulOp, MatMulAttrs{transA, transB}, a, b, bias)
}

// MatMulOnto is x + (op(a)·op(b) + bias), for x of the result's shape: the sum of a residual connection, made as the product
// is stored. It gives the bits that Add would give.
func MatMulOnto(g *graph.Graph, x, a, b, bias *graph.Node, transA, transB bool) *graph.Node {
	return g.Apply(matMulOp, MatMulAttrs{transA, transB}, a, b, bias, x)
}

// MatMulSize gives the sizes of a matmul node: the result is M x N, the sums run over K.
func MatMulSize(n *graph.Node) (m, nn, k int) {
	nn = n.Shape.Last()
	m = n.Shape.Size() / nn
	return m, nn, n.Inputs[0].Shape.Size() / m
}

func matMulShape(n *graph.Node) graph.Shape {
	wants(n, 2, 3, 4)
	t := n.Attrs.(MatMulAttrs)
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
		graph.Failf("matmul: %v and %v (transposed: %v, %v) do not agree: sums over %d and %d", a, b, t.TransA, t.TransB, k, kb)
	}
	if len(n.Inputs) > 2 {
		wantShape(n, 2, graph.Shape{nn})
	}
	out := append(lead, nn)
	if len(n.Inputs) > 3 {
		wantShape(n, 3, out)
	}
	return out
}

func matMulRef[T graph.Float](c *graph.Call[T]) {
	t := c.Node.Attrs.(MatMulAttrs)
	m, n, k := MatMulSize(c.Node)
	a, b := c.In[0], c.In[1]
	ai, ak := k, 1
	if t.TransA {
		ai, ak = 1, m
	}
	bk, bj := n, 1
	if t.TransB {
		bk, bj = 1, k
	}
	c.Par(m, max(1, grain/(n*k)), func(lo, hi int) {
		sums := make([]float64, n)
		for i := lo; i < hi; i++ {
			clear(sums)
			if len(c.In) > 2 {
				for j := range sums {
					sums[j] = float64(c.In[2][j])
				}
			}
			for p := 0; p < k; p++ {
				v := float64(a[i*ai+p*ak])
				for j := range sums {
					sums[j] += v * float64(b[p*bk+j*bj])
				}
			}
			for j, s := range sums {
				c.Out[i*n+j] = T(s)
			}
			if len(c.In) > 3 {
				for j, x := range c.In[3][i*n : (i+1)*n] {
					c.Out[i*n+j] += x
				}
			}
		}
	})
}

func matMulGrad(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
	t := n.Attrs.(MatMulAttrs)
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
			out[1] = g.Reshape(MatMul(g, dy, a, nil, true, t.TransA), b.Shape...)
		} else {
			out[1] = g.Reshape(MatMul(g, a, dy, nil, !t.TransA, false), b.Shape...)
		}
	}
	if len(n.Inputs) > 2 {
		out[2] = foldTo(g, dy, n.Inputs[2])
	}
	if len(n.Inputs) > 3 {
		out[3] = dy
	}
	return out
}

func init() {
	nn, nt, tn, tt := MatMulAttrs{}, MatMulAttrs{TransB: true}, MatMulAttrs{TransA: true}, MatMulAttrs{true, true}
	matMulOp = graph.Register(graph.Op{
		Name: "matmul", Formula: "C = op(A) · op(B) + bias + X", Shape: matMulShape,
		Ref32: matMulRef[float32], Ref64: matMulRef[float64], Grad: matMulGrad,
		Launch: matmulLaunch, Variants: matmulVariants,
		Loose: []int{1},
		FLOPs: func(n *graph.Node) float64 {
			m, columns, k := MatMulSize(n)
			return 2 * float64(m) * float64(columns) * float64(k)
		},
		Cases: []graph.Case{
			{Name: "nn", Shapes: []graph.Shape{{2, 3, 5}, {5, 7}}, Attrs: nn},
			{Name: "nt bias", Shapes: []graph.Shape{{2, 3, 5}, {7, 5}, {7}}, Attrs: nt},
			{Name: "nt onto", Shapes: []graph.Shape{{2, 3, 5}, {7, 5}, {7}, {2, 3, 7}}, Attrs: nt},
			{Name: "tn", Shapes: []graph.Shape{{11, 5}, {11, 3}}, Attrs: tn},
			{Name: "tt", Shapes: []graph.Shape{{4, 6}, {5, 4}}, Attrs: tt},
			{Name: "outer", Shapes: []graph.Shape{{9, 1}, {1, 6}}, Attrs: nn},
			{Name: "fours nn", Shapes: []graph.Shape{{3, 8}, {8, 12}}, Attrs: nn},
			{Name: "fours nt bias", Shapes: []graph.Shape{{3, 8}, {4, 8}, {4}}, Attrs: nt},
			{Name: "fours nt onto", Shapes: []graph.Shape{{3, 8}, {4, 8}, {4}, {3, 4}}, Attrs: nt},
			{Name: "fours tn", Shapes: []graph.Shape{{3, 8}, {3, 4}}, Attrs: tn},
			{Name: "ragged nn", Shapes: []graph.Shape{{131, 67}, {67, 45}}, Attrs: nn, Large: true},
			{Name: "ragged nt", Shapes: []graph.Shape{{131, 67}, {45, 67}, {45}}, Attrs: nt, Large: true},
			{Name: "ragged tn", Shapes: []graph.Shape{{67, 131}, {67, 45}}, Attrs: tn, Large: true},
			{Name: "linear", Shapes: []graph.Shape{{16, 145, 96}, {384, 96}, {384}}, Attrs: nt, Large: true},
			{Name: "linear onto", Shapes: []graph.Shape{{4, 145, 384}, {96, 384}, {96}, {4, 145, 96}}, Attrs: nt, Large: true},
			{Name: "pieces onto", Shapes: []graph.Shape{{6, 3000}, {3000, 5}, {5}, {6, 5}}, Attrs: nn, Large: true},
			{Name: "weight gradient", Shapes: []graph.Shape{{16, 145, 384}, {16, 145, 96}}, Attrs: tn, Large: true},
			{Name: "long sum", Shapes: []graph.Shape{{200_000, 4}, {200_000, 4}}, Attrs: tn, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
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
			out := make([]float64, s.Y.Size())
			for e := range out {
				for p := 0; p < k; p++ {
					out[e] += get(0, left, a.TransA, e/n, p) * get(1, right, a.TransB, p, e%n)
				}
				if len(s.In) > 2 {
					out[e] += s.In[2][e%n]
				}
				if len(s.In) > 3 {
					out[e] += s.In[3][e]
				}
			}
			return [][]float64{out}
		},
	})
}
