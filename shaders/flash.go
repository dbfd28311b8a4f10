package shaders

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// flash describes a kernel of attention that never stores the scores: "flash:forward/16" as a file name for Load, where 16 is
// the width of a head in units of four elements. The text is written out here for the same reasons as that of a matmul.
//
// Every kernel is made of two steps on blocks of 32 rows and 32 columns, by 64 threads in a square of 8 x 8:
//
//	scores:  s[row][column] += Σ a[row][d] b[column][d]     4 rows beside each other and every eighth column, a thread
//	gather:  o[row][d] += Σ w[column][row] b[column][d]     the same rows, and every eighth d
//
// with w made of s. Tiles a and b of workgroup memory hold 32 rows of one head, at most 64 elements of each at a time (a
// chunk). Place c of row r of b lies at c ^ (r & 7), so that eight threads on eight rows meet eight banks; w likewise. Tiles
// are arrays of arrays since the compiler bounds every index that it does not know.
type flash struct {
	part  string
	width int // of a head, in units of four elements
}

const (
	flashPrefix = "flash:"
	// flashChunk is the greatest width of a tile, flashWidth that of a head, in elements.
	flashChunk = 16
	flashWidth = 128
)

var flashName = regexp.MustCompile(`^flash:(forward|overlap|keys|queries)/(\d+)$`)

func flashText(name string) (string, error) {
	m := flashName.FindStringSubmatch(name)
	if m == nil {
		return "", fmt.Errorf("shaders: %q names no kernel of attention", name)
	}
	f := flash{part: m[1]}
	f.width, _ = strconv.Atoi(m[2]) // the pattern admits digits only
	if f.width < 1 || 4*f.width > flashWidth {
		return "", fmt.Errorf("shaders: %q: a head has 4 to %d elements", name, flashWidth)
	}
	w := &flashWriter{flash: f}
	switch f.part {
	case "forward":
		w.forward()
	case "overlap":
		w.overlap()
	case "keys":
		w.keys()
	default:
		w.queries()
	}
	return w.String(), nil
}

// row is the length of a tile's rows.
func (f flash) row() int {
	if f.width <= 8 {
		return 8
	}
	return flashChunk
}

// chunks are the widths of the pieces in which a head passes through the tiles.
func (f flash) chunks() (out []int) {
	for at := 0; at < f.width; at += flashChunk {
		out = append(out, min(flashChunk, f.width-at))
	}
	return out
}

// across is the number of d that one thread gathers of a chunk.
func across(chunk int) int { return (chunk + 7) / 8 }

// weights is the place of w: from a row of a tile on, two columns to a row where rows are long.
type weights struct {
	tile string
	base int
}

// at is the place of the column that an expression gives; v is the place of the rows and must be swizzled.
func (f flash) at(w weights, column, v string) string {
	if f.row() == 8 {
		return fmt.Sprintf("%s[%s][%s]", w.tile, column, v)
	}
	return fmt.Sprintf("%s[%du + (%s) / 2u][((%s) & 1u) * 8u + (%s)]", w.tile, w.base, column, column, v)
}

// flashWriter collects the lines of one kernel.
type flashWriter struct {
	flash
	strings.Builder
	indent int
}

func (w *flashWriter) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if strings.HasPrefix(text, "}") {
		w.indent--
	}
	if text != "" {
		w.WriteString(strings.Repeat("    ", w.indent) + text)
	}
	w.WriteString("\n")
	if strings.HasSuffix(text, "{") {
		w.indent++
	}
}

func (w *flashWriter) barrier() { w.line("workgroupBarrier();") }

// variable is a storage variable.
type variable struct{ name, access, element string }

// open writes the bindings, the tiles and the start of the kernel. What ends at group.x names the rows of the workgroup.
func (w *flashWriter) open(about string, vars ...variable) {
	w.line("// %s", about)
	w.line("//")
	w.line("// x and its gradient are [batch, tokens, (q|k|v, heads, width)], O and dy [batch, tokens, (heads, width)], in units of four")
	w.line("// elements; lse and delta are [batch, heads, tokens]. Workgroups: x rows, y head, z batch.")
	w.line("struct Params {")
	w.line("tokens: u32,")
	w.line("heads: u32,")
	w.line("scale: f32,")
	w.line("}")
	w.line("")
	w.line("@group(0) @binding(0) var<uniform> params: Params;")
	for i, v := range vars {
		w.line("@group(0) @binding(%d) var<storage, %s> %s: array<%s>;", i+1, v.access, v.name, v.element)
	}
	w.line("")
	if w.part != "overlap" {
		tiles := []string{"a", "b"}
		if w.row() == 8 {
			tiles = append(tiles, "p")
		}
		for _, name := range tiles {
			w.line("var<workgroup> %s: array<array<vec4<f32>, %d>, 32>;", name, w.row())
		}
		w.line("")
	}
	w.line("@compute @workgroup_size(64)")
	w.line("fn %s(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {", w.part)
	w.line("let last = params.tokens - 1u;")
	w.line("let dim = params.heads * %du;", w.width)
	w.line("let at_x = group.z * params.tokens * 3u * dim + group.y * %du;", w.width)
	w.line("let at_y = group.z * params.tokens * dim + group.y * %du;", w.width)
	w.line("let at_row = (group.z * params.heads + group.y) * params.tokens;")
	if w.part != "overlap" {
		w.line("let first = group.x * 32u;")
		w.line("let ty = t / 8u;")
		w.line("let tx = t %% 8u;")
	}
}

