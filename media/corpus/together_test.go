package corpus

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// Clips that are decoded by one process are those that are decoded by one each: whole and sought, with and without sound of
// their own rate, beside a file that has turned to junk and one that has gone.
func TestTogetherIsAlone(t *testing.T) {
	dir := t.TempDir()
	mediatest.Ramp(t, filepath.Join(dir, "a.mkv"), "2")
	mediatest.Ramp(t, filepath.Join(dir, "b.mkv"), "14", "-g", "50")
	mediatest.Ramp(t, filepath.Join(dir, "c.mkv"), "1.2", "-ar", "44100", "-ac", "2")
	mediatest.Ramp(t, filepath.Join(dir, "d.mkv"), "2")
	mediatest.Ramp(t, filepath.Join(dir, "e.mkv"), "2")
	opt := media.FolderOptions{FPS: 8, Size: 48, Rate: 16000, CacheBytes: -1}
	open := func() *Folder {
		src, _, err := Open(context.Background(), dir, opt)
		require.NoError(t, err)
		return src.(*Folder)
	}
	f := open()
	require.Equal(t, 5, f.Len())
	require.Greater(t, f.Together(4), 1)
	var requests []media.Request
	for _, r := range [][3]float64{{0, 0.5, 1}, {1, 9.25, 2}, {2, 0, 4}, {1, 0, 1}, {4, 1, 1}} {
		requests = append(requests, media.Request{Index: int(r[0]), Span: media.Span{Start: r[1], Seconds: r[2]}})
	}
	compare := func() {
		got := f.LoadAll(context.Background(), requests)
		for i, r := range requests {
			want, err := f.Load(context.Background(), r.Index, r.Span)
			if err != nil {
				require.EqualError(t, got[i].Err, err.Error())
				continue
			}
			require.NoError(t, got[i].Err)
			require.Equal(t, want, got[i].Clip, "request %d", i)
		}
	}
	compare()
	// The size and time stay, so that the decoder meets the junk and not the look at the file before.
	path := filepath.Join(dir, "a.mkv")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, make([]byte, info.Size()), 0o600))
	require.NoError(t, os.Chtimes(path, info.ModTime(), info.ModTime()))
	require.NoError(t, os.Remove(filepath.Join(dir, "e.mkv")))
	compare()
	got := f.LoadAll(context.Background(), requests)
	require.Error(t, got[0].Err)
	require.Error(t, got[4].Err)
	require.NoError(t, errors.Join(got[1].Err, got[2].Err, got[3].Err))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range f.LoadAll(ctx, requests[:3]) {
		require.ErrorIs(t, r.Err, context.Canceled)
	}
}
