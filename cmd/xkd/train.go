package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"goxkd/device"
	"goxkd/media"
	"goxkd/xkd"
)

// trainFlags are the flags of `xkd train`.
type trainFlags struct {
	settings
	watching
	device, out, tune  string
	saveEvery, workers int
	resume, asJSON     bool
}

func newTrain() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train on a folder of clips, or on generated ones",
		Long: `Train learns from clips with video and sound; labels are not used. Without --data it trains on generated clips. Where clips
have only sounds or only pictures, --modality trains that student alone: it rebuilds what is hidden of them.

The output folder gets checkpoint.safetensors, which holds the weights, the optimiser's state and the whole configuration, and
metrics.jsonl with every loss of every step. Ctrl-C, SIGTERM and SIGHUP finish the step, save and say how to go on; a run
that was stopped and resumed ends with the same bits as one that was not.`,
		Example: `  xkd train                                        # nano network, generated clips
  xkd train --data videos/ --preset tiny --steps 20000 --batch 32 --out runs/mine
  xkd train --data sounds/ --modality audio        # sounds alone
  xkd train --watch                                # with a page of curves and pictures
  xkd train --resume --out runs/mine               # go on where it stopped
  xkd config show --preset base > mine.yaml; xkd train --config mine.yaml --data videos/`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return train(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	f.addRun(cmd)
	f.addAlone(cmd)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.StringVar(&f.tune, "tune", "", tuneUsage+"; by default full on a GPU, where what is known is not tried again, else cached")
	fl.StringVar(&f.out, "out", filepath.Join("runs", "latest"), "output `folder`")
	fl.BoolVar(&f.resume, "resume", false, "go on from the checkpoint in --out, whose configuration holds; steps, data, data.most_lost and optimizer.lr may change")
	fl.IntVar(&f.saveEvery, "save-every", 500, "steps between checkpoints")
	fl.IntVar(&f.workers, "workers", 0, "goroutines that prepare clips; 0 means one per core")
	f.watching.add(cmd)
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON line per step and one at the end")
	return cmd
}

func train(cmd *cobra.Command, f *trainFlags) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := errors.Join(f.check(), f.watching.check()); err != nil {
		return err
	}
	if err := parseDevice(f.device); err != nil {
		return err
	}
	c, first, err := f.plan(stderr)
	if err != nil {
		return err
	}
	if m := c.Train.Modality; m != "" {
		fmt.Fprintf(stderr, "note: %s alone, by masked reconstruction: distillation and alignment need both modalities and are off\n", m)
	}
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	if !cmd.Flags().Changed("tune") {
		f.tune = tuneFirst(dev, f.resume)
	}
	if dev, err = tuned(ctx, dev, f.tune, c, stderr); err != nil {
		return err
	}
	src, err := openTraining(ctx, c, stderr)
	if err != nil {
		return err
	}
	c = planned(c, src.Len(), stderr)
	if n := c.Train.Batch; src.Len() < n {
		fmt.Fprintf(stderr, "note: %s for a batch of %d: clips come more than once in a batch; --batch takes fewer\n", count(src.Len(), "clip"), n)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	memory := needed(src, c, f.workers, dev)
	w := newWatcher(stdout, stderr, f.asJSON)
	t, err := xkd.New(c, dev)
	if err != nil {
		return err
	}
	defer t.Close()
	s, err := f.run(cmd, t, src, w, memory, first)
	if err != nil {
		return err
	}
	return f.report(stdout, w, s, c)
}

