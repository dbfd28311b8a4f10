package op

import (
	"fmt"
	"math"
	"math/rand/v2"

	"goxkd/graph"
)

// The operations of this file update states. Those over banks take a bank as a whole, with a small table of the tensors in
// it, so that their number does not grow with the number of tensors. Tables count in blocks of graph.BlockSize elements, as
// whole numbers in float32, exact below 2^24.
var emaOp, accumulateOp, bankNormsOp, clipOp, adamWOp, bankEMAOp *graph.Op

// EMA updates t in place: t = momentum·t + (1-momentum)·s.
func EMA(g *graph.Graph, t, s, momentum *graph.Node) *graph.Node {
	return g.Apply(emaOp, nil, t, s, momentum)
}

// Accumulate updates sum in place: sum = x where fresh [1] is not 0, else sum + x.
func Accumulate(g *graph.Graph, sum, x, fresh *graph.Node) *graph.Node {
	return g.Apply(accumulateOp, nil, sum, x, fresh)
}

// BankTensor is a tensor in one of several banks.
type BankTensor struct {
	Bank int
	graph.Span
}

// BankNormsAttrs lists the tensors whose norms are taken.
type BankNormsAttrs struct{ Tensors []BankTensor }

// normChunk is the number of elements that one row of square_sums adds.
const normChunk = 4096

// BankNorms gives the 2-norm of every tensor times share [1], in the order of the list.
func BankNorms(g *graph.Graph, banks []*graph.Node, share *graph.Node, tensors []BankTensor) *graph.Node {
	chunks, index := normTables(len(banks), tensors)
	in := append([]*graph.Node{share, table(g, "norms", index, 2)}, banks...)
	for i, c := range chunks {
		in = append(in, table(g, fmt.Sprintf("norms of %s", banks[i].Name), c, 3))
	}
	return g.Apply(bankNormsOp, BankNormsAttrs{tensors}, in...)
}

// table adds a constant with rows of so many columns.
func table(g *graph.Graph, name string, data []float32, cols int) *graph.Node {
	for _, v := range data {
		if v >= 1<<24 {
			graph.Failf("table of %s: %g is too large for whole numbers in float32: use smaller banks", name, v)
		}
	}
	return g.Const("table of "+name, data, len(data)/cols, cols)
}

// normTables gives, for each bank, rows of (first block, elements, place of the sum), and rows of (first sum, sums) for each
// tensor.
func normTables(banks int, tensors []BankTensor) (chunks [][]float32, index []float32) {
	chunks = make([][]float32, banks)
	place := 0
	for _, t := range tensors {
		if t.Bank < 0 || t.Bank >= banks || t.Offset%graph.BlockSize != 0 {
			graph.Failf("bank_norms: no tensor at element %d of bank %d", t.Offset, t.Bank)
		}
		n := graph.CeilDiv(t.Size, normChunk)
		index = append(index, float32(place), float32(n))
		for i := range n {
			chunks[t.Bank] = append(chunks[t.Bank], float32((t.Offset+i*normChunk)/graph.BlockSize), float32(min(normChunk, t.Size-i*normChunk)), float32(place))
			place++
		}
	}
	for b := range chunks {
		if chunks[b] == nil {
			chunks[b] = []float32{0, 0, 0} // a row that adds nothing; the next bank's kernel writes its place
		}
	}
	return chunks, index
}

// ClipAttrs hold the greatest norm, and the tensors in the order in which they are clipped, one or several times.
type ClipAttrs struct {
	Max    float64
	Visits []int
}

// Clip gives what each of the gradients of these norms [k] is multiplied by [k]: share [1] times min(1, max/(norm + 1e-6)) for
// every visit, and 1 without one. The second result [v] are the norms that each visit finds.
func Clip(g *graph.Graph, norms, share *graph.Node, attrs ClipAttrs) (factors, found *graph.Node) {
	visits := make([]float32, len(attrs.Visits))
	for i, v := range attrs.Visits {
		visits[i] = float32(v)
	}
	n := g.Apply(clipOp, attrs, norms, share, g.Const("order of clipping", visits, len(visits)))
	return n, n.Results[1]
}

