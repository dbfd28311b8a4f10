package views

import (
	"errors"
	"fmt"
	"math"

	"goxkd/media"
)

// VideoAug holds the parameters of one video view's augmentation. One draw serves all its frames.
type VideoAug struct {
	Scale [2]float64 `json:"scale"` // area of the crop as a fraction of the frame, lowest and highest
	Ratio [2]float64 `json:"ratio"` // width over height of the crop, lowest and highest, log-uniform
	Flip  float64    `json:"flip"`  // probability of a horizontal flip

	Jitter     float64 `json:"jitter"`     // probability of the colour jitter
	Brightness float64 `json:"brightness"` // factor in [1-x,1+x]
	Contrast   float64 `json:"contrast"`   // factor in [1-x,1+x]
	Saturation float64 `json:"saturation"` // factor in [1-x,1+x]
	Hue        float64 `json:"hue"`        // shift in [-x,x] turns of the colour circle, x <= 0.5

	Grey       float64    `json:"grey"`        // probability of dropping the colour
	Blur       float64    `json:"blur"`        // probability of a Gaussian blur
	BlurSigma  [2]float64 `json:"blur_sigma"`  // pixels, lowest and highest
	BlurKernel int        `json:"blur_kernel"` // pixels, odd
	// BlurPair reads BlurSigma as the figures along x and y, the same for every view, as the released
	// code does by mistake.
	BlurPair bool `json:"blur_pair,omitempty"`

	RandAugment bool    `json:"rand_augment,omitempty"` // four operations of RandAugment at strength 7; for fine-tuning
	Erase       float64 `json:"erase,omitempty"`        // probability of a box of noise; for fine-tuning
}

// AudioAug holds the parameters of one audio view's augmentation.
type AudioAug struct {
	Gain      float64 `json:"gain"`       // the waveform is multiplied by a factor in [1-x,1+x]
	StartStep int     `json:"start_step"` // samples; a local view starts at a multiple of it

	ResizeCrop bool       `json:"resize_crop"` // whether the log-mel is cropped and resized
	CanvasFreq float64    `json:"canvas_freq"` // height of the virtual canvas over the log-mel's
	CanvasTime float64    `json:"canvas_time"` // width of the virtual canvas over the log-mel's
	FreqScale  [2]float64 `json:"freq_scale"`  // height of the crop over the log-mel's
	TimeScale  [2]float64 `json:"time_scale"`  // width of the crop over the log-mel's

	SpecAugment // masks and time warp, after the crop
}

// Spec names every shape of a batch and every parameter of its augmentations.
type Spec struct {
	Seconds float64 `json:"seconds"` // length of a clip
	FPS     int     `json:"fps"`     // video frames per second

	Frames      int `json:"frames"`       // T of the global video view
	Size        int `json:"size"`         // H = W of the global video view
	LocalFrames int `json:"local_frames"` // T of a local video view
	LocalSize   int `json:"local_size"`   // H = W of a local video view
	VideoLocals int `json:"video_locals"` // local video views per clip
	AudioLocals int `json:"audio_locals"` // local audio views per clip

	Rate            int     `json:"rate"`              // Hz
	NFFT            int     `json:"n_fft"`             // samples per frame of the STFT
	Hop             int     `json:"hop"`               // samples between frames of the STFT
	Mels            int     `json:"mels"`              // F
	SpecFrames      int     `json:"spec_frames"`       // S of the global log-mel
	LocalSpecFrames int     `json:"local_spec_frames"` // S of a local log-mel
	LogMean         float64 `json:"log_mean"`          // subtracted from the log-mel
	LogStd          float64 `json:"log_std"`           // the log-mel is divided by it

	Video      VideoAug `json:"video"`
	VideoLocal VideoAug `json:"video_local"`
	Audio      AudioAug `json:"audio"`
	AudioLocal AudioAug `json:"audio_local"`
}

// DefaultSpec is the pretraining recipe: 4 s, 32 frames of 112x112, an 80x448 log-mel, one local
// view of each modality.
func DefaultSpec() Spec {
	video := VideoAug{
		Scale: [2]float64{0.2, 1}, Ratio: [2]float64{3.0 / 4, 4.0 / 3}, Flip: 0.5,
		Jitter: 1, Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.2,
		BlurSigma: [2]float64{0.1, 2}, BlurKernel: BlurKernel(112),
	}
	local := video
	local.Scale = [2]float64{0.08, 0.4}
	local.Grey, local.Blur, local.BlurKernel = 0.2, 0.5, BlurKernel(96)
	return Spec{
		Seconds: 4, FPS: 8,
		Frames: 32, Size: 112, LocalFrames: 8, LocalSize: 96, VideoLocals: 1, AudioLocals: 1,
		Rate: 16000, NFFT: 1024, Hop: 143, Mels: 80, SpecFrames: 448, LocalSpecFrames: 112,
		LogMean: LogMean, LogStd: LogStd,
		Video: video, VideoLocal: local,
		Audio: AudioAug{Gain: 0.1},
		AudioLocal: AudioAug{
			Gain: 0.2, StartStep: 100, ResizeCrop: true, CanvasFreq: 1, CanvasTime: 1.5,
			FreqScale: [2]float64{0.6, 1.5}, TimeScale: [2]float64{0.6, 1.5},
		},
	}
}

