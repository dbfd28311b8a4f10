package shaders

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// matmul describes a specialised matrix product. The WGSL compiler at hand has no arrays sized by constants, and drivers
// keep only unrolled code in registers, so the text of each kernel is written out here.
//
// As a file name for Load it is "matmul:r32x16/8,nt,a4,b1,c4": a kernel with registers only (r), or with tiles in workgroup
// memory that are filled when they are due (t), or have their next contents on the way meanwhile and their whole depth written
// out (p); the block of C that one thread computes; the threads of a workgroup, for tiles by rows and columns (8x16); whether A
// and B are stored transposed (t) or not (n); and vec4 (4) or scalar (1) access to A, B and C. vec4 access needs every offset,
// stride and contiguous length of the operand, and the pieces of k, to divide by 4; the bias and x are read as C is written. A
// last word tells what is made of the sums, ",gelu" or ",slope", or with ",sums" that those over the rows of A are made too.
type matmul struct {
	kind             byte
	rows, cols       int
	down, across     int // threads; down is 1 for registers
	transA, transB   bool
	vecA, vecB, vecC bool
	after            string
}

const (
	matmulPrefix = "matmul:"
	// plainMark is where the specialised kernel replaces the rest of matmul.wgsl.
	plainMark = "// The plain kernels"
	// tileK is the depth of a shared tile.
	tileK = 16
)

var matmulName = regexp.MustCompile(`^matmul:([rtp])(\d+)x(\d+)/(?:(\d+)x)?(\d+),([nt])([nt]),a([14]),b([14]),c([14])(?:,(gelu|slope|sums))?$`)

func parseMatmul(name string) (matmul, error) {
	f := matmulName.FindStringSubmatch(name)
	if f == nil {
		return matmul{}, fmt.Errorf("shaders: %q names no matrix product", name)
	}
	m := matmul{
		kind: f[1][0], down: 1, transA: f[6] == "t", transB: f[7] == "t", vecA: f[8] == "4", vecB: f[9] == "4", vecC: f[10] == "4",
		after: f[11],
	}
	for i, p := range []*int{&m.rows, &m.cols, &m.down, &m.across} {
		if f[2+i] != "" {
			*p, _ = strconv.Atoi(f[2+i]) // the pattern admits digits only
		}
	}
	if m.rows%4 != 0 || m.cols%4 != 0 || m.rows*m.cols == 0 || m.down*m.across == 0 || m.down*m.across > 256 {
		return matmul{}, fmt.Errorf("shaders: %q: blocks are multiples of 4, of at most 256 threads", name)
	}
	if m.after == "sums" && !m.transA {
		return matmul{}, fmt.Errorf("shaders: %q: sums are of a transposed A", name)
	}
	if m.kind == 'r' != (f[4] == "") {
		return matmul{}, fmt.Errorf("shaders: %q: threads have rows for tiles, and for them only", name)
	}
	if m.kind != 'r' {
		for _, p := range []int{m.rows / 4, m.cols / 4, m.down / 8, m.across / 8} {
			if p == 0 || p&(p-1) != 0 {
				return matmul{}, fmt.Errorf("shaders: %q: tiles are powers of two, of eight threads a row and column at least", name)
			}
		}
	}
	return m, nil
}

// whole reports whether every piece of k divides by the unrolling, as vec4 loads along k need.
func (m matmul) whole() bool { return m.vecA && !m.transA || m.vecB && m.transB }

// unroll is the number of k that one turn of a register kernel's loop takes.
const unroll = 4

