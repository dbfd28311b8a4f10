package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

// How many refused files are listed: of a data set of one's own, and of one that is known, of which all should be there.
const (
	refusalsShown = 3
	missingShown  = 10
)

// openTraining opens a run's clips and says what was found.
func openTraining(ctx context.Context, c xkd.Config, notes io.Writer) (media.Source, error) {
	if c.Data.Path == xkd.SyntheticData {
		src := synthetic.New(c.Generated())
		fmt.Fprintf(notes, "clips:      %d generated, difficulty %g, seed %d\n", src.Len(), c.Data.Synthetic.Difficulty, c.Data.Synthetic.Seed)
		return src, nil
	}
	fmt.Fprintf(notes, "looking through the files in %s\n", media.Printable(c.Data.Path))
	opt := views.OptionsFor(c.Spec())
	opt.Split, opt.Fold, opt.Root = c.Data.Split, c.Data.Fold, c.Data.Root
	opt.NeedVideo, opt.NeedAudio = c.Train.Modality != xkd.Audio.String(), c.Train.Modality != xkd.Video.String()
	src, report, err := openShown(ctx, c.Data.Path, opt, notes)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(notes, "clips:      %d in %s", report.Good, media.Printable(c.Data.Path))
	if report.Ignored > 0 {
		fmt.Fprintf(notes, " (%s left aside)", count(report.Ignored, "other file"))
	}
	fmt.Fprintln(notes)
	printBad(notes, "refused", report.Bad)
	printBad(notes, "remarks", report.Remarks)
	return src, nil
}

// openShown opens clips and shows on a terminal how far it has come.
func openShown(ctx context.Context, path string, opt media.FolderOptions, notes io.Writer) (media.Corpus, *media.Report, error) {
	opt.Progress = lookedAt(notes)
	return corpus.Open(ctx, path, opt)
}

// redrawEvery bounds how often a line is drawn anew.
const redrawEvery = 100 * time.Millisecond

// lookedAt draws a bar of the files that were looked at, on a terminal alone: elsewhere it is nil.
func lookedAt(notes io.Writer) func(done, total int) {
	width, tty := terminalWidth(notes)
	if !tty {
		return nil
	}
	began, drawn := time.Now(), time.Time{}
	return func(done, total int) {
		switch now := time.Now(); {
		case done >= total:
			fmt.Fprint(notes, "\r\x1b[K")
		case now.Sub(drawn) >= redrawEvery:
			drawn = now
			fmt.Fprintf(notes, "\r\x1b[K%s", lookBar(done, total, time.Since(began), width-1))
		}
	}
}

// lookBar draws how many files were looked at, in one line of at most width columns.
func lookBar(done, total int, took time.Duration, width int) string {
	const cells = 16
	full := cells * done / max(total, 1)
	text := fmt.Sprintf("[%s%s] %d/%d files", strings.Repeat("=", full), strings.Repeat(" ", cells-full), done, total)
	if s := took.Seconds(); done > 0 && s >= 1 {
		text += fmt.Sprintf("  %s files/s, %s left", figure(float64(done)/s), clock(time.Duration(float64(took)/float64(done)*float64(total-done))))
	}
	return text[:min(len(text), max(width, 0))]
}

// printBad lists the first bad files and counts the rest.
func printBad(w io.Writer, what string, bad []media.BadFile) { printFirst(w, what, bad, refusalsShown) }

// printFirst lists so many of the bad files and counts the rest.
func printFirst(w io.Writer, what string, bad []media.BadFile, shown int) {
	if len(bad) == 0 {
		return
	}
	fmt.Fprintf(w, "%-11s %s\n", what+":", count(len(bad), "file"))
	for _, b := range bad[:min(shown, len(bad))] {
		fmt.Fprintf(w, "  %s: %s\n", media.Printable(b.Path), media.Printable(b.Reason))
	}
	if n := len(bad) - shown; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
}

