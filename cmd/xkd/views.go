package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/draw"
	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

// viewsFlags are the flags of `xkd views`.
type viewsFlags struct {
	out, preset string
	seed, epoch uint64
	step        int
	difficulty  float64
	short       bool
}

func newViews() *cobra.Command {
	var f viewsFlags
	cmd := &cobra.Command{
		Use:   "views FILE",
		Short: "Draw what the networks see of a clip",
		Long: `Views draws the global and local views of one clip, of its video and of its sound, as training makes them, and what
the masks leave visible of them: a PNG picture. FILE is a media file, or synthetic:INDEX for a generated clip.

Masks fall on places in a batch, whatever clip comes there: those drawn are the ones that training with the seed lays
on the first clip of a step.`,
		Example: `  xkd views clip.mp4
  xkd views clip.mp4 --preset base --epoch 3 --out base.png
  xkd views synthetic:5 --seed 1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("`%s` needs one media file, or synthetic:INDEX, and got %d; see `%s --help`", cmd.CommandPath(), len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return drawViews(cmd, f, args[0]) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.out, "out", "views.png", "`picture` to write")
	fl.StringVar(&f.preset, "preset", "nano", presetUsage)
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the views, of the masks and of the generated clips")
	fl.Uint64Var(&f.epoch, "epoch", 0, "epoch whose views are drawn, counted from 0")
	fl.IntVar(&f.step, "step", 1, "training step whose masks are drawn, counted from 1 as training prints it")
	fl.Float64Var(&f.difficulty, "difficulty", synthetic.DefaultDifficulty, "of the generated clips, from 0 to 1")
	fl.BoolVar(&f.short, "short", false, "draw the clip and what the masks leave visible of it alone")
	return cmd
}

func drawViews(cmd *cobra.Command, f viewsFlags, file string) error {
	ctx := cmd.Context()
	switch {
	case !strings.EqualFold(filepath.Ext(f.out), ".png"):
		return usagef("--out %q: the picture is a PNG: give a name that ends with .png", f.out)
	case f.step < 1:
		return usagef("--step %d: steps count from 1", f.step)
	case !(f.difficulty >= 0 && f.difficulty <= 1):
		return usagef("--difficulty %g: give a figure from 0 to 1", f.difficulty)
	}
	c, err := xkd.Default(f.preset, xkd.XKD)
	if err != nil {
		return usagef("--preset: %w", err)
	}
	c.Data.Synthetic.Seed, c.Data.Synthetic.Difficulty = f.seed, f.difficulty
	spec := c.Spec()
	src, index, err := openClip(ctx, file, c)
	if err != nil {
		return err
	}
	clip, err := views.Of(ctx, src, index, spec, f.seed, f.epoch)
	if err != nil {
		return err
	}
	picture := draw.Views{
		Title: src.Name(index),
		Note:  fmt.Sprintf("%g s from %.3f s on, epoch %d, seed %d, masks of step %d, preset %s", spec.Seconds, clip.Start, f.epoch, f.seed, f.step, f.preset),
		Short: f.short, Spec: spec, Clip: clip, VideoPatch: c.Views.Video.Patch, AudioPatch: c.Views.Audio.Patch,
		VideoVisible: c.Visible(xkd.Video, f.seed, f.step-1), AudioVisible: c.Visible(xkd.Audio, f.seed, f.step-1),
	}
	if err := writePicture(f.out, picture); err != nil {
		return fmt.Errorf("--out %s: %w", f.out, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), f.out)
	return nil
}

// openClip opens a media file, or a generated clip by its number.
func openClip(ctx context.Context, file string, c xkd.Config) (media.Source, int, error) {
	number, generated := strings.CutPrefix(file, xkd.SyntheticData+":")
	if !generated {
		src, err := corpus.OpenFile(ctx, file, views.OptionsFor(c.Spec()))
		if errors.Is(err, os.ErrNotExist) {
			return nil, 0, fmt.Errorf("%w, or synthetic:INDEX for a generated clip", err)
		}
		return src, 0, err
	}
	src := synthetic.New(c.Generated())
	index, err := strconv.Atoi(number)
	if err != nil || index < 0 || index >= src.Len() {
		return nil, 0, usagef("%s: give a number from 0 to %d after the colon", file, src.Len()-1)
	}
	return src, index, nil
}

// picture is what writes itself as a PNG.
type picture interface{ Write(io.Writer) error }

// writePicture draws beside the file and moves it there, so that a failure leaves what was there before.
func writePicture(path string, p picture) error {
	out, err := os.CreateTemp(filepath.Dir(path), ".picture-*.part")
	if err != nil {
		return fmt.Errorf("%w: name a file in a folder that exists and can be written", err)
	}
	defer os.Remove(out.Name()) // gone by then where all went well
	if err = p.Write(out); err == nil {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(out.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(out.Name(), path)
	}
	return err
}
