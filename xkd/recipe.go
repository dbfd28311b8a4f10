package xkd

import (
	"errors"
	"fmt"

	"goxkd/media/synthetic"
	"goxkd/media/views"
)

// Recipe is how training goes over time. Steps are optimiser updates.
type Recipe struct {
	Steps       int        `json:"steps"`
	Seed        uint64     `json:"seed"`
	Accumulate  int        `json:"accumulate,omitempty"` // micro-batches of a step; 0 means 1
	LR          Ramp       `json:"lr"`
	WeightDecay Ramp       `json:"weight_decay"`
	EMA         [2]Ramp    `json:"ema"`          // teachers' momentum: video, audio
	TeacherTemp [2]Ramp    `json:"teacher_temp"` // video, audio
	Centre      [2]float64 `json:"centre"`       // momentum of the video teacher's centre, the audio teacher's
	FreezeLast  int        `json:"freeze_last"`  // steps without update of the heads' last layers
}

// The recipe's epochs; warm-ups are scaled to the number of steps.
const (
	recipeEpochs = 800
	warmEpochs   = 30
)

// DefaultRecipe is the released recipe (docs/method.md, section 4) stretched over so many steps. The learning rate is the
// recipe's 1e-4 for batch 256; nano, which trains for minutes on small batches, takes 1e-3, and teachers that follow
// faster (0.99).
func DefaultRecipe(preset, variant string, steps int, seed uint64) Recipe {
	warm := max(1, steps*warmEpochs/recipeEpochs)
	constant := func(v float64) Ramp { return Ramp{Base: v, Final: v} }
	r := Recipe{
		Steps: steps, Seed: seed,
		LR:          Ramp{Start: 0, Base: 1e-4, Final: 0, Warm: warm},
		WeightDecay: constant(0.3),
		EMA:         [2]Ramp{{Base: 0.997, Final: 1}, {Base: 0.997, Final: 1}},
		TeacherTemp: [2]Ramp{constant(0.1), constant(0.07)},
		Centre:      [2]float64{0.9, 0.9},
	}
	if variant == MAS {
		r.TeacherTemp = [2]Ramp{
			{Start: 0.09, Base: 0.11, Final: 0.11, Warm: warm},
			{Start: 0.04, Base: 0.06, Final: 0.06, Warm: warm},
		}
	}
	if preset == "nano" {
		r.LR.Base = 1e-3
		for m := range r.EMA {
			r.EMA[m].Base = 0.99
		}
	}
	return r
}

// Validate returns one error that names every field that does not fit.
func (r Recipe) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(r.Steps >= 1, "steps is %d: must be at least 1", r.Steps)
	check(r.LR.Base > 0, "lr is %g: must be above 0", r.LR.Base)
	for m := range r.EMA {
		check(r.EMA[m].Base >= 0 && r.EMA[m].Base <= 1, "ema is %g: must be in [0,1]", r.EMA[m].Base)
		check(r.Centre[m] >= 0 && r.Centre[m] <= 1, "centre is %g: must be in [0,1]", r.Centre[m])
		check(r.TeacherTemp[m].Base > 0, "teacher_temp is %g: must be above 0", r.TeacherTemp[m].Base)
	}
	return errors.Join(errs...)
}

// At is the schedule of step k, counted from 0.
func (r Recipe) At(k int) Schedule {
	s := Schedule{
		LR: r.LR.At(k, r.Steps), WeightDecay: r.WeightDecay.At(k, r.Steps),
		Step: k + 1, LastLayerStep: max(0, k+1-r.FreezeLast), Centre: r.Centre,
	}
	for m := range s.EMA {
		s.EMA[m] = r.EMA[m].At(k, r.Steps)
		s.TeacherTemp[m] = r.TeacherTemp[m].At(k, r.Steps)
	}
	return s
}

// Selection chooses among the clips at a path.
type Selection struct {
	Split string `json:"split"` // clips of this split alone; empty for all
	Fold  int    `json:"fold"`  // split of UCF101 and HMDB51, test fold of ESC-50; 0 means the first
	Root  string `json:"root"`  // folder that the paths of a list are below; empty for the list's own
}

// Plan is everything that fixes a training run besides the data itself; checkpoints carry it.
type Plan struct {
	Preset string     `json:"preset"`
	Data   string     `json:"data"` // path of clips, or "synthetic"
	Select Selection  `json:"select"`
	Config Config     `json:"config"`
	Media  views.Spec `json:"media"`
	Recipe Recipe     `json:"recipe"`
	// Synthetic is the generator's configuration, used where Data says so.
	Synthetic synthetic.Config `json:"synthetic"`
}

// Validate checks all parts and that they fit together.
func (p Plan) Validate() error {
	fitted := p.Config
	fitted.Fit(p.Media)
	var fit error
	if fitted != p.Config {
		fit = fmt.Errorf("the network's views %+v, %+v do not have the shapes of the media specification", p.Config.Video, p.Config.Audio)
	}
	return errors.Join(p.Config.Validate(), p.Media.Validate(), p.Recipe.Validate(), fit)
}
