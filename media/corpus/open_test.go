package corpus

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

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

func TestOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes files")
	}
	mediatest.NeedTools(t)
	work := t.TempDir()
	made := map[string][]byte{}
	mediatest.Ramp(t, filepath.Join(work, "av"), "2", "-f", "matroska")
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "-f", "wav", "file:"+filepath.Join(work, "wav"))
	for _, name := range []string{"av", "wav"} {
		raw, err := os.ReadFile(filepath.Join(work, name))
		require.NoError(t, err)
		made[name] = raw
	}
	ctx := context.Background()
	type clip struct{ name, label, split string }
	open := func(path string, opt media.FolderOptions) (media.Corpus, *media.Report, []clip) {
		t.Helper()
		s := mediatest.Small(opt)
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
	src, report, got := open(filepath.Join(dir, "m.jsonl"), media.FolderOptions{})
	require.Equal(t, []clip{{"films/a.mkv@0.5-1", "x", "train"}, {"films/a.mkv@1-", "y", "test"}}, got)
	require.Equal(t, 1, report.Missing)
	bad := mediatest.Reasons(report)
	require.Equal(t, "the file does not exist (line 3 of the list)", bad["gone.mkv"])
	require.Contains(t, bad["films/a.mkv@9-"], "starts at 9 s, but lasts 2.0 s (line 4")
	require.Contains(t, bad["empty.mkv"], "empty")
	require.Contains(t, bad["films"], "not a regular file")
	require.InDelta(t, 0.5, src.Duration(0), 1e-9)
	require.InDelta(t, 1, src.Duration(1), 0.05)
	// The grey level tells the time, so a clip shows its part of the file and no more, whatever is asked
	// for and whether its file is decoded whole or sought.
	for _, whole := range []float64{10, 1} {
		opt := mediatest.Small(media.FolderOptions{WholeSeconds: whole})
		opt.Split = "train"
		src, _, err := Open(ctx, filepath.Join(dir, "m.jsonl"), opt)
		require.NoError(t, err)
		for _, span := range []media.Span{{Start: 0, Seconds: 1}, {Start: 0, Seconds: 0.5}, {Start: 0.25, Seconds: 1}, {Start: 7, Seconds: 1}} {
			c, err := src.Load(ctx, 0, span)
			require.NoError(t, err)
			require.Equal(t, 4, c.T)
			require.InDelta(t, 8000, len(c.Wave), 400)
			for k := range c.T {
				require.InDelta(t, 50+100*float64(k)/8, float64(c.Frame(k)[0]), 10, "frame %d", k)
			}
		}
	}

	_, _, got = open(filepath.Join(dir, "list.txt"), media.FolderOptions{Root: filepath.Join(dir, "films")})
	require.Equal(t, []clip{{"a.mkv", "10", ""}, {filepath.Join(work, "av"), "9", ""}}, got)

	ucf := tree(t, made, map[string]string{
		"lists/classInd.txt": "1 Archery\n2 Biking\n", "lists/trainlist01.txt": "Archery/v_a.avi 1\nBiking/v_b.avi 2\n",
		"lists/testlist01.txt": "Biking/v_c.avi\n", "lists/trainlist02.txt": "Biking/v_c.avi 2\n",
		"UCF-101/Archery/v_a.avi": "=av", "UCF-101/Biking/v_b.avi": "=av", "UCF-101/Biking/v_c.avi": "=av",
	})
	train := []clip{{"Archery/v_a.avi", "Archery", "train"}, {"Biking/v_b.avi", "Biking", "train"}}
	_, _, got = open(filepath.Join(ucf, "lists"), media.FolderOptions{})
	require.Equal(t, append(train, clip{"Biking/v_c.avi", "Biking", "test"}), got)
	_, _, got = open(filepath.Join(ucf, "lists"), media.FolderOptions{Split: "test"})
	require.Len(t, got, 1)
	_, _, got = open(filepath.Join(ucf, "lists", "trainlist01.txt"), media.FolderOptions{})
	require.Equal(t, train, got)
	_, _, got = open(filepath.Join(ucf, "lists"), media.FolderOptions{Fold: 2})
	require.Equal(t, []clip{{"Biking/v_c.avi", "Biking", "train"}}, got)
	_, _, err := Open(ctx, filepath.Join(ucf, "lists"), media.FolderOptions{Fold: 3})
	require.ErrorContains(t, err, "none of split 3")

	hmdb := tree(t, made, map[string]string{
		"s/run_test_split1.txt": "a.avi 1 \nb.avi 0 \n", "s/sit_down_test_split1.txt": "c.avi 2 \n", "s/sit_down_test_split2.txt": "c.avi 1 \n",
		"videos/run/a.avi": "=av", "videos/run/b.avi": "=av", "videos/sit_down/c.avi": "=av",
	})
	_, _, got = open(filepath.Join(hmdb, "s"), media.FolderOptions{})
	require.Equal(t, []clip{{"run/a.avi", "run", "train"}, {"sit_down/c.avi", "sit_down", "test"}}, got)
	_, _, got = open(filepath.Join(hmdb, "s", "sit_down_test_split2.txt"), media.FolderOptions{})
	require.Equal(t, []clip{{"sit_down/c.avi", "sit_down", "train"}}, got)

	esc := tree(t, made, map[string]string{
		"meta/esc50.csv": "filename,fold,target,category\n1-1.wav,1,0,dog\n2-2.wav,2,1,rain\n", "audio/1-1.wav": "=wav", "audio/2-2.wav": "=wav",
	})
	_, _, got = open(esc, media.FolderOptions{NeedAudio: true, Fold: 2})
	require.Equal(t, []clip{{"1-1.wav", "dog", "train"}, {"2-2.wav", "rain", "test"}}, got)
	_, _, err = Open(ctx, esc, mediatest.Small(media.FolderOptions{}))
	require.ErrorContains(t, err, "no usable video stream")

	_, _, got = open(filepath.Join(ucf, "UCF-101"), media.FolderOptions{})
	require.Equal(t, clip{"Archery/v_a.avi", "Archery", ""}, got[0], "a folder of folders")
	require.NoError(t, os.WriteFile(filepath.Join(ucf, "UCF-101", "UCF101.tar"), tarOf(t, "x.avi", "junk"), 0o644))
	_, _, got = open(filepath.Join(ucf, "UCF-101"), media.FolderOptions{})
	require.Len(t, got, 3, "the archive that they came in is no shard")

	for path, why := range map[string]string{
		filepath.Join(dir, "absent"):                       "name an existing",
		filepath.Join(dir, "empty.mkv"):                    "",
		tree(t, made, map[string]string{"x": "\n"}) + "/x": "it names no clips",
	} {
		_, _, err := Open(ctx, path, mediatest.Small(media.FolderOptions{}))
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
