package op

import (
	"math"

	"goxkd/graph"
)

var attentionOp, attentionGradOp, attentionProbsOp *graph.Op

// AttentionAttrs holds the number of heads, and where the rows of a joint projection [R,3D] are sequences of several lengths,
// how they lie one after the other.
type AttentionAttrs struct {
	Heads     int
	Sequences []Sequences
}

// Sequences are so many of one length.
type Sequences struct{ Batch, Tokens int }

// Rows is the number of their tokens.
func (s Sequences) Rows() int { return s.Batch * s.Tokens }

// Attention is multi-head self-attention from the joint projection qkv [B,N,3D], laid out (q|k|v, head, D/heads) innermost;
// the result is [B,N,D], heads side by side. Scores are scaled by (D/heads)^-1/2 (Vaswani et al., 2017). A further result is
// the logarithm of each row's sum of exponentials [B,heads,N], from which the gradient finds the probabilities again.
func Attention(g *graph.Graph, qkv *graph.Node, heads int) *graph.Node {
	return g.Apply(attentionOp, AttentionAttrs{Heads: heads}, qkv)
}

// AttentionOf is Attention within sequences whose rows lie one after the other in qkv [R,3D]. The result is [R,D], the
// logarithms [R·heads], those of each kind of sequences as [batch,heads,tokens].
func AttentionOf(g *graph.Graph, qkv *graph.Node, heads int, sequences []Sequences) *graph.Node {
	return g.Apply(attentionOp, AttentionAttrs{heads, sequences}, qkv)
}

// ProbsAttrs are those of the attention whose probabilities are taken, and the number of queries from the first on.
type ProbsAttrs struct {
	AttentionAttrs
	Queries int
}

// AttentionProbs gives the attention probabilities [B,heads,queries,N] (query, key) of the first queries of Attention; no
// gradient flows through it.
func AttentionProbs(g *graph.Graph, qkv *graph.Node, heads, queries int) *graph.Node {
	return g.Apply(attentionProbsOp, ProbsAttrs{AttentionAttrs{Heads: heads}, queries}, qkv)
}

// AttentionSize gives batch, tokens, heads and width per head of an attention node whose sequences are of one length.
func AttentionSize(n *graph.Node) (batch, tokens, heads, width int) {
	s := n.Inputs[0].Shape
	heads = headsOf(n.Attrs)
	return s[0], s[1], heads, s[2] / 3 / heads
}

// sequencesOf lists the kinds of sequences of an attention node.
func sequencesOf(n *graph.Node) []Sequences {
	if a, ok := n.Attrs.(AttentionAttrs); ok && a.Sequences != nil {
		return a.Sequences
	}
	s := n.Inputs[0].Shape
	return []Sequences{{s[0], s[1]}}
}

// BySequences calls f for each kind of sequences of an attention node, or of its gradient, as if there were no other.
func BySequences[T graph.Float](c *graph.Call[T], f func(*graph.Call[T])) {
	list := sequencesOf(c.Node)
	if len(list) == 1 && len(c.Node.Inputs[0].Shape) == 3 {
		f(c)
		return
	}
	x := c.Node.Inputs[0].Shape
	first := 0
	for _, s := range list {
		// All tensors have the same number of elements for each row.
		cut := func(data []T) []T {
			each := len(data) / x.Rows()
			return data[first*each : (first+s.Rows())*each]
		}
		part := graph.Call[T]{
			Node: &graph.Node{Op: c.Node.Op, Attrs: AttentionAttrs{Heads: headsOf(c.Node.Attrs)}},
			Out:  cut(c.Out), Par: c.Par,
		}
		part.Node.Inputs = []*graph.Node{{Shape: graph.Shape{s.Batch, s.Tokens, x.Last()}}}
		for _, in := range c.In {
			part.In = append(part.In, cut(in))
		}
		for _, out := range c.Outs {
			part.Outs = append(part.Outs, cut(out))
		}
		f(&part)
		first += s.Rows()
	}
}

// headsOf reads the attributes of attention, its gradient or its probabilities.
func headsOf(attrs any) int {
	if p, ok := attrs.(ProbsAttrs); ok {
		return p.Heads
	}
	return attrs.(AttentionAttrs).Heads
}

