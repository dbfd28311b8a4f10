package op_test

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/shaders"
)

// targets are the classes of adapters with every way to compute the node on them.
func targets(o *graph.Op, n *graph.Node) []graph.Target {
	var out []graph.Target
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		for _, variant := range o.VariantsOf(n, graph.Target{Class: class}) {
			out = append(out, graph.Target{Class: class, Variant: variant})
		}
	}
	return out
}

// large are shapes past those of training, for the checks that need no memory.
var large = []graph.Case{
	{Name: "sum_axis", Shapes: []graph.Shape{{200_000_000}}, Attrs: op.AxisAttrs{Scale: 1}},
	{Name: "sum_axis", Shapes: []graph.Shape{{2, 3_000_000, 5}}, Attrs: op.AxisAttrs{Axis: 1, Scale: 1}},
	{Name: "sum_axis", Shapes: []graph.Shape{{70_000, 1000}}, Attrs: op.AxisAttrs{Axis: 1, Scale: 1}},
	{Name: "sum_axis", Shapes: []graph.Shape{{70_000, 1000}}, Attrs: op.AxisAttrs{Axis: 0, Scale: 1}},
	{Name: "sum_axis", Shapes: []graph.Shape{{300, 100_000}}, Attrs: op.AxisAttrs{Axis: 1, Scale: 1}},
	{Name: "bank_norms", Shapes: []graph.Shape{{1}, {2, 2}, {500_000_000}, {122_072, 3}},
		Attrs: op.BankNormsAttrs{Tensors: []op.BankTensor{{Span: graph.Span{Size: 499_999_000}}, {Span: graph.Span{Offset: 499_999_040, Size: 960}}}}},
	{Name: "adamw", Shapes: []graph.Shape{{400_000_000}, {400_000_000}, {400_000_000}, {400_000_000}, {1}, {1, op.HyperSize}, {1, 5}},
		Attrs: op.AdamWAttrs{Tensors: []op.AdamWTensor{{Span: graph.Span{Size: 399_999_999}}}}},
	{Name: "bank_ema", Shapes: []graph.Shape{{400_000_000}, {400_000_000}, {2}, {1, 5}},
		Attrs: op.BankEMAAttrs{Spans: []op.EMASpan{{Size: 400_000_000, First: true}}}},
	{Name: "half", Shapes: []graph.Shape{{400_000_001}}},
	{Name: "widen", Shapes: []graph.Shape{{400_000_001}}, Types: []graph.Type{graph.Float16}},
	{Name: "add", Shapes: []graph.Shape{{400_000_000}, {1}}},
	{Name: "gelu", Shapes: []graph.Shape{{400_000_000}}},
	{Name: "row_dot", Shapes: []graph.Shape{{3, 1_000_000}, {3, 1_000_000}}},
	{Name: "layernorm", Shapes: []graph.Shape{{4, 300_000}}, Attrs: op.LayerNormAttrs{Eps: 1e-5}},
	{Name: "layernorm", Shapes: []graph.Shape{{5_000_000, 8}}, Attrs: op.LayerNormAttrs{Eps: 1e-5}},
	{Name: "layernorm_grad_affine", Shapes: []graph.Shape{{5_000_000, 8}, {5_000_000, 2}, {5_000_000, 8}}},
	{Name: "softmax", Shapes: []graph.Shape{{2, 65_536}}},
	{Name: "soft_cross_entropy", Shapes: []graph.Shape{{2, 65_536}, {4, 65_536}}, Attrs: op.TemperatureAttrs{Temperature: 1}},
	{Name: "pair_distance", Shapes: []graph.Shape{{300, 65_536}, {300, 65_536}}},
	{Name: "normalize_patches", Shapes: []graph.Shape{{7, 100_000}}},
	{Name: "permute", Shapes: []graph.Shape{{32, 3, 16, 2, 14, 16, 14, 16}}, Attrs: []int{0, 2, 4, 6, 3, 5, 7, 1}},
	{Name: "matmul", Shapes: []graph.Shape{{2_000_000, 8}, {2_000_000, 8}}, Attrs: op.MatMulAttrs{TransA: true}},
	{Name: "attention", Shapes: []graph.Shape{{64, 1569, 2304}}, Attrs: op.AttentionAttrs{Heads: 12}},
	{Name: "attention_grad", Shapes: []graph.Shape{{64, 1569, 2304}, {64, 1569, 768}, {64, 12, 1569}, {64, 1569, 768}}, Attrs: op.AttentionAttrs{Heads: 12}},
}