func matmulText(name string) (string, error) {
	m, err := parseMatmul(name)
	if err != nil {
		return "", err
	}
	base, err := Library{}.open("matmul")
	if err != nil {
		return "", err
	}
	at := strings.Index(base, plainMark)
	if at < 0 {
		return "", fmt.Errorf("shaders: matmul.wgsl has no line %q", plainMark)
	}
	w := &writer{}
	w.line("%s", base[:at])
	w.declare("a", 1, "read", m.vecA)
	w.declare("b", 2, "read", m.vecB)
	w.declare("bias", 3, "read", m.vecC)
	w.declare("c", 4, "read_write", m.vecC)
	w.declare("x", 5, "read", m.vecC)
	switch m.after {
	case "gelu":
		w.declare("at", 6, "read_write", m.vecC)
	case "slope":
		w.declare("at", 6, "read", m.vecC)
	case "sums":
		w.declare("at", 6, "read_write", false)
	}
	if m.finishes() {
		w.line("//!include erf")
	}
	m.put(w)
	if m.kind == 'r' {
		m.registers(w)
	} else {
		m.shared(w)
	}
	return w.String(), nil
}

// writer collects lines.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *writer) declare(name string, binding int, access string, vec bool) {
	typ := "f32"
	if vec {
		typ = "vec4<f32>"
	}
	w.line("@group(0) @binding(%d) var<storage, %s> %s: array<%s>;", binding, access, name, typ)
}

// bases starts the kernel's body: the piece of k, and where the batch's matrices begin.
func (w *writer) bases(z string) {
	w.line("    let split = %s %% params.splits;", z)
	w.line("    let batch = %s / params.splits;", z)
	w.line("    let b1 = batch / params.batch2;")
	w.line("    let b2 = batch %% params.batch2;")
	w.line("    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;")
	w.line("    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;")
	w.line("    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;")
	w.line("    let k0 = split * params.split_size;")
	w.line("    let k1 = min(params.k, k0 + params.split_size);")
}

// put writes the helpers that give the bias of four columns and store four neighbours of a row, or as many as there are,
// with those of x added.
func (m matmul) put(w *writer) {
	w.line("fn bias_of(col: u32) -> vec4<f32> {")
	w.line("    if (params.has_bias == 0u) {")
	w.line("        return vec4<f32>(0.0);")
	w.line("    }")
	if m.vecC {
		w.line("    return bias[min(col, params.n - 4u) / 4u];")
	} else {
		w.line("    let last = params.n - 1u;")
		w.line("    return vec4<f32>(bias[min(col, last)], bias[min(col + 1u, last)], bias[min(col + 2u, last)], bias[min(col + 3u, last)]);")
	}
	w.line("}")
	w.line("fn put(i: u32, col: u32, sum: vec4<f32>, plus: vec4<f32>) {")
	w.line("    var v = sum * params.alpha + plus;")
	if m.vecC {
		w.line("    if (col < params.n) {")
		w.line("        if (params.has_x != 0u) { v += x[(i + col) / 4u]; }")
		w.line("        %s[(i + col) / 4u] = v;", m.stored())
		w.line("    }")
	} else {
		for j, e := range component {
			w.line("    if (col + %du < params.n) {", j)
			w.line("        if (params.has_x != 0u) { v.%s += x[i + col + %du]; }", e, j)
			w.line("        %s[i + col + %du] = v.%s;", m.stored(), j, e)
			w.line("    }")
		}
	}
	w.line("}")
	if m.finishes() {
		m.finish(w)
	}
}

// finishes reports whether something is made of the elements of C.
func (m matmul) finishes() bool { return m.after == "gelu" || m.after == "slope" }

// stored is where sums are kept, until something is made of them.
func (m matmul) stored() string {
	if m.after == "gelu" {
		return "at"
	}
	return "c"
}

// finish writes the helper that makes something of four neighbours of a row which are stored. A thread calls it in a loop over
// its elements, when it has stored all: registers are free then, and the text is short.
func (m matmul) finish(w *writer) {
	w.line("fn finish(i: u32, col: u32) {")
	if m.vecC {
		w.line("    if (col < params.n) {")
		w.line("        let k = (i + col) / 4u;")
		w.line("        let v = at[k];")
		var parts [4]string
		for j, e := range component {
			if m.after == "gelu" {
				parts[j] = fmt.Sprintf("v.%s * normal(v.%s).x", e, e)
				continue
			}
			w.line("        let p%s = normal(v.%s);", e, e)
			parts[j] = fmt.Sprintf("p%s.x + v.%s * p%s.y", e, e, e)
		}
		made := fmt.Sprintf("vec4<f32>(%s)", strings.Join(parts[:], ", "))
		if m.after == "slope" {
			made = "c[k] * " + made
		}
		w.line("        c[k] = %s;", made)
		w.line("    }")
	} else {
		w.line("    for (var k = i + col; k < i + min(col + 4u, params.n); k++) {")
		w.line("        let v = at[k];")
		w.line("        let p = normal(v);")
		if m.after == "gelu" {
			w.line("        c[k] = v * p.x;")
		} else {
			w.line("        c[k] = c[k] * (p.x + v * p.y);")
		}
		w.line("    }")
	}
	w.line("}")
}

