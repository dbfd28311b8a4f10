package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// trainFlags are the flags of `xkd train`.
type trainFlags struct {
	data, preset, variant, device, out string
	attention, teacherView             string
	steps, batch, saveEvery, workers   int
	seed                               uint64
	lr, difficulty                     float64
	cls, resume, asJSON, showConfig    bool
	config                             string
	choose                             xkd.Selection
}

// Help of the flags that fix a network, for all commands.
const (
	presetUsage      = "`size` of the networks: nano, tiny, tiny_h6, small, small_h12, base or large"
	variantUsage     = "`variant`: xkd (separate networks), xkd_mas (the students share blocks) or xkd_mats (the teachers too)"
	attentionUsage   = "cross-modal attention `weights`: mean or softmax"
	teacherViewUsage = "`view` that the teachers see: global (the paper) or local0 (the released code)"
)

func newTrain() *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Train on a folder of clips, or on generated ones",
		Long: `Train learns from clips with video and sound; labels are not used. Without --data it trains on generated clips.

The output folder gets checkpoint.safetensors, which holds the weights, the optimiser's state and the whole plan, and
metrics.jsonl with every loss of every step. Ctrl-C finishes the step, saves and says how to go on; a run that was stopped
and resumed ends with the same bits as one that was not.`,
		Example: `  xkd train                                        # nano network, generated clips
  xkd train --data videos/ --preset tiny --steps 20000 --batch 32 --out runs/mine
  xkd train --resume --out runs/mine               # go on where it stopped
  xkd train --preset base --show-config > mine.json; xkd train --preset base --config mine.json --data videos/`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return train(cmd, f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.data, "data", syntheticData, "`path` of clips with sound: a folder, a list of files, shards or what xkd pack has written; or synthetic for generated clips")
	fl.StringVar(&f.choose.Split, "split", "", splitUsage)
	fl.IntVar(&f.choose.Fold, "fold", 1, foldUsage)
	fl.StringVar(&f.choose.Root, "root", "", rootUsage)
	fl.StringVar(&f.preset, "preset", "nano", presetUsage)
	fl.StringVar(&f.variant, "variant", xkd.XKD, variantUsage)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.IntVar(&f.steps, "steps", 800, "steps to train; with --resume, the new total")
	fl.IntVar(&f.batch, "batch", 16, "clips per step")
	fl.StringVar(&f.out, "out", filepath.Join("runs", "latest"), "output `folder`")
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the weights, the order, the masks and the generated clips")
	fl.Float64Var(&f.lr, "lr", 0, "highest learning rate; 0 means the recipe's (nano: 1e-3, others: 1e-4)")
	fl.BoolVar(&f.resume, "resume", false, "go on from the checkpoint in --out, whose plan holds")
	fl.Float64Var(&f.difficulty, "difficulty", synthetic.DefaultDifficulty, "of the generated clips, from 0 to 1")
	fl.BoolVar(&f.cls, "cls", true, "networks have a class token")
	fl.StringVar(&f.attention, "attention", xkd.AttentionMean, attentionUsage)
	fl.StringVar(&f.teacherView, "teacher-view", xkd.TeacherGlobal, teacherViewUsage)
	fl.StringVar(&f.config, "config", "", "JSON `file` whose fields replace the preset's; flags given besides win over it")
	fl.BoolVar(&f.showConfig, "show-config", false, "print the whole configuration as JSON and stop")
	fl.IntVar(&f.saveEvery, "save-every", 500, "steps between checkpoints")
	fl.IntVar(&f.workers, "workers", 0, "goroutines that prepare clips; 0 means one per core")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON line per step and one at the end")
	return cmd
}

