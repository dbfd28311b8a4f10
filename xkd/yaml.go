package xkd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// WriteYAML writes a configuration as a person edits it, with each setting's documentation as a comment if asked.
func (c Config) WriteYAML(w io.Writer, comments bool) error {
	var b bytes.Buffer
	writeFields(&b, reflect.ValueOf(c), "", 0, comments)
	_, err := b.WriteTo(w)
	return err
}

func writeFields(b *bytes.Buffer, v reflect.Value, path string, depth int, comments bool) {
	indent := strings.Repeat("  ", depth)
	for _, m := range members(v) {
		p := join(path, m.name)
		if comments {
			if depth == 0 && b.Len() > 0 {
				b.WriteByte('\n')
			}
			for _, line := range wrap(docOf(p).comment(p), 100-len(indent)) {
				fmt.Fprintf(b, "%s# %s\n", indent, line)
			}
		}
		if isLeaf(m.value) {
			fmt.Fprintf(b, "%s%s: %s\n", indent, m.name, flow(m.value))
			continue
		}
		fmt.Fprintf(b, "%s%s:\n", indent, m.name)
		writeFields(b, m.value, p, depth+1, comments)
	}
}

// wrap breaks a text into lines of at most so many letters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// flow writes a value on one line.
func flow(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Struct:
		if r, ok := v.Interface().(Ramp); ok && r == Constant(r.Base) {
			return flow(reflect.ValueOf(r.Base))
		}
		var parts []string
		for _, m := range members(v) {
			parts = append(parts, m.name+": "+flow(m.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Array:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, flow(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.String:
		return quote(v.String())
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// quote writes a string plainly where YAML reads it as the same string, and as JSON writes it otherwise.
func quote(s string) string {
	var back any
	plain := s != "" && !strings.ContainsAny(s, "\n\r,[]{}#:\"'&*!|>%@`\\") && strings.TrimSpace(s) == s
	if plain && yaml.Unmarshal([]byte(s), &back) == nil && back == s {
		return s
	}
	text, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s)
	}
	return string(text)
}

// parse reads one document of YAML or JSON; an empty one gives nil.
func parse(text []byte) (*yaml.Node, error) {
	// YAML forbids the tabs that JSON may have between its parts.
	if bytes.ContainsRune(text, '\t') && json.Valid(text) {
		var b bytes.Buffer
		if err := json.Indent(&b, text, "", "  "); err != nil {
			return nil, err
		}
		text = b.Bytes()
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := d.Decode(&doc); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return nil, fmt.Errorf("a second document follows: one file is one configuration")
	}
	return doc.Content[0], nil
}

// overlay replaces the parts of v that a node names; what does not fit is collected.
func overlay(v reflect.Value, n *yaml.Node, path string, errs *FieldErrors) {
	fail := func(n *yaml.Node, path, format string, args ...any) {
		*errs = append(*errs, FieldError{Line: n.Line, Path: path, Problem: fmt.Sprintf(format, args...)})
	}
	if n.Kind == yaml.AliasNode {
		fail(n, path, "is an alias: write the value out")
		return
	}
	if r, ok := v.Addr().Interface().(*Ramp); ok && n.Kind == yaml.ScalarNode {
		var base float64
		overlay(reflect.ValueOf(&base).Elem(), n, path, errs)
		*r = Constant(base)
		return
	}
	if v.Kind() != reflect.Struct {
		if n.Tag == "!!null" {
			fail(n, path, "has no value: give %s, or leave the line out", kindName(v))
			return
		}
		if value := reflect.New(v.Type()).Elem(); decode(value, n) {
			v.Set(value)
		} else {
			fail(n, path, "is %s: must be %s", excerpt(n), kindName(v))
		}
		return
	}
	if n.Kind != yaml.MappingNode {
		fail(n, path, "is %s: must be a section with fields of its own", excerpt(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		p := join(path, key.Value)
		if line, twice := seen[key.Value]; twice {
			fail(key, p, "stands twice, first in line %d: keep one", line)
			continue
		}
		seen[key.Value] = key.Line
		found := false
		for _, m := range members(v) {
			if m.name == key.Value {
				overlay(m.value, value, p, errs)
				found = true
			}
		}
		if !found {
			fail(key, p, "%s", unknown(v, path, key.Value))
		}
	}
}

// decode reads a value of one line, and reports whether it fits: nothing is rounded, cut or taken for another kind.
func decode(v reflect.Value, n *yaml.Node) bool {
	if v.Kind() == reflect.Array {
		if n.Kind != yaml.SequenceNode || len(n.Content) != v.Len() {
			return false
		}
		for i, e := range n.Content {
			if !decode(v.Index(i), e) {
				return false
			}
		}
		return true
	}
	if n.Kind != yaml.ScalarNode {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
		return true
	case reflect.Int:
		var f float64
		if n.Tag == "!!float" && (n.Decode(&f) != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53) {
			return false // such as 1.5; 1e6 is a whole number
		}
	case reflect.Uint64:
		if n.Tag != "!!int" {
			return false
		}
	}
	if n.Tag == "!!str" {
		return false
	}
	return n.Decode(v.Addr().Interface()) == nil
}

// kindName says what a value must be.
func kindName(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float64:
		return "a number"
	case reflect.Array:
		return fmt.Sprintf("a list of %d, each %s", v.Len(), kindName(v.Index(0)))
	default:
		return "a text"
	}
}

// excerpt is a node's text, shortened.
func excerpt(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return fmt.Sprintf("a list of %d", len(n.Content))
	}
	return strconv.Quote(n.Value[:min(40, len(n.Value))])
}
