package gpu

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"goxkd/graph"
	"goxkd/shaders"
)

// toy opens a device that knows the toy texts.
func toy(t testing.TB) *Device {
	d := open(t)
	d.library = shaders.WithTexts(toyTexts)
	return d
}

// refuse checks that a launch of x [4] is refused with every one of the given words.
func refuse(t *testing.T, d *Device, l graph.Launch, words ...string) {
	t.Helper()
	g := build(t, func(g *graph.Graph) { g.Keep(g.Apply(toyOp, l, g.Input("x", 4))) })
	e, err := d.Compile(g, graph.PlanOptions{})
	if err == nil {
		e.Close()
		t.Fatal("it compiled")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}

func TestStatesViewsAndConstants(t *testing.T) {
	d := toy(t)
	var s, x, c, v, y *graph.Node
	g := build(t, func(g *graph.Graph) {
		s = g.State("s", false, 2, 3)
		x = g.Input("x", 6)
		c = g.Const("c", []float32{10, 20}, 2)
		g.Apply(toyUpdate, launch(count(6, 2)), s)
		v = g.Reshape(g.Apply(toyOp, launch(add(6, 1)), s), 3, 2)
		g.Keep(v)
		y = g.Keep(g.Apply(toyOp, launch(add(2, 0.5)), c))
	})
	e := compile(t, d, g, graph.PlanOptions{})
	write(t, e, s, []float32{1, 2, 3, 4, 5, 6})
	write(t, e, x, []float32{6, 5, 4, 3, 2, 1})
	run(t, e)
	run(t, e)
	for _, c := range []struct {
		n    *graph.Node
		want []float32
	}{
		{s, []float32{5, 6, 7, 8, 9, 10}},
		{v, []float32{6, 7, 8, 9, 10, 11}},
		{x, []float32{6, 5, 4, 3, 2, 1}},
		{y, []float32{10.5, 20.5}},
	} {
		if got := read(t, e, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%s is %v, expected %v", c.n.Label(), got, c.want)
		}
	}
	if err := e.Write(x, []float32{1}); err == nil {
		t.Error("a short write was taken")
	}
	if err := e.Write(c, []float32{1, 2}); err == nil {
		t.Error("a constant was written")
	}
	if err := e.Read(v, make([]float32, 5)); err == nil {
		t.Error("a short read was taken")
	}
}

// chain is n additions in a row, the first and the last of which are returned.
func chain(g *graph.Graph, n, size int) (x, y *graph.Node) {
	x = g.Input("x", size)
	y = x
	for range n {
		y = g.Apply(toyOp, launch(add(size, 1)), y)
	}
	return x, g.Keep(y)
}

func TestNothingIsMadeAfterCompile(t *testing.T) {
	d := toy(t)
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) { x, y = chain(g, 100, 1000) })
	e := compile(t, d, g, graph.PlanOptions{})
	read(t, e, y) // makes the buffer through which results are read
	before := d.Counts()
	if before.Pipelines != 1 || before.BindGroups != 100 {
		t.Errorf("made %+v, expected one pipeline for a hundred dispatches", before)
	}
	for i := range 5 {
		data := make([]float32, 1000)
		data[7] = float32(i)
		write(t, e, x, data)
		run(t, e)
		if got := read(t, e, y)[7]; got != float32(i+100) {
			t.Fatalf("run %d gave %g", i, got)
		}
	}
	if after := d.Counts(); after != before {
		t.Errorf("runs made objects: %+v, then %+v", before, after)
	}
}

func TestEveryNodeCanBeRead(t *testing.T) {
	d := toy(t)
	g := build(t, func(g *graph.Graph) {
		chain(g, 5, 10)
		g.KeepAll()
	})
	e := compile(t, d, g, graph.PlanOptions{Unshared: true})
	run(t, e)
	for i, n := range g.Nodes {
		if got := read(t, e, n)[9]; got != float32(i) {
			t.Errorf("%s is %g, expected %d", n.Label(), got, i)
		}
	}
}

func TestReusedMemoryIsNotRead(t *testing.T) {
	d := toy(t)
	g := build(t, func(g *graph.Graph) { chain(g, 5, 10) })
	e := compile(t, d, g, graph.PlanOptions{})
	run(t, e)
	if err := e.Read(g.Nodes[1], make([]float32, 10)); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("reading an intermediate result gave %v", err)
	}
}

func TestLargeReadsComeInPieces(t *testing.T) {
	d := toy(t)
	const n = stagingMax/wordBytes + 12345
	var x *graph.Node
	g := build(t, func(g *graph.Graph) { x = g.State("x", false, n) })
	e := compile(t, d, g, graph.PlanOptions{})
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(i % 1_000_003)
	}
	write(t, e, x, data)
	if !slices.Equal(read(t, e, x), data) {
		t.Error("what was read is not what was written")
	}
}

