//go:build unix

package views

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/ffmpeg"
	"goxkd/media/mediatest"
)

// zoo is a folder of odd and broken files.
type zoo struct {
	dir   string
	files int // that a report must count
	t     *testing.T
}

func (z *zoo) path(name string) string { return filepath.Join(z.dir, filepath.FromSlash(name)) }

func (z *zoo) add(name string, data []byte) {
	z.t.Helper()
	require.NoError(z.t, os.MkdirAll(filepath.Dir(z.path(name)), 0o755))
	require.NoError(z.t, os.WriteFile(z.path(name), data, 0o644))
	z.files++
}

func (z *zoo) link(target, name string) {
	z.t.Helper()
	require.NoError(z.t, os.Symlink(target, z.path(name)))
}

// makeZoo makes some good files and derives the others from them.
func makeZoo(t *testing.T) *zoo {
	z := &zoo{dir: t.TempDir(), t: t}
	many := func(n int) int {
		if os.Getenv("XKD_TESTS") == "all" {
			return 2 * n
		}
		return n
	}
	made := t.TempDir()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-g", "4"}
	var good [][]byte
	var ext []string
	for _, m := range []struct {
		name string
		args []string
	}{
		{"a.mp4", append(x264, "-c:a", "aac")}, {"b.mkv", append(x264, "-c:a", "pcm_s16le")},
		{"c.ts", append(x264, "-c:a", "aac")}, {"d.avi", []string{"-c:v", "mjpeg", "-c:a", "pcm_s16le"}},
		{"e.mov", append(x264, "-c:a", "pcm_s16le", "-movflags", "+faststart")},
	} {
		path := filepath.Join(made, m.name)
		mediatest.AV(t, path, 0.75, "64x48", 8, m.args...)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		good, ext = append(good, data), append(ext, filepath.Ext(m.name))
		z.add("good/"+m.name, data)
	}
	r := rand.New(rand.NewPCG(20, 24))
	pick := func() (data []byte, ext_ string) {
		i := r.IntN(len(good))
		return slices.Clone(good[i]), ext[i]
	}
	for i := range many(40) {
		data, e := pick()
		z.add(fmt.Sprintf("cut/%02d%s", i, e), data[:1+r.IntN(len(data)-1)])
	}
	for i := range many(40) {
		data, e := pick()
		for range 1 << r.IntN(9) {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		z.add(fmt.Sprintf("flipped/%02d%s", i, e), data)
	}
	for i := range many(16) {
		a, e := pick()
		b, _ := pick()
		z.add(fmt.Sprintf("joined/%02d%s", i, e), append(a[:r.IntN(len(a))], b[r.IntN(len(b)):]...))
	}
	for i := range many(16) {
		data, e := pick()
		at := r.IntN(len(data))
		clear(data[at:min(at+1+r.IntN(4096), len(data))])
		z.add(fmt.Sprintf("zeroed/%02d%s", i, e), data)
	}
	for i := range many(16) {
		data, e := pick()
		at := r.IntN(len(data))
		z.add(fmt.Sprintf("shortened/%02d%s", i, e), slices.Delete(data, at, min(at+1+r.IntN(512), len(data))))
	}
	for i := range many(20) { // a true beginning, then noise
		data, e := pick()
		for k := r.IntN(200); k < len(data); k++ {
			data[k] = byte(r.Uint32())
		}
		z.add(fmt.Sprintf("noise/%02d%s", i, e), data)
	}
	// Words of the headers become absurd: sizes, counts, dimensions, rates.
	for i := range many(16) {
		data := slices.Clone(good[4])
		at := r.IntN(700)
		binary.BigEndian.PutUint32(data[at:], []uint32{math.MaxUint32, math.MaxInt32, 0, 1 << 31}[i%4])
		z.add(fmt.Sprintf("absurd/%02d.mov", i), data)
	}
	z.add("absurd/table.mov", mediatest.TableBomb(good[4]))
	z.add("wrong/mkv.mp4", good[1])
	z.add("wrong/mp4.AVI", good[0])
	z.add("wrong/list.mp4", []byte("#EXTM3U\n#EXTINF:1,\n../good/a.mp4\n#EXT-X-ENDLIST\n"))
	z.add("wrong/concat.mkv", []byte("ffconcat version 1.0\nfile ../good/a.mp4\n"))
	z.add("wrong/text.mp4", []byte("no film\n"))
	z.add("wrong/empty.mp4", nil)
	z.add("wrong/one byte.mp4", []byte{0})
	for _, name := range []string{
		"-i.mp4", "-y -f null.mp4", "new\nline.mp4", "quo'te\".mp4", "concat:a|b.mp4", "http:x.mp4", "https:--x.mp4", "pipe:0.mp4",
		"subfile,,start,0,end,9,,:x.mp4", "%03d.mp4", "[a]*?{b}.mp4", "$(touch ran).mp4", "`touch ran`.mp4", " .mp4", "ünï \U0001F3AC.mp4", "back\\slash.mp4", "\x01\x7f.mp4", "a,b.mp4",
	} {
		z.add("name/"+name, good[0])
	}
	if os.WriteFile(filepath.Join(made, "\xff\xfe.mp4"), nil, 0o644) == nil { // not every file system takes it
		z.add("name/\xff\xfe.mp4", good[0])
	}
	// Links: one that serves, and two that lead nowhere. Folders that contain themselves are not entered.
	z.link("../good/a.mp4", "name/link.mp4")
	z.link("loop b.mp4", "name/loop a.mp4")
	z.link("loop a.mp4", "name/loop b.mp4")
	z.link("nowhere", "name/dangling.mp4")
	z.files += 4
	z.link("..", "name/up")
	z.link(z.dir, "name/top.mp4") // a folder, so no media file
	require.NoError(t, syscall.Mkfifo(z.path("wrong/pipe.mp4"), 0o644))
	z.files++
	// A few hundred kilobytes that unpack to a quarter of a gigabyte.
	bomb := filepath.Join(made, "bomb")
	require.NoError(t, os.WriteFile(bomb+".png", mediatest.PNGBomb(8300), 0o644))
	mediatest.FFmpeg(t, "-i", "file:"+bomb+".png", "-f", "lavfi", "-i", "sine=d=0.2", "-c:v", "copy", "-c:a", "pcm_s16le", "file:"+bomb+".mkv")
	data, err := os.ReadFile(bomb + ".mkv")
	require.NoError(t, err)
	require.Less(t, len(data), 1<<20)
	z.add("absurd/bomb.mkv", data)
	return z
}

// decodes asks ffmpeg itself whether the file has frames and sound, at a common time where their times are known.
func decodes(path string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, "ffprobe", "-v", "quiet", "-max_alloc", "536870912", "-max_pixels", "67108864", "-of", "json=c=1",
		"-show_entries", "frame=media_type,best_effort_timestamp_time,pkt_duration_time,duration_time", "-i", "file:"+path).Output()
	var answer struct {
		Frames []struct {
			Kind   string `json:"media_type"`
			At     string `json:"best_effort_timestamp_time"`
			Older  string `json:"pkt_duration_time"`
			Length string `json:"duration_time"`
		}
	}
	if json.Unmarshal(out, &answer) != nil {
		return false
	}
	begin, end := map[string]float64{}, map[string]float64{}
	for _, f := range answer.Frames {
		at, err := strconv.ParseFloat(f.At, 64)
		length, _ := strconv.ParseFloat(cmp.Or(f.Length, f.Older), 64)
		from, to := at, at+length
		if err != nil { // at any time
			from, to = math.Inf(-1), math.Inf(1)
		}
		if _, ok := begin[f.Kind]; !ok {
			begin[f.Kind], end[f.Kind] = from, to
		}
		begin[f.Kind], end[f.Kind] = min(begin[f.Kind], from), max(end[f.Kind], to)
	}
	const rounded = 0.001
	return len(begin) == 2 && min(end["video"], end["audio"])-max(begin["video"], begin["audio"]) > rounded
}

