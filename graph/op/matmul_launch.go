package op

import (
	"fmt"
	"maps"
	"slices"

	"goxkd/graph"
)

// operand places a batch of matrices in a buffer: element (r,c) of matrix (b1,b2) is at off + b1·b1Stride + b2·b2Stride +
// r·row + c·col. One of row and col is 1; for a result it is col.
type operand struct {
	arg            graph.Arg
	off            int
	b1, b2         int
	row, col       int
	batch1, batch2 int // of the result only: the number of matrices
}

// gemm is C = alpha · A B (+ bias) (+ x) for a batch of matrices: A is m x k, B k x n.
type gemm struct {
	m, n, k int
	a, b, c operand
	bias    *graph.Arg // [n], for all rows
	x       *graph.Arg // placed as C is
	// after is what is made of a sum: "gelu" keeps it in at, "slope" multiplies it by GELU's derivative there. With "sums" those of
	// the rows of A [m] go to at.
	after string
	at    graph.Arg // placed as C is, but for "sums"
	alpha float32
}

// gemmParams is struct Params of matmul.wgsl.
type gemmParams struct {
	M, N, K                    uint32
	Batch, Batch2              uint32
	AOff, AB1, AB2, ARow, ACol uint32
	BOff, BB1, BB2, BRow, BCol uint32
	COff, CB1, CB2, CRow       uint32
	Splits, SplitSize, CSplit  uint32
	Alpha                      float32
	HasBias, HasX              uint32
}

// gemmVariant is one kernel: its block per thread, and how blocks fill a workgroup.
type gemmVariant struct {
	kind         byte // 'r': registers only; 't' and 'p': tiles in workgroup memory, as in shaders/matmul.go
	rows, cols   int
	down, across int // threads; down is 1 for registers
}

var gemmVariants = map[string]gemmVariant{
	"R8":   {'r', 8, 8, 1, 64},
	"R16":  {'r', 16, 16, 1, 8},
	"R32":  {'r', 32, 16, 1, 8},
	"T32":  {'t', 4, 4, 8, 8},
	"T64":  {'t', 8, 8, 8, 8},
	"T64m": {'t', 4, 8, 16, 8},
	"T64w": {'t', 4, 4, 16, 16},
	"T128": {'t', 8, 8, 16, 16},
	"P128": {'p', 8, 8, 16, 16},
}

// gemmChoice is a kernel that a class of adapters may choose, and what it reaches when every thread has a whole block to do:
// in GFLOP/s on a software adapter, as a share of the fastest on a GPU. There, along takes the place of speed if both operands
// lie along the tiles (A is stored transposed and B is not), so that nothing is turned on its way into them.
type gemmChoice struct {
	name         string
	speed, along float64
}

// gemmChoices are the kernels for each class; of equals the first is taken. The shares for discrete GPUs are measured, on an
// NVIDIA H200 and an H100; those for integrated ones are assumed: Intel's have registers for half of the block of T128, unless nothing is
// turned, and fewer still where the next tile is fetched ahead (make static).
var gemmChoices = map[graph.Class][]gemmChoice{
	graph.Software:   {{"R8", 18, 18}, {"R16", 26, 26}, {"R32", 31, 31}},
	graph.Integrated: {{"T64m", 0.9, 0.9}, {"T128", 0.8, 1}, {"T32", 0.5, 0.5}},
	graph.Discrete:   {{"P128", 1, 0.79}, {"T128", 0.77, 0.83}, {"T64w", 0.73, 0.73}, {"T32", 0.67, 0.67}},
}

func (v gemmVariant) threads() int { return v.down * v.across }

// groups is the number of workgroups for one m x n matrix.
func (v gemmVariant) groups(m, n int) int {
	if v.kind != 'r' {
		return graph.CeilDiv(m, v.down*v.rows) * graph.CeilDiv(n, v.across*v.cols)
	}
	return graph.CeilDiv(graph.CeilDiv(m, v.rows)*graph.CeilDiv(n, v.cols), v.threads())
}

// gpuFigures are what the choice of a kernel takes into account of a class of GPUs.
type gpuFigures struct {
	busy  int     // threads that keep it at work
	round float64 // what is lost of a round of workgroups, since the last is rarely full
	start float64 // of a second kernel, when the first has ended: as multiplications and additions of the whole device
}