// eachLaunch gives the launches of every case, and of the large shapes, on every target.
func eachLaunch(t *testing.T, f func(t *testing.T, n *graph.Node, l graph.Launch)) {
	t.Helper()
	run := func(t *testing.T, o *graph.Op, c graph.Case) {
		n, err := applied(o, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets(o, n) {
			f(t, n, o.Launch(n, target))
		}
	}
	eachCase(t, true, run)
	for _, c := range large {
		t.Run(fmt.Sprint("large/", c.Name, c.Shapes), func(t *testing.T) { run(t, lookup(t, c.Name), c) })
	}
}

func load(t *testing.T, d graph.Dispatch) *shaders.Source {
	t.Helper()
	convert := func(list []graph.Const) []shaders.Const {
		var out []shaders.Const
		for _, c := range list {
			out = append(out, shaders.Const{Name: c.Name, Value: c.Value})
		}
		return out
	}
	src, err := shaders.Load(d.Shader, d.Entry, convert(d.Consts), convert(d.Includes))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

var (
	groupSize = regexp.MustCompile(`@workgroup_size\(([0-9, ]+)\)`)
	comment   = regexp.MustCompile(`//[^\n]*`)
	call      = regexp.MustCompile(`(\w+)\(`)
	// rowLoop starts a loop of a row's threads over its columns; combined are the calls by which they combine figures.
	rowLoop  = regexp.MustCompile(`for \(var c = lane_of\(t\); c < params\.width; c \+= LANES\)`)
	combined = regexp.MustCompile(`\brow_(sum|max)\(`)
	shared   = regexp.MustCompile(`var<workgroup>\s*\w+:\s*([^;]+);`)
	arrayOf  = regexp.MustCompile(`^array<(.*),\s*(\d+)>$`)
)

// reached gives the bodies of an entry point and of the functions it calls: each once, or as often as it is called.
func reached(src *shaders.Source, repeat bool) string {
	bodies := map[string]string{}
	for _, part := range strings.Split(comment.ReplaceAllString(src.Text, ""), "\nfn ")[1:] {
		name, body, _ := strings.Cut(part, "(")
		body, _, _ = strings.Cut(body, "\n}")
		bodies[name] = body
	}
	seen := map[string]bool{}
	var text strings.Builder
	var visit func(name string)
	visit = func(name string) {
		if body, ok := bodies[name]; ok && (repeat || !seen[name]) {
			seen[name] = true
			text.WriteString(body)
			for _, m := range call.FindAllStringSubmatch(body, -1) {
				visit(m[1])
			}
		}
	}
	visit(src.Entry)
	return text.String()
}

// used lists the storage variables that an entry point or the functions it calls index.
func used(src *shaders.Source) (out []string) {
	text := reached(src, false)
	for _, b := range src.Bindings {
		if !b.Uniform && regexp.MustCompile(`\b`+b.Name+`\[`).MatchString(text) {
			out = append(out, b.Name)
		}
	}
	return out
}

// text is a kernel's source, the storage variables that it uses, and the passes over rows and the figures that threads combine.
type text struct {
	*shaders.Source
	used            []string
	passes, figures int
}

// texts keeps what was loaded, since cases share kernels.
type texts map[string]text

func (x texts) of(t *testing.T, d graph.Dispatch) text {
	t.Helper()
	key := fmt.Sprint(d.Shader, " ", d.Entry, d.Consts, d.Includes)
	if _, ok := x[key]; !ok {
		s := load(t, d)
		x[key] = text{s, used(s), len(rowLoop.FindAllString(reached(s, true), -1)), len(combined.FindAllString(reached(s, true), -1))}
	}
	return x[key]
}

// Every dispatch against its text and WebGPU's portable limits: parameters, variables, what is written, sizes.
func TestLaunches(t *testing.T) {
	loaded := texts{}
	eachLaunch(t, func(t *testing.T, n *graph.Node, l graph.Launch) {
		if len(l.Dispatches) == 0 {
			t.Errorf("%s has no dispatches", n.Op.Name)
		}
		written := map[graph.Arg]bool{}
		for _, d := range l.Dispatches {
			src := loaded.of(t, d)
			checkDispatch(t, d, src)
			checkBinds(t, n, l, d, src, written)
		}
		// Everything that the node is to make is written by some dispatch.
		if len(n.Op.Updates) == 0 {
			for i := range n.All() {
				if !written[graph.Result(i)] {
					t.Errorf("result %d is written by no dispatch", i)
				}
			}
		}
		for _, i := range n.Op.Updates {
			if !written[graph.In(i)] {
				t.Errorf("input %d is updated by no dispatch", i)
			}
		}
	})
}

// checkDispatch looks at parameters and sizes.
func checkDispatch(t *testing.T, d graph.Dispatch, src text) {
	t.Helper()
	if err := src.CheckParams(d.Params); err != nil {
		t.Error(err)
	}
	for _, g := range d.Groups {
		if g < 1 || g > graph.MaxGroups {
			t.Errorf("%s/%s: %v workgroups", d.Shader, d.Entry, d.Groups)
		}
	}
	for _, m := range groupSize.FindAllStringSubmatch(src.Text, -1) {
		threads := 1
		for _, s := range strings.Split(m[1], ",") {
			threads *= number(t, s)
		}
		if threads > 256 {
			t.Errorf("%s: %d threads in a workgroup", d.Shader, threads)
		}
	}
	words := 0
	for _, m := range shared.FindAllStringSubmatch(src.Text, -1) {
		words += wordsOf(t, m[1])
	}
	if words*4 > 16<<10 {
		t.Errorf("%s: %d bytes of workgroup memory", d.Shader, words*4)
	}
}

// wordsOf is the size of a variable's type.
func wordsOf(t *testing.T, kind string) int {
	t.Helper()
	if m := arrayOf.FindStringSubmatch(kind); m != nil {
		return number(t, m[2]) * wordsOf(t, m[1])
	}
	words := map[string]int{"f32": 1, "u32": 1, "vec2<f32>": 2, "vec4<f32>": 4}[kind]
	if words == 0 {
		t.Errorf("%s is of no known size", kind)
	}
	return words
}

func number(t *testing.T, s string) int {
	t.Helper()
	k, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// checkBinds looks at the storage buffers, and adds those that are written.
func checkBinds(t *testing.T, n *graph.Node, l graph.Launch, d graph.Dispatch, src text, written map[graph.Arg]bool) {
	t.Helper()
	name := d.Shader + "/" + d.Entry
	if len(d.Binds) > 8 {
		t.Errorf("%s binds %d storage buffers", name, len(d.Binds))
	}
	for _, v := range src.used {
		if !slices.ContainsFunc(d.Binds, func(b graph.Bind) bool { return b.Var == v }) {
			t.Errorf("%s uses %s, which is not bound", name, v)
		}
	}
	vars := map[graph.Arg]int{}
	writes := map[graph.Arg]bool{}
	for _, b := range d.Binds {
		v, err := src.Storage(b.Var)
		if err != nil {
			t.Fatal(err)
		}
		kept := graph.Float32
		if i, ok := b.Arg.Input(); ok {
			if i >= len(n.Inputs) || v.Write && !slices.Contains(n.Op.Updates, i) {
				t.Fatalf("%s: %s is input %d, which is not there or not to be written", name, b.Var, i)
			}
			kept = n.Inputs[i].Type
		}
		if i, ok := b.Arg.Result(); ok {
			if i >= len(n.All()) || len(n.Op.Updates) > 0 {
				t.Fatalf("%s: %s is result %d, which is not there", name, b.Var, i)
			}
			kept = n.All()[i].Type
		}
		if i, ok := b.Arg.Scratch(); ok && i >= len(l.Scratch) {
			t.Errorf("%s: %s is scratch %d of %d", name, b.Var, i, len(l.Scratch))
		}
		if v.Packed != (kept != graph.Float32) {
			t.Errorf("%s: %s, array<%s>, is bound to elements kept as %v", name, b.Var, v.Element, kept)
		}
		vars[b.Arg]++
		writes[b.Arg] = writes[b.Arg] || v.Write
		written[b.Arg] = written[b.Arg] || v.Write
	}
	for arg, count := range vars {
		if count > 1 && writes[arg] {
			t.Errorf("%s: %v is written, and bound to %d variables", name, arg, count)
		}
	}
}

// The loop turns of every dispatch are within bounds, and those of kernels over rows are what their text has.
func TestTrips(t *testing.T) {
	loaded := texts{}
	most := map[string]int{}
	eachLaunch(t, func(t *testing.T, _ *graph.Node, l graph.Launch) {
		for _, d := range l.Dispatches {
			name := d.Shader + "/" + d.Entry
			if d.Trips < 0 || d.Trips > graph.MaxTrips {
				t.Errorf("%s: a thread's loops take %d turns", name, d.Trips)
			}
			if want, ok := rowTrips(loaded.of(t, d), d); ok && d.Trips < want {
				t.Errorf("%s: a thread's loops take %d turns, the launch says %d", name, want, d.Trips)
			}
			most[name] = max(most[name], d.Trips)
		}
	})
	for name, n := range most {
		t.Logf("%s: at most %d turns", name, n)
	}
}

// rowTrips counts the loop turns of one thread of a kernel over rows: the passes over a row in its text, and six turns for
// every figure that threads combine. Others are not counted.
func rowTrips(src text, d graph.Dispatch) (turns int, ok bool) {
	width := reflect.ValueOf(d.Params).FieldByName("Width")
	if !width.IsValid() || src.passes == 0 {
		return 0, false
	}
	if len(d.Includes) == 0 {
		return src.passes * int(width.Uint()), true
	}
	return src.passes*graph.CeilDiv(int(width.Uint()), 64) + 6*src.figures, true
}

// Launches whose loops were counted by hand.
func TestTripsByHand(t *testing.T) {
	rows := func(shapes ...graph.Shape) []graph.Shape { return shapes }
	for _, c := range []struct {
		graph.Case
		class   graph.Class
		variant string
		want    []int
	}{
		{graph.Case{Name: "softmax", Shapes: rows(graph.Shape{16, 8192})}, graph.Software, "serial", []int{3 * 8192}},
		{graph.Case{Name: "softmax", Shapes: rows(graph.Shape{16, 8192})}, graph.Discrete, "shared", []int{3*128 + 24}},
		{graph.Case{Name: "row_dot", Shapes: rows(graph.Shape{3, 7}, graph.Shape{3, 7})}, graph.Discrete, "serial", []int{7}},
		{graph.Case{Name: "layernorm", Shapes: rows(graph.Shape{9, 96}), Attrs: op.LayerNormAttrs{}}, graph.Software, "serial", []int{3 * 96}},
		// A thousand terms for each of few sums: 4 chunks of 250, then the 4.
		{graph.Case{Name: "sum_axis", Shapes: rows(graph.Shape{1000, 2}), Attrs: op.AxisAttrs{Scale: 1}}, graph.Discrete, "serial", []int{250, 4}},
		// By four threads each: 16 chunks of 63 terms at most, then the 16.
		{graph.Case{Name: "sum_axis", Shapes: rows(graph.Shape{1000, 2}), Attrs: op.AxisAttrs{Scale: 1}}, graph.Discrete, "shared", []int{16, 4}},
		// Sums enough for one thread each.
		{graph.Case{Name: "sum_axis", Shapes: rows(graph.Shape{5000, 70_000}), Attrs: op.AxisAttrs{Scale: 1}}, graph.Discrete, "serial", []int{5000}},
		{graph.Case{Name: "sum_axis", Shapes: rows(graph.Shape{5000, 70_000}), Attrs: op.AxisAttrs{Scale: 1}}, graph.Discrete, "shared", []int{1250}},
		{graph.Case{Name: "sum_axis", Shapes: rows(graph.Shape{70_000, 1000}), Attrs: op.AxisAttrs{Axis: 1, Scale: 1}}, graph.Software, "serial", []int{1000}},
		// 2320 rows in 37 chunks of 63 at most, then the 37.
		{graph.Case{Name: "layernorm_grad_affine", Shapes: rows(graph.Shape{2320, 96}, graph.Shape{2320, 2}, graph.Shape{2320, 96})}, graph.Discrete, "serial", []int{63, 37}},
		{graph.Case{Name: "layernorm_grad_affine", Shapes: rows(graph.Shape{2320, 96}, graph.Shape{2320, 2}, graph.Shape{2320, 96})}, graph.Discrete, "shared", []int{16, 10}},
		{graph.Case{Name: "pair_distance_grad", Shapes: rows(graph.Shape{3, 7}, graph.Shape{41, 7}, graph.Shape{3, 41})}, graph.Discrete, "", []int{41}},
		// Sixteen tokens, though there are five: one turn, one load, twice (a turn and a vector), a vector; two vectors beside.
		{graph.Case{Name: "attention", Shapes: rows(graph.Shape{2, 5, 12}), Attrs: op.AttentionAttrs{Heads: 1}}, graph.Discrete, "fused", []int{1 + 1 + 2*16*2 + 1 + 2}},
		// A block of 32: a turn, the one vector of a head twice, and 32 tokens by four, twice.
		{graph.Case{Name: "attention", Shapes: rows(graph.Shape{2, 5, 12}), Attrs: op.AttentionAttrs{Heads: 1}}, graph.Discrete, "flash", []int{1 + 2*1 + 2*8}},
		{graph.Case{Name: "permute", Shapes: rows(graph.Shape{5, 3}), Attrs: []int{1, 0}}, graph.Discrete, "", []int{8 + 4*(1+8)}},
		// Tiles take a turn for sixteen terms, and eight inside; registers one for four terms of the
		// 112 that a piece may have, and one for each that remains.
		{graph.Case{Name: "matmul", Shapes: rows(graph.Shape{64, 100}, graph.Shape{100, 64}), Attrs: op.MatMulAttrs{}}, graph.Discrete, "T64", []int{7 * 9}},
		{graph.Case{Name: "matmul", Shapes: rows(graph.Shape{64, 103}, graph.Shape{103, 64}), Attrs: op.MatMulAttrs{}}, graph.Software, "R8", []int{28 + 3}},
		{graph.Case{Name: "gelu", Shapes: rows(graph.Shape{1000})}, graph.Software, "", []int{32}},
		{graph.Case{Name: "accumulate", Shapes: rows(graph.Shape{1000}, graph.Shape{1000}, graph.Shape{1})}, graph.Discrete, "", []int{4}},
		// Chunks of 4096 elements, then the three of the larger tensor.
		{graph.Case{Name: "bank_norms", Shapes: rows(graph.Shape{1}, graph.Shape{2, 2}, graph.Shape{9024}, graph.Shape{4, 3}),
			Attrs: op.BankNormsAttrs{Tensors: []op.BankTensor{{Span: graph.Span{Size: 8960}}, {Span: graph.Span{Offset: 8960, Size: 1}}}}}, graph.Software, "serial", []int{4096, 3}},
		{graph.Case{Name: "clip", Shapes: rows(graph.Shape{4}, graph.Shape{1}, graph.Shape{3}), Attrs: op.ClipAttrs{Visits: []int{1, 3, 1}}}, graph.Discrete, "", []int{3}},
	} {
		o := lookup(t, c.Name)
		n, err := applied(o, c.Case)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, d := range o.Launch(n, graph.Target{Class: c.class, Variant: c.variant}).Dispatches {
			got = append(got, d.Trips)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %v, %s: %d turns, expected %d", c.Name, c.Shapes, c.variant, got, c.want)
		}
	}
}

// Every operation offers variants by name, each once, and none but the empty name where there is no choice.
func TestVariants(t *testing.T) {
	eachCase(t, true, func(t *testing.T, o *graph.Op, c graph.Case) {
		n, err := applied(o, c)
		if err != nil {
			t.Fatal(err)
		}
		for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
			list := o.VariantsOf(n, graph.Target{Class: class})
			if len(list) == 0 || len(list) > 1 && slices.Contains(list, "") || len(slices.Compact(slices.Sorted(slices.Values(list)))) != len(list) {
				t.Errorf("%v: the variants are %q", class, list)
			}
		}
	})
}

// A GPU computes a large product by large tiles, of which those that fetch ahead are ahead where an operand is turned; one
// whose large tiles would leave most of it empty by smaller ones, and so what would not fill a large tile.
func TestMatMulChoice(t *testing.T) {
	nn, nt, tn := op.MatMulAttrs{}, op.MatMulAttrs{TransB: true}, op.MatMulAttrs{TransA: true}
	for _, c := range []struct {
		a, b                 graph.Shape
		attrs                op.MatMulAttrs
		discrete, integrated string
	}{
		{graph.Shape{8976, 3072}, graph.Shape{768, 3072}, nt, "P128", "T64m"},
		{graph.Shape{2256, 768}, graph.Shape{768, 3072}, nn, "P128", "T64m"},
		{graph.Shape{2256, 768}, graph.Shape{2256, 3072}, tn, "T128", "T128"},
		{graph.Shape{960, 768}, graph.Shape{768, 768}, nn, "T64w", "T64m"},
		{graph.Shape{2320, 384}, graph.Shape{384, 96}, nn, "T32", "T64m"},
	} {
		n, err := applied(lookup(t, "matmul"), graph.Case{Shapes: []graph.Shape{c.a, c.b}, Attrs: c.attrs})
		if err != nil {
			t.Fatal(err)
		}
		for class, want := range map[graph.Class]string{graph.Discrete: c.discrete, graph.Integrated: c.integrated} {
			if got := n.Op.VariantsOf(n, graph.Target{Class: class})[0]; got != want {
				t.Errorf("%v and %v, %+v: %v takes %s, expected %s", c.a, c.b, c.attrs, class, got, want)
			}
		}
	}
}

// Attention on GPUs keeps no scores: the gradient's scratch is a figure for each row. Only on integrated ones the gradient of wide
// heads, which has no room in their registers, is made of products by default.
func TestFlashKeepsNoScores(t *testing.T) {
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated} {
		for _, width := range []int{4, 32, 64, 128} {
			x, y := graph.Shape{16, 393, 3 * 2 * width}, graph.Shape{16, 393, 2 * width}
			for _, c := range []struct {
				name       string
				shapes     []graph.Shape
				dispatches int
				scratch    []int
			}{
				{"attention", []graph.Shape{x}, 1, nil},
				{"attention_grad", []graph.Shape{x, y, {16, 2, 393}, y}, 3, []int{16 * 2 * 393}},
			} {
				if class == graph.Integrated && width > 32 && c.name == "attention_grad" {
					continue
				}
				o := lookup(t, c.name)
				n, err := applied(o, graph.Case{Shapes: c.shapes, Attrs: op.AttentionAttrs{Heads: 2}})
				if err != nil {
					t.Fatal(err)
				}
				l := o.Launch(n, graph.Target{Class: class, Variant: o.VariantsOf(n, graph.Target{Class: class})[0]})
				if width > 32 && c.name == "attention_grad" {
					c.dispatches++ // keys and values one by one
				}
				if !slices.Equal(l.Scratch, c.scratch) || len(l.Dispatches) != c.dispatches {
					t.Errorf("%s with heads of %d: %d dispatches, scratch %d", c.name, width, len(l.Dispatches), l.Scratch)
				}
			}
		}
	}
}

// A row too long for any kernel is refused, not cut off.
func TestRowTooLong(t *testing.T) {
	o := lookup(t, "softmax")
	n, err := applied(o, graph.Case{Shapes: []graph.Shape{{2_000_000}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = graph.Build(func(*graph.Graph) { o.Launch(n, graph.Target{Class: graph.Discrete}) })
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("the error is %v", err)
	}
}