// run trains, from the step after first on, and shows how far it has come.
func (f *trainFlags) run(cmd *cobra.Command, t *xkd.Trainer, src media.Source, w *watcher, memory hostMemory, first int) (*xkd.Summary, error) {
	ctx, stderr, c := cmd.Context(), cmd.ErrOrStderr(), t.Config
	reference, err := device.Open(ctx, device.CPUName)
	if err != nil {
		return nil, err
	}
	defer reference.Close()
	opt := xkd.RunOptions{
		Folder: f.out, Resume: f.resume, SaveEvery: f.saveEvery, Workers: f.workers, Reference: reference,
		Note: func(text string) { w.clear(); fmt.Fprintf(stderr, "note: %s\n", clean(text)) },
		Start: func(s xkd.Start) {
			fmt.Fprintf(stderr, "device:     %s, %s\n", s.Device, megabytes(s.Bytes))
			fmt.Fprintf(stderr, "memory:     %v\n", memory)
			memory.bound()
			fmt.Fprintf(stderr, "network:    %s, %s, %s trainable parameters\n", c.Preset, c.Variant, thousands(s.Parameters))
			fmt.Fprintf(stderr, "output:     %s\n", media.Printable(f.out))
			if s.First > 0 {
				fmt.Fprintf(stderr, "resumed:    %d of %d steps are done\n", s.First, s.Steps)
			}
		},
		Warn:     func(text string) { w.clear(); fmt.Fprintf(stderr, "warning: %s\n", clean(text)) },
		Progress: w.progress,
	}
	if err := f.watching.serve(ctx, stderr, f.out); err != nil {
		return nil, err
	}
	recorded, err := f.watching.apply(c, heldOut(c, src), f.out, first, &opt)
	if err != nil {
		return nil, err
	}
	defer recorded()
	s, err := t.Run(ctx, src, opt)
	w.clear()
	return s, err
}

// planned gives the number of steps where a configuration counts epochs, now that the clips are known, and says it.
func planned(c xkd.Config, clips int, notes io.Writer) xkd.Config {
	p := c.Planned(clips)
	if p.Train.Steps != c.Train.Steps {
		fmt.Fprintf(notes, "steps:      %s, %d an epoch for %s\n", thousands(p.Train.Steps), p.Train.Steps/p.Schedule.Epochs, count(p.Schedule.Epochs, "epoch"))
	}
	return p
}

// check refuses values that no run could have.
func (f *trainFlags) check() error {
	switch {
	case f.saveEvery < 1:
		return usagef("--save-every %d: give 1 or more", f.saveEvery)
	case f.workers < 0:
		return usagef("--workers %d: give 0 for one per core, or more", f.workers)
	case f.cmd.Flags().Changed("tune") && oneOf("tune", f.tune) != nil:
		return oneOf("tune", f.tune)
	case f.out == "":
		return usagef("--out is empty: name a folder")
	}
	return nil
}

// plan makes the configuration of a new run, or takes the checkpoint's and the number of its steps.
func (f *trainFlags) plan(notes io.Writer) (c xkd.Config, done int, err error) {
	if f.resume {
		return f.resumed(notes)
	}
	if c, err = f.config(); err != nil {
		return c, 0, err
	}
	return c, 0, xkd.PrepareFolder(f.out, false)
}

// resumed is a checkpoint's configuration, with more steps, a folder that has moved or another rate where the flags say so.
func (f *trainFlags) resumed(notes io.Writer) (c xkd.Config, done int, err error) {
	if err := xkd.PrepareFolder(f.out, true); err != nil {
		return c, 0, err
	}
	l, err := xkd.LoadCheckpoint(filepath.Join(f.out, xkd.CheckpointFile))
	if err != nil {
		return c, 0, err
	}
	defer l.Close()
	if c, err = f.over(l); err != nil {
		return c, 0, err
	}
	if err := f.idle(c); err != nil {
		return c, 0, err
	}
	given := c.Data
	// Paths that nothing has changed lead to where they led.
	if c.Data.Path == l.Config.Data.Path && !f.cmd.Flags().Changed("data") {
		c.Data.Path = l.Data().Path
	}
	if c.Data.Root == l.Config.Data.Root && !f.cmd.Flags().Changed("root") {
		c.Data.Root = l.Data().Root
	}
	sayClips(notes, l, given, c.Data)
	if planned := l.Config.Train.Steps; c.Train.Steps != planned {
		if c.Train.Steps <= l.Done {
			return c, 0, usagef("--steps %d: the checkpoint has %d already; give more", c.Train.Steps, l.Done)
		}
		fmt.Fprintf(notes, "note: the schedules, planned for %d steps, are stretched to %d\n", planned, c.Train.Steps)
	}
	if l.Done >= c.Train.Steps {
		return c, 0, fmt.Errorf("%s has all its %d steps: give more with --steps, or see what it has learnt: xkd probe %s", l.Path, l.Done, l.Path)
	}
	return c, l.Done, nil
}