// gpus has figures as in gemmChoices: measured for discrete ones, assumed for integrated ones.
var gpus = map[graph.Class]gpuFigures{graph.Discrete: {64 << 10, 0.25, 120e6}, graph.Integrated: {16 << 10, 0.5, 20e6}}

// softwareBusy is the number of workgroups that keep a software adapter at work.
const softwareBusy = 8

// shape is the threads of a workgroup, as in the kernel's name.
func (v gemmVariant) shape() string {
	if v.kind == 'r' {
		return fmt.Sprint(v.across)
	}
	return fmt.Sprintf("%dx%d", v.down, v.across)
}

// trips are the loop turns for a sum of k terms: with registers one for four of them and for each that remains, with tiles
// one for sixteen and eight more inside, unless they are written out; with something made of the sums, one for every four of
// the thread's elements.
func (v gemmVariant) trips(k int, after string) int {
	switch after {
	case "":
	case "sums":
		return v.trips(k, "") + 16
	default:
		return v.trips(k, "") + v.rows*v.cols/4
	}
	switch v.kind {
	case 'r':
		return k/4 + min(k, 3)
	case 'p':
		return graph.CeilDiv(k, 16)
	default:
		return graph.CeilDiv(k, 16) * 9
	}
}

// speed is what a choice reaches for the product.
func (s gemm) speed(c gemmChoice, t graph.Target) float64 {
	// Sums beside the product take registers that integrated GPUs lack.
	short := t.Class == graph.Integrated && s.after == "sums"
	return pick(s.a.col != 1 && s.b.col == 1 && !short, c.along, c.speed)
}

// choose gives the kernel and the number of pieces of the sum.
func (s gemm) choose(t graph.Target) (best gemmVariant, splits int) {
	if v, ok := gemmVariants[t.Variant]; ok {
		splits, _ = s.splits(v, 1, t)
		return v, splits
	}
	var fastest float64
	for _, c := range gemmChoices[t.Class] {
		v := gemmVariants[c.name]
		n, time := s.splits(v, s.speed(c, t), t)
		if fastest == 0 || time < fastest {
			best, splits, fastest = v, n, time
		}
	}
	return best, splits
}

const (
	// splitMin is the least number of terms worth a piece of its own, and what pieces are multiples of is splitStep.
	splitMin, splitStep = 256, 16
	// splitMax keeps the loops of one invocation well below graph.MaxTrips.
	splitMax = graph.MaxTrips / 5 * 4 / splitStep * splitStep
	// scratchMax bounds a scratch buffer, in elements.
	scratchMax = 64 << 20 / 4
	// splitTries bounds the number of pieces that are thought of for GPUs.
	splitTries = 64
	// What starting a workgroup and storing its part takes, as terms of each sum; and moving an element of a piece, as
	// multiplications and additions of the whole device.
	groupCost, elementCost = 16, 20
)

// splits is the number of pieces of the sum, and the time that the kernel is then estimated to take, to compare kernels
// of one class.
func (s gemm) splits(v gemmVariant, speed float64, t graph.Target) (splits int, time float64) {
	batch := s.c.batch1 * s.c.batch2
	most := min(s.k/splitMin, scratchMax/(s.m*s.n*batch))
	least := max(graph.CeilDiv(s.k, splitMax), 1)
	// Equal pieces may need fewer.
	equal := func(want int) int { return graph.CeilDiv(s.k, s.splitSize(want)) }
	blocks := v.groups(s.m, s.n) * batch
	if t.Class == graph.Software {
		// As many as keep the adapter at work. The time is that of the padded work, shared by workgroups that may be too few.
		splits = equal(max(min(graph.CeilDiv(softwareBusy, blocks), most), least))
		groups := blocks * splits
		return splits, float64(blocks*v.threads()*v.rows*v.cols) / speed * max(1, softwareBusy/2/float64(groups))
	}
	for want := least; want == least || want <= min(most, splitTries); want++ {
		n := equal(want)
		if n == splits {
			continue
		}
		if took := s.time(v, speed, t, n); time == 0 || took < time {
			splits, time = n, took
		}
	}
	return splits, time
}