// finishing writes the loop that calls it; row and col are those of the thread's row r and four of columns q.
func (m matmul) finishing(w *writer, row, col string) {
	if !m.finishes() {
		return
	}
	w.line("    for (var e = 0u; e < %du; e++) {", m.rows*m.cols/4)
	w.line("        let r = e / %du;", m.cols/4)
	w.line("        let q = e %% %du;", m.cols/4)
	w.line("        let row = %s;", row)
	w.line("        if (row < params.m) { finish(c0 + row * params.c_row, %s); }", col)
	w.line("    }")
}

// registers writes the kernels without shared memory: one thread computes a block of C in registers. Rows and columns
// past the edge read the last one again and are not stored.
func (m matmul) registers(w *writer) {
	quads := m.cols / 4
	w.line("// One thread computes %d x %d elements of C; blocks are numbered along n first.", m.rows, m.cols)
	w.line("@compute @workgroup_size(%d)", m.across)
	w.line("fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {")
	w.line("    let block = id.y * groups.x * %du + id.x;", m.across)
	w.line("    let across = (params.n + %du) / %du;", m.cols-1, m.cols)
	w.line("    if (block >= across * ((params.m + %du) / %du)) { return; }", m.rows-1, m.rows)
	w.line("    let m0 = block / across * %du;", m.rows)
	w.line("    let n0 = block %% across * %du;", m.cols)
	w.bases("id.z")

	// Where each row of A and column of B starts; in units of four elements with vec4 loads.
	for i := range m.rows {
		switch {
		case !m.transA:
			w.line("    %s", quarter(m.vecA, "let ra%d = (a0 + min(m0 + %du, params.m - 1u) * params.a_row + k0)", i, i))
		case m.vecA && i%4 == 0:
			w.line("    let ra%d = (a0 + min(m0 + %du, params.m - 4u)) / 4u;", i/4, i)
		case !m.vecA:
			w.line("    let ra%d = a0 + min(m0 + %du, params.m - 1u);", i, i)
		}
	}
	for j := range m.cols {
		switch {
		case m.transB:
			w.line("    %s", quarter(m.vecB, "let rb%d = (b0 + min(n0 + %du, params.n - 1u) * params.b_col + k0)", j, j))
		case m.vecB && j%4 == 0:
			w.line("    let rb%d = (b0 + min(n0 + %du, params.n - 4u)) / 4u;", j/4, j)
		case !m.vecB:
			w.line("    let rb%d = b0 + min(n0 + %du, params.n - 1u);", j, j)
		}
	}
	for i := range m.rows {
		for q := range quads {
			w.line("    var c%d_%d = vec4<f32>(0.0);", i, q)
		}
	}
	if m.after == "sums" {
		for i := range m.rows / 4 {
			w.line("    var d%d = vec4<f32>(0.0);", i)
		}
	}
	// ka and kb walk along k.
	w.line("    %s", initial("ka", m.transA, m.vecA, "a_col"))
	w.line("    %s", initial("kb", !m.transB, m.vecB, "b_row"))
	if m.transA {
		w.line("    %s", quarter(m.vecA, "let sa = (params.a_col)"))
	}
	if !m.transB {
		w.line("    %s", quarter(m.vecB, "let sb = (params.b_row)"))
	}
	w.line("    var k = k0;")
	w.line("    for (; k + %du <= k1; k += %du) {", unroll, unroll)
	m.turn(w, unroll)
	w.line("    }")
	if !m.whole() {
		w.line("    for (; k < k1; k++) {")
		m.turn(w, 1)
		w.line("    }")
	}
	for q := range quads {
		w.line("    let plus%d = bias_of(n0 + %du);", q, 4*q)
	}
	// A loop stores the first rows, and moves the others into their places. Written out for all rows, the stores would make most
	// of the text, and software adapters' compilers would take seconds over them.
	w.line("    for (var r = m0; r < min(m0 + %du, params.m); r += %du) {", m.rows, together)
	for i := range together {
		w.line("        if (r + %du < params.m) {", i)
		w.line("            let i = c0 + (r + %du) * params.c_row;", i)
		for q := range quads {
			w.line("            put(i, n0 + %du, c%d_%d, plus%d);", 4*q, i, q, q)
		}
		if m.after == "sums" {
			w.line("            if (n0 == 0u) { at[split * params.m + r + %du] = d0.%s; }", i, component[i])
		}
		w.line("        }")
	}
	for i := range m.rows - together {
		for q := range quads {
			w.line("        c%d_%d = c%d_%d;", i, q, i+together, q)
		}
	}
	if m.after == "sums" {
		for i := range m.rows/4 - 1 {
			w.line("        d%d = d%d;", i, i+1)
		}
	}
	w.line("    }")
	m.finishing(w, "m0 + r", "n0 + 4u * q")
	w.line("}")
}