func train(cmd *cobra.Command, f trainFlags) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := f.check(); err != nil {
		return err
	}
	if err := parseDevice(f.device); err != nil {
		return err
	}
	if f.showConfig {
		return f.printConfig(cmd, stdout)
	}
	plan, err := f.plan(cmd)
	if err != nil {
		return err
	}
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	src, err := openTraining(ctx, plan, stderr)
	if err != nil {
		return err
	}
	if n := plan.Config.Batch; src.Len() < n {
		fmt.Fprintf(stderr, "note: %s for a batch of %d: clips come more than once in a batch; --batch takes fewer\n", count(src.Len(), "clip"), n)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w := newWatcher(stdout, stderr, f.asJSON)
	s, err := xkd.Run(ctx, dev, src, plan, xkd.RunOptions{
		Out: f.out, Resume: f.resume, Every: f.saveEvery, Workers: f.workers,
		Start: func(s xkd.Start) {
			fmt.Fprintf(stderr, "device:     %s, %s\n", s.Device, megabytes(s.Bytes))
			fmt.Fprintf(stderr, "network:    %s, %s, %s trainable parameters\n", plan.Preset, plan.Config.Variant, thousands(s.Parameters))
			fmt.Fprintf(stderr, "output:     %s\n", f.out)
			if s.First > 0 {
				fmt.Fprintf(stderr, "resumed:    %d of %d steps are done\n", s.First, s.Steps)
			}
		},
		Progress: w.progress,
	})
	w.clear()
	if err != nil {
		return err
	}
	return f.report(stdout, stderr, w, s, plan)
}

// check refuses values that no run could have.
func (f *trainFlags) check() error {
	switch {
	case f.steps < 1:
		return usagef("--steps %d: give 1 or more", f.steps)
	case f.batch < 1:
		return usagef("--batch %d: give 1 or more", f.batch)
	case f.saveEvery < 1:
		return usagef("--save-every %d: give 1 or more", f.saveEvery)
	case f.choose.Fold < 1:
		return usagef("--fold %d: give 1 or more", f.choose.Fold)
	case f.workers < 0:
		return usagef("--workers %d: give 0 for one per core, or more", f.workers)
	case !(f.lr >= 0 && f.lr <= 1):
		return usagef("--lr %g: give a rate above 0 and at most 1, or 0 for the recipe's", f.lr)
	case !(f.difficulty >= 0 && f.difficulty <= 1):
		return usagef("--difficulty %g: give a figure from 0 to 1", f.difficulty)
	case f.out == "":
		return usagef("--out is empty: name a folder")
	case f.data == "":
		return usagef("--data is empty: name a folder, or %s", syntheticData)
	}
	return nil
}

// plan makes the plan of a new run, or takes the checkpoint's.
func (f *trainFlags) plan(cmd *cobra.Command) (xkd.Plan, error) {
	if f.resume {
		if err := xkd.PrepareFolder(f.out, true); err != nil {
			return xkd.Plan{}, err
		}
		l, err := xkd.LoadCheckpoint(filepath.Join(f.out, xkd.CheckpointFile))
		if err != nil {
			return xkd.Plan{}, err
		}
		return f.resumed(cmd, l)
	}
	plan, err := f.fresh(cmd)
	if err != nil {
		return plan, err
	}
	return plan, xkd.PrepareFolder(f.out, false)
}

// printConfig shows every setting of the run that the flags describe.
func (f *trainFlags) printConfig(cmd *cobra.Command, stdout io.Writer) error {
	plan, err := f.fresh(cmd)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\n", text)
	return err
}

