package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"goxkd/graph"
	"goxkd/layers"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// The limits of fine-tuning and linear probes.
const (
	limitTuneStep  = 1e-5 // loss and logits of step 0
	limitTuneLater = 1e-4 // those of later steps and of the test, and the final state
)

// downstreamCase is a case's metadata.
type downstreamCase struct {
	Modality   string     `json:"modality"`
	Batch      int        `json:"batch"`
	Steps      int        `json:"steps"`
	Classes    int        `json:"classes"`
	Cls        bool       `json:"cls"`
	Pool       string     `json:"pool"`
	Frame      [3]int     `json:"frame"`
	Frames     int        `json:"frames"`
	VPatch     [2]int     `json:"vpatch"`
	TPatch     int        `json:"tpatch"`
	Spec       [2]int     `json:"spec"`
	SPatch     [2]int     `json:"spatch"`
	ViewFrame  [3]int     `json:"view_frame"`
	ViewFrames int        `json:"view_frames"`
	ViewSpec   [2]int     `json:"view_spec"`
	Dim        int        `json:"dim"`
	Depth      int        `json:"depth"`
	Heads      int        `json:"heads"`
	L2         bool       `json:"l2_norm"`
	BN         bool       `json:"use_bn"`
	Dropout    float64    `json:"dropout"`
	Frozen     bool       `json:"frozen"`
	Head       string     `json:"head"`
	LR         []float64  `json:"lr"`
	WD         float64    `json:"wd"`
	LayerDecay float64    `json:"layer_decay"`
	Betas      [2]float64 `json:"betas"`
	MultiLabel bool       `json:"multi_label"`
}

// isDownstream tells a case of fine-tuning from one of pretraining.
func isDownstream(file *safetensors.File) bool {
	_, ok := file.Tensors["test/logits"]
	return ok
}

// config is the case as a run's configuration.
func (d downstreamCase) config() (xkd.Config, error) {
	c, err := xkd.Default("nano", xkd.XKD)
	if err != nil {
		return c, err
	}
	if d.Frame[0] != 3 || d.ViewFrame[0] != 3 {
		return c, fmt.Errorf("frames %v and %v: three colours are supported", d.Frame, d.ViewFrame)
	}
	if d.TPatch < 1 || d.VPatch[0] < 1 || d.VPatch[1] < 1 || d.SPatch[0] < 1 || d.SPatch[1] < 1 {
		return c, fmt.Errorf("patches of %d frames and %v, and of %v, are none", d.TPatch, d.VPatch, d.SPatch)
	}
	c.Train.Batch = d.Batch
	c.Model.Cls, c.Model.Encoder = d.Cls, xkd.Size{Dim: d.Dim, Depth: d.Depth, Heads: d.Heads}
	c.Views.Video = xkd.VideoViews{
		Patch: [3]int{d.TPatch, d.VPatch[0], d.VPatch[1]}, Mask: 0.5,
		Global: xkd.VideoView{Frames: d.ViewFrames, Size: [2]int{d.ViewFrame[1], d.ViewFrame[2]}},
	}
	c.Views.Audio = xkd.AudioViews{Mels: d.ViewSpec[0], Patch: d.SPatch, Mask: 0.5, Global: xkd.AudioView{Frames: d.ViewSpec[1]}}
	c.Optimizer.Betas = d.Betas
	c.Tune = xkd.Tune{
		Modality: d.Modality, Classes: d.Classes, MultiLabel: d.MultiLabel, Pool: d.Pool, Head: d.Head,
		L2: d.L2, BatchNorm: d.BN, Dropout: d.Dropout, Frozen: d.Frozen, LayerDecay: d.LayerDecay,
		VideoGrid: [3]int{d.Frames / d.TPatch, d.Frame[1] / d.VPatch[0], d.Frame[2] / d.VPatch[1]},
		AudioGrid: [2]int{d.Spec[0] / d.SPatch[0], d.Spec[1] / d.SPatch[1]},
	}
	if d.Steps < 1 || len(d.LR) < d.Steps {
		return c, fmt.Errorf("there are %d learning rates for %d steps", len(d.LR), d.Steps)
	}
	return c, nil
}

