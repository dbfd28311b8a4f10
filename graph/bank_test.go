package graph_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

func TestBankLayout(t *testing.T) {
	segment, spans, elements := graph.BankLayout([]int{1, 64, 65, 3}, 0)
	require.Equal(t, []int{0, 0, 0, 0}, segment)
	require.Equal(t, []graph.Span{{Offset: 0, Size: 1}, {Offset: 64, Size: 64}, {Offset: 128, Size: 65}, {Offset: 256, Size: 3}}, spans)
	require.Equal(t, []int{320}, elements)
	// Two blocks fit; the third tensor has more, and a segment of its own.
	segment, spans, elements = graph.BankLayout([]int{64, 64, 200, 1}, 2*64*4)
	require.Equal(t, []int{0, 0, 1, 2}, segment)
	require.Equal(t, []graph.Span{{Offset: 0, Size: 64}, {Offset: 64, Size: 64}, {Offset: 0, Size: 200}, {Offset: 0, Size: 1}}, spans)
	require.Equal(t, []int{128, 256, 64}, elements)
	segment, spans, elements = graph.BankLayout(nil, 100)
	require.Empty(t, segment)
	require.Empty(t, spans)
	require.Empty(t, elements)
}

// Every layout keeps order and limit, is aligned and without gaps but for alignment, and cuts only where it must.
func TestBankLayoutsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for range 300 {
		sizes := make([]int, 1+rng.IntN(20))
		for i := range sizes {
			sizes[i] = 1 + rng.IntN(400)
		}
		limit := int64(1+rng.IntN(10)) * 256 * int64(rng.IntN(2))
		segment, spans, elements := graph.BankLayout(sizes, limit)
		require.Len(t, spans, len(sizes))
		require.Equal(t, len(elements)-1, segment[len(segment)-1])
		at := 0
		for i, s := range spans {
			room := (sizes[i] + 63) / 64 * 64
			if i == 0 || segment[i] != segment[i-1] {
				if i > 0 {
					require.Equal(t, segment[i-1]+1, segment[i])
					require.Equal(t, at, elements[segment[i-1]])
					require.Greater(t, int64(at+room)*4, limit, "a cut without need")
				}
				at = 0
			}
			require.Equal(t, graph.Span{Offset: at, Size: sizes[i]}, s)
			at += room
			require.True(t, limit == 0 || int64(at)*4 <= limit || s.Offset == 0, "%v exceeds %d bytes", s, limit)
		}
		require.Equal(t, at, elements[len(elements)-1])
	}
}

func TestMisuseOfBanks(t *testing.T) {
	for _, c := range []struct {
		want  string
		build func(g *graph.Graph, bank, place *graph.Node)
	}{
		{"does not lie in the bank", func(g *graph.Graph, bank, _ *graph.Node) { g.InBank(bank, "x", false, 64, 65) }},
		{"does not lie in the bank", func(g *graph.Graph, bank, _ *graph.Node) { g.InBank(bank, "x", false, 1, 1) }},
		{"does not lie in the bank", func(g *graph.Graph, _, place *graph.Node) { g.InBank(place, "x", false, 0, 1) }},
		{"does not lie in the bank", func(g *graph.Graph, _, _ *graph.Node) { g.InBank(g.Input("x", 64), "y", false, 0, 1) }},
		{"lies in no bank", func(g *graph.Graph, bank, place *graph.Node) { g.StoreIn(op.GELU(g, place), bank) }},
		{"cannot be kept in place with [4]", func(g *graph.Graph, _, place *graph.Node) { g.StoreIn(op.GELU(g, g.Input("x", 5)), place) }},
		{"it is no result", func(g *graph.Graph, _, place *graph.Node) { g.StoreIn(g.Input("x", 4), place) }},
		{"or kept elsewhere", func(g *graph.Graph, bank, place *graph.Node) {
			y := op.GELU(g, g.Input("x", 4))
			g.StoreIn(y, place)
			g.StoreIn(g.Reshape(y, 2, 2), g.InBank(bank, "other", false, 64, 4))
		}},
		{"another result is kept", func(g *graph.Graph, _, place *graph.Node) {
			x := g.Input("x", 4)
			g.StoreIn(op.GELU(g, x), place)
			g.StoreIn(op.Softmax(g, x), place)
		}},
		{"kept as float16", func(g *graph.Graph, _, place *graph.Node) { g.StoreIn(op.Half(g, g.Input("x", 4)), place) }},
		{"stage 1 after stage 2", func(g *graph.Graph, _, _ *graph.Node) { g.Begin(2); g.Begin(1) }},
	} {
		_, err := graph.Build(func(g *graph.Graph) {
			bank := g.NewBank("bank", 128, false)
			c.build(g, bank, g.InBank(bank, "place", false, 0, 4))
		})
		require.ErrorContains(t, err, c.want)
	}
}

