package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/estimate"
	"goxkd/graph"
)

// planFlags are the flags of `xkd plan`.
type planFlags struct {
	settings
	class, memory     string
	tflops, bandwidth float64
	launch            float64
	asJSON            bool
}

func newPlan() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Tell what a training step needs, before a device is there",
		Long: `Plan builds a training step for a class of adapters and tells its memory by kind, its kernel calls, the bytes that they move
and its arithmetic, by operation. No device is needed.

With --memory it also finds the largest batch that fits; --accumulate makes a larger one of several. With --tflops and --bandwidth, a
device's peaks, it bounds the time of a step from below: each kernel takes the longer of its arithmetic and its bytes, and
--launch microseconds more.`,
		Example: `  xkd plan --preset base --batch 16
  xkd plan --preset base --memory 8GB --class integrated
  xkd plan --preset base --batch 32 --recompute
  xkd plan --preset tiny --batch 64 --tflops 20 --bandwidth 400 --launch 5
  xkd plan --preset base --batch 16 --class discrete --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return planStep(cmd, &f) },
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	f.addNetwork(cmd)
	f.addFile(cmd)
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.Bool("recompute", false, recomputeUsage)
	fl.StringVar(&f.class, "class", "discrete", "for this `class` of adapters: discrete, integrated or software")
	fl.StringVar(&f.memory, "memory", "", "find the largest batch within these `bytes`, such as 8GB or 500MB")
	fl.Float64Var(&f.tflops, "tflops", 0, "the device's peak of float32 arithmetic, in 10^12 a second")
	fl.Float64Var(&f.bandwidth, "bandwidth", 0, "the device's peak of memory, in GB a second")
	fl.Float64Var(&f.launch, "launch", 0, "`microseconds` for a kernel that does nothing")
	fl.BoolVar(&f.asJSON, "json", false, "print one JSON document")
	return cmd
}

// parseClass finds a class of adapters by its name.
func parseClass(name string) (graph.Class, error) {
	for _, c := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		if c.String() == name {
			return c, nil
		}
	}
	return 0, oneOf("class", name)
}

// parseBytes reads a size such as 8GB; units are powers of ten, or of two with an i.
func parseBytes(text string) (int64, error) {
	number, scale := strings.TrimSpace(text), 1.0
	for _, u := range []struct {
		unit  string
		scale float64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"GB", 1e9}, {"MB", 1e6}} {
		if rest, ok := strings.CutSuffix(number, u.unit); ok {
			number, scale = strings.TrimSpace(rest), u.scale
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v*scale >= 1 && v*scale < 1<<62) {
		return 0, usagef("--memory %q: give a size such as 8GB, 500MB or 8GiB", text)
	}
	return int64(v * scale), nil
}

func planStep(cmd *cobra.Command, f *planFlags) error {
	class, err := parseClass(f.class)
	if err != nil {
		return err
	}
	if !(f.tflops >= 0 && f.bandwidth >= 0 && f.launch >= 0) || (f.tflops > 0) != (f.bandwidth > 0) {
		return usagef("--tflops and --bandwidth go together, above 0; --launch is 0 or more")
	}
	c, err := f.config()
	if err != nil {
		return err
	}
	opt := estimate.Options{Class: class, FLOPs: f.tflops * 1e12, Bandwidth: f.bandwidth * 1e9, Launch: f.launch * 1e-6}
	var fits *estimate.Fitting
	if f.memory != "" {
		bytes, err := parseBytes(f.memory)
		if err != nil {
			return err
		}
		if fits, err = estimate.Fit(c, bytes, opt); err != nil {
			return fmt.Errorf("--memory %s: %w", f.memory, err)
		}
		if !cmd.Flags().Changed("batch") {
			c.Train.Batch = fits.Batch
		}
	}
	s, err := estimate.Of(c, opt)
	if err != nil {
		return err
	}
	s.Fitting = fits
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	return printPlan(cmd.OutOrStdout(), s)
}

func printPlan(w io.Writer, s *estimate.Step) error {
	if f := s.Fitting; f != nil {
		fmt.Fprintf(w, "the largest batch within %s is %d, which needs %s\n\n", megabytes(f.Memory), f.Batch, megabytes(f.Needs))
	}
	batch := strconv.Itoa(s.Batch)
	if s.Accumulate > 1 {
		batch = fmt.Sprintf("%d x %d", s.Accumulate, s.Batch)
	}
	fmt.Fprintf(w, "one step of %s, %s, batch %s on %s adapters\n", s.Preset, s.Variant, batch, s.Class)
	fmt.Fprintf(w, "memory:      %s: states %s, views and constants %s, activations and gradients %s\n",
		megabytes(s.Memory), megabytes(s.States), megabytes(s.Inputs), megabytes(s.Slots))
	fmt.Fprintf(w, "dispatches:  %s\n", thousands(s.Dispatches))
	fmt.Fprintf(w, "bytes moved: %.1f GB\n", float64(s.Moved)/1e9)
	fmt.Fprintf(w, "arithmetic:  %.1f GFLOP\n", s.FLOPs/1e9)
	if s.Seconds > 0 {
		fmt.Fprintf(w, "time:        %.1f ms or more by the given peaks, %.1f clips/s or fewer\n", 1e3*s.Seconds, float64(s.Batch*s.Accumulate)/s.Seconds)
	}
	fmt.Fprintln(w)
	columns := []string{"operation", "variant", ">nodes", ">dispatches", ">GB moved", ">GFLOP"}
	if s.Seconds > 0 {
		columns = append(columns, ">ms")
	}
	t := newTable(columns...)
	for _, o := range s.Operations {
		row := []string{o.Op, o.Variant, strconv.Itoa(o.Nodes), strconv.Itoa(o.Dispatches), fmt.Sprintf("%.2f", float64(o.Moved)/1e9), ""}
		if o.FLOPs > 0 {
			row[5] = fmt.Sprintf("%.1f", o.FLOPs/1e9)
		}
		if s.Seconds > 0 {
			row = append(row, fmt.Sprintf("%.2f", 1e3*o.Seconds))
		}
		t.add(row...)
	}
	return t.print(w)
}