// downstream replays a case of fine-tuning or of a linear probe.
func (r *GoldenResult) downstream(ctx context.Context, dev graph.Device, file *safetensors.File) error {
	var d downstreamCase
	if err := json.Unmarshal([]byte(file.Metadata["config"]), &d); err != nil {
		return fmt.Errorf("metadata %q: %w", "config", err)
	}
	c, err := d.config()
	if err != nil {
		return err
	}
	get := recordedIn(file)
	step, err := xkd.BuildStep(c, xkd.StepOptions{Keep: true, Floats: true, Binding: dev.Binding()})
	if err != nil {
		return err
	}
	step.Graph.Keep(step.Tune.Logits)
	store := dev.NewStore()
	defer store.Close()
	e, err := dev.Compile(step.Graph, graph.PlanOptions{Store: store})
	if err != nil {
		return err
	}
	defer e.Close()
	states := map[string]*graph.Node{}
	for name, n := range step.States() {
		states[xkd.EvaluationName(name)] = n
	}
	if err := get.begin(e, states); err != nil {
		return err
	}
	if err := r.groups(c, d, step, file.Metadata["groups"]); err != nil {
		return err
	}
	for k := range d.Steps {
		at := fmt.Sprintf("step%d/", k)
		if err := step.WriteSchedule(e, xkd.Schedule{LR: d.LR[k], WeightDecay: d.WD, Step: k + 1}); err != nil {
			return err
		}
		if err := get.write(e, step.Tune.View, at+"view"); err != nil {
			return err
		}
		targets, err := get(at+"targets", step.Tune.Targets.Shape.Size())
		if err != nil {
			return err
		}
		var keep []float32
		if step.Tune.Keep != nil {
			if keep, err = get(at+"dropout_keep", step.Tune.Keep.Shape.Size()); err != nil {
				return err
			}
		}
		if err := step.WriteTargets(e, targets, keep); err != nil {
			return err
		}
		if err := e.Run(ctx, xkd.StageGradients); err != nil {
			return err
		}
		limit := limitTuneLater
		if k == 0 {
			limit = limitTuneStep
		}
		if err := r.compare(e, get, "loss", at+"loss", step.Losses, limit); err != nil {
			return err
		}
		if err := r.compare(e, get, "logits", at+"logits", step.Tune.Logits, limit); err != nil {
			return err
		}
		if err := e.Run(ctx, xkd.StageUpdate); err != nil {
			return err
		}
		if k > 0 {
			continue
		}
		for _, q := range step.Params {
			if n := step.Grads[q]; n != nil {
				if err := r.compare(e, get, "gradients", at+"grad/"+xkd.EvaluationName(q.Name), n, limitGradient); err != nil {
					return err
				}
			}
		}
	}
	if err := r.testLogits(ctx, dev, c, store, get); err != nil {
		return err
	}
	for _, name := range sortedNames(states) {
		if err := r.compare(e, get, "final state", "final/"+name, states[name], limitTuneLater); err != nil {
			return err
		}
	}
	return r.allCompared(file)
}

// testLogits compares the test graph's, on the weights after the last step.
func (r *GoldenResult) testLogits(ctx context.Context, dev graph.Device, c xkd.Config, store graph.Store, get recorded) error {
	k, err := xkd.BuildClassifier(c, c.Train.Batch, xkd.FeatureOptions{Floats: true})
	if err != nil {
		return err
	}
	view, err := get("test/view", k.View.Shape.Size())
	if err != nil {
		return err
	}
	want, err := get("test/logits", k.Logits.Shape.Size())
	if err != nil {
		return err
	}
	start := func(graph.Executor) error { return nil } // the store has the weights
	got, err := answer(ctx, dev, k.Graph, graph.PlanOptions{Store: store}, start, k.View, view, k.Logits)
	if err != nil {
		return err
	}
	r.add("test logits", "test/logits", got, want, limitTuneLater)
	return nil
}

// groups compares the scale of the learning rate and the weight decay of every tensor, exactly but for rounding.
func (r *GoldenResult) groups(c xkd.Config, d downstreamCase, step *xkd.Step, text string) error {
	want := map[string][2]float64{}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		return fmt.Errorf("metadata %q: %w", "groups", err)
	}
	got := map[string][2]float64{}
	for _, q := range step.Params {
		if q.Trained {
			got[xkd.EvaluationName(q.Name)] = group(c, d, q)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		err := math.Inf(1) // a tensor that is not trained
		if ok {
			err = max(math.Abs(g[0]-want[name][0]), math.Abs(g[1]-want[name][1]))
		}
		r.Figures = append(r.Figures, Figure{"groups/" + name, "learning rates' scales and weight decays", err, 1e-12, err <= 1e-12})
		delete(got, name)
	}
	for name := range got {
		return fmt.Errorf("%s is trained here, and belongs to no group there", name)
	}
	return nil
}

func group(c xkd.Config, d downstreamCase, q *layers.Param) [2]float64 {
	out := [2]float64{c.LayerScale(xkd.LayerID(q.Name, c.Model.Encoder.Depth)), 0}
	if q.Decay {
		out[1] = d.WD
	}
	return out
}

// allCompared sees that no tensor of the case was left out.
func (r *GoldenResult) allCompared(file *safetensors.File) error {
	seen := map[string]bool{}
	for _, f := range r.Figures {
		seen[f.Name] = true
	}
	for name := range file.Tensors {
		part, _, _ := strings.Cut(name, "/")
		if (part == "final" || strings.Contains(name, "/grad/")) && !seen[name] {
			return fmt.Errorf("%s has no counterpart here", name)
		}
	}
	return nil
}
