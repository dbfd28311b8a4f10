package corpus

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/internal/shared"
	"goxkd/media"
	"goxkd/media/mediatest"
	"goxkd/media/views"
)

func TestFolderOfMadeFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes a folder of files")
	}
	mediatest.NeedTools(t)
	dir := t.TempDir()
	at := func(name string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		return path
	}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "30"}
	mediatest.AV(t, at("a/plain.mp4"), 2, "96x64", 25, x264...)
	mediatest.AV(t, at("a/short.mp4"), 0.2, "64x64", 25, x264...)
	mediatest.AV(t, at("b/long.mkv"), 60, "32x32", 10, x264...)
	mediatest.AV(t, at("b/one pixel.mkv"), 1, "1x1", 10, "-pix_fmt", "bgr0", "-c:v", "ffv1")
	mediatest.AV(t, at("b/one frame.mkv"), 1, "48x48", 1, x264...)
	mediatest.AV(t, at("b/8k stereo.mkv"), 1.5, "64x48", 8, append(x264, "-ar", "8000", "-ac", "2", "-c:a", "pcm_s16le")...)
	mediatest.AV(t, at("a/strip.mkv"), 1, "800x2", 8, "-pix_fmt", "bgr0", "-c:v", "ffv1")
	mediatest.AV(t, at("a/anamorphic.mkv"), 1, "64x64", 8, append(x264, "-vf", "setsar=2/1")...)
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "-c:v", "libx264", "file:"+at("a/mute.mp4"))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "file:"+at("a/blind.wav"))
	mediatest.AV(t, at("a/blink.mp4"), 0.04, "64x64", 25, x264...)
	mediatest.AV(t, at("a/upright source.mp4"), 1, "96x64", 8, x264...)
	mediatest.FFmpeg(t, "-i", "file:"+at("a/upright source.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", "file:"+at("a/turned.mp4"))
	whole, err := os.ReadFile(at("a/plain.mp4"))
	require.NoError(t, err)
	write := func(name string, data []byte) { require.NoError(t, os.WriteFile(at(name), data, 0o644)) }
	write("a/truncated.mp4", whole[:len(whole)/2])
	write("a/empty.mp4", nil)
	write("a/text.mp4", []byte("this is no video\n"))
	write("a/playlist.mp4", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nplain.mp4\n#EXT-X-ENDLIST\n"))
	write("a/concat.mp4", []byte("ffconcat version 1.0\nfile plain.mp4\n"))
	write("notes.txt", []byte("x"))
	write(".hidden/plain.mp4", whole)
	for _, name := range []string{"-i.mp4", "new\nline.mp4", "quo'te\".mp4", "concat:a|b.mp4", "http:x.mp4", "%d.mp4", "ünï.mp4", "$(touch x).mp4"} {
		write("odd/"+name, whole)
	}
	if runtime.GOOS != "windows" {
		require.NoError(t, os.Symlink(dir, at("a/loop")))
		require.NoError(t, os.Symlink(at("a/plain.mp4"), at("a/link.mp4")))
		require.NoError(t, os.Symlink("nowhere", at("a/dangling.mp4")))
	}

	ctx := context.Background()
	f, report, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{Check: true}))
	require.NoError(t, err)
	bad := mediatest.Reasons(report)
	for name, why := range map[string]string{
		"a/mute.mp4": "no usable audio stream", "a/blind.wav": "no usable video stream", "a/empty.mp4": "empty",
		"a/text.mp4": "not readable", "a/truncated.mp4": "not readable", "a/playlist.mp4": "not readable",
		"a/concat.mp4": "not readable", "a/dangling.mp4": "cannot be read",
	} {
		require.Contains(t, bad[name], why, name)
		require.NotContains(t, bad[name], "\n")
		require.NotContains(t, bad[name], dir)
	}
	require.Len(t, bad, 8, "%v", bad)
	require.Equal(t, 20, report.Good)
	require.Equal(t, []string{"a", "b", "odd"}, f.Classes())
	require.NoFileExists(t, "x")

	index := map[string]int{}
	for i := range f.Len() {
		index[f.Name(i)] = i
	}
	load := func(name string, span media.Span) *media.Clip {
		i, ok := index[name]
		require.True(t, ok, name)
		c, err := f.Load(ctx, i, span)
		require.NoError(t, err, name)
		require.Equal(t, f.Classes()[c.Label], strings.Split(name, "/")[0])
		require.Len(t, c.Frames, c.T*c.H*c.W*3)
		return c
	}
	c := load("a/plain.mp4", media.Span{Start: 0.5, Seconds: 1})
	require.Equal(t, []int{8, 48, 72}, []int{c.T, c.H, c.W}, "the shorter side is 48")
	require.Len(t, c.Wave, 16000)
	require.InDelta(t, 2, f.Duration(index["a/plain.mp4"]), 0.1)
	// The sine has 440 periods per second, so 880 changes of sign.
	changes := 0
	for i := 1; i < len(c.Wave); i++ {
		if (c.Wave[i] < 0) != (c.Wave[i-1] < 0) {
			changes++
		}
	}
	require.InDelta(t, 880, changes, 4)

	c = load("a/short.mp4", media.Span{Start: 0, Seconds: 1})
	require.InDelta(t, 2, c.T, 1)
	require.InDelta(t, 3200, len(c.Wave), 1100)
	require.Equal(t, 1, load("a/blink.mp4", media.Span{Start: 0, Seconds: 1}).T, "one frame that is shown for 40 ms")
	c = load("a/turned.mp4", media.Span{Start: 0, Seconds: 1})
	require.Equal(t, []int{72, 48}, []int{c.H, c.W}, "rotation is respected")
	c = load("b/one pixel.mkv", media.Span{Start: 0, Seconds: 1})
	require.Equal(t, []int{48, 48}, []int{c.H, c.W})
	c = load("b/one frame.mkv", media.Span{Start: 0, Seconds: 1})
	require.Equal(t, c.Frame(0), c.Frame(c.T-1))
	c = load("b/8k stereo.mkv", media.Span{Start: 0.25, Seconds: 1})
	require.Len(t, c.Wave, 16000)
	require.Equal(t, []int{8, 48, 64}, []int{c.T, c.H, c.W})
	c = load("a/strip.mkv", media.Span{Start: 0, Seconds: 1})
	require.Equal(t, []int{48, 192}, []int{c.H, c.W}, "at most four times as long as wide")
	c = load("a/anamorphic.mkv", media.Span{Start: 0, Seconds: 1})
	require.Equal(t, []int{48, 96}, []int{c.H, c.W}, "pixels twice as wide as high")

	// A minute is sought in, not decoded whole; the test picture counts seconds, so spans differ.
	c = load("b/long.mkv", media.Span{Start: 41.5, Seconds: 1})
	require.Equal(t, 8, c.T)
	require.Len(t, c.Wave, 16000)
	require.NotEqual(t, c.Frames, load("b/long.mkv", media.Span{Start: 3.5, Seconds: 1}).Frames)
	require.NotEmpty(t, load("b/long.mkv", media.Span{Start: 99, Seconds: 1}).Frames, "a span past the end is taken from the start")
	_, err = f.Load(ctx, f.Len(), media.Span{Start: 0, Seconds: 1})
	require.Error(t, err)

	// Every clip makes a batch, one by one and together.
	l, err := views.NewLoader(ctx, f, views.NanoSpec(), views.LoaderConfig{Batch: f.Len(), Workers: 2})
	require.NoError(t, err)
	defer l.Close()
	b, err := l.Next()
	require.NoError(t, err)
	require.Zero(t, l.Stats().Skipped, "%v", l.Stats().Reasons)
	size := len(b.VideoGlobal) / b.B
	for i, name := range b.Names {
		sum := 0
		for _, v := range b.VideoGlobal[i*size : (i+1)*size] {
			sum += int(v)
		}
		require.Positive(t, sum, "%s: black, as what is no number would be stored", name)
	}
}

