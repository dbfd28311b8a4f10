package gpu

import "goxkd/graph"

// The toy operations of these tests. Their attributes are the dispatch itself, so that mistakes can be tried out.

// toyTexts are the WGSL files behind them.
var toyTexts = map[string]string{
	"toy_add": `
struct Params { n: u32, by: f32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> state: array<f32>;
@compute @workgroup_size(64)
fn add(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.n) { y[id.x] = x[id.x] + params.by; }
}
@compute @workgroup_size(64)
fn count(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.n) { state[id.x] += params.by; }
}
// past writes one element too many.
@compute @workgroup_size(1)
fn past() {
    for (var i = 0u; i <= params.n; i++) { y[i] = 1.0; }
}
`,
	"toy_busy": `
struct Params { turns: u32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn busy(@builtin(global_invocation_id) id: vec3<u32>) {
    var v = x[0];
    for (var i = 0u; i < params.turns; i++) { v = v * 0.5 + 1.0; }
    y[id.x % 64u] = v;
}
`,
	"toy_many": `
struct Params { n: u32, by: f32, c: f32, d: f32, e: f32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn many(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.n) { y[id.x] = x[id.x] + params.by + params.c + params.d + params.e; }
}
`,
	"toy_bad": `
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64)
fn bad(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = x[id.x] + nonsense;
}
`,
	"toy_wide": `
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(4096)
fn wide(@builtin(global_invocation_id) id: vec3<u32>) {
    y[id.x] = 1.0;
}
`,
}

type addParams struct {
	N  uint32
	By float32
}

type busyParams struct{ Turns uint32 }

var (
	// toyOp has the shape of its first input; toyUpdate updates it.
	toyOp = graph.Register(graph.Op{
		Name:   "test_toy",
		NoGrad: "a test",
		Shape:  func(n *graph.Node) graph.Shape { return n.Inputs[0].Shape },
		Launch: func(n *graph.Node, _ graph.Target) graph.Launch {
			return n.Attrs.(graph.Launch)
		},
	})
	toyUpdate = graph.Register(graph.Op{
		Name:    "test_toy_update",
		NoGrad:  "a test",
		Updates: []int{0},
		Shape:   func(n *graph.Node) graph.Shape { return n.Inputs[0].Shape },
		Launch: func(n *graph.Node, _ graph.Target) graph.Launch {
			return n.Attrs.(graph.Launch)
		},
	})
)

func launch(d ...graph.Dispatch) graph.Launch { return graph.Launch{Dispatches: d} }

// add is y = x + by.
func add(n int, by float32) graph.Dispatch {
	return graph.Dispatch{
		Shader: "toy_add", Entry: "add", Params: addParams{uint32(n), by},
		Binds:  []graph.Bind{{Var: "x", Arg: graph.In(0)}, {Var: "y", Arg: graph.Out()}},
		Groups: graph.Grid(graph.CeilDiv(n, 64)),
	}
}

// count is state += by.
func count(n int, by float32) graph.Dispatch {
	return graph.Dispatch{
		Shader: "toy_add", Entry: "count", Params: addParams{uint32(n), by},
		Binds:  []graph.Bind{{Var: "state", Arg: graph.In(0)}},
		Groups: graph.Grid(graph.CeilDiv(n, 64)),
	}
}

// busy keeps the device at work: 50,000 turns in each thread.
func busy(groups int) graph.Dispatch {
	return graph.Dispatch{
		Shader: "toy_busy", Entry: "busy", Params: busyParams{50_000},
		Binds:  []graph.Bind{{Var: "x", Arg: graph.In(0)}, {Var: "y", Arg: graph.Out()}},
		Groups: graph.Grid(groups),
	}
}

// change copies a dispatch and alters it.
func change(s graph.Dispatch, f func(s *graph.Dispatch)) graph.Dispatch {
	s.Binds = append([]graph.Bind(nil), s.Binds...)
	f(&s)
	return s
}
