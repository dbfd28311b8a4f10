package xkd

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// FieldError is one setting that does not hold.
type FieldError struct {
	File    string // configuration file, if the setting stands in one
	Line    int    // of File, counted from 1
	Path    string // such as optimizer.grad_clip
	Problem string // goes on where the path ends: "is 0: must be above 0"
}

func (e FieldError) Error() string {
	text := strings.TrimSpace(e.Path + " " + e.Problem)
	switch {
	case e.File == "":
		return text
	case e.Line == 0:
		return e.File + ": " + text
	default:
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, text)
	}
}

// FieldErrors are all settings of a configuration that do not hold.
type FieldErrors []FieldError

func (e FieldErrors) Error() string {
	var parts []string
	for _, f := range e {
		parts = append(parts, f.Error())
	}
	return strings.Join(parts, "; ")
}

// or is the list as an error, nil if it is empty.
func (e FieldErrors) or() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// Bounds far beyond what trains, so that a slip of the pen is refused before anything is built.
const (
	maxWidth  = 1 << 16
	maxDepth  = 256
	maxTokens = 1 << 14
	maxLocals = 64
	maxBatch  = 1 << 16
	maxSteps  = 1 << 30

	maxPositions = 1 << 26 // elements of a table of positions: tokens x width
	maxPixels    = 1 << 27 // of a view, over its frames
	maxBands     = 1 << 25 // elements of a log-mel, and of the mel bands over the spectrum
	maxSpectrum  = 1 << 25 // samples that go through the Fourier transform for a clip
	maxSamples   = 1 << 26 // of a clip's sound
	tiny         = 1e-12   // what is divided by, or the like, is not smaller
)

// validator collects what does not hold.
type validator struct{ errs FieldErrors }