// readConfig replaces a plan's fields by those of a JSON file; unknown fields are refused, so that a slip of the pen does not
// pass for a setting.
func readConfig(path string, plan *xkd.Plan) error {
	file, err := os.Open(path)
	if err != nil {
		return usagef("--config: %w", err)
	}
	defer file.Close()
	d := json.NewDecoder(io.LimitReader(file, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(plan); err != nil {
		return usagef("--config %s: %w; --show-config prints the fields there are", path, err)
	}
	return nil
}

// fresh is the plan of a new run: the preset, then the configuration file, then the flags that were given.
func (f *trainFlags) fresh(cmd *cobra.Command) (xkd.Plan, error) {
	c, spec, err := xkd.Preset(f.preset)
	if err != nil {
		return xkd.Plan{}, usagef("--preset: %w", err)
	}
	if err := xkd.SetVariant(&c, &spec, f.variant); err != nil {
		return xkd.Plan{}, usagef("--variant: %w", err)
	}
	plan := xkd.Plan{
		Preset: f.preset, Data: f.data, Config: c, Media: spec,
		Recipe:    xkd.DefaultRecipe(f.preset, f.variant, f.steps, f.seed),
		Synthetic: syntheticFor(spec, f.seed, f.difficulty),
	}
	if f.config != "" {
		if err := readConfig(f.config, &plan); err != nil {
			return plan, err
		}
		plan.Config.Fit(plan.Media)
	}
	given := func(flag string) bool { return f.config == "" || cmd.Flags().Changed(flag) }
	if given("data") {
		plan.Data = f.data
	}
	if given("split") {
		plan.Select.Split = f.choose.Split
	}
	if given("fold") {
		plan.Select.Fold = f.choose.Fold
	}
	if given("root") {
		plan.Select.Root = f.choose.Root
	}
	if given("batch") {
		plan.Config.Batch = f.batch
	}
	if given("cls") {
		plan.Config.Cls = f.cls
	}
	if given("attention") {
		plan.Config.Attention = f.attention
	}
	if given("teacher-view") {
		plan.Config.TeacherView = f.teacherView
	}
	if given("steps") {
		plan.Recipe.Steps = f.steps
	}
	if given("seed") {
		plan.Recipe.Seed, plan.Synthetic.Seed = f.seed, f.seed
	}
	if given("difficulty") {
		plan.Synthetic.Difficulty = f.difficulty
	}
	if f.lr > 0 {
		plan.Recipe.LR.Base = f.lr
	}
	if plan.Data != syntheticData {
		plan.Synthetic = synthetic.Config{}
	}
	if err := plan.Validate(); err != nil {
		return plan, usageError{err}
	}
	return plan, nil
}

// resumed is a checkpoint's plan, with more steps or a folder that has moved where the flags say so. Every other flag must
// agree with it.
func (f *trainFlags) resumed(cmd *cobra.Command, l *xkd.Loaded) (xkd.Plan, error) {
	p := l.Plan
	if (p.Data == syntheticData) != (f.data == syntheticData) && cmd.Flags().Changed("data") {
		return p, usagef("--data %s contradicts the checkpoint, which was trained on %s: leave it out, or train anew with another --out", f.data, p.Data)
	}
	for _, c := range []struct {
		flag        string
		given, held any
	}{
		{"preset", f.preset, p.Preset}, {"variant", f.variant, p.Config.Variant}, {"batch", f.batch, p.Config.Batch},
		{"seed", f.seed, p.Recipe.Seed}, {"lr", f.lr, p.Recipe.LR.Base}, {"difficulty", f.difficulty, p.Synthetic.Difficulty},
		{"split", f.choose.Split, p.Select.Split}, {"fold", f.choose.Fold, p.Select.Fold},
		{"cls", f.cls, p.Config.Cls}, {"attention", f.attention, p.Config.Attention}, {"teacher-view", f.teacherView, p.Config.TeacherView},
	} {
		if cmd.Flags().Changed(c.flag) && c.given != c.held {
			return p, usagef("--%s %v contradicts the checkpoint, which has %v: leave it out, or train anew with another --out", c.flag, c.given, c.held)
		}
	}
	if cmd.Flags().Changed("data") {
		p.Data = f.data
	}
	if cmd.Flags().Changed("root") {
		p.Select.Root = f.choose.Root
	}
	if cmd.Flags().Changed("steps") && f.steps != p.Recipe.Steps {
		if f.steps <= l.Done {
			return p, usagef("--steps %d: the checkpoint has %d already; give more", f.steps, l.Done)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "note: the schedules, planned for %d steps, are stretched to %d\n", p.Recipe.Steps, f.steps)
		p.Recipe.Steps = f.steps
	}
	if l.Done >= p.Recipe.Steps {
		return p, fmt.Errorf("%s has all its %d steps: give more with --steps, or see what it has learnt: xkd probe %s", l.Path, l.Done, l.Path)
	}
	return p, nil
}

// report prints what a run came to and the command to type next.
func (f *trainFlags) report(stdout, stderr io.Writer, w *watcher, s *xkd.Summary, plan xkd.Plan) error {
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
		for i, label := range []string{"loss", "  align", "  kd", "  recon"} {
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
	fmt.Fprintf(stdout, "checkpoint: %s\n", s.Checkpoint)
	if s.Stopped {
		fmt.Fprintf(stdout, "stopped after %d of %d steps; to go on: xkd train --resume --out %s\n", s.Steps, plan.Recipe.Steps, f.out)
		return nil
	}
	_, err := fmt.Fprintf(stdout, "next: xkd probe %s\n", s.Checkpoint)
	return err
}
