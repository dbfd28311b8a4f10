package check

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sort"
	"strings"

	"goxkd/graph"
	"goxkd/layers"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// Figure is one compared tensor.
type Figure struct {
	Name  string  `json:"name"`
	What  string  `json:"what"`  // the group it belongs to
	Error float64 `json:"error"` // relative in the 2-norm, absolute where the truth is zero
	Limit float64 `json:"limit"`
	Pass  bool    `json:"pass"`
}

// GoldenResult is one replayed case.
type GoldenResult struct {
	File    string   `json:"file"`
	Case    string   `json:"case"`
	Device  string   `json:"device"`
	Figures []Figure `json:"figures"`
	Pass    bool     `json:"pass"`
}

// The limits of a float32 run against the float64 figures.
const (
	limitLoss        = 1e-5
	limitAlign       = 1e-4
	limitLaterLoss   = 1e-3
	limitFeature     = 1e-5
	limitGradient    = 1e-4
	limitState       = 5e-3
	limitStateMedian = 2e-5
)

// goldenCase is a case's metadata.
type goldenCase struct {
	Variant    string     `json:"variant"`
	Batch      int        `json:"batch"`
	Steps      int        `json:"steps"`
	Cls        bool       `json:"cls"`
	Attn       string     `json:"attn"`
	Frame      [3]int     `json:"frame"`
	Frames     int        `json:"frames"`
	VPatch     [2]int     `json:"vpatch"`
	TPatch     int        `json:"tpatch"`
	Spec       [2]int     `json:"spec"`
	SPatch     [2]int     `json:"spatch"`
	LocalFrame [4]int     `json:"local_frame"`
	LocalSpec  [2]int     `json:"local_spec"`
	VidLocals  int        `json:"vid_locals"`
	AudLocals  int        `json:"aud_locals"`
	VidMask    float64    `json:"vid_mask"`
	AudMask    float64    `json:"aud_mask"`
	Coeff      [3]float64 `json:"coeff"`
	Clip       float64    `json:"clip"`
	LR         float64    `json:"lr"`
	WD         float64    `json:"wd"`
	Betas      [2]float64 `json:"betas"`
	VidTT      float64    `json:"vid_tt"`
	AudTT      float64    `json:"aud_tt"`
	Temp       float64    `json:"student_temp"`
	VidEMA     float64    `json:"vid_ema"`
	AudEMA     float64    `json:"aud_ema"`
	Center     [2]float64 `json:"center"`
	Teacher    string     `json:"teacher"`
	Ranks      int        `json:"ranks"` // of several ranks, whose figures micro-batches must equal; 0 means one
}

// goldenHead is the projection head's metadata.
type goldenHead struct {
	layers.HeadSize
	Act      string `json:"act"`
	Norm     string `json:"norm"`
	LastNorm string `json:"last_norm"`
	NormLast bool   `json:"norm_last_layer"`
}

// parseGolden reads a case's configuration.
func parseGolden(meta map[string]string) (xkd.Config, goldenCase, error) {
	var gc goldenCase
	var c xkd.Config
	var enc, dec layers.Size
	head := goldenHead{Act: "gelu", Norm: "ln", LastNorm: "ln", NormLast: true}
	for _, part := range []struct {
		key string
		to  any
	}{{"config", &gc}, {"enc", &enc}, {"dec", &dec}, {"proj", &head}} {
		text, ok := meta[part.key]
		if !ok {
			return c, gc, fmt.Errorf("the metadata has no %q: not a golden case", part.key)
		}
		if err := json.Unmarshal([]byte(text), part.to); err != nil {
			return c, gc, fmt.Errorf("metadata %q: %w", part.key, err)
		}
	}
	if head.Act != "gelu" || head.Norm != "ln" || head.LastNorm != "ln" || !head.NormLast {
		return c, gc, fmt.Errorf("a head with act %q, norm %q, last_norm %q, norm_last_layer %v is not supported: only gelu, ln, ln, true",
			head.Act, head.Norm, head.LastNorm, head.NormLast)
	}
	if gc.Frame[0] != 3 || gc.LocalFrame[0] != 3 || gc.LocalSpec[0] != gc.Spec[0] && gc.AudLocals > 0 {
		return c, gc, fmt.Errorf("frames %v and %v, spectrograms %v and %v are not supported: three colours, and as many bands in all views", gc.Frame, gc.LocalFrame, gc.Spec, gc.LocalSpec)
	}
	c.Variant, c.Train.Batch = gc.Variant, gc.Batch
	c.Model = xkd.Model{
		Cls: gc.Cls, Refine: gc.Attn, TeacherView: gc.Teacher,
		Encoder: xkd.Size(enc), Decoder: xkd.Size(dec), Head: xkd.Head(head.HeadSize),
	}
	c.Views.Video = xkd.VideoViews{
		Patch: [3]int{gc.TPatch, gc.VPatch[0], gc.VPatch[1]}, Mask: gc.VidMask, Locals: gc.VidLocals,
		Global: xkd.VideoView{Frames: gc.Frames, Size: [2]int{gc.Frame[1], gc.Frame[2]}},
		Local:  xkd.VideoView{Frames: gc.LocalFrame[1], Size: [2]int{gc.LocalFrame[2], gc.LocalFrame[3]}},
	}
	c.Views.Audio = xkd.AudioViews{
		Mels: gc.Spec[0], Patch: gc.SPatch, Mask: gc.AudMask, Locals: gc.AudLocals,
		Global: xkd.AudioView{Frames: gc.Spec[1]}, Local: xkd.AudioView{Frames: gc.LocalSpec[1]},
	}
	c.Loss.Align, c.Loss.KD, c.Loss.Recon, c.Loss.StudentTemperature = gc.Coeff[0], gc.Coeff[1], gc.Coeff[2], gc.Temp
	c.Optimizer.GradClip, c.Optimizer.Betas = gc.Clip, gc.Betas
	if gc.Steps < 1 {
		return c, gc, fmt.Errorf("metadata: steps is %d", gc.Steps)
	}
	return c, gc, nil // building the step checks it
}