// Two hundred odd and broken files, at length three hundred and more: all are survived, each is used or named with a reason, nothing
// that can be decoded is refused, and memory stays bounded.
func TestHostileFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes and reads two hundred odd files")
	}
	mediatest.NeedTools(t)
	z := makeZoo(t)
	require.Greater(t, z.files, 200)
	ctx := context.Background()
	opt := mediatest.Small(media.FolderOptions{})
	opt.Timeout = 20 * time.Second
	f, report, err := corpus.Open(ctx, z.dir, opt)
	require.NoError(t, err)
	require.Equal(t, z.files, report.Good+len(report.Bad), "every file is counted once")
	links := 0
	for _, r := range report.Remarks {
		if strings.Contains(r.Reason, "a link to a folder that holds this one") {
			links++
		}
	}
	require.Equal(t, 2, links, "%v", report.Remarks)
	require.Equal(t, f.Len(), report.Good)

	// One epoch in one batch. What fails is passed over by every position from which the order reaches
	// it before a clip that works.
	l, err := NewLoader(ctx, f, smallSpec(), LoaderConfig{Batch: f.Len(), Workers: 2, Prefetch: 1})
	require.NoError(t, err)
	defer l.Close()
	p := <-l.ready // as Next does, but no further batch is begun
	<-p.done
	require.NoError(t, p.err)
	stats := l.Stats()
	require.NoError(t, l.Close())
	failed := map[string]string{}
	for _, b := range stats.Reasons {
		failed[b.Path] = b.Reason
		require.ErrorIs(t, b.Err, ffmpeg.ErrEmpty, b.Path)
	}
	require.Less(t, len(failed), maxReasons, "the list is complete")
	order, skips := l.order(0), 0
	for first := range order {
		for k := range order {
			if failed[f.Name(order[(first+k)%len(order)])] == "" {
				break
			}
			skips++
		}
	}
	require.Equal(t, skips, stats.Skipped)
	used := map[string]bool{}
	for i, name := range p.batch.Names {
		require.Empty(t, failed[name], "clip %d", i)
		used[name] = true
	}
	require.Equal(t, report.Good, len(used)+len(failed), "every clip opened was used or named")
	size := smallSpec().videoGlobal()
	for i, name := range p.batch.Names {
		sum := 0
		for _, v := range p.batch.VideoGlobal[i*size : (i+1)*size] {
			sum += int(v)
		}
		require.Positive(t, sum, "%q: black, as what is no number would be stored", name)
	}
	for _, v := range p.batch.AudioGlobal {
		require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
	}
	t.Logf("%d files: %d used, %d refused when opened, %d failed when decoded, %d skips", z.files, len(used), len(report.Bad), len(failed), skips)

	// The same by another way: one clip after another.
	indices := make([]int, f.Len())
	for i := range indices {
		indices[i] = i
	}
	b, bad, err := Centre(ctx, f, smallSpec(), indices, CentreOptions{Workers: 2})
	require.NoError(t, err)
	require.Equal(t, len(used), b.B)
	for _, x := range bad {
		require.NotEmpty(t, failed[x.Path], "%s failed here and not in training: %s", x.Path, x.Reason)
	}

	why := mediatest.Reasons(report)
	for name, reason := range failed {
		why[name] = reason
	}
	require.Len(t, why, z.files-len(used))
	for name, part := range map[string]string{
		"wrong/list.mp4": "not readable", "wrong/concat.mkv": "not readable", "wrong/text.mp4": "not readable", "wrong/empty.mp4": "empty",
		"wrong/pipe.mp4": "not a regular file", "name/loop a.mp4": "cannot be read", "name/loop b.mp4": "cannot be read",
		"name/dangling.mp4": "cannot be read", "absurd/bomb.mkv": "no usable video stream",
	} {
		require.Contains(t, why[name], part, name)
	}
	for name := range used {
		require.Empty(t, why[name])
	}
	for _, sub := range []string{"good", "name"} {
		entries, err := os.ReadDir(z.path(sub))
		require.NoError(t, err)
		for _, e := range entries {
			name := sub + "/" + e.Name()
			if !strings.HasPrefix(e.Name(), "loop") && !strings.HasPrefix(e.Name(), "dangling") && e.Name() != "up" && e.Name() != "top.mp4" {
				require.True(t, used[name], "%q: %s", name, why[name])
			}
		}
	}
	refused := make([]string, 0, len(why))
	for name, reason := range why {
		require.NotEmpty(t, reason)
		require.NotContains(t, reason, "\n")
		require.Less(t, len(reason), 600, name)
		switch name {
		case "wrong/list.mp4", "wrong/concat.mkv", "wrong/pipe.mp4": // would open other files, or block
		default:
			refused = append(refused, name)
		}
	}
	sort.Strings(refused)
	require.True(t, decodes(z.path("good/a.mp4")), "the question itself is right")
	kept := make([]bool, len(refused))
	files.Parallel(2, len(refused), func(i int) { kept[i] = decodes(z.path(refused[i])) })
	for i, name := range refused {
		require.False(t, kept[i], "%q has frames and sound at the same time, but: %s", name, why[name])
	}
	require.NoFileExists(t, "ran")
	require.NoFileExists(t, z.path("name/ran"))

	// This process; TestBombsTakeNoMemory looks at its children.
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	require.Less(t, mem.Sys, uint64(1<<30))
}
