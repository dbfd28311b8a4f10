package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
	"goxkd/xkd"
)

// Most of a run's files vanish: it stops, saved, names them, and what it advises works.
func TestLostFilesEndARun(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	data := filepath.Join(dir, "clips")
	require.NoError(t, os.MkdirAll(data, 0o755))
	// Too long to stay decoded.
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=48x48:r=8:d=11", "-f", "lavfi", "-i", "sine=d=11:sample_rate=16000", "-c:v", "mjpeg", "-c:a", "pcm_s16le", "file:"+filepath.Join(dir, "a.mkv"))
	film, err := os.ReadFile(filepath.Join(dir, "a.mkv"))
	require.NoError(t, err)
	name := func(i int) string { return filepath.Join(data, fmt.Sprintf("%02d.mkv", i)) }
	for i := range 10 {
		require.NoError(t, os.WriteFile(name(i), film, 0o644))
	}
	s := start(t, dir, "train", "--data", "clips", "--device", "cpu", "--config", narrow(t, dir), "--batch", "4", "--steps", "200", "--out", "run", "--json")
	s.until(t, 2)
	for i := 1; i < 10; i++ {
		require.NoError(t, os.Remove(name(i)))
	}
	for s.lines.Scan() {
	}
	_ = s.cmd.Wait()
	require.Equal(t, 1, s.cmd.ProcessState.ExitCode(), "%s", &s.stderr)
	require.Contains(t, s.stderr.String(), "of the last 64 clips could not be read")
	require.Contains(t, s.stderr.String(), "xkd train --resume --out run; --set data.most_lost=0.9")
	run := filepath.Join(dir, "run")
	l, err := xkd.LoadCheckpoint(checkpointIn(run))
	require.NoError(t, err)
	require.Greater(t, l.Done, 2)
	require.Less(t, l.Done, 40)
	requireMetrics(t, run, l.Done)

	again := []string{"train", "--resume", "--device", "cpu", "--workers", "1", "--out", "run", "--steps", fmt.Sprint(l.Done + 1)}
	xkdIn(t, dir, again...).succeeds(t) // with the clip that is left alone
	for i := 1; i < 10; i++ {
		require.NoError(t, os.WriteFile(name(i), film, 0o644))
	}
	again[len(again)-1] = fmt.Sprint(l.Done + 2)
	r := xkdIn(t, dir, append(again, "--set", "data.most_lost=1")...)
	r.succeeds(t)
	require.Contains(t, r.stderr, "was trained on 1 clips, and here are 10")
}

// As many clips as before, but others, are said when a run goes on.
func TestChangedClipsAreSaid(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "clips"), 0o755))
	for i, seconds := range []string{"1.5", "2"} {
		mediatest.Ramp(t, filepath.Join(dir, "clips", fmt.Sprintf("%d.mkv", i)), seconds)
	}
	xkdIn(t, dir, small(1, "run", "--data", "clips")...).succeeds(t)
	resume := func(steps int) string {
		r := xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run", "--steps", fmt.Sprint(steps))
		r.succeeds(t)
		return r.stderr
	}
	now := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "clips", "0.mkv"), now, now))
	require.NotContains(t, resume(2), "trained on other clips", "a file that was touched is the same")
	mediatest.Ramp(t, filepath.Join(dir, "clips", "1.mkv"), "3")
	require.Contains(t, resume(3), "note: the checkpoint was trained on other clips than these 2: names, sizes or lengths have changed")
	require.NotContains(t, resume(4), "trained on other clips")
}

