package xkd

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"goxkd/media/synthetic"
	"goxkd/media/views"
)

// encoderSizes and decoderSizes are the named sizes of the method, and nano.
var encoderSizes = map[string]Size{
	"nano": {Dim: 96, Depth: 4, Heads: 3}, "tiny": {Dim: 192, Depth: 12, Heads: 3}, "tiny_h6": {Dim: 192, Depth: 12, Heads: 6},
	"small": {Dim: 384, Depth: 12, Heads: 6}, "small_h12": {Dim: 384, Depth: 12, Heads: 12},
	"base": {Dim: 768, Depth: 12, Heads: 12}, "large": {Dim: 1024, Depth: 24, Heads: 16},
}

var decoderSizes = map[string]Size{
	"nano": {Dim: 64, Depth: 2, Heads: 2}, "tiny": {Dim: 96, Depth: 4, Heads: 3}, "small": {Dim: 192, Depth: 4, Heads: 6},
	"base": {Dim: 384, Depth: 4, Heads: 12}, "large": {Dim: 512, Depth: 8, Heads: 16},
}

// Presets names the presets, in the order of their letters.
func Presets() []string { return slices.Sorted(maps.Keys(encoderSizes)) }

// Variants names the variants.
func Variants() []string { return []string{XKD, MAS, MATS} }

// Refinements names the ways of refining the teachers' features.
func Refinements() []string { return []string{RefineMean, RefineSoftmax, RefineNone} }

// TeacherViews names the views that teachers may see.
func TeacherViews() []string { return []string{TeacherGlobal, TeacherLocal0} }

// warmUp is the recipe's share of steps in which rates and temperatures warm up: 30 of 800 epochs.
const warmUp = 30.0 / 800

// Default gives the configuration of a preset and a variant: nano for laptops and tests, the others with the shapes and the
// recipe of the released code (docs/method.md, section 4). Batch and steps are those of a run on a laptop.
func Default(preset, variant string) (Config, error) {
	enc, ok := encoderSizes[preset]
	if !ok {
		return Config{}, FieldError{Path: "preset", Problem: fmt.Sprintf("is %q: choose one of %s", preset, strings.Join(Presets(), ", "))}
	}
	if !slices.Contains(Variants(), variant) {
		return Config{}, FieldError{Path: "variant", Problem: fmt.Sprintf("is %q: choose one of %s", variant, strings.Join(Variants(), ", "))}
	}
	size, _, _ := strings.Cut(preset, "_")
	c := Config{
		Preset: preset, Variant: variant,
		Data:  Data{Path: SyntheticData, Fold: 1, MostLost: views.DefaultMostLost, Synthetic: Synthetic{Clips: 1024, Classes: 8, Difficulty: synthetic.DefaultDifficulty, Clutter: SameDifficulty, Sound: SameDifficulty}},
		Views: viewsOf(views.DefaultSpec()),
		Model: Model{
			Cls: true, Refine: RefineMean, TeacherView: TeacherGlobal, Encoder: enc, Decoder: decoderSizes[size],
			Head: Head{Hidden: 2048, Layers: 3, Bottleneck: 256, Out: 8192},
		},
		Loss: Loss{
			Align: 1, KD: 1, Recon: 5, StudentTemperature: 0.1,
			TeacherTemperature: ByModality[Ramp]{Constant(0.1), Constant(0.07)},
			CentreMomentum:     ByModality[float64]{0.9, 0.9},
		},
		Optimizer: Optimizer{LR: 1e-4, Betas: [2]float64{0.9, 0.95}, WeightDecay: 0.3, GradClip: 0.3},
		Schedule:  Courses{LR: Course{Start: 0, Final: 0, WarmUp: warmUp}, WeightDecay: Course{Start: 1, Final: 1}},
		EMA:       ByModality[Ramp]{Ramp{Base: 0.997, Final: 1}, Ramp{Base: 0.997, Final: 1}},
		Train:     Train{Steps: 800, Batch: 16, Accumulate: 1},
		Tune:      defaultTune,
	}
	c.Views.Video.Patch, c.Views.Video.Mask = [3]int{4, 16, 16}, 0.85
	c.Views.Audio.Patch, c.Views.Audio.Mask = [2]int{4, 16}, 0.8
	if preset == "nano" {
		c.shrink()
	}
	if variant != XKD {
		c.Views.Video.Locals = 3
	}
	if variant == MAS {
		c.Loss.TeacherTemperature = ByModality[Ramp]{
			Ramp{Start: 0.09, Base: 0.11, Final: 0.11, WarmUp: warmUp},
			Ramp{Start: 0.04, Base: 0.06, Final: 0.06, WarmUp: warmUp},
		}
	}
	return c, nil
}

// shrink makes nano of a configuration: minutes of training instead of days, on small batches. Distillation weighs more, the
// students are soft enough to follow teachers that change quickly, and the learning rate is higher. With the recipe's values
// video learns nothing in so few steps.
func (c *Config) shrink() {
	c.Views = viewsOf(views.NanoSpec())
	c.Views.Video.Patch, c.Views.Video.Mask = [3]int{2, 8, 8}, 0.85
	c.Views.Audio.Patch, c.Views.Audio.Mask = [2]int{8, 8}, 0.8
	c.Model.Head = Head{Hidden: 256, Layers: 3, Bottleneck: 64, Out: 512}
	c.Loss.Align, c.Loss.KD, c.Loss.Recon, c.Loss.StudentTemperature = 1, 4, 4, 0.3
	c.Optimizer.LR = 1e-3
	c.EMA.Video.Base, c.EMA.Audio.Base = 0.99, 0.99
}
