package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"goxkd/ablate"
	"goxkd/device"
	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// ablateFlags are the flags of `xkd ablate`.
type ablateFlags struct {
	settings
	watching
	rows                           []string
	device, tune, out, test, label string
	seeds, parallel, clips, splits int
	asJSON, markdown               bool
}

func newAblate() *cobra.Command {
	var f ablateFlags
	cmd := &cobra.Command{
		Use:   "ablate",
		Short: "Train with parts left out, several seeds each, and compare what is learnt",
		Long: `Ablate trains one configuration in several ways on the same clips, each with several seeds, and judges all networks on the same
labelled clips beside untrained ones. Without --row the ways are the paper's: reconstruction alone, with distillation, with
alignment, all three, and all three without refinement.

Every run has a folder of its own in --out. What is finished is not done again: after Ctrl-C, or whatever else ended it, the same
command goes on. --out also gets the table as table.txt, table.md and table.json, and as a picture, table.png.

A row of --row is "name: a.b=value; c.d=value"; flags and --set are for all rows. Differences are marked where they exceed the
noise, two standard errors.`,
		Example: `  xkd ablate                                           # the paper's rows, nano network, generated clips
  xkd ablate --watch                                   # with a page of curves and pictures of all runs
  xkd ablate --row "small steps: optimizer.lr=3e-4" --row "large steps: optimizer.lr=3e-3" --steps 200 --out runs/rates
  xkd ablate --data videos/ --test labelled/ --label action --preset tiny --steps 20000 --markdown`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return ablation(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringArrayVar(&f.rows, "row", nil, "a `row` in place of the paper's: \"name: a.b=value; c.d=value\"; may be given again")
	fl.IntVar(&f.seeds, "seeds", 3, "trainings of each row, from --seed on")
	fl.IntVar(&f.parallel, "parallel", 0, "trainings at a time; 0 means one per core on the CPU path, and one on a GPU")
	fl.StringVar(&f.out, "out", filepath.Join("runs", "ablation"), "output `folder`; what is finished in it is kept")
	fl.StringVar(&f.test, "test", "", "`path` of labelled clips that judge (default those of training; generated ones are made anew, with another seed)")
	fl.StringVar(&f.label, "label", "", "`column` of labels.csv (default its first)")
	fl.IntVar(&f.clips, "clips", 768, "labelled clips used at most")
	fl.IntVar(&f.splits, "splits", 3, "splits of them into those that fit classifiers and those that judge them")
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.StringVar(&f.tune, "tune", tuneCached, tuneUsage)
	f.watching.add(cmd)
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	fl.BoolVar(&f.markdown, "markdown", false, "print the table in Markdown")
	f.addRun(cmd)
	return cmd
}

// options are what the flags ask for, without clips.
func (f *ablateFlags) options() (ablate.Options, error) {
	o := ablate.Options{Seeds: f.seeds, Parallel: f.parallel, Folder: f.out, TestClips: f.clips, Splits: f.splits, Rows: ablate.PaperRows()}
	for _, n := range []struct {
		flag         string
		value, least int
	}{{"seeds", f.seeds, 1}, {"parallel", f.parallel, 0}, {"splits", f.splits, 1}, {"clips", f.clips, 3}} {
		if n.value < n.least {
			return o, usagef("--%s %d: give %d or more", n.flag, n.value, n.least)
		}
	}
	switch {
	case f.out == "":
		return o, usagef("--out is empty: name a folder")
	case f.asJSON && f.markdown:
		return o, usagef("--json and --markdown: give one of them")
	case oneOf("tune", f.tune) != nil:
		return o, oneOf("tune", f.tune)
	}
	err := errors.Join(parseDevice(f.device), f.watching.check())
	if err != nil {
		return o, err
	}
	if o.Config, err = f.config(); err != nil {
		return o, err
	}
	if len(f.rows) > 0 {
		o.Rows = nil
		for _, text := range f.rows {
			r, err := ablate.ParseRow(text)
			if err != nil {
				return o, usagef("--row %w", err)
			}
			o.Rows = append(o.Rows, r)
		}
	}
	if err := o.Check(); err != nil {
		return o, usagef("--row: %s", oneLine(err))
	}
	return o, nil
}

func ablation(cmd *cobra.Command, f *ablateFlags) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	o, err := f.options()
	if err != nil {
		return err
	}
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	if o.Parallel == 0 {
		o.Parallel = ablate.ParallelOn(dev.Name() == device.CPU())
	}
	if dev, err = tuned(ctx, dev, f.tune, o.Config, stderr); err != nil {
		return err
	}
	if o.Clips, err = openTraining(ctx, o.Config, stderr); err != nil {
		return err
	}
	o.Config = planned(o.Config, o.Clips.Len(), stderr)
	if o.Test, o.TestName, err = f.openTest(ctx, o.Config, stderr); err != nil {
		return err
	}
	if err := f.watching.serve(ctx, stderr, o.Folders()...); err != nil {
		return err
	}
	o.Watch = func(folder string, c xkd.Config, done int, opt *xkd.RunOptions) (func() error, error) {
		held := heldOut(c, o.Clips)
		if f.test != "" {
			held = o.Test
		}
		return f.watching.apply(c, held, folder, done, opt)
	}
	w := newRunsWatcher(stderr)
	o.Event = w.event
	t, failed := ablate.Run(ctx, dev, o)
	w.clear()
	if t == nil || len(t.Results) == 0 {
		return failed
	}
	if err := writeTables(f.out, t); err != nil {
		return fmt.Errorf("--out %s: %w", f.out, err)
	}
	if ctx.Err() != nil {
		fmt.Fprintf(stderr, "stopped with %d of %d runs finished: %s has their table, and the same command goes on\n",
			w.last.Done, w.last.Of, media.Printable(f.out))
		return failed
	}
	switch {
	case f.asJSON:
		err = printJSON(stdout, ablateReport{t, t.Orders()})
	case f.markdown:
		err = printAblation(stdout, t, (*table).markdown)
	default:
		if err = printAblation(stdout, t, (*table).print); err == nil {
			_, err = fmt.Fprintf(stdout, "\n%s has the table as table.txt, table.md, table.json and table.png\n", media.Printable(f.out))
		}
	}
	return errors.Join(failed, err)
}

// openTest opens the clips that judge, and names them.
func (f *ablateFlags) openTest(ctx context.Context, c xkd.Config, notes io.Writer) (media.Source, string, error) {
	path, root, fold := f.test, "", 1
	if path == "" {
		path, root, fold = c.Data.Path, c.Data.Root, c.Data.Fold
	}
	if path != xkd.SyntheticData {
		src, err := openLabelled(ctx, path, probeFlags{label: f.label, root: root, fold: fold}, c.Spec(), notes)
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		return src, strings.TrimSpace(path + " " + f.label), err
	}
	if f.label != "" {
		return nil, "", usagef("--label is for files: generated clips have one set of labels")
	}
	cfg := c.Generated()
	cfg.Clips, cfg.Seed = f.clips, cfg.Seed+unseen
	name := fmt.Sprintf("generated, seed %d", cfg.Seed)
	fmt.Fprintf(notes, "judged by:  %d generated clips with seed %d, none of them in training\n", cfg.Clips, cfg.Seed)
	return synthetic.New(cfg), name, nil
}

// writeTables leaves the table in all its forms.
func writeTables(dir string, t *ablate.Table) error {
	for name, write := range map[string]func(io.Writer) error{
		"table.txt":  func(w io.Writer) error { return printAblation(w, t, (*table).print) },
		"table.md":   func(w io.Writer) error { return printAblation(w, t, (*table).markdown) },
		"table.json": func(w io.Writer) error { return printJSON(w, ablateReport{t, t.Orders()}) },
		"table.png":  ablationPicture(t).Write,
	} {
		if err := writePicture(filepath.Join(dir, name), drawn(write)); err != nil {
			return err
		}
	}
	return nil
}

// drawn is a picture, or a text, that a function writes.
type drawn func(io.Writer) error

func (d drawn) Write(w io.Writer) error { return d(w) }

// runsWatcher shows how far the runs are: a line that is redrawn on a terminal, elsewhere a line per run and now and then.
type runsWatcher struct {
	stderr  io.Writer
	tty     bool
	began   time.Time
	printed time.Time
	last    ablate.Event
	running []string // in the order in which they began
	at      map[string]xkd.Progress
	trained int // steps, in this call
}

func newRunsWatcher(stderr io.Writer) *runsWatcher {
	_, tty := terminalWidth(stderr)
	return &runsWatcher{stderr: stderr, tty: tty, began: time.Now(), printed: time.Now(), at: map[string]xkd.Progress{}}
}

func (w *runsWatcher) event(e ablate.Event) {
	w.last = e
	say := func(format string, args ...any) {
		w.clear()
		fmt.Fprintf(w.stderr, format+"\n", args...)
	}
	switch e.Kind {
	case ablate.Reused:
		say("%s: finished before", e.Run)
	case ablate.Noted:
		say("note: %s: %s", e.Run, clean(e.Note))
	case ablate.Started:
		w.at[e.Run] = e.Progress
		w.running = append(w.running, e.Run)
		if e.Progress.Step > 0 {
			say("%s: goes on after %d of %d steps", e.Run, e.Progress.Step, e.Progress.Steps)
		}
	case ablate.Stepped:
		w.at[e.Run] = e.Progress
		w.trained++
	case ablate.Done:
		w.running = removed(w.running, e.Run)
		say("%s: %s (%d of %d runs)", e.Run, brief(e.Result), e.Done, e.Of)
	}
	switch {
	case w.tty:
		width, _ := terminalWidth(w.stderr)
		fmt.Fprintf(w.stderr, "\r\x1b[K%s", w.line(width-1))
	case e.Kind == ablate.Stepped && time.Since(w.printed) >= lineEvery:
		say("%s", w.line(200))
		w.printed = time.Now()
	}
}

// clear removes the drawn line.
func (w *runsWatcher) clear() {
	if w.tty {
		fmt.Fprint(w.stderr, "\r\x1b[K")
	}
}

// line tells what is under way in at most width columns.
func (w *runsWatcher) line(width int) string {
	text := fmt.Sprintf("%d of %d runs done", w.last.Done, w.last.Of)
	if took := time.Since(w.began); w.trained > 0 {
		left := time.Duration(float64(took) / float64(w.trained) * float64(w.last.OfSteps-w.last.Steps))
		text += fmt.Sprintf(", %s steps/s, %s left", figure(float64(w.trained)/took.Seconds()), clock(left))
	}
	for _, name := range w.running {
		p := w.at[name]
		text += fmt.Sprintf("; %s: %d/%d", name, p.Step, p.Steps)
	}
	r := []rune(text)
	return string(r[:min(len(r), max(width, 0))])
}

func removed(list []string, name string) []string {
	var out []string
	for _, n := range list {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}

// brief has the students' accuracies of one run.
func brief(r *ablate.Result) string {
	var parts []string
	for _, s := range r.Scores {
		if s.Network == xkd.Student.String() {
			parts = append(parts, fmt.Sprintf("%s %s %.1f", s.Modality, s.Classifier, 100*xkd.NewScore(s.Values).Mean))
		}
	}
	return strings.Join(parts, ", ")
}
