package main

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

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
paper's figure. It says what of the set is missing. A protocol is a readable file: --print shows it, --protocol takes another,
--set changes single settings. Without --weights the network begins with weights that know nothing.`,
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
			case p.Method == xkd.MethodSVM:
				return usagef("%s is a linear SVM on frozen features of both modalities, which eval does not run: xkd probe has one", p.Title)
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
	f.from = fromScratch
	if from != "" {
		if weights, err = xkd.LoadCheckpoint(checkpointAt(from), f.weights...); err != nil {
			return err
		}
		defer weights.Close()
		describeWeights(cmd.ErrOrStderr(), weights)
		c, f.from = weights.Config, fromWeights
	}
	whole := f.limit == 0 && f.epochs == 0 && only == 0
	if f.epochs == 0 {
		f.epochs = p.Epochs
	}
	f.expect = &p
	out := evalJSON{Event: "protocol", Protocol: p.Title, Paper: p.Paper, Whole: whole, Folds: []float64{}}
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
		if err := xkd.PrepareFolder(f.out, false); err != nil {
			return err
		}
		r, err := f.fit(cmd, run, weights)
		if err != nil || r == nil {
			return err
		}
		figure := 100 * r.Top1
		if r.MultiLabel {
			figure = 100 * r.MAP
		}
		out.Folds = append(out.Folds, figure)
		if f.asJSON {
			err = printJSON(cmd.OutOrStdout(), r)
		} else {
			err = printTest(cmd.OutOrStdout(), *r)
		}
		if err != nil {
			return err
		}
	}
	for _, v := range out.Folds {
		out.Mean += v / float64(len(out.Folds))
	}
	for _, v := range out.Folds {
		out.Std += (v - out.Mean) * (v - out.Mean) / float64(max(len(out.Folds)-1, 1))
	}
	out.Std = math.Sqrt(out.Std)
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), out)
	}
	part := ""
	if !whole {
		part = ", on a part of it: the figures are not to be compared"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s, %s: %.1f ± %.1f %%; the paper has %.1f %%%s\n", p.Title, count(len(out.Folds), "fold"), out.Mean, out.Std, p.Paper, part)
	return err
}

// sayMissing tells what of a protocol's set is not there.
func sayMissing(notes io.Writer, p xkd.Protocol, clips, classes int) {
	if p.Clips > 0 && clips < p.Clips {
		fmt.Fprintf(notes, "missing:    %d of the set's %d clips\n", p.Clips-clips, p.Clips)
	}
	if p.Classes > 0 && classes != p.Classes {
		fmt.Fprintf(notes, "missing:    the set has %d classes, and here are %d\n", p.Classes, classes)
	}
}