// logSumShape is the shape of the second result.
func logSumShape(n *graph.Node) graph.Shape {
	s := n.Inputs[0].Shape
	if len(s) == 2 {
		return graph.Shape{s[0] * headsOf(n.Attrs)}
	}
	return graph.Shape{s[0], headsOf(n.Attrs), s[1]}
}

// attendedShape is the shape of what attention makes of a joint projection.
func attendedShape(x graph.Shape) graph.Shape { return append(rowsShape(x).Clone(), x.Last()/3) }

func attentionInput(n *graph.Node) graph.Shape {
	s, heads := n.Inputs[0].Shape, headsOf(n.Attrs)
	attrs, _ := n.Attrs.(AttentionAttrs)
	if attrs.Sequences == nil {
		if len(s) != 3 || heads < 1 || s[2]%(3*heads) != 0 {
			graph.Failf("%s: %v is not [B,N,3·heads·d] with %d heads", n.Op.Name, s, heads)
		}
		return s
	}
	rows := 0
	for _, q := range attrs.Sequences {
		rows += q.Rows()
		if q.Batch < 1 || q.Tokens < 1 {
			graph.Failf("%s: sequences %+v", n.Op.Name, q)
		}
	}
	if len(s) != 2 || s[0] != rows || heads < 1 || s[1]%(3*heads) != 0 {
		graph.Failf("%s: %v is not [R,3·heads·d] with %d heads, of sequences %+v", n.Op.Name, s, heads, attrs.Sequences)
	}
	return s
}

// headProbs writes softmax(q kᵀ scale) of the first queries of one head to p [queries,N], and the logarithms of the rows' sums of exponentials to lse
// unless it is nil.
func headProbs[T graph.Float](p, lse, qkv []T, queries, tokens, width, stride, q, k int) {
	scale := 1 / math.Sqrt(float64(width))
	for i := 0; i < queries; i++ {
		row := p[i*tokens : (i+1)*tokens]
		for j := range row {
			row[j] = T(scale * dot(qkv[i*stride+q:i*stride+q+width], qkv[j*stride+k:j*stride+k+width]))
		}
		if lse != nil {
			lse[i] = T(logSum(row))
		}
		softmaxRow(row, row)
	}
}

// logSum is log Σ exp(x).
func logSum[T graph.Float](x []T) float64 {
	peak := math.Inf(-1)
	for _, v := range x {
		peak = max(peak, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - peak)
	}
	return peak + math.Log(sum)
}

func attentionProbsRef[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := AttentionSize(c.Node)
	dim, queries := heads*width, c.Node.Attrs.(ProbsAttrs).Queries
	c.Par(batch*heads, 1, func(lo, hi int) {
		for bh := lo; bh < hi; bh++ {
			x := c.In[0][bh/heads*tokens*3*dim:]
			h := bh % heads * width
			headProbs(c.Out[bh*queries*tokens:], nil, x, queries, tokens, width, 3*dim, h, dim+h)
		}
	})
}

func attentionRef[T graph.Float](c *graph.Call[T]) { BySequences(c, attentionOne[T]) }

func attentionOne[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := AttentionSize(c.Node)
	dim := heads * width
	c.Par(batch*heads, 1, func(lo, hi int) {
		p := make([]T, tokens*tokens)
		sums := make([]float64, width)
		for bh := lo; bh < hi; bh++ {
			b, h := bh/heads, bh%heads*width
			x := c.In[0][b*tokens*3*dim:]
			headProbs(p, c.Outs[1][bh*tokens:], x, tokens, tokens, width, 3*dim, h, dim+h)
			for i := 0; i < tokens; i++ {
				clear(sums)
				for j := 0; j < tokens; j++ {
					w := float64(p[i*tokens+j])
					for d, v := range x[j*3*dim+2*dim+h:][:width] {
						sums[d] += w * float64(v)
					}
				}
				for d, s := range sums {
					c.Out[(b*tokens+i)*dim+h+d] = T(s)
				}
			}
		}
	})
}

