package graph_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

func TestBuildNamesMisuse(t *testing.T) {
	_, err := graph.Build(func(g *graph.Graph) {
		op.Add(g, g.Input("a", 2, 3), g.Input("b", 2))
	})
	require.ErrorContains(t, err, "add: [2,3] does not end in [2]")
	_, err = graph.Build(func(g *graph.Graph) { g.Input("a", 2); g.Input("a", 2) })
	require.ErrorContains(t, err, `two tensors are named "a"`)
	_, err = graph.Build(func(g *graph.Graph) { g.Input("a", 2, 0) })
	require.ErrorContains(t, err, "empty shape")
	_, err = graph.Build(func(g *graph.Graph) {
		x := g.Input("x", 2)
		op.EMA(g, x, x, g.Input("m", 1))
	})
	require.ErrorContains(t, err, "x, which is no state")
}

func TestNodesKnowWhereTheyWereBuilt(t *testing.T) {
	g, err := graph.Build(func(g *graph.Graph) {
		w := g.State("w", true, 2)
		g.Scope("outer", func() {
			g.Scope("inner", func() { op.GELU(g, w) })
		})
	})
	require.NoError(t, err)
	n := g.Nodes[1]
	require.Equal(t, "outer/inner/gelu#1", n.Label())
	require.Contains(t, n.Where, "graph_test.go:")
}

// y = Σ (w·x)², so dy/dw = 2 w x². The gradient is a node like any other.
func TestGradients(t *testing.T) {
	var grad *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		w, x := g.State("w", true, 3), g.Input("x", 3)
		unused := g.State("unused", true, 3)
		wx := op.Mul(g, w, x)
		y := op.RowDot(g, wx, wx)
		ds := g.Gradients(y, g.Const("one", []float32{1}, 1), []*graph.Node{w, unused})
		require.Nil(t, ds[1], "a tensor without part in the result has no gradient")
		grad = g.Keep(ds[0])
		stopped := op.Mul(g, g.StopGrad(w), x)
		require.Nil(t, g.Gradients(stopped, x, []*graph.Node{w})[0])
	})
	require.NoError(t, err)
	e, err := cpu.New[float64](g, graph.PlanOptions{}, cpu.Options{})
	require.NoError(t, err)
	copy(e.Data(g.Lookup("w")), []float64{1, -2, 3})
	copy(e.Data(g.Lookup("x")), []float64{0.5, 2, -1})
	require.NoError(t, e.Run(context.Background()))
	require.InDeltaSlice(t, []float64{0.5, -16, 6}, e.Data(grad), 1e-12)
}

// randomBuilder makes graphs of everything at once.
type randomBuilder struct {
	*graph.Graph
	rng  *rand.Rand
	pool map[int][]*graph.Node // by size
	// Banks of one layout with a tensor of each size: weights p, moments m and v, and gradients d, which are transient.
	p, m, v, d *graph.Node
	spans      []graph.Span
	inP, inD   map[int]*graph.Node
	stored     map[int]bool // sizes whose place in d has content
	half       *graph.Node  // momentum, fresh
	zero, one  *graph.Node
}

var randomSizes = []int{4, 8, 12}

// randomGraph mixes views, shared inputs, dead ends, several results, storage types, banks, updates, stages and results.
func randomGraph(rng *rand.Rand) (*graph.Graph, error) {
	return graph.Build(func(g *graph.Graph) {
		b := &randomBuilder{Graph: g, rng: rng, pool: map[int][]*graph.Node{}, stored: map[int]bool{}}
		b.leaves()
		for i := 0; i < 60; i++ {
			if i == 40 {
				g.Begin(1)
			}
			n := randomSizes[rng.IntN(len(randomSizes))]
			y := b.next(n)
			if y == nil {
				continue
			}
			if rng.IntN(5) == 0 {
				g.Keep(y)
			}
			b.pool[n] = append(b.pool[n], y)
		}
		for _, n := range randomSizes {
			last := b.pool[n][len(b.pool[n])-1]
			g.Keep(op.Add(g, b.pick(n, nil), op.Scale(g, 1, current(last))))
		}
	})
}

