package media

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// The views are those of the training batch that has the clip.
func TestViewsAreTheLoaders(t *testing.T) {
	ctx := context.Background()
	spec := NanoSpec()
	spec.VideoLocals, spec.AudioLocals = 2, 2
	src := NewSynthetic(SyntheticConfig{Clips: 3, Difficulty: 0.5})
	const seed = 11
	l, err := NewLoader(ctx, src, spec, LoaderConfig{Batch: 1, Seed: seed, Workers: 1, StartStep: 3})
	require.NoError(t, err)
	defer l.Close()
	starts := map[float64]bool{}
	for range 3 { // epoch 1
		want, err := l.Next()
		require.NoError(t, err)
		got, err := ViewsOf(ctx, src, want.Indices[0], spec, seed, 1)
		require.NoError(t, err)
		want.Step = 0
		require.Equal(t, want, got.Batch)
		require.Len(t, got.Plain.VideoGlobal, len(want.VideoGlobal))
		require.NotEqual(t, want.VideoGlobal, got.Plain.VideoGlobal)
		require.Len(t, got.VideoLocalStart, 2)
		require.Len(t, got.AudioLocalStart, 2)
		for _, s := range append(got.VideoLocalStart, got.AudioLocalStart...) {
			require.True(t, s >= 0 && s <= 0.75, "a quarter of a second fits")
		}
		require.True(t, got.Start >= 0 && got.Start <= 2)
		starts[got.Start] = true
	}
	require.Greater(t, len(starts), 1)
	_, err = ViewsOf(ctx, src, 3, spec, seed, 1)
	require.ErrorContains(t, err, "there are 3")
}

// 1000 Hz is 15 mel of 45.2456 up to 8 kHz (Slaney's scale), 81 steps for 80 bands: 81*15/45.2456-1.
func TestBand(t *testing.T) {
	require.InDelta(t, 25.8535, DefaultSpec().Band(1000), 1e-3)
	require.InDelta(t, 80, DefaultSpec().Band(8000), 1e-9)
	require.InDelta(t, -1, DefaultSpec().Band(0), 1e-9)
}

func TestOpenFile(t *testing.T) {
	needTools(t)
	ctx := context.Background()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	av(t, at("both.mkv"), 1.5, "64x48", 8)
	ffmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "file:"+at("blind.wav"))
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "file:"+at("mute.mkv"))
	require.NoError(t, os.WriteFile(at("empty.mp4"), nil, 0o644))
	require.NoError(t, os.WriteFile(at("text.mp4"), []byte("text"), 0o644))
	for name, want := range map[string][2]bool{"both.mkv": {true, true}, "blind.wav": {false, true}, "mute.mkv": {true, false}} {
		f, err := OpenFile(ctx, at(name), OptionsFor(smallSpec()))
		require.NoError(t, err, name)
		require.Equal(t, []any{1, name, -1}, []any{f.Len(), f.Name(0), f.Label(0)})
		v, err := ViewsOf(ctx, f, 0, smallSpec(), 1, 0)
		require.NoError(t, err, name)
		require.Equal(t, want, [2]bool{v.Batch.VideoGlobal != nil, v.Batch.AudioGlobal != nil}, name)
	}
	for name, why := range map[string]string{
		"empty.mp4": "empty", "text.mp4": "not readable", "absent.mp4": "no such file", ".": "this is a folder", "blind.wav": "no usable video",
	} {
		opt := OptionsFor(smallSpec())
		opt.NeedVideo = name == "blind.wav"
		_, err := OpenFile(ctx, at(name), opt)
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, dir)
		require.ErrorContains(t, err, ": name ", "what to do")
	}
	if runtime.GOOS != "windows" {
		_, err := OpenFile(ctx, "/dev/zero", OptionsFor(smallSpec()))
		require.ErrorContains(t, err, "not a regular file")
	}
}
