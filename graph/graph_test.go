package graph_test

import (
	"context"
	"fmt"
	"math/rand/v2"
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

// randomGraph mixes views, shared inputs, dead ends, updates and results.
func randomGraph(rng *rand.Rand) (*graph.Graph, error) {
	return graph.Build(func(g *graph.Graph) {
		sizes := []int{4, 8, 12}
		pool := map[int][]*graph.Node{}
		for _, n := range sizes {
			pool[n] = []*graph.Node{g.Input(fmt.Sprintf("in%d", n), n), g.State(fmt.Sprintf("state%d", n), true, n)}
		}
		momentum := g.Const("momentum", []float32{0.5}, 1)
		for i := 0; i < 40; i++ {
			n := sizes[rng.IntN(len(sizes))]
			pick := func() *graph.Node { return pool[n][rng.IntN(len(pool[n]))] }
			var y *graph.Node
			switch rng.IntN(6) {
			case 0:
				y = op.Add(g, pick(), pick())
			case 1:
				y = op.Mul(g, pick(), pick())
			case 2:
				y = op.GELU(g, pick())
			case 3:
				y = g.Reshape(op.Scale(g, 0.5, g.Reshape(pick(), 2, n/2)), n)
			case 4:
				y = op.Softmax(g, pick())
			case 5:
				op.EMA(g, g.Lookup(fmt.Sprintf("state%d", n)), pick(), momentum)
				continue
			}
			if rng.IntN(5) == 0 {
				g.Keep(y)
			}
			pool[n] = append(pool[n], y)
		}
		for _, n := range sizes {
			g.Keep(pool[n][len(pool[n])-1])
		}
	})
}

// Slots shared by lifetime give the same bits as a slot for each tensor, with freed slots filled with NaN, over several
// runs with updated states.
func TestPlannedEqualsUnplanned(t *testing.T) {
	for seed := uint64(0); seed < 60; seed++ {
		g, err := randomGraph(rand.New(rand.NewPCG(seed, 1)))
		require.NoError(t, err)
		planned, err := cpu.New[float32](g, graph.PlanOptions{}, cpu.Options{Poison: true})
		require.NoError(t, err)
		plain, err := cpu.New[float32](g, graph.PlanOptions{Unshared: true}, cpu.Options{})
		require.NoError(t, err)
		require.LessOrEqual(t, planned.Bytes(), plain.Bytes())
		for run := 0; run < 2; run++ {
			for _, e := range []*cpu.Executor[float32]{planned, plain} {
				for _, n := range g.Nodes {
					if n.Kind == graph.KindInput || n.Kind == graph.KindState && run == 0 {
						rng := rand.New(rand.NewPCG(seed, uint64(n.ID)))
						for i := range e.Data(n) {
							e.Data(n)[i] = rng.Float32() - 0.5
						}
					}
				}
				require.NoError(t, e.Run(context.Background()))
			}
			for _, n := range g.Nodes {
				if got := planned.Data(n); n.Kind == graph.KindState || got != nil && kept(planned.Plan(), n) {
					require.Equal(t, plain.Data(n), got, "seed %d, run %d: %s", seed, run, n.Label())
				}
			}
		}
	}
}

// kept reports whether a node's content survives to the end of a run.
func kept(p *graph.Plan, n *graph.Node) bool {
	if n.Root().Persistent() {
		return true
	}
	slot, ok := p.Slot[n.Root()]
	if !ok {
		return false
	}
	for _, frees := range p.Frees {
		for _, s := range frees {
			if s == slot {
				return false
			}
		}
	}
	return true
}

// The check finds every wrong plan that can be made by moving one tensor to another slot while both are in use, or by
// swapping two steps of which one needs the other.
func TestCheckFindsWrongPlans(t *testing.T) {
	found := 0
	for seed := uint64(0); seed < 20; seed++ {
		rng := rand.New(rand.NewPCG(seed, 2))
		g, err := randomGraph(rng)
		require.NoError(t, err)
		p, err := graph.NewPlan(g, graph.PlanOptions{Unshared: true})
		require.NoError(t, err)
		for i := 1; i < len(p.Steps); i++ {
			a, b := p.Steps[i-1].Node, p.Steps[i].Node
			for _, in := range b.Inputs {
				if in.Root() != a {
					continue
				}
				p.Steps[i-1], p.Steps[i] = p.Steps[i], p.Steps[i-1]
				require.ErrorContains(t, p.Check(), "is not in its slot")
				p.Steps[i-1], p.Steps[i] = p.Steps[i], p.Steps[i-1]
				// a's result in the slot of b, which reads it: b would overwrite what it reads.
				if slot, ok := p.Slot[b]; ok {
					was := p.Slot[a]
					p.Slot[a] = slot
					if err := p.Check(); err != nil {
						found++
						require.True(t, strings.Contains(err.Error(), "overwrite") || strings.Contains(err.Error(), "elements"), err.Error())
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
	require.Positive(t, found)
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
	require.Len(t, p.Steps, 3)
	p.Steps[1], p.Steps[2] = p.Steps[2], p.Steps[1]
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
	for _, st := range p.Steps {
		require.NotEqual(t, st.Scratch[0], st.Scratch[1])
	}
	p.Steps[1].Scratch[0] = p.Slot[p.Steps[0].Node]
	require.ErrorContains(t, p.Check(), "scratch overwrites")
}

func TestGridCoversEveryGroup(t *testing.T) {
	for _, n := range []int{1, 64, graph.MaxGroups, graph.MaxGroups + 1, 1 << 20, 1 << 24} {
		grid := graph.Grid(n)
		require.GreaterOrEqual(t, grid[0]*grid[1], n)
		require.LessOrEqual(t, max(grid[0], grid[1]), graph.MaxGroups)
		require.Less(t, grid[0]*grid[1]-n, grid[1]+1, "too many idle groups")
	}
}
