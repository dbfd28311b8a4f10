package op

import "goxkd/graph"

// threads is the size of the workgroups of every kernel here.
const threads = 64

// bind and its kin pair a variable of the WGSL text with a buffer.
func bind(name string, arg graph.Arg) graph.Bind { return graph.Bind{Var: name, Arg: arg} }

func bindIn(name string, i int) graph.Bind { return bind(name, graph.In(i)) }

func bindOut() graph.Bind { return bind("y", graph.Out()) }

// launch is a launch of dispatches without scratch.
func launch(d ...graph.Dispatch) graph.Launch { return graph.Launch{Dispatches: d} }

// elements runs a kernel over n elements, several a thread. Starting a workgroup costs a CPU more than it costs a GPU.
func elements(t graph.Target, shader, entry string, n int, params any, binds ...graph.Bind) graph.Dispatch {
	per, text := 4, "4u"
	if t.Class == graph.Software {
		per, text = 32, "32u"
	}
	return graph.Dispatch{
		Shader: shader, Entry: entry, Consts: []graph.Const{{Name: "PER", Value: text}},
		Binds: binds, Params: params, Groups: graph.Grid(graph.CeilDiv(n, threads*per)), Trips: per,
	}
}

// each runs a kernel with one thread for each of n elements, whose loops take so many turns.
func each(shader, entry string, n, trips int, params any, binds ...graph.Bind) graph.Dispatch {
	return graph.Dispatch{
		Shader: shader, Entry: entry, Binds: binds, Params: params,
		Groups: graph.Grid(graph.CeilDiv(n, threads)), Trips: trips,
	}
}

// The variants of kernels over rows: a row is the work of one thread, or of one workgroup.
const (
	serial = "serial"
	shared = "shared"
)

// rowVariants are the ways to go over rows of a width `passes` times: on CPUs, where barriers are dear, by one thread, unless
// the row is so long that the thread's loops would be cut off.
func rowVariants(t graph.Target, passes, width int) []string {
	switch {
	case passes*width > graph.MaxTrips:
		return []string{shared}
	case t.Class == graph.Software:
		return []string{serial, shared}
	}
	return []string{shared, serial}
}

// rowsOf gives the Variants of an operation whose kernel goes `passes` times over the innermost rows of an input.
func rowsOf(input, passes int) func(*graph.Node, graph.Target) []string {
	return func(n *graph.Node, t graph.Target) []string {
		return rowVariants(t, passes, n.Inputs[input].Shape.Last())
	}
}

// serialRows tells whether a row is the work of one thread, by the target's variant or, for parts of a launch that have no
// choice of their own, the default.
func serialRows(t graph.Target, passes, width int) bool {
	switch list := rowVariants(t, passes, width); t.Variant {
	case serial, shared:
		return t.Variant == serial && len(list) > 1
	default:
		return list[0] == serial
	}
}

// overRows runs a kernel over rows of the given width, which goes over each row `passes` times.
func overRows(n *graph.Node, t graph.Target, shader, entry string, rows, width, passes int, params any, binds ...graph.Bind) graph.Dispatch {
	d := graph.Dispatch{Shader: shader, Entry: entry, Binds: binds, Params: params, Trips: passes * width}
	if serialRows(t, passes, width) {
		d.Groups = graph.Grid(graph.CeilDiv(rows, threads))
		return d
	}
	// Each pass ends in a sum or maximum over the threads, of six turns; some kernels have two.
	d.Trips = passes*graph.CeilDiv(width, threads) + 24
	if d.Trips > graph.MaxTrips {
		graph.Failf("%s: rows of %d elements are too long for one workgroup", n.Label(), width)
	}
	d.Includes = []graph.Const{{Name: "rows_serial", Value: "rows_shared"}}
	d.Groups = graph.Grid(rows)
	return d
}
