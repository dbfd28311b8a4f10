package corpus

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// FSD50K's tables give splits and several labels a clip; what they name and is not there is counted, and errors name the line.
func TestFSD50K(t *testing.T) {
	mediatest.NeedTools(t)
	wav := filepath.Join(t.TempDir(), "wav")
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "sine=d=1", "-f", "wav", "file:"+wav)
	raw, err := os.ReadFile(wav)
	require.NoError(t, err)
	files := func(dev, eval string) map[string]string {
		return map[string]string{
			"FSD50K.ground_truth/dev.csv":        "fname,labels,mids,split\n" + dev,
			"FSD50K.ground_truth/eval.csv":       "fname,labels,mids\n" + eval,
			"FSD50K.ground_truth/vocabulary.csv": "0,Guitar,/m/1\n1,Music,/m/2\n2,Rain,/m/3\n",
			"FSD50K.dev_audio/10.wav":            "=wav", "FSD50K.dev_audio/11.wav": "=wav", "FSD50K.eval_audio/30.wav": "=wav",
		}
	}
	open := func(dir string) (media.Corpus, *media.Report, error) {
		opt := mediatest.Small(media.FolderOptions{NeedAudio: true})
		opt.NeedVideo = false
		return Open(context.Background(), dir, opt)
	}
	dir := tree(t, map[string][]byte{"wav": raw}, files("10,\"Music,Guitar\",\"/m/2,/m/1\",train\n11,Rain,/m/3,val\n12,Rain,/m/3,train\n", "30,\"Guitar,Guitar\",/m/1\n31,Music,/m/2\n"))
	src, report, err := open(dir)
	require.NoError(t, err)
	require.Equal(t, 3, src.Len())
	require.Equal(t, []string{"Guitar", "Music", "Rain"}, src.Classes())
	require.True(t, media.Several(src))
	for i, want := range []struct {
		name, split string
		labels      []int
	}{{"FSD50K.dev_audio/10.wav", "train", []int{1, 0}}, {"FSD50K.dev_audio/11.wav", "val", []int{2}}, {"FSD50K.eval_audio/30.wav", "test", []int{0}}} {
		require.Equal(t, want.name, src.Name(i))
		require.Equal(t, want.split, src.Split(i))
		require.Equal(t, want.labels, media.LabelsOf(src, i))
		require.Equal(t, want.labels[0], src.Label(i))
	}
	require.Equal(t, 2, report.Missing)
	require.Equal(t, "FSD50K.dev_audio/12.wav", report.Bad[0].Path)

	for text, want := range map[string]string{
		"10,Horn,/m/9,train\n": `dev.csv:2: label "Horn" is not in vocabulary.csv`,
		",Rain,/m/3,train\n":   "dev.csv:2: there is no name",
		"10,Rain\n":            "dev.csv:2",
	} {
		_, _, err := open(tree(t, map[string][]byte{"wav": raw}, files(text, "")))
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "FSD50K.ground_truth", "eval.csv")))
	_, _, err = open(dir)
	require.ErrorContains(t, err, "eval.csv is missing")
	_, err = parseFSD(strings.NewReader("fname,labels,mids\n1,Rain,/m\n"), "dev.csv", nil)
	require.ErrorContains(t, err, "there must be fname, labels and, in dev.csv, split")
}
