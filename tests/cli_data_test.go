package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCLIDataHelp(t *testing.T) {
	for _, c := range []string{"index", "pack", "bench data"} {
		r := xkdIn(t, "", append(strings.Fields(c), "--help")...)
		r.succeeds(t)
		assert.Contains(t, r.stdout, "Examples:\n  xkd "+c)
		assert.Contains(t, r.stdout, "--json")
	}
}

func TestCLIDataErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args string
		code int
		part string
	}{
		{"index", 2, "needs a folder"},
		{"index a b", 2, "needs a folder"},
		{"index missing", 1, "missing"},
		{"index x --plot y.jpg", 2, "--plot"},
		{"index x --modality smell", 2, "--modality"},
		{"index x --fold 0", 2, "--fold"},
		{"index x --workers -1", 2, "--workers"},
		{"pack x", 2, "needs the clips and a folder"},
		{"pack x y --shard-mb 0", 2, "--shard-mb"},
		{"pack x y --max-seconds 0", 2, "--max-seconds"},
		{"pack x y --preset huge", 2, "small_h12"},
		{"pack missing y", 1, "missing"},
		{"bench data --batch 0", 2, "--batch"},
		{"bench data --step -1", 2, "--step"},
		{"bench data --seconds 0", 2, "--seconds"},
		{"bench data --data missing", 1, "missing"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// A folder is indexed, packed and trained on; a list with a wrong line is named with it.
func TestCLIData(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is needed to make clips")
	}
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, name := range []string{"cat/a.mkv", "dog/b.mkv", "dog/c.mkv"} {
		path := filepath.Join(dir, "clips", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		out, err := exec.Command("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=s=64x48:r=8:d=1.5", "-f", "lavfi", "-i", "sine=d=1.5", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clips", "dog", "junk.mp4"), []byte("junk"), 0o644))

	r := xkdIn(t, dir, "index", "clips", "--plot", "plot.png")
	r.succeeds(t)
	for _, part := range []string{"3 clips", "1 refused", "1 to 2", "2 classes", "dog", "4 files looked at anew"} {
		assert.Contains(t, r.stdout, part)
	}
	picture, err := os.ReadFile(filepath.Join(dir, "plot.png"))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(picture), "\x89PNG"))
	r = xkdIn(t, dir, "index", "clips", "--json")
	r.succeeds(t)
	var index struct {
		Probed, Clips int
		Classes       map[string]int
		RefusedFiles  []struct{ Path, Reason string } `json:"refused_files"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &index))
	assert.Equal(t, []int{0, 3}, []int{index.Probed, index.Clips})
	assert.Equal(t, map[string]int{"cat": 1, "dog": 2}, index.Classes)
	assert.Equal(t, "dog/junk.mp4", index.RefusedFiles[0].Path)

	r = xkdIn(t, dir, "pack", "clips", "packed")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "packed 3 clips in 1 shard")
	assert.Contains(t, r.stdout, "next: xkd train --data packed --preset nano")
	r = xkdIn(t, dir, "pack", "clips", "packed", "--json")
	r.succeeds(t)
	assert.Contains(t, r.stdout, `"kept": 3`)
	xkdIn(t, dir, "pack", "clips", "packed", "--preset", "tiny").fails(t, 1, "other options", "packed")
	xkdIn(t, dir, "pack", "clips", "clips").fails(t, 1, "other files")

	r = xkdIn(t, dir, "bench", "data", "--data", "packed", "--seconds", "0.1", "--batch", "2", "--json")
	r.succeeds(t)
	var bench struct {
		Clips         int
		Source        float64 `json:"source_clips"`
		Batches       float64 `json:"batches_clips"`
		Waiting       float64
		Skipped, More int
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &bench))
	assert.Equal(t, 3, bench.Clips)
	assert.Positive(t, bench.Source)
	assert.Positive(t, bench.Batches)
	assert.True(t, bench.Waiting >= 0 && bench.Waiting <= 1.01)

	// The shards alone serve training, to the same losses as the files.
	losses := func(data string) (out []map[string]float64) {
		r := xkdIn(t, dir, small(2, "run-"+data, "--data", data, "--json")...)
		r.succeeds(t)
		for line := range strings.Lines(r.stdout) {
			var step struct {
				Event  string
				Losses map[string]float64
			}
			require.NoError(t, json.Unmarshal([]byte(line), &step))
			if step.Event == "step" {
				out = append(out, step.Losses)
			}
		}
		return out
	}
	files := losses("clips")
	require.Len(t, files, 2)
	require.Equal(t, files, losses("packed"))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "list.csv"), []byte("path,label\nclips/cat/a.mkv,x\nclips/dog/b.mkv\n"), 0o644))
	xkdIn(t, dir, small(1, "run", "--data", "list.csv")...).fails(t, 1, "list.csv:3")
}
