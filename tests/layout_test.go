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
	"safetensors": {"internal/files"},
	"pth":         {"internal/files", "safetensors"},
	"shaders":     {},
	"graph":       {},
	"graph/op":    {"graph"},
	"cpu":         {"graph", "graph/op"},
	"gpu":         {"graph", "shaders"},
	"gpu/gputest": {"gpu"}, // helpers of tests
	"layers":      {"graph", "graph/op"},
	// Four floors: what knows no clips, what a clip is, what makes or takes clips, and what recognises all of it.
	"internal/files":  {},
	"internal/rng":    {},
	"internal/shared": {}, // helpers of tests
	"media":           {},
	"media/ffmpeg":    {"internal/files", "media"},
	"media/pack":      {"internal/files", "media"},
	"media/synthetic": {"internal/rng", "media"},
	"media/views":     {"internal/rng", "media"},
	"media/corpus":    {"internal/files", "media", "media/ffmpeg", "media/pack"},
	"media/mediatest": {"media", "media/synthetic"}, // helpers of tests
	"draw":            {"media/views"},
	"device":          {"graph", "graph/op", "cpu", "gpu"},
	"xkd":             {"internal/files", "graph", "graph/op", "layers", "media", "media/synthetic", "media/views", "npy", "onnx", "pth", "safetensors", "svm"},
	"npy":             {},
	"onnx":            {},
	"svm":             {},
	"record":          {"internal/files", "xkd"},
	"tensorboard":     {},
	"watch":           {"draw", "internal/files", "record", "tensorboard", "xkd"},
	"check":           {"graph", "graph/op", "layers", "cpu", "xkd", "safetensors", "svm"},
	"ablate":          {"internal/files", "graph", "media", "xkd"},
	"bench":           {"graph", "graph/op", "media", "media/synthetic", "media/views", "xkd"},
	"estimate":        {"graph", "graph/op", "gpu", "xkd"},
	"tune":            {"graph", "cpu", "gpu", "internal/files"},
	"cmd/xkd": {"graph", "graph/op", "gpu", "device", "estimate", "tune", "media", "media/corpus", "media/pack", "media/synthetic", "media/views",
		"draw", "record", "watch", "xkd", "check", "bench", "ablate"},
	"cmd/dist": {"internal/files"},
	// What a program of a user looks like.
	"examples/pretrain": {"device", "media", "media/corpus", "media/synthetic", "media/views", "xkd"},
	"examples/classify": {"device", "media/corpus", "xkd"},
}

func TestImports(t *testing.T) {
	seen, documented := map[string]bool{}, map[string]bool{}
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
		// A program's documentation stands above its main.
		documented[dir] = documented[dir] || filepath.Base(path) == "doc.go" || filepath.Base(path) == "main.go"
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			name := strings.Trim(i.Path.Value, `"`)
			if rest, ok := strings.CutPrefix(name, "goxkd/"); ok && !slices.Contains(edges, rest) {
				t.Errorf("%s imports %s; %s may import only %v", path, name, dir, edges)
			}
			// The standard library's paths have no dot in their first part.
			if root, _, _ := strings.Cut(name, "/"); strings.HasPrefix(dir, "internal/") && (strings.Contains(root, ".") || root == "goxkd") {
				t.Errorf("%s imports %s; folders of internal import the standard library alone", path, name)
			}
			if strings.Contains(name, "go-webgpu") && dir != "gpu" {
				t.Errorf("%s imports go-webgpu; only gpu may", path)
			}
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, seen, len(allowed))
	for dir := range seen {
		require.True(t, documented[dir], "%s has no doc.go that says what it promises", dir)
	}
}
