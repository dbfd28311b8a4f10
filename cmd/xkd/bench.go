package main

import (
	"fmt"
	"io"
	"slices"
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
	var tuning, compare string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Time the training step",
		Long: `Bench times training steps on one batch of generated clips, after a few steps that do not count because drivers
compile in them. Preparing clips is not in the figures; reading the losses back is.

With --ops it then times every node of the step on its own and says where the time goes; short ones are repeated, so that the
waiting for a GPU does not count. GB/s are what kernels read and write, beside the device's peak at copying; GFLOP/s beside its
peak at multiply-adds. Both peaks are measured first.`,
		Example: `  xkd bench --preset nano --device cpu --steps 5
  xkd bench --preset base --ops
  xkd bench --preset base --ops --json > before.json
  xkd bench --preset base --ops --compare before.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if steps < 1 || warm < 0 {
				return usagef("--steps must be 1 or more, --warm 0 or more")
			}
			l, err := s.layers([]string{fmt.Sprintf("train.steps=%d", steps+warm), "data.path=" + xkd.SyntheticData}, "steps")
			if err != nil {
				return err
			}
			s.sayIdle(l.Released)
			c, err := l.Config()
			if err != nil {
				return s.explain(err)
			}
			var old benchReport
			if compare != "" {
				if err := readReport(compare, &old); err != nil {
					return err
				}
			}
			dev, err := openWith(ctx, device, shaders, use, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			if err := oneOf("tune", tuning); err != nil {
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
				peaks, err := bench.MeasurePeaks(ctx, dev)
				if err != nil {
					return fmt.Errorf("--ops: %s: %w", dev.Name(), err)
				}
				r.Peaks = &peaks
				if r.Operations, err = bench.TimeOperations(ctx, t); err != nil {
					return fmt.Errorf("--ops: %s: %w", dev.Name(), err)
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout(), old)
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
	fl.StringVar(&compare, "compare", "", "print how many times as long the document in this `file`, of --json, took")
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
	Peaks      *bench.Peaks      `json:"peaks,omitempty"`
	Operations []bench.Operation `json:"operations,omitempty"`
}

// before is the time of an operation in an older document, 0 where it has none.
func (r benchReport) before(o bench.Operation) float64 {
	i := slices.IndexFunc(r.Operations, func(b bench.Operation) bool { return b.Op == o.Op && b.Variant == o.Variant })
	if i < 0 {
		return 0
	}
	return r.Operations[i].Seconds
}

func (r benchReport) print(w io.Writer, old benchReport) error {
	clips := float64(r.Batch*max(r.Accumulate, 1)) / r.Median
	fmt.Fprintf(w, "%s, %s, batch %d on %s: %.3f s/step (median of %d; %.3f to %.3f), %.1f clips/s, %s\n",
		r.Preset, r.Variant, r.Batch, r.Device, r.Median, len(r.Steps), r.Steps[0], r.Steps[len(r.Steps)-1], clips, megabytes(r.Bytes))
	if old.Median > 0 {
		fmt.Fprintf(w, "before: %s, %s, batch %d on %s: %.3f s/step, which was %s times as long\n", old.Preset, old.Variant, old.Batch, old.Device, old.Median, ratio(old.Median, r.Median))
	}
	if r.Host != nil {
		fmt.Fprintf(w, "host: %.2f ms a step to upload, %.2f ms to encode, %.2f ms waiting for the device, %.2f ms for the rest (masks, losses)\n",
			1e3*r.Host.Upload, 1e3*r.Host.Encode, 1e3*r.Host.Wait, 1e3*r.Host.Rest)
	}
	if r.Operations == nil {
		return nil
	}
	head := []string{"operation", "variant", ">nodes", ">dispatches", ">ms", ">share", ">GB/s", ">of copy", ">GFLOP/s", ">of FMA"}
	if old.Operations != nil {
		head = append(head, ">before / now")
	}
	t := newTable(head...)
	nodes, dispatches, total, before := 0, 0, 0.0, 0.0
	for _, o := range r.Operations {
		row := []string{o.Op, o.Variant, strconv.Itoa(o.Nodes), strconv.Itoa(o.Dispatches), fmt.Sprintf("%.2f", 1e3*o.Seconds), fmt.Sprintf("%.1f %%", 100*o.Part),
			fmt.Sprintf("%.1f", o.GB), fmt.Sprintf("%.0f %%", 100*o.GB/r.Peaks.Copy), "", ""}
		if o.FLOPs > 0 {
			row[8], row[9] = fmt.Sprintf("%.0f", o.GFLOPs), fmt.Sprintf("%.0f %%", 100*o.GFLOPs/r.Peaks.FMA)
		}
		if old.Operations != nil {
			row = append(row, ratio(old.before(o), o.Seconds))
		}
		t.add(row...)
		nodes, dispatches, total = nodes+o.Nodes, dispatches+o.Dispatches, total+o.Seconds
	}
	last := []string{"all", "", strconv.Itoa(nodes), strconv.Itoa(dispatches), fmt.Sprintf("%.2f", 1e3*total), "", "", "", "", ""}
	if old.Operations != nil {
		for _, o := range old.Operations {
			before += o.Seconds
		}
		last = append(last, ratio(before, total))
	}
	t.add(last...)
	fmt.Fprintf(w, "%s\n\n", peaksLine(*r.Peaks))
	return t.print(w)
}
