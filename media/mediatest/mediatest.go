package mediatest

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/synthetic"
)

// NeedTools skips where ffmpeg is not installed.
func NeedTools(t testing.TB) {
	t.Helper()
	for _, tool := range []string{"ffmpeg", "ffprobe"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not on the PATH: install ffmpeg to run this test", tool)
		}
	}
}

// FFmpeg makes a file.
func FFmpeg(t testing.TB, args ...string) {
	t.Helper()
	args = append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"}, args...)
	out, err := exec.Command("ffmpeg", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// AV makes a clip with a test picture and a sine of 440 Hz.
func AV(t testing.TB, path string, seconds float64, size string, fps int, more ...string) {
	t.Helper()
	args := []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc=s=%s:r=%d:d=%g", size, fps, seconds),
		"-f", "lavfi", "-i", fmt.Sprintf("sine=f=440:r=16000:d=%g", seconds), "-pix_fmt", "yuv420p",
	}
	FFmpeg(t, append(append(args, more...), "file:"+path)...)
}

// LinkSome makes a folder of links to the first files of another, so that a test stays short.
func LinkSome(t testing.TB, from string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	from, err := filepath.Abs(from)
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.Symlink(filepath.Join(from, name), filepath.Join(dir, name)))
	}
	return dir
}

// Ramp is a clip whose grey level tells the time: 100 a second.
func Ramp(t *testing.T, path string, seconds string, more ...string) {
	args := []string{"-f", "lavfi", "-i", "nullsrc=s=48x48:r=25:d=" + seconds + ",format=gray,geq=lum='100*T'", "-f", "lavfi", "-i", "sine=r=16000:d=" + seconds}
	FFmpeg(t, append(append(args, more...), "-c:v", "ffv1", "-c:a", "pcm_s16le", "file:"+path)...)
}

// Faulty is a source some of whose clips fail.
type Faulty struct {
	media.Source
	Bad func(i int) bool
}

func (f Faulty) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	if f.Bad(i) {
		return nil, fmt.Errorf("%s: broken", f.Name(i))
	}
	return f.Source.Load(ctx, i, span)
}

// Settled waits for goroutines to end and tells how many are left.
func Settled(most int) int {
	for range 200 {
		if runtime.NumGoroutine() <= most {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return runtime.NumGoroutine()
}

// Generated is a Corpus of generated clips, every third of them test, which like short files are made
// whole and cut.
type Generated struct{ media.Source }

func (g Generated) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	whole, err := g.Source.Load(ctx, i, media.Span{Start: 0, Seconds: g.Duration(i)})
	if err != nil {
		return nil, err
	}
	return whole.Cut(span), nil
}

func (Generated) Modalities() (video, audio bool) { return true, true }

func (Generated) Split(i int) string { return []string{"train", "train", "test"}[i%3] }

// Generate makes a Generated of three classes.
func Generate(clips int) Generated {
	return Generated{synthetic.New(synthetic.Config{Clips: clips, Classes: 3, Difficulty: 0.5, Seed: 4, Seconds: 1.5, Size: 48})}
}

// TableBomb makes a film's tables promise 85 million pictures of a byte each, two gigabytes to index.
func TableBomb(film []byte) []byte {
	out := slices.Clone(film)
	put := func(box string, at int, v uint32) {
		binary.BigEndian.PutUint32(out[bytes.Index(out, []byte(box))+at:], v)
	}
	const samples = 85_000_000
	put("stsz", 8, 1)
	put("stsz", 12, samples)
	put("stts", 12, samples)
	put("stsc", 16, samples)
	return out
}

// PNGBomb is a picture of side x side black pixels of four bytes.
func PNGBomb(side int) []byte {
	var out, packed bytes.Buffer
	chunk := func(name string, data []byte) {
		_ = binary.Write(&out, binary.BigEndian, uint32(len(data)))
		data = append([]byte(name), data...)
		out.Write(data)
		_ = binary.Write(&out, binary.BigEndian, crc32.ChecksumIEEE(data))
	}
	out.WriteString("\x89PNG\r\n\x1a\n")
	header := make([]byte, 13)
	binary.BigEndian.PutUint32(header, uint32(side))
	binary.BigEndian.PutUint32(header[4:], uint32(side))
	header[8], header[9] = 8, 6
	chunk("IHDR", header)
	w, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
	row := make([]byte, 1+4*side)
	for range side {
		_, _ = w.Write(row)
	}
	w.Close()
	chunk("IDAT", packed.Bytes())
	chunk("IEND", nil)
	return out.Bytes()
}

// NeedShell skips where there is no shell to stand in for a tool.
func NeedShell(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("sh is not on the PATH")
	}
}

// Children are the processes that this one has started and that still run.
func Children(t *testing.T) []string {
	t.Helper()
	var out []string
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	if len(lists) == 0 {
		t.Skip("the system does not list a process's children")
	}
	for _, list := range lists {
		raw, _ := os.ReadFile(list)
		out = append(out, strings.Fields(string(raw))...)
	}
	return out
}

// Small are options that keep decoding short; only some of those given count.
func Small(opt media.FolderOptions) media.FolderOptions {
	o := media.FolderOptions{FPS: 8, Size: 48, Rate: 16000}
	o.NeedVideo, o.NeedAudio, o.Check = opt.NeedVideo, opt.NeedAudio, opt.Check
	o.LabelColumn, o.Split, o.WholeSeconds, o.CacheBytes = opt.LabelColumn, opt.Split, opt.WholeSeconds, opt.CacheBytes
	o.Timeout = 30 * time.Second
	return o
}

// Reasons are why files were refused, by path.
func Reasons(r *media.Report) map[string]string {
	m := map[string]string{}
	for _, b := range r.Bad {
		m[b.Path] = b.Reason
	}
	return m
}
