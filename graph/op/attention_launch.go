package op

import (
	"fmt"
	"math"
	"slices"

	"goxkd/graph"
)

// rowsParams is struct Params of attention.wgsl.
type rowsParams struct{ Rows, Cols, First uint32 }

// The variants of attention: "flash", "flash64" and "fused" never store the scores, the first two with tiles of queries, keys
// and values in workgroup memory, 32 or 64 rows to a workgroup, the third with a row to a thread; the others store them and take their softmax by one thread or one
// workgroup a row. Barriers are dear on software adapters.
const (
	flash   = "flash"
	flash64 = "flash64"
	fused   = "fused"
	thread  = "thread"
	group   = "group"
)

// scoreVariants are the variants that store the scores.
func scoreVariants(n *graph.Node, t graph.Target) []string {
	longest := 0
	for _, s := range sequencesOf(n) {
		longest = max(longest, s.Tokens)
	}
	switch {
	case 3*longest > graph.MaxTrips:
		return []string{group}
	case t.Class == graph.Software:
		return []string{thread, group}
	}
	return []string{group, thread}
}

func attentionVariants(n *graph.Node, t graph.Target) []string {
	list, shapes := scoreVariants(n, t), attentionShapes(n)
	var whole []string
	if every(shapes, attentionShape.flashable) {
		whole = flashes(shapes)
	}
	if every(shapes, attentionShape.fusable) {
		whole = append(whole, fused)
	}
	if t.Class == graph.Software {
		return append(list, whole...)
	}
	return append(whole, list...)
}

// attentionGradVariants are those of the gradient.
func attentionGradVariants(n *graph.Node, t graph.Target) []string {
	list, shapes := scoreVariants(n, t), attentionShapes(n)
	switch {
	case !every(shapes, attentionShape.flashable):
		return list
	case t.Class == graph.Software, t.Class == graph.Integrated && slices.ContainsFunc(shapes, attentionShape.wide):
		return append(list, flashes(shapes)...)
	case slices.ContainsFunc(shapes, attentionShape.wide): // the smaller workgroup has more to fetch, and registers for it
		return append([]string{flash64, flash}, list...)
	default:
		return append(flashes(shapes), list...)
	}
}

// attentionRows runs a row kernel of attention.wgsl in place on x; first is the first row of further tensors.
func attentionRows(t graph.Target, kernel string, x graph.Arg, first, rows, cols int, more ...graph.Bind) graph.Dispatch {
	d := graph.Dispatch{
		Shader: "attention", Entry: kernel + "_group", Binds: append([]graph.Bind{{Var: "x", Arg: x, Elements: rows * cols}}, more...),
		Params: rowsParams{uint32(rows), uint32(cols), uint32(first)}, Groups: graph.Grid(rows), Trips: 3*graph.CeilDiv(cols, 64) + 12,
	}
	if t.Variant == thread {
		d.Entry, d.Groups, d.Trips = kernel+"_thread", graph.Grid(graph.CeilDiv(rows, 64)), 3*cols
	}
	return d
}

// attentionPart is the share of one group of dispatches: its scores fit one scratch buffer.
type attentionPart struct{ batch0, batch, head0, heads int }

// attentionParts cuts the batch, and where a single clip is too large its heads, so that scores, size to a head, stay within
// scratchMax.
func attentionParts(batch, heads, size int) []attentionPart {
	fit := min(max(1, scratchMax/size), graph.MaxGroups)
	var parts []attentionPart
	if fit < heads {
		for b := range batch {
			for h := 0; h < heads; h += fit {
				parts = append(parts, attentionPart{b, 1, h, min(fit, heads-h)})
			}
		}
		return parts
	}
	step := fit / heads
	for b := 0; b < batch; b += step {
		parts = append(parts, attentionPart{b, min(step, batch-b), 0, heads})
	}
	return parts
}

// size is the number of matrices.
func (p attentionPart) size() int { return p.batch * p.heads }

// first is the number of the first matrix among all; the others follow it.
func (p attentionPart) first(heads int) int { return p.batch0*heads + p.head0 }

// attentionShape gives the operands of one kind of sequences of an attention node; first is the row at which they begin.
type attentionShape struct{ batch, tokens, heads, width, first int }

// attentionShapes are those of a node.
func attentionShapes(n *graph.Node) (list []attentionShape) {
	heads, first := headsOf(n.Attrs), 0
	for _, s := range sequencesOf(n) {
		list = append(list, attentionShape{s.Batch, s.Tokens, heads, n.Inputs[0].Shape.Last() / 3 / heads, first})
		first += s.Rows()
	}
	return list
}

