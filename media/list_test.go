package media

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plain is what of a listed clip the list says.
type plain struct {
	path, label, split string
	start, end         float64
	line               int
}

func plains(clips []listed) []plain {
	var out []plain
	for _, c := range clips {
		out = append(out, plain{c.in.path, c.label, c.split, c.start, c.end, c.line})
	}
	return out
}

func TestLists(t *testing.T) {
	long := strings.Repeat("x", maxListLine+1)
	for _, c := range []struct {
		name, text string
		opt        FolderOptions
		want       []plain
		fail       string
	}{
		{name: "csv", text: "\ufeffpath,label,split,start,end\na b.mp4,dog,train,1.5,3\r\n\"c,d.mp4\",,,,\n", want: []plain{{"a b.mp4", "dog", "train", 1.5, 3, 2}, {"c,d.mp4", "", "", 0, 0, 3}}},
		{name: "columns in any order", text: "split,kind,video\ntest,dog,a.mp4\n", opt: FolderOptions{LabelColumn: "kind"}, want: []plain{{"a.mp4", "dog", "test", 0, 0, 2}}},
		{name: "tsv", text: "path\tlabel\na.mp4\tbig dog\n", want: []plain{{"a.mp4", "big dog", "", 0, 0, 2}}},
		{name: "json", text: "{\"path\":\"a.mp4\",\"label\":3,\"start\":2}\n\n{\"path\":\"b.mp4\",\"label\":\"x\",\"split\":\"test\",\"end\":1e1}\n", want: []plain{{"a.mp4", "3", "", 2, 0, 1}, {"b.mp4", "x", "test", 0, 10, 3}}},
		{name: "spaces", text: "a.mp4 3\nmy film.MP4 walk\nb.avi\nc.mp4 1 0.5 2.5\nnoext 7\n", want: []plain{{"a.mp4", "3", "", 0, 0, 1}, {"my film.MP4", "walk", "", 0, 0, 2}, {"b.avi", "", "", 0, 0, 3}, {"c.mp4", "1", "", 0.5, 2.5, 4}, {"noext", "7", "", 0, 0, 5}}},
		{name: "commas", text: "a b.mp4, 3\nd/e.mp4,4,1,2\n", want: []plain{{"a b.mp4", "3", "", 0, 0, 1}, {"d/e.mp4", "4", "", 1, 2, 2}}},
		{name: "tabs", text: "a,b.mp4\t3\n", want: []plain{{"a,b.mp4", "3", "", 0, 0, 1}}},
		{name: "hostile names stay names", text: "-i.mp4 1\nhttp://x/y.mp4 2\n../../etc/passwd 3\n|sh.mp4 4\n", want: []plain{{"-i.mp4", "1", "", 0, 0, 1}, {"http://x/y.mp4", "2", "", 0, 0, 2}, {"../../etc/passwd", "3", "", 0, 0, 3}, {"|sh.mp4", "4", "", 0, 0, 4}}},
		{name: "row too short", text: "path,label\na.mp4,1\nb.mp4\n", fail: "l:3: wrong number of fields"},
		{name: "bare quote", text: "path,label\na\"b,1\n", fail: "l:2: bare"},
		{name: "unknown column", text: "path,label\na,1\n", opt: FolderOptions{LabelColumn: "kind"}, fail: `l:1: there is no column "kind": there are path, label`},
		{name: "empty path", text: "path,label\n,1\n", fail: "l:2: the path is empty"},
		{name: "end first", text: "path,start,end\na,3,2\n", fail: "l:2: the clip ends at \"2\""},
		{name: "end at once", text: "path,start,end\na,0,0\n", fail: "l:2: the clip ends"},
		{name: "no number", text: "path,start,end\na,soon,2\n", fail: `l:2: start "soon"`},
		{name: "not finite", text: "path,start,end\na,0,Inf\n", fail: `l:2: end "Inf"`},
		{name: "broken json", text: "{\"path\":\"a\"}\n{\"path\"\n", fail: "l:2: no JSON object"},
		{name: "two values", text: "{\"path\":\"a\"} 3\n", fail: "l:1: more than one"},
		{name: "json without path", text: "{\"label\":\"a\"}\n", fail: "l:1: the path is empty"},
		{name: "three fields", text: "a.mp4 1\nb.mp4 1 2\n", fail: "l:2: 3 fields"},
		{name: "binary", text: "a\x00b\n", fail: "l:1: this is no text"},
		{name: "long line", text: "a.mp4 1\n" + long + "\n", fail: "l:2: the line is longer"},
		{name: "long row", text: "path,label\na," + long + "\n", fail: "longer than 64 KiB"},
	} {
		got, err := parseList(strings.NewReader(c.text), "l", c.opt)
		if c.fail != "" {
			require.ErrorContains(t, err, c.fail, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, plains(got), c.name)
	}
}

func TestSplitLists(t *testing.T) {
	numbers, err := parseClassInd(strings.NewReader("1 Archery\r\n2 Biking\n"), "c")
	require.NoError(t, err)
	require.Equal(t, map[string]int{"Archery": 1, "Biking": 2}, numbers)
	got, err := parseUCF(strings.NewReader("Archery/v_1.avi 1\r\nBiking/v 2.avi 2\n"), "u", "train", numbers)
	require.NoError(t, err)
	require.Equal(t, []plain{{"Archery/v_1.avi", "Archery", "train", 0, 0, 1}, {"Biking/v 2.avi", "Biking", "train", 0, 0, 2}}, plains(got))
	got, err = parseUCF(strings.NewReader("Archery/v_1.avi\n"), "u", "test", nil)
	require.NoError(t, err)
	require.Equal(t, []plain{{"Archery/v_1.avi", "Archery", "test", 0, 0, 1}}, plains(got))
	got, err = parseHMDB(strings.NewReader("a.avi 1 \nb (2).avi 2 \nc.avi 0 \n"), "h", "brush_hair")
	require.NoError(t, err)
	require.Equal(t, []plain{{"brush_hair/a.avi", "brush_hair", "train", 0, 0, 1}, {"brush_hair/b (2).avi", "brush_hair", "test", 0, 0, 2}}, plains(got))
	esc := "filename,fold,target,category,esc10,src_file,take\n1-1-A-0.wav,1,0,dog,True,1,A\n2-1-A-14.wav,2,14,birds,False,2,A\n"
	got, err = parseESC(strings.NewReader(esc), "e", 2)
	require.NoError(t, err)
	require.Equal(t, []plain{{"1-1-A-0.wav", "dog", "train", 0, 0, 2}, {"2-1-A-14.wav", "birds", "test", 0, 0, 3}}, plains(got))

	fail := func(_ any, err error) error { return err }
	require.ErrorContains(t, fail(parseUCF(strings.NewReader("Archery/v.avi 2\n"), "u", "train", numbers)), "u:1: class \"Archery\" has number 2 here and 1")
	require.ErrorContains(t, fail(parseUCF(strings.NewReader("\nRowing/v.avi\n"), "u", "train", numbers)), "u:2: class \"Rowing\" is not in")
	require.ErrorContains(t, fail(parseUCF(strings.NewReader("v.avi 1\n"), "u", "train", nil)), "has no class")
	require.ErrorContains(t, fail(parseClassInd(strings.NewReader("Archery\n"), "c")), "c:1:")
	require.ErrorContains(t, fail(parseClassInd(strings.NewReader("x Archery\n"), "c")), "no number")
	require.ErrorContains(t, fail(parseHMDB(strings.NewReader("a.avi 1\nb.avi 3\n"), "h", "x")), "h:2: \"3\" is not 0, 1 or 2")
	require.ErrorContains(t, fail(parseHMDB(strings.NewReader("a.avi\n"), "h", "x")), "h:1:")
	require.ErrorContains(t, fail(parseESC(strings.NewReader(esc), "e", 7)), "no fold 7")
	require.ErrorContains(t, fail(parseESC(strings.NewReader("filename,fold\n"), "e", 1)), `no column "category"`)
}

func TestClassOrder(t *testing.T) {
	require.Equal(t, []string{"1", "2", "10"}, classesOf([]string{"10", "2", "", "1", "2"}))
	require.Equal(t, []string{"1", "10", "2x"}, classesOf([]string{"2x", "10", "1"}))
}

// tree writes files below a new folder; a text "=name" is a copy of that made file.
func tree(t *testing.T, made map[string][]byte, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		data := []byte(text)
		if from, ok := strings.CutPrefix(text, "="); ok {
			data = made[from]
		}
		require.NoError(t, os.WriteFile(path, data, 0o644))
	}
	return dir
}