// together is the number of rows that a register kernel stores at a time: those of one vector of sums.
const together = 4

var component = [4]string{"x", "y", "z", "w"}

// turn writes one turn of the loop over k. All of B's share is loaded first; each element of C then takes its terms one
// after the other, so that it stays in a register for them.
func (m matmul) turn(w *writer, unroll int) {
	quads := m.cols / 4
	if m.vecB && m.transB {
		for j := range m.cols {
			w.line("        let b%d = b[rb%d + kb];", j, j)
		}
	}
	for kk := range unroll {
		for q := range quads {
			var e [4]string
			for x := range 4 {
				switch j := 4*q + x; {
				case m.vecB && m.transB:
					e[x] = fmt.Sprintf("b%d.%s", j, component[kk])
				case m.transB:
					e[x] = fmt.Sprintf("b[rb%d + kb + %du]", j, kk)
				default:
					e[x] = fmt.Sprintf("b[rb%d + kb%s]", j, ahead(kk, "sb"))
				}
			}
			if m.vecB && !m.transB {
				w.line("        let v%d_%d = b[rb%d + kb%s];", kk, q, q, ahead(kk, "sb"))
			} else {
				w.line("        let v%d_%d = vec4<f32>(%s);", kk, q, strings.Join(e[:], ", "))
			}
		}
	}
	for i := range m.rows {
		if m.vecA && !m.transA {
			w.line("        let a%d = a[ra%d + ka];", i, i)
		}
		for kk := range unroll {
			if m.after == "sums" && !m.vecA {
				w.line("        d%d.%s += a[ra%d + ka%s];", i/4, component[i%4], i, ahead(kk, "sa"))
			}
			s := ""
			switch {
			case m.vecA && !m.transA:
				s = fmt.Sprintf("a%d.%s", i, component[kk])
			case m.vecA:
				if i%4 == 0 {
					w.line("        let u%d_%d = a[ra%d + ka%s];", kk, i/4, i/4, ahead(kk, "sa"))
					if m.after == "sums" {
						w.line("        d%d += u%d_%d;", i/4, kk, i/4)
					}
				}
				s = fmt.Sprintf("u%d_%d.%s", kk, i/4, component[i%4])
			case m.transA:
				s = fmt.Sprintf("a[ra%d + ka%s]", i, ahead(kk, "sa"))
			default:
				s = fmt.Sprintf("a[ra%d + ka + %du]", i, kk)
			}
			w.line("        let s%d_%d = vec4<f32>(%s);", kk, i, s)
		}
		for q := range quads {
			for kk := range unroll {
				w.line("        c%d_%d = fma(s%d_%d, v%d_%d, c%d_%d);", i, q, kk, i, kk, q, i, q)
			}
		}
	}
	w.line("        ka += %s;", advance(m.transA, m.vecA, unroll, "sa"))
	w.line("        kb += %s;", advance(!m.transB, m.vecB, unroll, "sb"))
}

