package op

import "goxkd/graph"

// Sums over rows of matrices: columns_serial.wgsl and columns_shared.wgsl.
const (
	// columnLanes threads of a workgroup share a column of a chunk, and so many columns a workgroup, where they are shared.
	columnLanes   = 4
	columnsShared = threads / columnLanes
	// serialTerms and sharedTerms are the numbers of terms that one thread adds where there are few sums. A GPU waits for each
	// load, so its threads add few.
	serialTerms = 256
	sharedTerms = 16
	// mostTerms is what a thread adds where there are enough sums to keep a GPU busy; fewer would make a longer second stage.
	mostTerms = 64
	// maxChunks bounds the figures that the second stage adds.
	maxChunks = 4096
	// manySums keep any adapter busy with one thread each.
	manySums = 65_536
)

// columnVariants are the ways to sum columns: by one thread, or by the threads of a workgroup.
func columnVariants(t graph.Target) []string {
	if t.Class == graph.Software {
		return []string{serial, shared}
	}
	return []string{shared, serial}
}

// serialColumns tells whether a column of a chunk is the work of one thread.
func serialColumns(t graph.Target) bool {
	if t.Variant == serial || t.Variant == shared {
		return t.Variant == serial
	}
	return columnVariants(t)[0] == serial
}

// chunks is the number of chunks into which each of `sums` sums over length terms is cut; terms is what a thread of a lone
// stage may add.
func chunks(t graph.Target, length, sums, terms int) int {
	if serialColumns(t) {
		if length <= terms || sums >= manySums && length <= graph.MaxTrips {
			return 1
		}
		return min(graph.CeilDiv(length, terms), max(manySums/sums, graph.CeilDiv(length, graph.MaxTrips)), maxChunks)
	}
	if length <= 2*sharedTerms*columnLanes || sums >= manySums && length <= graph.MaxTrips {
		return 1
	}
	return min(graph.CeilDiv(length, sharedTerms*columnLanes), max(manySums/sums, graph.CeilDiv(length, mostTerms*columnLanes)), maxChunks)
}

// overColumns runs a kernel over the columns of matrices [rows, width], each cut into chunks of rows.
func overColumns(t graph.Target, shader, entry string, matrices, chunks, rows, width int, params any, binds ...graph.Bind) graph.Dispatch {
	if serialColumns(t) {
		return each(shader, entry, matrices*chunks*width, graph.CeilDiv(rows, chunks), params, binds...)
	}
	return graph.Dispatch{
		Shader: shader, Entry: entry, Binds: binds, Params: params,
		Includes: []graph.Const{{Name: "columns_serial", Value: "columns_shared"}},
		Groups:   graph.Grid(matrices * chunks * graph.CeilDiv(width, columnsShared)),
		Trips:    graph.CeilDiv(rows, chunks*columnLanes),
	}
}

// sumStages adds x [outer, length, inner] over its middle axis, times scale; scratch is the number of the scratch buffer it
// may use.
func sumStages(n *graph.Node, t graph.Target, x, y graph.Arg, outer, length, inner int, scale float64, scratch int) graph.Launch {
	binds := []graph.Bind{bind("x", x), bind("y", y)}
	// A row for each workgroup when the rows are many or short.
	if inner == 1 && !serialRows(t, 1, length) && (outer >= maxChunks || length <= maxChunks) {
		p := reduceParams{Rows: uint32(outer), Width: uint32(length), Scale: float32(scale)}
		return launch(overRows(n, t, "reduce", "sum_rows", outer, length, 1, p, binds...))
	}
	c := chunks(t, length, outer*inner, serialTerms)
	p := reduceParams{
		N: uint32(outer * c * inner), Length: uint32(length), Inner: uint32(inner), Chunks: uint32(c), Scale: float32(scale),
	}
	if c == 1 {
		return launch(overColumns(t, "reduce", "sum_axis", outer, 1, length, inner, p, binds...))
	}
	part := graph.Scratch(scratch)
	p.Scale = 1
	first := overColumns(t, "reduce", "sum_axis", outer, c, length, inner, p, bind("x", x), bind("y", part))
	rest := sumStages(n, t, part, y, outer, c, inner, scale, scratch+1)
	return graph.Launch{
		Dispatches: append([]graph.Dispatch{first}, rest.Dispatches...),
		Scratch:    append([]int{outer * c * inner}, rest.Scratch...),
	}
}