// ramp is a clip whose grey level tells the time: 100 a second.
func ramp(t *testing.T, path string, seconds string, more ...string) {
	args := []string{"-f", "lavfi", "-i", "nullsrc=s=48x48:r=25:d=" + seconds + ",format=gray,geq=lum='100*T'", "-f", "lavfi", "-i", "sine=r=16000:d=" + seconds}
	ffmpeg(t, append(append(args, more...), "-c:v", "ffv1", "-c:a", "pcm_s16le", "file:"+path)...)
}

func TestOpen(t *testing.T) {
	needTools(t)
	work := t.TempDir()
	made := map[string][]byte{}
	ramp(t, filepath.Join(work, "av"), "2", "-f", "matroska")
	ffmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "-f", "wav", "file:"+filepath.Join(work, "wav"))
	for _, name := range []string{"av", "wav"} {
		raw, err := os.ReadFile(filepath.Join(work, name))
		require.NoError(t, err)
		made[name] = raw
	}
	ctx := context.Background()
	type clip struct{ name, label, split string }
	open := func(path string, opt FolderOptions) (Corpus, *Report, []clip) {
		t.Helper()
		s := small(opt)
		s.Fold, s.Root, s.Split = opt.Fold, opt.Root, opt.Split
		src, report, err := Open(ctx, path, s)
		require.NoError(t, err)
		var got []clip
		for i := range src.Len() {
			c := clip{src.Name(i), "", src.Split(i)}
			if l := src.Label(i); l >= 0 {
				c.label = src.Classes()[l]
			}
			got = append(got, c)
		}
		return src, report, got
	}

	dir := tree(t, made, map[string]string{
		"m.jsonl": `{"path":"films/a.mkv","label":"x","split":"train","start":0.5,"end":1}
{"path":"films/a.mkv","label":"y","split":"test","start":1}
{"path":"gone.mkv","label":"y"}
{"path":"films/a.mkv","start":9}
{"path":"empty.mkv"}
{"path":"films"}`,
		"films/a.mkv": "=av", "empty.mkv": "",
		"list.txt": "a.mkv 10\n" + filepath.Join(work, "av") + " 9\n",
	})
	src, report, got := open(filepath.Join(dir, "m.jsonl"), FolderOptions{})
	require.Equal(t, []clip{{"films/a.mkv@0.5-1", "x", "train"}, {"films/a.mkv@1-", "y", "test"}}, got)
	require.Equal(t, 1, report.Missing)
	bad := reasons(report)
	require.Equal(t, "the file does not exist (line 3 of the list)", bad["gone.mkv"])
	require.Contains(t, bad["films/a.mkv@9-"], "starts at 9 s, but lasts 2.0 s (line 4")
	require.Contains(t, bad["empty.mkv"], "empty")
	require.Contains(t, bad["films"], "not a regular file")
	require.InDelta(t, 0.5, src.Duration(0), 1e-9)
	require.InDelta(t, 1, src.Duration(1), 0.05)
	// The grey level tells the time, so a clip shows its part of the file and no more, whatever is asked
	// for and whether its file is decoded whole or sought.
	for _, whole := range []float64{10, 1} {
		opt := small(FolderOptions{WholeSeconds: whole})
		opt.Split = "train"
		src, _, err := Open(ctx, filepath.Join(dir, "m.jsonl"), opt)
		require.NoError(t, err)
		for _, span := range []Span{{0, 1}, {0, 0.5}, {0.25, 1}, {7, 1}} {
			c, err := src.Load(ctx, 0, span)
			require.NoError(t, err)
			require.Equal(t, 4, c.T)
			require.InDelta(t, 8000, len(c.Wave), 400)
			for k := range c.T {
				require.InDelta(t, 50+100*float64(k)/8, float64(c.Frame(k)[0]), 10, "frame %d", k)
			}
		}
	}

	_, _, got = open(filepath.Join(dir, "list.txt"), FolderOptions{Root: filepath.Join(dir, "films")})
	require.Equal(t, []clip{{"a.mkv", "10", ""}, {filepath.Join(work, "av"), "9", ""}}, got)

	ucf := tree(t, made, map[string]string{
		"lists/classInd.txt": "1 Archery\n2 Biking\n", "lists/trainlist01.txt": "Archery/v_a.avi 1\nBiking/v_b.avi 2\n",
		"lists/testlist01.txt": "Biking/v_c.avi\n", "lists/trainlist02.txt": "Biking/v_c.avi 2\n",
		"UCF-101/Archery/v_a.avi": "=av", "UCF-101/Biking/v_b.avi": "=av", "UCF-101/Biking/v_c.avi": "=av",
	})
	train := []clip{{"Archery/v_a.avi", "Archery", "train"}, {"Biking/v_b.avi", "Biking", "train"}}
	_, _, got = open(filepath.Join(ucf, "lists"), FolderOptions{})
	require.Equal(t, append(train, clip{"Biking/v_c.avi", "Biking", "test"}), got)
	_, _, got = open(filepath.Join(ucf, "lists"), FolderOptions{Split: "test"})
	require.Len(t, got, 1)
	_, _, got = open(filepath.Join(ucf, "lists", "trainlist01.txt"), FolderOptions{})
	require.Equal(t, train, got)
	_, _, got = open(filepath.Join(ucf, "lists"), FolderOptions{Fold: 2})
	require.Equal(t, []clip{{"Biking/v_c.avi", "Biking", "train"}}, got)
	_, _, err := Open(ctx, filepath.Join(ucf, "lists"), FolderOptions{Fold: 3})
	require.ErrorContains(t, err, "none of split 3")

	hmdb := tree(t, made, map[string]string{
		"s/run_test_split1.txt": "a.avi 1 \nb.avi 0 \n", "s/sit_down_test_split1.txt": "c.avi 2 \n", "s/sit_down_test_split2.txt": "c.avi 1 \n",
		"videos/run/a.avi": "=av", "videos/run/b.avi": "=av", "videos/sit_down/c.avi": "=av",
	})
	_, _, got = open(filepath.Join(hmdb, "s"), FolderOptions{})
	require.Equal(t, []clip{{"run/a.avi", "run", "train"}, {"sit_down/c.avi", "sit_down", "test"}}, got)
	_, _, got = open(filepath.Join(hmdb, "s", "sit_down_test_split2.txt"), FolderOptions{})
	require.Equal(t, []clip{{"sit_down/c.avi", "sit_down", "train"}}, got)

	esc := tree(t, made, map[string]string{
		"meta/esc50.csv": "filename,fold,target,category\n1-1.wav,1,0,dog\n2-2.wav,2,1,rain\n", "audio/1-1.wav": "=wav", "audio/2-2.wav": "=wav",
	})
	_, _, got = open(esc, FolderOptions{NeedAudio: true, Fold: 2})
	require.Equal(t, []clip{{"1-1.wav", "dog", "train"}, {"2-2.wav", "rain", "test"}}, got)
	_, _, err = Open(ctx, esc, small(FolderOptions{}))
	require.ErrorContains(t, err, "no usable video stream")

	_, _, got = open(filepath.Join(ucf, "UCF-101"), FolderOptions{})
	require.Equal(t, clip{"Archery/v_a.avi", "Archery", ""}, got[0], "a folder of folders")
	require.NoError(t, os.WriteFile(filepath.Join(ucf, "UCF-101", "UCF101.tar"), tarOf(t, "x.avi", "junk"), 0o644))
	_, _, got = open(filepath.Join(ucf, "UCF-101"), FolderOptions{})
	require.Len(t, got, 3, "the archive that they came in is no shard")

	for path, why := range map[string]string{
		filepath.Join(dir, "absent"):                       "name an existing",
		filepath.Join(dir, "empty.mkv"):                    "",
		tree(t, made, map[string]string{"x": "\n"}) + "/x": "it names no clips",
	} {
		_, _, err := Open(ctx, path, small(FolderOptions{}))
		require.ErrorContains(t, err, why)
		require.ErrorContains(t, err, path)
	}
}

