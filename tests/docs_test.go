package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// cited is what docs/method.md offers to be cited: "E7", "step 3", "section 2.4".
func cited(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../docs/method.md")
	require.NoError(t, err)
	places := map[string]bool{}
	for _, form := range []struct{ pattern, as string }{
		{`(?m)^(?:- )?\*\*E(\d+)\.\*\*`, "E%s"},
		{`(?m)^### Step (\d+):`, "step %s"},
		{`(?m)^##+ (\d+(?:\.\d+)?)\.? `, "section %s"},
	} {
		for _, m := range regexp.MustCompile(form.pattern).FindAllStringSubmatch(string(text), -1) {
			place := fmt.Sprintf(form.as, m[1])
			require.False(t, places[place], "docs/method.md has %s twice", place)
			places[place] = true
		}
	}
	require.Greater(t, len(places), 40)
	return places
}

var (
	citation = regexp.MustCompile(`docs/method\.md((?:,? (?:and |to )?(?:E\d+|sections? \d+(?:\.\d+)?|steps? \d+|\d+(?:\.\d+)?))*)`)
	place    = regexp.MustCompile(`E\d+|(?:(section|step)s? )?(\d+(?:\.\d+)?)`)
)

// places splits "steps 5 to 7" into "step 5" and "step 7".
func places(list string) []string {
	var out []string
	kind := ""
	for _, m := range place.FindAllStringSubmatch(list, -1) {
		switch {
		case m[2] == "":
			out = append(out, m[0])
		case m[1] != "":
			kind = m[1]
			fallthrough
		default:
			out = append(out, kind+" "+m[2])
		}
	}
	return out
}

func TestPlaces(t *testing.T) {
	for text, want := range map[string][]string{
		"docs/method.md, E7":                           {"E7"},
		"docs/method.md, E13 and E14":                  {"E13", "E14"},
		"docs/method.md, steps 5 to 7":                 {"step 5", "step 7"},
		"docs/method.md, sections 2.4 and 3, E1":       {"section 2.4", "section 3", "E1"},
		"docs/method.md says what 3 networks compute.": nil,
	} {
		require.Equal(t, want, places(citation.FindStringSubmatch(text)[1]), text)
	}
}

// sources calls visit with every text file of the project but those of docs/.
func sources(t *testing.T, visit func(path, text string)) {
	t.Helper()
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != ".." && strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"docs", "runs", "bin"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Name() == "docs_test.go" || !slices.Contains([]string{".go", ".wgsl", ".h", ".c", ".md"}, filepath.Ext(path)) {
			return nil
		}
		text, err := os.ReadFile(path)
		visit(path, string(text))
		return err
	}))
}

// Every place of docs/method.md that a comment cites is there, and nothing cites a method that is not in the checkout.
func TestCitationsOfTheMethod(t *testing.T) {
	there, found := cited(t), 0
	vague := regexp.MustCompile(`(?i)\bmethod, (section|step)|steps? \d+( (to|and) \d+)? of the method`)
	// A comment may break within a citation.
	broken := regexp.MustCompile(`\n[ \t]*//[ \t]*`)
	sources(t, func(path, text string) {
		text = broken.ReplaceAllString(text, " ")
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			for _, p := range places(m[1]) {
				found++
				if !there[p] {
					t.Errorf("%s cites %q: docs/method.md has no %s", path, m[0], p)
				}
			}
		}
		if m := vague.FindString(text); m != "" {
			t.Errorf("%s cites %q: name the place, as in \"docs/method.md, E7\"", path, m)
		}
	})
	require.Positive(t, found)
}

// The functions that the documents name as folder.Name exist.
func TestDocumentsNameFunctions(t *testing.T) {
	name := regexp.MustCompile("`(op|layers|xkd|graph|gpu|cpu|media|draw|check|shaders)\\.([A-Z]\\w*)`")
	folders := map[string]string{"op": "graph/op"}
	declared := map[string]map[string]bool{}
	for _, doc := range documents(t) {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			folder := m[1]
			if f, ok := folders[folder]; ok {
				folder = f
			}
			if declared[folder] == nil {
				declared[folder] = declarations(t, folder)
			}
			if !declared[folder][m[2]] {
				t.Errorf("%s names %s.%s, which no file of %s/ declares", doc, m[1], m[2], folder)
			}
		}
	}
}

// declarations are the names that a folder declares at the top level.
func declarations(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	require.NoError(t, err)
	names := map[string]bool{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					names[d.Name.Name] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}

// documents lists the Markdown files for readers.
func documents(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("../*.md")
	require.NoError(t, err)
	more, err := filepath.Glob("../docs/*.md")
	require.NoError(t, err)
	require.NotEmpty(t, more)
	return append(list, more...)
}

// anchors are the names by which GitHub links to the headings of a Markdown text.
func anchors(text string) map[string]bool {
	out := map[string]bool{}
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		heading := strings.TrimLeft(line, "#")
		if fenced || heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		out[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))] = true
	}
	return out
}

// Relative links of the documents, those of pictures too, lead to files and headings that exist.
func TestLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"`)
	found := 0
	for _, doc := range documents(t) {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := m[1] + m[2]
			u, err := url.Parse(target)
			require.NoError(t, err, "%s: link %q", doc, target)
			if u.Scheme != "" {
				continue
			}
			found++
			path := doc
			if u.Path != "" {
				path = filepath.Join(filepath.Dir(doc), filepath.FromSlash(u.Path))
			}
			data, err := os.ReadFile(path)
			if info, failed := os.Stat(path); err != nil && (failed != nil || !info.IsDir()) {
				t.Errorf("%s links to %s, which does not exist", doc, target)
				continue
			}
			if u.Fragment != "" && !anchors(string(data))[u.Fragment] {
				t.Errorf("%s links to %s: %s has no such heading", doc, target, path)
			}
		}
	}
	require.Positive(t, found)
}
