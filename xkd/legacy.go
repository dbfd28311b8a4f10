package xkd

import (
	"encoding/json"
	"fmt"

	"goxkd/media/views"
)

// legacyPlan is the training plan as checkpoints held it before the one configuration; only its names matter here.
type legacyPlan struct {
	Preset string `json:"preset"`
	Data   string `json:"data"`
	Select struct {
		Split string `json:"split"`
		Fold  int    `json:"fold"`
		Root  string `json:"root"`
	} `json:"select"`
	Config struct {
		Variant     string     `json:"variant"`
		Cls         bool       `json:"cls"`
		Attention   string     `json:"attention"`
		TeacherView string     `json:"teacher_view"`
		Batch       int        `json:"batch"`
		Encoder     legacySize `json:"encoder"`
		Decoder     legacySize `json:"decoder"`
		Head        struct {
			Hidden     int `json:"hidden_dim"`
			Layers     int `json:"nlayers"`
			Bottleneck int `json:"bottleneck_dim"`
			Out        int `json:"out_dim"`
		} `json:"head"`
		Video legacyViews[[4]int, [3]int] `json:"video"`
		Audio legacyViews[[3]int, [2]int] `json:"audio"`
		Loss  struct {
			Align float64 `json:"align"`
			KD    float64 `json:"kd"`
			Recon float64 `json:"recon"`
		} `json:"loss"`
		Clip        float64    `json:"clip"`
		Betas       [2]float64 `json:"betas"`
		StudentTemp float64    `json:"student_temp"`
	} `json:"config"`
	Media  views.Spec `json:"media"`
	Recipe struct {
		Steps       int           `json:"steps"`
		Seed        uint64        `json:"seed"`
		LR          legacyRamp    `json:"lr"`
		WeightDecay legacyRamp    `json:"weight_decay"`
		EMA         [2]legacyRamp `json:"ema"`
		TeacherTemp [2]legacyRamp `json:"teacher_temp"`
		Centre      [2]float64    `json:"centre"`
		FreezeLast  int           `json:"freeze_last"`
	} `json:"recipe"`
	Synthetic struct {
		Clips, Classes int
		Difficulty     float64
		Seed           uint64
	} `json:"synthetic"`
}

type legacySize struct {
	Dim   int `json:"embed_dim"`
	Depth int `json:"depth"`
	Heads int `json:"num_heads"`
}

// legacyViews repeat shapes that stand in the media specification too.
type legacyViews[Shape, Patch any] struct {
	Global Shape   `json:"global"`
	Local  Shape   `json:"local"`
	Locals int     `json:"locals"`
	Patch  Patch   `json:"patch"`
	Mask   float64 `json:"mask"`
}

// legacyRamp counts its warm-up in steps.
type legacyRamp struct {
	Start float64 `json:"start"`
	Base  float64 `json:"base"`
	Final float64 `json:"final"`
	Warm  int     `json:"warm"`
}

func (r legacyRamp) ramp(steps int) Ramp {
	return Ramp{Start: r.Start, Base: r.Base, Final: r.Final, WarmUp: r.share(steps)}
}

// course is the ramp in multiples of its base.
func (r legacyRamp) course(steps int) Course {
	if r.Base == 0 {
		return Course{Start: 1, Final: 1}
	}
	c := Course{Start: r.Start / r.Base, Final: r.Final / r.Base, WarmUp: r.share(steps)}
	if r.Warm == 0 {
		c.Start = 1 // it never counted
	}
	return c
}

// share gives back the recipe's own where it has as many steps, so that the run is told apart from no other.
func (r legacyRamp) share(steps int) float64 {
	if r.Warm == warmSteps(warmUp, steps) {
		return warmUp
	}
	return float64(r.Warm) / float64(max(steps, 1))
}

// convertPlan reads the training plan of an earlier version.
func convertPlan(text string) (Config, error) {
	var p legacyPlan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return Config{}, err
	}
	c, err := Default(p.Preset, p.Config.Variant)
	if err != nil {
		return Config{}, err
	}
	old, r := p.Config, p.Recipe
	c.Data = Data{Path: p.Data, Split: p.Select.Split, Fold: max(1, p.Select.Fold), Root: p.Select.Root, MostLost: c.Data.MostLost, Synthetic: c.Data.Synthetic}
	c.Views = viewsOf(p.Media)
	c.Views.Video.Patch, c.Views.Video.Mask = old.Video.Patch, old.Video.Mask
	c.Views.Audio.Patch, c.Views.Audio.Mask = old.Audio.Patch, old.Audio.Mask
	c.Model = Model{
		Cls: old.Cls, Refine: old.Attention, TeacherView: old.TeacherView,
		Encoder: Size(old.Encoder), Decoder: Size(old.Decoder), Head: Head(old.Head),
	}
	c.Loss = Loss{
		Align: old.Loss.Align, KD: old.Loss.KD, Recon: old.Loss.Recon, StudentTemperature: old.StudentTemp,
		TeacherTemperature: ByModality[Ramp]{r.TeacherTemp[Video].ramp(r.Steps), r.TeacherTemp[Audio].ramp(r.Steps)},
		CentreMomentum:     ByModality[float64]{r.Centre[Video], r.Centre[Audio]},
	}
	c.Optimizer = Optimizer{LR: r.LR.Base, Betas: old.Betas, WeightDecay: r.WeightDecay.Base, GradClip: old.Clip}
	c.Schedule = Courses{LR: r.LR.course(r.Steps), WeightDecay: r.WeightDecay.course(r.Steps)}
	c.EMA = ByModality[Ramp]{r.EMA[Video].ramp(r.Steps), r.EMA[Audio].ramp(r.Steps)}
	c.Train = Train{Steps: r.Steps, Batch: old.Batch, Accumulate: 1, Seed: r.Seed, FreezeLastLayer: r.FreezeLast}
	if s := p.Synthetic; p.Data == SyntheticData {
		c.Data.Synthetic = Synthetic{Clips: s.Clips, Classes: s.Classes, Difficulty: s.Difficulty, Clutter: SameDifficulty, Sound: SameDifficulty, Seed: s.Seed}
	}
	return c, c.Validate()
}

// sameClips refuses to resume on generated clips of a length or size that does not follow from the views: the run would see
// others.
func sameClips(c Config, text string) error {
	var old struct {
		Synthetic struct {
			Seconds         float64
			FPS, Size, Rate int
		} `json:"synthetic"`
	}
	if err := json.Unmarshal([]byte(text), &old); err != nil {
		return err
	}
	s, now := old.Synthetic, c.Generated()
	if c.Data.Path == SyntheticData && (s.Seconds != now.Seconds || s.FPS != now.FPS || s.Size != now.Size || s.Rate != now.Rate) {
		return fmt.Errorf("its generated clips have %g s at %d fps, %d pixels and %d Hz, which this version makes no more (%g, %d, %d, %d): train anew",
			s.Seconds, s.FPS, s.Size, s.Rate, now.Seconds, now.FPS, now.Size, now.Rate)
	}
	return nil
}