func (v *validator) check(ok bool, path, format string, args ...any) {
	if !ok {
		v.errs = append(v.errs, FieldError{Path: path, Problem: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) oneOf(path, value string, allowed ...string) {
	v.check(slices.Contains(allowed, value), path, "is %q: choose one of %s", value, strings.Join(allowed, ", "))
}

func (v *validator) within(path string, value, low, high int) {
	v.check(value >= low && value <= high, path, "is %d: must be in %d..%d", value, low, high)
}

// own is a share, or what stands for the difficulty of the rest.
func (v *validator) own(path string, value float64) {
	v.check(value == SameDifficulty || value >= 0 && value <= 1, path, "is %g: must be in [0,1], or %d for data.synthetic.difficulty", value, SameDifficulty)
}

func (v *validator) share(path string, value float64) {
	v.check(value >= 0 && value <= 1, path, "is %g: must be in [0,1]", value)
}

// above also refuses what is no finite number.
func (v *validator) above(path string, value float64) {
	v.check(value > 0, path, "is %g: must be above 0", value)
	v.check(!(value > 0) || value >= tiny && value <= math.MaxFloat32, path, "is %g: must be in %g..%g", value, tiny, math.MaxFloat32)
}

// Validate returns FieldErrors with every field that does not fit, or nil.
func (c Config) Validate() error {
	v := &validator{}
	v.oneOf("preset", c.Preset, Presets()...)
	v.network(c)
	v.views(c)
	v.data(c.Data)
	v.generated(c)
	v.times(c)
	return v.errs.or()
}

// validateNetwork checks what fixes the graph of a step alone.
func (c Config) validateNetwork() error {
	v := &validator{}
	v.network(c)
	return v.errs.or()
}

func (v *validator) network(c Config) {
	v.oneOf("variant", c.Variant, Variants()...)
	v.oneOf("model.refine", c.Model.Refine, Refinements()...)
	v.oneOf("model.teacher_view", c.Model.TeacherView, TeacherViews()...)
	v.within("train.batch", c.Train.Batch, 1, maxBatch)
	for _, t := range []struct {
		path string
		s    Size
	}{{"model.encoder", c.Model.Encoder}, {"model.decoder", c.Model.Decoder}} {
		v.within(t.path+".dim", t.s.Dim, 1, maxWidth)
		v.within(t.path+".depth", t.s.Depth, 1, maxDepth)
		v.check(t.s.Heads >= 1 && t.s.Dim%max(t.s.Heads, 1) == 0, t.path+".heads", "is %d: must be above 0 and divide the width %d", t.s.Heads, t.s.Dim)
	}
	h := c.Model.Head
	v.within("model.head.hidden", h.Hidden, 1, maxWidth)
	v.within("model.head.layers", h.Layers, 2, maxDepth)
	v.within("model.head.bottleneck", h.Bottleneck, 1, maxWidth)
	v.within("model.head.out", h.Out, 2, maxWidth)
	v.shapes(c)
	v.tune(c.Tune)
	v.alone(c)
	l := c.Loss
	for _, w := range []struct {
		path  string
		value float64
	}{{"loss.align", l.Align}, {"loss.kd", l.KD}, {"loss.recon", l.Recon}} {
		v.check(w.value >= 0 && w.value <= math.MaxFloat32, w.path, "is %g: must not be negative", w.value)
	}
	v.check(!(l.Align == 0 && l.KD == 0 && l.Recon == 0), "loss", "has align, kd and recon all zero: nothing would be learnt")
	v.above("loss.student_temperature", l.StudentTemperature)
	v.above("optimizer.grad_clip", c.Optimizer.GradClip)
	for _, b := range c.Optimizer.Betas {
		v.check(b >= 0 && b < 1, "optimizer.betas", "are %v: must be in [0,1)", c.Optimizer.Betas)
	}
}

// shapes checks that views divide into patches, some hidden and some not.
func (v *validator) shapes(c Config) {
	video, audio := c.Views.Video, c.Views.Audio
	before := len(v.errs)
	divides := func(path string, view, patch []int) {
		tokens := 1.0
		for i := range patch {
			tokens *= float64(view[i]) / float64(max(patch[i], 1))
			if patch[i] < 1 || view[i] < 1 || view[i]%max(patch[i], 1) != 0 {
				v.check(false, path, "has the shape %v, which does not divide into patches of %v", view, patch)
				return
			}
		}
		v.check(tokens <= maxTokens, path, "has the shape %v, that is %.0f patches of %v: at most %d", view, tokens, patch, maxTokens)
	}
	cube := func(w VideoView) []int { return []int{w.Frames, w.Size[0], w.Size[1]} }
	divides("views.video.global", cube(video.Global), video.Patch[:])
	divides("views.audio.global", []int{audio.Mels, audio.Global.Frames}, audio.Patch[:])
	if video.Locals > 0 {
		divides("views.video.local", cube(video.Local), video.Patch[:])
	}
	if audio.Locals > 0 {
		divides("views.audio.local", []int{audio.Mels, audio.Local.Frames}, audio.Patch[:])
	}
	v.within("views.video.locals", video.Locals, 0, maxLocals)
	v.within("views.audio.locals", audio.Locals, 0, maxLocals)
	v.check(c.Model.TeacherView != TeacherLocal0 || video.Locals > 0 && audio.Locals > 0, "model.teacher_view", "local0 needs a local view of each modality")
	if len(v.errs) > before {
		return
	}
	tokens := max(c.VideoTokens(), c.AudioTokens())
	for _, s := range []struct {
		path string
		dim  int
	}{{"model.encoder.dim", c.Model.Encoder.Dim}, {"model.decoder.dim", c.Model.Decoder.Dim}} {
		v.check(s.dim <= maxPositions/tokens, s.path, "is %d for views of %d patches: at most %d", s.dim, tokens, maxPositions/tokens)
	}
	for _, m := range []struct {
		path   string
		tokens int
		mask   float64
	}{{"views.video.mask", c.VideoTokens(), video.Mask}, {"views.audio.mask", c.AudioTokens(), audio.Mask}} {
		k := Kept(m.tokens, m.mask)
		v.check(k >= 1 && k < m.tokens, m.path, "is %g and leaves %d of %d patches visible: must leave some and hide some", m.mask, k, m.tokens)
	}
}

// views checks what the loader needs to know.
func (v *validator) views(c Config) {
	video, audio := c.Views.Video, c.Views.Audio
	before := len(v.errs)
	v.check(c.Views.Seconds > 0 && c.Views.Seconds <= 600, "views.seconds", "is %g: must be above 0 and at most 600", c.Views.Seconds)
	v.within("views.video.fps", video.FPS, 1, 240)
	v.within("views.video.global.frames", video.Global.Frames, 1, 4096)
	v.within("views.video.local.frames", video.Local.Frames, 1, max(video.Global.Frames, 1))
	for _, w := range []struct {
		path string
		size [2]int
	}{{"views.video.global.size", video.Global.Size}, {"views.video.local.size", video.Local.Size}} {
		v.check(w.size[0] == w.size[1] && w.size[0] >= 1 && w.size[0] <= 4096, w.path, "is %v: height and width must be equal, in 1..4096: views are cut as squares", w.size)
	}
	v.within("views.audio.rate", audio.Rate, 100, 384000)
	v.within("views.audio.n_fft", audio.NFFT, 4, 1<<20)
	v.within("views.audio.hop", audio.Hop, 1, 1<<20)
	v.within("views.audio.mels", audio.Mels, 1, 4096)
	v.within("views.audio.global.frames", audio.Global.Frames, 1, 1<<20)
	v.within("views.audio.local.frames", audio.Local.Frames, 1, max(audio.Global.Frames, 1))
	v.above("views.audio.log_std", audio.LogStd)
	v.check(!math.IsNaN(audio.LogMean) && !math.IsInf(audio.LogMean, 0), "views.audio.log_mean", "is %g: must be a number", audio.LogMean)
	v.check(!(math.Abs(audio.LogMean) > math.MaxFloat32), "views.audio.log_mean", "is %g: too large", audio.LogMean)
	for _, w := range []struct {
		path string
		view VideoView
	}{{"views.video.global", video.Global}, {"views.video.local", video.Local}} {
		n := float64(w.view.Frames) * float64(w.view.Size[0]) * float64(w.view.Size[1])
		v.check(n <= maxPixels, w.path, "has %d frames of %v, that is %.0f pixels: at most %d", w.view.Frames, w.view.Size, n, maxPixels)
		v.check(w.view.Augment.BlurKernel <= 4096, w.path+".augment.blur_kernel", "is %d: at most 4096", w.view.Augment.BlurKernel)
	}
	for _, w := range []struct {
		path string
		view AudioView
	}{{"views.audio.global", audio.Global}, {"views.audio.local", audio.Local}} {
		v.check(w.view.Augment.StartStep <= maxSamples, w.path+".augment.start_step", "is %d: at most %d", w.view.Augment.StartStep, maxSamples)
	}
	frames, mels, fft := float64(audio.Global.Frames), float64(audio.Mels), float64(audio.NFFT)
	v.check(mels*max(frames, fft/2+1) <= maxBands, "views.audio.mels", "is %d, with n_fft %d and %d frames: the tables have at most %d elements",
		audio.Mels, audio.NFFT, audio.Global.Frames, maxBands)
	v.check(frames*fft <= maxSpectrum, "views.audio.n_fft", "is %d for %d frames: together at most %d", audio.NFFT, audio.Global.Frames, maxSpectrum)
	v.check(!(c.Views.Seconds*float64(audio.Rate) > maxSamples), "views.seconds", "is %g at %d Hz: at most %d samples", c.Views.Seconds, audio.Rate, maxSamples)
	if len(v.errs) > before {
		return
	}
	s := c.Spec()
	want := int(math.Round(s.Seconds * float64(s.FPS)))
	v.check(s.Frames == want, "views.video.global.frames", "is %d: %g s at %d fps have %d", s.Frames, s.Seconds, s.FPS, want)
	want = 1 + s.Samples()/s.Hop
	v.check(s.SpecFrames == want, "views.audio.global.frames", "is %d: %d samples with hop %d have %d", s.SpecFrames, s.Samples(), s.Hop, want)
	want = 1 + s.LocalSamples()/s.Hop
	v.check(s.AudioLocals == 0 || s.LocalSpecFrames == want, "views.audio.local.frames", "is %d: %d samples with hop %d have %d",
		s.LocalSpecFrames, s.LocalSamples(), s.Hop, want)
	if len(v.errs) > before {
		return
	}
	if err := s.Validate(); err != nil {
		v.augment(err)
	}
}

// augment takes over what the loader's specification says of augmentations, under their names here.
func (v *validator) augment(err error) {
	names := map[string]string{"video": "video.global", "video_local": "video.local", "audio": "audio.global", "audio_local": "audio.local"}
	for line := range strings.Lines(err.Error()) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "media spec: ")
		end := strings.IndexAny(line, ".: ")
		if view, ok := names[line[:max(end, 0)]]; ok {
			path, problem, _ := strings.Cut(line[end:], " ")
			v.check(false, "views."+view+".augment"+path, "%s", problem)
			continue
		}
		v.check(false, "views:", "%s", line)
	}
}

func (v *validator) data(d Data) {
	v.check(d.Path != "", "data.path", "is empty: name a folder, or %s", SyntheticData)
	v.within("data.fold", d.Fold, 1, 1<<16)
	v.check(d.MostLost > 0 && d.MostLost <= 1, "data.most_lost", "is %g: must be above 0 and at most 1", d.MostLost)
	v.within("data.synthetic.clips", d.Synthetic.Clips, 1, 1<<30)
	v.within("data.synthetic.classes", d.Synthetic.Classes, 1, 64)
	v.share("data.synthetic.difficulty", d.Synthetic.Difficulty)
	v.own("data.synthetic.clutter", d.Synthetic.Clutter)
	v.own("data.synthetic.sound_difficulty", d.Synthetic.Sound)
}

// generated checks that generated clips, which have a length of their own, can be held.
func (v *validator) generated(c Config) {
	if len(v.errs) > 0 || c.Data.Path != SyntheticData {
		return
	}
	g := c.Generated()
	n := g.Seconds * float64(g.FPS) * float64(g.Size) * float64(g.Size)
	v.check(n <= 2*maxPixels, "views.video.fps", "is %d: generated clips of %g s and %d pixels square would have %.0f pixels: at most %d",
		g.FPS, g.Seconds, g.Size, n, 2*maxPixels)
}

// times checks what goes over time.
func (v *validator) times(c Config) {
	t := c.Train
	v.within("schedule.epochs", c.Schedule.Epochs, 0, maxSteps)
	if c.Schedule.Epochs > 0 {
		v.within("train.steps", t.Steps, 0, maxSteps)
	} else {
		v.within("train.steps", t.Steps, 1, maxSteps)
	}
	v.within("train.freeze_last_epochs", t.FreezeEpochs, 0, max(0, c.Schedule.Epochs))
	v.check(t.FreezeEpochs == 0 || t.FreezeLastLayer == 0, "train.freeze_last_epochs", "is %d beside a freeze_last_layer of %d steps: keep one", t.FreezeEpochs, t.FreezeLastLayer)
	v.within("train.accumulate", t.Accumulate, 1, maxBatch)
	v.within("train.freeze_last_layer", t.FreezeLastLayer, 0, maxSteps)
	v.check(c.Optimizer.LR > 0 && c.Optimizer.LR <= 1, "optimizer.lr", "is %g: must be above 0 and at most 1", c.Optimizer.LR)
	v.check(c.Optimizer.WeightDecay >= 0 && c.Optimizer.WeightDecay <= math.MaxFloat32, "optimizer.weight_decay", "is %g: must not be negative", c.Optimizer.WeightDecay)
	for _, k := range []struct {
		path string
		c    Course
	}{{"schedule.lr", c.Schedule.LR}, {"schedule.weight_decay", c.Schedule.WeightDecay}} {
		v.check(k.c.Start >= 0 && k.c.Start <= math.MaxFloat32, k.path+".start", "is %g: must not be negative", k.c.Start)
		v.check(k.c.Final >= 0 && k.c.Final <= math.MaxFloat32, k.path+".final", "is %g: must not be negative", k.c.Final)
		v.share(k.path+".warm_up", k.c.WarmUp)
	}
	for _, m := range []Modality{Video, Audio} {
		path, r := "ema."+m.String(), c.EMA.Of(m)
		v.share(path+".base", r.Base)
		v.share(path+".final", r.Final)
		v.share(path+".start", r.Start)
		v.share(path+".warm_up", r.WarmUp)
		path, r = "loss.teacher_temperature."+m.String(), c.Loss.TeacherTemperature.Of(m)
		v.above(path+".base", r.Base)
		v.above(path+".final", r.Final)
		if r.WarmUp > 0 {
			v.above(path+".start", r.Start)
		}
		v.check(!math.IsNaN(r.Start) && !math.IsInf(r.Start, 0), path+".start", "is %g: must be a number", r.Start)
		v.share(path+".warm_up", r.WarmUp)
		v.share("loss.centre_momentum."+m.String(), c.Loss.CentreMomentum.Of(m))
	}
}