// HyperSize is the length of a row of AdamW's hyper input: learning rate, weight decay, 1-beta1^t, √(1-beta2^t), and 1 to
// update or 0 to leave the parameter and its moments as they are.
const HyperSize = 5

// AdamWTensor is a parameter: its place in the bank, the place of its factor, and its row of the hyper input.
type AdamWTensor struct {
	graph.Span
	Factor, Row int
	Decay       bool
}

// AdamWAttrs are the constants of AdamW; what varies by step is in the hyper input.
type AdamWAttrs struct {
	Beta1, Beta2, Eps float64
	Tensors           []AdamWTensor // by rising offset
}

// AdamW updates the parameters in bank p and their moments m and v in place from grad times factor (Loshchilov and Hutter,
// 2019): p -= lr·wd·p (where Decay), m = β1 m + (1-β1) g, v = β2 v + (1-β2) g², p -= lr · (m/(1-β1^t)) / (√v/√(1-β2^t) + eps).
// The four banks have one layout; factors are [k], hyper [rows, HyperSize].
func AdamW(g *graph.Graph, p, m, v, grad, factors, hyper *graph.Node, attrs AdamWAttrs) *graph.Node {
	return g.Apply(adamWOp, attrs, p, m, v, grad, factors, hyper, table(g, "adamw of "+p.Name, adamWTable(attrs), 5))
}

// adamWTable has rows of (first block, blocks, elements of the last block, place of the factor, 2·row + decay).
func adamWTable(a AdamWAttrs) []float32 {
	var out []float32
	for _, t := range a.Tensors {
		blocks, flags := graph.Blocks(t.Size), 2*t.Row
		if t.Decay {
			flags++
		}
		out = append(out, float32(t.Offset/graph.BlockSize), float32(blocks), float32(t.Size-(blocks-1)*graph.BlockSize), float32(t.Factor), float32(flags))
	}
	return out
}

// EMASpan moves whole blocks of t, from an offset on, towards blocks of s: by momentum 0, by momentum 1, or by both in turn.
type EMASpan struct {
	To, From, Size int // in elements
	First, Second  bool
}

// BankEMAAttrs list the spans, by rising place in t.
type BankEMAAttrs struct{ Spans []EMASpan }

// BankEMA updates spans of bank t in place: t = momentum·t + (1-momentum)·s. momenta are [2].
func BankEMA(g *graph.Graph, t, s, momenta *graph.Node, spans []EMASpan) *graph.Node {
	attrs := BankEMAAttrs{joined(spans)}
	rows, _ := emaTable(attrs)
	return g.Apply(bankEMAOp, attrs, t, s, momenta, table(g, fmt.Sprintf("ema of %s from %s", t.Name, s.Name), rows, 5))
}

// joined makes one span of those that follow each other on both sides.
func joined(spans []EMASpan) []EMASpan {
	var out []EMASpan
	for _, s := range spans {
		s.Size = graph.Blocks(s.Size) * graph.BlockSize
		if k := len(out) - 1; k >= 0 {
			l := &out[k]
			if l.To+l.Size == s.To && l.From+l.Size == s.From && l.First == s.First && l.Second == s.Second {
				l.Size += s.Size
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// emaTable has rows of (first block of the work, blocks, block of t, block of s, 1·first + 2·second).
func emaTable(a BankEMAAttrs) (rows []float32, blocks int) {
	for _, s := range a.Spans {
		n, which := graph.Blocks(s.Size), 0
		if s.First {
			which++
		}
		if s.Second {
			which += 2
		}
		rows = append(rows, float32(blocks), float32(n), float32(s.To/graph.BlockSize), float32(s.From/graph.BlockSize), float32(which))
		blocks += n
	}
	return rows, blocks
}

func emaRef[T graph.Float](c *graph.Call[T]) {
	moveTo(c, c.In[0], c.In[1], float64(c.In[2][0]))
}

func moveTo[T graph.Float](c *graph.Call[T], t, s []T, momentum float64) {
	c.Par(len(t), grain, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t[i] = T(momentum*float64(t[i]) + (1-momentum)*float64(s[i]))
		}
	})
}

func bankEMARef[T graph.Float](c *graph.Call[T]) {
	for _, s := range c.Node.Attrs.(BankEMAAttrs).Spans {
		to, from := c.In[0][s.To:s.To+s.Size], c.In[1][s.From:s.From+s.Size]
		for i, moves := range []bool{s.First, s.Second} {
			if moves {
				moveTo(c, to, from, float64(c.In[2][i]))
			}
		}
	}
}

func accumulateRef[T graph.Float](c *graph.Call[T]) {
	sum, x, fresh := c.In[0], c.In[1], c.In[2][0] != 0
	c.Par(len(sum), grain, func(lo, hi int) {
		if fresh {
			copy(sum[lo:hi], x[lo:hi])
			return
		}
		for i := lo; i < hi; i++ {
			sum[i] += x[i]
		}
	})
}

func bankNormsRef[T graph.Float](c *graph.Call[T]) {
	tensors := c.Node.Attrs.(BankNormsAttrs).Tensors
	c.Par(len(tensors), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t := tensors[i]
			x := c.In[2+t.Bank][t.Offset : t.Offset+t.Size]
			c.Out[i] = T(math.Sqrt(dot(x, x))) * c.In[0][0]
		}
	})
}

