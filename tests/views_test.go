package tests

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCLIViews(t *testing.T) {
	dir := t.TempDir()
	r := xkdIn(t, "", "views", "--help")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "Examples:\n  xkd views")

	r = xkdIn(t, dir, "views", "synthetic:5", "--seed", "1")
	r.succeeds(t)
	assert.Equal(t, "views.png\n", r.stdout)
	first, err := os.ReadFile(filepath.Join(dir, "views.png"))
	require.NoError(t, err)
	img, err := png.Decode(strings.NewReader(string(first)))
	require.NoError(t, err)
	assert.Greater(t, img.Bounds().Dx(), 800)
	same := func(want bool, args ...string) {
		t.Helper()
		xkdIn(t, dir, append(args, "--out", "other.PNG")...).succeeds(t)
		other, err := os.ReadFile(filepath.Join(dir, "other.PNG"))
		require.NoError(t, err)
		assert.Equal(t, want, string(first) == string(other), "%v", args)
	}
	same(true, "views", "synthetic:5", "--seed", "1")
	same(false, "views", "synthetic:5", "--seed", "1", "--short")
	same(false, "views", "synthetic:5", "--seed", "1", "--epoch", "1")
	same(false, "views", "synthetic:5", "--seed", "2")
	same(false, "views", "synthetic:6", "--seed", "1")
	same(false, "views", "synthetic:5", "--seed", "1", "--preset", "tiny")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.mp4"), []byte("text"), 0o644))
	for _, c := range []struct {
		args string
		code int
		part string
	}{
		{"views", 2, "synthetic:INDEX"},
		{"views a b", 2, "got 2"},
		{"views absent.mp4", 1, "absent.mp4"},
		{"views text.mp4", 1, "name a file with video or sound"},
		{"views .", 1, "folder"},
		{"views synthetic:1024", 2, "0 to 1023"},
		{"views synthetic:x", 2, "0 to 1023"},
		{"views synthetic:1 --out x.jpg", 2, ".png"},
		{"views synthetic:1 --out no/x.png", 1, "--out"},
		{"views synthetic:1 --preset huge", 2, "small_h12"},
		{"views synthetic:1 --difficulty 2", 2, "--difficulty"},
		{"views synthetic:1 --epoch -1", 2, "--epoch"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "no picture is left where there was an error")
}
