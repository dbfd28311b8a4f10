package corpus

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/mediatest"
)

var (
	h264  = []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac"}
	remux = []string{"-c", "copy"}
)

// headFile keeps a file's beginning, as a download that broke off does.
func headFile(t *testing.T, from, to string, percent int) {
	t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, raw[:len(raw)*percent/100], 0o644))
}

// joinFiles writes files behind each other.
func joinFiles(t *testing.T, to string, from ...string) {
	t.Helper()
	var all []byte
	for _, name := range from {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		all = append(all, raw...)
	}
	require.NoError(t, os.WriteFile(to, all, 0o644))
}

// lastFragments keeps the headers of a fragmented mp4 and its last fragments, as a piece of a live recording has them.
func lastFragments(t *testing.T, from, to string, count int) {
	t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(t, err)
	var head []byte
	var parts [][]byte
	for len(raw) >= 8 {
		n := binary.BigEndian.Uint32(raw)
		box, kind := raw[:n], string(raw[4:8])
		raw = raw[n:]
		switch kind {
		case "ftyp", "moov":
			head = append(head, box...)
		case "moof":
			parts = append(parts, slices.Clone(box))
		case "mdat":
			parts[len(parts)-1] = append(parts[len(parts)-1], box...)
		}
	}
	for _, part := range parts[len(parts)-count:] {
		head = append(head, part...)
	}
	require.NoError(t, os.WriteFile(to, head, 0o644))
}