// openProbe opens labelled clips for a probe. Generated ones are other clips than any of the checkpoints was trained on.
func openProbe(ctx context.Context, data string, f probeFlags, checkpoints []*xkd.Loaded, notes io.Writer) (media.Source, error) {
	c := checkpoints[0].Config
	if data != xkd.SyntheticData {
		return openLabelled(ctx, data, f, c.Spec(), notes)
	}
	if f.label != "" || f.modality != "" || f.root != "" || f.fold != 1 || f.folds != 1 {
		return nil, usagef("--label, --modality, --fold, --folds and --root are for files: generated clips have one set of labels and both modalities")
	}
	cfg := c.Generated()
	cfg.Clips, cfg.Seed = f.clips, unseenSeed(checkpoints)
	fmt.Fprintf(notes, "clips: %d generated with seed %d, none of them in training\n", cfg.Clips, cfg.Seed)
	return synthetic.New(cfg), nil
}

// openClips opens clips to be read by one network: what --data names, or else the clips of its training.
func openClips(ctx context.Context, data string, d dataFlags, clips int, l *xkd.Loaded, r xkd.Role, notes io.Writer) (media.Source, error) {
	if _, err := d.options(l.Config.Spec()); err != nil {
		return nil, err
	}
	if data == "" && l.Released() {
		return nil, usagef("%s does not say which clips it was trained on: give --data", l.Path)
	}
	if data == "" {
		data = l.Data().Path
		if d.root == "" {
			d.root = l.Data().Root
		}
		fmt.Fprintf(notes, "note: without --data the clips are those that the checkpoint names: %s\n", named(data, d.root))
	}
	if video, audio := l.Has(xkd.Video, r), l.Has(xkd.Audio, r); d.modality == "" && video != audio && data != xkd.SyntheticData {
		d.modality = xkd.Audio.String()
		if video {
			d.modality = xkd.Video.String()
		}
	}
	f := probeFlags{label: d.label, modality: d.modality, root: d.root, split: d.split, fold: d.fold, folds: 1, clips: clips, any: true}
	return openProbe(ctx, data, f, []*xkd.Loaded{l}, notes)
}

// openLabelled opens clips for a probe. Where its clips lack one modality they are read for the other alone, unless the
// flags say which.
func openLabelled(ctx context.Context, dir string, f probeFlags, spec views.Spec, notes io.Writer) (media.Source, error) {
	opt := views.OptionsFor(spec)
	opt.LabelColumn, opt.Fold, opt.Root, opt.Split = f.label, f.fold, f.root, f.split
	opt.NeedVideo, opt.NeedAudio = f.modality != xkd.Audio.String(), f.modality != xkd.Video.String()
	fmt.Fprintf(notes, "looking through the files in %s\n", media.Printable(dir))
	src, report, err := openShown(ctx, dir, opt, notes)
	if err != nil && f.modality == "" && len(report.Bad) > 0 && ctx.Err() == nil {
		// What the first file lacks most likely none has.
		var lack media.LackError
		opt.NeedVideo = !errors.As(report.Bad[0].Err, &lack) || !lack.Video
		opt.NeedAudio = !opt.NeedVideo
		have := xkd.Audio
		if opt.NeedVideo {
			have = xkd.Video
		}
		fmt.Fprintf(notes, "note: no clip with both video and sound; reading %s alone\n", have)
		both := err
		if src, report, err = openShown(ctx, dir, opt, notes); err != nil {
			return nil, both
		}
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(notes, "clips: %d in %s\n", report.Good, media.Printable(dir))
	printBad(notes, "refused", report.Bad)
	printBad(notes, "remarks", report.Remarks)
	if report.Unlabeled > 0 && !f.any {
		fmt.Fprintf(notes, "unlabelled: %s left aside\n", count(report.Unlabeled, "clip"))
	}
	return src, nil
}

// unseen leads from a generator's seed to one that nobody is likely to train with.
const unseen = 1_000_003

// unseenSeed is a generator's seed that no checkpoint was trained with.
func unseenSeed(checkpoints []*xkd.Loaded) uint64 {
	seed := checkpoints[0].Config.Data.Synthetic.Seed + unseen
	for again := true; again; {
		again = false
		for _, l := range checkpoints {
			if l.Config.Data.Synthetic.Seed == seed {
				seed, again = seed+unseen, true
			}
		}
	}
	return seed
}