// ahead is the offset of the kk-th next k along a stride.
func ahead(kk int, stride string) string {
	if kk == 0 {
		return ""
	}
	return fmt.Sprintf(" + %du * %s", kk, stride)
}

// advance is the step of a running offset after one turn.
func advance(strided, vec bool, unroll int, stride string) string {
	switch {
	case strided:
		return fmt.Sprintf("%du * %s", unroll, stride)
	case vec:
		return "1u"
	default:
		return fmt.Sprintf("%du", unroll)
	}
}

// initial declares the running offset along k. Operands with k contiguous have k0 in their rows' starts already.
func initial(name string, strided, vec bool, stride string) string {
	if !strided {
		return fmt.Sprintf("var %s = 0u;", name)
	}
	return quarter(vec, "var %s = (k0 * params.%s)", name, stride)
}

// quarter ends a declaration, in units of four elements for vec4 loads.
func quarter(vec bool, format string, args ...any) string {
	s := fmt.Sprintf(format, args...)
	if vec {
		return s + " / 4u;"
	}
	return s + ";"
}

// shared writes the kernels with tiles in workgroup memory. A tile is kept as rows of vec4s, one row for each k: indices
// are clamped one by one where the compiler guards them, so that loads of single words cannot be merged. Rows lie in twos, the
// turns of the inner loop, since the second then lies at a known distance from the first. A thread's rows and
// columns are groups of four, as far apart as there are threads, so that neighbouring threads read neighbouring vec4s.
func (m matmul) shared(w *writer) {
	bm, bn := m.down*m.rows, m.across*m.cols
	threads := m.down * m.across
	quads := m.cols / 4
	a := &tile{name: "a", reg: "a", at: "ty", width: bm, threads: threads, along: m.transA, vec: m.vecA, origin: "m0", size: "m", stride: "a_row", deep: "a_col"}
	b := &tile{name: "b", reg: "b", last: true, at: "tx", width: bn, threads: threads, along: !m.transB, vec: m.vecB, origin: "n0", size: "n", stride: "b_col", deep: "b_row"}
	tiles := []*tile{a, b}
	if a.blocks() && b.blocks() && a.units() == b.units() && 2*a.units() <= threads {
		a.reg, b.reg = "s", "s" // no thread fills both: they share the registers
	}
	for _, t := range tiles {
		w.line("var<workgroup> tile_%s: array<array<array<vec4<f32>, %d>, %d>, %d>;", t.name, t.quads(), tileUnroll, tileK/tileUnroll)
	}
	w.line("// A workgroup computes %d x %d elements of C through tiles of depth %d, a thread %d x %d of them.", bm, bn, tileK, m.rows, m.cols)
	w.line("@compute @workgroup_size(%d)", threads)
	w.line("fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {")
	w.line("    let block = group.y * groups.x + group.x;")
	w.line("    let across = (params.n + %du) / %du;", bn-1, bn)
	w.line("    if (block >= across * ((params.m + %du) / %du)) { return; }", bm-1, bm)
	w.line("    let m0 = block / across * %du;", bm)
	w.line("    let n0 = block %% across * %du;", bn)
	w.bases("group.z")
	m.numbers(w)
	for i := range m.rows {
		for q := range quads {
			w.line("    var c%d_%d = vec4<f32>(0.0);", i, q)
		}
	}
	for _, t := range tiles {
		t.places(w)
	}
	if m.after == "sums" {
		a.sums = true
		for r := range a.rounds() {
			w.line("    var d%d = vec4<f32>(0.0);", r)
		}
	}
	if m.kind == 'p' {
		for _, t := range tiles {
			t.load(w, "    ", "k0")
		}
	}
	w.line("    for (var k = k0; k < k1; k += %du) {", tileK)
	for _, t := range tiles {
		if m.kind == 't' {
			t.load(w, "        ", "k")
		}
		t.store(w)
	}
	w.line("        workgroupBarrier();")
	if m.kind == 'p' {
		w.line("        let next = k + %du;", tileK)
		for _, t := range tiles {
			t.load(w, "        ", "next")
		}
	}
	if m.kind == 'p' {
		for kk := range tileK / tileUnroll {
			w.line("        {")
			m.products(w, tiles, fmt.Sprintf("%du", kk))
			w.line("        }")
		}
	} else {
		w.line("        for (var kk = 0u; kk < %du; kk++) {", tileK/tileUnroll)
		m.products(w, tiles, "kk")
		w.line("        }")
	}
	w.line("        workgroupBarrier();")
	w.line("    }")
	for q := range quads {
		w.line("    let n%d = n0 + %du + tx * 4u;", q+1, 4*m.across*q)
		w.line("    let plus%d = bias_of(n%d);", q, q+1)
	}
	for i := range m.rows {
		w.line("    let m%d = m0 + %du + ty * 4u;", i+1, i/4*4*m.down+i%4)
		w.line("    if (m%d < params.m) {", i+1)
		w.line("        let i = c0 + m%d * params.c_row;", i+1)
		for q := range quads {
			w.line("        put(i, n%d, c%d_%d, plus%d);", q+1, i, q, q)
		}
		w.line("    }")
	}
	if m.after == "sums" {
		a.total(w)
	}
	m.finishing(w, fmt.Sprintf("m0 + r / 4u * %du + r %% 4u + ty * 4u", 4*m.down), fmt.Sprintf("n0 + q * %du + tx * 4u", 4*m.across))
	w.line("}")
}

