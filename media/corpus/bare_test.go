package corpus

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// Pictures that are stored in another order than they are shown, in a container that tells the times of decoding alone, are in
// step with the sound, sought or not.
func TestReorderedWithoutTimes(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	for name, args := range map[string][]string{
		"h264.avi":    {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-qp", "4"},
		"pyramid.avi": {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "5", "-b-pyramid", "normal", "-g", "25", "-qp", "4"},
		"mpeg4.avi":   {"-c:v", "mpeg4", "-bf", "2", "-g", "25", "-q:v", "2"},
		"mpeg2.avi":   {"-c:v", "mpeg2video", "-bf", "2", "-g", "25", "-q:v", "2"},
		"plain.avi":   {"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25", "-qp", "4"},
	} {
		mediatest.Seconds(t, filepath.Join(dir, name), 5, append(args, "-c:a", "pcm_s16le")...)
	}
	ctx := context.Background()
	f, report, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{WholeSeconds: 0.5}))
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	require.Equal(t, 5, f.Len())
	for i := range f.Len() {
		name := f.Name(i)
		require.InDelta(t, 5, f.Duration(i), 0.05, name)
		whole, err := f.Load(ctx, i, media.Span{Seconds: f.Duration(i)})
		require.NoError(t, err, name)
		require.Equal(t, 40, whole.T, name)
		require.Empty(t, mediatest.OutOfStep(whole, 0), name)
		for _, start := range []float64{1.875, 3} {
			c, err := f.Load(ctx, i, media.Span{Start: start, Seconds: 1})
			require.NoError(t, err, name)
			require.Empty(t, mediatest.OutOfStep(c, start), name)
			for k := range c.T {
				require.True(t, bytes.Equal(whole.Frame(int(start*8)+k), c.Frame(k)), "%s: frame %d from %g s on", name, k, start)
			}
		}
	}
}

// A bare AAC stream whose rate changes counts up to there, which is said: what follows has no times.
func TestBareStreamThatChanges(t *testing.T) {
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	for name, rate := range map[string]string{"slow.aac": "22050", "fast.aac": "44100"} {
		mediatest.Seconds(t, filepath.Join(parts, name), 3, "-vn", "-ar", rate, "-c:a", "aac")
	}
	slow, fast := filepath.Join(parts, "slow.aac"), filepath.Join(parts, "fast.aac")
	joinFiles(t, filepath.Join(dir, "down.aac"), fast, slow)
	joinFiles(t, filepath.Join(dir, "same.aac"), fast, fast)
	joinFiles(t, filepath.Join(dir, "up.aac"), slow, fast)
	ctx := context.Background()
	f, report, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	remarks := mediatest.Reasons(&media.Report{Bad: report.Remarks})
	require.Len(t, remarks, 2)
	for i, want := range []float64{3, 6, 3} {
		name := f.Name(i)
		require.InDelta(t, want, f.Duration(i), 0.2, name)
		if name != "same.aac" {
			require.Contains(t, remarks[name], "its sample rate changes at 3.")
		}
		whole, err := f.Load(ctx, i, media.Span{Seconds: f.Duration(i)})
		require.NoError(t, err, name)
		require.InDelta(t, f.Duration(i), float64(len(whole.Wave))/16000, 0.01, name)
	}
}

// Where another recording lies behind the first one's end, in a container that tells nothing of it, that is said.
func TestRecordingsBehindEachOther(t *testing.T) {
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	one := func(name string, args ...string) string {
		path := filepath.Join(parts, name)
		mediatest.Seconds(t, path, 3, args...)
		return path
	}
	pcm := []string{"-vn", "-c:a", "pcm_s16le"}
	mp4, mkv, wav := one("a.mp4", h264...), one("a.mkv", h264...), one("a.wav", pcm...)
	ogg, other := one("a.ogg", "-vn", "-c:a", "libvorbis"), one("b.ogg", "-vn", "-c:a", "libopus")
	joinFiles(t, filepath.Join(dir, "two.mp4"), mp4, mp4)
	joinFiles(t, filepath.Join(dir, "two.mkv"), mkv, mkv)
	joinFiles(t, filepath.Join(dir, "two.wav"), wav, wav)
	joinFiles(t, filepath.Join(dir, "changes.ogg"), ogg, other)
	f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"two.mkv": "its times begin again at 3.0 s, as where recordings are written behind each other: make a file of each"}, mediatest.Reasons(report))
	remarks := mediatest.Reasons(&media.Report{Bad: report.Remarks})
	require.Len(t, remarks, 3)
	for name, remark := range remarks {
		require.Contains(t, remark, "kB are not read, for nothing before them tells of them", name)
	}
	for i := range f.Len() {
		require.InDelta(t, 3, f.Duration(i), 0.1, f.Name(i))
	}
}

// A few packets hours behind all others do not make a file last for hours: it ends where they begin to be missed, which is said.
func TestHolesOfHours(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=8:d=3", "-f", "lavfi", "-i", "sine=d=3:sample_rate=16000",
		"-vf", "setpts='if(gt(N,12),PTS+9900000/TB,PTS)'", "-af", "asetpts='if(gt(T,1.63),PTS+9900000/TB,PTS)'", "-vsync", "passthrough",
		"-c:v", "mjpeg", "-c:a", "pcm_s16le", "file:"+filepath.Join(dir, "hole.mkv"))
	ctx := context.Background()
	f, report, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	require.Len(t, report.Remarks, 2)
	require.Contains(t, report.Remarks[0].Reason, "its video has nothing for more than an hour from 1.6 s on")
	require.InDelta(t, 1.63, f.Duration(0), 0.1)
	c, err := f.Load(ctx, 0, media.Span{Seconds: 4})
	require.NoError(t, err)
	require.InDelta(t, 1.63, float64(c.T)/8, 0.13)
	require.InDelta(t, 1.63, float64(len(c.Wave))/16000, 0.1)
}