// tarOf writes members in order.
func tarOf(t testing.TB, members ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := 0; i < len(members); i += 2 {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: members[i], Mode: 0o644, Size: int64(len(members[i+1]))}))
		_, err := w.Write([]byte(members[i+1]))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func TestShards(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "film.mkv")
	ramp(t, path, "2")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	film := string(raw)
	ctx := context.Background()
	alone, _, err := openFolder(ctx, dir, small(FolderOptions{}))
	require.NoError(t, err)
	want, err := alone.Load(ctx, 0, Span{0.5, 1})
	require.NoError(t, err)

	shards := filepath.Join(dir, "we,ird :shards%d")
	require.NoError(t, os.Mkdir(shards, 0o755))
	one := tarOf(t, "a/001.mkv", film, "a/001.cls", "3\n", "a/001.txt", "a caption",
		"a/002.json", `{"label":"10","split":"test"}`, "a/002.mkv", film, "a/003.seg.mkv", film, "readme", "no clip", "004.mkv", "junk")
	two := tarOf(t, "005.txt", "2", "005.mkv", film, "006.mkv", film)
	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-0.tar"), one, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-1.tar"), two[:len(two)-len(film)/2-2048], 0o644))
	src, report, err := Open(ctx, shards, small(FolderOptions{}))
	require.NoError(t, err)
	require.Equal(t, []string{"2", "3", "10"}, src.Classes())
	var names []string
	for i := range src.Len() {
		names = append(names, src.Name(i))
		c, err := src.Load(ctx, i, Span{0.5, 1})
		require.NoError(t, err)
		require.Equal(t, want.Frames, c.Frames)
		require.Equal(t, want.Wave, c.Wave)
	}
	require.Equal(t, []string{"x-0.tar/a/001.mkv", "x-0.tar/a/002.mkv", "x-0.tar/a/003.seg.mkv", "x-1.tar/005.mkv"}, names)
	require.Equal(t, []int{1, 2, -1, 0}, []int{src.Label(0), src.Label(1), src.Label(2), src.Label(3)})
	require.Equal(t, "test", src.Split(1))
	bad := reasons(report)
	require.Contains(t, bad["x-0.tar/004.mkv"], "not readable as media")
	require.Contains(t, bad["x-1.tar"], "006.mkv", "the shard is cut short there")
	src, _, err = Open(ctx, filepath.Join(shards, "x-0.tar"), small(FolderOptions{}))
	require.NoError(t, err)
	require.Equal(t, 3, src.Len())

	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-0.tar"), two, 0o644))
	_, err = src.Load(ctx, 0, Span{0, 1})
	if f := src.(*Folder); err == nil {
		require.NotNil(t, f.cache.get(f.files[0].file), "what was decoded before may serve on")
	}
	src.(*Folder).cache = newClipCache(-1)
	_, err = src.Load(ctx, 0, Span{0, 1})
	require.ErrorContains(t, err, "x-0.tar/a/001.mkv: the shard has changed")
}