// NanoSpec is the recipe at a size that trains in minutes: 1 s, 8 frames of 48x48, a 48x96 log-mel. Video keeps its colours
// and direction, and global crops at least half of the frame: to learn through the recipe's jitter takes longer.
func NanoSpec() Spec {
	s := DefaultSpec()
	for _, v := range []*VideoAug{&s.Video, &s.VideoLocal} {
		v.Flip, v.Jitter, v.Grey = 0, 0, 0
	}
	s.Video.Scale[0] = 0.5
	s.Seconds = 1
	s.Frames, s.Size, s.LocalFrames, s.LocalSize = 8, 48, 2, 40
	s.Hop, s.Mels, s.SpecFrames, s.LocalSpecFrames = 167, 48, 96, 24
	s.Video.BlurKernel, s.VideoLocal.BlurKernel = BlurKernel(48), BlurKernel(40)
	return s
}

// BlurKernel is the recipe's kernel width for a view of so many pixels.
func BlurKernel(size int) int { return size/20*2 + 1 }

// Samples is the length of the global waveform.
func (s Spec) Samples() int { return int(math.Round(s.Seconds * float64(s.Rate))) }

// LocalSamples is the length of a local waveform: the share of the global one that its log-mel has.
func (s Spec) LocalSamples() int { return s.Samples() * s.LocalSpecFrames / max(s.SpecFrames, 1) }

// Validate returns one error that names every field that does not fit, or nil.
func (s Spec) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(s.Seconds > 0 && s.Seconds <= 600, "seconds is %g: must be above 0 and at most 600", s.Seconds)
	for _, f := range []struct {
		name      string
		value     int
		low, high int
	}{
		{"fps", s.FPS, 1, 240}, {"frames", s.Frames, 1, 4096}, {"size", s.Size, 1, 4096},
		{"local_frames", s.LocalFrames, 1, 4096}, {"local_size", s.LocalSize, 1, 4096},
		{"video_locals", s.VideoLocals, 0, 64}, {"audio_locals", s.AudioLocals, 0, 64},
		{"rate", s.Rate, 100, 384000}, {"n_fft", s.NFFT, 4, 1 << 20}, {"hop", s.Hop, 1, 1 << 20},
		{"mels", s.Mels, 1, 4096}, {"spec_frames", s.SpecFrames, 1, 1 << 20},
		{"local_spec_frames", s.LocalSpecFrames, 1, 1 << 20},
	} {
		check(f.value >= f.low && f.value <= f.high, "%s is %d: must be in %d..%d", f.name, f.value, f.low, f.high)
	}
	check(s.LogStd > 0, "log_std is %g: must be above 0", s.LogStd)
	check(s.LocalFrames <= s.Frames, "local_frames is %d: must be at most frames (%d)", s.LocalFrames, s.Frames)
	check(s.LocalSpecFrames <= s.SpecFrames, "local_spec_frames is %d: must be at most spec_frames (%d)", s.LocalSpecFrames, s.SpecFrames)
	if len(errs) == 0 {
		want := int(math.Round(s.Seconds * float64(s.FPS)))
		check(s.Frames == want, "frames is %d: %g s at %d fps have %d", s.Frames, s.Seconds, s.FPS, want)
		want = 1 + s.Samples()/s.Hop
		check(s.SpecFrames == want, "spec_frames is %d: %d samples with hop %d have %d", s.SpecFrames, s.Samples(), s.Hop, want)
		want = 1 + s.LocalSamples()/s.Hop
		check(s.AudioLocals == 0 || s.LocalSpecFrames == want, "local_spec_frames is %d: %d samples with hop %d have %d",
			s.LocalSpecFrames, s.LocalSamples(), s.Hop, want)
	}
	errs = append(errs, s.Video.validate("video"), s.VideoLocal.validate("video_local"),
		s.Audio.validate("audio", s.Mels, s.SpecFrames), s.AudioLocal.validate("audio_local", s.Mels, s.LocalSpecFrames))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("media spec: %w", err)
	}
	return nil
}

