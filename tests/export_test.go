package tests

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// onnxRuntime is the module that the tests run, and what they look for it by.
const (
	onnxRuntime         = "onnxruntime-node@1.30.0"
	onnxRuntimeVariable = "XKD_ONNXRUNTIME" // a folder with node_modules/onnxruntime-node in it
)

// onnxModules finds ONNX Runtime for Node, or skips. Continuous integration and the long tests install it once by npm, without
// running what packages bring.
func onnxModules(t *testing.T) (node, modules string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is needed to run ONNX Runtime")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	folders := []string{os.Getenv(onnxRuntimeVariable), filepath.Join(cache, "xkd-tests", "onnxruntime")}
	for _, dir := range folders {
		if _, err := os.Stat(filepath.Join(dir, "node_modules", "onnxruntime-node", "package.json")); dir != "" && err == nil {
			return node, filepath.Join(dir, "node_modules")
		}
	}
	if os.Getenv("CI") == "" && os.Getenv("XKD_TESTS") != "all" {
		t.Skipf("ONNX Runtime is not installed: npm install --ignore-scripts --prefix FOLDER %s, and %s=FOLDER", onnxRuntime, onnxRuntimeVariable)
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is needed to install ONNX Runtime")
	}
	dir := folders[1]
	require.NoError(t, os.MkdirAll(dir, 0o755))
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	if out, err := exec.CommandContext(ctx, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, onnxRuntime).CombinedOutput(); err != nil {
		t.Skipf("npm does not install ONNX Runtime: %v: %s", err, out)
	}
	return node, filepath.Join(dir, "node_modules")
}

// onnxJob is one run of a model, and what it should give.
type onnxJob struct {
	Model string `json:"model"`
	Input string `json:"input"`
	Shape []int  `json:"shape"`
	Name  string `json:"input_name"`
	Out   string `json:"out"`

	what           string
	tokens, pooled []float32
	limit          float64
}

// writeFloats writes raw numbers.
func writeFloats(t *testing.T, path string, data []float32) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.LittleEndian, data))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
}

// runONNX runs all jobs in one process of Node, and compares.
func runONNX(t *testing.T, jobs []onnxJob) {
	t.Helper()
	node, modules := onnxModules(t)
	list, err := json.Marshal(jobs)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "jobs.json")
	require.NoError(t, os.WriteFile(file, list, 0o644))
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	out, err := exec.CommandContext(ctx, node, "testdata/onnx.js", modules, file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "Removing initializer", "a weight that no operator uses was exported")
	for _, j := range jobs {
		for name, want := range map[string][]float32{"tokens": j.tokens, "pooled": j.pooled} {
			raw, err := os.ReadFile(j.Out + "." + name)
			require.NoError(t, err)
			got := float32sOf(t, raw)
			require.Len(t, got, len(want), "%s, %s", j.what, name)
			e := check.RelativeError(got, want)
			t.Logf("%-60s %s %.2g", j.what, name, e)
			require.LessOrEqual(t, e, j.limit, "%s, %s", j.what, name)
		}
	}
}

// featuresOf computes tokens and pooled features of views [n,...] by the reference.
func featuresOf(t *testing.T, l *xkd.Loaded, c xkd.Config, m xkd.Modality, r xkd.Role, n int, view []float32) (tokens, pooled []float32) {
	t.Helper()
	f, err := xkd.BuildFeatures(c, m, r, n, xkd.FeatureOptions{Tokens: true, Floats: true})
	require.NoError(t, err)
	e, err := cpu.Device{}.Compile(f.Graph, graph.PlanOptions{})
	require.NoError(t, err)
	defer e.Close()
	require.NoError(t, f.Restore(e, l))
	require.NoError(t, e.Write(f.View, view))
	require.NoError(t, e.Run(t.Context()))
	tokens, pooled = make([]float32, f.Tokens.Shape.Size()), make([]float32, f.Pooled.Shape.Size())
	require.NoError(t, e.Read(f.Tokens, tokens))
	require.NoError(t, e.Read(f.Pooled, pooled))
	return tokens, pooled
}