// Frames of uneven length are shown when they were shown: the grey level tells the time.
func TestVariableFrameRate(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	ramp(t, filepath.Join(dir, "even.mkv"), "2")
	ramp(t, filepath.Join(dir, "uneven.mkv"), "2", "-vf", "select='lt(t,1)+not(mod(n,5))'", "-vsync", "vfr")
	f, _, err := openFolder(context.Background(), dir, small(FolderOptions{}))
	require.NoError(t, err)
	for i, gap := range []float64{0.04, 0.2} {
		c, err := f.Load(context.Background(), i, Span{0, 2})
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

func TestIndexClips(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	for _, name := range []string{"dog/a.mkv", "dog/b.mkv", "cat/c.mkv"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		ramp(t, filepath.Join(dir, name), "1")
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cat", "junk.mp4"), []byte("junk"), 0o644))
	ctx := context.Background()
	x, err := IndexClips(ctx, dir, FolderOptions{}, "")
	require.NoError(t, err)
	root, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, IndexFile), x.File)
	require.Equal(t, []int{4, 3}, []int{x.Probed, x.Clips})
	require.Equal(t, map[string]int{"dog": 2, "cat": 1}, x.Classes)
	require.InDelta(t, 3, x.Seconds, 0.1)
	require.Len(t, x.Reasons, 1)
	raw, err := os.ReadFile(x.File)
	require.NoError(t, err)
	entries := readIndex(bytes.NewReader(raw))
	require.Len(t, entries, 4)
	e := entries[0]
	require.Equal(t, "cat/c.mkv", e.Path)
	require.Equal(t, "cat", e.Label)
	require.Equal(t, []Stream{
		{Index: 0, Kind: "video", Codec: "ffv1", Width: 48, Height: 48, FPS: 25},
		{Index: 1, Kind: "audio", Codec: "pcm_s16le", Rate: 16000, Channels: 1},
	}, e.Streams)
	require.Contains(t, entries[1].Reason, "not readable as media")

	// What is known is not asked about again, refusals included; what has changed is.
	path := os.Getenv("PATH")
	t.Setenv("PATH", "")
	f, report, err := openFolder(ctx, dir, FolderOptions{})
	require.NoError(t, err)
	require.Equal(t, []int{3, 1, 0}, []int{f.Len(), len(report.Bad), report.Ignored})
	x, err = IndexClips(ctx, dir, FolderOptions{}, "")
	require.NoError(t, err)
	require.Zero(t, x.Probed)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "dog", "b.mkv"), time.Now(), time.Now().Add(time.Hour)))
	_, _, err = openFolder(ctx, dir, FolderOptions{})
	require.ErrorContains(t, err, "install ffmpeg")
	t.Setenv("PATH", path)
	require.NoError(t, os.Remove(filepath.Join(dir, "dog", "a.mkv")))
	x, err = IndexClips(ctx, dir, FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{x.Probed, x.Clips})
	raw, err = os.ReadFile(x.File)
	require.NoError(t, err)
	require.Len(t, readIndex(bytes.NewReader(raw)), 3, "a file that has gone leaves the index")

	// A list of some of the files leaves the others in.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "list.txt"), []byte("dog/b.mkv 1\n"), 0o644))
	x, err = IndexClips(ctx, filepath.Join(dir, "list.txt"), FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, []int{x.Probed, x.Clips})
	require.NoError(t, os.Remove(filepath.Join(dir, "list.txt")))
	x, err = IndexClips(ctx, dir, FolderOptions{}, "")
	require.NoError(t, err)
	require.Equal(t, []int{0, 2}, []int{x.Probed, x.Clips})
	raw, err = os.ReadFile(x.File)
	require.NoError(t, err)

	// Broken lines are asked about again.
	require.NoError(t, os.WriteFile(x.File, append([]byte("{\"path\":3}\nnonsense\n"), raw[:len(raw)-9]...), 0o644))
	x, err = IndexClips(ctx, dir, FolderOptions{}, filepath.Join(cache, "own.jsonl"))
	require.NoError(t, err)
	require.Equal(t, 1, x.Probed)
	require.Equal(t, filepath.Join(cache, "own.jsonl"), x.File)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 3, "no half-written files")
}

