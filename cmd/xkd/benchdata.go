package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"goxkd/bench"
	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// dataBench is what `xkd bench data` measures.
type dataBench struct {
	From        string  `json:"data"`
	Preset      string  `json:"preset"`
	Clips       int     `json:"clips"`        // of the source
	OpenSeconds float64 `json:"open_seconds"` // until the first clip could be asked for
	Workers     int     `json:"workers"`      // goroutines
	Batch       int     `json:"batch"`        // clips per batch
	Step        float64 `json:"step_seconds"` // pause after each batch, in place of a training step
	bench.Data
}

func newBenchData() *cobra.Command {
	var flags dataFlags
	var data, preset string
	var batch int
	var seconds, step float64
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Time the reading of clips and the making of batches",
		Long: `Data tells how many clips per second are read from the source, how many arrive in finished batches, and what share of the
time a training step of a given length waits for them. No clip is kept in memory between epochs, so the figures are those
of a large corpus.

` + dataForms + ` Or of a folder that xkd pack has written.`,
		Example: `  xkd bench data --data videos/ --preset tiny
  xkd bench data --data packed/ --preset tiny --step 0.5`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case batch < 1:
				return usagef("--batch %d: give 1 or more", batch)
			case !(seconds > 0 && seconds <= 3600):
				return usagef("--seconds %g: give a figure above 0", seconds)
			case !(step >= 0 && step <= 3600):
				return usagef("--step %g: give 0 or more seconds", step)
			}
			c, err := xkd.Default(preset, xkd.XKD)
			if err != nil {
				return usagef("--preset: %w", err)
			}
			spec := c.Spec()
			opt, err := flags.options(spec)
			if err != nil {
				return err
			}
			opt.CacheBytes = -1
			b := dataBench{From: data, Preset: preset, Batch: batch, Step: step, Workers: flags.workers}
			if b.Workers == 0 {
				b.Workers = runtime.GOMAXPROCS(0)
			}
			ctx := cmd.Context()
			began := time.Now()
			var src media.Source = synthetic.New(c.Generated())
			if data != xkd.SyntheticData {
				if src, _, err = corpus.Open(ctx, data, opt); err != nil {
					return err
				}
			}
			b.OpenSeconds, b.Clips = time.Since(began).Seconds(), src.Len()
			b.Data, err = bench.TimeData(ctx, src, spec, bench.DataOptions{
				Batch: batch, Workers: b.Workers, Limit: inSeconds(seconds), Step: inSeconds(step),
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), b)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `%s, %s: %s, opened in %.2f s
source:  %.1f clips/s (%s)
batches: %.1f clips/s (batches of %d)
waiting: %.0f %% of the time, with steps of %g s
`, data, preset, count(b.Clips, "clip"), b.OpenSeconds, b.Source, count(b.Workers, "worker"), b.Batches, batch, 100*b.Waiting, step)
			if err == nil && b.Skipped > 0 {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "skipped: %s\n", count(b.Skipped, "clip"))
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&data, "data", xkd.SyntheticData, "`path` of clips, or synthetic for generated ones")
	fl.StringVar(&preset, "preset", "nano", presetUsage)
	fl.IntVar(&batch, "batch", 16, "clips per batch")
	fl.Float64Var(&seconds, "seconds", 5, "length of each of the two measurements")
	fl.Float64Var(&step, "step", 0, "`seconds` that a training step takes")
	flags.add(cmd)
	fl.BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

func inSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
