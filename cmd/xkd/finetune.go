package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

// tuneFlags are the flags of `xkd finetune`.
type tuneFlags struct {
	trainFlags
	from, modality, network string
	weights                 []string
	frozen                  bool
	epochs, limit           int // of a protocol; 0 for none
	first                   int // steps done before
	expect                  *xkd.Protocol
	lacking                 bool // its set is not whole
}

func newFinetune() *cobra.Command {
	var f tuneFlags
	cmd := &cobra.Command{
		Use:   "finetune WEIGHTS",
		Short: "Fine-tune an encoder on labelled clips, and test it",
		Long: `Finetune puts a classifier on one encoder, trains both on labelled clips and tests them on others. WEIGHTS is what train
has written, a file or its folder, or released weights (.pth.tar or .safetensors). With --frozen the encoder stays as it
is: a linear probe. With --from scratch the same network begins with weights that know nothing, for comparison.

Clips are divided by their own split (train and test), by a fold in their names (--set tune.fold_name), or else at random,
two thirds and one. Progress, checkpoints and --resume are those of train.`,
		Example: `  xkd finetune runs/latest --data synthetic --modality video --clips 64
  xkd finetune runs/latest --data sounds/ --modality audio --out runs/sounds
  xkd finetune vid_student.pth.tar --data actions/ --modality video --set views.video.global.size=[224,224]
  xkd finetune runs/latest --from scratch --data sounds/ --modality audio --out runs/scratch`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return finetune(cmd, &f, args) },
	}
	f.cmd = cmd
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.String("data", "", "`path` of labelled clips: a folder, a list of files, shards or what xkd pack has written; or synthetic")
	fl.StringVar(&f.modality, "modality", "", "video or audio")
	fl.StringVar(&f.from, "from", fromWeights, "weights, or scratch for first weights of the same sizes")
	fl.StringVar(&f.network, "network", "student", "`network` to begin with: student or teacher")
	fl.BoolVar(&f.frozen, "frozen", false, "train the classifier alone: a linear probe")
	fl.String("label", "", "`column` of labels.csv (default its first)")
	fl.Int("fold", 1, foldUsage)
	fl.String("root", "", rootUsage)
	fl.Int("clips", 0, "labelled clips to train on; 0 means all")
	fl.Int("steps", 300, "steps to train; with --resume, the new total")
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.Uint64("seed", 0, "seed of the classifier's weights, the order and all augmentations")
	fl.Float64("lr", 1e-3, "highest learning rate")
	f.addFile(cmd)
	fl.StringArrayVar(&f.weights, "weights-set", nil, weightsUsage)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.StringVar(&f.tune, "tune", tuneCached, tuneUsage)
	fl.StringVar(&f.out, "out", filepath.Join("runs", "finetuned"), "output `folder`")
	fl.BoolVar(&f.resume, "resume", false, "go on from the checkpoint in --out, whose configuration holds")
	fl.IntVar(&f.saveEvery, "save-every", 500, "steps between checkpoints")
	fl.IntVar(&f.workers, "workers", 0, "goroutines that prepare clips; 0 means one per core")
	f.addPage(cmd)
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON line per step and one at the end")
	return cmd
}

func finetune(cmd *cobra.Command, f *tuneFlags, args []string) error {
	if err := f.refuse(args); err != nil {
		return err
	}
	c, weights, err := f.plan(cmd.ErrOrStderr(), args)
	if weights != nil {
		defer weights.Close()
	}
	if err != nil {
		return err
	}
	result, err := f.fit(cmd, c, weights)
	if err != nil || result == nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), result)
	}
	return printTest(cmd.OutOrStdout(), *result)
}