func TestFolderModalities(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "file:"+filepath.Join(dir, "blind.wav"))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "-c:v", "libx264", "file:"+filepath.Join(dir, "mute.mp4"))
	ctx := context.Background()
	f, report, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Equal(t, 1, f.Len())
	require.Equal(t, 1, report.Unlabeled)
	require.Equal(t, -1, f.Label(0))
	b, _, err := views.Centre(ctx, f, views.NanoSpec(), []int{0}, views.CentreOptions{})
	require.NoError(t, err)
	require.Nil(t, b.VideoGlobal)
	require.Len(t, b.AudioGlobal, 48*96)

	f, _, err = openFolder(ctx, dir, mediatest.Small(media.FolderOptions{NeedVideo: true}))
	require.NoError(t, err)
	b, _, err = views.Centre(ctx, f, views.NanoSpec(), []int{0}, views.CentreOptions{})
	require.NoError(t, err)
	require.Nil(t, b.AudioGlobal)
	require.Len(t, b.VideoGlobal, 3*8*48*48)

	_, report, err = openFolder(ctx, dir, mediatest.Small(media.FolderOptions{}))
	require.ErrorContains(t, err, "none of 2 media files can be used")
	require.Len(t, report.Bad, 2)
}

func TestFolderErrors(t *testing.T) {
	mediatest.NeedTools(t)
	ctx := context.Background()
	dir := t.TempDir()
	_, _, err := openFolder(ctx, filepath.Join(dir, "absent"), media.FolderOptions{})
	require.ErrorContains(t, err, "absent")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.csv"), []byte("x"), 0o644))
	_, err = gatherFolder(filepath.Join(dir, "a.csv"), media.FolderOptions{}, &media.Report{})
	require.ErrorContains(t, err, "this is a file")
	_, report, err := openFolder(ctx, dir, media.FolderOptions{})
	require.ErrorContains(t, err, "no media files (1 others)")
	require.ErrorContains(t, err, dir)
	require.Equal(t, 1, report.Ignored)
	_, _, err = openFolder(ctx, dir, media.FolderOptions{LabelColumn: "colour"})
	require.ErrorContains(t, err, "labels.csv")

	t.Setenv("PATH", "")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.mp4"), []byte("x"), 0o644))
	_, _, err = openFolder(ctx, dir, media.FolderOptions{})
	require.ErrorContains(t, err, "install ffmpeg")
}

