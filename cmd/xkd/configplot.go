package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"goxkd/draw"
	"goxkd/media"
	"goxkd/xkd"
)

// configPlotFlags are the flags of `xkd config plot`.
type configPlotFlags struct {
	settings
	out              string
	epochSteps, each int
	asJSON           bool
}

// plottedValues is about how many values of a schedule are shown.
const plottedValues = 1000

func newConfigPlot() *cobra.Command {
	var f configPlotFlags
	cmd := &cobra.Command{
		Use:   "plot [FILE|CHECKPOINT]",
		Short: "Draw what changes over the steps of a run",
		Long: `Plot draws the schedules of the configuration that the flags of train describe, or of that of a file or of a checkpoint, into a
PNG picture: learning rate, weight decay, and by modality the teachers' momentum and temperatures. --json prints their values.

Where a configuration counts epochs (train.steps is 0), --epoch-steps says how many steps one has; without it, that follows from
the number of generated clips.`,
		Example: `  xkd config plot --preset tiny --steps 20000
  xkd config plot --released xkd_mas.yaml --epoch-steps 850 --out schedule.png
  xkd config plot runs/latest --json --every 1`,
		Args: f.oneShown,
		RunE: func(cmd *cobra.Command, args []string) error { return configPlot(cmd, args, &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.out, "out", "schedule.png", "`picture` to write")
	fl.BoolVar(&f.asJSON, "json", false, "print the values as JSON instead")
	fl.IntVar(&f.each, "every", 0, "steps between two values (default so many that about a thousand are shown)")
	fl.IntVar(&f.epochSteps, "epoch-steps", 0, "steps of an epoch, where train.steps is 0")
	f.addRun(cmd)
	f.addAlone(cmd)
	return cmd
}

func configPlot(cmd *cobra.Command, args []string, f *configPlotFlags) error {
	switch {
	case f.each < 0:
		return usagef("--every %d: give 1 or more, or leave it out", f.each)
	case f.epochSteps < 0:
		return usagef("--epoch-steps %d: give 1 or more, or leave it out", f.epochSteps)
	case f.asJSON && cmd.Flags().Changed("out"):
		return usagef("--out is for a picture: --json prints")
	}
	if err := checkPNG(f.out); err != nil && !f.asJSON {
		return err
	}
	c, err := f.shown(args)
	if err != nil {
		return err
	}
	if c, err = f.inSteps(c); err != nil {
		return err
	}
	s := scheduleOf(c, f.each)
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	title := c.Preset + ", " + c.Variant
	for _, name := range append(slices.Clone(args), f.file, f.released) {
		if name != "" {
			title = media.Printable(name) + ": " + title
			break
		}
	}
	if err := writePicture(f.out, s.curves(title)); err != nil {
		return fmt.Errorf("--out %s: %w", f.out, err)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), media.Printable(f.out))
	return err
}

// inSteps gives a configuration that counts epochs its steps.
func (f *configPlotFlags) inSteps(c xkd.Config) (xkd.Config, error) {
	given := f.epochSteps > 0
	switch {
	case given && c.Train.Steps > 0:
		return c, usagef("--epoch-steps is for a configuration that counts epochs, and train.steps is %d", c.Train.Steps)
	case given:
		steps := int64(f.epochSteps) * int64(c.Schedule.Epochs)
		if c.Train.Steps = int(steps); steps/int64(c.Schedule.Epochs) != int64(f.epochSteps) {
			return c, usagef("--epoch-steps %d: too many for %d epochs", f.epochSteps, c.Schedule.Epochs)
		}
		if err := c.Validate(); err != nil {
			return c, usagef("--epoch-steps %d: %s", f.epochSteps, oneLine(err))
		}
		return c, nil
	case c.Train.Steps == 0 && c.Data.Path != xkd.SyntheticData:
		return c, usagef("train.steps is 0, for %d epochs: say with --epoch-steps how many steps one has, or with --steps how many there are", c.Schedule.Epochs)
	}
	c = c.Planned(c.Data.Synthetic.Clips)
	return c, c.Validate()
}

// schedule holds the values of some steps, the first and the last among them.
type schedule struct {
	Steps  int                  `json:"steps"`
	Epochs int                  `json:"epochs,omitempty"`
	Step   []int                `json:"step"` // counted from 1
	Values map[string][]float64 `json:"values"`
}

// scheduleOf takes every so many values of a schedule, at least 1; 0 takes about a thousand.
func scheduleOf(c xkd.Config, each int) schedule {
	n := c.Train.Steps
	if each == 0 {
		each = max(1, (n+plottedValues-1)/plottedValues)
	}
	s := schedule{Steps: n, Epochs: c.Schedule.Epochs, Values: map[string][]float64{}}
	add := func(k int) {
		at := c.At(k)
		s.Step = append(s.Step, k+1)
		values := map[string]float64{"lr": at.LR, "weight_decay": at.WeightDecay}
		if c.Tune.Modality == "" { // which has no teachers
			for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
				if c.Train.Modality == "" || c.Train.Modality == m.String() {
					values["ema_"+m.String()] = at.EMA[m]
				}
				if c.Train.Modality == "" { // distils
					values["temperature_"+m.String()] = at.TeacherTemp[m]
				}
			}
		}
		for name, v := range values {
			s.Values[name] = append(s.Values[name], v)
		}
	}
	for k := 0; k < n; k += each {
		add(k)
	}
	if (n-1)%each != 0 {
		add(n - 1)
	}
	return s
}

// curves are panels of the values: one for the rate, one for the decay and, in pretraining, two for the teachers.
func (s schedule) curves(title string) draw.Curves {
	note := count(s.Steps, "step")
	if s.Epochs > 0 {
		note = fmt.Sprintf("%s of %s, %s in all", count(s.Epochs, "epoch"), count(s.Steps/s.Epochs, "step"), thousands(s.Steps))
		if s.Steps%s.Epochs != 0 {
			note = fmt.Sprintf("%s for %s", count(s.Steps, "step"), count(s.Epochs, "epoch"))
		}
	}
	line := func(label, name string) draw.Line { return draw.Line{Name: label, Values: s.Values[name]} }
	both := func(name string) []draw.Line {
		lines := slices.DeleteFunc([]draw.Line{line("video teacher", name+"_video"), line("audio teacher", name+"_audio")},
			func(l draw.Line) bool { return l.Values == nil })
		if len(lines) == 2 && slices.Equal(lines[0].Values, lines[1].Values) {
			return []draw.Line{line("both teachers", name+"_video")}
		}
		return lines
	}
	panels := []draw.Panel{
		{Title: "Learning rate", Lines: []draw.Line{line("", "lr")}},
		{Title: "Weight decay", Lines: []draw.Line{line("", "weight_decay")}},
	}
	if lines := both("ema"); len(lines) > 0 {
		panels = append(panels, draw.Panel{Title: "Momentum of the teachers", Lines: lines, Close: true, Bottom: true})
	}
	if lines := both("temperature"); len(lines) > 0 {
		panels = append(panels, draw.Panel{Title: "Temperature of the teachers", Lines: lines, Bottom: true})
	}
	return draw.Curves{Title: title, Note: note, Steps: s.Step, Panels: panels, Exact: true}
}
