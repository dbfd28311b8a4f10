package gpu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
	"goxkd/graph/op"
)

// These tests show that what the WebGPU library does wrong is handled.

// One submission that outlasts the library's own five seconds of patience is waited for, and its result is right.
func TestLongSubmission(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes more than five seconds")
	}
	d := toy(t)
	measure := func(groups int) time.Duration {
		var x, y *graph.Node
		g := build(t, func(g *graph.Graph) {
			x = g.Input("x", 64)
			y = g.Keep(g.Apply(toyOp, launch(busy(groups)), x))
		})
		e := compile(t, d, g, graph.PlanOptions{})
		data := make([]float32, 64)
		data[0] = 3
		write(t, e, x, data)
		start := time.Now()
		run(t, e)
		took := time.Since(start)
		if got := read(t, e, y)[63]; got != 2 { // the fixed point of v/2 + 1
			t.Fatalf("%d workgroups gave %g after %v, expected 2", groups, got, took)
		}
		return took
	}
	measure(1) // the driver compiles
	const want = 6 * time.Second
	groups := 256
	for range 8 { // short runs say little about long ones
		took := measure(groups)
		if took > 5*time.Second {
			return
		}
		scale := min(float64(want)/float64(took), 20)
		groups = min(int(float64(groups)*scale)+1, 64*graph.MaxGroups)
	}
	t.Skip("the adapter is too fast for the busy kernel")
}

// Read-backs survive garbage collections while C holds on to the request.
func TestReadsDuringCollections(t *testing.T) {
	d := toy(t)
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) { x, y = chain(g, 3, 5000) })
	e := compile(t, d, g, graph.PlanOptions{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	data := make([]float32, 5000)
	for i := range 50 {
		data[4999] = float32(i)
		write(t, e, x, data)
		run(t, e)
		if got := read(t, e, y)[4999]; got != float32(i+3) {
			t.Errorf("round %d gave %g", i, got)
		}
	}
	close(stop)
	wg.Wait()
}

// The hand-written C calls take handles out of the wrapper's structs; their layout must be the expected one.
func TestWrapperLayout(t *testing.T) {
	for _, c := range []struct {
		wrapper, words any
		fields         []string
	}{
		{wgpu.Device{}, deviceWords{}, []string{"ref"}},
		{wgpu.Buffer{}, bufferWords{}, []string{"deviceRef", "ref"}},
	} {
		w, m := reflect.TypeOf(c.wrapper), reflect.TypeOf(c.words)
		if w.Size() != m.Size() || w.NumField() != len(c.fields) {
			t.Fatalf("%v has changed", w)
		}
		for i, name := range c.fields {
			if f := w.Field(i); f.Name != name || f.Type.Kind() != reflect.Pointer || f.Offset != m.Field(i).Offset {
				t.Errorf("%v: field %d is %s %v", w, i, f.Name, f.Type)
			}
		}
	}
}

// An error outside every scope ends neither the process nor later calls.
func TestUncapturedError(t *testing.T) {
	d := toy(t)
	g := build(t, func(g *graph.Graph) { chain(g, 1, 4) })
	e := compile(t, d, g, graph.PlanOptions{})
	err := d.do(func() error {
		m := newMapping()
		defer m.free()
		m.start(e.slots[0].handle, mapRead, 4) // this buffer may not be mapped
		d.dev.Poll(false, nil)
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "gpu: error") {
		t.Errorf("the library's complaint came back as %v", err)
	}
	run(t, e)
}

// Pipelines that differ in the size of their parameters alone take turns in one submission: the library would go by the size
// that the one before expects.
func TestParametersOfTwoSizes(t *testing.T) {
	d := toy(t)
	large := change(add(4, 0), func(s *graph.Dispatch) {
		s.Shader, s.Entry = "toy_many", "many"
		s.Params = struct {
			N           uint32
			By, C, D, E float32
		}{4, 1, 1, 1, 1}
	})
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) {
		x = g.Input("x", 4)
		y = x
		for range 4 {
			y = g.Apply(toyOp, launch(large), y)
			y = g.Apply(toyOp, launch(add(4, 1)), y)
		}
		g.Keep(y)
	})
	e := compile(t, d, g, graph.PlanOptions{})
	write(t, e, x, []float32{0, 1, 2, 3})
	for range 4 { // the first submissions are short
		run(t, e)
	}
	if got := read(t, e, y); !slices.Equal(got, []float32{20, 21, 22, 23}) {
		t.Errorf("the result is %v", got)
	}
}