func every(list []attentionShape, holds func(attentionShape) bool) bool {
	for _, s := range list {
		if !holds(s) {
			return false
		}
	}
	return true
}

// inTurn joins the launches for the kinds of sequences of a node, which share their scratch one after the other.
func inTurn(n *graph.Node, each func(attentionShape) graph.Launch) (all graph.Launch) {
	for _, s := range attentionShapes(n) {
		l := each(s)
		all.Dispatches = append(all.Dispatches, l.Dispatches...)
		for i, size := range l.Scratch {
			if i == len(all.Scratch) {
				all.Scratch = append(all.Scratch, 0)
			}
			all.Scratch[i] = max(all.Scratch[i], size)
		}
	}
	return all
}

// rows places the [tokens, width] matrices of heads side by side: block 0, 1, 2 of `blocks` is q, k, v.
func (s attentionShape) rows(arg graph.Arg, p attentionPart, blocks, block int, trans bool) operand {
	dim := s.heads * s.width
	stride := blocks * dim
	o := operand{
		arg: arg, off: (s.first+p.batch0*s.tokens)*stride + block*dim + p.head0*s.width,
		b1: s.tokens * stride, b2: s.width, row: stride, col: 1, batch1: p.batch, batch2: p.heads,
	}
	if trans {
		o.row, o.col = 1, stride
	}
	return o
}

// scores places the [queries, tokens] matrices of one part, the first of them at matrix number first.
func (s attentionShape) scores(arg graph.Arg, p attentionPart, first, queries int, trans bool) operand {
	n, size := s.tokens, queries*s.tokens
	o := operand{
		arg: arg, off: first * size, b1: p.heads * size, b2: size, row: n, col: 1, batch1: p.batch, batch2: p.heads,
	}
	if trans {
		o.row, o.col = 1, n
	}
	return o
}

func (s attentionShape) scale() float32 { return float32(1 / math.Sqrt(float64(s.width))) }

// probabilities writes scale · Q Kᵀ of the first queries of one part to scores, starting at its matrix number first.
func (s attentionShape) probabilities(t graph.Target, p attentionPart, qkv, scores graph.Arg, first, queries int, scratch *[]int) []graph.Dispatch {
	return gemm{
		m: queries, n: s.tokens, k: s.width, alpha: s.scale(),
		a: s.rows(qkv, p, 3, 0, false), b: s.rows(qkv, p, 3, 1, true), c: s.scores(scores, p, first, queries, false),
	}.dispatches(graph.Target{Class: t.Class}, scratch)
}

// flashWidth is the greatest width of a head that the kernels of shaders/flash.go take.
const flashWidth = 128

// flashable reports whether they can compute the shape.
func (s attentionShape) flashable() bool {
	return s.width%4 == 0 && s.width <= flashWidth && s.flashTrips() < graph.MaxTrips && s.batch <= graph.MaxGroups && s.heads <= graph.MaxGroups
}

// flashTrips bounds the loop turns of one thread: for every 32 tokens twice the vectors of a head, and for every two chunks
// of eight vectors twice 32 tokens by four.
func (s attentionShape) flashTrips() int {
	return graph.CeilDiv(s.tokens, 32) * (1 + 2*s.width/4 + 2*8*graph.CeilDiv(s.width, 64))
}

// flashes are the variants of those kernels. The larger workgroup reads a key and a value half as often, and is the better
// one unless it has many more rows that do not exist.
func flashes(shapes []attentionShape) []string {
	var small, large int // rows of such workgroups, for each row the tokens that it meets
	for _, s := range shapes {
		small += s.batch * s.tokens * 32 * graph.CeilDiv(s.tokens, 32)
		large += s.batch * s.tokens * 64 * graph.CeilDiv(s.tokens, 64)
	}
	if large*8 > small*9 {
		return []string{flash, flash64}
	}
	return []string{flash64, flash}
}

// wide reports whether the sums of the gradients of keys and values together leave too few registers for the rest of the work.
func (s attentionShape) wide() bool { return s.width > 32 }

// flashRows is the number of rows of a workgroup.
func flashRows(variant string) int {
	if variant == flash64 {
		return 64
	}
	return 32
}