// source is where the rows of a head lie: q, k and v in x, the others in tensors of their own.
type source struct {
	tensor, at string
	stride     int // in units of dim
}

func part(i int) source {
	return source{"x", fmt.Sprintf("at_x + %du * dim", i), 3}
}

func own(tensor string) source { return source{tensor, "at_y", 1} }

// load fills count rows of a tile by chunk ch of the rows of s from start on; past the end stands the last row again.
func (w *flashWriter) load(tile string, s source, start string, count, ch int) {
	chunk := w.chunks()[ch]
	w.line("for (var e = t; e < %du; e += 64u) {", count*chunk)
	w.line("let r = e / %du;", chunk)
	w.line("let c = e %% %du;", chunk)
	place := "c"
	if tile == "b" {
		place = "c ^ (r & 7u)"
	}
	w.line("%s[r][%s] = %s[%s + min(%s + r, last) * (%du * dim) + %du + c];", tile, place, s.tensor, s.at, start, s.stride, ch*flashChunk)
	w.line("}")
}

// zeros declares the sums of scores.
func (w *flashWriter) zeros(name string) {
	for j := range 4 {
		for i := range 4 {
			w.line("var %s%d_%d = 0.0;", name, i, j)
		}
	}
}

// scores adds the products of the rows in a and b.
func (w *flashWriter) scores(name string, ch int) {
	w.line("for (var d = 0u; d < %du; d++) {", w.chunks()[ch])
	w.line("let c = d ^ tx;")
	for i := range 4 {
		w.line("let a%d = a[ty * 4u + %du][d];", i, i)
	}
	for j := range 4 {
		w.line("let b%d = b[tx + %du][c];", j, 8*j)
		for _, c := range component {
			for i := range 4 {
				s := fmt.Sprintf("%s%d_%d", name, i, j)
				w.line("%s = fma(a%d.%s, b%d.%s, %s);", s, i, c, j, c, s)
			}
		}
	}
	w.line("}")
}

// products adds the products of all chunks of two sources to new sums: rows of the workgroup by a block of columns. Where a
// is "", the tile holds its rows already.
func (w *flashWriter) products(name string, a, b source, fresh bool) {
	w.zeros(name)
	for ch := range w.chunks() {
		w.barrier()
		if fresh {
			w.load("a", a, "first", 32, ch)
		}
		w.load("b", b, "start", 32, ch)
		w.barrier()
		w.scores(name, ch)
	}
}

// rows4 are the four rows of a thread in column j.
func rows4(name string, j int) string {
	return fmt.Sprintf("vec4<f32>(%[1]s0_%[2]d, %[1]s1_%[2]d, %[1]s2_%[2]d, %[1]s3_%[2]d)", name, j)
}

// keep writes the columns name0 to name3 of a thread as weights.
func (w *flashWriter) keep(name string, to weights) {
	for j := range 4 {
		w.line("%s = %s%d;", w.at(to, fmt.Sprintf("tx + %du", 8*j), "ty ^ tx"), name, j)
	}
}

// sums declares what is gathered of all chunks.
func (w *flashWriter) sums(name string) {
	for ch, chunk := range w.chunks() {
		for i := range 4 {
			for j := range across(chunk) {
				w.line("var %s%d_%d_%d = vec4<f32>(0.0);", name, i, ch, j)
			}
		}
	}
}

// gather adds the rows of b, count of them, by their weights from column skip on.
func (w *flashWriter) gather(name string, from weights, skip, count, ch int) {
	wide := across(w.chunks()[ch])
	w.line("for (var k = 0u; k < %du; k += 2u) {", count)
	for u := range 2 {
		w.line("let x%d = (k & 7u) + %du;", u, u)
		w.line("let w%d = %s;", u, w.at(from, fmt.Sprintf("k + %du", u+skip), fmt.Sprintf("ty ^ x%d", u)))
		for j := range wide {
			w.line("let v%d_%d = b[k + %du][(tx ^ x%d) + %du];", u, j, u, u, 8*j)
		}
	}
	for u := range 2 {
		for i, c := range component {
			for j := range wide {
				o := fmt.Sprintf("%s%d_%d_%d", name, i, ch, j)
				w.line("%s = fma(vec4<f32>(w%d.%s), v%d_%d, %s);", o, u, c, u, j, o)
			}
		}
	}
	w.line("}")
}