// A further result may be kept in a bank, too, and a place there is read as part of the bank or by itself.
func TestResultsInBanks(t *testing.T) {
	for _, transient := range []bool{false, true} {
		var place, sum *graph.Node
		g, err := graph.Build(func(g *graph.Graph) {
			bank := g.NewBank("bank", 64, transient)
			place = g.InBank(bank, "stats", false, 0, 2, 2)
			y := op.LayerNorm(g, g.Input("x", 2, 2), nil, nil, 0)
			g.StoreIn(y.Results[1], place)
			total := g.NewBank("total", 64, false)
			sum = g.InBank(total, "sum", false, 0, 2, 2)
			op.Accumulate(g, total, bank, g.Const("fresh", []float32{1}, 1))
			g.Keep(place)
		})
		require.NoError(t, err)
		e, err := cpu.New[float64](g, graph.PlanOptions{}, cpu.Options{Poison: true})
		require.NoError(t, err)
		copy(e.Data(g.Lookup("x")), []float64{1, 3, 10, 30})
		require.NoError(t, e.Run(context.Background()))
		require.InDeltaSlice(t, []float64{2, 1, 20, 0.1}, e.Data(sum), 1e-12)
		require.InDeltaSlice(t, []float64{2, 1, 20, 0.1}, e.Data(place), 1e-12)
	}
}

// sharedGraph has a state and a bank with weights of the given sizes, moved towards an input by half where it trains.
func sharedGraph(t *testing.T, trains bool, state int, sizes ...int) *graph.Graph {
	t.Helper()
	_, spans, elements := graph.BankLayout(sizes, 0)
	g, err := graph.Build(func(g *graph.Graph) {
		s := g.State("s", false, state)
		bank := g.NewBank("weights", elements[0], false)
		var w []*graph.Node
		for i, size := range sizes {
			w = append(w, g.InBank(bank, string(rune('a'+i)), true, spans[i].Offset, size))
		}
		if trains {
			half := g.Const("half", []float32{0.5}, 1)
			op.EMA(g, s, g.Input("x", state), half)
			op.EMA(g, bank, g.Input("y", elements[0]), half)
		} else {
			g.Keep(op.Scale(g, 2, w[len(w)-1]))
			g.Keep(op.Scale(g, 2, s))
		}
	})
	require.NoError(t, err)
	return g
}

func TestGraphsShareAStore(t *testing.T) {
	store := cpu.NewStore[float32]()
	opt := graph.PlanOptions{Store: store}
	train, reads := sharedGraph(t, true, 3, 5, 7), sharedGraph(t, false, 3, 5, 7)
	first, err := cpu.New[float32](train, opt, cpu.Options{})
	require.NoError(t, err)
	held := store.Bytes()
	require.EqualValues(t, (3+128)*4, held)
	second, err := cpu.New[float32](reads, opt, cpu.Options{})
	require.NoError(t, err)
	require.Equal(t, held, store.Bytes(), "the second graph's states take no memory")
	for _, name := range []string{"s", "weights", "a", "b"} {
		require.Same(t, &first.Data(train.Lookup(name))[0], &second.Data(reads.Lookup(name))[0], name)
		require.Equal(t, train.Lookup(name).Shape, store.Shape(name))
	}
	require.Nil(t, store.Shape("other"))

	require.NoError(t, store.Write("b", []float32{1, 2, 3, 4, 5, 6, 7}))
	require.NoError(t, first.Write(train.Lookup("s"), []float32{2, 4, 6}))
	require.NoError(t, first.Run(context.Background())) // inputs are 0
	require.NoError(t, second.Run(context.Background()))
	got := make([]float32, 7)
	require.NoError(t, second.Read(reads.Nodes[len(reads.Nodes)-2], got))
	require.Equal(t, []float32{1, 2, 3, 4, 5, 6, 7}, got)
	require.NoError(t, store.Read("s", got[:3]))
	require.Equal(t, []float32{1, 2, 3}, got[:3])
	require.ErrorContains(t, store.Write("s", got), "s [3]")
	require.ErrorContains(t, store.Read("other", got), "other")

	alone, err := cpu.New[float32](train, graph.PlanOptions{}, cpu.Options{})
	require.NoError(t, err)
	require.Equal(t, held, alone.Bytes()-first.Bytes(), "a store of its own counts")
}