// Golden replays one case on a device: every loss, gradient, feature, clip norm and final tensor is compared. A case may be of
// linear SVMs.
func Golden(ctx context.Context, dev graph.Device, path string) (*GoldenResult, error) {
	file, err := safetensors.Load(path)
	if err != nil {
		return nil, err
	}
	r := &GoldenResult{File: path, Case: file.Metadata["case"], Device: dev.Name()}
	run := r.replay
	switch {
	case isWeights(file):
		run = r.weights
	case isDownstream(file):
		run = r.downstream
	case isSVM(file):
		run = r.svm
	}
	if err := run(ctx, dev, file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.Pass = true
	for _, f := range r.Figures {
		r.Pass = r.Pass && f.Pass
	}
	return r, nil
}

func (r *GoldenResult) replay(ctx context.Context, dev graph.Device, file *safetensors.File) error {
	c, gc, err := parseGolden(file.Metadata)
	if err != nil {
		return err
	}
	get := recordedIn(file)
	first := "step0/" // where the views of the features are: with ranks, the last one's
	if gc.Ranks > 0 {
		first = fmt.Sprintf("step0/rank%d/", gc.Ranks-1)
	}
	if err := r.features(ctx, dev, c, first, get); err != nil {
		return err
	}

	ranks := max(gc.Ranks, 1)
	step, err := xkd.BuildStep(c, xkd.StepOptions{Keep: true, Floats: true, Accumulate: ranks, Binding: dev.Binding()})
	if err != nil {
		return err
	}
	e, err := dev.Compile(step.Graph, graph.PlanOptions{})
	if err != nil {
		return err
	}
	defer e.Close()
	states := step.States()
	if err := get.begin(e, states); err != nil {
		return err
	}
	for k := 0; k < gc.Steps; k++ {
		at := fmt.Sprintf("step%d/", k)
		err := step.WriteSchedule(e, xkd.Schedule{
			LR: gc.LR, WeightDecay: gc.WD, Step: k + 1, LastLayerStep: k + 1,
			TeacherTemp: [2]float64{gc.VidTT, gc.AudTT}, EMA: [2]float64{gc.VidEMA, gc.AudEMA}, Centre: gc.Center, Micro: ranks,
		})
		if err != nil {
			return err
		}
		mean := make([]float32, len(xkd.LossNames))
		for rank := range ranks {
			in := at
			if gc.Ranks > 0 {
				in = fmt.Sprintf("%srank%d/", at, rank)
			}
			losses, err := r.micro(ctx, e, step, in, rank, get)
			if err != nil {
				return err
			}
			for i, v := range losses {
				mean[i] += v / float32(ranks)
			}
			if gc.Ranks > 0 {
				if err := r.losses(in, losses, k == 0, get); err != nil {
					return err
				}
			}
		}
		if err := r.losses(at, mean, k == 0, get); err != nil {
			return err
		}
		if err := e.Run(ctx, xkd.StageUpdate); err != nil {
			return err
		}
		limit := limitLaterLoss
		if k == 0 {
			limit = limitGradient
			for _, q := range step.Params {
				d := step.Grads[q]
				if d == nil {
					continue
				}
				want, err := get(at+"grad/"+q.Name, d.Shape.Size())
				if err != nil {
					return err
				}
				got := make([]float32, len(want))
				if err := e.Read(d, got); err != nil {
					return err
				}
				for i := range got {
					got[i] /= float32(ranks) // the banks hold sums
				}
				r.add("gradients", at+"grad/"+q.Name, got, want, limit)
			}
		}
		if err := r.compare(e, get, "clip norms", at+"clip_norms", step.Norms, limit); err != nil {
			return err
		}
	}
	var errs []float64
	for _, name := range sortedNames(states) {
		if err := r.compare(e, get, "final state", "final/"+name, states[name], limitState); err != nil {
			return err
		}
		errs = append(errs, r.Figures[len(r.Figures)-1].Error)
	}
	sort.Float64s(errs)
	median := errs[len(errs)/2]
	r.Figures = append(r.Figures, Figure{"final/median", "final state, median tensor", median, limitStateMedian, median <= limitStateMedian})
	return nil
}

// micro runs the gradients of one micro-batch and gives its losses.
func (r *GoldenResult) micro(ctx context.Context, e graph.Executor, step *xkd.Step, at string, number int, get recorded) ([]float32, error) {
	if err := r.feed(e, step, at, get); err != nil {
		return nil, err
	}
	if err := step.WriteMicro(e, number); err != nil {
		return nil, err
	}
	if err := e.Run(ctx, xkd.StageGradients); err != nil {
		return nil, err
	}
	losses := make([]float32, len(xkd.LossNames))
	return losses, e.Read(step.Losses, losses)
}

// losses compares those of one rank, or the means over ranks.
func (r *GoldenResult) losses(at string, losses []float32, first bool, get recorded) error {
	for i, name := range xkd.LossNames {
		want, err := get(at+"loss/"+name, 1)
		if err != nil {
			return err
		}
		limit := limitLaterLoss
		if first {
			limit = limitLoss
			if strings.Contains(name, "align") || name == "loss" {
				limit = limitAlign
			}
		}
		r.add("losses", at+"loss/"+name, losses[i:i+1], want, limit)
	}
	return nil
}

// feed writes one step's views and masks.
func (r *GoldenResult) feed(e graph.Executor, step *xkd.Step, at string, get recorded) error {
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		in := step.In[m]
		global, err := get(at+m.String()+"_global", in.Global.Shape.Size())
		if err != nil {
			return err
		}
		var locals []xkd.View
		if in.Locals != nil {
			views := in.Locals.Shape[0] / step.Config.Train.Batch
			for i := 0; i < views; i++ {
				l, err := get(fmt.Sprintf("%s%s_local%d", at, m, i), in.Locals.Shape.Size()/views)
				if err != nil {
					return err
				}
				locals = append(locals, xkd.View{Floats: l})
			}
		}
		if err := step.WriteViews(e, m, xkd.View{Floats: global}, locals); err != nil {
			return err
		}
		noise, err := get(at+m.String()+"_mask_noise", in.Mask.Shape.Size())
		if err != nil {
			return err
		}
		if err := step.WriteMask(e, m, noise); err != nil {
			return err
		}
	}
	return nil
}

