package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"goxkd/check"
	"goxkd/xkd"
)

// checkStepFlags are the flags of `xkd check step`.
type checkStepFlags struct {
	settings
	device        string
	plain, asJSON bool
	use           []string
}

func newCheckStep() *cobra.Command {
	var f checkStepFlags
	cmd := &cobra.Command{
		Use:   "step",
		Short: "Compare a whole training step on a device with the reference, node by node",
		Long: `Step runs one training step, forward, backward and update, on the device and on the CPU, from the same random weights and
views, and compares every tensor of it by the relative error in the 2-norm. The first that diverges is named with its shape,
its error and the line that built it: what comes after it most likely follows from it. The exit code is 1 if any diverges.`,
		Example: `  xkd check step
  xkd check step --preset tiny --variant xkd_mats --batch 4 --device 0`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return checkStep(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&f.device, "device", "gpu", deviceUsage)
	f.addNetwork(cmd)
	f.addFile(cmd)
	fl.Int("batch", 2, "clips in the step; every tensor of it is kept in memory, on both sides")
	fl.Uint64("seed", 0, "seed of weights, views and masks")
	fl.Int("accumulate", 1, "micro-batches of the step, of which one is run")
	fl.Bool("recompute", false, recomputeUsage)
	fl.StringArrayVar(&f.use, "use", nil, useUsage)
	fl.BoolVar(&f.plain, "plain", false, "the CPU runs the declared references alone, without BLAS: slower, and independent of it")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	return cmd
}

func checkStep(cmd *cobra.Command, f *checkStepFlags) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	var more []string
	if !cmd.Flags().Changed("batch") {
		more = append(more, "train.batch=2")
	}
	c, err := f.config(more...)
	if err != nil {
		return err
	}
	dev, err := openWith(ctx, f.device, "", f.use, stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	r, err := check.Step(ctx, dev, c, check.StepOptions{Seed: c.Train.Seed, Plain: f.plain, Accumulate: c.Train.Accumulate})
	if err != nil {
		return err
	}
	if f.asJSON {
		err = printJSON(stdout, stepReport{r, reportDiff(r.Worst), reportDiff(r.First)})
	} else {
		err = printStep(stdout, r, c)
	}
	if err == nil && !r.Pass {
		err = errVerdict
	}
	return err
}

// stepReport is the JSON form of a check.StepResult, where an error that is not finite is null.
type stepReport struct {
	*check.StepResult
	Worst *diffReport `json:"worst"`
	First *diffReport `json:"first,omitempty"`
}

type diffReport struct {
	*check.NodeDiff
	Error *float64 `json:"error"`
}

func reportDiff(d *check.NodeDiff) *diffReport {
	if d == nil {
		return nil
	}
	return &diffReport{d, finite(d.Error)}
}

func printStep(w io.Writer, r *check.StepResult, c xkd.Config) error {
	fmt.Fprintf(w, "one step of %s, %s, batch %d on %s: %s compared\n", c.Preset, c.Variant, c.Train.Batch, r.Device, count(r.Nodes, "tensor"))
	t := newTable("", "node", "operation", "shape", ">error", ">limit", "built at")
	add := func(label string, d *check.NodeDiff) {
		if d != nil {
			t.add(label, d.Node, d.Op, d.Shape.String(), fmt.Sprintf("%.1e", d.Error), fmt.Sprintf("%.0e", d.Limit), d.Where)
		}
	}
	add("first to diverge", r.First)
	add("worst", r.Worst)
	if err := t.print(w); err != nil {
		return err
	}
	verdict := "all within their limits"
	if !r.Pass {
		verdict = fmt.Sprintf("%d of %d DIVERGE", r.Failed, r.Nodes)
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}
