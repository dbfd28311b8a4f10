package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/xkd"
)

func newEval() *cobra.Command {
	var f tuneFlags
	var weights, root, protocol string
	var fold int
	var show bool
	cmd := &cobra.Command{
		Use:   "eval " + strings.Join(xkd.Protocols(), "|"),
		Short: "Run a row of the paper's results on a data set, beside the paper's figure",
		Long: `Eval runs one of the paper's protocols: its splits, clips and settings, fold by fold, and prints what comes out beside the
paper's figure: fine-tuning (ucf101), linear probes (kinetics400_linear) and linear support vector machines (ucf101_svm,
kinetics_sound). It says what of the set is missing. A protocol is a readable file: --print shows it, --protocol takes another,
--set changes single settings. Without --weights the base network begins with weights that know nothing; --from scratch gives
such to a network of the sizes that --weights has, for comparison.`,
		Example: `  xkd eval esc50 --print
  xkd eval esc50 --root ESC-50/ --weights aud_student.pth.tar
  xkd eval esc50 --root sounds/ --weights runs/latest --limit 40 --epochs 5    # a try`,
		Args:              someArgs("a protocol: " + strings.Join(xkd.Protocols(), ", ")),
		ValidArgsFunction: firstOf(xkd.Protocols),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("name one protocol, not %s", strings.Join(args, " and "))
			}
			if show {
				text, err := xkd.ProtocolText(args[0])
				if err != nil {
					return usagef("%w", err)
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			p, err := xkd.ReadProtocol(args[0], protocol)
			switch {
			case err != nil:
				return usagef("%w", err)
			case root == "":
				return usagef("--root is missing: name the folder of the data set")
			case p.Method == xkd.MethodSVM && f.epochs != 0:
				return usagef("--epochs is for training: %s has none", p.Title)
			case oneOf("from", f.from) != nil:
				return oneOf("from", f.from)
			case f.limit < 0 || f.epochs < 0 || fold < 0 || fold > p.Folds:
				return usagef("--limit, --epochs and --fold must not be negative, and --fold be at most %d", p.Folds)
			}
			return eval(cmd, &f, p, weights, root, fold)
		},
	}
	f.cmd = cmd
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&root, "root", "", "`folder` of the data set")
	fl.StringVar(&weights, "weights", "", "`path` of the weights to begin with (default first weights of the base network)")
	fl.StringVar(&f.from, "from", fromWeights, "weights, or scratch for first weights of the same sizes")
	fl.StringVar(&f.network, "network", "student", "`network` to begin with: student or teacher")
	fl.IntVar(&f.limit, "limit", 0, "clips to train on, and to test, at most; 0 means all")
	fl.IntVar(&f.epochs, "epochs", 0, "epochs in place of the protocol's")
	fl.IntVar(&fold, "fold", 0, "run this fold alone; 0 means all")
	fl.BoolVar(&show, "print", false, "print the protocol and end")
	fl.StringVar(&protocol, "protocol", "", "`file` in place of the built-in protocol")
	fl.StringArrayVar(&f.set, "set", nil, "one `setting`, such as train.batch=8, over the protocol's; may be given again")
	fl.StringArrayVar(&f.weights, "weights-set", nil, weightsUsage)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.StringVar(&f.tune, "tune", tuneCached, tuneUsage)
	fl.StringVar(&f.out, "out", filepath.Join("runs", "eval"), "output `folder`; a folder for each fold is made in it")
	fl.IntVar(&f.saveEvery, "save-every", 500, "steps between checkpoints")
	fl.IntVar(&f.workers, "workers", 0, "goroutines that prepare clips; 0 means one per core")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON line per step, and JSON documents of the results")
	return cmd
}

// evalJSON is a protocol's outcome.
type evalJSON struct {
	Event    string    `json:"event"`
	Protocol string    `json:"protocol"`
	Folds    []float64 `json:"folds"` // in %
	Mean     float64   `json:"mean"`
	Std      float64   `json:"std"`
	Paper    float64   `json:"paper"`
	Whole    bool      `json:"whole"` // all of the set, all epochs and folds
}