// A file that broke off is packed as far as it goes, each part once; an index that claims more of it makes nothing of it.
func TestPackMakesNothingUp(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	data := filepath.Join(dir, "clips")
	require.NoError(t, os.MkdirAll(data, 0o755))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc2=s=48x48:r=8:d=40", "-f", "lavfi", "-i", "sine=d=40:sample_rate=16000", "-c:v", "libx264", "-g", "8",
		"-c:a", "aac", "-movflags", "+faststart", "file:"+filepath.Join(dir, "whole.mp4"))
	whole, err := os.ReadFile(filepath.Join(dir, "whole.mp4"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(data, "cut.mp4"), whole[:len(whole)/4], 0o644))
	xkdIn(t, dir, "index", "clips").succeeds(t)
	xkdIn(t, dir, "pack", "clips", "packed", "--max-seconds", "4").succeeds(t)
	shard, err := os.ReadFile(filepath.Join(dir, "packed", "shard-000000.tar"))
	require.NoError(t, err)
	var index struct {
		Samples []struct {
			Frames struct{ At, Size int64 }
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "packed", "shard-000000.tar.idx.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &index))
	require.NotEmpty(t, index.Samples)
	require.Less(t, len(index.Samples), 5)
	seen := map[string]bool{}
	for _, s := range index.Samples {
		frames := string(shard[s.Frames.At : s.Frames.At+min(s.Frames.Size, 48*48*3)])
		require.False(t, seen[frames], "a part comes twice")
		seen[frames] = true
	}

	// The same file, and an index by which it lasts for a minute, or for months.
	file := filepath.Join(data, ".xkd-index.jsonl")
	line, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, end := range []string{"60", "9900000"} {
		forged := regexp.MustCompile(`"end":[0-9.]+`).ReplaceAll(line, []byte(`"end":`+end))
		require.NotEqual(t, line, forged)
		require.NoError(t, os.WriteFile(file, forged, 0o644))
		began := time.Now()
		r := xkdIn(t, dir, "pack", "clips", "forged"+end, "--max-seconds", "4")
		r.succeeds(t)
		require.Less(t, time.Since(began), 30*time.Second)
		packed, err := os.ReadFile(filepath.Join(dir, "forged"+end, "shard-000000.tar"))
		require.NoError(t, err)
		if end == "60" {
			require.Contains(t, r.stdout+r.stderr, "the index says that the file ends at 60.0 s, and it ends at")
			require.Less(t, len(packed), 2*len(shard), "no more than there is")
		} else {
			require.Equal(t, shard, packed, "what so much depends on is made sure of first")
		}
		mended, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(line), string(mended))
	}
}

// What killed runs have left half written is swept when a run begins there, and nothing else is.
func TestHalvesAreSwept(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	run := filepath.Join(dir, "run")
	halves := []string{".checkpoint.safetensors.123.part", ".metrics.jsonl.9.part", ".bad-batch.safetensors.1.part", ".write-77"}
	mine := []string{".mine", "notes.part", "checkpoint.safetensors.bak"}
	for _, name := range append(halves, mine...) {
		require.NoError(t, os.WriteFile(filepath.Join(run, name), []byte("x"), 0o644))
	}
	xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run", "--steps", "2").succeeds(t)
	for _, name := range halves {
		require.NoFileExists(t, filepath.Join(run, name))
	}
	for _, name := range mine {
		require.FileExists(t, filepath.Join(run, name))
	}
}

// Nothing of a run is written through a link that somebody has laid in its folder.
func TestLinksAreNotWrittenThrough(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	for _, name := range []string{xkd.MetricsFile, xkd.LockFile, xkd.CheckpointFile + ".part", xkd.PreviousFile + ".part", xkd.CheckpointFile} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o644))
			out := filepath.Join(t.TempDir(), "run")
			require.NoError(t, os.MkdirAll(out, 0o755))
			require.NoError(t, os.Symlink(victim, filepath.Join(out, name)))
			xkdIn(t, dir, small(2, out, "--save-every", "1")...)
			text, err := os.ReadFile(victim)
			require.NoError(t, err)
			require.Equal(t, "mine", string(text))
		})
	}
}

// Settings that would be passed over are refused: text behind a configuration's end, a file that is not there, a flag
// that the checkpoint contradicts, and a ramp that begins at 0 where nothing may be divided by 0.
func TestIdleSettingsAreRefused(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	write := func(name, text string) string {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		return name
	}
	const train = "train --device cpu --batch 2 --steps 1 --out new --config "
	const resume = "train --device cpu --resume --out run --steps 2 "
	for _, c := range []struct {
		args string
		part string
	}{
		{train + write("after.json", `{"preset":"nano"} {"preset":"tiny"}`), "after.json"},
		{train + write("junk.json", `{"preset":"nano"}]`), "junk.json"},
		{train + write("cold.yaml", "loss: {teacher_temperature: {video: {start: 0, base: 0.1, final: 0.1, warm_up: 0.5}}}"), "teacher_temperature.video"},
		{resume + "--config missing.yaml", "missing.yaml"},
		{resume + "--config " + write("other.yaml", "preset: tiny"), "contradicts"},
		{resume + "--set model.head.out=3", "contradicts"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, 2, c.part)
	}
	require.NoDirExists(t, filepath.Join(dir, "new"))
}
