package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/draw"
	"goxkd/media"
	"goxkd/xkd"
)

// viewsFlags are the flags of `xkd views`.
type viewsFlags struct {
	out, preset string
	seed, epoch uint64
	difficulty  float64
}

func newViews() *cobra.Command {
	var f viewsFlags
	cmd := &cobra.Command{
		Use:   "views FILE",
		Short: "Draw what the networks see of a clip",
		Long: `Views draws the global and local views of one clip, of its video and of its sound, as training makes them, and what
the masks leave visible of them: a PNG picture. FILE is a media file, or synthetic:INDEX for a generated clip.`,
		Example: `  xkd views clip.mp4
  xkd views clip.mp4 --preset base --epoch 3 --out base.png
  xkd views synthetic:5 --seed 1`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("`%s` needs one media file, or synthetic:INDEX, and got %d; see `%s --help`", cmd.CommandPath(), len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return views(cmd, f, args[0]) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.out, "out", "views.png", "`picture` to write")
	fl.StringVar(&f.preset, "preset", "nano", presetUsage)
	fl.Uint64Var(&f.seed, "seed", 0, "seed of the views, of the masks and of the generated clips")
	fl.Uint64Var(&f.epoch, "epoch", 0, "epoch whose views are drawn, counted from 0")
	fl.Float64Var(&f.difficulty, "difficulty", media.DefaultDifficulty, "of the generated clips, from 0 to 1")
	return cmd
}

func views(cmd *cobra.Command, f viewsFlags, file string) error {
	ctx := cmd.Context()
	switch {
	case !strings.EqualFold(filepath.Ext(f.out), ".png"):
		return usagef("--out %q: the picture is a PNG: give a name that ends with .png", f.out)
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
	clip, err := media.ViewsOf(ctx, src, index, spec, f.seed, f.epoch)
	if err != nil {
		return err
	}
	picture := draw.Views{
		Title: src.Name(index),
		Note:  fmt.Sprintf("%g s from %.3f s on, epoch %d, seed %d, preset %s", spec.Seconds, clip.Start, f.epoch, f.seed, f.preset),
		Spec:  spec, Clip: clip, VideoPatch: c.Views.Video.Patch, AudioPatch: c.Views.Audio.Patch,
		VideoVisible: visible(c.VideoTokens(), c.Views.Video.Mask, f, index, xkd.Video),
		AudioVisible: visible(c.AudioTokens(), c.Views.Audio.Mask, f, index, xkd.Audio),
	}
	if err := writePicture(f.out, picture); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), f.out)
	return nil
}

// openClip opens a media file, or a generated clip by its number.
func openClip(ctx context.Context, file string, c xkd.Config) (media.Source, int, error) {
	number, generated := strings.CutPrefix(file, xkd.SyntheticData+":")
	if !generated {
		src, err := media.OpenFile(ctx, file, media.OptionsFor(c.Spec()))
		if errors.Is(err, os.ErrNotExist) {
			return nil, 0, fmt.Errorf("%w, or synthetic:INDEX for a generated clip", err)
		}
		return src, 0, err
	}
	src := media.NewSynthetic(c.Generated())
	index, err := strconv.Atoi(number)
	if err != nil || index < 0 || index >= src.Len() {
		return nil, 0, usagef("%s: give a number from 0 to %d after the colon", file, src.Len()-1)
	}
	return src, index, nil
}

// visible draws a mask: of one number per patch, the least stay.
func visible(patches int, ratio float64, f viewsFlags, index int, m xkd.Modality) []bool {
	r := rand.New(rand.NewPCG(f.seed^uint64(m)<<63, f.epoch<<32^uint64(index)))
	noise, order := make([]float32, patches), make([]int, patches)
	for i := range noise {
		noise[i], order[i] = r.Float32(), i
	}
	sort.SliceStable(order, func(a, b int) bool { return noise[order[a]] < noise[order[b]] })
	seen := make([]bool, patches)
	for _, i := range order[:xkd.Kept(patches, ratio)] {
		seen[i] = true
	}
	return seen
}

// writePicture leaves no half-written file behind.
func writePicture(path string, v draw.Views) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--out: %w: name a file in a folder that exists and can be written", err)
	}
	err = v.Write(out)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(path)
		return fmt.Errorf("--out %s: %w", path, err)
	}
	return nil
}