// time estimates the time on a GPU, in multiplications and additions of the fastest kernel on the whole of it: those of
// the padded work, with what is lost of a round of workgroups; and, for a sum in pieces, writing and reading the pieces and
// starting a second kernel.
func (s gemm) time(v gemmVariant, speed float64, t graph.Target, splits int) float64 {
	gpu := gpus[t.Class]
	batch := s.c.batch1 * s.c.batch2
	groups := float64(v.groups(s.m, s.n)*batch*splits) + gpu.round*float64(max(1, gpu.busy/v.threads()))
	depth := float64(graph.CeilDiv(s.splitSize(splits), splitStep)*splitStep + groupCost)
	work := groups * depth * float64(v.threads()*v.rows*v.cols) / speed
	if splits > 1 {
		work += float64(splits+1)*float64(s.m*s.n*batch)*elementCost + gpu.start
	}
	return work
}

func (s gemm) splitSize(splits int) int {
	return graph.CeilDiv(graph.CeilDiv(s.k, splits), splitStep) * splitStep
}

// vec reports whether vec4 loads suit an operand whose contiguous dimension has the given length.
func (o operand) vec(length int) bool {
	stride := o.row
	if o.col != 1 {
		stride = o.col
	}
	return o.off%4 == 0 && o.b1%4 == 0 && o.b2%4 == 0 && stride%4 == 0 && length%4 == 0
}

// dispatches gives the kernels to run in order. Pieces of a sum that is split go to a scratch buffer added to scratch.
func (s gemm) dispatches(t graph.Target, scratch *[]int) []graph.Dispatch {
	v, splits := s.choose(t)
	batch := s.c.batch1 * s.c.batch2
	// a is stored [k,m] or b [n,k] where their strides say so.
	transA, transB := s.a.col != 1, s.b.row == 1 && s.b.col != 1
	lengthA, lengthB := s.k, s.n
	if transA {
		lengthA = s.m
	}
	if transB {
		lengthB = s.k
	}
	vecC := s.c.vec(s.n)
	if splits > 1 {
		vecC = s.n%4 == 0 // pieces are dense
	}
	name := fmt.Sprintf("matmul:%c%dx%d/%s,%s%s,a%s,b%s,c%s", v.kind, v.rows, v.cols, v.shape(),
		pick(transA, "t", "n"), pick(transB, "t", "n"), pick(s.a.vec(lengthA), "4", "1"), pick(s.b.vec(lengthB), "4", "1"), pick(vecC, "4", "1"))
	after := s.after
	if splits > 1 && after != "sums" {
		after = "" // pieces are sums yet
	}
	if after != "" {
		name += "," + after
	}
	p := gemmParams{
		M: uint32(s.m), N: uint32(s.n), K: uint32(s.k), Batch: uint32(batch), Batch2: uint32(s.c.batch2),
		AOff: uint32(s.a.off), AB1: uint32(s.a.b1), AB2: uint32(s.a.b2), ARow: uint32(s.a.row), ACol: uint32(s.a.col),
		BOff: uint32(s.b.off), BB1: uint32(s.b.b1), BB2: uint32(s.b.b2), BRow: uint32(s.b.row), BCol: uint32(s.b.col),
		COff: uint32(s.c.off), CB1: uint32(s.c.b1), CB2: uint32(s.c.b2), CRow: uint32(s.c.row),
		Splits: uint32(splits), SplitSize: uint32(s.splitSize(splits)), Alpha: s.alpha,
	}
	grid := graph.Grid(v.groups(s.m, s.n))
	grid[2] = batch * splits
	// B stands in where there is none, and is made of vec4s where rows of C are.
	bias, x := graph.Bind{Var: "bias", Arg: s.b.arg, Elements: -1}, graph.Bind{Var: "x", Arg: s.b.arg, Elements: -1}
	var hasBias, hasX uint32
	if s.bias != nil {
		bias.Arg, bias.Elements, hasBias = *s.bias, s.n, 1
	}
	if s.x != nil {
		x.Arg, x.Elements, hasX = *s.x, s.m*s.n*batch, 1
	}
	product := graph.Dispatch{Shader: name, Entry: "matmul", Groups: grid, Trips: v.trips(s.splitSize(splits), after)}
	c := graph.Bind{Var: "c", Arg: s.c.arg, Elements: s.m * s.n * batch}
	product.Binds = []graph.Bind{
		{Var: "a", Arg: s.a.arg, Elements: s.m * s.k * batch}, {Var: "b", Arg: s.b.arg, Elements: s.k * s.n * batch}, bias, c, x,
	}
	at := graph.Bind{Var: "at", Arg: s.at, Elements: c.Elements}
	if after == "sums" {
		at.Elements = s.m
	}
	if after != "" {
		product.Binds = append(product.Binds, at)
	}
	if splits == 1 {
		p.HasBias, p.HasX = hasBias, hasX
		product.Params = p
		return []graph.Dispatch{product}
	}

	part := graph.Scratch(len(*scratch))
	*scratch = append(*scratch, splits*batch*s.m*s.n)
	pieces := p
	pieces.COff, pieces.CRow, pieces.CB2 = 0, p.N, uint32(s.m*s.n)
	pieces.CB1, pieces.CSplit = uint32(s.c.batch2*s.m*s.n), uint32(batch*s.m*s.n)
	product.Params = pieces
	if after == "sums" {
		sums := graph.Scratch(len(*scratch))
		*scratch = append(*scratch, splits*s.m)
		product.Binds[5] = graph.Bind{Var: "at", Arg: sums, Elements: splits * s.m}
	}
	product.Binds[2].Elements, product.Binds[4].Elements = -1, -1
	product.Binds[3] = graph.Bind{Var: "c", Arg: part, Elements: splits * c.Elements}
	p.CSplit, p.HasBias, p.HasX = pieces.CSplit, hasBias, hasX
	sum := graph.Dispatch{
		Shader: "matmul", Entry: "splitk_sum", Params: p,
		Binds:  []graph.Bind{{Var: "part", Arg: part, Elements: splits * c.Elements}, bias, c, x},
		Groups: graph.Grid(graph.CeilDiv(batch*s.m*s.n, 64)), Trips: splits,
	}
	switch s.after {
	case "":
	case "sums":
		sum.Entry = "splitk_sums"
		sum.Groups = graph.Grid(graph.CeilDiv(batch*s.m*s.n+s.m, 64))
		at.Var = "kept"
		sum.Binds = append(sum.Binds, at, graph.Bind{Var: "at", Arg: product.Binds[5].Arg, Elements: splits * s.m})
	default:
		sum.Entry = "splitk_" + s.after
		at.Var = pick(s.after == "gelu", "kept", "at")
		sum.Binds = append(sum.Binds, at)
	}
	return []graph.Dispatch{product, sum}
}

