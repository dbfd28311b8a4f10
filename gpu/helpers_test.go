package gpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"goxkd/graph"
)

// common is the device of all tests that leave it as it is: kernels are compiled once.
var common *Device

func TestMain(m *testing.M) {
	code := m.Run()
	if common != nil {
		if err := common.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// shared takes the best adapter, or skips; the test must not change the device.
func shared(t testing.TB) *Device {
	t.Helper()
	if common == nil {
		common = best(t)
	}
	return common
}

// best is gputest's Open, which cannot be had here.
func best(t testing.TB) *Device {
	t.Helper()
	d, err := Open("gpu")
	if errors.Is(err, ErrNoAdapter) {
		t.Skipf("no adapter to test on: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open takes the best adapter for a test of its own, or skips.
func open(t testing.TB) *Device {
	t.Helper()
	d := best(t)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func build(t testing.TB, f func(g *graph.Graph)) *graph.Graph {
	t.Helper()
	g, err := graph.Build(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func compile(t testing.TB, d *Device, g *graph.Graph, opt graph.PlanOptions) *Executor {
	t.Helper()
	e, err := d.Compile(g, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e.(*Executor)
}

func write(t testing.TB, e *Executor, n *graph.Node, data []float32) {
	t.Helper()
	if err := e.Write(n, data); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, e *Executor, n *graph.Node) []float32 {
	t.Helper()
	out := make([]float32, n.Shape.Size())
	if err := e.Read(n, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t testing.TB, e *Executor) {
	t.Helper()
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// random fills with uniform values in [-1,1).
func random(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = 2*rng.Float32() - 1
	}
	return out
}

// nmse is the normalised mean square error, infinite for values that are not finite.
func nmse(got, want []float32) float64 {
	var e, s float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		e += d * d
		s += float64(want[i]) * float64(want[i])
	}
	if math.IsNaN(e) {
		return math.Inf(1)
	}
	if s == 0 {
		return e
	}
	return e / s
}

// serial is the sharing-out of a reference on one core.
func serial(n, _ int, f func(lo, hi int)) { f(0, n) }

// force takes a variant for every node that has it; the empty name takes defaults.
func force(variant string) graph.PlanOptions {
	return graph.PlanOptions{Guard: true, Choose: func(_ *graph.Node, list []string) string {
		if slices.Contains(list, variant) {
			return variant
		}
		return list[0]
	}}
}

// check runs one operation on the device, with guard words, and against its reference.
func check(t *testing.T, d *Device, opt graph.PlanOptions, op *graph.Op, attrs any, shapes []graph.Shape, tolerance float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var in []*graph.Node
	var out *graph.Node
	g := build(t, func(g *graph.Graph) {
		for i, s := range shapes {
			in = append(in, g.Input(string(rune('a'+i)), s...))
		}
		out = g.Apply(op, attrs, in...)
		for _, r := range out.All() {
			g.Keep(r)
		}
	})
	e := compile(t, d, g, opt)
	call := graph.Call[float32]{Node: out, Par: serial}
	for _, r := range out.All() {
		call.Outs = append(call.Outs, make([]float32, r.Shape.Size()))
	}
	call.Out = call.Outs[0]
	var drawn [][]float64
	for _, n := range in {
		data := make([]float64, n.Shape.Size())
		for i, v := range random(rng, len(data)) {
			data[i] = float64(v)
		}
		drawn = append(drawn, data)
	}
	if c := op.Cases[0]; c.Follow != nil {
		c.Follow(graph.Case{Shapes: shapes, Attrs: attrs}, drawn)
	}
	for i, n := range in {
		data := make([]float32, len(drawn[i]))
		for k, v := range drawn[i] {
			data[k] = float32(v)
		}
		write(t, e, n, data)
		call.In = append(call.In, data)
	}
	run(t, e)
	op.Ref32(&call)
	if tolerance == 0 {
		tolerance = 1e-7
	}
	for i, r := range out.All() {
		if err := nmse(read(t, e, r), call.Outs[i]); !(err <= tolerance) {
			t.Errorf("result %d: normalised mean square error %.3g, at most %.3g allowed", i, err, tolerance)
		}
	}
	if err := e.CheckGuards(); err != nil {
		t.Error(err)
	}
}