func (b *randomBuilder) leaves() {
	g := b.Graph
	_, spans, elements := graph.BankLayout(randomSizes, 0)
	bank := func(name string, transient bool) (*graph.Node, map[int]*graph.Node) {
		node, in := g.NewBank(name, elements[0], transient), map[int]*graph.Node{}
		for i, n := range randomSizes {
			in[n] = g.InBank(node, fmt.Sprintf("%s%d", name, n), !transient, spans[i].Offset, n)
		}
		return node, in
	}
	b.spans = spans
	b.p, b.inP = bank("p", false)
	b.m, _ = bank("m", false)
	b.v, _ = bank("v", false)
	b.d, b.inD = bank("d", true)
	for _, n := range randomSizes {
		b.pool[n] = []*graph.Node{g.Input(fmt.Sprintf("in%d", n), n), g.State(fmt.Sprintf("state%d", n), true, n), b.inP[n]}
	}
	b.half, b.zero, b.one = g.Const("half", []float32{0.5}, 1), g.Const("zero", []float32{0}, 1), g.Const("1", []float32{1}, 1)
}

// pick takes a tensor that does not lie in the given bank or state. Results that were kept in the transient bank are read at their
// place, since updates may have changed them.
func (b *randomBuilder) pick(n int, not *graph.Node) *graph.Node {
	for {
		x := current(b.pool[n][b.rng.IntN(len(b.pool[n]))])
		if not == nil || x.Base() != not {
			return x
		}
	}
}

func current(x *graph.Node) *graph.Node {
	if x.Into() != nil {
		return x.Into()
	}
	return x
}

// next adds an operation on tensors of size n, or an update, which gives nil.
func (b *randomBuilder) next(n int) *graph.Node {
	g := b.Graph
	pick := func() *graph.Node { return b.pick(n, nil) }
	switch b.rng.IntN(12) {
	case 0:
		return op.Add(g, pick(), pick())
	case 1:
		return op.Mul(g, pick(), pick())
	case 2:
		return op.GELU(g, pick())
	case 3:
		return g.Reshape(op.Scale(g, 0.5, g.Reshape(pick(), 2, n/2)), n)
	case 4:
		return op.Softmax(g, pick())
	case 5:
		return b.severalResults(n)
	case 6:
		return op.Widen(g, op.Half(g, pick()))
	case 7, 8:
		return b.store(n)
	case 9:
		state := g.Lookup(fmt.Sprintf("state%d", n))
		op.EMA(g, state, b.pick(n, state), b.half)
	case 10:
		// A fresh sum defines the whole bank.
		if b.rng.IntN(2) == 0 {
			op.Accumulate(g, b.d, b.p, b.one)
			for _, n := range randomSizes {
				b.stored[n] = true
			}
		} else if len(b.stored) > 0 {
			op.Accumulate(g, b.d, b.p, b.zero)
		}
	case 11:
		b.updateBanks()
	}
	return nil
}

// severalResults uses the first result, the second, or both.
func (b *randomBuilder) severalResults(n int) *graph.Node {
	g := b.Graph
	y := op.LayerNorm(g, b.pick(n, nil), nil, nil, 1e-5)
	mean := op.Slice(g, g.Reshape(y.Results[1], 2), 0, 0, 1)
	switch b.rng.IntN(3) {
	case 0:
		return op.Scale(g, 0.3, y)
	case 1:
		return op.Mul(g, b.pick(n, nil), mean)
	}
	return op.Scale(g, 0.3, op.Mul(g, y, mean))
}

// store has a result kept in the transient bank, once for each place; it must not read that bank.
func (b *randomBuilder) store(n int) *graph.Node {
	g := b.Graph
	y := op.Add(g, b.pick(n, b.d), b.pick(n, b.d))
	if !b.taken(n) {
		g.StoreIn(y, b.inD[n])
		b.stored[n] = true
	}
	return y
}

func (b *randomBuilder) taken(n int) bool {
	for _, x := range b.Nodes {
		if x.Into() == b.inD[n] {
			return true
		}
	}
	return false
}

