package shaders

import (
	"regexp"
	"strings"
	"testing"
)

const sample = `// A sample.
const WIDTH: u32 = 4u;
const EPS: f32 = 1e-6;
struct Params { n: u32, row_len: i32, eps_1: f32, }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0)
@binding(2) var<storage,read_write> y : array<f32>;
// @group(0) @binding(9) var<storage, read> gone: array<f32>;
@compute @workgroup_size(WIDTH, 1, 1)
fn first(@builtin(global_invocation_id) id: vec3<u32>) { y[id.x] = x[0].x + EPS; }
fn second() {}
`

type sampleParams struct {
	N      uint32
	RowLen int32
	Eps1   float32
}

func TestParse(t *testing.T) {
	s, err := Parse("sample", "first", sample, []Const{{"WIDTH", "64u"}, {"EPS", "0.5"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"const WIDTH: u32 = 64u;", "const EPS: f32 = 0.5;"} {
		if !strings.Contains(s.Text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	want := []Binding{
		{Name: "params", Index: 0, Uniform: true, Vector: 1},
		{Name: "x", Index: 1, Vector: 4, Element: "vec4<f32>"},
		{Name: "y", Index: 2, Write: true, Vector: 1, Element: "f32"},
	}
	if len(s.Bindings) != len(want) {
		t.Fatalf("bindings are %+v", s.Bindings)
	}
	for i := range want {
		if s.Bindings[i] != want[i] {
			t.Errorf("binding %d is %+v, expected %+v", i, s.Bindings[i], want[i])
		}
	}
	if err := s.CheckParams(sampleParams{}); err != nil {
		t.Error(err)
	}
	if b, err := s.Storage("y"); err != nil || b.Index != 2 {
		t.Errorf("y is %+v, %v", b, err)
	}
	if _, err := s.Storage("gone"); err == nil {
		t.Error("a variable in a comment was found")
	}
	if _, err := s.Uniform(); err != nil {
		t.Error(err)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		name, entry, text string
		consts, includes  []Const
		words             []string
	}{
		{"no constant", "first", sample, []Const{{"HEIGHT", "1u"}}, nil, []string{"sample.wgsl", "const HEIGHT"}},
		{"no entry", "third", sample, nil, nil, []string{"sample.wgsl", `"third"`}},
		{"no compute entry", "second", sample, nil, nil, []string{`"second"`}},
		{"no include line", "first", sample, nil, []Const{{"erf", "other"}}, []string{"sample.wgsl", "//!include erf"}},
		{"no included file", "first", "//!include nowhere\n" + sample, nil, nil, []string{"sample.wgsl:1", "nowhere.wgsl"}},
		{"other group", "first", strings.Replace(sample, "@group(0)", "@group(1)", 1), nil, nil, []string{"group 0"}},
		{"declared twice", "first", sample + "@group(0) @binding(5) var<storage, read> x: array<f32>;", nil, nil, []string{"x twice"}},
	} {
		_, err := Parse("sample", c.entry, c.text, c.consts, c.includes)
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: the error does not say %q: %v", c.name, w, err)
			}
		}
	}
	if _, err := Load("nowhere", "main", nil, nil); err == nil {
		t.Error("a file that is not there was loaded")
	}
}

func TestCheckParams(t *testing.T) {
	s, err := Parse("sample", "first", sample, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []any{
		nil, 3, struct{}{},
		struct{ N uint32 }{},
		struct {
			N      uint32
			RowLen uint32
			Eps1   float32
		}{},
		struct {
			N      uint32
			RowLen int32
			Eps    float32
		}{},
		struct {
			N      uint32
			RowLen int32
			Eps1   float32
			More   uint32
		}{},
	} {
		if err := s.CheckParams(bad); err == nil || !strings.Contains(err.Error(), "sample.wgsl") {
			t.Errorf("%T gave %v", bad, err)
		}
	}
}

func TestIncludesAreExpanded(t *testing.T) {
	s, err := Parse("sample", "first", "//!include old\n"+sample, nil, []Const{{"old", "matmul"}})
	if err == nil || !strings.Contains(err.Error(), "params twice") {
		t.Errorf("including a file with params again gave %v, %v", s, err)
	}
	s, err = Parse("sample", "splitk_sum", "//!include matmul", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Storage("part"); err != nil {
		t.Error(err)
	}
}

func TestNumbered(t *testing.T) {
	if got, want := Numbered("a\nb\n"), "   1  a\n   2  b\n"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
}

func TestMatmulTexts(t *testing.T) {
	for _, kernel := range []string{"r8x8/64", "r16x16/8", "r32x16/8", "t4x4/8x8", "p8x8/16x16"} {
		for _, form := range []string{"nn", "nt", "tn", "tt"} {
			for _, vec := range []string{"a1,b1,c4", "a4,b1,c1", "a1,b4,c1", "a4,b4,c4"} {
				name := "matmul:" + kernel + "," + form + "," + vec
				s, err := Load(name, "matmul", nil, nil)
				if err != nil {
					t.Error(err)
					continue
				}
				for v, want := range map[string]int{"a": int(vec[1] - '0'), "b": int(vec[4] - '0'), "c": int(vec[7] - '0'), "bias": int(vec[7] - '0')} {
					if b, err := s.Storage(v); err != nil || b.Vector != want || b.Write != (v == "c") {
						t.Errorf("%s: %s is %+v, %v", name, v, b, err)
					}
				}
			}
		}
	}
	for _, bad := range []string{"matmul:", "matmul:r0x8/8,nn,a1,b1,c4", "matmul:t8x8/64,nn,a1,b1,c1", "matmul:r8x8/8x8,nn,a1,b1,c1", "matmul:t8x8/4x8,nn,a1,b1,c1", "matmul:t12x8/8x8,nn,a1,b1,c1", "matmul:t8x8/32x16,nn,a1,b1,c1", "matmul:r8x8/64,nn,a2,b1"} {
		if _, err := Load(bad, "matmul", nil, nil); err == nil {
			t.Errorf("%s was made", bad)
		}
	}
}

// The compilers behind WebGPU do not all have these; kernels do without.
func TestPortableText(t *testing.T) {
	banned := regexp.MustCompile(`\boverride\b|\benable\b|subgroup|atomic<\s*f32|const_assert|\bf16\b|var<push_constant>`)
	if len(Names()) == 0 {
		t.Fatal("no files")
	}
	for _, name := range Names() {
		text, err := Library{}.open(name)
		if err != nil {
			t.Fatal(err)
		}
		if m := banned.FindString(comment.ReplaceAllString(text, "")); m != "" {
			t.Errorf("%s.wgsl uses %s", name, m)
		}
		if !strings.HasPrefix(text, "//") {
			t.Errorf("%s.wgsl does not begin with a comment that says what it computes", name)
		}
	}
}