// refuse refuses what no run could have.
func (f *tuneFlags) refuse(args []string) error {
	switch {
	case f.resume && len(args) > 0:
		return usagef("--resume goes on from the checkpoint in --out: leave out %s", args[0])
	case !f.resume && len(args) == 0:
		return usagef("name the weights to begin with, such as runs/latest; with --from scratch their sizes alone are taken")
	case oneOf("from", f.from) != nil:
		return oneOf("from", f.from)
	case !f.resume && oneOf("modality", f.modality) != nil:
		return oneOf("modality", f.modality)
	case !f.resume && !f.cmd.Flags().Changed("data"):
		return usagef("--data is missing: name a folder of labelled clips, or synthetic")
	case oneOf("network", f.network) != nil:
		return oneOf("network", f.network)
	}
	if err := errors.Join(f.check(), f.watching.check()); err != nil {
		return err
	}
	return parseDevice(f.device)
}

// plan makes the configuration of a new run, or takes the checkpoint's, and opens the weights.
func (f *tuneFlags) plan(notes io.Writer, args []string) (c xkd.Config, weights *xkd.Loaded, err error) {
	if f.resume {
		if c, f.first, err = f.resumed(notes); err == nil && c.Tune.Modality == "" {
			err = fmt.Errorf("%s is a run that pretrains: go on with `xkd train --resume`", f.out)
		}
		return c, nil, err
	}
	if weights, err = openWeights(args[0], f.weights, notes); err != nil {
		return c, nil, err
	}
	m := xkd.Video
	if f.modality == xkd.Audio.String() {
		m = xkd.Audio
	}
	c = weights.Config.TuneFrom(m, 2)
	c.Train.Steps, c.Train.Batch = 300, 16
	if f.frozen {
		c = c.Probing()
	}
	if c, err = c.With(f.file, f.given()...); err != nil {
		return c, weights, f.explain(err)
	}
	return c, weights, xkd.PrepareFolder(f.out, false)
}

// testJSON is the outcome of a run.
type testJSON struct {
	Event    string `json:"event"`
	Modality string `json:"modality"`
	Frozen   bool   `json:"frozen"`
	From     string `json:"from"`
	Train    int    `json:"train"`
	Classes  int    `json:"classes"`
	Clips    int    `json:"clips"`
	Crops    int    `json:"crops"`
	*xkd.TestResult
	Chance     float64 `json:"chance"`
	MultiLabel bool    `json:"multi_label"`
}

// fit trains and tests; nil if it was stopped before.
func (f *tuneFlags) fit(cmd *cobra.Command, c xkd.Config, weights *xkd.Loaded) (*testJSON, error) {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	if dev, err = tuned(ctx, dev, f.tune, c, stderr); err != nil {
		return nil, err
	}
	train, test, err := f.openFold(ctx, &c, stderr)
	if err != nil {
		return nil, err
	}
	if f.epochs > 0 {
		c.Train.Steps = max(1, f.epochs*train.Len()/(c.Train.Batch*max(c.Train.Accumulate, 1)))
	}
	memory := needed(train, c, f.workers, dev)
	t, err := xkd.New(c, dev)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	from := f.from
	if weights != nil && f.from == fromWeights {
		r, err := role(f.network)
		if err != nil {
			return nil, err
		}
		if err := t.Begin(weights, r); err != nil {
			return nil, err
		}
		from = weights.Path
	}
	w := newWatcher(stdout, stderr, f.asJSON)
	s, err := f.run(cmd, t, train, w, memory, f.first)
	if err != nil {
		return nil, err
	}
	if err := f.report(stdout, w, s, c); err != nil || s.Stopped {
		return nil, err
	}
	r, err := t.Test(ctx, dev, test, counted(stderr, "testing: %d of %d batches"))
	if err != nil {
		return nil, err
	}
	printBad(stderr, "unreadable", r.Bad)
	return &testJSON{"test", c.Tune.Modality, c.Tune.Frozen, from, train.Len(), c.Tune.Classes, c.Tune.TestClips, c.Tune.TestCrops, r, media.Commonest(test), c.Tune.MultiLabel}, nil
}