// Exported models give the reference's features in ONNX Runtime: of all variants, with class token and without, of any batch and
// length, frames that are not square, and the released weights' own.
func TestExportONNX(t *testing.T) {
	onnxModules(t)
	dir := t.TempDir()
	var jobs []onnxJob
	rng := rand.New(rand.NewPCG(1, 9))
	noise := func(shape []int) []float32 {
		v := make([]float32, graph.Shape(shape).Size())
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	add := func(j onnxJob, view []float32) {
		j.Input, j.Out = filepath.Join(dir, fmt.Sprint(len(jobs), ".in")), filepath.Join(dir, fmt.Sprint(len(jobs), ".out"))
		writeFloats(t, j.Input, view)
		jobs = append(jobs, j)
	}
	export := func(l *xkd.Loaded, m xkd.Modality, r xkd.Role, what string) string {
		path := filepath.Join(dir, strings.ReplaceAll(fmt.Sprint(what, m, r, ".onnx"), " ", ""))
		require.NoError(t, xkd.Export(l, path, xkd.ExportOptions{Modality: m, Role: r, To: xkd.ToONNX}))
		return path
	}
	for what, change := range map[string]func(c *xkd.Config){
		"xkd":                  func(c *xkd.Config) {},
		"mats, no class token": func(c *xkd.Config) { c.Variant, c.Model.Cls = xkd.MATS, false },
		"one head":             func(c *xkd.Config) { c.Model.Encoder = xkd.Size{Dim: 12, Depth: 2, Heads: 1} },
	} {
		c := smallConfig(t, xkd.XKD, 1)
		change(&c)
		s := run(t, cpu.Device{}, c, t.TempDir(), xkd.RunOptions{})
		l, err := xkd.LoadCheckpoint(s.Checkpoint)
		require.NoError(t, err)
		defer l.Close()
		for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
			role := xkd.Role(len(jobs) / 4 % 2) // students and teachers in turn
			path := export(l, m, role, what)
			v, a := l.Config.Views.Video, l.Config.Views.Audio
			for _, lengths := range []int{0, -1, 1, 3} { // patches more than in training
				c := l.Config
				c.Tune.Modality = m.String()
				c.Tune.VideoGrid = [3]int{v.Global.Frames / v.Patch[0], v.Global.Size[0] / v.Patch[1], v.Global.Size[1] / v.Patch[2]}
				c.Tune.AudioGrid = [2]int{a.Mels / a.Patch[0], a.Global.Frames / a.Patch[1]}
				c.Views.Video.Global.Frames += lengths * v.Patch[0]
				c.Views.Audio.Global.Frames += lengths * a.Patch[1]
				n := 1 + len(jobs)%3
				shape := []int{n, 1, a.Mels, c.Views.Audio.Global.Frames}
				if m == xkd.Video {
					shape = []int{n, 3, c.Views.Video.Global.Frames, v.Global.Size[0], v.Global.Size[1]}
				}
				view := noise(shape)
				tokens, pooled := featuresOf(t, l, c, m, role, n, view)
				add(onnxJob{Model: path, Shape: shape, Name: m.String(), what: fmt.Sprintf("%s, %v %v, %v", what, m, role, shape), tokens: tokens, pooled: pooled, limit: 1e-5}, view)
			}
		}
	}
	// Fine-tuned at another size across, where positions are interpolated there at any length.
	for i, size := range [][2]int{{40, 48}, {64, 64}} {
		s := run(t, cpu.Device{}, smallConfig(t, xkd.XKD, 1), t.TempDir(), xkd.RunOptions{})
		l, err := xkd.LoadCheckpoint(s.Checkpoint)
		require.NoError(t, err)
		defer l.Close()
		v := &l.Config.Views.Video
		l.Config.Tune.Modality = xkd.Video.String()
		l.Config.Tune.VideoGrid = [3]int{v.Global.Frames / v.Patch[0], v.Global.Size[0] / v.Patch[1], v.Global.Size[1] / v.Patch[2]}
		v.Global.Size = size
		path := export(l, xkd.Video, xkd.Student, fmt.Sprint("size", i))
		for _, more := range []int{0, 2} {
			c := l.Config
			c.Views.Video.Global.Frames += more * v.Patch[0]
			shape := []int{2, 3, c.Views.Video.Global.Frames, size[0], size[1]}
			view := noise(shape)
			tokens, pooled := featuresOf(t, l, c, xkd.Video, xkd.Student, 2, view)
			add(onnxJob{Model: path, Shape: shape, Name: "video", what: fmt.Sprintf("another size, %v", shape), tokens: tokens, pooled: pooled, limit: 1e-5}, view)
		}
	}
	// The released weights, against the figures recorded with them.
	golden, err := safetensors.Load(weightsFolder + "weights.safetensors")
	require.NoError(t, err)
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		for _, file := range []string{map[xkd.Modality]string{xkd.Video: "vid", xkd.Audio: "aud"}[m] + "_student", "checkpoint"} {
			l, err := xkd.LoadCheckpoint(weightsFolder+file+".pth.tar", "model.encoder.heads=2", "views.audio.mels=8")
			require.NoError(t, err)
			defer l.Close()
			in, want := golden.Tensors[m.String()], golden.Tensors[m.String()+"_student"]
			n, tokens, dim := want.Shape[0], want.Shape[1], want.Shape[2]
			pooled := make([]float32, n*dim)
			for i, v := range want.Data {
				if i/dim%tokens > 0 {
					pooled[i/dim/tokens*dim+i%dim] += v / float32(tokens-1)
				}
			}
			add(onnxJob{Model: export(l, m, xkd.Student, file), Shape: in.Shape, Name: m.String(), what: fmt.Sprintf("%s.pth.tar, %v", file, m), tokens: want.Data, pooled: pooled, limit: 1e-5}, in.Data)
		}
	}
	runONNX(t, jobs)
}

