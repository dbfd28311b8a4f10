package tests

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/record"
	"goxkd/xkd"
)

// A run says what made it, in its folder and in its checkpoint; two runs are compared by it; what goes on keeps what was before.
func TestProvenance(t *testing.T) {
	dir := t.TempDir()
	train := "train --device cpu --batch 2 --set data.synthetic.clips=4 --save-every 3 "
	xkdIn(t, dir, strings.Fields(train+"--steps 3 --out a")...).good(t)
	xkdIn(t, dir, strings.Fields(train+"--steps 3 --out b --lr 2e-3 --seed 5")...).good(t)
	l, err := xkd.LoadCheckpoint(filepath.Join(dir, "a", xkd.CheckpointFile))
	require.NoError(t, err)
	defer l.Close()
	r, err := xkd.ReadRun(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Len(t, r.Sessions, 1)
	require.Equal(t, l.Config, r.Config)
	require.Equal(t, *l.Provenance, r.Sessions[0].Provenance)
	require.Equal(t, 4, l.Provenance.Clips)
	require.Len(t, l.Provenance.Data, 32)
	require.Contains(t, l.Provenance.Device, "cpu")
	require.Equal(t, xkd.OutcomeFinished, r.Sessions[0].Outcome)

	out := xkdIn(t, dir, "compare", "a", "b", "--json").good(t)
	var c record.Comparison
	require.NoError(t, json.Unmarshal([]byte(out.stdout), &c))
	var settings, made []string
	for _, d := range c.Settings {
		settings = append(settings, d.Name)
	}
	for _, d := range c.Provenance {
		made = append(made, d.Name)
	}
	require.ElementsMatch(t, []string{"data.synthetic.seed", "optimizer.lr", "train.seed"}, settings)
	require.Equal(t, []string{"seed", "data"}, made)
	require.Len(t, c.Results, len(xkd.LossNames))
	assert.Contains(t, xkdIn(t, dir, "compare", "a", "b").good(t).stdout, "optimizer.lr")
	xkdIn(t, dir, "compare", "a").fails(t, 2, "two folders")
	xkdIn(t, dir, "compare", "a", "nowhere").fails(t, 1, "nowhere")

	xkdIn(t, dir, strings.Fields("train --resume --device cpu --steps 5 --out a")...).good(t)
	r, err = xkd.ReadRun(filepath.Join(dir, "a"))
	require.NoError(t, err)
	require.Len(t, r.Sessions, 2)
	require.Equal(t, []int{0, 3, 3, 5}, []int{r.Sessions[0].From, r.Sessions[0].To, r.Sessions[1].From, r.Sessions[1].To})

	table := xkdIn(t, dir, "runs", ".").good(t).stdout
	assert.Contains(t, table, "finished")
	assert.Contains(t, table, "5/5")
	rows, err := csv.NewReader(strings.NewReader(xkdIn(t, dir, "runs", "a", "--csv").good(t).stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 6)
	for _, name := range []string{"loss", "lr", "entropy_video", "rank_audio", "gradient_video", "waiting", "memory"} {
		assert.Contains(t, rows[0], name)
	}
	xkdIn(t, dir, "runs", ".", "--csv").fails(t, 2, "one run")
}

// A log follows a file that grows, is cut and grows again, and holds a bounded number of points whose means are those of the file.
func TestLogOfRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), xkd.MetricsFile)
	l := record.NewLog(path)
	require.NoError(t, l.Update(), "there is no file yet")
	write := func(from, to int, flag int) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|flag, 0o644)
		require.NoError(t, err)
		e := json.NewEncoder(f)
		for s := from; s <= to; s++ {
			require.NoError(t, e.Encode(xkd.Metric{Step: s, Losses: map[string]float32{"loss": float32(s)}}))
		}
		require.NoError(t, f.Close())
	}
	write(1, 30, 0)
	require.NoError(t, l.Update())
	write(31, 40, os.O_APPEND)
	require.NoError(t, l.Update())
	require.Equal(t, 40, l.Last.Step)
	require.Equal(t, 0, l.Generation)
	require.Equal(t, []int{36, 37, 38, 39, 40}, l.After(35)["loss"].Steps)
	write(1, 20, os.O_TRUNC) // a run that has gone on from step 20
	write(21, 50, os.O_APPEND)
	require.NoError(t, l.Update())
	require.Equal(t, 50, l.Last.Step)
	require.Len(t, l.Curves["loss"].Steps, 50)
	write(51, 25_000, os.O_APPEND)
	require.NoError(t, l.Update())
	c := l.Curves["loss"]
	require.Less(t, len(c.Steps), record.MaxPoints)
	require.Greater(t, len(c.Steps), record.MaxPoints/2-1)
	for i, s := range c.Steps {
		require.LessOrEqual(t, math.Abs(c.Values[i]-float64(s)), 4.0)
	}
	require.NoError(t, os.WriteFile(path, []byte("none\n"), 0o644))
	require.ErrorContains(t, l.Update(), "no line of a metrics file")
}
