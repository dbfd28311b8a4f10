package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/xkd"
)

// probeFlags are the flags of `xkd probe`.
type probeFlags struct {
	data, label, device, network string
	modality, root, split        string // split without a flag: a probe reads all
	seeds, clips, fold           int
	folds, spans                 int
	cs                           []float64
	raw, asJSON                  bool
	set                          []string
	any                          bool // clips without labels count too
}

func newProbe() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe CHECKPOINT...",
		Short: "Judge frozen features on labelled clips, beside untrained networks",
		Long: `Probe reads the features of frozen networks on labelled clips and classifies them with k nearest neighbours and with a
linear support vector machine: video, audio, and both joined (each brought to length 1 first). A CHECKPOINT is a file, or the
folder that train has written. The same is done with untrained networks: what counts is the gain over them. Several
checkpoints of one configuration are averaged.

The machine's C is picked on a part of the training clips. What the C that does best on the test clips gives, as the released
code reports, stands beside it: it flatters.

Labels come from labels.csv in the folder or its parent (header "clip,<columns...>,split"), or else from the names of the
sub-folders, or from a list of files. Without --data the clips are those of training; generated ones are made anew, with another seed.`,
		Example: `  xkd probe runs/latest
  xkd probe runs/*/checkpoint.safetensors --data videos/ --label action
  xkd probe runs/latest --data ESC-50/meta/esc50.csv --modality audio --folds 5 --spans 3 --raw   # the paper's kind of figure`,
		Args: someArgs("a checkpoint, such as runs/latest/checkpoint.safetensors"),
		RunE: func(cmd *cobra.Command, args []string) error { return probe(cmd, f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", "`path` of labelled clips: a folder, a list of files, shards or what xkd pack has written; or synthetic (default the checkpoint's)")
	fl.StringVar(&f.label, "label", "", "`column` of labels.csv (default its first)")
	fl.StringVar(&f.modality, "modality", "", "read video or audio alone (default both, or the one that the clips have)")
	fl.IntVar(&f.fold, "fold", 1, foldUsage)
	fl.IntVar(&f.folds, "folds", 1, "run folds 1 to this one of clips that come with several: mean and deviation over them")
	fl.IntVar(&f.spans, "spans", 1, "spans of a clip, evenly spaced: all are learned from, and a clip's scores averaged")
	fl.Float64SliceVar(&f.cs, "c", xkd.ProbeCs, "values of C that the linear SVM tries")
	fl.BoolVar(&f.raw, "raw", false, "leave the features as they are, as the paper does (default: mean and deviation of the training clips taken out)")
	fl.StringVar(&f.root, "root", "", rootUsage)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.IntVar(&f.seeds, "seeds", 3, "splits, and untrained networks")
	fl.IntVar(&f.clips, "clips", 768, "clips used at most")
	fl.StringVar(&f.network, "network", "student", "`network` whose features are judged: student or teacher")
	fl.StringArrayVar(&f.set, "set", nil, weightsUsage)
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	return cmd
}

func probe(cmd *cobra.Command, f probeFlags, paths []string) error {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	opt := xkd.ProbeOptions{Seeds: f.seeds, Clips: f.clips, Spans: f.spans, Cs: f.cs, Raw: f.raw}
	switch {
	case f.seeds < 1:
		return usagef("--seeds %d: give 1 or more", f.seeds)
	case f.fold < 1:
		return usagef("--fold %d: give 1 or more", f.fold)
	case f.folds < 1:
		return usagef("--folds %d: give 1 or more", f.folds)
	case f.folds > 1 && (cmd.Flags().Changed("fold") || cmd.Flags().Changed("seeds")):
		return usagef("--folds runs one after another: give it without --fold and --seeds")
	case f.spans < 1 || f.spans > 100:
		return usagef("--spans %d: give 1 to 100", f.spans)
	case len(f.cs) == 0 || slices.ContainsFunc(f.cs, func(c float64) bool { return !(c > 0 && c < 1e9) }):
		return usagef("--c %v: give numbers above 0", f.cs)
	case f.clips < 3:
		return usagef("--clips %d: give 3 or more", f.clips)
	case f.modality != "" && oneOf("modality", f.modality) != nil:
		return oneOf("modality", f.modality)
	}
	var err error
	if opt.Role, err = role(f.network); err != nil {
		return err
	}
	if err := parseDevice(f.device); err != nil {
		return err
	}
	var checkpoints []*xkd.Loaded
	for _, path := range paths {
		l, err := openWeights(path, f.set, stderr)
		if err != nil {
			return err
		}
		defer l.Close()
		checkpoints = append(checkpoints, l)
	}
	if f.data == "" && checkpoints[0].Released() {
		return usagef("%s does not say which clips it was trained on: give --data", checkpoints[0].Path)
	}
	data, trained := f.data, checkpoints[0].Data()
	if data == "" {
		data = trained.Path
		if f.root == "" {
			f.root = trained.Root
		}
		if data != xkd.SyntheticData {
			fmt.Fprintf(stderr, "note: without --data the clips are those that the checkpoint names: %s\n", named(data, f.root))
		}
	}
	if data == xkd.SyntheticData {
		// The checkpoint's clips may have been files; whether generated ones of its views can be held is not known yet.
		c := checkpoints[0].Config
		c.Data.Path = data
		if err := c.Validate(); err != nil {
			return fmt.Errorf("%s: %w", checkpoints[0].Path, err)
		}
	}
	if data != xkd.SyntheticData && filepath.Clean(data) == filepath.Clean(trained.Path) {
		fmt.Fprintln(stderr, "note: the networks have seen these clips in training, though not their labels")
	}
	dev, err := openDevice(ctx, f.device, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	src, err := openProbe(ctx, data, f, checkpoints, stderr)
	if err != nil {
		return err
	}
	for f.fold++; f.fold <= f.folds; f.fold++ {
		further, err := openProbe(ctx, data, f, checkpoints, io.Discard)
		if err != nil {
			return fmt.Errorf("fold %d: %w", f.fold, err)
		}
		opt.Folds = append(opt.Folds, further)
	}
	opt.Progress = counted(stderr, clipsRead)
	r, err := xkd.Probe(ctx, dev, src, checkpoints, opt)
	if err != nil {
		return err
	}
	printBad(stderr, "unreadable", r.Bad)
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), probeReport(r))
	}
	return printProbe(cmd.OutOrStdout(), r, f)
}