func TestStoreRefusesOtherStates(t *testing.T) {
	store := cpu.NewStore[float32]()
	opt := graph.PlanOptions{Store: store}
	compile := func(g *graph.Graph) error {
		_, err := cpu.New[float32](g, opt, cpu.Options{})
		return err
	}
	require.NoError(t, compile(sharedGraph(t, false, 3, 5, 70)))
	require.ErrorContains(t, compile(sharedGraph(t, false, 4, 5, 70)), "the state s has shape [4], the store keeps one of [3]")
	require.ErrorContains(t, compile(sharedGraph(t, false, 3, 5, 7)), "the state weights has shape [128], the store keeps one of [192]")
	require.ErrorContains(t, compile(sharedGraph(t, false, 3, 6, 70)), "the state a has shape [6]")
	moved, err := graph.Build(func(g *graph.Graph) {
		bank := g.NewBank("weights", 192, false)
		g.InBank(bank, "a", false, 64, 5)
	})
	require.NoError(t, err)
	require.ErrorContains(t, compile(moved), "keeps a in another place than the bank weights has it")
	loose, err := graph.Build(func(g *graph.Graph) { g.InBank(g.NewBank("other", 64, false), "s", false, 0, 3) })
	require.NoError(t, err)
	require.ErrorContains(t, compile(loose), "keeps s in another place")
	_, err = cpu.New[float64](sharedGraph(t, false, 3, 5, 70), opt, cpu.Options{})
	require.ErrorContains(t, err, "another device's")
	// What was refused left the store as it was.
	require.NoError(t, compile(sharedGraph(t, true, 3, 5, 70)))
	// A state that another graph keeps in a bank may be named by itself.
	single, err := graph.Build(func(g *graph.Graph) { g.Keep(op.Scale(g, 1, g.State("b", false, 70))) })
	require.NoError(t, err)
	require.NoError(t, store.Write("b", make([]float32, 70)))
	e, err := cpu.New[float32](single, opt, cpu.Options{})
	require.NoError(t, err)
	require.Same(t, &store.Data("b")[0], &e.Data(single.Lookup("b"))[0])
}

func TestStagesRunByThemselves(t *testing.T) {
	var double *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		double = g.Keep(op.Scale(g, 2, g.Input("x", 1)))
		g.Begin(1)
		op.Accumulate(g, g.State("sum", false, 1), double, g.Const("more", []float32{0}, 1))
		g.Begin(2)
		op.Accumulate(g, g.State("runs", false, 1), g.Const("one", []float32{1}, 1), g.Lookup("more"))
	})
	require.NoError(t, err)
	e, err := cpu.New[float32](g, graph.PlanOptions{}, cpu.Options{})
	require.NoError(t, err)
	run := func(x, sum, runs float32, stages ...graph.Stage) {
		t.Helper()
		require.NoError(t, e.Write(g.Lookup("x"), []float32{x}))
		require.NoError(t, e.Run(context.Background(), stages...))
		require.Equal(t, sum, e.Data(g.Lookup("sum"))[0])
		require.Equal(t, runs, e.Data(g.Lookup("runs"))[0])
	}
	run(3, 0, 0, 0)
	run(5, 6, 0, 1) // of the 3
	run(5, 16, 0, 0, 1)
	run(5, 16, 1, 2)
	run(1, 18, 2)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, e.Run(cancelled), context.Canceled)
	require.EqualValues(t, 18, e.Data(g.Lookup("sum"))[0])
}