func clipRef[T graph.Float](c *graph.Call[T]) {
	a, share := c.Node.Attrs.(ClipAttrs), c.In[1][0]
	for i := range c.Out {
		c.Out[i] = 1
	}
	for i, k := range a.Visits {
		norm := c.In[0][k] * c.Out[k]
		c.Outs[1][i] = norm
		c.Out[k] *= T(min(1, a.Max/(float64(norm)+1e-6)))
	}
	for i := range c.Out {
		c.Out[i] *= share
	}
}

func adamWRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(AdamWAttrs)
	for _, t := range a.Tensors {
		h := c.In[5][t.Row*HyperSize:]
		if h[4] == 0 {
			continue
		}
		part := func(i int) []T { return c.In[i][t.Offset : t.Offset+t.Size] }
		p, m, v, g := part(0), part(1), part(2), part(3)
		factor := float64(c.In[4][t.Factor])
		lr, bias1, bias2 := float64(h[0]), float64(h[2]), float64(h[3])
		keep := 1.0
		if t.Decay {
			keep -= lr * float64(h[1])
		}
		c.Par(len(p), grain/2, func(lo, hi int) {
			for i := lo; i < hi; i++ {
				d := float64(g[i]) * factor
				mi := a.Beta1*float64(m[i]) + (1-a.Beta1)*d
				vi := a.Beta2*float64(v[i]) + (1-a.Beta2)*d*d
				m[i], v[i] = T(mi), T(vi)
				p[i] = T(float64(p[i])*keep - lr*mi/bias1/(math.Sqrt(vi)/bias2+a.Eps))
			}
		})
	}
}

// optimizerParams is struct Params of optimizer.wgsl.
type optimizerParams struct {
	N, Rows, Visits                 uint32
	Most                            float32
	Beta1, Rest1, Beta2, Rest2, Eps float32
}

func emaLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "optimizer", "ema", size, optimizerParams{N: uint32(size)},
		bindIn("p", 0), bindIn("s", 1), bindIn("momentum", 2)))
}

func accumulateLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "optimizer", "accumulate", size, optimizerParams{N: uint32(size)},
		bindIn("p", 0), bindIn("s", 1), bindIn("momentum", 2)))
}

// bankNormsLaunch adds the squares of chunks, a row each, then the sums of each tensor, a row each.
func bankNormsLaunch(n *graph.Node, t graph.Target) graph.Launch {
	banks := (len(n.Inputs) - 2) / 2
	sums, most := 0, 1
	for _, x := range n.Attrs.(BankNormsAttrs).Tensors {
		k := graph.CeilDiv(x.Size, normChunk)
		sums, most = sums+k, max(most, k)
	}
	l := graph.Launch{Scratch: []int{max(sums, 1)}}
	part := graph.Scratch(0)
	for b := range banks {
		rows := n.Inputs[2+banks+b].Shape[0]
		l.Dispatches = append(l.Dispatches, overRows(n, t, "optimizer", "square_sums", rows, normChunk, 1, optimizerParams{Rows: uint32(rows)},
			bindIn("g", 2+b), bindIn("table", 2+banks+b), bind("y", part)))
	}
	k := n.Shape[0]
	l.Dispatches = append(l.Dispatches, overRows(n, t, "optimizer", "norms", k, most, 1, optimizerParams{Rows: uint32(k)},
		bind("s", part), bindIn("table", 1), bindIn("momentum", 0), bindOut()))
	return l
}

