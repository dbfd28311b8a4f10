package shaders

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// flash describes a kernel of attention that never stores the scores: "flash:forward/32x16" as a file name for Load, where 32
// is the number of rows of a workgroup and 16 the width of a head in units of four elements. The text is written out here for
// the same reasons as that of a matmul.
//
// Every kernel is made of two steps on blocks of 32 or 64 rows and 32 columns, by 8 threads for every 4 rows:
//
//	scores:  s[row][column] += Σ a[row][d] b[column][d]     4 rows and 4 columns beside each other, a thread
//	gather:  o[row][d] += Σ w[column][row] b[column][d]     the same rows, and every eighth d
//
// with w made of s. Tiles a and b of workgroup memory hold rows of one head, 32 elements of each at a time (a chunk); w takes
// the place of a. They are small so that many workgroups fit a multiprocessor: there is no other work while one waits at a
// barrier. Rows lie in fours since the compiler bounds every index that it does not know: what is read in one turn of a loop
// then lies at known distances from one address. In b, place c of four number f lies at c ^ f, so that eight threads on
// eight fours meet eight banks; w likewise. For gather, b has 16 rows of two chunks, which spares half the reads of w.
type flash struct {
	part  string
	rows  int // of a workgroup, 32 or 64
	width int // of a head, in units of four elements
}

const (
	flashPrefix = "flash:"
	// flashChunk is the width of a tile in units of four elements, flashWidth the greatest of a head, in elements.
	flashChunk = 8
	flashWidth = 128
)

var flashName = regexp.MustCompile(`^flash:(forward|overlap|keys|dk|dv|queries)/(32|64)x(\d+)$`)

func flashText(name string) (string, error) {
	m := flashName.FindStringSubmatch(name)
	if m == nil {
		return "", fmt.Errorf("shaders: %q names no kernel of attention", name)
	}
	f := flash{part: m[1]}
	f.rows, _ = strconv.Atoi(m[2]) // the pattern admits digits only
	f.width, _ = strconv.Atoi(m[3])
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
		w.keys(true)
	case "dk":
		w.keys(false)
	case "dv":
		w.values()
	default:
		w.queries()
	}
	return w.String(), nil
}

// threads is the size of a workgroup.
func (f flash) threads() int {
	if f.part == "overlap" {
		return f.rows
	}
	return 2 * f.rows
}

// chunks are the widths of the pieces in which a head passes through the tiles.
func (f flash) chunks() (out []int) {
	for at := 0; at < f.width; at += flashChunk {
		out = append(out, min(flashChunk, f.width-at))
	}
	return out
}

