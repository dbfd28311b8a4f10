package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/mediatest"
)

// An index that gives a file another length than it has is noticed by the first span that is empty for it, named, and mended.
func TestForgedLengths(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.AV(t, filepath.Join(dir, "a.mkv"), 3, "64x64", 8)
	opt := mediatest.Small(media.FolderOptions{})
	opt.Index = filepath.Join(t.TempDir(), "index.jsonl")
	ctx := context.Background()
	f, _, err := openFolder(ctx, dir, opt)
	require.NoError(t, err)
	want, digest := f.Duration(0), f.Digest()

	raw, err := os.ReadFile(opt.Index)
	require.NoError(t, err)
	entries := readIndex(bytes.NewReader(raw))
	require.Len(t, entries, 1)
	for i := range entries[0].Streams {
		entries[0].Streams[i].End = 1e6
	}
	forged, err := json.Marshal(entries[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(opt.Index, append(forged, '\n'), 0o644))

	f, _, err = openFolder(ctx, dir, opt)
	require.NoError(t, err)
	require.InDelta(t, 1e6, f.Duration(0), 1)
	require.NotEqual(t, digest, f.Digest())
	_, err = f.Load(ctx, 0, media.Span{Start: 5e5, Seconds: 1})
	require.ErrorIs(t, err, ffmpeg.ErrEmpty)
	require.ErrorContains(t, err, "the index says that the file ends at 1000000.0 s, and it ends at 3.0 s")
	_, err = f.Load(ctx, 0, media.Span{Start: 1, Seconds: 1})
	require.NoError(t, err, "what is there serves")
	path := os.Getenv("PATH")
	t.Setenv("PATH", "")
	_, err = f.Load(ctx, 0, media.Span{Start: 7e5, Seconds: 1})
	require.ErrorIs(t, err, ffmpeg.ErrEmpty, "without a look at the file")
	t.Setenv("PATH", path)

	f, _, err = openFolder(ctx, dir, opt)
	require.NoError(t, err)
	require.Equal(t, want, f.Duration(0))
	require.Equal(t, digest, f.Digest())
}

// The digest goes by names, sizes and lengths, not by where a folder lies or when its files were written.
func TestDigest(t *testing.T) {
	mediatest.NeedTools(t)
	ctx := context.Background()
	digest := func(dir string) string {
		f, _, err := openFolder(ctx, dir, media.FolderOptions{})
		require.NoError(t, err)
		return media.Digest(f)
	}
	here, there := t.TempDir(), t.TempDir()
	mediatest.Ramp(t, filepath.Join(here, "a.mkv"), "1")
	raw, err := os.ReadFile(filepath.Join(here, "a.mkv"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(there, "a.mkv"), raw, 0o644))
	require.Equal(t, digest(here), digest(there))
	require.NoError(t, os.Rename(filepath.Join(there, "a.mkv"), filepath.Join(there, "b.mkv")))
	require.NotEqual(t, digest(here), digest(there))
	require.NoError(t, os.Remove(filepath.Join(there, "b.mkv")))
	mediatest.Ramp(t, filepath.Join(there, "a.mkv"), "2")
	require.NotEqual(t, digest(here), digest(there))
}
