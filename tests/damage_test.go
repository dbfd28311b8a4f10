package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/xkd"
)

// Damage anywhere in a checkpoint is found; the one before it is offered, and a run that goes on from that ends as it would have.
func TestDamagedCheckpointHasAPrevious(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(3, "run", "--save-every", "1")...).succeeds(t)
	path, previous := checkpointIn(filepath.Join(dir, "run")), filepath.Join(dir, "run", xkd.PreviousFile)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	l, err := xkd.LoadCheckpoint(previous)
	require.NoError(t, err)
	require.Equal(t, 2, l.Done)
	for range 20 {
		i, bit := rand.IntN(len(whole)), byte(1)<<rand.IntN(8)
		whole[i] ^= bit
		require.NoError(t, os.WriteFile(path, whole, 0o644))
		_, err := xkd.LoadCheckpoint(path)
		require.ErrorIs(t, err, xkd.ErrDamaged, "byte %d", i)
		var damaged xkd.DamagedError
		require.ErrorAs(t, err, &damaged)
		require.Equal(t, previous, damaged.Previous)
		require.Equal(t, 2, damaged.Done)
		whole[i] ^= bit
	}
	whole[len(whole)-1] ^= 1
	require.NoError(t, os.WriteFile(path, whole, 0o644))
	offer := fmt.Sprintf("mv %s %s", filepath.Join("run", xkd.PreviousFile), checkpointIn("run"))
	xkdIn(t, dir, "probe", "run", "--device", "cpu").fails(t, 1, "tensor", "checksum", offer)
	resume := []string{"train", "--resume", "--device", "cpu", "--out", "run"}
	xkdIn(t, dir, append(resume, "--steps", "4")...).fails(t, 1, "checksum", "with 2 steps", offer)

	require.NoError(t, os.Remove(path))
	xkdIn(t, dir, resume...).fails(t, 1, "there is no checkpoint", offer)
	xkdIn(t, dir, small(3, "run")...).fails(t, 1, xkd.PreviousFile, "there already")
	require.NoError(t, os.Rename(previous, path))
	xkdIn(t, dir, resume...).succeeds(t)
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	whole[len(whole)-1] ^= 1
	require.True(t, string(whole) == string(got), "the checkpoint's bytes")
	requireMetrics(t, filepath.Join(dir, "run"), 3)
}

// A checkpoint without checksums, as earlier versions wrote, loads.
func TestDamageOfFormerCheckpoints(t *testing.T) {
	s := run(t, cpu.Device{}, smallConfig(t, xkd.XKD, 1), t.TempDir(), xkd.RunOptions{})
	text, err := os.ReadFile(s.Checkpoint)
	require.NoError(t, err)
	// The same length, other keys: what remains is metadata that nobody reads.
	former := strings.Replace(strings.Replace(string(text), `"crc32c":`, `"former":`, 1), `"crc32c.tensors":`, `"former.tensors":`, 1)
	require.NoError(t, os.WriteFile(s.Checkpoint, []byte(former), 0o644))
	l, err := xkd.LoadCheckpoint(s.Checkpoint)
	require.NoError(t, err)
	require.Equal(t, 1, l.Done)
	// One of the two alone is damage.
	former = strings.Replace(string(text), `"crc32c.tensors":`, `"former.tensors":`, 1)
	require.NoError(t, os.WriteFile(s.Checkpoint, []byte(former), 0o644))
	_, err = xkd.LoadCheckpoint(s.Checkpoint)
	require.ErrorIs(t, err, xkd.ErrDamaged)
}

// Resume and probe find the clips from any folder, and say that there are others now.
func TestResumeFromAnotherFolder(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Skip("ffmpeg is needed to make clips")
	}
	dir, elsewhere := t.TempDir(), t.TempDir()
	out := filepath.Join(dir, "run")
	clip := func(class string, n int) {
		folder := filepath.Join(dir, "videos", class)
		require.NoError(t, os.MkdirAll(folder, 0o755))
		make := exec.Command("ffmpeg", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("testsrc=size=64x64:rate=8:duration=%d", n),
			"-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:duration=%d", 200*n, n), filepath.Join(folder, fmt.Sprintf("%d.mp4", n)))
		text, err := make.CombinedOutput()
		require.NoError(t, err, "%s", text)
	}
	for n := 3; n < 6; n++ {
		clip("a", n)
		clip("b", n)
	}
	xkdIn(t, dir, small(1, "run", "--data", "videos")...).succeeds(t)
	l, err := xkd.LoadCheckpoint(checkpointIn(out))
	require.NoError(t, err)
	require.Equal(t, 6, l.Clips)
	require.Equal(t, "videos", l.Config.Data.Path, "the path as it was given")
	require.Equal(t, filepath.Join(dir, "videos"), l.Data().Path)

	r := xkdIn(t, elsewhere, "probe", out, "--device", "cpu", "--seeds", "1")
	r.succeeds(t)
	require.Contains(t, r.stderr, "have seen these clips")
	resume := func(steps int, more ...string) result {
		return xkdIn(t, elsewhere, append([]string{"train", "--resume", "--device", "cpu", "--out", out, "--steps", fmt.Sprint(steps)}, more...)...)
	}
	r = resume(2)
	r.succeeds(t)
	require.NotContains(t, r.stderr, "here are")
	clip("a", 6)
	r = resume(3)
	r.succeeds(t)
	require.Contains(t, r.stderr, "note: the checkpoint was trained on 6 clips, and here are 7")
	moved := filepath.Join(elsewhere, "moved")
	require.NoError(t, os.Rename(filepath.Join(dir, "videos"), moved))
	resume(4).fails(t, 1, "videos")
	resume(4, "--data", moved).succeeds(t)
}