// numbers declares ty and tx, which number a thread down and across. The kernels that are written out have them in patches of
// 4 x 8, so that those of a subgroup of 32 read 4 + 8 vec4s of the tiles at a time and not 2 + 16.
func (m matmul) numbers(w *writer) {
	if m.kind != 'p' {
		w.line("    let ty = t / %du;", m.across)
		w.line("    let tx = t %% %du;", m.across)
		return
	}
	w.line("    let ty = t / %du * 4u + t / 8u %% 4u;", 4*m.across)
	w.line("    let tx = t / 32u %% %du * 8u + t %% 8u;", m.across/8)
}

// products writes a turn of the inner loop, number kk: the products of tileUnroll rows of the tiles.
func (m matmul) products(w *writer, tiles []*tile, kk string) {
	for _, t := range tiles {
		if t.along {
			w.line("            let p%s = %s;", t.name, t.at)
		} else {
			w.line("            let p%s = %s ^ (%s & 6u);", t.name, t.at, kk)
		}
	}
	quads := m.cols / 4
	for u := range tileUnroll {
		for g := range m.rows / 4 {
			w.line("            let u%d_%d = tile_a[%s][%d][%s];", u, g, kk, u, plus("pa", g*m.down))
		}
		for q := range quads {
			w.line("            let v%d_%d = tile_b[%s][%d][%s];", u, q, kk, u, plus("pb", q*m.across))
		}
		for i := range m.rows {
			for q := range quads {
				w.line("            c%d_%d = fma(vec4<f32>(u%d_%d.%s), v%d_%d, c%d_%d);", i, q, u, i/4, component[i%4], u, q, i, q)
			}
		}
	}
}

// tileUnroll is the number of k that one turn of the inner loop takes; with four in a loop, some drivers run out of registers.
const tileUnroll = 2

func plus(name string, n int) string {
	if n == 0 {
		return name
	}
	return fmt.Sprintf("%s + %du", name, n)
}

