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
	var s settings
	var device, shaders string
	var steps, warm int
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
			if steps < 1 || warm < 0 {
				return usagef("--steps must be 1 or more, --warm 0 or more")
			}
			c, err := xkd.ReadConfig(s.file, append(s.given("steps"), fmt.Sprintf("train.steps=%d", steps+warm), "data.path="+xkd.SyntheticData)...)
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
			t, err := xkd.New(c, dev)
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
				c.Preset, c.Variant, c.Train.Batch, dev.Name(), median, len(times), times[0], times[len(times)-1], float64(c.Train.Batch)/median, megabytes(t.Bytes()))
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&device, "device", "auto", deviceUsage)
	s.addNetwork(cmd)
	s.addFile(cmd)
	fl.StringVar(&shaders, "shaders", "", shadersUsage)
	fl.Int("batch", 16, "clips per step, or per micro-batch")
	fl.Int("accumulate", 1, "micro-batches per step")
	fl.IntVar(&steps, "steps", 10, "steps timed")
	fl.IntVar(&warm, "warm", 2, "steps before them")
	return cmd
}

// timeSteps gives the seconds of each step after the first warm ones.
func timeSteps(ctx context.Context, t *xkd.Trainer, warm, steps int) ([]float64, error) {
	l, err := views.NewLoader(ctx, synthetic.New(t.Config.Generated()), t.Config.Spec(), views.LoaderConfig{Batch: t.Config.Train.Batch, Prefetch: 1})
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
