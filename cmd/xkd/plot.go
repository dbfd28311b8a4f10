package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/draw"
	"goxkd/xkd"
)

func newPlot() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "plot RUN",
		Short: "Draw the losses of a training run",
		Long: `Plot draws the losses of a run over its steps into a PNG picture: the whole loss and its parts. Faint lines are the losses of
every step, strong ones their running mean. RUN is the output folder of xkd train, or its metrics.jsonl. The run may be
under way.`,
		Example: `  xkd plot runs/latest
  xkd plot runs/mine --out mine.png`,
		Args: oneArg("the output folder of a run, such as runs/latest"),
		RunE: func(cmd *cobra.Command, args []string) error { return plotRun(cmd, args[0], out) },
	}
	cmd.Flags().StringVar(&out, "out", "curves.png", "`picture` to write")
	return cmd
}

func plotRun(cmd *cobra.Command, run, out string) error {
	if err := checkPNG(out); err != nil {
		return err
	}
	file := run
	if info, err := os.Stat(run); err == nil && info.IsDir() {
		file = filepath.Join(run, xkd.MetricsFile)
	}
	m, err := xkd.LoadMetrics(file)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no %s: give the folder that `xkd train` wrote to", file)
	}
	if err != nil {
		return err
	}
	if err := writePicture(out, lossCurves(run, m)); err != nil {
		return fmt.Errorf("--out %s: %w", out, err)
	}
	fmt.Fprintln(cmd.OutOrStdout(), out)
	return nil
}

// checkPNG refuses a picture's name that says something else.
func checkPNG(out string) error {
	if !strings.EqualFold(filepath.Ext(out), ".png") {
		return usagef("--out %q: the picture is a PNG: give a name that ends with .png", out)
	}
	return nil
}

// lossCurves has a panel for the whole loss and, in pretraining, one for each of its three parts.
func lossCurves(run string, m *xkd.Metrics) draw.Curves {
	line := func(label, name string) draw.Line { return draw.Line{Name: label, Values: m.Losses[name]} }
	total, last := m.Losses["loss"], len(m.Steps)-1
	curves := draw.Curves{
		Title: filepath.ToSlash(filepath.Clean(run)),
		Note: fmt.Sprintf("steps %d to %d, loss %.3f to %.3f; faint: every step, strong: running mean",
			m.Steps[0], m.Steps[last], total[0], total[last]),
		Steps: m.Steps,
		Panels: []draw.Panel{
			{Title: "Loss: weighted mean of the three parts", Lines: []draw.Line{line("loss", "loss")}},
			{Title: "Reconstruction of hidden patches", Lines: []draw.Line{line("video", "vid_recon_loss"), line("audio", "aud_recon_loss")}},
			{Title: "Cross-modal distillation", Lines: []draw.Line{
				line("video teacher to audio student", "vt2as_kd_loss"), line("audio teacher to video student", "at2vs_kd_loss"),
			}},
			{Title: "Alignment of video and audio (MMD)", Lines: []draw.Line{
				line("students", "as2vs_align_loss"), line("teachers", "vt2at_align_loss"),
			}},
		},
	}
	if len(m.Losses) == 1 { // fine-tuning
		curves.Panels = []draw.Panel{{Title: "Loss", Lines: []draw.Line{line("loss", "loss")}}}
	}
	return curves
}
