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
// As a file name for Load it is "matmul:r32x16/8,nt,a4,b1": a kernel with registers only (r) or with tiles in
// workgroup memory (t), the block of C that one thread computes, the threads of a workgroup; whether A and B are stored
// transposed (t) or not (n); and vec4 (4) or scalar (1) loads of either. vec4 loads need every offset, stride and
// contiguous length of the operand, and the pieces of k, to divide by 4.
type matmul struct {
	kind           byte
	rows, cols     int
	threads        int
	transA, transB bool
	vecA, vecB     bool
}

const (
	matmulPrefix = "matmul:"
	// plainMark is where the specialised kernel replaces the rest of matmul.wgsl.
	plainMark = "// The plainest kernel"
	// tileK is the depth of a shared tile.
	tileK = 16
)

var matmulName = regexp.MustCompile(`^matmul:([rt])(\d+)x(\d+)/(\d+),([nt])([nt]),a([14]),b([14])$`)

func parseMatmul(name string) (matmul, error) {
	f := matmulName.FindStringSubmatch(name)
	if f == nil {
		return matmul{}, fmt.Errorf("shaders: %q names no matrix product", name)
	}
	m := matmul{kind: f[1][0], transA: f[5] == "t", transB: f[6] == "t", vecA: f[7] == "4", vecB: f[8] == "4"}
	for i, p := range []*int{&m.rows, &m.cols, &m.threads} {
		*p, _ = strconv.Atoi(f[2+i]) // the pattern admits digits only
	}
	if m.rows%4 != 0 || m.cols%4 != 0 || m.rows*m.cols == 0 || m.threads == 0 || m.kind == 't' && m.threads != 256 {
		return matmul{}, fmt.Errorf("shaders: %q: blocks are multiples of 4, and 256 threads share a tile", name)
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
	w.declare("a", 1, m.vecA)
	w.declare("b", 2, m.vecB)
	if m.kind == 't' {
		m.shared(w)
	} else {
		m.registers(w)
	}
	return w.String(), nil
}

// writer collects lines.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

func (w *writer) declare(name string, binding int, vec bool) {
	typ := "f32"
	if vec {
		typ = "vec4<f32>"
	}
	w.line("@group(0) @binding(%d) var<storage, read> %s: array<%s>;", binding, name, typ)
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

// put writes the helper that stores up to four neighbours of a row.
func (m matmul) put(w *writer) {
	w.line("fn put(i: u32, col: u32, sum: vec4<f32>) {")
	w.line("    var v = sum * params.alpha;")
	w.line("    if (params.has_bias != 0u) {")
	w.line("        let last = params.n - 1u;")
	w.line("        v += vec4<f32>(bias[min(col, last)], bias[min(col + 1u, last)], bias[min(col + 2u, last)], bias[min(col + 3u, last)]);")
	w.line("    }")
	for j, e := range component {
		w.line("    if (col + %du < params.n) { c[i + col + %du] = v.%s; }", j, j, e)
	}
	w.line("}")
}

// registers writes the kernels without shared memory: one thread computes a block of C in registers. Rows and columns
// past the edge read the last one again and are not stored.
func (m matmul) registers(w *writer) {
	quads := m.cols / 4
	m.put(w)
	w.line("// One thread computes %d x %d elements of C; blocks are numbered along n first.", m.rows, m.cols)
	w.line("@compute @workgroup_size(%d)", m.threads)
	w.line("fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {")
	w.line("    let block = id.y * groups.x * %du + id.x;", m.threads)
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
	for i := range m.rows {
		w.line("    if (m0 + %du < params.m) {", i)
		w.line("        let i = c0 + (m0 + %du) * params.c_row;", i)
		for q := range quads {
			w.line("        put(i, n0 + %du, c%d_%d);", 4*q, i, q)
		}
		w.line("    }")
	}
	w.line("}")
}

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
			s := ""
			switch {
			case m.vecA && !m.transA:
				s = fmt.Sprintf("a%d.%s", i, component[kk])
			case m.vecA:
				if i%4 == 0 {
					w.line("        let u%d_%d = a[ra%d + ka%s];", kk, i/4, i/4, ahead(kk, "sa"))
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

// shared writes the kernels with tiles in workgroup memory. A thread's rows and columns are groups of four, 64 apart, so
// that neighbouring threads read neighbouring words.
func (m matmul) shared(w *writer) {
	bm, bn := 16*m.rows, 16*m.cols
	quads := m.cols / 4
	m.put(w)
	w.line("var<workgroup> tile_a: array<f32, %d>;", tileK*bm)
	w.line("var<workgroup> tile_b: array<f32, %d>;", tileK*bn)
	w.line("// A workgroup computes %d x %d elements of C through tiles of depth %d, a thread %d x %d of them.", bm, bn, tileK, m.rows, m.cols)
	w.line("@compute @workgroup_size(16, 16)")
	w.line("fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {")
	w.line("    let block = group.y * groups.x + group.x;")
	w.line("    let across = (params.n + %du) / %du;", bn-1, bn)
	w.line("    if (block >= across * ((params.m + %du) / %du)) { return; }", bm-1, bm)
	w.line("    let m0 = block / across * %du;", bm)
	w.line("    let n0 = block %% across * %du;", bn)
	w.bases("group.z")
	w.line("    let ty = t / 16u * 4u;")
	w.line("    let tx = t %% 16u * 4u;")
	for i := range m.rows {
		for q := range quads {
			w.line("    var c%d_%d = vec4<f32>(0.0);", i, q)
		}
	}
	w.line("    for (var k = k0; k < k1; k += %du) {", tileK)
	fill(w, tile{"a", bm, m.transA, m.vecA, "m", "a_row", "a_col"})
	fill(w, tile{"b", bn, !m.transB, m.vecB, "n", "b_col", "b_row"})
	w.line("        workgroupBarrier();")
	w.line("        for (var kk = 0u; kk < %du; kk++) {", tileK)
	w.line("            let pa = kk * %du + ty;", bm)
	w.line("            let pb = kk * %du + tx;", bn)
	for q := range quads {
		w.line("            let v%d = vec4<f32>(tile_b[pb + %du], tile_b[pb + %du], tile_b[pb + %du], tile_b[pb + %du]);", q, 64*q, 64*q+1, 64*q+2, 64*q+3)
	}
	for i := range m.rows {
		w.line("            let s%d = vec4<f32>(tile_a[pa + %du]);", i, i/4*64+i%4)
		for q := range quads {
			w.line("            c%d_%d = fma(s%d, v%d, c%d_%d);", i, q, i, q, i, q)
		}
	}
	w.line("        }")
	w.line("        workgroupBarrier();")
	w.line("    }")
	for i := range m.rows {
		row := fmt.Sprintf("m0 + %du + ty", i/4*64+i%4)
		w.line("    if (%s < params.m) {", row)
		w.line("        let i = c0 + (%s) * params.c_row;", row)
		for q := range quads {
			w.line("        put(i, n0 + %du + tx, c%d_%d);", 64*q, i, q)
		}
		w.line("    }")
	}
	w.line("}")
}

// tile describes how an operand fills its part of workgroup memory, [tileK, width].
type tile struct {
	name   string
	width  int
	across bool // contiguous along the tile's width (m or n), not along k
	vec    bool
	size   string // the parameter that bounds the width
	stride string // along the width
	deep   string // along k
}

// fill writes the loads of one tile by 256 threads; elements outside the matrix are zero.
func fill(w *writer, t tile) {
	n := t.name
	each := 1
	if t.vec {
		each = 4
	}
	for r := range tileK * t.width / each / 256 {
		w.line("        {")
		w.line("            let e = t + %du;", 256*r)
		if t.across {
			w.line("            let x = e %% %du * %du;", t.width/each, each)
			w.line("            let kk = e / %du;", t.width/each)
		} else {
			w.line("            let x = e / %du;", tileK/each)
			w.line("            let kk = e %% %du * %du;", tileK/each, each)
		}
		zero := "0.0"
		if t.vec {
			zero = "vec4<f32>(0.0)"
		}
		w.line("            var v = %s;", zero)
		w.line("            if (%s0 + x < params.%s && k + kk < k1) {", t.size, t.size)
		index := fmt.Sprintf("%s0 + (%s0 + x) * params.%s + (k + kk) * params.%s", n, t.size, t.stride, t.deep)
		if t.vec {
			index = "(" + index + ") / 4u"
		}
		w.line("                v = %s[%s];", n, index)
		w.line("            }")
		switch {
		case !t.vec:
			w.line("            tile_%s[kk * %du + x] = v;", n, t.width)
		case t.across:
			for i, c := range component {
				w.line("            tile_%s[kk * %du + x + %du] = v.%s;", n, t.width, i, c)
			}
		default:
			for i, c := range component {
				w.line("            tile_%s[(kk + %du) * %du + x] = v.%s;", n, i, t.width, c)
			}
		}
		w.line("        }")
	}
}