func pick[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// dense places one row-major matrix with the given row length, transposed or not.
func dense(arg graph.Arg, length int, trans bool) operand {
	o := operand{arg: arg, row: length, col: 1, batch1: 1, batch2: 1}
	if trans {
		o.row, o.col = 1, length
	}
	return o
}

// matmulVariants lists every kernel, the one that is chosen for the shape first.
func matmulVariants(n *graph.Node, t graph.Target) []string {
	chosen, _ := matmulGemm(n).choose(graph.Target{Class: t.Class})
	list := slices.Sorted(maps.Keys(gemmVariants))
	slices.SortStableFunc(list, func(a, b string) int {
		return pick(gemmVariants[a] == chosen, 0, 1) - pick(gemmVariants[b] == chosen, 0, 1)
	})
	return list
}

// matmulGemm places the operands of a matmul node.
func matmulGemm(n *graph.Node) gemm {
	attrs := n.Attrs.(MatMulAttrs)
	rows, cols, k := MatMulSize(n)
	s := gemm{m: rows, n: cols, k: k, alpha: 1, c: dense(graph.Out(), cols, false)}
	if attrs.TransA {
		s.a = dense(graph.In(0), rows, true)
	} else {
		s.a = dense(graph.In(0), k, false)
	}
	if attrs.TransB {
		s.b = dense(graph.In(1), k, true)
	} else {
		s.b = dense(graph.In(1), cols, false)
	}
	bias, x, at := MatMulInputs(n)
	if bias > 0 {
		arg := graph.In(bias)
		s.bias = &arg
	}
	if x > 0 {
		arg := graph.In(x)
		s.x = &arg
	}
	switch {
	case attrs.GELU:
		s.after, s.at = "gelu", graph.Result(1)
	case attrs.Sums:
		s.after, s.at = "sums", graph.Result(1)
	case at > 0:
		s.after, s.at = "slope", graph.In(at)
	}
	return s
}

// matmulLaunch is the launch of matmul.
func matmulLaunch(n *graph.Node, t graph.Target) graph.Launch {
	var scratch []int
	s := matmulGemm(n)
	return graph.Launch{Dispatches: s.dispatches(t, &scratch), Scratch: scratch}
}
