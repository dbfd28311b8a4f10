package xkd

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers of trainable parameters (docs/method.md, section 2.7).
func TestParameterCounts(t *testing.T) {
	for variant, want := range map[string]int{XKD: 206_346_560, MAS: 121_319_744, MATS: 121_319_744} {
		c, err := Default("base", variant)
		require.NoError(t, err)
		c.Train.Batch = 1
		step, err := BuildStep(c, StepOptions{})
		require.NoError(t, err)
		require.Equal(t, want, step.Trainable(), variant)
	}
}

func TestTokensOfTheRecipe(t *testing.T) {
	c, err := Default("base", XKD)
	require.NoError(t, err)
	require.Equal(t, 392, c.VideoTokens())
	require.Equal(t, 560, c.AudioTokens())
}

// Every size of docs/method.md, section 2.7, every variant and every switch builds.
func TestEveryConfigurationBuilds(t *testing.T) {
	for _, name := range Presets() {
		c, err := Default(name, XKD)
		require.NoError(t, err, name)
		require.NoError(t, c.Validate(), name)
	}
	for _, variant := range []string{XKD, MAS, MATS} {
		for _, cls := range []bool{true, false} {
			for _, refine := range []string{RefineMean, RefineSoftmax, RefineNone} {
				for _, view := range []string{TeacherGlobal, TeacherLocal0} {
					for _, locals := range [][2]int{{0, 0}, {1, 1}, {3, 1}, {0, 2}} {
						c, err := Default("nano", variant)
						require.NoError(t, err)
						c.Train.Batch, c.Model.Cls, c.Model.Refine, c.Model.TeacherView = 2, cls, refine, view
						c.Views.Video.Locals, c.Views.Audio.Locals = locals[0], locals[1]
						_, err = BuildStep(c, StepOptions{Keep: true})
						if view == TeacherLocal0 && (locals[0] == 0 || locals[1] == 0) {
							require.ErrorContains(t, err, "teacher_view local0 needs a local view")
							continue
						}
						require.NoError(t, err)
					}
				}
			}
		}
	}
}

func TestValidateNamesFields(t *testing.T) {
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	c.Variant, c.Train.Batch, c.Optimizer.GradClip, c.Model.Encoder.Heads, c.Views.Video.Patch[1] = "x", 0, 0, 5, 7
	c.EMA.Video.Base, c.Schedule.LR.WarmUp, c.Views.Audio.Global.Augment.Gain = math.NaN(), 2, 3
	err = c.Validate()
	for _, field := range []string{"variant", "train.batch", "optimizer.grad_clip", "model.encoder.heads", "views.video.global", "ema.video.base", "schedule.lr.warm_up",
		"views.audio.global.augment.gain is 3"} {
		require.ErrorContains(t, err, field)
	}
	_, err = Default("huge", XKD)
	require.ErrorContains(t, err, `preset is "huge": choose one of base, large, nano`)
	_, err = Default("nano", "x")
	require.ErrorContains(t, err, "xkd_mats")
	c, err = Default("nano", XKD)
	require.NoError(t, err)
	c.Views.Audio.Mask = 0.999
	require.ErrorContains(t, c.Validate(), "views.audio.mask")
	c, err = Default("nano", XKD)
	require.NoError(t, err)
	c.Views.Video.Global.Size[1] = 56
	require.ErrorContains(t, c.Validate(), "views.video.global.size")
	require.NoError(t, c.validateNetwork(), "networks take oblong views")
}

// Rounding half to even, as Python's round.
func TestKept(t *testing.T) {
	require.Equal(t, 59, Kept(392, 0.85))
	require.Equal(t, 112, Kept(560, 0.8))
	require.Equal(t, 2, Kept(5, 0.5))
	require.Equal(t, 4, Kept(7, 0.5))
}

// The schedule's ends and middle, from its formula: warm-up by linspace with both ends, then a half cosine.
func TestRamp(t *testing.T) {
	r := Ramp{Start: 0, Base: 1, Final: 0.2, WarmUp: 0.2}
	require.Equal(t, 0.0, r.At(0, 25))
	require.Equal(t, 0.25, r.At(1, 25))
	require.Equal(t, 1.0, r.At(4, 25))
	require.Equal(t, 1.0, r.At(5, 25))
	require.InDelta(t, 0.6, r.At(15, 25), 1e-12)
	require.InDelta(t, 0.2, r.At(25, 25), 1e-12)
	require.InDelta(t, 0.2, r.At(99, 25), 1e-12)
	require.Equal(t, 0.3, Ramp{Base: 0.3, Final: 0.3}.At(7, 10))
}

// A head's last layer stays frozen for as many steps as asked, and counts its own steps after that.
func TestFrozenLastLayer(t *testing.T) {
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	c.Train.FreezeLastLayer = 2
	require.Equal(t, 0, c.At(1).LastLayerStep)
	require.Equal(t, 1, c.At(2).LastLayerStep)
	require.Equal(t, 3, c.At(2).Step)
}
