package tests

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// divergent trains, saves after two steps, and multiplies a weight after three; it gives what the run ends with.
func divergent(t *testing.T, dev graph.Device, c xkd.Config, out, weight string, by float64) *xkd.DivergedError {
	t.Helper()
	trainer, err := xkd.New(c, dev)
	require.NoError(t, err)
	defer trainer.Close()
	_, err = trainer.Run(context.Background(), synthetic.New(c.Generated()), xkd.RunOptions{
		Folder: out, SaveEvery: 2, Reference: cpu.Device{},
		Progress: func(p xkd.Progress) {
			if p.Step == 3 {
				data := make([]float32, trainer.Store().Shape(weight).Size())
				require.NoError(t, trainer.Store().Read(weight, data))
				for i := range data {
					data[i] *= float32(by)
				}
				require.NoError(t, trainer.Store().Write(weight, data))
			}
		},
	})
	require.ErrorIs(t, err, xkd.ErrDiverged)
	var d *xkd.DivergedError
	require.ErrorAs(t, err, &d)
	return d
}

const decoderWeight = "vid_ae.decoder.blocks.0.mlp.fc2.weight"

// A loss that is no number ends the run: the step, the loss, the first bad tensor, the views and the way on are named, and
// what is saved stays as it was.
func TestNaNLoss(t *testing.T) {
	devices(t, func(t *testing.T, dev graph.Device) {
		out := t.TempDir()
		c := smallConfig(t, xkd.XKD, 10)
		c.Train.Accumulate = 2
		d := divergent(t, dev, c, out, decoderWeight, math.Inf(1))
		require.Equal(t, 4, d.Step)
		require.Equal(t, "loss", d.What)
		require.Equal(t, 0, d.Micro)
		require.Equal(t, decoderWeight, d.First)
		require.Equal(t, 2, d.Done)
		l, err := xkd.LoadCheckpoint(d.Checkpoint)
		require.NoError(t, err)
		require.Equal(t, 2, l.Done)
		f, err := safetensors.Load(d.Views)
		require.NoError(t, err)
		require.Len(t, f.Tensors, 4)
		require.Equal(t, 2, f.Tensors["micro0.video.global"].Shape[0])
		require.Contains(t, f.Metadata["micro0.clips"], "[")
		spread := map[float32]bool{}
		for _, v := range f.Tensors["micro0.video.locals"].Data {
			require.GreaterOrEqual(t, v, float32(0))
			require.LessOrEqual(t, v, float32(255))
			spread[v] = true
		}
		require.Greater(t, len(spread), 10)
		requireMetrics(t, out, 3)

		// The advice works: the same run with a lower rate goes on to its end.
		c.Optimizer.LR /= 10
		var notes []string
		run(t, dev, c, out, xkd.RunOptions{Resume: true, Note: func(s string) { notes = append(notes, s) }})
		require.Len(t, notes, 1)
		require.Contains(t, notes[0], "optimizer.lr is 0.0001 from step 3 on; it was 0.001")
		requireMetrics(t, out, 10)
	})
}

// What overflows in an operation is named by it.
func TestNaNNamesTheOperation(t *testing.T) {
	d := divergent(t, cpu.Device{}, smallConfig(t, xkd.XKD, 10), t.TempDir(), decoderWeight, 1e38)
	require.Contains(t, d.First, "vid_student/views/decoder/")
	require.Contains(t, d.First, "#")
}

// A gradient whose norm is not finite ends the run in its own step, before what it has spoilt is saved.
func TestNaNGradient(t *testing.T) {
	devices(t, func(t *testing.T, dev graph.Device) {
		d := divergent(t, dev, smallConfig(t, xkd.XKD, 10), t.TempDir(), "vid_ae.out_proj.weight", 1e17)
		t.Log(d)
		require.Contains(t, d.What, "the gradient's norm of ")
		require.Equal(t, 4, d.Step)
		require.Equal(t, -1, d.Micro)
		require.FileExists(t, d.Views)
		l, err := xkd.LoadCheckpoint(d.Checkpoint)
		require.NoError(t, err)
		require.Equal(t, 2, l.Done)
	})
}