func eval(cmd *cobra.Command, f *tuneFlags, p xkd.Protocol, from, root string, only int) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := parseDevice(f.device); err != nil {
		return err
	}
	c, err := xkd.Default("base", xkd.XKD)
	if err != nil {
		return err
	}
	var weights *xkd.Loaded
	if from == "" {
		f.from = fromScratch
	} else {
		if weights, err = openWeights(from, f.weights, cmd.ErrOrStderr()); err != nil {
			return err
		}
		defer weights.Close()
		c = weights.Config
	}
	whole := f.limit == 0 && f.epochs == 0 && only == 0
	if f.epochs == 0 {
		f.epochs = p.Epochs
	}
	f.expect = &p
	out := evalJSON{Event: "protocol", Protocol: p.Title, Paper: p.Paper, Folds: []float64{}}
	base := f.out
	for fold := 1; fold <= p.Folds; fold++ {
		if only > 0 && fold != only {
			continue
		}
		run, err := p.Config(c, append([]string{"data.path=" + root, fmt.Sprintf("data.fold=%d", fold)}, f.set...)...)
		if err != nil {
			return f.explain(err)
		}
		f.out = filepath.Join(base, fmt.Sprintf("fold%d", fold))
		one := f.tuneFold
		if p.Method == xkd.MethodSVM {
			one = f.svmFold
		}
		figure, err := one(cmd, run, weights)
		if errors.Is(err, errStopped) {
			return nil
		}
		if err != nil {
			return err
		}
		out.Folds = append(out.Folds, 100*figure)
	}
	for _, v := range out.Folds {
		out.Mean += v / float64(len(out.Folds))
	}
	for _, v := range out.Folds {
		out.Std += (v - out.Mean) * (v - out.Mean) / float64(max(len(out.Folds)-1, 1))
	}
	out.Std = math.Sqrt(out.Std)
	out.Whole = whole && !f.lacking
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), out)
	}
	part := ""
	if !out.Whole {
		part = ", on a part of it: the figures are not to be compared"
	}
	spread := ""
	if len(out.Folds) > 1 {
		spread = fmt.Sprintf(" ± %.1f", out.Std)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s, %s: %.1f%s %%; the paper has %.1f %%%s\n", p.Title, count(len(out.Folds), "fold"), out.Mean, spread, p.Paper, part)
	return err
}

// errStopped ends a protocol whose run was stopped and saved, and has said how to go on.
var errStopped = errors.New("stopped")

// tuneFold trains and tests one fold; the figure is a share.
func (f *tuneFlags) tuneFold(cmd *cobra.Command, c xkd.Config, weights *xkd.Loaded) (figure float64, err error) {
	if err := xkd.PrepareFolder(f.out, false); err != nil {
		return 0, err
	}
	r, err := f.fit(cmd, c, weights)
	switch {
	case err != nil:
		return 0, err
	case r == nil:
		return 0, errStopped
	case f.asJSON:
		err = printJSON(cmd.OutOrStdout(), r)
	default:
		err = printTest(cmd.OutOrStdout(), *r)
	}
	if r.MultiLabel {
		return r.MAP, err
	}
	return r.Top1, err
}

// svmFold judges frozen features on one fold; the figure is the share of the last row: of both modalities, where there are two.
func (f *tuneFlags) svmFold(cmd *cobra.Command, c xkd.Config, weights *xkd.Loaded) (figure float64, err error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return 0, err
	}
	defer dev.Close()
	train, test, err := f.openFold(ctx, &c, stderr)
	if err != nil {
		return 0, err
	}
	r, err := role(f.network)
	if err != nil {
		return 0, err
	}
	if f.from == fromScratch {
		weights = nil
	}
	rows, bad, err := xkd.SVM(ctx, dev, c, weights, train, test, xkd.SVMOptions{
		Role: r, Modalities: f.expect.Modalities(), TrainClips: f.expect.TrainClips, TestClips: f.expect.TestClips, Cs: f.expect.Cs,
		Seed: c.Train.Seed, Progress: counted(stderr, "reading features: %d of %d batches"),
	})
	if err != nil {
		return 0, err
	}
	printBad(stderr, "unreadable", bad)
	figure = rows[len(rows)-1].Top1
	if f.asJSON {
		return figure, printJSON(cmd.OutOrStdout(), struct {
			Event string       `json:"event"`
			Fold  int          `json:"fold"`
			Rows  []xkd.SVMRow `json:"rows"`
		}{"svm", c.Data.Fold, rows})
	}
	t := newTable("fold", "features", ">top-1 %", ">C", ">C picked on test clips", ">to fit", ">to test")
	for _, row := range rows {
		t.add(fmt.Sprint(c.Data.Fold), row.Modality, fmt.Sprintf("%.1f", 100*row.Top1), fmt.Sprintf("%g", row.C), fmt.Sprintf("%.1f", 100*row.OnTest), fmt.Sprint(row.Train), fmt.Sprint(row.Test))
	}
	return figure, t.print(cmd.OutOrStdout())
}

// sayRefused lists files that cannot be used, and tells what of a protocol's set, where there is one, is not there.
func (f *tuneFlags) sayRefused(notes io.Writer, report *media.Report, classes int) {
	shown := refusalsShown
	if p := f.expect; p != nil {
		shown = missingShown
		if n := p.Clips - report.Good; p.Clips > 0 && n > 0 {
			fmt.Fprintf(notes, "missing:    %d of the set's %d clips\n", n, p.Clips)
			f.lacking = true
		}
		if p.Classes > 0 && classes != p.Classes {
			fmt.Fprintf(notes, "missing:    the set has %d classes, and here are %d\n", p.Classes, classes)
			f.lacking = true
		}
	}
	printFirst(notes, "refused", report.Bad, shown)
	printBad(notes, "remarks", report.Remarks)
}
