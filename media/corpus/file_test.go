package corpus

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
	"goxkd/media/views"
)

func TestOpenFile(t *testing.T) {
	mediatest.NeedTools(t)
	ctx := context.Background()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mediatest.AV(t, at("both.mkv"), 1.5, "64x48", 8)
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "file:"+at("blind.wav"))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "file:"+at("mute.mkv"))
	require.NoError(t, os.WriteFile(at("empty.mp4"), nil, 0o644))
	require.NoError(t, os.WriteFile(at("text.mp4"), []byte("text"), 0o644))
	for name, want := range map[string][2]bool{"both.mkv": {true, true}, "blind.wav": {false, true}, "mute.mkv": {true, false}} {
		f, err := OpenFile(ctx, at(name), views.OptionsFor(views.NanoSpec()))
		require.NoError(t, err, name)
		require.Equal(t, []any{1, name, -1}, []any{f.Len(), f.Name(0), f.Label(0)})
		v, err := views.Of(ctx, f, 0, views.NanoSpec(), 1, 0)
		require.NoError(t, err, name)
		require.Equal(t, want, [2]bool{v.Batch.VideoGlobal != nil, v.Batch.AudioGlobal != nil}, name)
	}
	for name, why := range map[string]string{
		"empty.mp4": "empty", "text.mp4": "not readable", "absent.mp4": "no such file", ".": "this is a folder", "blind.wav": "no usable video",
	} {
		opt := views.OptionsFor(views.NanoSpec())
		opt.NeedVideo = name == "blind.wav"
		_, err := OpenFile(ctx, at(name), opt)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, ": name ", "what to do")
	}
	if runtime.GOOS != "windows" {
		_, err := OpenFile(ctx, "/dev/zero", views.OptionsFor(views.NanoSpec()))
		require.ErrorContains(t, err, "not a regular file")
	}
}
