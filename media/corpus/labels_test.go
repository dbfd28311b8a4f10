package corpus

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

func TestLabelsFile(t *testing.T) {
	table, err := readLabels(strings.NewReader("clip,command,colour,split\nx,bin,red,train\ny,lay,blue,test\n"), "colour")
	require.NoError(t, err)
	label, split, ok := table.of("sub/y.mp4")
	require.True(t, ok)
	require.Equal(t, []string{"blue", "test"}, []string{label, split})
	_, _, ok = table.of("z.mp4")
	require.False(t, ok)
	for text, why := range map[string]string{
		"": "header", "name,a\n": "must be clip", "clip,split\nx,train\n": "no column of labels", "clip,a\nx\n": "wrong number of fields",
	} {
		_, err := readLabels(strings.NewReader(text), "")
		require.ErrorContains(t, err, why)
	}
	_, err = readLabels(strings.NewReader("clip,a,split\n"), "b")
	require.ErrorContains(t, err, `no column "b"`)
}

func TestLabelsOfAnotherFolder(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "clips", "class", "a.wav")
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=0.3", "file:"+path)
	table := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "labels.csv"), []byte(text), 0o644))
	}
	classes := func(opt media.FolderOptions) []string {
		opt.NeedAudio = true
		f, _, err := openFolder(context.Background(), filepath.Join(dir, "clips"), mediatest.Small(opt))
		require.NoError(t, err)
		return f.Classes()
	}
	table("clip,kind,split\nz,other,train\n")
	require.Equal(t, []string{"class"}, classes(media.FolderOptions{}))
	table("clip,kind,split\na,sine,train\n")
	require.Equal(t, []string{"sine"}, classes(media.FolderOptions{}))
	require.Equal(t, []string{"sine"}, classes(media.FolderOptions{Split: "train"}))
	_, report, err := openFolder(context.Background(), filepath.Join(dir, "clips"), mediatest.Small(media.FolderOptions{NeedAudio: true, Split: "test"}))
	require.ErrorContains(t, err, `no clip belongs to split "test"`)
	require.Equal(t, 1, report.Split)
}

// A table of labels that is read holds what its rows say, the last of equal clips counting.
func FuzzLabels(f *testing.F) {
	for _, text := range []string{
		"clip,a,split\nx,1,train\ny.mp4,2,\nx,3,test\n", "\ufeffclip, a \nx,\"quo\"\"te\"\n", "clip,split,a\r\nx,train,1\r\n", "clip,a\n\"multi\nline\",b\n",
		"clip,a,split\nx,y,z\n", "\ufeffclip,a\n\"x\n",
		"clip\n", "clip,clip\nx,y\n", "clip,split\n", ",\n", "clip,a\nx,y,z\n", "\"", "clip,a\n" + strings.Repeat("x,y\n", 50),
	} {
		f.Add(text, "")
		f.Add(text, "a")
		f.Add(strings.ReplaceAll(text, ",", "; "), "")
	}
	f.Fuzz(func(t *testing.T, text, column string) {
		table, err := readLabels(strings.NewReader(text), column)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		plain, err := io.ReadAll(textOf(strings.NewReader(text)))
		require.NoError(t, err)
		in := csv.NewReader(bytes.NewReader(plain))
		head, _, _ := strings.Cut(string(plain), "\n")
		if at := strings.IndexAny(head, ";\t"); at >= 0 && !strings.Contains(head, ",") {
			in.Comma = '\t'
			if strings.Contains(head, ";") {
				in.Comma = ';'
			}
		}
		rows, err := in.ReadAll()
		require.NoError(t, err)
		at := slices.IndexFunc(rows[0], func(name string) bool { return strings.TrimSpace(name) == table.column })
		require.Greater(t, at, -1)
		want := map[string]string{}
		for _, row := range rows[1:] {
			want[strings.TrimSpace(row[0])] = strings.TrimSpace(row[max(at, 1)])
		}
		require.Equal(t, want, table.label)
		for clip := range want {
			if clip != "" && !strings.ContainsAny(clip, "/.") {
				label, _, ok := table.of("sub/" + clip + ".mp4")
				require.True(t, ok)
				require.Equal(t, want[clip], label)
			}
		}
		table.of("")
	})
}