// write stores the gathered rows of the workgroup that exist, each by the expression of a form that names it.
func (w *flashWriter) write(tensor, base string, stride int, form func(i int, name string) string, names ...string) {
	for i := range 4 {
		w.line("if (first + ty * 4u + %du < params.tokens) {", i)
		w.line("let to = %s + (first + ty * 4u + %du) * (%du * dim) + tx;", base, i, stride)
		for n, name := range names {
			for ch, chunk := range w.chunks() {
				for j := range across(chunk) {
					v := form(i, fmt.Sprintf("%s%d_%d_%d", name, i, ch, j))
					store := fmt.Sprintf("%s[to + %du * dim + %du] = %s;", tensor, n, ch*flashChunk+8*j, v)
					if 8*j+8 <= chunk {
						w.line("%s", store)
						continue
					}
					w.line("if (tx < %du) {", chunk-8*j)
					w.line("%s", store)
					w.line("}")
				}
			}
		}
		w.line("}")
	}
}

func (w *flashWriter) forward() {
	w.open("O = softmax(scale * Q K^T) V per head. Each row's largest score and sum are corrected as blocks of keys come\n"+
		"// (Milakov and Gimelshein, 2018; Dao et al., 2022); lse is the logarithm of the sum of exp(scale * Q K^T).",
		variable{"x", "read", "vec4<f32>"}, variable{"y", "read_write", "vec4<f32>"}, variable{"lse", "read_write", "f32"})
	one := len(w.chunks()) == 1
	// Queries of one chunk stay in a. Where rows are long, values then have half of b, and weights the other half.
	to, halves := weights{"p", 0}, 1
	switch {
	case !one:
		to = weights{"a", 0}
	case w.row() > 8:
		to, halves = weights{"b", 16}, 2
	}
	w.sums("o")
	w.line("var peak = vec4<f32>(-3.0e38);")
	w.line("var sum = vec4<f32>(0.0);")
	if one {
		w.load("a", part(0), "first", 32, 0)
	}
	w.line("for (var start = 0u; start < params.tokens; start += 32u) {")
	w.products("s", part(0), part(1), !one)
	for j := range 4 {
		w.line("let s%d = select(vec4<f32>(-3.0e38), params.scale * %s, start + tx + %du < params.tokens);", j, rows4("s", j), 8*j)
	}
	// The largest score of each row, over the eight threads that have a part of it.
	if to.tile != "p" {
		w.barrier()
	}
	w.line("%s[%du + ty][tx] = max(max(s0, s1), max(s2, s3));", to.tile, to.base)
	w.barrier()
	w.line("var top = peak;")
	for k := range 8 {
		w.line("top = max(top, %s[%du + ty][%d]);", to.tile, to.base, k)
	}
	w.line("let fade = exp(peak - top);")
	w.line("peak = top;")
	for j := range 4 {
		w.line("let w%d = exp(s%d - top);", j, j)
	}
	w.line("sum = fma(sum, fade, (w0 + w1) + (w2 + w3));")
	for ch, chunk := range w.chunks() {
		for i, c := range component {
			for j := range across(chunk) {
				w.line("o%d_%d_%d *= fade.%s;", i, ch, j, c)
			}
		}
	}
	w.barrier()
	w.keep("w", to)
	for ch := range w.chunks() {
		for h := range halves {
			if ch+h > 0 {
				w.barrier()
			}
			w.load("b", part(2), fmt.Sprintf("start + %du", 32/halves*h), 32/halves, ch)
			w.barrier()
			w.gather("o", to, 32/halves*h, 32/halves, ch)
		}
	}
	w.line("}")
	w.barrier()
	w.line("%s[%du + ty][tx] = sum;", to.tile, to.base)
	w.barrier()
	w.line("sum = %s[%du + ty][0];", to.tile, to.base)
	for k := 1; k < 8; k++ {
		w.line("sum += %s[%du + ty][%d];", to.tile, to.base, k)
	}
	w.write("y", "at_y", 1, func(i int, name string) string { return fmt.Sprintf("%s / sum.%s", name, component[i]) }, "o")
	w.line("let found = peak + log(sum);")
	for i, c := range component {
		w.line("if (tx == 0u && first + ty * 4u + %du < params.tokens) {", i)
		w.line("lse[at_row + first + ty * 4u + %du] = found.%s;", i, c)
		w.line("}")
	}
	w.line("}")
}