// updateBanks moves weights by what is in the transient bank: what is not there yet is in no list.
func (b *randomBuilder) updateBanks() {
	g := b.Graph
	var spans []op.EMASpan
	attrs := op.AdamWAttrs{Beta1: 0.9, Beta2: 0.99, Eps: 1e-3}
	for i, n := range randomSizes {
		if b.stored[n] {
			spans = append(spans, op.EMASpan{To: b.spans[i].Offset, From: b.spans[i].Offset, Size: n, First: true, Second: i%2 == 0})
			attrs.Tensors = append(attrs.Tensors, op.AdamWTensor{Span: b.spans[i], Decay: i == 0})
		}
	}
	if len(spans) == 0 {
		return
	}
	switch {
	case g.Lookup("momenta") == nil:
		op.BankEMA(g, b.p, b.d, g.Const("momenta", []float32{0.9, 0.8}, 2), spans)
	case g.Lookup("hyper") == nil:
		op.AdamW(g, b.p, b.m, b.v, b.d, b.one, g.Const("hyper", []float32{1e-2, 0.1, 0.3, 0.3, 1}, 1, op.HyperSize), attrs)
	case g.Lookup("share") == nil:
		var tensors []op.BankTensor
		for _, t := range attrs.Tensors {
			tensors = append(tensors, op.BankTensor{Bank: 1, Span: t.Span})
		}
		share := g.Const("share", []float32{0.5}, 1)
		norms := op.BankNorms(g, []*graph.Node{b.p, b.d}, share, tensors)
		factors, found := op.Clip(g, norms, share, op.ClipAttrs{Max: 0.1, Visits: make([]int, 2)})
		g.Keep(factors)
		g.Keep(found)
	}
}

// Slots shared by lifetime give the same bits as a slot for each tensor, with freed slots filled with NaN, over several
// runs with updated states, the second stage by stage.
func TestPlannedEqualsUnplanned(t *testing.T) {
	for seed := uint64(0); seed < 150; seed++ {
		g, err := randomGraph(rand.New(rand.NewPCG(seed, 1)))
		require.NoError(t, err)
		planned, err := cpu.New[float32](g, graph.PlanOptions{}, cpu.Options{Poison: true})
		require.NoError(t, err, "seed %d", seed)
		plain, err := cpu.New[float32](g, graph.PlanOptions{Unshared: true}, cpu.Options{})
		require.NoError(t, err)
		require.LessOrEqual(t, planned.Bytes(), plain.Bytes())
		for run := 0; run < 3; run++ {
			for _, e := range []*cpu.Executor[float32]{planned, plain} {
				for _, n := range g.Nodes {
					if n.Kind == graph.KindInput || n.Kind == graph.KindState && n.Persistent() && run == 0 {
						draw(e.Data(n), n, seed)
					}
				}
			}
			require.NoError(t, plain.Run(context.Background()))
			if run == 1 {
				require.NoError(t, planned.Run(context.Background(), 0))
				require.NoError(t, planned.Run(context.Background(), 1))
			} else {
				require.NoError(t, planned.Run(context.Background()))
			}
			compared := 0
			for _, n := range g.Nodes {
				if got := planned.Data(n); got != nil && kept(planned.Plan(), n) {
					compared++
					require.Equal(t, plain.Data(n), got, "seed %d, run %d: %s", seed, run, n.Label())
				}
			}
			require.Greater(t, compared, 12)
		}
	}
}

// draw fills a tensor; second moments are not negative.
func draw(data []float32, n *graph.Node, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(n.ID)))
	shift := float32(0.5)
	if strings.HasPrefix(n.Label(), "v") {
		shift = 0
	}
	for i := range data {
		data[i] = rng.Float32() - shift
	}
}

// kept reports whether a node's content is defined and survives to the end of a run. Between the tensors of a bank there is
// rubbish, and in a transient one wherever nothing was stored.
func kept(p *graph.Plan, n *graph.Node) bool {
	if base := n.Base(); n == base && slices.ContainsFunc(p.Graph.Nodes, func(m *graph.Node) bool { return m.Bank == n }) ||
		base.Transient && n.Into() == nil {
		return false
	}
	place, ok := p.Place(n)
	if !ok || place.Slot < 0 {
		return ok
	}
	for _, frees := range p.Frees {
		if slices.Contains(frees, place.Slot) {
			return false
		}
	}
	return true
}