// tile describes how an operand fills its part of workgroup memory, tileK rows of width/4 vec4s. Places past the edge of
// the matrix take the last row or column again, since nothing is made of them; past the end of k they are zero.
//
// A thread fetches units. Where memory runs along the tile's width, a unit is one vec4 of a row. Where it runs along k, a
// unit is four vec4s, a block of 4 x 4 that is turned in registers, or with scalar loads again one vec4 of a row. Threads
// that store at the same time then differ in their rows, whose lengths are multiples of the number of memory banks; so the
// vec4s of row kk are permuted: number x is kept at x ^ 2(kk/4), and no two of the eight that are stored at a time collide.
type tile struct {
	name, at string // its name, and what numbers the threads along its width
	reg      string // begins the names of a thread's variables
	width    int
	threads  int
	along    bool // contiguous along the tile's width (m or n), not along k
	vec      bool
	sums     bool   // what is stored is added up as well
	last     bool   // filled by the last threads, where not all are needed
	origin   string // where the width begins
	size     string // the parameter that bounds the width
	stride   string // along the width
	deep     string // along k
}

func (t *tile) quads() int { return t.width / 4 }

// blocks reports whether units are blocks.
func (t *tile) blocks() bool { return t.vec && !t.along }

func (t *tile) units() int {
	if t.blocks() {
		return t.quads() * tileK / 4
	}
	return t.quads() * tileK
}

// rounds is the number of units of a thread.
func (t *tile) rounds() int { return max(1, t.units()/t.threads) }

// some opens a condition if not all threads have a unit.
func (t *tile) some(w *writer, indent string) (inner string, end func()) {
	if t.units() >= t.threads {
		return indent, func() {}
	}
	if t.last {
		w.line("%sif (t >= %du) {", indent, t.threads-t.units())
	} else {
		w.line("%sif (t < %du) {", indent, t.units())
	}
	return indent + "    ", func() { w.line("%s}", indent) }
}

// places declares where the units of a thread are, and what it fetches: x numbers the vec4 along the width, d is the k.
func (t *tile) places(w *writer) {
	n := t.reg
	first := "t"
	if t.units() < t.threads {
		first = fmt.Sprintf("t %% %du", t.units())
	}
	if n != t.name && t.last {
		w.line("    if (t >= %du) {", t.threads-t.units())
		for j := range 4 {
			w.line("        o%s0_%d = %s;", n, j, t.line(0, j))
		}
		w.line("    }")
		return
	}
	for r := range t.rounds() {
		e := plus(first, r*t.threads)
		if e != "t" {
			e = "(" + e + ")"
		}
		switch {
		case t.along:
			w.line("    let x%s%d = %s %% %du;", n, r, e, t.quads())
			w.line("    let d%s%d = %s / %du;", n, r, e, t.quads())
		case t.vec:
			w.line("    let x%s%d = %s / %du;", n, r, e, tileK/4)
			w.line("    let d%s%d = %s %% %du * 4u;", n, r, e, tileK/4)
		default:
			w.line("    let x%s%d = %s / %du;", n, r, e, tileK)
			w.line("    let d%s%d = %s %% %du;", n, r, e, tileK)
		}
		if t.along && t.vec {
			w.line("    let o%s%d = (%s0 + min(%s + x%s%d * 4u, params.%s - 4u)) / 4u;", n, r, t.name, t.origin, n, r, t.size)
			w.line("    var g%s%d = vec4<f32>(0.0);", n, r)
			continue
		}
		for j := range 4 {
			w.line("    %s o%s%d_%d = %s;", pick(n == t.name, "let", "var"), n, r, j, t.line(r, j))
			if t.vec {
				w.line("    var g%s%d_%d = vec4<f32>(0.0);", n, r, j)
			}
		}
		if !t.vec {
			w.line("    var g%s%d = vec4<f32>(0.0);", n, r)
		}
	}
	if t.along {
		w.line("    %s", quarter(t.vec, "let s%s = (params.%s)", n, t.deep))
	}
}

// line is where the row or column j of a unit begins, for k = 0.
func (t *tile) line(r, j int) string {
	at := fmt.Sprintf("min(%s + x%s%d * 4u + %du, params.%s - 1u)", t.origin, t.reg, r, j, t.size)
	if !t.along {
		at += " * params." + t.stride
	}
	if t.vec {
		return fmt.Sprintf("(%s0 + %s) / 4u", t.name, at)
	}
	return fmt.Sprintf("%s0 + %s", t.name, at)
}

