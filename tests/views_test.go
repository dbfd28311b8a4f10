package tests

import (
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
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
	same(true, "views", "synthetic:5", "--seed", "1", "--step", "1")
	same(false, "views", "synthetic:5", "--seed", "1", "--step", "2")
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
		{"views synthetic:1 --step 0", 2, "count from 1"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 3, "no picture is left where there was an error")
}

// watched keeps the executor that training compiles.
type watched struct {
	graph.Device
	exec graph.Executor
}

func (w *watched) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	var err error
	w.exec, err = w.Device.Compile(g, opt)
	return w.exec, err
}

// The masks that `xkd views` draws are those that lie on the first clip of a training step.
func TestViewsShowTrainingsMasks(t *testing.T) {
	c := smallConfig(t, xkd.XKD, 3)
	dev := &watched{Device: cpu.Device{}}
	trainer, err := xkd.New(c, dev)
	require.NoError(t, err)
	defer trainer.Close()
	loader, err := views.NewLoader(t.Context(), synthetic.New(c.Generated()), c.Spec(), views.LoaderConfig{Batch: c.Train.Batch, Seed: c.Train.Seed})
	require.NoError(t, err)
	defer loader.Close()
	var before []bool
	for step := range 3 {
		batch, err := loader.Next()
		require.NoError(t, err)
		_, err = trainer.Train(t.Context(), batch)
		require.NoError(t, err)
		for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
			node := trainer.Step.In[m].Mask
			mask := make([]float32, node.Shape.Size())
			require.NoError(t, dev.exec.Read(node, mask))
			seen := c.Visible(m, c.Train.Seed, step)
			require.Len(t, seen, node.Shape[1])
			for patch, visible := range seen {
				require.Equal(t, visible, mask[patch] == 0, "step %d, %s, patch %d", step, m, patch)
			}
			require.NotEqual(t, before, seen)
			before = seen
		}
	}
}
