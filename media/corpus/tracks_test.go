package corpus

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// The track that is marked as default is the one; covers and previews never are; without a mark it is the first that
// decodes, and that is said.
func TestTracks(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes many files")
	}
	mediatest.NeedTools(t)
	dir, parts := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	base, small := filepath.Join(parts, "base.mkv"), filepath.Join(parts, "small.mkv")
	mediatest.Seconds(t, base, 3, h264...)
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "color=blue:s=32x24:r=5:d=3", "-f", "lavfi", "-i", "anullsrc=r=48000:d=3", "-t", "3", "-c:v", "libx264", "-c:a", "aac", "file:"+small)
	cover := filepath.Join(parts, "cover.jpg")
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "color=red:s=96x96", "-frames:v", "1", "file:"+cover)
	make := func(name string, args ...string) {
		t.Helper()
		all := append([]string{"-i", "file:" + base, "-i", "file:" + small, "-i", "file:" + cover}, args...)
		mediatest.FFmpeg(t, append(append(all, "-c", "copy"), "file:"+at(name))...)
	}
	make("sound.mkv", "-map", "0:v", "-map", "1:a", "-map", "0:a", "-disposition:a:0", "0", "-disposition:a:1", "default")
	make("preview.mkv", "-map", "1:v", "-map", "0:v", "-map", "0:a", "-disposition:v:0", "0", "-disposition:v:1", "default")
	make("cover.mkv", "-map", "2:v", "-map", "0:v", "-map", "0:a", "-disposition:v:0", "0", "-disposition:v:1", "0")
	make("cover.mp4", "-map", "2:v", "-map", "0:v", "-map", "0:a", "-disposition:v:0", "attached_pic")
	make("none.ts", "-map", "0:v", "-map", "0:a", "-map", "1:a")
	// The first of two tracks is named as a codec that it is not.
	make("broken.mkv", "-map", "1:a", "-map", "0:v", "-map", "0:a", "-disposition:a", "0")
	raw, err := os.ReadFile(at("broken.mkv"))
	require.NoError(t, err)
	where := indexOf(raw, "A_AAC")
	require.Positive(t, where)
	copy(raw[where:], "A_XYZ")
	require.NoError(t, os.WriteFile(at("broken.mkv"), raw, 0o644))
	f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	require.Equal(t, 6, f.Len())
	for i := range f.Len() {
		c, err := f.Load(context.Background(), i, media.Span{Seconds: 2.5})
		require.NoError(t, err)
		require.Empty(t, mediatest.OutOfStep(c, 0), f.Name(i))
	}
	require.Len(t, report.Remarks, 2)
	require.Equal(t, "broken.mkv", report.Remarks[0].Path)
	require.Contains(t, report.Remarks[0].Reason, "cannot be decoded")
	require.Equal(t, "none.ts", report.Remarks[1].Path)
	require.Contains(t, report.Remarks[1].Reason, "2 audio tracks, none marked as default")
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=3", "-i", "file:"+cover, "-map", "0", "-map", "1", "-c:v", "copy", "file:"+at("cover.mka"))
	_, err = OpenFile(context.Background(), at("cover.mka"), mediatest.Small(media.FolderOptions{NeedVideo: true}))
	require.ErrorContains(t, err, "no usable video stream", "a cover is no video, marked as one or not")
}

func indexOf(raw []byte, text string) int {
	for i := range raw {
		if i+len(text) <= len(raw) && string(raw[i:i+len(text)]) == text {
			return i
		}
	}
	return -1
}

