package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/media/mediatest"
	"goxkd/xkd"
)

// tone is a WAV file of one second of a sine.
func tone(hz float64) []byte {
	const rate = 16000
	var b bytes.Buffer
	put := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x) // a buffer takes everything
		}
	}
	put([]byte("RIFF"), uint32(36+2*rate), []byte("WAVEfmt "), uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2*rate), uint16(2), uint16(16), []byte("data"), uint32(2*rate))
	for i := range rate {
		put(int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/rate)))
	}
	return b.Bytes()
}

// smallWeights writes a small untrained checkpoint and gives its path.
func smallWeights(t *testing.T) string {
	t.Helper()
	trainer, err := xkd.New(smallConfig(t, xkd.XKD, 1), cpu.Device{})
	require.NoError(t, err)
	defer trainer.Close()
	path := filepath.Join(t.TempDir(), xkd.CheckpointFile)
	require.NoError(t, trainer.Save(path))
	return path
}

// FSD50K by its own tables: several labels, splits, what is missing named, and the mean average precision beside the paper's.
func TestEvalSeveralLabels(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	dev, eval := "fname,labels,mids,split\n", "fname,labels,mids\n"
	write := func(folder string, n int) {
		path := filepath.Join(dir, folder, fmt.Sprintf("%d.wav", n))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, tone(200+300*float64(n%3)), 0o644))
	}
	labels := func(n int) string { return []string{"low", "\"middle,any\"", "\"high,any\""}[n%3] }
	for n := range 9 {
		use := "train"
		if n >= 7 {
			use = "val"
		}
		dev += fmt.Sprintf("%d,%s,/m,%s\n", n, labels(n), use)
		if n != 3 && n != 4 {
			write("FSD50K.dev_audio", n)
		}
	}
	for n := range 3 {
		eval += fmt.Sprintf("%d,%s,/m\n", 100+n, labels(n))
		write("FSD50K.eval_audio", 100+n)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "FSD50K.ground_truth"), 0o755))
	for name, text := range map[string]string{"dev.csv": dev, "eval.csv": eval} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "FSD50K.ground_truth", name), []byte(text), 0o644))
	}
	weights := smallWeights(t)
	r := xkdIn(t, dir, "eval", "fsd50k", "--root", dir, "--weights", weights, "--epochs", "1", "--set", "train.batch=4", "--set", "tune.test_clips=1", "--device", "cpu", "--out", "out")
	r.succeeds(t)
	for _, part := range []string{
		"missing:    51187 of the set's 51197 clips", "the set has 200 classes, and here are 4", "refused:    2 files", "FSD50K.dev_audio/3.wav", "FSD50K.dev_audio/4.wav",
		"left aside: 2 clips of other splits", "5 clips to train on, 3 to test",
	} {
		assert.Contains(t, r.stderr, part)
	}
	assert.Contains(t, r.stdout, "mean average precision")
	assert.Contains(t, r.stdout, "the paper has 54.1 %, on a part of it")
	// Where one label is asked for, several are refused.
	xkdIn(t, dir, "finetune", weights, "--data", dir, "--modality", "audio", "--device", "cpu", "--out", "other").fails(t, 1, "several labels", "tune.multi_label")
	xkdIn(t, dir, "probe", weights, "--data", dir, "--device", "cpu").fails(t, 1, "several labels")
	xkdIn(t, dir, "pack", dir, "packed", "--modality", "audio").fails(t, 1, "several labels")
}

// A support vector machine's protocol: folds by names, C picked without the test clips, and beside it the one picked on them.
func TestEvalSVM(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	for k := range 2 {
		for n := range 4 {
			path := filepath.Join(dir, fmt.Sprintf("class%d", k), fmt.Sprintf("%d-%d-A.wav", 1+n%2, n))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, tone(300+900*float64(k)+20*float64(n)), 0o644))
		}
	}
	r := xkdIn(t, dir, "eval", "esc50_svm", "--print")
	r.succeeds(t)
	own := strings.NewReplacer("folds: 5", "folds: 2", "train_clips: 100", "train_clips: 2").Replace(r.stdout)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "own.yaml"), []byte(own), 0o644))
	for _, more := range [][]string{nil, {"--from", "scratch"}} {
		r = xkdIn(t, dir, append([]string{"eval", "esc50_svm", "--protocol", "own.yaml", "--root", dir, "--weights", smallWeights(t), "--device", "cpu"}, more...)...)
		r.succeeds(t)
		assert.Regexp(t, `linear SVM on ESC-50, 2 folds: \d+\.\d ± \d+\.\d %; the paper has 89\.4 %, on a part of it`, r.stdout)
		assert.Contains(t, r.stdout, "C picked on test clips")
	}
	xkdIn(t, dir, "eval", "esc50_svm", "--root", dir, "--epochs", "3").fails(t, 2, "--epochs")
}