func bankNormsVariants(_ *graph.Node, t graph.Target) []string { return rowVariants(t, 1, normChunk) }

func clipLaunch(n *graph.Node, _ graph.Target) graph.Launch {
	a, k := n.Attrs.(ClipAttrs), n.Shape[0]
	p := optimizerParams{N: uint32(k), Visits: uint32(len(a.Visits)), Most: float32(a.Max)}
	return launch(each("optimizer", "clip", k, len(a.Visits), p,
		bindIn("s", 0), bindIn("momentum", 1), bindIn("table", 2), bindOut(), bind("found", graph.Result(1))))
}

// search is more than the turns of a binary search in a table.
const search = 24

func adamWLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a, size := n.Attrs.(AdamWAttrs), n.Shape.Size()
	p := optimizerParams{
		N: uint32(size), Rows: uint32(len(a.Tensors)), Eps: float32(a.Eps),
		Beta1: float32(a.Beta1), Rest1: float32(1 - a.Beta1), Beta2: float32(a.Beta2), Rest2: float32(1 - a.Beta2),
	}
	d := elements(t, "optimizer", "adamw", size, p,
		bindIn("p", 0), bindIn("m", 1), bindIn("v", 2), bindIn("g", 3), bindIn("factor", 4), bindIn("hyper", 5), bindIn("table", 6))
	d.Trips = 2*d.Trips + search
	return launch(d)
}

func bankEMALaunch(n *graph.Node, t graph.Target) graph.Launch {
	a := n.Attrs.(BankEMAAttrs)
	_, blocks := emaTable(a)
	size := blocks * graph.BlockSize
	d := elements(t, "optimizer", "bank_ema", size, optimizerParams{N: uint32(size), Rows: uint32(len(a.Spans))},
		bindIn("p", 0), bindIn("s", 1), bindIn("momentum", 2), bindIn("table", 3))
	d.Trips = 2*d.Trips + search
	return launch(d)
}

// wantTable checks that input i is a table of so many rows.
func wantTable(n *graph.Node, i, rows, cols int) { wantShape(n, i, graph.Shape{rows, cols}) }

// fillTable makes input i the given figures and leaves the others.
func fillTable(tables map[int][]float32, more func(input int, rng *rand.Rand, data []float64) bool) func(int, *rand.Rand, []float64) bool {
	return func(input int, rng *rand.Rand, data []float64) bool {
		if t, ok := tables[input]; ok {
			for i := range data {
				data[i] = float64(t[i])
			}
			return true
		}
		return more != nil && more(input, rng, data)
	}
}

// adamWClosed goes element by element, in the order of the optimizer's paper: decay, moments, corrected moments, step.
func adamWClosed(s graph.Sample) [][]float64 {
	a := s.Attrs.(AdamWAttrs)
	var ps, ms, vs []float64
	for i, p := range s.In[0] {
		m, v := s.In[1][i], s.In[2][i]
		for _, t := range a.Tensors {
			rate, decay, bias1, bias2, active := s.At(5, t.Row, 0), s.At(5, t.Row, 1), s.At(5, t.Row, 2), s.At(5, t.Row, 3), s.At(5, t.Row, 4)
			if i < t.Offset || i >= t.Offset+t.Size || active == 0 {
				continue
			}
			g := s.In[3][i] * s.In[4][t.Factor]
			if t.Decay {
				p -= p * rate * decay
			}
			m += (1 - a.Beta1) * (g - m)
			v += (1 - a.Beta2) * (g*g - v)
			p -= rate * (m / bias1) / (math.Sqrt(v/(bias2*bias2)) + a.Eps)
		}
		ps, ms, vs = append(ps, p), append(ms, m), append(vs, v)
	}
	return [][]float64{ps, ms, vs}
}

