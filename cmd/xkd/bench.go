package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

func newBench() *cobra.Command {
	var device, preset, variant, shaders string
	var batch, steps, warm int
	cmd := &cobra.Command{
		Use:    "bench",
		Short:  "Time the training step",
		Hidden: true,
		Long: `Bench times training steps on one batch of generated clips, after a few steps that do not count because drivers
compile in them. Preparing clips is not in the figures; reading the losses back is.`,
		Example: "  xkd bench --preset nano --device cpu --steps 5",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if steps < 1 || warm < 0 || batch < 1 {
				return usagef("--steps and --batch must be 1 or more, --warm 0 or more")
			}
			f := trainFlags{
				data: syntheticData, preset: preset, variant: variant, batch: batch, steps: steps + warm,
				cls: true, attention: xkd.AttentionMean, teacherView: xkd.TeacherGlobal,
			}
			plan, err := f.fresh(cmd)
			if err != nil {
				return err
			}
			dev, err := openDevice(ctx, device, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			if err := layOver(dev, shaders); err != nil {
				return err
			}
			t, err := xkd.NewTrainer(dev, plan)
			if err != nil {
				return err
			}
			defer t.Close()
			times, err := timeSteps(ctx, t, warm, steps)
			if err != nil {
				return err
			}
			slices.Sort(times)
			median := (times[(len(times)-1)/2] + times[len(times)/2]) / 2
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s, batch %d on %s: %.3f s/step (median of %d; %.3f to %.3f), %.1f clips/s, %s\n",
				preset, variant, batch, dev.Name(), median, len(times), times[0], times[len(times)-1], float64(batch)/median, megabytes(t.Bytes()))
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&device, "device", "auto", deviceUsage)
	fl.StringVar(&preset, "preset", "nano", presetUsage)
	fl.StringVar(&variant, "variant", xkd.XKD, variantUsage)
	fl.StringVar(&shaders, "shaders", "", shadersUsage)
	fl.IntVar(&batch, "batch", 16, "clips per step")
	fl.IntVar(&steps, "steps", 10, "steps timed")
	fl.IntVar(&warm, "warm", 2, "steps before them")
	return cmd
}

// timeSteps gives the seconds of each step after the first warm ones.
func timeSteps(ctx context.Context, t *xkd.Trainer, warm, steps int) ([]float64, error) {
	l, err := views.NewLoader(ctx, synthetic.New(t.Plan.Synthetic), t.Plan.Media, views.LoaderConfig{Batch: t.Plan.Config.Batch, Prefetch: 1})
	if err != nil {
		return nil, err
	}
	batch, err := l.Next()
	// The loader would go on to the next batch beside the steps that are timed.
	l.Close()
	if err != nil {
		return nil, err
	}
	var times []float64
	for i := range warm + steps {
		start := time.Now()
		if _, err := t.Train(ctx, batch); err != nil {
			return nil, err
		}
		if i >= warm {
			times = append(times, time.Since(start).Seconds())
		}
	}
	return times, nil
}