// The check finds every wrong plan that can be made by moving one tensor to another slot while both are in use, or by
// swapping two items of which one needs the other.
func TestCheckFindsWrongPlans(t *testing.T) {
	found := 0
	for seed := uint64(0); seed < 30; seed++ {
		rng := rand.New(rand.NewPCG(seed, 2))
		g, err := randomGraph(rng)
		require.NoError(t, err)
		p, err := graph.NewPlan(g, graph.PlanOptions{Unshared: true})
		require.NoError(t, err)
		for i := 1; i < len(p.Items); i++ {
			a, b := p.Items[i-1].Node, p.Items[i].Node
			for _, in := range b.Inputs {
				if in.Root() != a {
					continue
				}
				p.Items[i-1], p.Items[i] = p.Items[i], p.Items[i-1]
				require.Regexp(t, "is not in its slot|is at version|comes after stage", p.Check())
				p.Items[i-1], p.Items[i] = p.Items[i], p.Items[i-1]
				// a's result in the slot of b, which reads it: b would overwrite what it reads.
				was, moves := p.Slot[a]
				if slot, ok := p.Slot[b]; ok && moves {
					p.Slot[a] = slot
					if err := p.Check(); err != nil {
						found++
						require.Regexp(t, "overwrite|elements", err)
					} else {
						t.Errorf("seed %d: %s in the slot of its reader %s passed", seed, a.Label(), b.Label())
					}
					p.Slot[a] = was
				}
				break
			}
		}
		require.NoError(t, p.Check())
	}
	require.Greater(t, found, 50)
}

// An update must not slide past a reader of the old content.
func TestCheckFindsMovedUpdates(t *testing.T) {
	g, err := graph.Build(func(g *graph.Graph) {
		s, m := g.State("s", false, 4), g.Const("m", []float32{0.5}, 1)
		before := op.GELU(g, s)
		op.EMA(g, s, before, m)
		g.Keep(op.GELU(g, s))
	})
	require.NoError(t, err)
	p, err := graph.NewPlan(g, graph.PlanOptions{})
	require.NoError(t, err)
	require.Len(t, p.Items, 3)
	p.Items[1], p.Items[2] = p.Items[2], p.Items[1]
	require.ErrorContains(t, p.Check(), "is at version 0, expected 1")
}

func TestScratchHasItsOwnSlots(t *testing.T) {
	g, err := graph.Build(func(g *graph.Graph) {
		x := g.Input("x", 64)
		y := op.GELU(g, x)
		g.Keep(op.Add(g, op.GELU(g, y), y))
	})
	require.NoError(t, err)
	p, err := graph.NewPlan(g, graph.PlanOptions{Scratch: func(*graph.Node) []int { return []int{64, 16} }})
	require.NoError(t, err)
	for _, it := range p.Items {
		require.NotEqual(t, it.Scratch[0], it.Scratch[1])
	}
	p.Items[1].Scratch[0] = p.Slot[p.Items[0].Node]
	require.ErrorContains(t, p.Check(), "scratch overwrites")
}

// planOf plans a graph, which is to pass as planned.
func planOf(t *testing.T, build func(g *graph.Graph)) *graph.Plan {
	t.Helper()
	g, err := graph.Build(build)
	require.NoError(t, err)
	p, err := graph.NewPlan(g, graph.PlanOptions{})
	require.NoError(t, err)
	return p
}

// refused gives what the check says of a graph as it is planned.
func refused(t *testing.T, build func(g *graph.Graph)) error {
	t.Helper()
	g, err := graph.Build(build)
	require.NoError(t, err)
	_, err = graph.NewPlan(g, graph.PlanOptions{})
	return err
}

// A device would bind one buffer twice.
func TestCheckFindsBanksReadAndWrittenAtOnce(t *testing.T) {
	for _, transient := range []bool{false, true} {
		require.ErrorContains(t, refused(t, func(g *graph.Graph) {
			bank := g.NewBank("bank", 128, transient)
			a, b := g.InBank(bank, "a", false, 0, 4), g.InBank(bank, "b", false, 64, 4)
			g.StoreIn(op.GELU(g, g.Input("x", 4)), a)
			g.StoreIn(op.GELU(g, a), b)
		}), "its result lies in bank, which it reads")
	}
	require.ErrorContains(t, refused(t, func(g *graph.Graph) {
		bank := g.NewBank("bank", 128, false)
		op.EMA(g, g.InBank(bank, "a", false, 0, 4), g.InBank(bank, "b", false, 64, 4), g.Const("m", []float32{0.5}, 1))
	}), "input 1, b, lies in bank, which it updates as input 0")
}

// What was computed is not what its place holds after an update.
func TestCheckFindsResultsUpdatedSince(t *testing.T) {
	build := func(late func(y, place *graph.Node) *graph.Node) func(g *graph.Graph) {
		return func(g *graph.Graph) {
			bank := g.NewBank("bank", 64, false)
			place, x := g.InBank(bank, "a", false, 0, 4), g.Input("x", 4)
			y := op.GELU(g, x)
			g.StoreIn(y, place)
			g.Keep(op.Softmax(g, y)) // before the update
			op.EMA(g, bank, g.Input("towards", 64), g.Const("m", []float32{0.5}, 1))
			g.Keep(op.Softmax(g, late(y, place)))
		}
	}
	require.NoError(t, refused(t, build(func(_, place *graph.Node) *graph.Node { return place })))
	require.ErrorContains(t, refused(t, build(func(y, _ *graph.Node) *graph.Node { return y })), "was updated in bank since")
}