// flash is a dispatch of one of those kernels, by workgroups of so many rows.
func (s attentionShape) flash(rows int, kernel string, binds ...graph.Bind) graph.Dispatch {
	return graph.Dispatch{
		Shader: fmt.Sprintf("flash:%s/%dx%d", kernel, rows, s.width/4), Entry: kernel, Binds: s.counted(binds),
		Params: s.params(),
		Groups: [3]int{graph.CeilDiv(s.tokens, rows), s.heads, s.batch}, Trips: s.flashTrips(),
	}
}

// counted tells of each variable how much of it belongs to the sequences: rows of one figure a head, of a head's elements or of
// three times as many.
func (s attentionShape) counted(binds []graph.Bind) []graph.Bind {
	rows := s.batch * s.tokens * s.heads
	out := slices.Clone(binds)
	for i, b := range out {
		switch {
		case b.Var == "lse", b.Var == "delta":
			out[i].Elements = rows
		case b.Var == "x", b.Arg == graph.Out() && slices.ContainsFunc(binds, func(b graph.Bind) bool { return b.Var == "dy" }):
			out[i].Elements = 3 * rows * s.width // of the gradient, its result too
		default:
			out[i].Elements = rows * s.width
		}
	}
	return out
}

// flashGrad is the launch of the gradient: the sums of O dO by row, then the gradients of keys and values, and of queries.
func (s attentionShape) flashGrad(rows int) graph.Launch {
	delta := bind("delta", graph.Scratch(0))
	binds := []graph.Bind{bindIn("x", 0), bindIn("dy", 3), bindIn("lse", 2), delta, bindOut()}
	overlap := s.flash(64, "overlap", bindIn("o", 1), bindIn("dy", 3), delta)
	l := graph.Launch{Scratch: []int{(s.first + s.batch*s.tokens) * s.heads}, Dispatches: []graph.Dispatch{overlap}}
	if s.wide() {
		l.Dispatches = append(l.Dispatches, s.flash(rows, "dk", binds...), s.flash(rows, "dv", slices.Delete(slices.Clone(binds), 3, 4)...))
	} else {
		l.Dispatches = append(l.Dispatches, s.flash(rows, "keys", binds...))
	}
	l.Dispatches = append(l.Dispatches, s.flash(rows, "queries", binds...))
	return l
}

// fusedParams is struct Params of attention_fused.wgsl and of the kernels of shaders/flash.go.
type fusedParams struct {
	Tokens, Heads, Start uint32
	Scale                float32
}

func (s attentionShape) params() fusedParams {
	return fusedParams{uint32(s.tokens), uint32(s.heads), uint32(s.first), s.scale()}
}

// fusedWidth is the greatest width of a head whose row fits registers.
const fusedWidth = 64

// fusedTrips are the loop turns of one thread of the fused kernel: for each sixteen tokens, whole or not, the loads, twice the
// tokens with a row each, and a row of its own.
func (s attentionShape) fusedTrips() int {
	quads := s.width / 4
	chunk := 1 + graph.CeilDiv(quads, 4) + 2*16*(1+quads) + quads
	return graph.CeilDiv(s.tokens, 16)*chunk + 2*quads
}

// fusable reports whether the fused kernel can compute the shape.
func (s attentionShape) fusable() bool {
	return s.width%4 == 0 && s.width <= fusedWidth && s.fusedTrips() < graph.MaxTrips && s.batch <= graph.MaxGroups && s.heads <= graph.MaxGroups
}

// fused is the launch of the fused kernel.
func (s attentionShape) fused() graph.Launch {
	return graph.Launch{Dispatches: []graph.Dispatch{{
		Shader: "attention_fused", Entry: "fused",
		Consts: []graph.Const{{Name: "WIDTH", Value: fmt.Sprintf("%du", s.width/4)}},
		Binds:  s.counted([]graph.Bind{bindIn("x", 0), bindOut(), bind("lse", graph.Result(1))}),
		Params: s.params(),
		Groups: [3]int{graph.CeilDiv(s.tokens, 64), s.heads, s.batch}, Trips: s.fusedTrips(),
	}}}
}

// attentionLaunch is flash or fused, or stores the scores.
func attentionLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return inTurn(n, func(s attentionShape) graph.Launch {
		switch t.Variant {
		case flash, flash64:
			return launch(s.flash(flashRows(t.Variant), "forward", bindIn("x", 0), bindOut(), bind("lse", graph.Result(1))))
		case fused:
			return s.fused()
		}
		return s.stored(t)
	})
}