// attentionGradRef takes qkv, and the results of attention, which it does not need, and dO. It computes the probabilities P
// again, then dV = Pᵀ dO, dP = dO Vᵀ, dS = P (dP - Σ dP P),
// dQ = scale dS K, dK = scale dSᵀ Q.
func attentionGradRef[T graph.Float](c *graph.Call[T]) { BySequences(c, attentionGradOne[T]) }

func attentionGradOne[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := AttentionSize(c.Node)
	dim := heads * width
	scale := 1 / math.Sqrt(float64(width))
	c.Par(batch*heads, 1, func(lo, hi int) {
		p := make([]T, tokens*tokens)
		grads := make([]float64, 3*tokens*width)
		ds := make([]float64, tokens)
		for bh := lo; bh < hi; bh++ {
			b, h := bh/heads, bh%heads*width
			x, dx := c.In[0][b*tokens*3*dim:], c.Out[b*tokens*3*dim:]
			headProbs(p, nil, x, tokens, tokens, width, 3*dim, h, dim+h)
			clear(grads)
			dq, dk, dv := grads[:tokens*width], grads[tokens*width:2*tokens*width], grads[2*tokens*width:]
			for i := 0; i < tokens; i++ {
				row := p[i*tokens : (i+1)*tokens]
				do := c.In[3][(b*tokens+i)*dim+h:][:width]
				q := x[i*3*dim+h:][:width]
				var mean float64
				for j, w := range row {
					v := x[j*3*dim+2*dim+h:][:width]
					ds[j] = dot(do, v)
					mean += ds[j] * float64(w)
				}
				for j, w := range row {
					k := x[j*3*dim+dim+h:][:width]
					s := float64(w) * (ds[j] - mean) * scale
					for d := range do {
						dv[j*width+d] += float64(w) * float64(do[d])
						dq[i*width+d] += s * float64(k[d])
						dk[j*width+d] += s * float64(q[d])
					}
				}
			}
			for i := 0; i < tokens; i++ {
				for part := 0; part < 3; part++ {
					for d, v := range grads[(part*tokens+i)*width:][:width] {
						dx[i*3*dim+part*dim+h+d] = T(v)
					}
				}
			}
		}
	})
}

// attentionClosed by coordinates, from the probabilities; the logarithm of a row's sum is the first score's less that of its
// probability.
func attentionClosed(s graph.Sample) [][]float64 {
	if a := s.Attrs.(AttentionAttrs); a.Sequences != nil {
		out := make([][]float64, 2)
		x, first := s.Shapes[0], 0
		for _, q := range a.Sequences {
			part := s
			part.Attrs = AttentionAttrs{Heads: a.Heads}
			part.Shapes = []graph.Shape{{q.Batch, q.Tokens, x[1]}}
			part.In = [][]float64{s.In[0][first*x[1] : (first+q.Rows())*x[1]]}
			part.Y = graph.Shape{q.Batch, q.Tokens, x[1] / 3}
			for i, y := range attentionClosed(part) {
				out[i] = append(out[i], y...)
			}
			first += q.Rows()
		}
		return out
	}
	n, heads := s.Shapes[0][1], headsOf(s.Attrs)
	probs := probsClosed(s, n)[0]
	dim := s.Shapes[0][2] / 3
	width := dim / heads
	square := graph.Shape{s.Shapes[0][0], heads, n, n}
	y := s.Fill(func(c []int) float64 {
		h := c[2] / width
		var sum float64
		for j := 0; j < n; j++ {
			sum += probs[graph.Index(square, []int{c[0], h, c[1], j})] * s.At(0, c[0], j, 2*dim+c[2])
		}
		return sum
	})
	s.Y = square[:3]
	return append(y, s.Fill(func(c []int) float64 {
		return score(s, c[0], c[1], c[2], 0) - math.Log(probs[graph.Index(square, []int{c[0], c[1], c[2], 0})])
	})...)
}

// score is the scaled product of a query and a key.
func score(s graph.Sample, b, h, i, j int) float64 {
	dim := s.Shapes[0][2] / 3
	width := dim / headsOf(s.Attrs)
	var sum float64
	for d := h * width; d < (h+1)*width; d++ {
		sum += s.At(0, b, i, d) * s.At(0, b, j, dim+d)
	}
	return sum / math.Sqrt(float64(width))
}