// Files that go or change while a run reads them are skipped and named; one that was copied anew serves.
func TestLoaderSurvivesChanges(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	ramp(t, filepath.Join(dir, "a.mkv"), "1")
	raw, err := os.ReadFile(filepath.Join(dir, "a.mkv"))
	require.NoError(t, err)
	for _, name := range []string{"b.mkv", "c.mkv", "d.mkv"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o644))
	}
	src, _, err := openFolder(context.Background(), dir, small(FolderOptions{CacheBytes: -1}))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "a.mkv")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.mkv"), raw[:20], 0o644))
	ffmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "-f", "lavfi", "-i", "sine=d=1", "-f", "matroska", "file:"+filepath.Join(dir, "c.mkv"))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "d.mkv"), time.Now(), time.Now().Add(time.Hour)))
	l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 4, Workers: 1})
	require.NoError(t, err)
	defer l.Close()
	b, err := l.Next()
	require.NoError(t, err)
	require.Equal(t, []string{"d.mkv", "d.mkv", "d.mkv", "d.mkv"}, b.Names)
	why := map[string]string{}
	for _, r := range l.Stats().Reasons {
		why[r.Path] = r.Reason
	}
	require.Contains(t, why["a.mkv"], "has gone since")
	require.Contains(t, why["b.mkv"], "has changed since")
	require.Contains(t, why["c.mkv"], "holds other streams now")
	require.Len(t, why, 3)
}

