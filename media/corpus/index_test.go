package corpus

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/mediatest"
)

func TestIndexClips(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	for _, name := range []string{"dog/a.mkv", "dog/b.mkv", "cat/c.mkv"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		mediatest.Ramp(t, filepath.Join(dir, name), "1")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cat", "junk.mp4"), []byte("junk"), 0o644))
	ctx := context.Background()
	x, err := IndexClips(ctx, dir, media.FolderOptions{}, "")
	require.NoError(t, err)
	root, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, IndexFile), x.File)
	require.Equal(t, []int{4, 3}, []int{x.Probed, x.Clips})
	require.Equal(t, map[string]int{"dog": 2, "cat": 1}, x.Classes)
	require.InDelta(t, 3, x.Seconds, 0.1)
	require.Len(t, x.Reasons, 1)
	raw, err := os.ReadFile(x.File)
	require.NoError(t, err)
	entries := readIndex(bytes.NewReader(raw))
	require.Len(t, entries, 4)
	e := entries[0]
	require.Equal(t, "cat/c.mkv", e.Path)
	require.Equal(t, "cat", e.Label)
	require.Equal(t, []ffmpeg.Stream{
		{Index: 0, Kind: "video", Codec: "ffv1", Width: 48, Height: 48, FPS: 25, Packets: 25, End: 1, Gap: 0.04, KeyGap: 0.48},
		{Index: 1, Kind: "audio", Codec: "pcm_s16le", Rate: 16000, Channels: 1, Packets: 16, End: 1, Gap: 0.064},
	}, e.Streams)
	require.Contains(t, entries[1].Reason, "not readable as media")

	// What is known is not asked about again, refusals included; what has changed is.
	path := os.Getenv("PATH")
	t.Setenv("PATH", "")
	f, report, err := openFolder(ctx, dir, media.FolderOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{3, 1, 0}, []int{f.Len(), len(report.Bad), report.Ignored})
	x, err = IndexClips(ctx, dir, media.FolderOptions{}, "")
	require.NoError(t, err)
	require.Zero(t, x.Probed)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "dog", "b.mkv"), time.Now(), time.Now().Add(time.Hour)))
	_, _, err = openFolder(ctx, dir, media.FolderOptions{})
	require.ErrorContains(t, err, "install ffmpeg")
	t.Setenv("PATH", path)
	require.NoError(t, os.Remove(filepath.Join(dir, "dog", "a.mkv")))
	x, err = IndexClips(ctx, dir, media.FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{x.Probed, x.Clips})
	raw, err = os.ReadFile(x.File)
	require.NoError(t, err)
	require.Len(t, readIndex(bytes.NewReader(raw)), 3, "a file that has gone leaves the index")

	// A list of some of the files leaves the others in.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list.txt"), []byte("dog/b.mkv 1\n"), 0o644))
	x, err = IndexClips(ctx, filepath.Join(dir, "list.txt"), media.FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, []int{x.Probed, x.Clips})
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list.txt"), []byte("dog/b.mkv 1\ngone.mkv 1\nlost.mkv 1\n"), 0o644))
	x, err = IndexClips(ctx, filepath.Join(dir, "list.txt"), media.FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"the file does not exist": 2}, x.Reasons, "one reason, whatever the lines")
	require.Equal(t, "the file does not exist (line 2 of the list)", x.Report.Bad[0].Reason)
	require.NoError(t, os.Remove(filepath.Join(dir, "list.txt")))
	x, err = IndexClips(ctx, dir, media.FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, []int{x.Probed, x.Clips})
	raw, err = os.ReadFile(x.File)
	require.NoError(t, err)

	// Broken lines are asked about again.
	require.NoError(t, os.WriteFile(x.File, append([]byte("{\"path\":3}\nnonsense\n"), raw[:len(raw)-9]...), 0o644))
	x, err = IndexClips(ctx, dir, media.FolderOptions{}, filepath.Join(cache, "own.jsonl"))
	require.NoError(t, err)
	require.Equal(t, 1, x.Probed)
	require.Equal(t, filepath.Join(cache, "own.jsonl"), x.File)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 3, "no half-written files")
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"path":"a","size":3,"mtime":4,"streams":[{"kind":"video","width":1,"height":2,"aspect":-1,"rotation":1e300}]}` + "\n{\n"))
	f.Add([]byte(`{"path":"0","streams":[{"kind":"video","width":1,"height":1,"aspect":10}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, e := range readIndex(bytes.NewReader(raw)) {
			require.NotEmpty(t, e.Path)
			if p, err := e.Pick(true, false); err == nil {
				require.GreaterOrEqual(t, p.Duration, 0.0)
			}
		}
	})
}

func TestIndexSparesProbes(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.AV(t, filepath.Join(dir, "a.mkv"), 1, "64x64", 8)
	opt := mediatest.Small(media.FolderOptions{})
	opt.Index = filepath.Join(dir, "cache", "probe.json")
	ctx := context.Background()
	f, _, err := openFolder(ctx, dir, opt)
	require.NoError(t, err)
	want := f.Duration(0)
	require.FileExists(t, opt.Index)

	path := os.Getenv("PATH")
	t.Setenv("PATH", "")
	f, _, err = openFolder(ctx, dir, opt)
	require.NoError(t, err, "no tool is needed for what is known")
	require.Equal(t, want, f.Duration(0))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "a.mkv"), time.Now(), time.Now().Add(time.Hour)))
	_, _, err = openFolder(ctx, dir, opt)
	require.ErrorContains(t, err, "install ffmpeg", "a changed file is asked about again")
	t.Setenv("PATH", path)
	require.NoError(t, os.WriteFile(opt.Index, []byte("{broken"), 0o644))
	_, _, err = openFolder(ctx, dir, opt)
	require.NoError(t, err)
}