func TestOddFiles(t *testing.T) {
	mediatest.NeedTools(t)
	dir := shared.Path(t, "data", "odd")
	ctx := context.Background()
	answers := filepath.Join(t.TempDir(), "probe.json") // spares the second and third look
	for _, need := range []media.FolderOptions{{NeedVideo: true, NeedAudio: true, Check: true}, {NeedVideo: true}, {NeedAudio: true}} {
		opt := mediatest.Small(need)
		opt.Index = answers
		f, report, err := openFolder(ctx, dir, opt)
		require.NoError(t, err)
		t.Logf("video %v, audio %v: %d good", need.NeedVideo, need.NeedAudio, report.Good)
		for _, b := range report.Bad {
			t.Logf("  refused %s: %s", b.Path, b.Reason)
			require.NotContains(t, b.Reason, "\n")
		}
		indices := make([]int, f.Len())
		for i := range indices {
			indices[i] = i
		}
		b, bad, err := views.Centre(ctx, f, views.NanoSpec(), indices, views.CentreOptions{Workers: 2})
		require.NoError(t, err)
		for _, x := range bad {
			t.Logf("  failed %s: %s", x.Path, x.Reason)
		}
		t.Logf("  %d of %d decoded", b.B, len(indices))
		require.Greater(t, b.B, len(indices)*3/4)
	}
}

// openFolder opens a folder of files.
func openFolder(ctx context.Context, dir string, opt media.FolderOptions) (*Folder, *media.Report, error) {
	c, report, err := Open(ctx, dir, opt)
	f, _ := c.(*Folder)
	return f, report, err
}

// Frames of uneven length are shown when they were shown: the grey level tells the time.
func TestVariableFrameRate(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.Ramp(t, filepath.Join(dir, "even.mkv"), "2")
	mediatest.Ramp(t, filepath.Join(dir, "uneven.mkv"), "2", "-vf", "select='lt(t,1)+not(mod(n,5))'", "-vsync", "vfr")
	f, _, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	for i, gap := range []float64{0.04, 0.2} {
		c, err := f.Load(context.Background(), i, media.Span{Start: 0, Seconds: 2})
		require.NoError(t, err)
		require.GreaterOrEqual(t, c.T, 15)
		for k := range c.T {
			at := float64(k) / 8
			most := 0.04 + 1.0/16
			if at > 1 {
				most = gap + 1.0/16
			}
			require.InDelta(t, at, float64(c.Frame(k)[0])/100, most+0.01, "%s frame %d", f.Name(i), k)
		}
	}
}