// What would make a submission fail, and with it the process, is refused by Compile.
func TestMistakesAreRefused(t *testing.T) {
	d := toy(t)
	good := add(4, 1)
	for _, c := range []struct {
		name  string
		l     graph.Launch
		words []string
	}{
		{"too many workgroups", launch(change(good, func(s *graph.Dispatch) { s.Groups[0] = d.Adapter().Limits.Workgroups + 1 })), []string{"workgroups", "65535"}},
		{"no workgroups", launch(change(good, func(s *graph.Dispatch) { s.Groups[1] = 0 })), []string{"workgroups"}},
		{"unknown variable", launch(change(good, func(s *graph.Dispatch) { s.Binds[0].Var = "z" })), []string{"toy_add.wgsl", `"z"`}},
		{"missing variable", launch(change(good, func(s *graph.Dispatch) { s.Binds = s.Binds[:1] })), []string{"toy_add"}},
		{"unknown file", launch(change(good, func(s *graph.Dispatch) { s.Shader = "nowhere" })), []string{"nowhere.wgsl"}},
		{"unknown entry", launch(change(good, func(s *graph.Dispatch) { s.Entry = "nothing" })), []string{"toy_add.wgsl", `"nothing"`}},
		{"other parameters", launch(change(good, func(s *graph.Dispatch) { s.Params = busyParams{1} })), []string{"Turns", "n: u32"}},
		{"no parameters", launch(change(good, func(s *graph.Dispatch) { s.Params = nil })), []string{"toy_add"}},
		{"unknown input", launch(change(good, func(s *graph.Dispatch) { s.Binds[0].Arg = graph.In(3) })), []string{"input 3 of 1"}},
		{"unknown scratch", launch(change(good, func(s *graph.Dispatch) { s.Binds[0].Arg = graph.Scratch(0) })), []string{"scratch 0 of 0"}},
		{"one buffer read and written", launch(change(good, func(s *graph.Dispatch) { s.Binds[0].Arg = graph.Out() })), []string{"x and y are one buffer"}},
		{"input written", launch(change(good, func(s *graph.Dispatch) { s.Binds[0].Arg, s.Binds[1].Arg = graph.Out(), graph.In(0) })), []string{"y writes input 0"}},
		{"too many threads", launch(graph.Dispatch{Shader: "toy_wide", Entry: "wide", Binds: []graph.Bind{{Var: "y", Arg: graph.Out()}}, Groups: graph.Grid(1)}), []string{"toy_wide.wgsl"}},
	} {
		t.Run(c.name, func(t *testing.T) { refuse(t, d, c.l, append(c.words, "executor_test.go", "test_toy")...) })
	}
	// The device is as good as before.
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) { x, y = chain(g, 2, 4) })
	e := compile(t, d, g, graph.PlanOptions{})
	write(t, e, x, []float32{1, 2, 3, 4})
	run(t, e)
	if got := read(t, e, y); got[3] != 6 {
		t.Errorf("got %v", got)
	}
}

// A text that does not compile is an error that shows it with line numbers.
func TestBadText(t *testing.T) {
	refuse(t, toy(t), launch(graph.Dispatch{
		Shader: "toy_bad", Entry: "bad", Groups: graph.Grid(1),
		Binds: []graph.Bind{{Var: "x", Arg: graph.In(0)}, {Var: "y", Arg: graph.Out()}},
	}), "toy_bad.wgsl", "nonsense", "   6      y[id.x]")
}

// Some drivers stop an invocation after 65,535 turns of its loops; sums over more terms are cut.
func TestLongSums(t *testing.T) {
	const k = 300_000 // more than 65,535 turns even of four terms
	rng := rand.New(rand.NewPCG(3, 4))
	for _, variant := range []string{"", "R8", "R16", "T64"} {
		for _, form := range []op.MatMulAttrs{{}, {TransA: true}, {TransB: true}} {
			if variant == "T64" && form != (op.MatMulAttrs{}) {
				continue // barriers are slow on software adapters
			}
			t.Run(fmt.Sprintf("%s%+v", variant, form), func(t *testing.T) {
				d := shared(t)
				var a, b, c *graph.Node
				g := build(t, func(g *graph.Graph) {
					a, b = g.Input("a", swap(form.TransA, 3, k)...), g.Input("b", swap(form.TransB, k, 5)...)
					c = g.Keep(op.MatMul(g, a, b, nil, form.TransA, form.TransB))
				})
				e := compile(t, d, g, force(variant))
				call := graph.Call[float32]{Node: c, Out: make([]float32, 15), Par: serial}
				for _, n := range []*graph.Node{a, b} {
					data := random(rng, n.Shape.Size())
					write(t, e, n, data)
					call.In = append(call.In, data)
				}
				run(t, e)
				got := read(t, e, c)
				c.Op.Ref32(&call)
				if err := nmse(got, call.Out); !(err < 1e-9) {
					t.Errorf("normalised mean square error %g", err)
				}
			})
		}
	}
}

