package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allowed lists, per folder, the project's folders that its code (tests aside) may import. Data flows one way.
var allowed = map[string][]string{
	"safetensors": {},
	"shaders":     {},
	"graph":       {},
	"graph/op":    {"graph"},
	"cpu":         {"graph", "graph/op"},
	"gpu":         {"graph", "shaders"},
	"layers":      {"graph", "graph/op"},
	"media":       {},
	"draw":        {"media"},
	"xkd":         {"graph", "graph/op", "layers", "media", "safetensors"},
	"check":       {"graph", "graph/op", "layers", "cpu", "xkd", "safetensors"},
	"cmd/xkd":     {"graph", "graph/op", "cpu", "gpu", "media", "draw", "xkd", "check"},
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "exp") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel("..", filepath.Dir(path))
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		edges, ok := allowed[dir]
		if !ok {
			t.Errorf("%s: the folder %s has no entry in the table of imports", path, dir)
			return nil
		}
		seen[dir] = true
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			name := strings.Trim(i.Path.Value, `"`)
			if rest, ok := strings.CutPrefix(name, "goxkd/"); ok && !slices.Contains(edges, rest) {
				t.Errorf("%s imports %s; %s may import only %v", path, name, dir, edges)
			}
			if strings.Contains(name, "go-webgpu") && dir != "gpu" {
				t.Errorf("%s imports go-webgpu; only gpu may", path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, seen, len(allowed))
}
