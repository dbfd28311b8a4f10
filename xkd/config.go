package xkd

import (
	"math"

	"goxkd/media/views"
)

// The variants: separate backbones; one backbone for both students (MAS); one for both teachers too (MATS).
const (
	XKD  = "xkd"
	MAS  = "xkd_mas"
	MATS = "xkd_mats"
)

// How cross-modal attention refines the teachers' features, if at all, and which view the teachers see.
const (
	RefineMean    = "mean"
	RefineSoftmax = "softmax"
	RefineNone    = "none"
	TeacherGlobal = "global"
	TeacherLocal0 = "local0"
)

// SyntheticData is the value of Data.Path that stands for generated clips.
const SyntheticData = "synthetic"

// Config is everything that fixes a training run besides the clips themselves; checkpoints carry it. The names in JSON and
// YAML are those of the tags; what each field means, its unit, range and source stand in docs.go.
type Config struct {
	Preset    string           `json:"preset"`
	Variant   string           `json:"variant"`
	Data      Data             `json:"data"`
	Views     Views            `json:"views"`
	Model     Model            `json:"model"`
	Loss      Loss             `json:"loss"`
	Optimizer Optimizer        `json:"optimizer"`
	Schedule  Courses          `json:"schedule"`
	EMA       ByModality[Ramp] `json:"ema"`
	Train     Train            `json:"train"`
	Tune      Tune             `json:"tune"`
}

// ByModality is one value for video and one for audio.
type ByModality[T any] struct {
	Video T `json:"video"`
	Audio T `json:"audio"`
}

// Of is the value of a modality.
func (b ByModality[T]) Of(m Modality) T {
	if m == Video {
		return b.Video
	}
	return b.Audio
}

// Data says which clips are read.
type Data struct {
	Path      string    `json:"path"`
	Split     string    `json:"split"`
	Fold      int       `json:"fold"`
	Root      string    `json:"root"`
	MostLost  float64   `json:"most_lost"`
	Synthetic Synthetic `json:"synthetic"`
}

// Synthetic describes generated clips; their length and size follow from the views.
type Synthetic struct {
	Clips      int     `json:"clips"`
	Classes    int     `json:"classes"`
	Difficulty float64 `json:"difficulty"`
	Clutter    float64 `json:"clutter"`          // of texture, noise and distractors alone; SameDifficulty for the same
	Sound      float64 `json:"sound_difficulty"` // of the sound alone; SameDifficulty for the same
	Seed       uint64  `json:"seed"`
}

// SameDifficulty is the value of Synthetic.Clutter and Synthetic.Sound that stands for Synthetic.Difficulty.
const SameDifficulty = -1

// Views are the shapes of what the networks see, and how it is cut from a clip.
type Views struct {
	Seconds float64    `json:"seconds"`
	Video   VideoViews `json:"video"`
	Audio   AudioViews `json:"audio"`
}

// VideoViews are a clip's views of its video.
type VideoViews struct {
	FPS    int       `json:"fps"`
	Patch  [3]int    `json:"patch"` // T, H, W
	Mask   float64   `json:"mask"`
	Locals int       `json:"locals"`
	Global VideoView `json:"global"`
	Local  VideoView `json:"local"`
}

// VideoView is the shape and the augmentation of one view of video.
type VideoView struct {
	Frames  int            `json:"frames"`
	Size    [2]int         `json:"size"` // H, W
	Augment views.VideoAug `json:"augment"`
}

// AudioViews are a clip's views of its sound, log-mel spectrograms.
type AudioViews struct {
	Rate    int       `json:"rate"`
	NFFT    int       `json:"n_fft"`
	Hop     int       `json:"hop"`
	Mels    int       `json:"mels"`
	LogMean float64   `json:"log_mean"`
	LogStd  float64   `json:"log_std"`
	Patch   [2]int    `json:"patch"` // F, S
	Mask    float64   `json:"mask"`
	Locals  int       `json:"locals"`
	Global  AudioView `json:"global"`
	Local   AudioView `json:"local"`
}

// AudioView is the shape and the augmentation of one log-mel.
type AudioView struct {
	Frames  int            `json:"frames"`
	Augment views.AudioAug `json:"augment"`
}

// Model is the networks' sizes and switches.
type Model struct {
	Cls         bool   `json:"cls"`
	Refine      string `json:"refine"`
	TeacherView string `json:"teacher_view"`
	Encoder     Size   `json:"encoder"`
	Decoder     Size   `json:"decoder"`
	Head        Head   `json:"head"`
}

// Size is the width, depth and number of heads of a transformer.
type Size struct {
	Dim   int `json:"dim"`
	Depth int `json:"depth"`
	Heads int `json:"heads"`
}