func (w *flashWriter) overlap() {
	w.open("delta is the sum of O dy over each row of a head.", variable{"o", "read", "vec4<f32>"}, variable{"dy", "read", "vec4<f32>"},
		variable{"delta", "read_write", "f32"})
	w.line("let row = group.x * 64u + t;")
	w.line("let at = at_y + min(row, last) * dim;")
	w.line("var sum = vec4<f32>(0.0);")
	w.line("for (var d = 0u; d < %du; d++) {", w.width)
	w.line("sum = fma(o[at + d], dy[at + d], sum);")
	w.line("}")
	w.line("if (row < params.tokens) {")
	w.line("delta[at_row + row] = (sum.x + sum.y) + (sum.z + sum.w);")
	w.line("}")
	w.line("}")
}

// backward are the variables of both gradients.
func backward() []variable {
	return []variable{
		{"x", "read", "vec4<f32>"}, {"dy", "read", "vec4<f32>"}, {"lse", "read", "f32"}, {"delta", "read", "f32"},
		{"y", "read_write", "vec4<f32>"},
	}
}

const identities = "P = exp(scale * Q K^T - lse), dS = P (dO V^T - delta) scale"

func plain(_ int, name string) string { return name }

// keys has blocks of keys as rows and walks over the queries.
func (w *flashWriter) keys() {
	w.open(identities+"; here dK = dS^T Q and dV = P^T dO of a block of keys.", backward()...)
	w.sums("k")
	w.sums("v")
	ds, p := weights{"a", 0}, weights{"a", 16}
	if w.row() == 8 {
		ds, p = weights{"p", 0}, weights{"a", 0}
	}
	w.line("for (var start = 0u; start < params.tokens; start += 32u) {")
	w.products("g", part(2), own("dy"), true)
	w.products("s", part(1), part(0), true)
	for j := range 4 {
		w.line("let q%d = start + tx + %du;", j, 8*j)
		w.line("let r%d = at_row + min(q%d, last);", j, j)
		w.line("let p%d = select(vec4<f32>(0.0), exp(params.scale * %s - vec4<f32>(lse[r%d])), q%d < params.tokens);", j, rows4("s", j), j, j)
		w.line("let d%d = params.scale * p%d * (%s - vec4<f32>(delta[r%d]));", j, j, rows4("g", j), j)
	}
	w.barrier()
	w.keep("d", ds)
	w.keep("p", p)
	one := len(w.chunks()) == 1 // the queries are still in b
	for ch := range w.chunks() {
		if !one {
			w.load("b", part(0), "start", 32, ch)
		}
		w.barrier()
		w.gather("k", ds, 0, 32, ch)
		w.barrier()
	}
	for ch := range w.chunks() {
		w.load("b", own("dy"), "start", 32, ch)
		w.barrier()
		w.gather("v", p, 0, 32, ch)
		if ch+1 < len(w.chunks()) {
			w.barrier()
		}
	}
	w.line("}")
	w.write("y", "at_x + dim", 3, plain, "k", "v")
	w.line("}")
}

// queries has blocks of queries as rows and walks over the keys.
func (w *flashWriter) queries() {
	w.open(identities+"; here dQ = dS K of a block of queries.", backward()...)
	w.sums("q")
	for _, name := range []string{"lse", "delta"} {
		w.line("let %s4 = vec4<f32>(", name)
		for i := range 4 {
			w.line("    %s[at_row + min(first + ty * 4u + %du, last)],", name, i)
		}
		w.line(");")
	}
	ds := weights{"a", 0}
	if w.row() == 8 {
		ds = weights{"p", 0}
	}
	w.line("for (var start = 0u; start < params.tokens; start += 32u) {")
	w.products("g", own("dy"), part(2), true)
	w.products("s", part(0), part(1), true)
	for j := range 4 {
		w.line("let p%d = select(vec4<f32>(0.0), exp(params.scale * %s - lse4), start + tx + %du < params.tokens);", j, rows4("s", j), 8*j)
		w.line("let d%d = params.scale * p%d * (%s - delta4);", j, j, rows4("g", j))
	}
	if ds.tile == "a" {
		w.barrier()
	}
	w.keep("d", ds)
	one := len(w.chunks()) == 1 // the keys are still in b
	for ch := range w.chunks() {
		if !one {
			w.load("b", part(1), "start", 32, ch)
		}
		w.barrier()
		w.gather("q", ds, 0, 32, ch)
		if ch+1 < len(w.chunks()) {
			w.barrier()
		}
	}
	w.line("}")
	w.write("y", "at_x", 3, plain, "q")
	w.line("}")
}
