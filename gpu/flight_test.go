package gpu

import (
	"slices"
	"strings"
	"testing"

	"goxkd/graph"
)

// What was fetched behind a start is of that start, whatever is written and started before it is taken.
func TestStartAndFetch(t *testing.T) {
	for _, inFlight := range []int{0, 1, 3} {
		d := toy(t)
		d.InFlight = inFlight
		var s, x, y *graph.Node
		g := build(t, func(g *graph.Graph) {
			s = g.State("s", false, 8)
			g.Apply(toyUpdate, launch(count(8, 1)), s)
			x, y = chain(g, 40, 8)
		})
		e := compile(t, d, g, graph.PlanOptions{})
		type asked struct {
			y, s []float32
			take []func() error
		}
		var all []asked
		for i := range 12 {
			write(t, e, x, []float32{float32(i), 0, 0, 0, 0, 0, 0, 0})
			if err := e.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := len(e.flights); n > inFlight {
				t.Fatalf("%d submissions are in flight, %d may be", n, inFlight)
			}
			a := asked{y: make([]float32, 8), s: make([]float32, 8)}
			for n, dst := range map[*graph.Node][]float32{y: a.y, s: a.s} {
				take, err := e.Fetch(n, dst)
				if err != nil {
					t.Fatal(err)
				}
				a.take = append(a.take, take)
			}
			all = append(all, a)
		}
		for i, a := range all {
			for _, take := range a.take {
				if err := take(); err != nil {
					t.Fatal(err)
				}
			}
			if a.y[0] != float32(i+40) || a.s[7] != float32(i+1) {
				t.Errorf("in flight %d: start %d gave %g and %g", inFlight, i, a.y[0], a.s[7])
			}
		}
		if err := all[3].take[0](); err == nil || !strings.Contains(err.Error(), "taken before") {
			t.Errorf("taking twice gave %v", err)
		}
		// A run after starts waits for all.
		run(t, e)
		if len(e.flights) > 0 {
			t.Errorf("%d submissions are in flight after a run", len(e.flights))
		}
		if got := read(t, e, s)[0]; got != 13 {
			t.Errorf("the state is %g after 13 runs", got)
		}
		if slices.Contains(e.cuts.cost, 0) {
			t.Error("what some dispatches take is not known after 13 runs")
		}
	}
}

// What cannot be read cannot be fetched, and what is too large for the small buffers is read.
func TestFetchOfOthers(t *testing.T) {
	d := toy(t)
	d.InFlight = 1
	var x, y *graph.Node
	const n = askMax/wordBytes + 1
	g := build(t, func(g *graph.Graph) { x, y = chain(g, 5, n) })
	e := compile(t, d, g, graph.PlanOptions{})
	data := make([]float32, n)
	data[n-1] = 7
	write(t, e, x, data)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, n)
	take, err := e.Fetch(y, got)
	if err != nil {
		t.Fatal(err)
	}
	if err := take(); err != nil || got[n-1] != 12 {
		t.Errorf("a large result is %g, %v", got[n-1], err)
	}
	if _, err := e.Fetch(g.Nodes[1], got); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("fetching an intermediate result gave %v", err)
	}
	if _, err := e.Fetch(y, got[1:]); err == nil {
		t.Error("a short fetch was taken")
	}
	// Closing with work in flight is sound.
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}
