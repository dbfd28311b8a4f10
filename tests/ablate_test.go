package tests

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/record"
	"goxkd/watch"
	"goxkd/xkd"
)

// The command trains what is not there yet and prints the same table whether it has trained or not.
func TestCLIAblate(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	args := []string{"ablate", "--device", "cpu", "--batch", "2", "--steps", "2", "--seeds", "2", "--clips", "18", "--splits", "2", "--out", out,
		"--row", "loss.kd=0", "--row", "fast: optimizer.lr=1e-2; loss.recon=1"}
	first := xkdIn(t, "", append(args, "--watch=127.0.0.1:0", "--tensorboard", "--look-every", "2")...)
	first.succeeds(t)
	require.Contains(t, first.stderr, "6 of 6 runs")
	require.Contains(t, first.stderr, "watch:      http://127.0.0.1:")
	folders, err := record.Find(out)
	require.NoError(t, err)
	require.Len(t, folders, 6)
	for _, folder := range folders {
		r, err := record.Open(folder)
		require.NoError(t, err)
		require.NoError(t, r.Update())
		events, err := filepath.Glob(filepath.Join(folder, watch.TensorBoardFolder, "*tfevents*"))
		require.NoError(t, err)
		if strings.HasPrefix(filepath.Base(folder), "untrained") {
			require.Empty(t, r.Looks())
			require.Empty(t, events)
			continue
		}
		require.Len(t, r.Looks(), 1, folder)
		require.Contains(t, r.Scores(), xkd.HeldPrefix+"knn_video", folder)
		require.Len(t, events, 1, folder)
	}
	for _, part := range []string{"student networks:", "teacher networks:", "untrained", "loss.kd=0", "fast", "video student, linear"} {
		require.Contains(t, first.stdout, part)
	}
	again := xkdIn(t, "", args...)
	again.succeeds(t)
	require.Equal(t, 6, strings.Count(again.stderr, "finished before"))
	require.Equal(t, first.stdout, again.stdout)

	asJSON := xkdIn(t, "", append(args, "--json")...)
	asJSON.succeeds(t)
	var table struct {
		Rows []struct {
			Name  string
			Seeds []int
			Cells []struct{ Values []float64 }
		}
		Columns, Orders []any
	}
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &table))
	require.Len(t, table.Rows, 3)
	require.Equal(t, "fast", table.Rows[2].Name)
	require.Equal(t, []int{0, 1}, table.Rows[2].Seeds)
	require.Len(t, table.Rows[2].Cells, 16) // student and teacher, by video, audio and both, by k-NN and SVM, and retrieval both ways
	require.Len(t, table.Rows[2].Cells[0].Values, 2)
	require.Len(t, table.Orders, len(table.Columns))
	for _, name := range []string{"table.txt", "table.md", "table.json", "table.png"} {
		require.FileExists(t, filepath.Join(out, name))
	}
	other := xkdIn(t, "", append(args, "--lr", "0.5")...)
	require.Equal(t, 1, other.code)
	require.Contains(t, other.stderr, "optimizer.lr is")
	require.Contains(t, other.stderr, "another --out")
}

// An ablation that is killed at any moment, again and again, ends with the table of one that was left alone.
func TestKillAblate(t *testing.T) {
	kills := 2
	if long() {
		kills = 25
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	args := func(out string) []string {
		return []string{"ablate", "--device", "cpu", "--batch", "2", "--steps", "6", "--seeds", "1", "--clips", "18", "--splits", "1",
			"--row", "whole:", "--parallel", "2", "--out", filepath.Join(dir, out)}
	}
	began := time.Now()
	xkdIn(t, "", args("straight")...).succeeds(t)
	most := 2 * time.Since(began)
	for range kills {
		cmd := exec.Command(program, args("killed")...)
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(r.Int64N(int64(most))))
		require.NoError(t, cmd.Process.Kill())
		if cmd.Wait() == nil {
			break // it was over
		}
	}
	xkdIn(t, "", args("killed")...).succeeds(t)
	want, err := os.ReadFile(filepath.Join(dir, "straight", "table.json"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(dir, "killed", "table.json"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}