func init() {
	const once = "an update is the end of a step"
	emaOp = graph.Register(graph.Op{
		Name: "ema", Formula: "t ← momentum·t + (1-momentum)·s",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			wantShape(n, 1, n.Inputs[0].Shape)
			wantShape(n, 2, graph.Shape{1})
			return n.Inputs[0].Shape
		},
		Updates: []int{0},
		Ref32:   emaRef[float32], Ref64: emaRef[float64],
		NoGrad: once,
		Launch: emaLaunch,
		Cases: []graph.Case{
			{Name: "small", Shapes: []graph.Shape{{3, 7}, {3, 7}, {1}}, Range: [2]float64{0.1, 0.9}},
			{Name: "large", Shapes: []graph.Shape{{384, 97}, {384, 97}, {1}}, Range: [2]float64{0.1, 0.9}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			var out []float64
			for i, t := range s.In[0] {
				out = append(out, s.In[1][i]+s.In[2][0]*(t-s.In[1][i]))
			}
			return [][]float64{out}
		},
	})
	fresh := func(v float64) func(int, *rand.Rand, []float64) bool {
		return func(input int, _ *rand.Rand, data []float64) bool {
			if input == 2 {
				data[0] = v
			}
			return input == 2
		}
	}
	accumulateOp = graph.Register(graph.Op{
		Name: "accumulate", Formula: "sum ← x where fresh, else sum + x",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			wantShape(n, 1, n.Inputs[0].Shape)
			wantShape(n, 2, graph.Shape{1})
			return n.Inputs[0].Shape
		},
		Updates: []int{0},
		Ref32:   accumulateRef[float32], Ref64: accumulateRef[float64],
		NoGrad: once,
		Launch: accumulateLaunch,
		Cases: []graph.Case{
			{Name: "fresh", Shapes: []graph.Shape{{131}, {131}, {1}}, Fill: fresh(1)},
			{Name: "more", Shapes: []graph.Shape{{131}, {131}, {1}}, Fill: fresh(0)},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Fill(func(c []int) float64 { return s.At(1, c...) + (1-s.In[2][0])*s.At(0, c...) })
		},
	})

	tensors := []BankTensor{
		{0, graph.Span{Offset: 64, Size: 3}}, {1, graph.Span{Offset: 0, Size: normChunk + 65}}, {0, graph.Span{Offset: 128, Size: 64}}, {0, graph.Span{Offset: 0, Size: 1}},
	}
	chunks, index := normTables(2, tensors)
	bankNormsOp = graph.Register(graph.Op{
		Name: "bank_norms", Formula: "y[k] = share · √Σ x² over tensor k of the banks",
		Shape: func(n *graph.Node) graph.Shape {
			tensors := n.Attrs.(BankNormsAttrs).Tensors
			banks := (len(n.Inputs) - 2) / 2
			if banks < 1 || len(n.Inputs) != 2+2*banks || len(tensors) == 0 {
				graph.Failf("bank_norms takes a share, a table, banks and a table for each, and a tensor or more")
			}
			wantShape(n, 0, graph.Shape{1})
			wantTable(n, 1, len(tensors), 2)
			chunks, _ := normTables(banks, tensors)
			for b := range banks {
				wantTable(n, 2+banks+b, len(chunks[b])/3, 3)
			}
			for _, t := range tensors {
				if b := n.Inputs[2+t.Bank].Shape; len(b) != 1 || t.Offset+t.Size > b[0] {
					graph.Failf("bank_norms: the bank %v ends before element %d", b, t.Offset+t.Size)
				}
			}
			return graph.Shape{len(tensors)}
		},
		Ref32: bankNormsRef[float32], Ref64: bankNormsRef[float64],
		NoGrad: "it measures gradients for clipping",
		Launch: bankNormsLaunch, Variants: bankNormsVariants,
		Loose: []int{2, 3},
		Cases: []graph.Case{{
			Name: "two banks", Attrs: BankNormsAttrs{tensors},
			Shapes: []graph.Shape{{1}, {len(tensors), 2}, {192}, {normChunk + 128}, {len(chunks[0]) / 3, 3}, {len(chunks[1]) / 3, 3}},
			Fill:   fillTable(map[int][]float32{1: index, 4: chunks[0], 5: chunks[1]}, nil),
		}},
		Closed: func(s graph.Sample) [][]float64 {
			var out []float64
			for _, t := range s.Attrs.(BankNormsAttrs).Tensors {
				out = append(out, s.In[0][0]*hypot(s.In[2+t.Bank][t.Offset:t.Offset+t.Size]))
			}
			return [][]float64{out}
		},
	})

	visits := []int{2, 0, 2, 1}
	clipOp = graph.Register(graph.Op{
		Name: "clip", Formula: "y[k] = share · Π min(1, max / (norm[k] + 1e-6)) over the visits to k, and the norms they find",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			if len(n.Inputs[0].Shape) != 1 {
				graph.Failf("clip: the norms %v are no list", n.Inputs[0].Shape)
			}
			wantShape(n, 1, graph.Shape{1})
			visits := n.Attrs.(ClipAttrs).Visits
			wantShape(n, 2, graph.Shape{len(visits)})
			for _, k := range visits {
				if k < 0 || k >= n.Inputs[0].Shape[0] {
					graph.Failf("clip: no tensor %d among the norms %v", k, n.Inputs[0].Shape)
				}
			}
			return n.Inputs[0].Shape
		},
		More:  func(n *graph.Node) []graph.Shape { return []graph.Shape{{len(n.Attrs.(ClipAttrs).Visits)}} },
		Ref32: clipRef[float32], Ref64: clipRef[float64],
		NoGrad: "it works on gradients",
		Launch: clipLaunch,
		Loose:  []int{0},
		Cases: []graph.Case{
			{Name: "above", Shapes: []graph.Shape{{4}, {1}, {4}}, Attrs: ClipAttrs{0.3, visits}, Range: [2]float64{0.5, 2},
				Fill: fillTable(map[int][]float32{2: {2, 0, 2, 1}}, nil)},
			{Name: "below", Shapes: []graph.Shape{{4}, {1}, {4}}, Attrs: ClipAttrs{0.3, visits}, Range: [2]float64{0, 0.2},
				Fill: fillTable(map[int][]float32{2: {2, 0, 2, 1}}, nil)},
		},
		// The norm of the gradient itself, clipped visit by visit.
		Closed: func(s graph.Sample) [][]float64 {
			a := s.Attrs.(ClipAttrs)
			norms := append([]float64(nil), s.In[0]...)
			var found []float64
			for _, k := range a.Visits {
				found = append(found, norms[k])
				if norms[k]+1e-6 > a.Max {
					norms[k] *= a.Max / (norms[k] + 1e-6)
				}
			}
			factors := make([]float64, len(norms))
			for k := range norms {
				factors[k] = s.In[1][0] * norms[k] / s.In[0][k]
			}
			return [][]float64{factors, found}
		},
	})

	attrs := AdamWAttrs{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Tensors: []AdamWTensor{
		{graph.Span{Offset: 0, Size: 21}, 1, 0, true}, {graph.Span{Offset: 64, Size: 130}, 0, 0, false}, {graph.Span{Offset: 256, Size: 64}, 2, 1, true},
	}}
	adamWCase := func(name string, active float64, a AdamWAttrs, size int, large bool) graph.Case {
		b := graph.Shape{size}
		return graph.Case{
			Name: name, Attrs: a, Large: large,
			Shapes: []graph.Shape{b, b, b, b, {3}, {2, HyperSize}, {len(a.Tensors), 5}},
			Fill: fillTable(map[int][]float32{6: adamWTable(a)}, func(input int, rng *rand.Rand, data []float64) bool {
				switch input {
				case 2:
					uniform(rng, data, 0, 1)
				case 4:
					uniform(rng, data, 0.3, 1)
				case 5:
					copy(data, []float64{0.01, 0.3, 0.19, 0.31, 1, 0.02, 0.1, 0.1, 0.22, active})
				default:
					return false
				}
				return true
			}),
		}
	}
	big := AdamWAttrs{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8}
	for i := range 100 {
		big.Tensors = append(big.Tensors, AdamWTensor{graph.Span{Offset: i * 448, Size: 448 - i}, i % 3, i % 2, i%5 == 0})
	}
	adamWOp = graph.Register(graph.Op{
		Name: "adamw", Formula: "p, m, v ← AdamW(p, m, v, factor·g) for the tensors of a bank",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 7)
			p := n.Inputs[0].Shape
			for i := 1; i < 4; i++ {
				wantShape(n, i, p)
			}
			k, h := n.Inputs[4].Shape, n.Inputs[5].Shape
			if len(p) != 1 || len(k) != 1 || len(h) != 2 || h[1] != HyperSize {
				graph.Failf("adamw: bank %v, factors %v and hyper %v are not [n], [k] and [rows,%d]", p, k, h, HyperSize)
			}
			a := n.Attrs.(AdamWAttrs)
			wantTable(n, 6, len(a.Tensors), 5)
			end := 0
			for _, t := range a.Tensors {
				if t.Offset%graph.BlockSize != 0 || t.Offset < end || t.Offset+t.Size > p[0] || t.Factor >= k[0] || t.Row >= h[0] {
					graph.Failf("adamw: the tensor %+v does not fit a bank %v, factors %v, hyper %v", t, p, k, h)
				}
				end = t.Offset + t.Size
			}
			return p
		},
		Updates: []int{0, 1, 2},
		Ref32:   adamWRef[float32], Ref64: adamWRef[float64],
		NoGrad: once,
		Launch: adamWLaunch,
		Loose:  []int{4},
		Cases: []graph.Case{
			adamWCase("three tensors", 1, attrs, 320, false),
			adamWCase("last layers frozen", 0, attrs, 320, false),
			adamWCase("large", 1, big, 44_800, true),
		},
		Closed: adamWClosed,
	})

	spans := []EMASpan{{0, 128, 64, true, false}, {128, 0, 128, false, true}, {256, 192, 64, true, true}}
	rows, _ := emaTable(BankEMAAttrs{spans})
	bankEMAOp = graph.Register(graph.Op{
		Name: "bank_ema", Formula: "t ← momentum·t + (1-momentum)·s over spans of two banks, by either momentum or both in turn",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 4)
			t, s := n.Inputs[0].Shape, n.Inputs[1].Shape
			a := n.Attrs.(BankEMAAttrs)
			wantShape(n, 2, graph.Shape{2})
			wantTable(n, 3, len(a.Spans), 5)
			end := 0
			for _, x := range a.Spans {
				if (x.To|x.From|x.Size)%graph.BlockSize != 0 || x.To < end || len(t) != 1 || len(s) != 1 || x.To+x.Size > t[0] || x.From+x.Size > s[0] {
					graph.Failf("bank_ema: the span %+v does not fit banks %v and %v", x, t, s)
				}
				end = x.To + x.Size
			}
			return t
		},
		Updates: []int{0},
		Ref32:   bankEMARef[float32], Ref64: bankEMARef[float64],
		NoGrad: once,
		Launch: bankEMALaunch,
		Loose:  []int{0, 1},
		Cases: []graph.Case{{
			Name: "three spans", Attrs: BankEMAAttrs{spans}, Shapes: []graph.Shape{{384}, {256}, {2}, {len(spans), 5}},
			Range: [2]float64{0.1, 0.9}, Fill: fillTable(map[int][]float32{3: rows}, nil),
		}},
		// What is left of the distance from s shrinks by each momentum.
		Closed: func(s graph.Sample) [][]float64 {
			out := append([]float64(nil), s.In[0]...)
			for _, x := range s.Attrs.(BankEMAAttrs).Spans {
				left := 1.0
				if x.First {
					left *= s.In[2][0]
				}
				if x.Second {
					left *= s.In[2][1]
				}
				for i := range x.Size {
					toward := s.In[1][x.From+i]
					out[x.To+i] = toward + left*(out[x.To+i]-toward)
				}
			}
			return [][]float64{out}
		},
	})
}