// writeWAV writes samples of a form (1 for 16 bits, 3 for float32), the same in each channel.
func writeWAV(t *testing.T, file string, form, channels int, samples []float64) {
	t.Helper()
	width := map[int]int{1: 2, 3: 4}[form]
	var data []byte
	for _, v := range samples {
		for range channels {
			if form == 1 {
				data = binary.LittleEndian.AppendUint16(data, uint16(int16(v)))
			} else {
				data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(v)))
			}
		}
	}
	head := []byte("RIFF\x00\x00\x00\x00WAVEfmt ")
	binary.LittleEndian.PutUint32(head[4:], uint32(36+len(data)))
	head = binary.LittleEndian.AppendUint32(head, 16)
	head = binary.LittleEndian.AppendUint16(head, uint16(form))
	head = binary.LittleEndian.AppendUint16(head, uint16(channels))
	head = binary.LittleEndian.AppendUint32(head, 16000)
	head = binary.LittleEndian.AppendUint32(head, uint32(16000*channels*width))
	head = binary.LittleEndian.AppendUint16(head, uint16(channels*width))
	head = binary.LittleEndian.AppendUint16(head, uint16(8*width))
	head = binary.LittleEndian.AppendUint32(append(head, "data"...), uint32(len(data)))
	require.NoError(t, os.WriteFile(file, append(head, data...), 0o644))
}

// One sound has one level: in any number of channels, in whole numbers or floating point of any size. No number and
// infinity are silent; what is changed is said.
func TestLevels(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	sine := func(peak float64) []float64 {
		out := make([]float64, 16000)
		for i := range out {
			out[i] = peak * math.Sin(2*math.Pi*700*float64(i)/16000)
		}
		return out
	}
	const peak = 0.36
	for _, n := range []int{1, 2, 3, 6, 8, 11} { // 11 have no layout
		writeWAV(t, at("whole"+string(rune('a'+n))+".wav"), 1, n, sine(peak*32768))
		writeWAV(t, at("float"+string(rune('a'+n))+".wav"), 3, n, sine(peak))
	}
	mediatest.FFmpeg(t, "-i", "file:"+at("wholeb.wav"), "-filter:a", "pan=7.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0|c6=c0|c7=c0", "-c:a", "flac", "file:"+at("71.flac"))
	writeWAV(t, at("x16.wav"), 3, 1, sine(peak*32768))
	writeWAV(t, at("x32.wav"), 3, 2, sine(peak*math.Ldexp(1, 31)))
	odd := sine(peak)
	odd[8000], odd[9000], odd[9001], odd[9002] = math.NaN(), math.Inf(1), math.Inf(-1), 1e30
	writeWAV(t, at("odd.wav"), 3, 1, odd)
	f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	for i := range f.Len() {
		c, err := f.Load(context.Background(), i, media.Span{Seconds: 1})
		require.NoError(t, err)
		sum := 0.0
		for _, v := range c.Wave {
			require.True(t, v >= -1 && v <= 1)
			sum += float64(v) * float64(v)
		}
		require.InDelta(t, peak/math.Sqrt2, math.Sqrt(sum/float64(len(c.Wave))), 0.01, f.Name(i))
	}
	said := map[string]string{}
	for _, r := range report.Remarks {
		said[r.Path] = r.Reason
	}
	require.Len(t, said, 3)
	require.Contains(t, said["x16.wav"], "divided by 32768")
	require.Contains(t, said["x32.wav"], "divided by 2147483648")
	require.Contains(t, said["odd.wav"], "1 samples beyond full scale are clipped; 3 samples that are no finite number are silenced")

	// A sound in one of the channels is no louder than by itself, and a hot one is clipped.
	mediatest.FFmpeg(t, "-i", "file:"+at("wholeb.wav"), "-filter:a", "pan=5.1|c2=c0", "file:"+at("centre.wav"))
	writeWAV(t, at("hot.wav"), 3, 1, sine(2))
	for name, most := range map[string]float64{"centre.wav": peak, "hot.wav": 1} {
		one, err := OpenFile(context.Background(), at(name), mediatest.Small(media.FolderOptions{NeedAudio: true}))
		require.NoError(t, err)
		c, err := one.Load(context.Background(), 0, media.Span{Seconds: 1})
		require.NoError(t, err)
		top := 0.0
		for _, v := range c.Wave {
			top = max(top, math.Abs(float64(v)))
		}
		require.True(t, top > 0.01 && top <= most+0.01, "%s: %g", name, top)
	}
}
