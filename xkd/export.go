package xkd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"goxkd/graph"
	"goxkd/internal/files"
	"goxkd/layers"
	"goxkd/media/views"
	"goxkd/safetensors"
)

// The forms in which Export writes an encoder.
const (
	// ToONNX is a model of opset 17: views in, tokens and pooled features out.
	ToONNX = "onnx"
	// ToSafetensors has the names of timm's vision transformers, as the released evaluation code does.
	ToSafetensors = "safetensors"
	// ToPTHKeys has the names of the released .pth.tar files, in a safetensors file.
	ToPTHKeys = "pth-keys"
)

// ExportForms lists the forms.
var ExportForms = []string{ToONNX, ToSafetensors, ToPTHKeys}

// metaNetwork is the key of an exported encoder's metadata for its configuration; metaModality for what it sees.
const (
	metaNetwork  = "xkd.network"
	metaModality = "xkd.modality"
)

// exported is one weight, by its name in a bare backbone.
type exported struct {
	shape []int
	data  []float32
}

// ExportOptions choose an encoder and a form.
type ExportOptions struct {
	Modality Modality
	Role     Role
	To       string // one of ExportForms
}

// Export writes one encoder of a checkpoint to a file that other programs read. What it is, how its input is prepared and the
// configuration stand in the file's metadata; OpenEncoder reads the two safetensors forms again. Errors are ErrOutputExists,
// ErrNoEncoder, ErrNotFinite, ErrDamaged, and ErrFormat for what a form cannot hold.
func Export(l *Loaded, path string, opt ExportOptions) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, ErrOutputExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	c, m := l.Config, opt.Modality
	if err := l.lacks(m, opt.Role); err != nil {
		return err
	}
	f, err := BuildFeatures(c, m, opt.Role, 1, FeatureOptions{})
	if err != nil {
		return err
	}
	weights := map[string]exported{}
	for _, q := range f.Params {
		data, err := l.tensor(q.Node)
		if err != nil {
			return err
		}
		// Shared blocks stand under the video's name; here there is one encoder alone.
		_, rest, _ := cutNetwork(q.Name)
		name, ok := strings.CutPrefix(rest, "backbone.")
		if !ok || weights[name].data != nil {
			return fmt.Errorf("%s: %w: the tensor %s has no place in a bare encoder", l.Path, ErrFormat, q.Name)
		}
		weights[name] = exported{q.Shape, data}
	}
	meta, err := exportMeta(c, m, opt.Role)
	if err != nil {
		return err
	}
	var write func(w io.Writer) error
	switch opt.To {
	case ToONNX:
		var e layers.Encoder
		if _, err := graph.Build(func(g *graph.Graph) { e = newBackbone(c, &layers.Params{G: g}, m, opt.Role) }); err != nil {
			return err
		}
		if m == Video && c.tokens(m) == graph.Shape(e.Grid).Size() && c.Views.Video.Global.Frames/c.Views.Video.Patch[0] != e.Grid[0] {
			return fmt.Errorf("%s: %w: its view has as many patches as that of pretraining, but of another grid, and so would be given other positions at other lengths", l.Path, ErrFormat)
		}
		write = onnxModel(c, m, e, weights, meta).Encode
	case ToSafetensors, ToPTHKeys:
		out := &safetensors.File{Metadata: meta, Tensors: map[string]safetensors.Tensor{}}
		for name, t := range weights {
			if opt.To == ToSafetensors {
				name = EvaluationName(netName(m, opt.Role) + ".backbone." + name)
			}
			out.Tensors[name] = safetensors.Tensor{Shape: t.shape, Data: t.data}
		}
		if len(out.Tensors) != len(weights) {
			return fmt.Errorf("%s: %w: two tensors would have one name", l.Path, ErrFormat)
		}
		write = out.Encode
	default:
		return fmt.Errorf("%q: %w: there are %s", opt.To, ErrFormat, strings.Join(ExportForms, ", "))
	}
	if err := files.WriteAtomic(path, write); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// exportMeta is what every form says of an encoder.
func exportMeta(c Config, m Modality, r Role) (map[string]string, error) {
	c.Variant = XKD // its blocks are its own now
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	pre, err := json.Marshal(preprocessing(c, m))
	if err != nil {
		return nil, err
	}
	return map[string]string{metaNetwork: string(config), metaModality: m.String(), "network": r.String(), "preprocessing": string(pre), "format": "pt"}, nil
}

// preprocessing tells how an input is made, for programs and people.
func preprocessing(c Config, m Modality) map[string]any {
	if m == Video {
		v := c.Views.Video
		return map[string]any{
			"input": "float32 [batch, 3, frames, height, width], RGB", "frames": v.Global.Frames, "height": v.Global.Size[0], "width": v.Global.Size[1],
			"frames_multiple_of": v.Patch[0], "fps": v.FPS, "seconds": c.Views.Seconds,
			"resize": "shorter side to the height, then the centre", "scale": "pixels of 0 to 255, divided by 255",
			"mean": views.VideoMean, "std": views.VideoStd, "normalise": "(x - mean) / std, by colour",
		}
	}
	a := c.Views.Audio
	return map[string]any{
		"input": "float32 [batch, 1, mels, columns]", "mels": a.Mels, "columns": a.Global.Frames, "columns_multiple_of": a.Patch[1],
		"rate": a.Rate, "seconds": c.Views.Seconds, "channels": "mono, trimmed or filled up with zeros",
		"stft":  map[string]any{"n_fft": a.NFFT, "hop": a.Hop, "window": "Hann, periodic", "centred": true, "padding": "reflect", "power": 2},
		"mel":   map[string]any{"scale": "Slaney", "area_normalised": true, "from_hz": 0, "to_hz": a.Rate / 2},
		"floor": 1.1920929e-07, "log": "natural logarithm of mel + floor", "mean": a.LogMean, "std": a.LogStd, "normalise": "(x - mean) / std",
	}
}
