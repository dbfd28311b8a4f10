package shaders

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.wgsl
var files embed.FS

// Const names a value: of a line `const NAME: type = value;`, or the file that replaces the one named on an include line.
type Const struct{ Name, Value string }

// Binding is one storage or uniform variable of a text, in group 0.
type Binding struct {
	Name    string
	Index   int
	Write   bool // declared read_write
	Uniform bool
	// Vector is the number of 4-byte words of one element: 4 for array<vec4<f32>>, otherwise 1.
	Vector int
	// Element is the type of an element; Packed tells that it is no float32 but words of packed elements, array<u32>.
	Element string
	Packed  bool
}

// Field is one member of the uniform struct.
type Field struct{ Name, Type string }

// Source is the specialised text of one entry point and what was read from it.
type Source struct {
	File, Entry string
	Text        string
	Bindings    []Binding
	Fields      []Field // of `struct Params`, nil without one
}

var (
	includeLine = regexp.MustCompile(`^\s*//!?include\s+(\w+)\s*$`)
	bindingDecl = regexp.MustCompile(`@group\((\d+)\)\s*@binding\((\d+)\)\s*var<\s*(\w+)\s*(?:,\s*(\w+)\s*)?>\s*(\w+)\s*:\s*([^;]+);`)
	arrayOf     = regexp.MustCompile(`array<\s*([\w<>]+?)\s*>\s*$`)
	// generatedFile is a file that stands for a generated text.
	generatedFile = regexp.MustCompile(`^(matmul_[rtp]\d+x\d+_(?:\d+x)?\d+_[nt][nt]_a[14]_b[14]_c[14](?:_gelu|_slope|_sums)?|flash_[a-z]+_\d+x\d+)\.wgsl$`)
	paramsDecl    = regexp.MustCompile(`struct\s+Params\s*\{([^}]*)\}`)
	fieldDecl     = regexp.MustCompile(`(\w+)\s*:\s*(\w+)`)
	comment       = regexp.MustCompile(`//[^\n]*`)
)

// maxDepth bounds nested includes, so that a file that includes itself is an error.
const maxDepth = 8

// Names lists the files, without .wgsl.
func Names() []string {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".wgsl"))
	}
	return names
}

// Library gives texts by name: its own first, then the embedded files and what is generated. The zero value has none of its
// own.
type Library struct{ own map[string]string }

// FileName is the file, with .wgsl, that stands for a name: generated texts have names that no file can have.
func FileName(name string) string {
	return strings.NewReplacer(":", "_", "/", "_", ",", "_").Replace(name) + ".wgsl"
}

// WithTexts lays texts, by the name of their file without .wgsl, over the embedded ones.
func WithTexts(texts map[string]string) Library { return Library{texts} }

// Overlay lays the .wgsl files of a folder over the embedded ones. A file that has no namesake among them, and is not named
// after a generated text, is refused: it would change nothing.
func Overlay(dir string) (Library, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Library{}, fmt.Errorf("shaders: %w", err)
	}
	known := Names()
	texts := map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".wgsl")
		if !ok || e.IsDir() {
			continue
		}
		if !slices.Contains(known, name) && !generatedFile.MatchString(e.Name()) {
			return Library{}, fmt.Errorf("shaders: %s stands for no kernel: there are %s, and generated ones such as %s",
				filepath.Join(dir, e.Name()), strings.Join(known, ", "), FileName("matmul:t4x4/8x8,nn,a4,b4,c4"))
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return Library{}, fmt.Errorf("shaders: %w", err)
		}
		texts[name] = string(data)
	}
	if len(texts) == 0 {
		return Library{}, fmt.Errorf("shaders: %s holds no .wgsl file", dir)
	}
	return Library{texts}, nil
}

// Load specialises file (without .wgsl) for one entry point. Errors name the file and what it lacks.
func (l Library) Load(file, entry string, consts, includes []Const) (*Source, error) {
	text, err := l.open(file)
	if err != nil {
		return nil, err
	}
	return l.parse(file, entry, text, consts, includes)
}

// Load is Library.Load of the embedded files.
func Load(file, entry string, consts, includes []Const) (*Source, error) {
	return Library{}.Load(file, entry, consts, includes)
}

// open gives a file's text, or that of a name which stands for generated text.
func (l Library) open(name string) (string, error) {
	if text, ok := l.own[strings.TrimSuffix(FileName(name), ".wgsl")]; ok {
		return text, nil
	}
	if strings.HasPrefix(name, matmulPrefix) {
		return matmulText(name)
	}
	if strings.HasPrefix(name, flashPrefix) {
		return flashText(name)
	}
	data, err := files.ReadFile(name + ".wgsl")
	if err != nil {
		return "", fmt.Errorf("shaders: there is no file %s.wgsl", name)
	}
	return string(data), nil
}

// Parse is Load for a text that is not among the files; file only names it in messages.
func Parse(file, entry, text string, consts, includes []Const) (*Source, error) {
	return Library{}.parse(file, entry, text, consts, includes)
}

