package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"goxkd/bench"
	"goxkd/xkd"
)

func newBench() *cobra.Command {
	var s settings
	var device, shaders string
	var steps, warm int
	var ops, asJSON bool
	var use []string
	var tuning string
	cmd := &cobra.Command{
		Use:    "bench",
		Short:  "Time the training step",
		Hidden: true,
		Long: `Bench times training steps on one batch of generated clips, after a few steps that do not count because drivers
compile in them. Preparing clips is not in the figures; reading the losses back is.

With --ops it then times every node of the step on its own and says where the time goes; short ones are repeated, so that the
waiting for a GPU does not count.`,
		Example: "  xkd bench --preset nano --device cpu --steps 5\n  xkd bench --preset base --ops",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if steps < 1 || warm < 0 {
				return usagef("--steps must be 1 or more, --warm 0 or more")
			}
			c, err := xkd.ReadConfig(s.file, append(s.given("steps"), fmt.Sprintf("train.steps=%d", steps+warm), "data.path="+xkd.SyntheticData)...)
			if err != nil {
				return err
			}
			dev, err := openWith(ctx, device, shaders, use, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			if err := parseTune(tuning); err != nil {
				return err
			}
			if dev, err = tuned(ctx, dev, tuning, c, cmd.ErrOrStderr()); err != nil {
				return err
			}
			t, err := xkd.New(c, dev)
			if err != nil {
				return err
			}
			defer t.Close()
			r := benchReport{Preset: c.Preset, Variant: c.Variant, Batch: c.Train.Batch, Accumulate: c.Train.Accumulate, Device: dev.Name(), Bytes: t.Bytes()}
			if r.Steps, r.Host, err = bench.TimeSteps(ctx, t, warm, steps); err != nil {
				return err
			}
			r.Median = r.Steps.Median()
			if ops {
				if r.Operations, err = bench.TimeOperations(ctx, t); err != nil {
					return fmt.Errorf("--ops: %s: %w", dev.Name(), err)
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&device, "device", "auto", deviceUsage)
	s.addNetwork(cmd)
	s.addFile(cmd)
	fl.StringVar(&shaders, "shaders", "", shadersUsage)
	fl.StringArrayVar(&use, "use", nil, useUsage)
	fl.StringVar(&tuning, "tune", tuneCached, tuneUsage)
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.Bool("recompute", false, recomputeUsage)
	fl.IntVar(&steps, "steps", 10, "steps timed")
	fl.IntVar(&warm, "warm", 2, "steps before them")
	fl.BoolVar(&ops, "ops", false, "time the kinds of operations too, one by one")
	fl.BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// benchReport is the JSON form of `xkd bench`.
type benchReport struct {
	Preset     string            `json:"preset"`
	Variant    string            `json:"variant"`
	Batch      int               `json:"batch"`
	Accumulate int               `json:"accumulate"`
	Device     string            `json:"device"`
	Bytes      int64             `json:"bytes"`
	Median     float64           `json:"median_seconds"`
	Steps      bench.Steps       `json:"step_seconds"` // rising
	Host       *bench.Host       `json:"host_seconds,omitempty"`
	Operations []bench.Operation `json:"operations,omitempty"`
}

func (r benchReport) print(w io.Writer) error {
	clips := float64(r.Batch*max(r.Accumulate, 1)) / r.Median
	fmt.Fprintf(w, "%s, %s, batch %d on %s: %.3f s/step (median of %d; %.3f to %.3f), %.1f clips/s, %s\n",
		r.Preset, r.Variant, r.Batch, r.Device, r.Median, len(r.Steps), r.Steps[0], r.Steps[len(r.Steps)-1], clips, megabytes(r.Bytes))
	if r.Host != nil {
		fmt.Fprintf(w, "host: %.2f ms a step to encode, %.2f ms waiting for the device, %.2f ms for the rest (uploads, masks, losses)\n",
			1e3*r.Host.Encode, 1e3*r.Host.Wait, 1e3*r.Host.Rest)
	}
	if r.Operations == nil {
		return nil
	}
	t := newTable("operation", "variant", ">nodes", ">dispatches", ">ms", ">share", ">GFLOP/s")
	nodes, dispatches, total := 0, 0, 0.0
	for _, o := range r.Operations {
		rate := ""
		if o.FLOPs > 0 {
			rate = fmt.Sprintf("%.0f", o.GFLOPs)
		}
		t.add(o.Op, o.Variant, strconv.Itoa(o.Nodes), strconv.Itoa(o.Dispatches), fmt.Sprintf("%.2f", 1e3*o.Seconds), fmt.Sprintf("%.1f %%", 100*o.Part), rate)
		nodes, dispatches, total = nodes+o.Nodes, dispatches+o.Dispatches, total+o.Seconds
	}
	t.add("all", "", strconv.Itoa(nodes), strconv.Itoa(dispatches), fmt.Sprintf("%.2f", 1e3*total), "", "")
	fmt.Fprintln(w)
	return t.print(w)
}
