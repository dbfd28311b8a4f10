package tests

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/xkd"
)

func TestCLIPlot(t *testing.T) {
	dir := t.TempDir()
	r := xkdIn(t, "", "plot", "--help")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "Examples:\n  xkd plot")

	xkdIn(t, dir, small(3, "run")...).succeeds(t)
	metrics := filepath.Join(dir, "run", xkd.MetricsFile)
	r = xkdIn(t, dir, "plot", "run")
	r.succeeds(t)
	assert.Equal(t, "curves.png\n", r.stdout)
	whole, err := os.ReadFile(filepath.Join(dir, "curves.png"))
	require.NoError(t, err)
	img, err := png.Decode(strings.NewReader(string(whole)))
	require.NoError(t, err)
	assert.Greater(t, img.Bounds().Dx(), 800)

	// A run under way may have a last line that is not whole.
	m, err := xkd.LoadMetrics(metrics)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, m.Steps)
	for _, name := range xkd.LossNames {
		require.Len(t, m.Losses[name], 3, name)
	}
	text, err := os.ReadFile(metrics)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(metrics, text[:len(text)-9], 0o644))
	m, err = xkd.LoadMetrics(metrics)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, m.Steps)
	xkdIn(t, dir, "plot", filepath.Join("run", xkd.MetricsFile), "--out", "cut.png").succeeds(t)

	// A run that fine-tunes has one loss.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tuned"), []byte(`{"step":1,"losses":{"loss":2}}`+"\n"+`{"step":2,"losses":{"loss":1}}`+"\n"), 0o644))
	xkdIn(t, dir, "plot", "tuned", "--out", "tuned.png").succeeds(t)

	for name, content := range map[string]string{
		"empty": "", "text": "text\n", "other": `{"step":1,"losses":{"loss":1,"kl":2}}` + "\n", "twice": strings.Repeat(strings.SplitAfter(string(text), "\n")[0], 2),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	for _, c := range []struct {
		args string
		code int
		part string
	}{
		{"plot", 2, "runs/latest"},
		{"plot a b", 2, "runs/latest"},
		{"plot absent", 1, "xkd train"},
		{"plot .", 1, "xkd train"},
		{"plot empty", 1, "no step yet"},
		{"plot text", 1, "line 1"},
		{"plot other", 1, "alignment_loss"},
		{"plot twice", 1, "step 1 follows step 1"},
		{"plot run --out x.svg", 2, ".png"},
		{"plot run --out no/x.png", 1, "--out"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
	}
	assert.NoFileExists(t, filepath.Join(dir, "no"))
	entries, err := filepath.Glob(filepath.Join(dir, "*.png"))
	require.NoError(t, err)
	assert.Len(t, entries, 3, "no picture is left where there was an error")
}