// Calls from many goroutines are marshalled to the device's own, and errors come back to the caller that made them.
func TestManyGoroutines(t *testing.T) {
	d := toy(t)
	bad := launch(graph.Dispatch{
		Shader: "toy_bad", Entry: "bad", Groups: graph.Grid(1),
		Binds: []graph.Bind{{Var: "x", Arg: graph.In(0)}, {Var: "y", Arg: graph.Out()}},
	})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			var x, y *graph.Node
			g := build(t, func(g *graph.Graph) {
				x, y = chain(g, i+1, 64)
				if i%3 == 0 {
					g.Keep(g.Apply(toyOp, bad, x))
				}
			})
			e, err := d.Compile(g, graph.PlanOptions{})
			if (err != nil) != (i%3 == 0) {
				t.Errorf("goroutine %d: %v", i, err)
			}
			if err != nil {
				return
			}
			defer e.Close()
			for r := range 5 {
				data := make([]float32, 64)
				data[63] = float32(r)
				if err := e.Write(x, data); err != nil {
					t.Error(err)
				}
				if err := e.Run(t.Context()); err != nil {
					t.Error(err)
				}
				if err := e.Read(y, data); err != nil || data[63] != float32(r+i+1) {
					t.Errorf("goroutine %d, round %d: %g, %v", i, r, data[63], err)
				}
			}
		})
	}
	wg.Wait()
}

// The device has the adapter's limits, not the zeros that stand for themselves.
func TestLimits(t *testing.T) {
	d := open(t)
	var got wgpu.Limits
	if err := d.do(func() error { got = d.dev.GetLimits().Limits; return nil }); err != nil {
		t.Fatal(err)
	}
	l := d.Adapter().Limits
	if int64(got.MaxStorageBufferBindingSize) != l.StorageBinding || int(got.MaxComputeInvocationsPerWorkgroup) != l.Invocations {
		t.Errorf("the device has %+v, the adapter %+v", got, l)
	}
	if l.StorageBuffers < 8 || l.Invocations < 256 || l.WorkgroupMemory < 16<<10 || l.Workgroups < graph.MaxGroups || l.StorageBinding < 128<<20 {
		t.Errorf("below what WebGPU promises: %+v", l)
	}
}

// OpenGL adapters are left out.
func TestAdapters(t *testing.T) {
	open(t) // skips without any
	list, err := Adapters()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range list {
		if a.Backend != "Vulkan" && a.Backend != "Metal" && a.Backend != "D3D12" {
			t.Errorf("%v has the backend %q", a, a.Backend)
		}
		if a.Name == "" || i > 0 && a.Class < list[i-1].Class {
			t.Errorf("%v is out of order or has no name", a)
		}
	}
	for _, sel := range []string{"99", "-1", "best"} {
		if _, err := Open(sel); err == nil || !strings.Contains(err.Error(), sel) {
			t.Errorf("the adapter %q gave %v", sel, err)
		}
	}
	d, err := Open("0")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Name() != list[0].Name {
		t.Errorf("adapter 0 is %s, not %s", d.Name(), list[0].Name)
	}
}

// The environment variable with which a test runs itself in another process, and what that is to do.
const childTask = "XKD_TEST_CHILD"

func child(t *testing.T, task string, env ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(append(os.Environ(), childTask+"="+task), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

// Without a driver the error says what to install.
func TestNoAdapter(t *testing.T) {
	if os.Getenv(childTask) == "open" {
		_, err := Open("gpu")
		if !errors.Is(err, ErrNoAdapter) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "mesa-vulkan-drivers") {
			t.Errorf("no adapter gave %v", err)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("drivers can be hidden on Linux only")
	}
	child(t, "open", "VK_ICD_FILENAMES=none", "VK_DRIVER_FILES=none")
}

// Looking for adapters and opening one prints nothing.
func TestSilence(t *testing.T) {
	if os.Getenv(childTask) == "open" {
		open(t)
		return
	}
	open(t) // skips without any
	if out := child(t, "open"); out != "PASS\n" {
		t.Errorf("the library printed:\n%s", out)
	}
}