// attended fills in what attention makes of the first input as the second and third: what its gradient takes.
func attended(c graph.Case, in [][]float64) {
	attentionRef(&graph.Call[float64]{
		Node: &graph.Node{Inputs: []*graph.Node{{Shape: c.Shapes[0]}}, Attrs: c.Attrs},
		In:   in[:1], Out: in[1], Outs: in[1:3], Par: func(n, _ int, f func(lo, hi int)) { f(0, n) },
	})
}

// gradCase is a case of the gradient of attention on x.
func gradCase(name string, heads int, x graph.Shape, large bool) graph.Case {
	y := graph.Shape{x[0], x[1], x[2] / 3}
	return graph.Case{
		Name: name, Shapes: []graph.Shape{x, y, {x[0], heads, x[1]}, y}, Attrs: AttentionAttrs{Heads: heads}, Follow: attended, Large: large,
	}
}

// mixedCase is a case of attention or its gradient on sequences of several lengths, with rows of so many elements.
func mixedCase(name string, heads, dim int, gradient, large bool, list ...Sequences) graph.Case {
	rows := 0
	for _, s := range list {
		rows += s.Rows()
	}
	x, y := graph.Shape{rows, 3 * dim}, graph.Shape{rows, dim}
	c := graph.Case{Name: name, Shapes: []graph.Shape{x}, Attrs: AttentionAttrs{heads, list}, Range: [2]float64{-1.5, 1.5}, Large: large}
	if gradient {
		c.Shapes, c.Follow = []graph.Shape{x, y, {rows * heads}, y}, attended
	}
	return c
}

func attentionProbsClosed(s graph.Sample) [][]float64 {
	return probsClosed(s, s.Attrs.(ProbsAttrs).Queries)
}

// probsClosed by coordinates, in the form 1 / Σ exp(sⱼ - sᵢ).
func probsClosed(s graph.Sample, queries int) [][]float64 {
	b, n, heads := s.Shapes[0][0], s.Shapes[0][1], headsOf(s.Attrs)
	s.Y = graph.Shape{b, heads, queries, n}
	return s.Fill(func(c []int) float64 {
		var sum float64
		for j := 0; j < n; j++ {
			sum += math.Exp(score(s, c[0], c[1], c[2], j) - score(s, c[0], c[1], c[2], c[3]))
		}
		return 1 / sum
	})
}

// attentionProducts counts the arithmetic of so many products of the size of Q Kᵀ, of some of the queries.
func attentionProducts(products int, queries func(n *graph.Node, s Sequences) int) func(*graph.Node) float64 {
	return func(n *graph.Node) float64 {
		var pairs float64
		for _, s := range sequencesOf(n) {
			pairs += float64(s.Batch) * float64(queries(n, s)) * float64(s.Tokens)
		}
		return 2 * float64(products) * pairs * float64(n.Inputs[0].Shape.Last()/3)
	}
}

func allQueries(_ *graph.Node, s Sequences) int { return s.Tokens }