// A loss that is finite and has left all bounds ends the run in its own step too, and the advice holds.
func TestHugeLoss(t *testing.T) {
	out := t.TempDir()
	c := smallConfig(t, xkd.XKD, 10)
	d := divergent(t, cpu.Device{}, c, out, "vid_ae.out_proj.weight", 1e6)
	require.Equal(t, 4, d.Step)
	require.Equal(t, "loss", d.What)
	require.Equal(t, 2, d.Done)
	require.Greater(t, float64(d.Value), d.Limit)
	require.LessOrEqual(t, d.Limit, 1e6)
	require.ErrorContains(t, d, "beyond ")
	c.Optimizer.LR /= 10
	run(t, cpu.Device{}, c, out, xkd.RunOptions{Resume: true})
	requireMetrics(t, out, 10)
}

// Weights beyond what networks have are not saved.
func TestHugeWeights(t *testing.T) {
	trainer, err := xkd.New(smallConfig(t, xkd.XKD, 2), cpu.Device{})
	require.NoError(t, err)
	defer trainer.Close()
	data := make([]float32, trainer.Store().Shape(decoderWeight).Size())
	data[1] = -9e15
	require.NoError(t, trainer.Store().Write(decoderWeight, data))
	path := filepath.Join(t.TempDir(), xkd.CheckpointFile)
	require.ErrorIs(t, trainer.Save(path), xkd.ErrDiverged)
	require.NoFileExists(t, path)
}

// Before the first checkpoint there is none to go on from.
func TestNaNBeforeTheFirstCheckpoint(t *testing.T) {
	c := smallConfig(t, xkd.XKD, 2)
	trainer, err := xkd.New(c, cpu.Device{})
	require.NoError(t, err)
	defer trainer.Close()
	data := make([]float32, trainer.Store().Shape(decoderWeight).Size())
	data[0] = float32(math.NaN())
	require.NoError(t, trainer.Store().Write(decoderWeight, data))
	path := filepath.Join(t.TempDir(), xkd.CheckpointFile)
	require.ErrorIs(t, trainer.Save(path), xkd.ErrDiverged, "weights that are no numbers are not saved")
	require.NoFileExists(t, path)
	_, err = trainer.Run(context.Background(), synthetic.New(c.Generated()), xkd.RunOptions{})
	var d *xkd.DivergedError
	require.ErrorAs(t, err, &d)
	require.Empty(t, d.Checkpoint)
	require.ErrorContains(t, err, "train anew")
}

// The command ends with its own code, and what it advises works as it is printed. Checkpoints that earlier versions saved
// with such weights are refused.
func TestNaNCommand(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(2, "run", "--save-every", "1")...).succeeds(t)
	path := checkpointIn(filepath.Join(dir, "run"))
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := safetensors.Load(path)
	require.NoError(t, err)
	weight := f.Tensors[decoderWeight].Data
	for i := range weight {
		weight[i] *= 1e38
	}
	require.NoError(t, f.Save(path))
	r := xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run", "--steps", "4")
	r.fails(t, 3, "of step 3 is", "first tensor", "run/bad-batch.safetensors", "xkd train --resume --out run --set optimizer.lr=0.0001")
	require.NoError(t, os.WriteFile(path, good, 0o644))
	_, advice, _ := strings.Cut(strings.TrimSpace(r.stderr), ": xkd train ")
	r = xkdIn(t, dir, append([]string{"train", "--device", "cpu", "--steps", "4"}, strings.Fields(advice)...)...)
	r.succeeds(t)
	require.Contains(t, r.stderr, "note: optimizer.lr is 0.0001 from step 3 on")

	for i := range weight {
		weight[i] = float32(math.NaN())
	}
	require.NoError(t, f.Save(path))
	xkdIn(t, dir, "train", "--resume", "--device", "cpu", "--out", "run", "--steps", "4").fails(t, 1, "not all weights are numbers", decoderWeight)
	delete(f.Tensors, decoderWeight)
	for name, x := range f.Tensors {
		if strings.HasPrefix(name, "vid_student.") {
			x.Data[0] = float32(math.Inf(-1))
		}
	}
	require.NoError(t, f.Save(path))
	xkdIn(t, dir, "probe", "run", "--device", "cpu", "--clips", "12").fails(t, 1, "not all weights are numbers", "vid_student.")
	_, err = xkd.OpenEncoder(path, xkd.Video, cpu.Device{}, xkd.EncoderOptions{})
	require.ErrorIs(t, err, xkd.ErrNotFinite)
}
