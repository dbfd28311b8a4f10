package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
	"goxkd/xkd"
)

// dataFlags choose among the clips at a path, for all commands that read them alone.
type dataFlags struct {
	label, split, modality, root string
	fold, workers                int
}

// What flags of several commands say of themselves.
const (
	splitUsage = "take the clips of this `split` alone, such as train or test"
	foldUsage  = "split of UCF101 and HMDB51, test fold of ESC-50"
	rootUsage  = "`folder` that the paths of a list are below (default the list's own, or near it)"
)

// dataForms is what a path of clips may be, for help texts.
const dataForms = `The clips are those of a folder and its sub-folders; of tar shards in WebDataset's convention; of a list: a manifest
(CSV or TSV with a header, or JSON lines: path, label, split, start, end), a plain list (a path and a label per line), or
the lists of UCF101, HMDB51 and ESC-50. The paths of a list are below its own folder.`

func (f *dataFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.label, "label", "", "`column` of labels.csv or of the manifest (default its first, or label)")
	fl.StringVar(&f.split, "split", "", splitUsage)
	fl.IntVar(&f.fold, "fold", 1, foldUsage)
	fl.StringVar(&f.root, "root", "", rootUsage)
	fl.StringVar(&f.modality, "modality", "", "what clips must have: video or audio alone (default both)")
	fl.IntVar(&f.workers, "workers", 0, "files looked at side by side; 0 means one per core")
}

func (f *dataFlags) options(spec views.Spec) (media.FolderOptions, error) {
	opt := views.OptionsFor(spec)
	switch {
	case f.modality != "" && oneOf("modality", f.modality) != nil:
		return opt, oneOf("modality", f.modality)
	case f.fold < 1:
		return opt, usagef("--fold %d: give 1 or more", f.fold)
	case f.workers < 0:
		return opt, usagef("--workers %d: give 0 for one per core, or more", f.workers)
	}
	opt.LabelColumn, opt.Split, opt.Fold, opt.Root, opt.Workers = f.label, f.split, f.fold, f.root, f.workers
	opt.NeedVideo, opt.NeedAudio = f.modality != xkd.Audio.String(), f.modality != xkd.Video.String()
	return opt, nil
}

// readFlags are those of commands that read clips by one network.
type readFlags struct {
	data, device, network string
	set                   []string
	clips, batch          int
}

func (f *readFlags) add(cmd *cobra.Command, data, clips string) {
	fl := cmd.Flags()
	fl.StringVar(&f.data, "data", "", data)
	fl.StringVar(&f.network, "network", "student", networkUsage)
	fl.StringArrayVar(&f.set, "set", nil, weightsUsage)
	fl.StringVar(&f.device, "device", "auto", deviceUsage)
	fl.IntVar(&f.clips, "clips", 768, clips)
	fl.IntVar(&f.batch, "batch", 16, "clips at a time on the device")
}

// check refuses values that no command could have, and less than so many clips.
func (f *readFlags) check(least int) (xkd.Role, error) {
	switch {
	case f.batch < 1 || f.batch > 4096:
		return 0, usagef("--batch %d: give 1 to 4096", f.batch)
	case f.clips < least:
		return 0, usagef("--clips %d: give %d or more", f.clips, least)
	}
	return role(f.network)
}

// open opens the weights, the device and the clips. Without an error all are the caller's to close.
func (f *readFlags) open(ctx context.Context, path string, d dataFlags, notes io.Writer) (*xkd.Loaded, graph.Device, media.Source, error) {
	r, err := role(f.network)
	if err != nil {
		return nil, nil, nil, err
	}
	l, err := openWeights(path, f.set, notes)
	if err != nil {
		return nil, nil, nil, err
	}
	dev, err := openDevice(ctx, f.device, notes)
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	src, err := openClips(ctx, f.data, d, f.clips, l, r, notes)
	if err != nil {
		return nil, nil, nil, errors.Join(err, dev.Close(), l.Close())
	}
	return l, dev, src, nil
}