func init() {
	one, two, three := AttentionAttrs{Heads: 1}, AttentionAttrs{Heads: 2}, AttentionAttrs{Heads: 3}
	peaked := gradCase("peaked", 2, graph.Shape{1, 70, 48}, true)
	peaked.Range = [2]float64{-6, 6}
	attentionOp = graph.Register(graph.Op{
		Name: "attention", Formula: "O = softmax(S) V per head, S = Q Kᵀ / √d, and log Σ exp(S) of each row",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			return attendedShape(attentionInput(n))
		},
		More:  func(n *graph.Node) []graph.Shape { return []graph.Shape{logSumShape(n)} },
		Ref32: attentionRef[float32], Ref64: attentionRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(attentionGradOp, n.Attrs, n.Inputs[0], n, n.Results[1], dy)}
		},
		Launch: attentionLaunch, Variants: attentionVariants, FLOPs: attentionProducts(2, allQueries),
		Cases: []graph.Case{
			{Name: "one head", Shapes: []graph.Shape{{2, 5, 12}}, Attrs: one},
			{Name: "two heads", Shapes: []graph.Shape{{2, 4, 18}}, Attrs: two, Range: [2]float64{-2, 2}},
			{Name: "one token", Shapes: []graph.Shape{{2, 1, 6}}, Attrs: one},
			{Name: "vectors", Shapes: []graph.Shape{{2, 7, 24}}, Attrs: two, Range: [2]float64{-2, 2}},
			{Name: "nano", Shapes: []graph.Shape{{3, 145, 288}}, Attrs: three, Large: true},
			{Name: "peaked", Shapes: []graph.Shape{{1, 70, 48}}, Attrs: two, Range: [2]float64{-12, 12}, Large: true},
			mixedCase("mixed", 2, 8, false, false, Sequences{2, 3}, Sequences{1, 5}),
			mixedCase("mixed, large", 3, 96, false, true, Sequences{2, 37}, Sequences{5, 70}, Sequences{1, 1}),
			{Name: "wide heads", Shapes: []graph.Shape{{1, 37, 384}}, Attrs: two, Range: [2]float64{-1.5, 1.5}, Large: true},
			{Name: "wider heads", Shapes: []graph.Shape{{1, 33, 600}}, Attrs: two, Large: true},
		},
		Closed: attentionClosed,
	})
	attentionGradOp = graph.Register(graph.Op{
		Name: "attention_grad", Formula: "dV = Pᵀ dO; dS = P (dO Vᵀ - Σ); dQ = dS K / √d; dK = dSᵀ Q / √d",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 4)
			s := attentionInput(n)
			wantShape(n, 1, attendedShape(s))
			wantShape(n, 2, logSumShape(n))
			wantShape(n, 3, n.Inputs[1].Shape)
			return s
		},
		Ref32: attentionGradRef[float32], Ref64: attentionGradRef[float64],
		NoGrad: secondDerivative,
		Launch: attentionGradLaunch, Variants: attentionGradVariants, FLOPs: attentionProducts(5, allQueries),
		Cases: []graph.Case{
			gradCase("two heads", 2, graph.Shape{2, 5, 18}, false),
			gradCase("vectors", 2, graph.Shape{2, 7, 24}, false),
			mixedCase("mixed", 2, 8, true, false, Sequences{2, 3}, Sequences{1, 5}),
			mixedCase("mixed, large", 3, 96, true, true, Sequences{2, 37}, Sequences{5, 70}, Sequences{1, 1}),
			peaked,
			gradCase("wide heads", 2, graph.Shape{1, 37, 384}, true),
			gradCase("wider heads", 2, graph.Shape{1, 33, 600}, true),
			gradCase("nano", 3, graph.Shape{3, 145, 288}, true),
		},
		Closed: derivative(attentionClosed, 0, func(s graph.Sample) graph.Shape { return attendedShape(s.Shapes[0]) }), Approximate: true,
	})
	attentionProbsOp = graph.Register(graph.Op{
		Name: "attention_probs", Formula: "P = softmax(Q Kᵀ / √d) per head, of the first queries",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			s, attrs := attentionInput(n), n.Attrs.(ProbsAttrs)
			if attrs.Queries < 1 || attrs.Queries > s[1] {
				graph.Failf("%s: %d queries of %d tokens", n.Op.Name, attrs.Queries, s[1])
			}
			return graph.Shape{s[0], attrs.Heads, attrs.Queries, s[1]}
		},
		Ref32: attentionProbsRef[float32], Ref64: attentionProbsRef[float64],
		NoGrad: "the teachers' attention is read without gradient",
		Launch: attentionProbsLaunch, Variants: scoreVariants,
		FLOPs: attentionProducts(1, func(n *graph.Node, _ Sequences) int { return n.Attrs.(ProbsAttrs).Queries }),
		Cases: []graph.Case{
			{Name: "two heads", Shapes: []graph.Shape{{2, 5, 12}}, Attrs: ProbsAttrs{two, 5}},
			{Name: "first row", Shapes: []graph.Shape{{2, 5, 24}}, Attrs: ProbsAttrs{two, 1}},
			{Name: "nano", Shapes: []graph.Shape{{3, 145, 288}}, Attrs: ProbsAttrs{three, 145}, Large: true},
			{Name: "nano, first row", Shapes: []graph.Shape{{3, 145, 288}}, Attrs: ProbsAttrs{three, 1}, Large: true},
		},
		Closed: attentionProbsClosed,
	})
}