// A clip is as long as what is there, its picture and sound are in step, and a seek lands on the frame that decoding from
// the beginning has there: whatever the container says of its length, wherever its time begins, whatever changes in
// mid-stream.
func TestTimes(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes many files")
	}
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	part := func(name string) string { return filepath.Join(parts, name) }
	base := part("base.mp4")
	mediatest.Seconds(t, base, 8, append(h264, "-bf", "2")...)
	again := func(to string, args ...string) {
		t.Helper()
		mediatest.FFmpeg(t, append(append([]string{"-i", "file:" + base}, args...), "file:"+to)...)
	}
	// Where time begins and ends.
	again(part("fast.mp4"), append(remux, "-movflags", "+faststart")...)
	headFile(t, part("fast.mp4"), at("cut.mp4"), 70)
	again(part("whole.mkv"), remux...)
	headFile(t, part("whole.mkv"), at("cut.mkv"), 70)
	again(at("offset.mkv"), append(remux, "-output_ts_offset", "100")...)
	again(at("offset.ts"), append(remux, "-output_ts_offset", "5000")...)
	again(part("live.mp4"), append(remux, "-movflags", "+frag_keyframe+empty_moov+default_base_moof")...)
	lastFragments(t, part("live.mp4"), at("live.mp4"), 4)
	again(at("vfw.avi"), "-c:v", "mjpeg", "-c:a", "pcm_s16le")
	again(at("program.mpg"), "-c:v", "mpeg2video", "-c:a", "mp2")
	mediatest.FFmpeg(t, "-ss", "3.3", "-i", "file:"+base, "-c", "copy", "file:"+at("trim.mp4"))
	recorder, err := os.Create(at("recorder.webm"))
	require.NoError(t, err)
	defer recorder.Close()
	again(part("recorder.webm"), "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus", "-live", "1")
	joinFiles(t, at("recorder.webm"), part("recorder.webm"))
	// What changes in mid-stream: channels, rate, size and pixel format.
	for _, x := range [][]string{
		{"1.ac3", "-t", "4", "-ac", "2", "-c:a", "ac3"}, {"2.ac3", "-ss", "4", "-ac", "6", "-c:a", "ac3"},
		{"1.mp2", "-t", "4", "-ar", "44100", "-c:a", "mp2"}, {"2.mp2", "-ss", "4", "-ar", "48000", "-c:a", "mp2"},
	} {
		args := append(slices.Clone(x[1:]), "-vn")
		again(part(x[0]), args...)
	}
	for _, x := range [][]string{
		{"1.m2v", "-t", "4", "-s", "64x48", "-pix_fmt", "yuv420p"}, {"2.m2v", "-ss", "4", "-s", "128x96", "-pix_fmt", "yuv422p"},
	} {
		again(part(x[0]), append(slices.Clone(x[1:]), "-an", "-c:v", "mpeg2video", "-q:v", "2", "-bf", "0")...)
	}
	for _, x := range []string{"ac3", "mp2", "m2v"} {
		joinFiles(t, part("both."+x), part("1."+x), part("2."+x))
	}
	for _, x := range []string{"ac3", "mp2"} {
		mediatest.FFmpeg(t, "-i", "file:"+base, "-i", "file:"+part("both."+x), "-map", "0:v", "-map", "1:a", "-c:v", "mpeg2video", "-c:a", "copy", "-t", "8", "file:"+at(x+".ts"))
	}
	mediatest.FFmpeg(t, "-fflags", "+genpts", "-r", "25", "-i", "file:"+part("both.m2v"), "-i", "file:"+base, "-map", "0:v", "-map", "1:a", "-c", "copy", "file:"+at("size.ts"))

	opt := mediatest.Small(media.FolderOptions{WholeSeconds: 0.5}) // all are sought in
	f, report, err := openFolder(context.Background(), dir, opt)
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	// The length, and the second of the signal at the clip's beginning.
	want := map[string][2]float64{
		"cut.mp4": {5.6, 0}, "cut.mkv": {5.6, 0}, "offset.mkv": {8, 0}, "offset.ts": {8, 0}, "live.mp4": {4, 4}, "vfw.avi": {8, 0}, "program.mpg": {8, 0},
		"trim.mp4": {4.7, 3.3}, "recorder.webm": {8, 0}, "ac3.ts": {8, 0}, "mp2.ts": {8, 0}, "size.ts": {8, 0},
	}
	require.Equal(t, len(want), f.Len())
	for i := range f.Len() {
		name := f.Name(i)
		length, from := want[name][0], want[name][1]
		d := f.Duration(i)
		tolerance := 0.15
		if name == "cut.mp4" || name == "cut.mkv" {
			tolerance = 0.8 // bytes are no seconds
		}
		require.InDelta(t, length, d, tolerance, name)
		whole, err := f.Load(context.Background(), i, media.Span{Seconds: d})
		require.NoError(t, err, name)
		require.InDelta(t, d, float64(whole.T)/8, 0.07, name)
		require.InDelta(t, d, float64(len(whole.Wave))/16000, 0.001, name)
		require.Empty(t, mediatest.OutOfStep(whole, from), name)
		for start := 0.5; start+1 < d; start += 2.25 {
			c, err := f.Load(context.Background(), i, media.Span{Start: start, Seconds: 1})
			require.NoError(t, err, name)
			require.Equal(t, 8, c.T)
			for k := range c.T {
				require.True(t, bytes.Equal(whole.Frame(int(start*8)+k), c.Frame(k)), "%s: frame %d from %g s on", name, k, start)
			}
		}
		c, err := f.Load(context.Background(), i, media.Span{Start: d + 100, Seconds: 1})
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(whole.Frame(whole.T-1), c.Frame(c.T-1)), "%s: a span past the end is the last that there is", name)
	}
	// Twice the same, bit for bit.
	for _, name := range []string{"ac3.ts", "size.ts"} {
		i := slices.IndexFunc(f.files, func(file folderFile) bool { return file.name == name })
		a, err := f.Load(context.Background(), i, media.Span{Seconds: 5})
		require.NoError(t, err)
		b, err := f.Load(context.Background(), i, media.Span{Seconds: 5})
		require.NoError(t, err)
		require.Equal(t, a, b, name)
	}
}

