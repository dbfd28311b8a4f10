package op

import (
	"fmt"
	"sort"

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

// gemm is C = alpha · A B (+ bias) for a batch of matrices: A is m x k, B k x n.
type gemm struct {
	m, n, k int
	a, b, c operand
	bias    *graph.Arg // [n], for all rows
	alpha   float32
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
	HasBias                    uint32
}

// gemmVariant is one kernel: its block per thread, and how blocks fill a workgroup.
type gemmVariant struct {
	kind                byte // 'r': registers only, 't': tiles in workgroup memory
	rows, cols, threads int
	// speed is what the kernel reaches on a software adapter when every thread has a whole block to do.
	speed float64
}

var gemmVariants = map[string]gemmVariant{
	"R8":   {'r', 8, 8, 64, 18},
	"R16":  {'r', 16, 16, 8, 26},
	"R32":  {'r', 32, 16, 8, 31},
	"T64":  {'t', 4, 4, 256, 0},
	"T128": {'t', 8, 8, 256, 0},
}

// groups is the number of workgroups for one m x n matrix.
func (v gemmVariant) groups(m, n int) int {
	if v.kind == 't' {
		return graph.CeilDiv(m, 16*v.rows) * graph.CeilDiv(n, 16*v.cols)
	}
	return graph.CeilDiv(graph.CeilDiv(m, v.rows)*graph.CeilDiv(n, v.cols), v.threads)
}

// busy is the number of workgroups that keep an adapter of each class at work.
var busy = map[graph.Class]int{graph.Discrete: 256, graph.Integrated: 64, graph.Software: 8}

// variant chooses the kernel.
func (s gemm) variant(t graph.Target) gemmVariant {
	if v, ok := gemmVariants[t.Variant]; ok {
		return v
	}
	batch := s.c.batch1 * s.c.batch2
	if t.Class != graph.Software {
		if v := gemmVariants["T128"]; t.Class == graph.Discrete && v.groups(s.m, s.n)*batch >= busy[t.Class] {
			return v
		}
		return gemmVariants["T64"]
	}
	// The time is that of the padded work, shared by workgroups that may be too few.
	var best gemmVariant
	var fastest float64
	for _, name := range []string{"R8", "R16", "R32"} {
		v := gemmVariants[name]
		groups := v.groups(s.m, s.n) * batch * s.splits(v, t)
		padded := float64(groups*v.threads*v.rows*v.cols) / float64(s.splits(v, t))
		time := padded / v.speed * max(1, float64(busy[t.Class])/2/float64(groups))
		if fastest == 0 || time < fastest {
			best, fastest = v, time
		}
	}
	return best
}

const (
	// splitMin is the least number of terms worth a piece of its own, and what pieces are multiples of is splitStep.
	splitMin, splitStep = 256, 16
	// splitMax keeps one invocation's loops below graph.MaxTrips: tiles take a turn per term, and one more per sixteen.
	splitMax = graph.MaxTrips / 5 * 4 / splitStep * splitStep
	// scratchMax bounds a scratch buffer, in elements.
	scratchMax = 64 << 20 / 4
)

// splits is the number of pieces of the sum: enough to keep the adapter at work, and to keep loops short.
func (s gemm) splits(v gemmVariant, t graph.Target) int {
	batch := s.c.batch1 * s.c.batch2
	want := graph.CeilDiv(busy[t.Class], v.groups(s.m, s.n)*batch)
	want = min(want, s.k/splitMin, scratchMax/(s.m*s.n*batch))
	want = max(want, graph.CeilDiv(s.k, splitMax), 1)
	// Equal pieces may need fewer.
	return graph.CeilDiv(s.k, s.splitSize(want))
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
	v := s.variant(t)
	splits := s.splits(v, t)
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
	name := fmt.Sprintf("matmul:%c%dx%d/%d,%s%s,a%s,b%s", v.kind, v.rows, v.cols, v.threads,
		pick(transA, "t", "n"), pick(transB, "t", "n"), pick(s.a.vec(lengthA), "4", "1"), pick(s.b.vec(lengthB), "4", "1"))
	p := gemmParams{
		M: uint32(s.m), N: uint32(s.n), K: uint32(s.k), Batch: uint32(batch), Batch2: uint32(s.c.batch2),
		AOff: uint32(s.a.off), AB1: uint32(s.a.b1), AB2: uint32(s.a.b2), ARow: uint32(s.a.row), ACol: uint32(s.a.col),
		BOff: uint32(s.b.off), BB1: uint32(s.b.b1), BB2: uint32(s.b.b2), BRow: uint32(s.b.row), BCol: uint32(s.b.col),
		COff: uint32(s.c.off), CB1: uint32(s.c.b1), CB2: uint32(s.c.b2), CRow: uint32(s.c.row),
		Splits: uint32(splits), SplitSize: uint32(s.splitSize(splits)), Alpha: s.alpha,
	}
	grid := graph.Grid(v.groups(s.m, s.n))
	grid[2] = batch * splits
	bias := s.a.arg // stands in where there is none
	hasBias := uint32(0)
	if s.bias != nil {
		bias, hasBias = *s.bias, 1
	}
	// A turn for each term, and for tiles one more for each sixteen.
	product := graph.Dispatch{Shader: name, Entry: "matmul", Groups: grid, Trips: s.splitSize(splits) * 17 / 16}
	product.Binds = []graph.Bind{{Var: "a", Arg: s.a.arg}, {Var: "b", Arg: s.b.arg}, {Var: "bias", Arg: bias}, {Var: "c", Arg: s.c.arg}}
	if splits == 1 {
		p.HasBias = hasBias
		product.Params = p
		return []graph.Dispatch{product}
	}

	part := graph.Scratch(len(*scratch))
	*scratch = append(*scratch, splits*batch*s.m*s.n)
	pieces := p
	pieces.COff, pieces.CRow, pieces.CB2 = 0, p.N, uint32(s.m*s.n)
	pieces.CB1, pieces.CSplit = uint32(s.c.batch2*s.m*s.n), uint32(batch*s.m*s.n)
	product.Params, product.Binds[3].Arg = pieces, part
	p.CSplit, p.HasBias = pieces.CSplit, hasBias
	return []graph.Dispatch{product, {
		Shader: "matmul", Entry: "splitk_sum", Params: p,
		Binds:  []graph.Bind{{Var: "part", Arg: part}, {Var: "bias", Arg: bias}, {Var: "c", Arg: s.c.arg}},
		Groups: graph.Grid(graph.CeilDiv(batch*s.m*s.n, 64)), Trips: splits,
	}}
}

func pick(first bool, a, b string) string {
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
	chosen := matmulGemm(n).variant(graph.Target{Class: t.Class})
	var list []string
	for name, v := range gemmVariants {
		if v != chosen {
			list = append(list, name)
		}
	}
	sort.Strings(list)
	for name, v := range gemmVariants {
		if v == chosen {
			list = append([]string{name}, list...)
		}
	}
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
	if len(n.Inputs) == 3 {
		bias := graph.In(2)
		s.bias = &bias
	}
	return s
}

// matmulLaunch is the launch of matmul.
func matmulLaunch(n *graph.Node, t graph.Target) graph.Launch {
	var scratch []int
	s := matmulGemm(n)
	return graph.Launch{Dispatches: s.dispatches(t, &scratch), Scratch: scratch}
}