// openFold opens and divides the clips, takes as many as --limit allows, and says how many there are.
func (f *tuneFlags) openFold(ctx context.Context, c *xkd.Config, notes io.Writer) (train, test media.Source, err error) {
	train, test, err = f.openTuning(ctx, c, notes)
	if err != nil {
		return nil, nil, err
	}
	train, test = thinned(train, f.limit), thinned(test, f.limit)
	fmt.Fprintf(notes, "classes:    %d; %s to train on, %d to test\n", c.Tune.Classes, count(train.Len(), "clip"), test.Len())
	return train, test, nil
}

// thinned takes so many clips, evenly over the source.
func thinned(src media.Source, n int) media.Source {
	if n <= 0 || n >= src.Len() {
		return src
	}
	few := media.Subset{Of: src}
	for i := range n {
		few.Indices = append(few.Indices, i*src.Len()/n)
	}
	return few
}

// openTuning opens labelled clips of the run's modality and divides them; the classes are entered into the configuration. Of a
// protocol's set it says what is missing.
func (f *tuneFlags) openTuning(ctx context.Context, c *xkd.Config, notes io.Writer) (train, test media.Source, err error) {
	if c.Data.Path == xkd.SyntheticData {
		g := c.Generated()
		if c.Tune.Clips > 0 {
			g.Clips = c.Tune.Clips
		}
		unseen := g
		unseen.Clips, unseen.Seed = 256, g.Seed+2_000_003 // others than a probe's too
		g.Seed += 1_000_003                               // not those of pretraining
		fmt.Fprintf(notes, "clips:      generated, difficulty %g, none of them in pretraining\n", g.Difficulty)
		c.Tune.Classes = g.Classes
		return synthetic.New(g), synthetic.New(unseen), nil
	}
	opt := views.OptionsFor(c.Spec())
	opt.LabelColumn, opt.Fold, opt.Root, opt.Split = c.Tune.Label, c.Data.Fold, c.Data.Root, c.Data.Split
	opt.NeedVideo, opt.NeedAudio = c.Tune.Modality == xkd.Video.String(), c.Tune.Modality == xkd.Audio.String()
	if p := f.expect; p != nil {
		opt.NeedVideo, opt.NeedAudio = slices.Contains(p.Modalities(), xkd.Video), slices.Contains(p.Modalities(), xkd.Audio)
	}
	fmt.Fprintf(notes, "looking through the files in %s\n", media.Printable(c.Data.Path))
	src, report, err := openShown(ctx, c.Data.Path, opt, notes)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(notes, "clips:      %d in %s\n", report.Good, media.Printable(c.Data.Path))
	f.sayRefused(notes, report, len(src.Classes()))
	if len(src.Classes()) < 2 {
		return nil, nil, fmt.Errorf("%w: fine-tuning needs two classes or more, as sub-folders or a labels.csv", xkd.ErrNoLabels)
	}
	c.Tune.Classes = len(src.Classes())
	fit, held, err := c.TuneSplit(src)
	if n := report.Good - report.Unlabeled - fit.Len() - held.Len(); err == nil && n > 0 && c.Tune.Clips == 0 {
		fmt.Fprintf(notes, "left aside: %s of other splits than train and test\n", count(n, "clip"))
	}
	return fit, held, err
}

// printTest prints what a test has come to.
func printTest(w io.Writer, r testJSON) error {
	what := "fine-tuned"
	if r.Frozen {
		what = "linear probe"
	}
	views := count(max(r.Clips, 1), "clip")
	if r.Crops > 1 && r.Modality == xkd.Video.String() {
		views += fmt.Sprintf(" x %d crops", r.Crops)
	}
	fmt.Fprintf(w, "\n%s, %s, from %s: %d samples of %d classes, %s each\n", r.Modality, what, media.Printable(r.From), r.Samples, r.Classes, views)
	if r.MultiLabel {
		_, err := fmt.Fprintf(w, "mean average precision %.1f\n", 100*r.MAP)
		return err
	}
	_, err := fmt.Fprintf(w, "top-1 %.1f %%, top-5 %.1f %%, cross-entropy %.3f; always naming the commonest class gives %.1f %%\n", 100*r.Top1, 100*r.Top5, r.Loss, 100*r.Chance)
	return err
}