func TestAnnouncedBytes(t *testing.T) {
	d := toy(t)
	g := build(t, func(g *graph.Graph) { chain(g, 3, 1000) })
	want, err := d.Announce(g, graph.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := d.Counts()
	e := compile(t, d, g, graph.PlanOptions{})
	if e.Bytes() != want {
		t.Errorf("%d bytes were announced, %d are held", want, e.Bytes())
	}
	// The input, two slots and the parameters.
	if made := d.Counts().Buffers - before.Buffers; made != 4 {
		t.Errorf("%d buffers were made, expected 4", made)
	}
}

func TestTooLarge(t *testing.T) {
	d := toy(t)
	huge := int(d.Adapter().Limits.StorageBinding)/wordBytes + 1
	g := build(t, func(g *graph.Graph) { g.State("huge_tensor", false, huge) })
	_, err := d.Compile(g, graph.PlanOptions{})
	if !errors.Is(err, graph.ErrTooLarge) || !strings.Contains(err.Error(), "huge_tensor") || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("a tensor over the binding limit gave %v", err)
	}

	d.Budget = 1 << 20
	g = build(t, func(g *graph.Graph) {
		g.State("small", false, 1000)
		g.State("large", false, 300_000)
	})
	before := d.Counts()
	_, err = d.Compile(g, graph.PlanOptions{})
	if !errors.Is(err, graph.ErrTooLarge) || !strings.Contains(err.Error(), "large") || !strings.Contains(err.Error(), "1.0 MiB") {
		t.Errorf("a plan over the budget gave %v", err)
	}
	if d.Counts() != before {
		t.Error("something was made for a plan that was refused")
	}
}

func TestGuardWords(t *testing.T) {
	d := toy(t)
	past := change(add(100, 0), func(s *graph.Dispatch) {
		s.Entry, s.Groups, s.Binds = "past", graph.Grid(1), s.Binds[1:]
	})
	g := build(t, func(g *graph.Graph) {
		x := g.Input("x", 100)
		g.Scope("good", func() { g.Keep(g.Apply(toyOp, launch(add(100, 1)), x)) })
		g.Scope("bad", func() { g.Keep(g.Apply(toyOp, launch(past), x)) })
	})
	e := compile(t, d, g, graph.PlanOptions{Guard: true})
	if err := e.CheckGuards(); err != nil {
		t.Fatalf("before the run: %v", err)
	}
	run(t, e)
	err := e.CheckGuards()
	if err == nil || !strings.Contains(err.Error(), "bad/test_toy") || strings.Contains(err.Error(), "good/") || !strings.Contains(err.Error(), "element 100") {
		t.Errorf("a write past the end was reported as %v", err)
	}
}

func TestCancelledRun(t *testing.T) {
	d := toy(t)
	g := build(t, func(g *graph.Graph) { chain(g, 3, 10) })
	e := compile(t, d, g, graph.PlanOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run gave %v", err)
	}
	run(t, e)
}

func TestClosed(t *testing.T) {
	d := toy(t)
	var x *graph.Node
	g := build(t, func(g *graph.Graph) { x, _ = chain(g, 3, 10) })
	e := compile(t, d, g, graph.PlanOptions{})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("a run of a closed executor gave %v", err)
	}
	other := compile(t, d, g, graph.PlanOptions{})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Write(x, make([]float32, 10)); !errors.Is(err, ErrClosed) {
		t.Errorf("a write to a closed device gave %v", err)
	}
	if _, err := d.Compile(g, graph.PlanOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed device's Compile gave %v", err)
	}
}

func TestCutter(t *testing.T) {
	const n = 1000
	actual := func(i int) time.Duration { // a slow dispatch among fast ones
		if i%100 == 50 {
			return 60 * time.Millisecond
		}
		return 200 * time.Microsecond
	}
	c := newCutter(n)
	for step := range 6 {
		var longest time.Duration
		submissions := 0
		for from := 0; from < n; {
			to := c.next(from, n)
			if to <= from {
				t.Fatalf("an empty submission at %d", from)
			}
			var took time.Duration
			for i := from; i < to; i++ {
				took += actual(i)
			}
			c.learn(from, to, took)
			longest = max(longest, took)
			submissions++
			from = to
		}
		if step > 0 && longest > 2*submitTarget {
			t.Errorf("step %d: a submission took %v", step, longest)
		}
		if step > 2 && submissions > 30 {
			t.Errorf("step %d: %d submissions for %v of work", step, submissions, 10*60*time.Millisecond+990*200*time.Microsecond)
		}
	}
}

func TestProfile(t *testing.T) {
	d := toy(t)
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) { x, y = chain(g, 4, 100) })
	e := compile(t, d, g, graph.PlanOptions{})
	write(t, e, x, make([]float32, 100))
	times, err := e.Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(times) != 4 || times[3].Node != y || times[3].Dispatches != 1 || times[3].Time <= 0 {
		t.Errorf("the profile is %+v", times)
	}
	if got := read(t, e, y)[99]; got != 4 {
		t.Errorf("the profiled run gave %g", got)
	}
}