func pick(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

// load fetches the units of the tile that begins at k.
func (t *tile) load(w *writer, indent, k string) {
	n := t.reg
	indent, end := t.some(w, indent)
	for r := range t.rounds() {
		for _, g := range t.fetched(r) {
			w.line("%s%s = vec4<f32>(0.0);", indent, g)
		}
		w.line("%sif (%s + d%s%d < k1) {", indent, k, n, r)
		deep := fmt.Sprintf("%s + d%s%d", k, n, r)
		switch {
		case t.along:
			deep = fmt.Sprintf("(%s) * s%s", deep, n)
		case t.vec:
			deep = fmt.Sprintf("(%s) / 4u", deep)
		}
		w.line("%s    let i = %s;", indent, deep)
		switch {
		case t.along && t.vec:
			w.line("%s    g%s%d = %s[o%s%d + i];", indent, n, r, t.name, n, r)
		case t.vec:
			for j := range 4 {
				w.line("%s    g%s%d_%d = %s[o%s%d_%d + i];", indent, n, r, j, t.name, n, r, j)
			}
		default:
			var e [4]string
			for j := range 4 {
				e[j] = fmt.Sprintf("%s[o%s%d_%d + i]", t.name, n, r, j)
			}
			w.line("%s    g%s%d = vec4<f32>(%s);", indent, n, r, strings.Join(e[:], ", "))
		}
		w.line("%s}", indent)
	}
	end()
}

// fetched names the variables of a unit.
func (t *tile) fetched(r int) []string {
	if !t.blocks() {
		return []string{fmt.Sprintf("g%s%d", t.reg, r)}
	}
	var out []string
	for j := range 4 {
		out = append(out, fmt.Sprintf("g%s%d_%d", t.reg, r, j))
	}
	return out
}

// total adds up the sums of the threads over the tile's rows, in their order, and stores them; one workgroup of a row does.
func (t *tile) total(w *writer) {
	indent, end := t.some(w, "    ")
	for r := range t.rounds() {
		w.line("%stile_%s[d%s%d / %du][d%s%d %% %du][x%s%d] = d%d;", indent, t.name, t.reg, r, tileUnroll, t.reg, r, tileUnroll, t.reg, r, r)
	}
	end()
	w.line("    workgroupBarrier();")
	w.line("    if (n0 == 0u && t < %du) {", t.quads())
	w.line("        var d = vec4<f32>(0.0);")
	w.line("        for (var kk = 0u; kk < %du; kk++) { d += tile_%s[kk / %du][kk %% %du][t]; }", tileK, t.name, tileUnroll, tileUnroll)
	w.line("        let to = m0 + t * 4u;")
	for j, e := range component {
		w.line("        if (to + %du < params.m) { at[split * params.m + to + %du] = d.%s; }", j, j, e)
	}
	w.line("    }")
}

// store moves what was fetched to the tile.
func (t *tile) store(w *writer) {
	n := t.reg
	indent, end := t.some(w, "        ")
	for r := range t.rounds() {
		x := fmt.Sprintf("x%s%d", n, r)
		if !t.along {
			x += fmt.Sprintf(" ^ ((d%s%d >> 1u) & 6u)", n, r)
		}
		if !t.blocks() {
			if t.sums {
				w.line("%sd%d += g%s%d;", indent, r, n, r)
			}
			w.line("%stile_%s[d%s%d / %du][d%s%d %% %du][%s] = g%s%d;", indent, t.name, n, r, tileUnroll, n, r, tileUnroll, x, n, r)
			continue
		}
		g := t.fetched(r)
		for i, e := range component {
			row := plus(fmt.Sprintf("d%s%d / %du", n, r, tileUnroll), i/tileUnroll)
			w.line("%stile_%s[%s][%d][%s] = vec4<f32>(%s.%s, %s.%s, %s.%s, %s.%s);", indent, t.name, row, i%tileUnroll, x,
				g[0], e, g[1], e, g[2], e, g[3], e)
		}
	}
	end()
}