const clipsRead = "reading clips: %d of %d"

// counted shows on a terminal how far something is, by a format with two numbers; elsewhere it is nil.
func counted(notes io.Writer, format string) func(done, of int) {
	if _, tty := terminalWidth(notes); !tty {
		return nil
	}
	return func(done, of int) {
		fmt.Fprintf(notes, "\r\x1b[K"+format, done, of)
		if done == of {
			fmt.Fprint(notes, "\r\x1b[K")
		}
	}
}

// named is where clips lie, for people.
func named(path, root string) string {
	if root == "" {
		return media.Printable(path)
	}
	return fmt.Sprintf("%s, below %s", media.Printable(path), media.Printable(root))
}

// checkpointAt is the checkpoint that a path names, a file or a run's folder.
func checkpointAt(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, xkd.CheckpointFile)
	}
	return path
}

// openWeights opens what a path names, a file of weights or a run's folder, and says what of them was taken for granted.
func openWeights(path string, settings []string, notes io.Writer) (*xkd.Loaded, error) {
	l, err := xkd.LoadCheckpoint(checkpointAt(path), settings...)
	if err == nil {
		describeWeights(notes, l)
	}
	return l, err
}

const weightsUsage = "`setting` of weights that do not say it themselves, such as model.encoder.heads=6 (may be given again)"

