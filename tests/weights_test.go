package tests

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/cpu"
	"goxkd/safetensors"
	"goxkd/xkd"
)

const weightsFolder = "testdata/weights/"

// Files of PyTorch's, in every format, give the features that the released code gives.
func TestWeightsGolden(t *testing.T) {
	r, err := check.Golden(context.Background(), cpu.Device{}, weightsFolder+"weights.safetensors")
	require.NoError(t, err)
	require.Len(t, r.Figures, 9)
	for _, f := range r.Figures {
		require.True(t, f.Pass, "%s: %g of %g", f.Name, f.Error, f.Limit)
	}
}

// Sizes follow from the tensors; what does not is asked for.
func TestWeightsSizes(t *testing.T) {
	_, err := xkd.LoadCheckpoint(weightsFolder + "vid_student.pth.tar")
	require.ErrorContains(t, err, "set model.encoder.heads")
	require.ErrorIs(t, err, xkd.ErrWeights)
	l, err := xkd.LoadCheckpoint(weightsFolder+"vid_student.pth.tar", "model.encoder.heads=2")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, xkd.Size{Dim: 16, Depth: 2, Heads: 2}, l.Config.Model.Encoder)
	require.Equal(t, [3]int{2, 8, 8}, l.Config.Views.Video.Patch)
	require.Equal(t, 4, l.Config.Views.Video.Global.Frames)
	require.Equal(t, [2]int{24, 24}, l.Config.Views.Video.Global.Size)
	require.Equal(t, []string{"video student", "video teacher"}, l.Encoders())
	_, err = xkd.OpenEncoder(weightsFolder+"vid_student.pth.tar", xkd.Audio, cpu.Device{}, xkd.EncoderOptions{Settings: []string{"model.encoder.heads=2"}})
	require.ErrorIs(t, err, xkd.ErrNoEncoder)

	whole, err := xkd.LoadCheckpoint(weightsFolder+"checkpoint.pth.tar", "model.encoder.heads=2")
	require.NoError(t, err)
	defer whole.Close()
	require.Len(t, whole.Encoders(), 4)
	require.Contains(t, whole.Unused, "module.vid_ae.mask_token")
	require.Equal(t, []string{"optimizer", "epoch", "scaler"}, whole.Skipped)
}

// The same backbone under the evaluation code's names, as safetensors; a tensor that is missing is named.
func TestWeightsRenamed(t *testing.T) {
	source, err := safetensors.Load("testdata/mini_xkd.safetensors")
	require.NoError(t, err)
	bare := &safetensors.File{Tensors: map[string]safetensors.Tensor{}}
	l, err := xkd.LoadCheckpoint(weightsFolder+"vid_student.pth.tar", "model.encoder.heads=2")
	require.NoError(t, err)
	defer l.Close()
	for name, tensor := range source.Tensors {
		const prefix = "init/vid_student.backbone."
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			bare.Tensors[xkd.EvaluationName(name[len(prefix):])] = tensor
		}
	}
	path := filepath.Join(t.TempDir(), "bare.safetensors")
	require.NoError(t, bare.Save(path))
	again, err := xkd.LoadCheckpoint(path, "model.encoder.heads=2")
	require.NoError(t, err)
	require.Equal(t, []string{"video student", "video teacher"}, again.Encoders())
	require.Empty(t, again.Unused)
	again.Close()
	bare.Tensors["something.else"] = safetensors.Tensor{Shape: []int{1}, Data: []float32{1}}
	delete(bare.Tensors, "blocks.1.mlp.fc2.bias")
	require.NoError(t, bare.Save(path))
	_, err = xkd.LoadCheckpoint(path, "model.encoder.heads=2")
	require.ErrorContains(t, err, "lacks vid_student.backbone.encoder.blocks.1.mlp.fc2.bias")
}

// Weights alone cannot be resumed.
func TestWeightsAreNoRun(t *testing.T) {
	l, err := xkd.LoadCheckpoint(weightsFolder+"aud_student.pth.tar", "model.encoder.heads=2", "views.audio.mels=8")
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, 32, l.Config.Views.Audio.Global.Frames)
	trainer := &xkd.Trainer{Config: l.Config}
	require.ErrorIs(t, trainer.Resume(l), xkd.ErrContradiction)
}
