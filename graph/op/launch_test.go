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

// targets are every kind of adapter, and the two kinds of row kernels forced on each operation.
func targets(name string) []graph.Target {
	var out []graph.Target
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		for _, variant := range []string{"", "serial", "shared"} {
			out = append(out, graph.Target{Class: class, Variants: map[string]string{name: variant}})
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
	{Name: "norm", Shapes: []graph.Shape{{200_000_000}}},
	{Name: "add", Shapes: []graph.Shape{{400_000_000}, {1}}},
	{Name: "gelu", Shapes: []graph.Shape{{400_000_000}}},
	{Name: "row_dot", Shapes: []graph.Shape{{3, 1_000_000}, {3, 1_000_000}}},
	{Name: "layernorm", Shapes: []graph.Shape{{4, 300_000}}, Attrs: op.LayerNormAttrs{Eps: 1e-5}},
	{Name: "layernorm", Shapes: []graph.Shape{{5_000_000, 8}}, Attrs: op.LayerNormAttrs{Eps: 1e-5}},
	{Name: "layernorm_grad_gain", Shapes: []graph.Shape{{5_000_000, 8}, {5_000_000, 2}, {5_000_000, 8}}},
	{Name: "softmax", Shapes: []graph.Shape{{2, 65_536}}},
	{Name: "soft_cross_entropy", Shapes: []graph.Shape{{2, 65_536}, {4, 65_536}}, Attrs: op.TemperatureAttrs{Temperature: 1}},
	{Name: "pair_distance", Shapes: []graph.Shape{{300, 65_536}, {300, 65_536}}},
	{Name: "normalize_patches", Shapes: []graph.Shape{{7, 100_000}}},
	{Name: "permute", Shapes: []graph.Shape{{32, 3, 16, 2, 14, 16, 14, 16}}, Attrs: []int{0, 2, 4, 6, 3, 5, 7, 1}},
	{Name: "matmul", Shapes: []graph.Shape{{2_000_000, 8}, {2_000_000, 8}}, Attrs: op.MatMulAttrs{TransA: true}},
	{Name: "attention", Shapes: []graph.Shape{{64, 1569, 2304}}, Attrs: op.AttentionAttrs{Heads: 12}},
}

// eachLaunch gives every dispatch of every case, and of the large shapes, on every target.
func eachLaunch(t *testing.T, f func(t *testing.T, n *graph.Node, l graph.Launch, d graph.Dispatch)) {
	t.Helper()
	run := func(t *testing.T, o *graph.Op, c graph.Case) {
		_, n, err := applied(o, c.Attrs, c.Shapes)
		if err != nil {
			t.Fatal(err)
		}
		for _, target := range targets(o.Name) {
			l := o.Launch(n, target)
			if len(l.Dispatches) == 0 {
				t.Errorf("%s has no dispatches", o.Name)
			}
			for _, d := range l.Dispatches {
				f(t, n, l, d)
			}
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
	shared    = regexp.MustCompile(`var<workgroup>\s*\w+:\s*array<f32,\s*(\d+)>`)
)

// used lists the storage variables that an entry point or the functions it calls index.
func used(src *shaders.Source) []string {
	bodies := map[string]string{}
	for _, part := range strings.Split(comment.ReplaceAllString(src.Text, ""), "\nfn ")[1:] {
		name, body, _ := strings.Cut(part, "(")
		body, _, _ = strings.Cut(body, "\n}")
		bodies[name] = body
	}
	reached := map[string]bool{}
	var text strings.Builder
	var visit func(name string)
	visit = func(name string) {
		if body, ok := bodies[name]; ok && !reached[name] {
			reached[name] = true
			text.WriteString(body)
			for _, m := range call.FindAllStringSubmatch(body, -1) {
				visit(m[1])
			}
		}
	}
	visit(src.Entry)
	var out []string
	for _, b := range src.Bindings {
		if !b.Uniform && regexp.MustCompile(`\b`+b.Name+`\[`).MatchString(text.String()) {
			out = append(out, b.Name)
		}
	}
	return out
}

// Every dispatch against its text and WebGPU's portable limits: parameters, variables, what is written, sizes.
func TestLaunches(t *testing.T) {
	type text struct {
		*shaders.Source
		used []string
	}
	texts := map[string]text{}
	eachLaunch(t, func(t *testing.T, n *graph.Node, l graph.Launch, d graph.Dispatch) {
		key := fmt.Sprint(d.Shader, " ", d.Entry, d.Consts, d.Includes)
		src, ok := texts[key]
		if !ok {
			s := load(t, d)
			src = text{s, used(s)}
			texts[key] = src
		}
		if err := src.CheckParams(d.Params); err != nil {
			t.Error(err)
		}
		if len(d.Binds) > 8 {
			t.Errorf("%s/%s binds %d storage buffers", d.Shader, d.Entry, len(d.Binds))
		}
		for _, v := range src.used {
			if !slices.ContainsFunc(d.Binds, func(b graph.Bind) bool { return b.Var == v }) {
				t.Errorf("%s/%s uses %s, which is not bound", d.Shader, d.Entry, v)
			}
		}
		for _, b := range d.Binds {
			v, err := src.Storage(b.Var)
			if err != nil {
				t.Fatal(err)
			}
			if i, ok := b.Arg.Input(); ok && (i >= len(n.Inputs) || v.Write && !slices.Contains(n.Op.Updates, i)) {
				t.Errorf("%s/%s: %s is input %d, which is not there or not to be written", d.Shader, d.Entry, b.Var, i)
			}
			if i, ok := b.Arg.Scratch(); ok && i >= len(l.Scratch) {
				t.Errorf("%s/%s: %s is scratch %d of %d", d.Shader, d.Entry, b.Var, i, len(l.Scratch))
			}
		}
		for _, g := range d.Groups {
			if g < 1 || g > graph.MaxGroups {
				t.Errorf("%s/%s: %v workgroups", d.Shader, d.Entry, d.Groups)
			}
		}
		for _, m := range groupSize.FindAllStringSubmatch(src.Text, -1) {
			threads := 1
			for _, s := range strings.Split(m[1], ",") {
				k, err := strconv.Atoi(strings.TrimSpace(s))
				if err != nil {
					t.Fatal(err)
				}
				threads *= k
			}
			if threads > 256 {
				t.Errorf("%s: %d threads in a workgroup", d.Shader, threads)
			}
		}
		words := 0
		for _, m := range shared.FindAllStringSubmatch(src.Text, -1) {
			k, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			words += k
		}
		if words*4 > 16<<10 {
			t.Errorf("%s: %d bytes of workgroup memory", d.Shader, words*4)
		}
	})
}

// trips gives the loop turns of one thread of a kernel, from its parameters; width is a row's share of one thread.
func trips(t *testing.T, d graph.Dispatch) int {
	t.Helper()
	field := func(name string) int {
		v := reflect.ValueOf(d.Params).FieldByName(name)
		if !v.IsValid() {
			t.Fatalf("%s/%s has no parameter %s", d.Shader, d.Entry, name)
		}
		return int(v.Uint())
	}
	per := 4
	for _, c := range d.Consts {
		if c.Name == "PER" {
			per, _ = strconv.Atoi(strings.TrimSuffix(c.Value, "u"))
		}
	}
	rows := func(passes, sums int) int {
		if len(d.Includes) == 0 {
			return passes * field("Width")
		}
		return passes*graph.CeilDiv(field("Width"), 64) + 6*sums
	}
	name := d.Shader + "/" + d.Entry
	switch name {
	case "elementwise/add", "elementwise/sub", "elementwise/mul", "elementwise/div", "elementwise/lincomb",
		"elementwise/gelu", "elementwise/gelu_grad", "reduce/spread", "reduce/mul_rows", "movement/copy_rows",
		"movement/pad", "movement/gather", "losses/row_mse_grad", "losses/gauss_kernel", "losses/gauss_kernel_grad",
		"optimizer/adamw", "optimizer/ema":
		return per
	case "movement/permute":
		return (per + 1) * op.MaxRank
	case "optimizer/clip_factor":
		return 0
	case "reduce/sum_axis":
		return graph.CeilDiv(field("Length"), field("Chunks"))
	case "reduce/square_sum":
		return graph.CeilDiv(field("N"), field("Chunks"))
	case "layernorm/layernorm_grad_gain":
		return graph.CeilDiv(field("Rows"), field("Chunks"))
	case "losses/pair_distance_grad":
		return field("M")
	case "reduce/sum_rows", "reduce/row_dot", "reduce/root_sum", "losses/row_mse", "losses/pair_distance":
		return rows(1, 1)
	case "layernorm/row_stats", "softmax/softmax_grad", "normalize/l2_normalize", "normalize/l2_normalize_grad",
		"normalize/match_norm", "layernorm/layernorm_grad", "losses/soft_cross_entropy":
		return rows(2, 4)
	case "layernorm/layernorm", "softmax/softmax", "normalize/normalize_patches", "losses/soft_cross_entropy_grad":
		return rows(3, 3)
	case "attention/softmax_thread", "attention/softmax_grad_thread":
		return 3 * field("Cols")
	case "attention/softmax_group", "attention/softmax_grad_group":
		return 3*graph.CeilDiv(field("Cols"), 64) + 12
	case "attention_fused/fused":
		quads, _ := strconv.Atoi(strings.TrimSuffix(d.Consts[0].Value, "u"))
		return field("Tokens")*(2*quads+2) + graph.CeilDiv(field("Tokens"), 16)*(2*quads+1) + 2*quads
	case "matmul/splitk_sum":
		return field("Splits")
	}
	if strings.HasPrefix(d.Shader, "matmul:") { // a turn for each term, and one for each tile of sixteen
		return field("SplitSize") * 17 / 16
	}
	t.Fatalf("%s has no figure for its loops", name)
	return 0
}

func TestLoopTrips(t *testing.T) {
	most := map[string]int{}
	eachLaunch(t, func(t *testing.T, _ *graph.Node, _ graph.Launch, d graph.Dispatch) {
		n := trips(t, d)
		if n > graph.MaxTrips {
			t.Errorf("%s/%s: a thread's loops take %d turns", d.Shader, d.Entry, n)
		}
		key := d.Shader + "/" + d.Entry
		most[key] = max(most[key], n)
	})
	for key, n := range most {
		t.Logf("%s: at most %d turns", key, n)
	}
}

// A row too long for any kernel is refused, not cut off.
func TestRowTooLong(t *testing.T) {
	o := lookup(t, "softmax")
	_, n, err := applied(o, nil, []graph.Shape{{2_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = graph.Build(func(*graph.Graph) { o.Launch(n, graph.Target{Class: graph.Discrete}) })
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("the error is %v", err)
	}
}
