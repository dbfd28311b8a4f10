package xkd

import (
	"fmt"
	"reflect"
	"strings"
)

// member is one named field of a struct of the configuration.
type member struct {
	name  string
	value reflect.Value
}

// members lists a struct's fields by their names in files; embedded structs count as their fields.
func members(v reflect.Value) []member {
	var out []member
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			out = append(out, members(v.Field(i))...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, member{name, v.Field(i)})
	}
	return out
}

// Setting is one leaf of a configuration's tree.
type Setting struct {
	Path  string // such as optimizer.lr
	Value any
}

// Text is the value as it stands in a file.
func (s Setting) Text() string { return flow(reflect.ValueOf(s.Value)) }

// Settings lists all leaves of the tree in their order.
func (c Config) Settings() []Setting {
	var out []Setting
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value, leaf bool) {
		if leaf {
			out = append(out, Setting{path, v.Interface()})
		}
	})
	return out
}

// walk visits the fields below v, a section before what is in it.
func walk(v reflect.Value, path string, visit func(path string, v reflect.Value, leaf bool)) {
	for _, m := range members(v) {
		p := join(path, m.name)
		leaf := isLeaf(m.value)
		visit(p, m.value, leaf)
		if !leaf {
			walk(m.value, p, visit)
		}
	}
}

// SettingPaths lists every setting's path, such as optimizer.lr, in the order in which they are printed.
func SettingPaths() (paths []string) {
	walk(reflect.ValueOf(Config{}), "", func(path string, _ reflect.Value, leaf bool) {
		if leaf {
			paths = append(paths, path)
		}
	})
	return paths
}

// isLeaf reports whether a value stands on one line: ramps and courses do.
func isLeaf(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return true
	}
	switch v.Interface().(type) {
	case Ramp, Course:
		return true
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Change is a setting in which two configurations differ.
type Change struct {
	Path string
	A, B Setting
}

// Diff lists the settings in which two configurations differ, in the order of the tree.
func Diff(a, b Config) []Change {
	var out []Change
	other := b.Settings()
	for i, s := range a.Settings() {
		if s.Value != other[i].Value {
			out = append(out, Change{s.Path, s, other[i]})
		}
	}
	return out
}

// field finds a value by its path.
func field(v reflect.Value, path string) (reflect.Value, error) {
	at := ""
	for name := range strings.SplitSeq(path, ".") {
		found := false
		if v.Kind() == reflect.Struct {
			for _, m := range members(v) {
				if m.name == name {
					v, found = m.value, true
					break
				}
			}
		}
		if !found {
			return v, FieldError{Path: join(at, name), Problem: unknown(v, at, name)}
		}
		at = join(at, name)
	}
	return v, nil
}

// unknown says that a name is no field of the struct v at a path, and which may have been meant.
func unknown(v reflect.Value, path, name string) string {
	best, least := "", max(2, len(name)/3)+1
	consider := func(candidate, whole string) {
		if d := distance(strings.ToLower(name), candidate); d < least {
			best, least = whole, d
		}
	}
	if v.Kind() == reflect.Struct {
		for _, m := range members(v) {
			consider(m.name, join(path, m.name))
		}
	}
	if renamed, ok := formerNames[name]; ok {
		best = renamed
	} else if least > 0 {
		// A field's own name, given without or below the wrong section, is nearer than another name.
		walk(reflect.ValueOf(Config{}), "", func(p string, _ reflect.Value, _ bool) {
			if last := p[strings.LastIndex(p, ".")+1:]; last == name && least > 0 {
				best, least = p, 0
			}
		})
	}
	if best == "" {
		var names []string
		if v.Kind() == reflect.Struct {
			for _, m := range members(v) {
				names = append(names, m.name)
			}
		}
		if len(names) == 0 {
			return fmt.Sprintf("is no setting: %s has nothing below it", path)
		}
		return "is no setting: there are " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("is no setting: did you mean %s?", best)
}

// formerNames are names of earlier versions and of the released code, and where their values stand now.
var formerNames = map[string]string{
	"clip": "optimizer.grad_clip", "attention": "model.refine", "student_temp": "loss.student_temperature",
	"teacher_temp": "loss.teacher_temperature", "centre": "loss.centre_momentum", "freeze_last": "train.freeze_last_layer",
	"recipe": "train", "config": "model", "media": "views", "select": "data", "learning_rate": "optimizer.lr",
}

// distance is the number of letters to insert, drop or replace, or of neighbours to swap, that turns a into b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return rows[len(a)][len(b)]
}