// What export writes under other names is read again and gives the same features, without being told anything.
func TestExportAndBack(t *testing.T) {
	for _, variant := range []string{xkd.XKD, xkd.MAS} {
		c := smallConfig(t, variant, 1)
		c.Model.Encoder = xkd.Size{Dim: 15, Depth: 1, Heads: 5} // no usual number of heads
		s := run(t, cpu.Device{}, c, t.TempDir(), xkd.RunOptions{})
		l, err := xkd.LoadCheckpoint(s.Checkpoint)
		require.NoError(t, err)
		defer l.Close()
		clips := l.Config.Generated()
		clips.Clips = 4
		for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
			for _, to := range []string{xkd.ToSafetensors, xkd.ToPTHKeys} {
				path := filepath.Join(t.TempDir(), "out.safetensors")
				opt := xkd.ExportOptions{Modality: m, Role: xkd.Teacher, To: to}
				require.NoError(t, xkd.Export(l, path, opt))
				require.ErrorIs(t, xkd.Export(l, path, opt), xkd.ErrOutputExists)
				var rows [2][][]float32
				for i, from := range []string{s.Checkpoint, path} {
					en, err := xkd.OpenEncoder(from, m, cpu.Device{}, xkd.EncoderOptions{Role: xkd.Teacher})
					require.NoError(t, err)
					rows[i], _, err = en.Features(t.Context(), synthetic.New(clips))
					require.NoError(t, err)
					require.NoError(t, en.Close())
				}
				require.Equal(t, rows[0], rows[1], "%s, %v, %s", variant, m, to)
				f, err := safetensors.Load(path)
				require.NoError(t, err)
				names := map[string]string{xkd.ToSafetensors: "patch_embed.proj.weight blocks.0.attn.qkv.weight norm.bias pos_embed",
					xkd.ToPTHKeys: "encoder.blocks.0.attn.qkv.weight encoder_norm.bias enc_pos_embed"}[to]
				for _, name := range strings.Fields(names) {
					require.Contains(t, f.Tensors, name)
				}
				require.Contains(t, f.Metadata["preprocessing"], `"mean"`)
				_, err = xkd.OpenEncoder(path, 1-m, cpu.Device{}, xkd.EncoderOptions{})
				require.ErrorIs(t, err, xkd.ErrNoEncoder)
			}
		}
		require.ErrorIs(t, xkd.Export(l, filepath.Join(t.TempDir(), "x"), xkd.ExportOptions{To: "tflite"}), xkd.ErrFormat)
	}
	l, err := xkd.LoadCheckpoint(weightsFolder+"vid_student.pth.tar", "model.encoder.heads=2")
	require.NoError(t, err)
	defer l.Close()
	require.ErrorIs(t, xkd.Export(l, filepath.Join(t.TempDir(), "x"), xkd.ExportOptions{Modality: xkd.Audio, To: xkd.ToONNX}), xkd.ErrNoEncoder)
}