// Batches are made ahead up to a bound in bytes and no further.
func TestPrefetchBytes(t *testing.T) {
	spec := smallSpec()
	one := 4 * 4 * int64(spec.videoGlobal()+spec.audioGlobal()+2*spec.videoLocal()+2*spec.audioLocal())
	for _, c := range []struct {
		bytes int64
		ahead int
	}{{1, 1}, {2*one - 1, 1}, {2 * one, 2}, {100 * one, 3}} {
		l, err := NewLoader(context.Background(), generate(8), spec, LoaderConfig{Batch: 4, Prefetch: 3, PrefetchBytes: c.bytes})
		require.NoError(t, err)
		b, err := l.Next()
		require.NoError(t, err)
		require.EqualValues(t, one, 4*(len(b.VideoGlobal)+len(b.AudioGlobal)+len(b.VideoLocal[0])+len(b.VideoLocal[1])+len(b.AudioLocal[0])+len(b.AudioLocal[1])))
		require.Equal(t, c.ahead, cap(l.slots))
		require.NoError(t, l.Close())
	}
}

// No list, however hostile, crashes its parser or makes a clip without a path.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		"path,label,split,start,end\na,b,c,1,2\n", "path\tlabel\n\"a\n", `{"path":"a","label":1e999,"start":"2"}`, "a.mp4 1\nb c.avi 2 3 4\n",
		"\ufeff\npath\n", "a\x00", "a,,,\n", "clip,end\nx,-1\n", "[{}]", "filename,\"path\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clips, err := parseList(strings.NewReader(text), "list", FolderOptions{})
		checkListed(t, clips, err)
	})
}

