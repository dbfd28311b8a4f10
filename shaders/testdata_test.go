package shaders

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the expected texts anew")

// The generators of matrix products and of attention are read by their results: the expected texts are in testdata, one for
// each kind of kernel.
// After a change that is meant: go test ./shaders -run Expected -update, and read the difference.
func TestExpectedTexts(t *testing.T) {
	for _, name := range []string{
		"matmul:r8x8/64,nn,a4,b4,c4", "matmul:r16x16/8,tn,a4,b1,c1", "matmul:r32x16/8,nt,a1,b4,c4",
		"matmul:t4x4/8x8,nn,a4,b4,c4", "matmul:t8x8/16x16,tn,a1,b1,c1", "matmul:p8x8/16x16,nt,a4,b4,c4",
		"matmul:t4x4/16x16,nt,a4,b4,c4,gelu", "matmul:r8x8/64,nn,a4,b1,c1,slope",
		"matmul:t8x8/16x16,tn,a4,b4,c4,sums", "matmul:r8x8/64,tn,a4,b4,c4,sums",
		"flash:forward/64x16", "flash:overlap/64x16", "flash:keys/32x8", "flash:queries/64x20",
	} {
		entry := "matmul"
		if part, ok := strings.CutPrefix(name, flashPrefix); ok {
			entry, _, _ = strings.Cut(part, "/")
		}
		s, err := Load(name, entry, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", FileName(name))
		if *update {
			if err := os.WriteFile(path, []byte(s.Text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Text != string(want) {
			t.Errorf("%s is not the text in %s", name, path)
		}
	}
}

// A user's file stands in for the embedded one, for an included one and for a generated one; a file that stands for nothing
// is refused.
func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Overlay(dir); err == nil {
		t.Error("an empty folder was taken")
	}
	const mine = "// mine\n@compute @workgroup_size(64)\nfn main() {}\n//!include sums\n"
	write("softmax.wgsl", mine)
	write("sums.wgsl", "// my sums\n")
	generated := "matmul:t4x4/8x8,nn,a4,b4,c4"
	write(FileName(generated), mine)
	l, err := Overlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"softmax", generated} {
		s, err := l.Load(name, "main", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := mine[:len(mine)-len("//!include sums\n")] + "// my sums\n\n"; s.Text != want {
			t.Errorf("%s is %q, expected %q", name, s.Text, want)
		}
	}
	write("sofmax.wgsl", mine)
	if _, err := Overlay(dir); err == nil {
		t.Error("a file that stands for no kernel was taken")
	}
}

// A name that no kernel of attention can have is refused.
func TestFlashNames(t *testing.T) {
	for _, name := range []string{"flash:forward/32x0", "flash:keys/32x33", "flash:values/32x8", "flash:keys/48x8", "flash:keys"} {
		if _, err := Load(name, "keys", nil, nil); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
}
