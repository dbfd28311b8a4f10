package tests

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// forge writes a checkpoint whose configuration, as JSON, has been changed; its checksums are right.
func forge(t *testing.T, from, to string, change func(config map[string]any, metadata map[string]string)) {
	t.Helper()
	f, err := safetensors.Load(from)
	require.NoError(t, err)
	var config map[string]any
	require.NoError(t, json.Unmarshal([]byte(f.Metadata["xkd.config"]), &config))
	change(config, f.Metadata)
	text, err := json.Marshal(config)
	require.NoError(t, err)
	f.Metadata["xkd.config"] = string(text)
	require.NoError(t, f.Save(to))
}

// put sets a.b.c of a tree.
func put(tree map[string]any, path string, value any) {
	at, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		tree[at] = value
		return
	}
	put(tree[at].(map[string]any), rest, value)
}

// A checkpoint from anywhere is refused in one line, soon and in little memory, whatever its figures are.
func TestHostileCheckpoints(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	good, bad := checkpointIn(filepath.Join(dir, "run")), filepath.Join(dir, "bad.safetensors")
	wide := []any{4096, 4096}
	for _, c := range []struct {
		part string
		set  map[string]any
	}{
		{"views.video.fps", map[string]any{"views.video.fps": 1 << 40}},
		{"views.video.global.size", map[string]any{"views.video.global.size": []any{100000, 100000}}},
		{"views.audio.rate", map[string]any{"views.audio.rate": 1 << 40}},
		{"views.seconds", map[string]any{"views.seconds": 1e9}},
		{"views.seconds", map[string]any{"views.seconds": 600, "views.audio.rate": 384000}},
		{"views.audio.n_fft", map[string]any{"views.audio.n_fft": 1 << 20}},
		{"views.video.global has 4096 frames", map[string]any{"views.seconds": 4096. / 240, "views.video.fps": 240,
			"views.video.global.frames": 4096, "views.video.global.size": wide, "views.video.patch": []any{4096, 4096, 4096}}},
		{"blur_kernel", map[string]any{"views.video.global.augment.blur_kernel": 1<<40 + 1}},
		{"has shape", map[string]any{"model.encoder.dim": 65536, "model.encoder.heads": 65536, "model.encoder.depth": 256}},
		{"model.encoder.depth", map[string]any{"model.encoder.depth": 1 << 40}},
		{"has no tensor", map[string]any{"model.encoder.depth": 256}},
		{"data.fold", map[string]any{"data.fold": 1 << 62}},
		{"optimizer.lr", map[string]any{"optimizer.lr": 1e300}},
		{"loss.student_temperature", map[string]any{"loss.student_temperature": 1e-300}},
	} {
		forge(t, good, bad, func(config map[string]any, _ map[string]string) {
			for path, v := range c.set {
				put(config, path, v)
			}
		})
		began := time.Now()
		xkdIn(t, dir, "probe", bad, "--device", "cpu", "--clips", "12", "--seeds", "1").fails(t, 1, c.part)
		assert.Less(t, time.Since(began), 10*time.Second, c.part)
		_, err := xkd.OpenEncoder(bad, xkd.Video, cpu.Device{}, xkd.EncoderOptions{})
		require.ErrorIs(t, err, xkd.ErrDamaged, c.part)
	}
	forge(t, good, bad, func(_ map[string]any, metadata map[string]string) { metadata["xkd.step"] = "4611686018427387904" })
	xkdIn(t, dir, "probe", bad, "--device", "cpu").fails(t, 1, "step count")

	// The batch of the training is not that of the probe.
	forge(t, good, bad, func(config map[string]any, _ map[string]string) { put(config, "train.batch", 65536) })
	xkdIn(t, dir, "probe", bad, "--device", "cpu", "--clips", "6", "--seeds", "1").succeeds(t)

	// Where the clips are is said before they are looked for, and nothing of it moves a terminal's cursor.
	forge(t, good, bad, func(config map[string]any, _ map[string]string) {
		put(config, "data.path", "/nowhere\x1b[31m\nxkd: all is well")
	})
	probe := exec.Command(program, "probe", bad, "--device", "cpu")
	text, err := probe.CombinedOutput()
	require.Error(t, err)
	first, rest, _ := strings.Cut(string(text), "\n")
	require.Equal(t, `note: without --data the clips are those that the checkpoint names: "/nowhere\x1b[31m\nxkd: all is well"`, first)
	require.Contains(t, rest, `xkd: folder /nowhere\x1b[31m; `)
}

// A tensor that no network needs takes no memory, be it larger than that.
func TestHostileSparseTensor(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	path := checkpointIn(filepath.Join(dir, "run"))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]map[string]any
	require.NoError(t, json.Unmarshal(raw[8:8+n], &header))
	delete(header["__metadata__"], "crc32c")
	delete(header["__metadata__"], "crc32c.tensors")
	body := int64(len(raw)) - 8 - int64(n)
	const size = 20 << 30
	header["zz"] = map[string]any{"dtype": "F32", "shape": []int{size / 4}, "data_offsets": []int64{body, body + size}}
	text, err := json.Marshal(header)
	require.NoError(t, err)
	forged := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	forged = append(append(forged, text...), raw[8+n:]...)
	require.NoError(t, os.WriteFile(path, forged, 0o644))
	if err := os.Truncate(path, int64(len(forged))+size); err != nil {
		t.Skipf("no sparse file can be made here: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e, err := xkd.OpenEncoder(path, xkd.Audio, cpu.Device{}, xkd.EncoderOptions{Batch: 1})
	require.NoError(t, err)
	defer e.Close()
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20))
}

// Checkpoints with figures changed at random are taken or refused in one line, without a panic.
func TestHostileFigures(t *testing.T) {
	rounds := 8
	if long() {
		rounds = 600
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	good, bad := checkpointIn(filepath.Join(dir, "run")), filepath.Join(dir, "bad.safetensors")
	figures := []any{-1, 0, 1, 2, 3, 7, 64, 255, 4096, 65536, 1 << 20, 1 << 31, 1 << 40, math.MaxInt64, -1e300, 1e-300, 0.5, 1e9, 1e300}
	for range rounds {
		forge(t, good, bad, func(config map[string]any, _ map[string]string) {
			for range 1 + r.IntN(3) {
				mutate(r, config, figures)
			}
		})
		p := xkdIn(t, dir, "probe", bad, "--device", "cpu", "--clips", "6", "--seeds", "1")
		assert.NotContains(t, p.stderr, "internal error")
		if p.code != 0 {
			p.fails(t, 1)
		}
		if t.Failed() {
			l, _ := safetensors.Load(bad)
			t.Fatal(l.Metadata["xkd.config"])
		}
	}
}

// mutate changes one number of a tree.
func mutate(r *rand.Rand, tree any, figures []any) any {
	switch v := tree.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		k := keys[r.IntN(len(keys))]
		v[k] = mutate(r, v[k], figures)
	case []any:
		i := r.IntN(len(v))
		v[i] = mutate(r, v[i], figures)
	case float64:
		return figures[r.IntN(len(figures))]
	}
	return tree
}