func (l Library) parse(file, entry, text string, consts, includes []Const) (*Source, error) {
	used := make([]bool, len(includes))
	text, err := l.expand(file, text, includes, used, 0)
	if err != nil {
		return nil, err
	}
	for i, inc := range includes {
		if !used[i] {
			return nil, fmt.Errorf("shaders: %s.wgsl has no line //!include %s", file, inc.Name)
		}
	}
	for _, c := range consts {
		line := regexp.MustCompile(`(?m)^(\s*const\s+` + regexp.QuoteMeta(c.Name) + `\s*(?::[^=\n]*)?=\s*)[^;\n]+;`)
		if !line.MatchString(text) {
			return nil, fmt.Errorf("shaders: %s.wgsl has no line `const %s: type = value;`", file, c.Name)
		}
		text = line.ReplaceAllString(text, "${1}"+strings.ReplaceAll(c.Value, "$", "$$")+";")
	}
	s := &Source{File: file, Entry: entry, Text: text}
	plain := comment.ReplaceAllString(text, "")
	if !regexp.MustCompile(`@compute[^;{}]*fn\s+` + regexp.QuoteMeta(entry) + `\s*\(`).MatchString(plain) {
		return nil, fmt.Errorf("shaders: %s.wgsl has no entry point %q", file, entry)
	}
	return s, s.scan(plain)
}

func (l Library) expand(file, text string, includes []Const, used []bool, depth int) (string, error) {
	if depth > maxDepth {
		return "", fmt.Errorf("shaders: %s.wgsl: includes are nested more than %d deep", file, maxDepth)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		m := includeLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[1]
		for k, inc := range includes {
			if inc.Name == m[1] {
				name, used[k] = inc.Value, true
			}
		}
		inner, err := l.open(name)
		if err != nil {
			return "", fmt.Errorf("%s.wgsl:%d: %w", file, i+1, err)
		}
		if lines[i], err = l.expand(name, inner, includes, used, depth+1); err != nil {
			return "", err
		}
	}
	return strings.Join(lines, "\n"), nil
}

// scan reads the bindings and the parameter struct.
func (s *Source) scan(text string) error {
	for _, m := range bindingDecl.FindAllStringSubmatch(text, -1) {
		index, err := strconv.Atoi(m[2])
		if err != nil || m[1] != "0" {
			return fmt.Errorf("shaders: %s.wgsl: %s is not in group 0", s.File, m[5])
		}
		b := Binding{Name: m[5], Index: index, Vector: 1}
		switch {
		case m[3] == "uniform":
			b.Uniform = true
		case m[3] == "storage":
			b.Write = m[4] == "read_write"
			if strings.Contains(m[6], "vec4") {
				b.Vector = 4
			}
			if e := arrayOf.FindStringSubmatch(m[6]); e != nil {
				b.Element = e[1]
				b.Packed = e[1] == "u32"
			}
		default:
			return fmt.Errorf("shaders: %s.wgsl: %s is in the address space %s", s.File, m[5], m[3])
		}
		for _, o := range s.Bindings {
			if o.Name == b.Name {
				return fmt.Errorf("shaders: %s.wgsl declares %s twice", s.File, b.Name)
			}
		}
		s.Bindings = append(s.Bindings, b)
	}
	if m := paramsDecl.FindStringSubmatch(text); m != nil {
		s.Fields = []Field{}
		for _, f := range fieldDecl.FindAllStringSubmatch(m[1], -1) {
			s.Fields = append(s.Fields, Field{f[1], f[2]})
		}
	}
	return nil
}

// Storage finds a storage variable.
func (s *Source) Storage(name string) (Binding, error) {
	for _, b := range s.Bindings {
		if b.Name == name && !b.Uniform {
			return b, nil
		}
	}
	return Binding{}, fmt.Errorf("shaders: %s.wgsl has no storage variable %q", s.File, name)
}

// Uniform finds `var<uniform> params`.
func (s *Source) Uniform() (Binding, error) {
	for _, b := range s.Bindings {
		if b.Uniform {
			return b, nil
		}
	}
	return Binding{}, fmt.Errorf("shaders: %s.wgsl has no `var<uniform> params: Params`", s.File)
}

// CheckParams compares a Go struct with the struct Params of the text: the same fields in the same order, names compared
// without case and underscores, types uint32, int32 and float32.
func (s *Source) CheckParams(params any) error {
	t := reflect.TypeOf(params)
	if t == nil || t.Kind() != reflect.Struct {
		return fmt.Errorf("shaders: %s.wgsl: parameters are %T, expected a struct", s.File, params)
	}
	want := map[reflect.Kind]string{reflect.Uint32: "u32", reflect.Int32: "i32", reflect.Float32: "f32"}
	if s.Fields == nil {
		return fmt.Errorf("shaders: %s.wgsl has no struct Params for the Go struct %v", s.File, t)
	}
	for i := range max(t.NumField(), len(s.Fields)) {
		switch {
		case i >= t.NumField():
			return fmt.Errorf("shaders: %s.wgsl: the Go struct %v lacks %s, field %d of Params", s.File, t, s.Fields[i].Name, i)
		case i >= len(s.Fields):
			return fmt.Errorf("shaders: %s.wgsl: Params lacks %s, field %d of the Go struct %v", s.File, t.Field(i).Name, i, t)
		}
		f, w := t.Field(i), s.Fields[i]
		if fold(f.Name) != fold(w.Name) || want[f.Type.Kind()] != w.Type {
			return fmt.Errorf("shaders: %s.wgsl: field %d is %s: %s in Params, but %s %v in the Go struct %v",
				s.File, i, w.Name, w.Type, f.Name, f.Type, t)
		}
	}
	return nil
}

func fold(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// Numbered gives a text with line numbers, to be shown with a compiler's message.
func Numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		fmt.Fprintf(&b, "%4d  %s\n", i+1, line)
	}
	return b.String()
}