// features compares the four unmasked encoders before the first step.
func (r *GoldenResult) features(ctx context.Context, dev graph.Device, c xkd.Config, at string, get recorded) error {
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		for _, role := range []xkd.Role{xkd.Student, xkd.Teacher} {
			f, err := xkd.BuildFeatures(c, m, role, c.Train.Batch, xkd.FeatureOptions{Tokens: true, Floats: true})
			if err != nil {
				return err
			}
			name := fmt.Sprintf("step0/features/%s_%s", m, role)
			want, err := get(name, f.Tokens.Shape.Size())
			if err != nil {
				return err
			}
			got, err := runFeatures(ctx, dev, f, at, get, m)
			if err != nil {
				return err
			}
			r.add("features", name, got, want, limitFeature)
		}
	}
	return nil
}

func runFeatures(ctx context.Context, dev graph.Device, f *xkd.Features, at string, get recorded, m xkd.Modality) ([]float32, error) {
	view, err := get(at+m.String()+"_global", f.View.Shape.Size())
	if err != nil {
		return nil, err
	}
	states := map[string]*graph.Node{}
	for _, q := range f.Params {
		states[q.Name] = q.Node
	}
	start := func(e graph.Executor) error { return get.begin(e, states) }
	return answer(ctx, dev, f.Graph, graph.PlanOptions{}, start, f.View, view, f.Tokens)
}

func (r *GoldenResult) add(what, name string, got, want []float32, limit float64) {
	err := RelativeError(got, want)
	r.Figures = append(r.Figures, Figure{name, what, err, limit, err <= limit})
}

// RelativeError is |got-want| / |want| in the 2-norm, or |got-want| where want is zero; NaN counts as infinite.
func RelativeError(got, want []float32) float64 {
	var diff, size float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		size += float64(w) * float64(w)
	}
	if math.IsNaN(diff) || math.IsNaN(size) {
		return math.Inf(1)
	}
	if size == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / size)
}

func sortedNames(states map[string]*graph.Node) []string {
	list := make([]string, 0, len(states))
	for name := range states {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}