// weight is the place of the weights of the thread's rows in column number i of a four of columns.
func (f flash) weight(four string, i int) string {
	if f.rows == 32 {
		return fmt.Sprintf("a[%s][%d][ty ^ (%s)]", four, i, four)
	}
	return fmt.Sprintf("a[(%s) * 2u + ty / 8u][%d][(ty & 7u) ^ (%s)]", four, i, four)
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
	w.line("// elements; lse and delta are [batch, heads, tokens]; all begin at row start. Workgroups: x rows, y head, z batch.")
	w.line("struct Params {")
	w.line("tokens: u32,")
	w.line("heads: u32,")
	w.line("start: u32, // the first row")
	w.line("scale: f32,")
	w.line("}")
	w.line("")
	w.line("@group(0) @binding(0) var<uniform> params: Params;")
	for i, v := range vars {
		w.line("@group(0) @binding(%d) var<storage, %s> %s: array<%s>;", i+1, v.access, v.name, v.element)
	}
	w.line("")
	if w.part != "overlap" {
		w.line("var<workgroup> a: array<array<array<vec4<f32>, %d>, 4>, %d>;", flashChunk, w.rows/4)
		w.line("var<workgroup> b: array<array<array<vec4<f32>, %d>, 4>, 8>;", flashChunk)
		w.line("")
	}
	w.line("@compute @workgroup_size(%d)", w.threads())
	w.line("fn %s(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {", w.part)
	w.line("let last = params.tokens - 1u;")
	w.line("let dim = params.heads * %du;", w.width)
	w.line("let at_x = (params.start + group.z * params.tokens) * 3u * dim + group.y * %du;", w.width)
	w.line("let at_y = (params.start + group.z * params.tokens) * dim + group.y * %du;", w.width)
	w.line("let at_row = params.start * params.heads + (group.z * params.heads + group.y) * params.tokens;")
	if w.part != "overlap" {
		w.line("let first = group.x * %du;", w.rows)
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

// piece is what fills a tile: rows of a source, width elements of each from at on, in units of four. Those of a are the rows of
// the workgroup; those of b the 32 of a block, or where they are wider than a tile, 16 of them from start on.
type piece struct {
	source
	tile      string
	start     string
	at, width int
	swizzled  bool // for scores
}

// step is a part of the work on a block: its tiles and what is done with them.
type step struct {
	pieces []piece
	work   func()
}

// walk writes the loop over the blocks. Rows are fetched to registers before the barrier, after which they may replace others.
func (w *flashWriter) walk(steps []step) {
	for _, tile := range []string{"a", "b"} {
		for i := range w.each(tile) {
			w.line("var %s%d_next = vec4<f32>(0.0);", tile, i)
		}
	}
	w.line("for (var start = 0u; start < params.tokens; start += 32u) {")
	for _, s := range steps {
		if len(s.pieces) > 0 {
			w.fetch(s)
			w.barrier()
			w.put(s)
			w.barrier()
		}
		s.work()
	}
	w.line("}")
}

// each is the number of elements of a tile that a thread fetches.
func (w *flashWriter) each(tile string) int {
	if tile == "a" {
		return 4
	}
	return 128 / w.rows
}

// fetch reads the rows of a step. Past the end stands the last row again, past the head
// its last element. Each thread has one place in a four of rows, so that what it stores lies at known distances.
func (w *flashWriter) fetch(s step) {
	for _, p := range s.pieces {
		for i := range w.each(p.tile) {
			from, row, at, width := "first + ty * 4u", i, p.at, p.width
			if p.tile == "b" {
				from = "start" + p.start
				switch wide := p.width > flashChunk; {
				case !wide && w.rows == 32:
					from += " + ty * 4u"
				case !wide:
					from += " + (ty & 7u) * 4u + ty / 8u * 2u"
				case w.rows == 32:
					from, row = from+" + ty * 2u", i/2
				default:
					from, row = from+" + (ty & 7u) * 2u + ty / 8u", 0
				}
			}
			if p.width > flashChunk {
				at, width = p.at+i%2*flashChunk, []int{flashChunk, p.width - flashChunk}[i%2]
			}
			column := "tx"
			if width < flashChunk {
				column = fmt.Sprintf("min(tx, %du)", width-1)
			}
			w.line("%s%d_next = %s[%s + min(%s + %du, last) * (%du * dim) + %du + %s];", p.tile, i, p.tensor, p.source.at, from, row, p.stride, at, column)
		}
	}
}

// put stores in the tiles what was fetched.
func (w *flashWriter) put(s step) {
	for _, p := range s.pieces {
		four, row := "ty", ""
		if p.tile == "b" && w.rows == 64 {
			four, row = "ty & 7u", "ty / 8u * 2u + "
		}
		place := "tx"
		if p.swizzled {
			place = fmt.Sprintf("tx ^ (%s)", four)
		}
		for i := range w.each(p.tile) {
			w.line("%s[%s][%s%du][%s] = %s%d_next;", p.tile, four, row, i, place, p.tile, i)
		}
	}
}

// products are the steps that make the sums of scores by all chunks of two sources, rows of the workgroup by a block of
// columns; then comes what follows.
func (w *flashWriter) products(name string, a, b source, then func()) (out []step) {
	for ch, chunk := range w.chunks() {
		out = append(out, step{
			[]piece{{a, "a", "", ch * flashChunk, chunk, false}, {b, "b", "", ch * flashChunk, chunk, true}},
			func() {
				if ch == 0 {
					for j := range 4 {
						for i := range 4 {
							w.line("var %s%d_%d = 0.0;", name, i, j)
						}
					}
				}
				w.scores(name, chunk)
				if ch == len(w.chunks())-1 {
					then()
				}
			},
		})
	}
	return out
}

// scores adds the products of the rows in a and b.
func (w *flashWriter) scores(name string, chunk int) {
	w.line("for (var d = 0u; d < %du; d++) {", chunk)
	w.line("let c = d ^ tx;")
	for i := range 4 {
		w.line("let a%d = a[ty][%d][d];", i, i)
	}
	for j := range 4 {
		w.line("let b%d = b[tx][%d][c];", j, j)
		for _, c := range component {
			for i := range 4 {
				s := fmt.Sprintf("%s%d_%d", name, i, j)
				w.line("%s = fma(a%d.%s, b%d.%s, %s);", s, i, c, j, c, s)
			}
		}
	}
	w.line("}")
}

// rows4 are the four rows of a thread in column j.
func rows4(name string, j int) string {
	return fmt.Sprintf("vec4<f32>(%[1]s0_%[2]d, %[1]s1_%[2]d, %[1]s2_%[2]d, %[1]s3_%[2]d)", name, j)
}

// keep writes the columns name0 to name3 of a thread as weights.
func (w *flashWriter) keep(name string) {
	for j := range 4 {
		w.line("%s = %s%d;", w.weight("tx", j), name, j)
	}
}

// sums declares what is gathered of all chunks.
func (w *flashWriter) sums(name string) {
	for ch := range w.chunks() {
		for i := range 4 {
			w.line("var %s%d_%d = vec4<f32>(0.0);", name, i, ch)
		}
	}
}

// gathers are the steps that add the rows of a source by their weights: two chunks of half a block at a time, or one chunk.
func (w *flashWriter) gathers(name string, s source) (out []step) {
	chunks := w.chunks()
	for ch := 0; ch < len(chunks); ch += 2 {
		if ch+1 == len(chunks) {
			out = append(out, step{
				[]piece{{s, "b", "", ch * flashChunk, chunks[ch], false}}, func() { w.gather(name, 0, 32, ch, 1, false) },
			})
			break
		}
		for _, half := range []int{0, 16} {
			out = append(out, step{
				[]piece{{s, "b", fmt.Sprintf(" + %du", half), ch * flashChunk, flashChunk + chunks[ch+1], false}},
				func() { w.gather(name, half, 16, ch, 2, false) },
			})
		}
	}
	return out
}

// gather adds the rows of b, count of them, by their weights from column skip on, to the sums of so many chunks from ch on.
func (w *flashWriter) gather(name string, skip, count, ch, wide int, swizzled bool) {
	w.line("for (var k = 0u; k < %du; k++) {", count/4)
	four, place := "k", "tx"
	if skip > 0 {
		four = fmt.Sprintf("k + %du", skip/4)
	}
	if swizzled {
		place = "tx ^ k"
	}
	for u := range 4 {
		w.line("let w%d = %s;", u, w.weight(four, u))
		for j := range wide {
			row := fmt.Sprintf("[k][%d]", u)
			if wide == 2 {
				row = fmt.Sprintf("[k * 2u + %du][%d]", u/2, u%2*2+j)
			}
			w.line("let b%d_%d = b%s[%s];", u, j, row, place)
		}
		for i, c := range component {
			for j := range wide {
				o := fmt.Sprintf("%s%d_%d", name, i, ch+j)
				w.line("%s = fma(vec4<f32>(w%d.%s), b%d_%d, %s);", o, u, c, u, j, o)
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
				store := fmt.Sprintf("%s[to + %du * dim + %du] = %s;", tensor, n, ch*flashChunk, form(i, fmt.Sprintf("%s%d_%d", name, i, ch)))
				if chunk == flashChunk {
					w.line("%s", store)
					continue
				}
				w.line("if (tx < %du) {", chunk)
				w.line("%s", store)
				w.line("}")
			}
		}
		w.line("}")
	}
}

func (w *flashWriter) forward() {
	w.open("O = softmax(scale * Q K^T) V per head. Each row's largest score and sum are corrected as blocks of keys come\n"+
		"// (Milakov and Gimelshein, 2018; Dao et al., 2022); lse is the logarithm of the sum of exp(scale * Q K^T).",
		variable{"x", "read", "vec4<f32>"}, variable{"y", "read_write", "vec4<f32>"}, variable{"lse", "read_write", "f32"})
	w.sums("o")
	w.line("var peak = vec4<f32>(-3.0e38);")
	w.line("var sum = vec4<f32>(0.0);")
	w.walk(append(w.products("s", part(0), part(1), func() {
		for j := range 4 {
			w.line("let s%d = select(vec4<f32>(-3.0e38), params.scale * %s, start + tx * 4u + %du < params.tokens);", j, rows4("s", j), j)
		}
		// The largest score of each row, over the eight threads that have a part of it.
		w.barrier()
		w.line("b[ty / 4u][ty & 3u][tx] = max(max(s0, s1), max(s2, s3));")
		w.barrier()
		w.line("var top = peak;")
		for k := range 8 {
			w.line("top = max(top, b[ty / 4u][ty & 3u][%d]);", k)
		}
		w.line("let fade = exp(peak - top);")
		w.line("peak = top;")
		for j := range 4 {
			w.line("let w%d = exp(s%d - top);", j, j)
		}
		w.line("sum = fma(sum, fade, (w0 + w1) + (w2 + w3));")
		for ch := range w.chunks() {
			for i, c := range component {
				w.line("o%d_%d *= fade.%s;", i, ch, c)
			}
		}
		w.keep("w")
	}), w.gathers("o", part(2))...))
	w.barrier()
	w.line("b[ty / 4u][ty & 3u][tx] = sum;")
	w.barrier()
	w.line("sum = b[ty / 4u][ty & 3u][0];")
	for k := 1; k < 8; k++ {
		w.line("sum += b[ty / 4u][ty & 3u][%d];", k)
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
	w.line("let row = group.x * %du + t;", w.rows)
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

// gathersHeld are gathers of rows that the last product left in b, if it has all of them.
func (w *flashWriter) gathersHeld(name string, s source) []step {
	if len(w.chunks()) > 1 {
		return w.gathers(name, s)
	}
	return []step{{nil, func() {
		w.barrier()
		w.gather(name, 0, 32, 0, 1, true)
	}}}
}

// probabilities makes column j of P of a block of keys by queries.
func (w *flashWriter) probabilities(j int) {
	w.line("let q%d = start + tx * 4u + %du;", j, j)
	w.line("let r%d = at_row + min(q%d, last);", j, j)
	w.line("let p%d = select(vec4<f32>(0.0), exp(params.scale * %s - vec4<f32>(lse[r%d])), q%d < params.tokens);", j, rows4("s", j), j, j)
}

// keys has blocks of keys as rows and walks over the queries. The sums of wide heads leave no room for those of the values, which
// then have a kernel of their own.
func (w *flashWriter) keys(values bool) {
	if values {
		w.open(identities+"; here dK = dS^T Q and dV = P^T dO of a block of keys.", backward()...)
	} else {
		w.open(identities+"; here dK = dS^T Q of a block of keys.", backward()...)
	}
	w.sums("k")
	if values {
		w.sums("v")
	}
	steps := w.products("g", part(2), own("dy"), func() {})
	steps = append(steps, w.products("s", part(1), part(0), func() {
		for j := range 4 {
			w.probabilities(j)
			w.line("let d%d = params.scale * p%d * (%s - vec4<f32>(delta[r%d]));", j, j, rows4("g", j), j)
		}
		w.barrier()
		w.keep("d")
	})...)
	steps = append(steps, w.gathersHeld("k", part(0))...)
	if !values {
		w.walk(steps)
		w.write("y", "at_x + dim", 3, plain, "k")
		w.line("}")
		return
	}
	steps = append(steps, step{nil, func() {
		w.barrier()
		w.keep("p")
	}})
	w.walk(append(steps, w.gathers("v", own("dy"))...))
	w.write("y", "at_x + dim", 3, plain, "k", "v")
	w.line("}")
}

// values is the part of keys that makes dV.
func (w *flashWriter) values() {
	w.open("P = exp(scale * Q K^T - lse); here dV = P^T dO of a block of keys.",
		variable{"x", "read", "vec4<f32>"}, variable{"dy", "read", "vec4<f32>"}, variable{"lse", "read", "f32"}, variable{"y", "read_write", "vec4<f32>"})
	w.sums("v")
	steps := w.products("s", part(1), part(0), func() {
		for j := range 4 {
			w.probabilities(j)
		}
		w.barrier()
		w.keep("p")
	})
	w.walk(append(steps, w.gathers("v", own("dy"))...))
	w.write("y", "at_x + 2u * dim", 3, plain, "v")
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
	steps := w.products("g", own("dy"), part(2), func() {})
	steps = append(steps, w.products("s", part(0), part(1), func() {
		for j := range 4 {
			w.line("let p%d = select(vec4<f32>(0.0), exp(params.scale * %s - lse4), start + tx * 4u + %du < params.tokens);", j, rows4("s", j), j)
			w.line("let d%d = params.scale * p%d * (%s - delta4);", j, j, rows4("g", j))
		}
		w.barrier()
		w.keep("d")
	})...)
	w.walk(append(steps, w.gathersHeld("q", part(1))...))
	w.write("y", "at_x", 3, plain, "q")
	w.line("}")
}