func (a VideoAug) validate(name string) error {
	switch {
	case !rising(a.Scale, 0, 1):
		return fmt.Errorf("%s.scale is %v: must rise within (0,1]", name, a.Scale)
	case !rising(a.Ratio, 0, 100):
		return fmt.Errorf("%s.ratio is %v: must rise within (0,100]", name, a.Ratio)
	case !probability(a.Flip) || !probability(a.Jitter) || !probability(a.Grey) || !probability(a.Blur) || !probability(a.Erase):
		return fmt.Errorf("%s: flip, jitter, grey and blur must be within [0,1]", name)
	case !probability(a.Brightness) || !probability(a.Contrast) || !probability(a.Saturation):
		return fmt.Errorf("%s: brightness, contrast and saturation must be within [0,1]", name)
	case !(a.Hue >= 0 && a.Hue <= 0.5):
		return fmt.Errorf("%s.hue is %g: must be within [0,0.5]", name, a.Hue)
	case a.Blur > 0 && (a.BlurKernel < 1 || a.BlurKernel%2 == 0):
		return fmt.Errorf("%s.blur_kernel is %d: must be odd and above 0", name, a.BlurKernel)
	case a.Blur > 0 && a.BlurPair && !(a.BlurSigma[0] > 0 && a.BlurSigma[1] > 0):
		return fmt.Errorf("%s.blur_sigma is %v: must be above 0", name, a.BlurSigma)
	case a.Blur > 0 && !a.BlurPair && !rising(a.BlurSigma, 0, 1000):
		return fmt.Errorf("%s.blur_sigma is %v: must rise within (0,1000]", name, a.BlurSigma)
	}
	return nil
}

// validate checks the parameters for log-mels [mels,frames].
func (a AudioAug) validate(name string, mels, frames int) error {
	if err := a.SpecAugment.validate(name, mels, frames); err != nil {
		return err
	}
	switch {
	case !probability(a.Gain):
		return fmt.Errorf("%s.gain is %g: must be within [0,1]", name, a.Gain)
	case a.StartStep < 0:
		return fmt.Errorf("%s.start_step is %d: must not be negative", name, a.StartStep)
	case !a.ResizeCrop:
		return nil
	case !(a.CanvasFreq >= 1 && a.CanvasFreq <= 16) || !(a.CanvasTime >= 1 && a.CanvasTime <= 16):
		return fmt.Errorf("%s: canvas_freq %g and canvas_time %g must be within [1,16]", name, a.CanvasFreq, a.CanvasTime)
	case !rising(a.FreqScale, 0, 16) || !rising(a.TimeScale, 0, 16):
		return fmt.Errorf("%s: freq_scale %v and time_scale %v must rise within (0,16]", name, a.FreqScale, a.TimeScale)
	}
	return nil
}

func (s SpecAugment) validate(name string, mels, frames int) error {
	switch {
	case s.TimeWarp < 0 || s.TimeWarp > 0 && s.TimeWarp > (frames-3)/2:
		return fmt.Errorf("%s.time_warp is %d: must be in 0..%d for %d frames", name, s.TimeWarp, max((frames-3)/2, 0), frames)
	case s.FreqMasks < 0 || s.FreqMasks > 64 || s.TimeMasks < 0 || s.TimeMasks > 64:
		return fmt.Errorf("%s: freq_masks %d and time_masks %d must be in 0..64", name, s.FreqMasks, s.TimeMasks)
	case s.FreqMaskWidth < 0 || s.FreqMaskWidth > mels:
		return fmt.Errorf("%s.freq_mask_width is %d: must be in 0..%d", name, s.FreqMaskWidth, mels)
	case s.TimeMaskWidth < 0 || s.TimeMaskWidth > frames:
		return fmt.Errorf("%s.time_mask_width is %d: must be in 0..%d", name, s.TimeMaskWidth, frames)
	case !probability(s.TimeMaskShare):
		return fmt.Errorf("%s.time_mask_share is %g: must be within [0,1]", name, s.TimeMaskShare)
	}
	return nil
}

func rising(r [2]float64, above, most float64) bool {
	return r[0] > above && r[0] <= r[1] && r[1] <= most
}

func probability(p float64) bool { return p >= 0 && p <= 1 }

// OptionsFor are the options whose frames and samples fit the spec.
func OptionsFor(s Spec) media.FolderOptions {
	return media.FolderOptions{FPS: s.FPS, Size: s.Size, Rate: s.Rate}
}