// Pictures that are turned or of another aspect in mid-stream, and a stream without any times.
func TestTurnedInMidStream(t *testing.T) {
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	part := func(name string) string { return filepath.Join(parts, name) }
	mediatest.Seconds(t, part("base.mkv"), 4, h264...)
	first, rest := []string{"-i", "file:" + part("base.mkv"), "-t", "2", "-an"}, []string{"-i", "file:" + part("base.mkv"), "-ss", "2", "-an"}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "25"}
	mediatest.FFmpeg(t, slices.Concat(first, x264, []string{"file:" + part("1.h264")})...)
	mediatest.FFmpeg(t, slices.Concat(rest, x264, []string{"-bsf:v", "h264_metadata=rotate=90", "file:" + part("2.h264")})...)
	mediatest.FFmpeg(t, slices.Concat(rest, []string{"-s", "192x48"}, x264, []string{"file:" + part("3.h264")})...)
	for i, name := range []string{"turned.mp4", "wide.mkv"} {
		joinFiles(t, part("both.h264"), part("1.h264"), part([]string{"2.h264", "3.h264"}[i]))
		mediatest.FFmpeg(t, "-fflags", "+genpts", "-r", "25", "-i", "file:"+part("both.h264"), "-i", "file:"+part("base.mkv"), "-map", "0:v", "-map", "1:a", "-c", "copy", "file:"+filepath.Join(dir, name))
	}
	joinFiles(t, filepath.Join(dir, "bare.h264"), part("both.h264"))
	for _, need := range []media.FolderOptions{{NeedVideo: true, WholeSeconds: 0.5}, {NeedVideo: true, NeedAudio: true}} {
		f, _, err := openFolder(context.Background(), dir, mediatest.Small(need))
		require.NoError(t, err)
		require.GreaterOrEqual(t, f.Len(), 2)
		for i := range f.Len() {
			require.InDelta(t, 4, f.Duration(i), 0.05, f.Name(i))
			for from := 0.0; from < 4; from += 1.5 {
				seconds := min(1.5, math.Floor((f.Duration(i)-from)*8)/8)
				c, err := f.Load(context.Background(), i, media.Span{Start: from, Seconds: seconds})
				require.NoError(t, err)
				require.InDelta(t, seconds*8, c.T, 1, f.Name(i))
				require.Equal(t, []int{48, 64}, []int{c.H, c.W})
				for k := range c.T { // the files' own times are guessed, to a frame
					at := from + float64(k)/8
					second := int(math.Round(float64(c.Frame(k)[c.W/2*3+1]) / 23.3))
					require.True(t, second == int(at+0.05) || second == int(at-0.05), "%s: second %d at %.3f s", f.Name(i), second, at)
				}
			}
		}
	}
}

// Recordings that were joined as files are, each with its own times, follow each other.
func TestJoinedRecordings(t *testing.T) {
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	for i, ext := range []string{"ts", "mpg"} {
		name := filepath.Join(parts, "a."+ext)
		mediatest.Seconds(t, name, 3, [][]string{h264, {"-c:v", "mpeg2video", "-c:a", "mp2"}}[i]...)
		joinFiles(t, filepath.Join(dir, "twice."+ext), name, name)
	}
	f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{WholeSeconds: 0.5}))
	require.NoError(t, err)
	require.Len(t, report.Remarks, 2, "it is said")
	for i := range f.Len() {
		require.InDelta(t, 6, f.Duration(i), 0.15, f.Name(i))
		for k, from := range []float64{0, 3.25} {
			c, err := f.Load(context.Background(), i, media.Span{Start: from, Seconds: 2.5})
			require.NoError(t, err)
			c.Frames, c.T, c.Wave = c.Frames[:c.T/20*20*c.W*c.H*3], c.T/20*20, c.Wave[:2*16000]
			require.Empty(t, mediatest.OutOfStep(c, from-3*float64(k)), "%s from %g s on", f.Name(i), from)
		}
	}
}

