package corpus

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"goxkd/media"
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
		out = append(out, plain{c.in.Path, c.label, c.split, c.start, c.end, c.line})
	}
	return out
}

// utf16Of writes text as Windows tools do.
func utf16Of(text string, mark, big bool) string {
	var order binary.AppendByteOrder = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	if mark {
		text = "\ufeff" + text
	}
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

func TestLists(t *testing.T) {
	long := strings.Repeat("x", maxListLine+1)
	for _, c := range []struct {
		name, text string
		opt        media.FolderOptions
		want       []plain
		fail       string
	}{
		{name: "csv", text: "\ufeffpath,label,split,start,end\na b.mp4,dog,train,1.5,3\r\n\"c,d.mp4\",,,,\n", want: []plain{{"a b.mp4", "dog", "train", 1.5, 3, 2}, {"c,d.mp4", "", "", 0, 0, 3}}},
		{name: "columns in any order", text: "split,kind,video\ntest,dog,a.mp4\n", opt: media.FolderOptions{LabelColumn: "kind"}, want: []plain{{"a.mp4", "dog", "test", 0, 0, 2}}},
		{name: "tsv", text: "path\tlabel\na.mp4\tbig dog\n", want: []plain{{"a.mp4", "big dog", "", 0, 0, 2}}},
		{name: "json", text: "{\"path\":\"a.mp4\",\"label\":3,\"start\":2}\n\n{\"path\":\"b.mp4\",\"label\":\"x\",\"split\":\"test\",\"end\":1e1}\n", want: []plain{{"a.mp4", "3", "", 2, 0, 1}, {"b.mp4", "x", "test", 0, 10, 3}}},
		{name: "spaces", text: "a.mp4 3\nmy film.MP4 walk\nb.avi\nc.mp4 1 0.5 2.5\nnoext 7\n", want: []plain{{"a.mp4", "3", "", 0, 0, 1}, {"my film.MP4", "walk", "", 0, 0, 2}, {"b.avi", "", "", 0, 0, 3}, {"c.mp4", "1", "", 0.5, 2.5, 4}, {"noext", "7", "", 0, 0, 5}}},
		{name: "commas", text: "a b.mp4, 3\nd/e.mp4,4,1,2\n", want: []plain{{"a b.mp4", "3", "", 0, 0, 1}, {"d/e.mp4", "4", "", 1, 2, 2}}},
		{name: "tabs", text: "a,b.mp4\t3\n", want: []plain{{"a,b.mp4", "3", "", 0, 0, 1}}},
		{name: "hostile names stay names", text: "-i.mp4 1\nhttp://x/y.mp4 2\n../../etc/passwd 3\n|sh.mp4 4\n", want: []plain{{"-i.mp4", "1", "", 0, 0, 1}, {"http://x/y.mp4", "2", "", 0, 0, 2}, {"../../etc/passwd", "3", "", 0, 0, 3}, {"|sh.mp4", "4", "", 0, 0, 4}}},
		{name: "utf-16", text: utf16Of("path,label\r\nü b.mp4,Hünd 🐕\r\n", true, false), want: []plain{{"ü b.mp4", "Hünd 🐕", "", 0, 0, 2}}},
		{name: "utf-16, the other way", text: utf16Of("a.mp4 3\r\n", true, true), want: []plain{{"a.mp4", "3", "", 0, 0, 1}}},
		{name: "utf-16 without a mark", text: utf16Of("{\"file\":\"a.mp4\"}\r\n", false, false), want: []plain{{"a.mp4", "", "", 0, 0, 1}}},
		{name: "semicolons", text: "\"path\";\"label\";start;end\r\n\"a, b.mp4\";dog;1,5;3\r\n", want: []plain{{"a, b.mp4", "dog", "", 1.5, 3, 2}}},
		{name: "semicolons, plain", text: "a b.mp4;dog\nc.mp4;cat\n", want: []plain{{"a b.mp4", "dog", "", 0, 0, 1}, {"c.mp4", "cat", "", 0, 0, 2}}},
		{name: "excel's note", text: "sep=;\r\npath;label\r\na.mp4;dog\r\n", want: []plain{{"a.mp4", "dog", "", 0, 0, 2}}},
		{name: "blanks", text: "path , label\n a.mp4 , dog \n", want: []plain{{"a.mp4", "dog", "", 0, 0, 2}}},
		{name: "quoted, plain", text: "\"a b\" 3\n", want: []plain{{"a b", "3", "", 0, 0, 1}}},
		{name: "other names", text: "Video_Path\tClass\tSubset\tstart_time\tend_time\na.mp4\tdog\ttest\t1\t2\n", want: []plain{{"a.mp4", "dog", "test", 1, 2, 2}}},
		{name: "other names in json", text: "{\"Video\":\"a.mp4\",\"category\":\"dog\",\"subset\":\"val\"}\n", want: []plain{{"a.mp4", "dog", "val", 0, 0, 1}}},
		{name: "json array", text: " [\n{\"path\":\"a.mp4\",\n\"label\":3},{\"path\":\"b.mp4\"}]\n", want: []plain{{"a.mp4", "3", "", 0, 0, 1}, {"b.mp4", "", "", 0, 0, 2}}},
		{name: "json array without an end", text: "[{\"path\":\"a.mp4\"}", fail: "l:2: the array has no end"},
		{name: "row too short", text: "path,label\na.mp4,1\nb.mp4\n", fail: "l:3: wrong number of fields"},
		{name: "bare quote", text: "path,label\na\"b,1\n", fail: "l:2: bare"},
		{name: "unknown column", text: "path,label\na,1\n", opt: media.FolderOptions{LabelColumn: "kind"}, fail: `l:1: there is no column "kind": there are path, label`},
		{name: "empty path", text: "path,label\n,1\n", fail: "l:2: the path is empty"},
		{name: "end first", text: "path,start,end\na,3,2\n", fail: "l:2: the clip ends at \"2\""},
		{name: "end at once", text: "path,start,end\na,0,0\n", fail: "l:2: the clip ends"},
		{name: "no number", text: "path,start,end\na,soon,2\n", fail: `l:2: start "soon"`},
		{name: "not finite", text: "path,start,end\na,0,Inf\n", fail: `l:2: end "Inf"`},
		{name: "broken json", text: "{\"path\":\"a\"}\n{\"path\"\n", fail: "l:2: no JSON object"},
		{name: "two values", text: "{\"path\":\"a\"} 3\n", fail: "l:1: more than one"},
		{name: "json without path", text: "{\"label\":\"a\"}\n", fail: `l:1: there is no column "path": there are label`},
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

// No list, however hostile, crashes its parser or makes a clip without a path.
func FuzzManifest(f *testing.F) {
	for _, text := range []string{
		"path,label,split,start,end\na,b,c,1,2\n", "path\tlabel\n\"a\n", `{"path":"a","label":1e999,"start":"2"}`, "a.mp4 1\nb c.avi 2 3 4\n",
		"\ufeff\npath\n", "a\x00", "a,,,\n", "clip,end\nx,-1\n", "[{}]", "filename,\"path\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		clips, err := parseList(strings.NewReader(text), "list", media.FolderOptions{})
		checkListed(t, clips, err)
	})
}

func FuzzSplitLists(f *testing.F) {
	f.Add("Archery/v_1.avi 1\n")
	f.Add("a.avi 1 \nb.avi 0\n")
	f.Add("filename,fold,target,category\na,1,2,b\n")
	f.Add("1 Archery\n/ 1\n 2\n")
	f.Add("fname,labels,mids,split\n1,\"a,b,a\",/m,val\n2,,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		numbers, err := parseClassInd(strings.NewReader(text), "list")
		checkListed(t, nil, err)
		clips, err := parseUCF(strings.NewReader(text), "list", "train", numbers)
		checkListed(t, clips, err)
		clips, err = parseHMDB(strings.NewReader(text), "list", "class")
		checkListed(t, clips, err)
		clips, err = parseESC(strings.NewReader(text), "list", 1)
		checkListed(t, clips, err)
		clips, err = parseFSD(strings.NewReader(text), "list", vocabularyOf(numbers))
		checkListed(t, clips, err)
	})
}

// vocabularyOf are the names of a class index as a vocabulary.
func vocabularyOf(numbers map[string]int) map[string]bool {
	if len(numbers) == 0 {
		return nil
	}
	known := map[string]bool{}
	for name := range numbers {
		known[name] = true
	}
	return known
}

func checkListed(t *testing.T, clips []listed, err error) {
	if err != nil {
		require.Contains(t, err.Error(), "list")
		return
	}
	for _, c := range clips {
		require.NotEmpty(t, c.in.Path)
		require.NotContains(t, c.in.Path, "\x00")
		require.True(t, c.start >= 0 && (c.end == 0 || c.end > c.start), "%v", c)
		require.Positive(t, c.line)
	}
}