// Head holds the sizes of a projection head.
type Head struct {
	Hidden     int `json:"hidden"`
	Layers     int `json:"layers"`
	Bottleneck int `json:"bottleneck"`
	Out        int `json:"out"`
}

// Loss weights the parts of the loss, L = (Align·L_align + KD·L_kd + Recon·L_recon) / (Align+KD+Recon), and holds what they
// need.
type Loss struct {
	Align              float64             `json:"align"`
	KD                 float64             `json:"kd"`
	Recon              float64             `json:"recon"`
	StudentTemperature float64             `json:"student_temperature"`
	TeacherTemperature ByModality[Ramp]    `json:"teacher_temperature"`
	CentreMomentum     ByModality[float64] `json:"centre_momentum"`
}

// Optimizer is AdamW with gradients clipped tensor by tensor.
type Optimizer struct {
	LR          float64    `json:"lr"`
	Betas       [2]float64 `json:"betas"`
	WeightDecay float64    `json:"weight_decay"`
	GradClip    float64    `json:"grad_clip"`
}

// Courses are how the optimiser's figures change over the steps, and the epochs that those stand for.
type Courses struct {
	Epochs      int    `json:"epochs"`
	LR          Course `json:"lr"`
	WeightDecay Course `json:"weight_decay"`
}

// Train is the run itself.
type Train struct {
	Modality        string `json:"modality"` // trained alone; empty for both
	Steps           int    `json:"steps"`
	Batch           int    `json:"batch"`
	Accumulate      int    `json:"accumulate"`
	Recompute       bool   `json:"recompute"`
	Seed            uint64 `json:"seed"`
	FreezeLastLayer int    `json:"freeze_last_layer"`
	FreezeEpochs    int    `json:"freeze_last_epochs"`
}

// Planned gives the configuration for so many clips: where train.steps is 0, it becomes that of schedule.epochs passes over
// them. What is left of the clips in a pass is not counted, at least one step is.
func (c Config) Planned(clips int) Config {
	if c.Train.Steps == 0 {
		share := (clips + c.Train.Accumulate - 1) / c.Train.Accumulate // of a micro-batch, as of a rank
		c.Train.Steps = c.Schedule.Epochs * max(1, share/c.Train.Batch)
	}
	return c
}

// Epoch is the epoch of step k, both counted from 0, where the steps stand for epochs (schedule.epochs).
func (c Config) Epoch(k int) int { return int(int64(k) * int64(c.Schedule.Epochs) / int64(c.steps())) }

// steps is the length of the schedules: until the clips are known, a step an epoch.
func (c Config) steps() int {
	if c.Train.Steps == 0 {
		return max(1, c.Schedule.Epochs)
	}
	return c.Train.Steps
}

// frozen is the number of steps in which the heads' last layers are not trained.
func (c Config) frozen() int {
	if c.Train.FreezeEpochs > 0 {
		return int(int64(c.Train.FreezeEpochs) * int64(c.steps()) / int64(max(1, c.Schedule.Epochs)))
	}
	return c.Train.FreezeLastLayer
}

// At is the schedule of step k, counted from 0.
func (c Config) At(k int) Schedule {
	n := c.steps()
	now, of := k, n
	if c.Schedule.Epochs > 0 {
		now, of = c.Epoch(k), c.Schedule.Epochs
	}
	s := Schedule{
		LR:          c.Schedule.LR.of(c.Optimizer.LR).At(k, n),
		WeightDecay: c.Schedule.WeightDecay.of(c.Optimizer.WeightDecay).At(k, n),
		Step:        k + 1, LastLayerStep: max(0, k+1-c.frozen()),
		Centre: [2]float64{c.Loss.CentreMomentum.Video, c.Loss.CentreMomentum.Audio},
	}
	for _, m := range []Modality{Video, Audio} {
		s.EMA[m] = c.EMA.Of(m).At(k, n)
		s.TeacherTemp[m] = c.Loss.TeacherTemperature.Of(m).At(now, of)
	}
	return s
}

// network is the part of the configuration that features depend on.
func (c Config) network() any {
	return struct {
		Variant string
		Views   Views
		Model   Model
	}{c.Variant, c.Views, c.Model}
}

// VideoTokens is the number of patches of a global video view.
func (c Config) VideoTokens() int {
	v := c.Views.Video
	return v.Global.Frames / v.Patch[0] * (v.Global.Size[0] / v.Patch[1]) * (v.Global.Size[1] / v.Patch[2])
}

// AudioTokens is the number of patches of a global log-mel.
func (c Config) AudioTokens() int {
	a := c.Views.Audio
	return a.Mels / a.Patch[0] * (a.Global.Frames / a.Patch[1])
}

// Kept is the number of visible tokens of n: round half to even of n·(1-ratio).
func Kept(n int, ratio float64) int { return int(math.RoundToEven(float64(n) * (1 - ratio))) }
