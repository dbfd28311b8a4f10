package tests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/xkd"
)

// A second run in a folder is refused, whichever it is, and told whose the folder is; the first does not notice.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, small(40, "run", "--json", "--save-every", "2")...)
	host, err := os.Hostname()
	require.NoError(t, err)
	s.until(t, 1)
	owner := fmt.Sprintf("process %d on %s, since 2", s.cmd.Process.Pid, host)
	xkdIn(t, dir, small(2, "run", "--seed", "2")...).fails(t, 1, "run: another run has the folder", owner, "--out")
	s.until(t, 3)
	xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run").fails(t, 1, "another run has the folder", owner)
	for s.lines.Scan() {
	}
	require.NoError(t, s.cmd.Wait(), "%s", &s.stderr)
	m, err := xkd.LoadMetrics(filepath.Join(dir, "run", xkd.MetricsFile))
	require.NoError(t, err)
	require.Len(t, m.Steps, 40)
	require.NoFileExists(t, filepath.Join(dir, "run", xkd.LockFile))
}

// A run that is killed leaves nothing to clean by hand, and its half-written files are swept.
func TestLockAfterKill(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, small(1000, "run", "--json", "--save-every", "1")...)
	s.until(t, 2)
	require.NoError(t, s.cmd.Process.Kill())
	_ = s.cmd.Wait()
	require.FileExists(t, filepath.Join(dir, "run", xkd.LockFile))
	half := filepath.Join(dir, "run", "."+xkd.CheckpointFile+".123.part")
	require.NoError(t, os.WriteFile(half, []byte("half"), 0o644))
	l, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, "run")))
	require.NoError(t, err)
	xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run", "--steps", fmt.Sprint(l.Done+1)).succeeds(t)
	require.NoFileExists(t, half)
	require.NoFileExists(t, filepath.Join(dir, "run", xkd.LockFile))
}

// The library refuses too, two trainers of one process among them.
func TestLockInOneProcess(t *testing.T) {
	dir := t.TempDir()
	c := smallConfig(t, xkd.XKD, 2)
	var second error
	run(t, cpu.Device{}, c, dir, xkd.RunOptions{Progress: func(p xkd.Progress) {
		if p.Step == 1 {
			_, second = runIn(t, context.Background(), cpu.Device{}, c, dir, xkd.RunOptions{})
		}
	}})
	require.ErrorIs(t, second, xkd.ErrLocked)
}
