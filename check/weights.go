package check

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"goxkd/graph"
	"goxkd/layers"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// limitHalf is that of features by weights of half precision.
const limitHalf = 1e-2

// isWeights tells a case of released weights from one of training: it has features, and no steps.
func isWeights(file *safetensors.File) bool {
	_, video := file.Tensors["video_student"]
	_, audio := file.Tensors["audio_student"]
	return video || audio
}

// weights loads every file of PyTorch's that lies beside the case and compares the features of each encoder in it.
func (r *GoldenResult) weights(ctx context.Context, dev graph.Device, file *safetensors.File) error {
	var gc goldenCase
	var enc layers.Size
	for key, to := range map[string]any{"config": &gc, "enc": &enc} {
		if err := json.Unmarshal([]byte(file.Metadata[key]), to); err != nil {
			return fmt.Errorf("metadata %q: %w", key, err)
		}
	}
	settings := []string{
		fmt.Sprintf("model.encoder.heads=%d", enc.Heads),
		fmt.Sprintf("views.video.patch=[%d,%d,%d]", gc.TPatch, gc.VPatch[0], gc.VPatch[1]),
		fmt.Sprintf("views.video.global.frames=%d", gc.Frames),
		fmt.Sprintf("views.video.global.size=[%d,%d]", gc.Frame[1], gc.Frame[2]),
		fmt.Sprintf("views.audio.patch=[%d,%d]", gc.SPatch[0], gc.SPatch[1]),
		fmt.Sprintf("views.audio.mels=%d", gc.Spec[0]),
		fmt.Sprintf("views.audio.global.frames=%d", gc.Spec[1]),
	}
	paths, err := filepath.Glob(filepath.Join(filepath.Dir(r.File), "*.pth*"))
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("there are no .pth or .pth.tar files beside it")
	}
	for _, path := range paths {
		l, err := xkd.LoadCheckpoint(path, settings...)
		if err != nil {
			return err
		}
		err = r.encoders(ctx, dev, l, file)
		l.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// encoders compares those of one file. One that holds a bare backbone is the student or the teacher by its name.
func (r *GoldenResult) encoders(ctx context.Context, dev graph.Device, l *xkd.Loaded, file *safetensors.File) error {
	name, limit := filepath.Base(l.Path), limitFeature
	if strings.Contains(name, "half") {
		limit = limitHalf
	}
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		for _, role := range []xkd.Role{xkd.Student, xkd.Teacher} {
			want, ok := file.Tensors[fmt.Sprintf("%s_%s", m, role)]
			other := xkd.Student + xkd.Teacher - role
			if !ok || !l.Has(m, role) || strings.Contains(name, other.String()) {
				continue
			}
			view, ok := file.Tensors[m.String()]
			if !ok {
				return fmt.Errorf("no tensor %s", m)
			}
			f, err := xkd.BuildFeatures(l.Config, m, role, view.Shape[0], xkd.FeatureOptions{Tokens: true, Floats: true})
			if err != nil {
				return err
			}
			if f.Tokens.Shape.Size() != len(want.Data) || f.View.Shape.Size() != len(view.Data) {
				return fmt.Errorf("%s_%s has shape %v, of %v: the weights give %v of %v", m, role, want.Shape, view.Shape, f.Tokens.Shape, f.View.Shape)
			}
			start := func(e graph.Executor) error { return f.Restore(e, l) }
			got, err := answer(ctx, dev, f.Graph, graph.PlanOptions{}, start, f.View, view.Data, f.Tokens)
			if err != nil {
				return err
			}
			r.add("features of weights", fmt.Sprintf("%s/%s_%s", name, m, role), got, want.Data, limit)
		}
	}
	return nil
}