func FuzzSplitLists(f *testing.F) {
	f.Add("Archery/v_1.avi 1\n")
	f.Add("a.avi 1 \nb.avi 0\n")
	f.Add("filename,fold,target,category\na,1,2,b\n")
	f.Add("1 Archery\n/ 1\n 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		numbers, err := parseClassInd(strings.NewReader(text), "list")
		checkListed(t, nil, err)
		clips, err := parseUCF(strings.NewReader(text), "list", "train", numbers)
		checkListed(t, clips, err)
		clips, err = parseHMDB(strings.NewReader(text), "list", "class")
		checkListed(t, clips, err)
		clips, err = parseESC(strings.NewReader(text), "list", 1)
		checkListed(t, clips, err)
	})
}

func checkListed(t *testing.T, clips []listed, err error) {
	if err != nil {
		require.Contains(t, err.Error(), "list")
		return
	}
	for _, c := range clips {
		require.NotEmpty(t, c.in.path)
		require.NotContains(t, c.in.path, "\x00")
		require.True(t, c.start >= 0 && (c.end == 0 || c.end > c.start), "%v", c)
		require.Positive(t, c.line)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"path":"a","size":3,"mtime":4,"streams":[{"kind":"video","width":1,"height":2,"aspect":-1,"rotation":1e300}]}` + "\n{\n"))
	f.Add([]byte(`{"path":"0","streams":[{"kind":"video","width":1,"height":1,"aspect":10}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, e := range readIndex(bytes.NewReader(raw)) {
			require.NotEmpty(t, e.Path)
			if p, err := e.pick(true, false); err == nil {
				w, h, _, _ := p.video.shape(48)
				require.True(t, min(w, h) == 48 && max(w, h) <= 48*maxAspect+48, "%d x %d", w, h)
				require.GreaterOrEqual(t, p.duration, 0.0)
			}
		}
	})
}

func FuzzShard(f *testing.F) {
	f.Add(tarOf(f, "a.mp4", "film", "a.cls", "3", "a.json", `{"label":[],"split":4}`))
	f.Add(tarOf(f, "a.json", "{", "../../b.mp4", "film")[:1700])
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		require.NoError(t, os.WriteFile(file, raw, 0o644))
		clips, _ := scanShard(file)
		for _, c := range clips {
			require.True(t, c.in.at > 0 && c.in.size > 0 && c.in.at+c.in.size <= int64(len(raw)), "%v", c)
			require.Equal(t, file, c.in.path)
		}
	})
}