// sayClips names the clips that a run goes on with, and says where they are not those, or not certainly those, of before.
func sayClips(notes io.Writer, l *xkd.Loaded, given, now xkd.Data) {
	was := l.Began()
	if now.Path == xkd.SyntheticData {
		return
	}
	absolute := now.Path
	if abs, err := filepath.Abs(now.Path); err == nil {
		absolute = abs
	}
	switch {
	case was == "" && !filepath.IsAbs(now.Path):
		fmt.Fprintf(notes, "note: data.path is relative, %s, and the checkpoint does not say to what; here it is %s\n", media.Printable(now.Path), media.Printable(absolute))
	case was != "" && was != absolute:
		fmt.Fprintf(notes, "note: the clips are in %s now; the run was begun with %s\n", media.Printable(absolute), media.Printable(was))
	case given.Path != now.Path:
		fmt.Fprintf(notes, "note: data.path is relative, %s; the clips are those of the folder in which the run was begun: %s\n", media.Printable(given.Path), media.Printable(now.Path))
	default:
		fmt.Fprintf(notes, "note: the clips are those that the checkpoint names: %s\n", named(now.Path, now.Root))
	}
}

// report prints what a run came to and the command to type next.
func (f *trainFlags) report(stdout io.Writer, w *watcher, s *xkd.Summary, c xkd.Config) error {
	if f.asJSON {
		line, err := json.Marshal(struct {
			Event string `json:"event"`
			*xkd.Summary
			Losses map[string]float32 `json:"losses"`
		}{"end", s, s.Losses.Map()})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%s\n", line)
		return err
	}
	if w.steps > 0 {
		fmt.Fprintf(stdout, "trained %s in %s\n", count(w.steps, "step"), seconds(s.Seconds))
		t := newTable("", ">step "+strconv.Itoa(w.first.Step), ">step "+strconv.Itoa(s.Steps))
		if w.steps == 1 {
			t = newTable("", ">step "+strconv.Itoa(s.Steps))
		}
		for i, label := range []string{"loss", "  align", "  kd", "  recon"}[:min(4, len(s.Losses))] {
			row := []string{label, fmt.Sprintf("%.4f", w.first.Losses[i]), fmt.Sprintf("%.4f", s.Losses[i])}
			t.add(row[:len(t.head)]...)
		}
		if err := t.print(stdout); err != nil {
			return err
		}
	}
	if s.Skipped > 0 {
		fmt.Fprintf(stdout, "skipped: %s could not be read and gave way to the next\n", count(s.Skipped, "clip"))
		printBad(stdout, "reasons", s.Bad)
	}
	fmt.Fprintf(stdout, "checkpoint: %s\n", media.Printable(s.Checkpoint))
	if s.Stopped {
		fmt.Fprintf(stdout, "stopped after %d of %d steps; to go on: xkd %s --resume --out %s\n", s.Steps, c.Train.Steps, f.cmd.Name(), media.Printable(f.out))
		return nil
	}
	if c.Tune.Modality != "" {
		return nil
	}
	_, err := fmt.Fprintf(stdout, "next: xkd probe %s\n", media.Printable(s.Checkpoint))
	return err
}
