package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"goxkd/media"
	"goxkd/xkd"
)

// syntheticData is the value of --data that stands for generated clips.
const syntheticData = "synthetic"

// refusalsShown bounds the refused files that are listed.
const refusalsShown = 3

// syntheticFor describes generated clips that are long and large enough for the media specification.
func syntheticFor(s media.Spec, seed uint64, difficulty float64) media.SyntheticConfig {
	return media.SyntheticConfig{
		Clips: 1024, Classes: 8, Difficulty: difficulty, Seed: seed,
		Seconds: max(3, s.Seconds+1), FPS: s.FPS, Size: max(64, s.Size), Rate: s.Rate,
	}
}

// openTraining opens a plan's clips and says what was found.
func openTraining(ctx context.Context, plan xkd.Plan, notes io.Writer) (media.Source, error) {
	if plan.Data == syntheticData {
		src := media.NewSynthetic(plan.Synthetic)
		fmt.Fprintf(notes, "clips:      %d generated, difficulty %g, seed %d\n", src.Len(), plan.Synthetic.Difficulty, plan.Synthetic.Seed)
		return src, nil
	}
	src, report, err := media.OpenFolder(ctx, plan.Data, media.OptionsFor(plan.Media))
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(notes, "clips:      %d in %s", report.Good, plan.Data)
	if report.Ignored > 0 {
		fmt.Fprintf(notes, " (%s left aside)", count(report.Ignored, "other file"))
	}
	fmt.Fprintln(notes)
	printBad(notes, "refused", report.Bad)
	return src, nil
}

// printBad lists the first bad files and counts the rest.
func printBad(w io.Writer, what string, bad []media.BadFile) {
	if len(bad) == 0 {
		return
	}
	fmt.Fprintf(w, "%-11s %s\n", what+":", count(len(bad), "file"))
	for _, b := range bad[:min(refusalsShown, len(bad))] {
		fmt.Fprintf(w, "  %s: %s\n", b.Path, b.Reason)
	}
	if n := len(bad) - refusalsShown; n > 0 {
		fmt.Fprintf(w, "  and %d more\n", n)
	}
}

// openProbe opens labelled clips for a probe. Generated ones are other clips than any of the checkpoints was trained on. A
// folder whose clips lack one modality is read for the other alone.
func openProbe(ctx context.Context, data, label string, clips int, checkpoints []*xkd.Loaded, notes io.Writer) (media.Source, error) {
	plan := checkpoints[0].Plan
	if data == syntheticData {
		if label != "" {
			return nil, usagef("--label %s: generated clips have one set of labels; leave it out", label)
		}
		cfg := plan.Synthetic
		if plan.Data != syntheticData {
			cfg = syntheticFor(plan.Media, 0, media.DefaultDifficulty)
		}
		cfg.Clips, cfg.Seed = clips, unseenSeed(checkpoints)
		fmt.Fprintf(notes, "clips: %d generated with seed %d, none of them in training\n", cfg.Clips, cfg.Seed)
		return media.NewSynthetic(cfg), nil
	}
	opt := media.OptionsFor(plan.Media)
	opt.LabelColumn = label
	var first error
	for _, need := range []struct {
		video, audio bool
		note         string
	}{{true, true, ""}, {true, false, "video alone, for want of clips with sound"}, {false, true, "sound alone, for want of clips with video"}} {
		opt.NeedVideo, opt.NeedAudio = need.video, need.audio
		src, report, err := media.OpenFolder(ctx, data, opt)
		if err == nil {
			fmt.Fprintf(notes, "clips: %d in %s\n", report.Good, data)
			if need.note != "" {
				fmt.Fprintf(notes, "note: %s\n", need.note)
			}
			printBad(notes, "refused", report.Bad)
			if report.Unlabeled > 0 {
				fmt.Fprintf(notes, "unlabelled: %s left aside\n", count(report.Unlabeled, "clip"))
			}
			return src, nil
		}
		first = errors.Join(first, err)
		if len(report.Bad) == 0 || ctx.Err() != nil {
			return nil, err
		}
		if u, ok := first.(interface{ Unwrap() []error }); ok {
			first = u.Unwrap()[0]
		}
	}
	return nil, first
}

// unseenSeed is a generator's seed that no checkpoint was trained with.
func unseenSeed(checkpoints []*xkd.Loaded) uint64 {
	const far = 1_000_003
	seed := checkpoints[0].Plan.Synthetic.Seed + far
	for again := true; again; {
		again = false
		for _, l := range checkpoints {
			if l.Plan.Synthetic.Seed == seed {
				seed, again = seed+far, true
			}
		}
	}
	return seed
}