// stored keeps the scores of a part of the batch at a time in scratch.
func (s attentionShape) stored(t graph.Target) graph.Launch {
	tokens, heads, width := s.tokens, s.heads, s.width
	parts := attentionParts(s.batch, heads, tokens*tokens)
	l := graph.Launch{Scratch: []int{parts[0].size() * tokens * tokens}}
	scores := graph.Scratch(0)
	for _, p := range parts {
		l.Dispatches = append(l.Dispatches, s.probabilities(t, p, graph.In(0), scores, 0, tokens, &l.Scratch)...)
		l.Dispatches = append(l.Dispatches, attentionRows(t, "softmax_log", scores, s.first*heads+p.first(heads)*tokens, p.size()*tokens, tokens,
			graph.Bind{Var: "lse", Arg: graph.Result(1), Elements: p.size() * tokens}))
		l.Dispatches = append(l.Dispatches, gemm{
			m: tokens, n: width, k: tokens, alpha: 1,
			a: s.scores(scores, p, 0, tokens, false), b: s.rows(graph.In(0), p, 3, 2, false), c: s.rows(graph.Out(), p, 1, 0, false),
		}.dispatches(graph.Target{Class: t.Class}, &l.Scratch)...)
	}
	return l
}

// attentionProbsLaunch computes in place in the result.
func attentionProbsLaunch(n *graph.Node, t graph.Target) graph.Launch {
	batch, tokens, heads, width := AttentionSize(n)
	s := attentionShape{batch: batch, tokens: tokens, heads: heads, width: width}
	queries := n.Attrs.(ProbsAttrs).Queries
	var l graph.Launch
	for _, p := range attentionParts(batch, heads, queries*tokens) {
		l.Dispatches = append(l.Dispatches, s.probabilities(t, p, graph.In(0), graph.Out(), p.first(heads), queries, &l.Scratch)...)
	}
	l.Dispatches = append(l.Dispatches, attentionRows(t, "softmax", graph.Out(), 0, batch*heads*queries, tokens))
	return l
}

// attentionGradLaunch computes the probabilities P again, then dV = Pᵀ dO, dP = dO Vᵀ, dS = P (dP - Σ dP P),
// dQ = scale dS K, dK = scale dSᵀ Q.
func attentionGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return inTurn(n, func(s attentionShape) graph.Launch {
		if t.Variant == flash || t.Variant == flash64 {
			return s.flashGrad(flashRows(t.Variant))
		}
		return s.storedGrad(t)
	})
}

func (s attentionShape) storedGrad(t graph.Target) graph.Launch {
	tokens, heads, width := s.tokens, s.heads, s.width
	parts := attentionParts(s.batch, heads, tokens*tokens)
	size := parts[0].size() * tokens * tokens
	l := graph.Launch{Scratch: []int{size, size}}
	qkv, do, out := graph.In(0), graph.In(3), graph.Out()
	probs, grads := graph.Scratch(0), graph.Scratch(1)
	for _, p := range parts {
		add := func(g gemm) {
			l.Dispatches = append(l.Dispatches, g.dispatches(graph.Target{Class: t.Class}, &l.Scratch)...)
		}
		l.Dispatches = append(l.Dispatches, s.probabilities(t, p, qkv, probs, 0, tokens, &l.Scratch)...)
		l.Dispatches = append(l.Dispatches, attentionRows(t, "softmax", probs, 0, p.size()*tokens, tokens))
		add(gemm{ // dV
			m: tokens, n: width, k: tokens, alpha: 1,
			a: s.scores(probs, p, 0, tokens, true), b: s.rows(do, p, 1, 0, false), c: s.rows(out, p, 3, 2, false),
		})
		add(gemm{ // dP
			m: tokens, n: tokens, k: width, alpha: 1,
			a: s.rows(do, p, 1, 0, false), b: s.rows(qkv, p, 3, 2, true), c: s.scores(grads, p, 0, tokens, false),
		})
		l.Dispatches = append(l.Dispatches, attentionRows(t, "softmax_grad", grads, 0, p.size()*tokens, tokens, graph.Bind{Var: "p", Arg: probs, Elements: p.size() * tokens * tokens}))
		add(gemm{ // dQ
			m: tokens, n: width, k: tokens, alpha: s.scale(),
			a: s.scores(grads, p, 0, tokens, false), b: s.rows(qkv, p, 3, 1, false), c: s.rows(out, p, 3, 0, false),
		})
		add(gemm{ // dK
			m: tokens, n: width, k: tokens, alpha: s.scale(),
			a: s.scores(grads, p, 0, tokens, true), b: s.rows(qkv, p, 3, 0, false), c: s.rows(out, p, 3, 1, false),
		})
	}
	return l
}