// Clips come from where all wanted streams are; a span without one of them is refused, and none is made of another.
func TestStreamsThatBeginLate(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mediatest.Seconds(t, at("base.mkv"), 6, h264...)
	mediatest.FFmpeg(t, "-i", "file:"+at("base.mkv"), "-itsoffset", "3", "-i", "file:"+at("base.mkv"), "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", "6", "file:"+at("late.mp4"))
	mediatest.FFmpeg(t, "-i", "file:"+at("base.mkv"), "-itsoffset", "20", "-i", "file:"+at("base.mkv"), "-map", "0:v", "-map", "1:a", "-c", "copy", "file:"+at("apart.mkv"))
	require.NoError(t, os.WriteFile(at("list.csv"), []byte("path,start,end\nlate.mp4,0,2\nlate.mp4,3.5,5.5\nlate.mp4,2,5\nlate.mp4,7,8\napart.mkv,,\n"), 0o644))
	f, report, err := openFolder(context.Background(), at("list.csv"), mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	bad := mediatest.Reasons(report)
	require.Contains(t, bad["late.mp4@0-2"], "ends at 2 s")
	require.Contains(t, bad["late.mp4@7-8"], "starts at 7 s")
	require.Contains(t, bad["apart.mkv"], "never there together")
	require.Equal(t, 2, f.Len())
	for i, want := range [][2]float64{{3.5, 2}, {3, 2}} {
		require.InDelta(t, want[1], f.Duration(i), 0.03, f.Name(i))
		c, err := f.Load(context.Background(), i, media.Span{Seconds: want[1]})
		require.NoError(t, err)
		sound := *c
		sound.T = 0
		require.Empty(t, mediatest.OutOfStep(&sound, f.files[i].from()-3), f.Name(i))
		sound = *c
		sound.Wave = nil
		require.Empty(t, mediatest.OutOfStep(&sound, f.files[i].from()), f.Name(i))
	}
	// A hole in the sound that is as long as the span.
	mediatest.FFmpeg(t, "-i", "file:"+at("base.mkv"), "-c:v", "copy", "-c:a", "pcm_s16le", "-af", "aselect='lt(t,1)+gte(t,5)'", "file:"+at("hole.mkv"))
	one, err := OpenFile(context.Background(), at("hole.mkv"), mediatest.Small(media.FolderOptions{WholeSeconds: 0.5}))
	require.NoError(t, err)
	_, err = one.Load(context.Background(), 0, media.Span{Start: 2, Seconds: 1})
	require.ErrorIs(t, err, ffmpeg.ErrEmpty)
	require.ErrorContains(t, err, "hole.mkv: no audio sample")
}

// Sound behind a hole stays where it is, however its time compares to the hole's beginning, and one block of a time far off
// costs no more than itself: what it leaves is filled.
func TestHolesInSound(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	make := func(name, sound string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x48:r=8:d=3", "-f", "lavfi", "-i", "sine=r=16000:d=3,asetnsamples=1024,volume=8", "-af", sound,
			"-c:v", "mjpeg", "-c:a", "pcm_s16le", "file:"+path)
		return path
	}
	make("holes.mkv", "aselect='between(t,0,0.127)+between(t,0.448,1.023)+gte(t,2.048)'")
	apart := make("apart.mkv", "anull")
	raw, err := os.ReadFile(apart)
	require.NoError(t, err)
	// The eleventh block of 2,048 bytes in track 2: the two bytes behind tell its time, in milliseconds.
	head, at := []byte{0xa3, 0x48, 0x04, 0x82}, 0
	for range 11 {
		next := bytes.Index(raw[at:], head)
		require.GreaterOrEqual(t, next, 0)
		at += next + len(head)
	}
	raw[at] = 0x70
	require.NoError(t, os.WriteFile(apart, raw, 0o644))
	f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{WholeSeconds: 0.25}))
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	for i, silent := range [][][2]float64{nil, {{0.128, 0.448}, {1.024, 2.048}}} {
		for _, span := range []media.Span{{Seconds: 3}, {Start: 0.25, Seconds: 2.5}} {
			c, err := f.Load(context.Background(), i, span)
			require.NoError(t, err)
			require.InDelta(t, span.Seconds*16000, len(c.Wave), 1, "%s from %g s on", f.Name(i), span.Start)
			for k := 0; k+160 <= len(c.Wave); k += 160 {
				from, sum := span.Start+float64(k)/16000, 0.0
				for _, v := range c.Wave[k : k+160] {
					sum += math.Abs(float64(v))
				}
				heard, edge := true, false
				for _, s := range silent {
					heard = heard && (from+0.005 < s[0] || from+0.005 > s[1])
					edge = edge || math.Abs(from+0.005-s[0]) < 0.01 || math.Abs(from+0.005-s[1]) < 0.01
				}
				if !edge {
					require.Equal(t, heard, sum > 1, "%s: sound at %.3f s of a span from %g s on", f.Name(i), from, span.Start)
				}
			}
		}
	}
}