func TestCheckFindsOverwrittenBanks(t *testing.T) {
	var bank, x *graph.Node
	p := planOf(t, func(g *graph.Graph) {
		bank = g.NewBank("bank", 128, true)
		a, b := g.InBank(bank, "a", false, 0, 4), g.InBank(bank, "b", false, 64, 4)
		in := g.Input("in", 128)
		g.StoreIn(op.GELU(g, op.Slice(g, in, 0, 0, 4)), a)
		x = op.GELU(g, in)
		g.StoreIn(op.Slice(g, x, 0, 0, 4), b)
		g.Keep(op.Add(g, a, op.Scale(g, 2, b)))
	})
	require.NotEqual(t, p.Slot[bank], p.Slot[x])
	was := p.Slot[x]
	p.Slot[x] = p.Slot[bank]
	require.ErrorContains(t, p.Check(), "the bank bank was overwritten before it was read")
	p.Slot[x] = was
	require.NoError(t, p.Check())

	p = planOf(t, func(g *graph.Graph) {
		bank = g.NewBank("bank", 64, true)
		a, in := g.InBank(bank, "a", false, 0, 4), g.Input("in", 64)
		g.StoreIn(op.GELU(g, op.Slice(g, in, 0, 0, 4)), a)
		x = op.GELU(g, in)
		g.Keep(op.Add(g, op.Slice(g, x, 0, 0, 4), op.Scale(g, 2, a)))
	})
	p.Slot[x] = p.Slot[bank]
	require.ErrorContains(t, p.Check(), "bank, is not in its slot")
}

// A transient bank has no content before its first write in a run.
func TestCheckFindsReadsOfEmptyBanks(t *testing.T) {
	require.ErrorContains(t, refused(t, func(g *graph.Graph) {
		g.Keep(op.GELU(g, g.InBank(g.NewBank("bank", 64, true), "a", false, 0, 4)))
	}), "input 0, bank, is not in its slot")
}

func TestCheckFindsWrongStages(t *testing.T) {
	p := planOf(t, func(g *graph.Graph) {
		x := g.Input("x", 4)
		g.Keep(op.GELU(g, x))
		g.Begin(1)
		g.Keep(op.Softmax(g, x))
	})
	require.Len(t, p.Items, 2)
	p.Items[0], p.Items[1] = p.Items[1], p.Items[0]
	require.ErrorContains(t, p.Check(), "gelu#1, of stage 0 comes after stage 1")
}

func TestVariantsAreChosenByName(t *testing.T) {
	var n *graph.Node
	_, err := graph.Build(func(g *graph.Graph) { n = op.Softmax(g, g.Input("x", 2, 3)) })
	require.NoError(t, err)
	target := graph.Target{Class: graph.Discrete}
	v, err := graph.PlanOptions{}.Variant(n, target)
	require.NoError(t, err)
	require.Equal(t, "shared", v)
	v, err = graph.PlanOptions{Choose: graph.ForceVariants(map[string]string{"softmax": "serial"})}.Variant(n, target)
	require.NoError(t, err)
	require.Equal(t, "serial", v)
	v, err = graph.PlanOptions{Choose: graph.ForceVariants(map[string]string{"gelu": "fast"})}.Variant(n, target)
	require.NoError(t, err)
	require.Equal(t, "shared", v)
	_, err = graph.PlanOptions{Choose: graph.ForceVariants(map[string]string{"softmax": "fast"})}.Variant(n, target)
	require.ErrorContains(t, err, `softmax [2,3] has no variant "fast" for discrete adapters: choose one of ["shared" "serial"]`)
}

func TestGridCoversEveryGroup(t *testing.T) {
	for _, n := range []int{1, 64, graph.MaxGroups, graph.MaxGroups + 1, 1 << 20, 1 << 24} {
		grid := graph.Grid(n)
		require.GreaterOrEqual(t, grid[0]*grid[1], n)
		require.LessOrEqual(t, max(grid[0], grid[1]), graph.MaxGroups)
		require.Less(t, grid[0]*grid[1]-n, grid[1]+1, "too many idle groups")
	}
}
