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
		Binds: binds, Params: params, Groups: graph.Grid(graph.CeilDiv(n, threads*per)),
	}
}

// each runs a kernel with one thread for each of n elements.
func each(shader, entry string, n int, params any, binds ...graph.Bind) graph.Dispatch {
	return graph.Dispatch{Shader: shader, Entry: entry, Binds: binds, Params: params, Groups: graph.Grid(graph.CeilDiv(n, threads))}
}

// serialRows tells whether a row is the work of one thread: on CPUs, where barriers are dear, unless the row is so long
// that the thread's loops (trips turns in all) would be cut off.
func serialRows(n *graph.Node, t graph.Target, trips int) bool {
	if trips > graph.MaxTrips {
		return false
	}
	switch t.Variants[n.Op.Name] {
	case "serial":
		return true
	case "shared":
		return false
	}
	return t.Class == graph.Software
}

// overRows runs a kernel over rows of the given width, which goes over each row `passes` times.
func overRows(n *graph.Node, t graph.Target, shader, entry string, rows, width, passes int, params any, binds ...graph.Bind) graph.Dispatch {
	d := graph.Dispatch{Shader: shader, Entry: entry, Binds: binds, Params: params}
	if serialRows(n, t, passes*width) {
		d.Groups = graph.Grid(graph.CeilDiv(rows, threads))
		return d
	}
	if turns := passes * graph.CeilDiv(width, threads); turns > graph.MaxTrips {
		graph.Failf("%s: rows of %d elements are too long for one workgroup", n.Label(), width)
	}
	d.Includes = []graph.Const{{Name: "rows_serial", Value: "rows_shared"}}
	d.Groups = graph.Grid(rows)
	return d
}