// describeWeights says what was taken for granted of weights that another program wrote, and names what is left unused.
func describeWeights(w io.Writer, l *xkd.Loaded) {
	if l.Told() {
		return
	}
	c := l.Config
	fmt.Fprintf(w, "note: %s: %s; width %d, depth %d", media.Printable(l.Path), strings.Join(l.Encoders(), ", "), c.Model.Encoder.Dim, c.Model.Encoder.Depth)
	fmt.Fprintf(w, "; taken for granted, as weights do not tell: %d heads", c.Model.Encoder.Heads)
	if v := c.Views.Video; l.Has(xkd.Video, xkd.Student) || l.Has(xkd.Video, xkd.Teacher) {
		fmt.Fprintf(w, ", %d frames of %dx%d in patches of %dx%dx%d", v.Global.Frames, v.Global.Size[0], v.Global.Size[1], v.Patch[0], v.Patch[1], v.Patch[2])
	}
	if a := c.Views.Audio; l.Has(xkd.Audio, xkd.Student) || l.Has(xkd.Audio, xkd.Teacher) {
		fmt.Fprintf(w, ", log-mels of %dx%d in patches of %dx%d", a.Mels, a.Global.Frames, a.Patch[0], a.Patch[1])
	}
	fmt.Fprintln(w, " (change them by --set)")
	for _, rest := range []struct {
		what  string
		names []string
	}{{"tensors that the encoders do not use", l.Unused}, {"entries beside the weights", l.Skipped}} {
		if len(rest.names) > 0 {
			fmt.Fprintf(w, "note: %s: %d %s: %s\n", media.Printable(l.Path), len(rest.names), rest.what, media.Printable(strings.Join(rest.names, ", ")))
		}
	}
}

// openCheckpoint loads what is a checkpoint by its name, or nil where a path is none.
func openCheckpoint(path string) (*xkd.Loaded, error) {
	path = checkpointAt(path)
	if !slices.Contains([]string{filepath.Ext(xkd.CheckpointFile), ".pth", ".tar", ".pt"}, filepath.Ext(path)) {
		return nil, nil
	}
	return xkd.LoadCheckpoint(path)
}

// probeJSON adds the gains to a result.
type probeJSON struct {
	*xkd.ProbeResult
	Gains []gainJSON `json:"gains"` // by row
}

type gainJSON struct {
	Gain  float64 `json:"gain"`
	Noise float64 `json:"noise"` // a smaller gain is within noise
	Clear bool    `json:"clear"`
}

func probeReport(r *xkd.ProbeResult) probeJSON {
	out := probeJSON{ProbeResult: r, Gains: []gainJSON{}}
	for _, row := range r.Rows {
		gain, noise := r.Gain(row)
		out.Gains = append(out.Gains, gainJSON{gain, noise, gain > noise})
	}
	return out
}

func printProbe(w io.Writer, r *xkd.ProbeResult, f probeFlags) error {
	over := count(f.seeds, "seed")
	if f.folds > 1 {
		over = count(f.folds, "fold")
	}
	fmt.Fprintf(w, "%s features, %d classes: %d clips to fit, %d to test, %s\n\n", f.network, len(r.Classes), r.Train, r.Test, over)
	t := newTable("accuracy in %", "classifier", ">trained", ">untrained", ">gain", ">chance", ">C picked on test clips")
	for _, row := range r.Rows {
		gain, noise := r.Gain(row)
		onTest := ""
		if row.OnTest != nil {
			onTest = percent(*row.OnTest)
		}
		t.add(row.Modality, row.Classifier, percent(row.Trained), percent(row.Untrained),
			fmt.Sprintf("%+.1f (noise %.1f)", 100*gain, 100*noise), fmt.Sprintf("%.1f", 100*r.Chance), onTest)
	}
	if err := t.print(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict(r))
	return err
}

// percent writes a score; without a spread over seeds there is none to show.
func percent(s xkd.Score) string {
	if s.Std == 0 {
		return fmt.Sprintf("%.1f", 100*s.Mean)
	}
	return fmt.Sprintf("%.1f ± %.1f", 100*s.Mean, 100*s.Std)
}

// verdict says in one sentence what training has moved and what not.
func verdict(r *xkd.ProbeResult) string {
	var better, worse, same []string
	for _, row := range r.Rows {
		gain, noise := r.Gain(row)
		name := fmt.Sprintf("%s %s", row.Modality, row.Classifier)
		switch {
		case gain > noise:
			better = append(better, fmt.Sprintf("%s by %.1f points", name, 100*gain))
		case gain < -noise:
			worse = append(worse, fmt.Sprintf("%s by %.1f points", name, -100*gain))
		default:
			same = append(same, name)
		}
	}
	var parts []string
	if len(better) > 0 {
		parts = append(parts, "training improved "+list(better))
	}
	if len(worse) > 0 {
		parts = append(parts, "training made worse "+list(worse))
	}
	if len(same) > 0 {
		parts = append(parts, "no clear gain for "+list(same)+" (the difference is within noise)")
	}
	s := strings.Join(parts, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// list joins names as a sentence does.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
