package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

// dataBench is what `xkd bench data` measures.
type dataBench struct {
	Data        string  `json:"data"`
	Preset      string  `json:"preset"`
	Clips       int     `json:"clips"`         // of the source
	OpenSeconds float64 `json:"open_seconds"`  // until the first clip could be asked for
	Workers     int     `json:"workers"`       // goroutines
	Source      float64 `json:"source_clips"`  // clips read per second, nothing done with them
	Batches     float64 `json:"batches_clips"` // clips per second in finished batches
	Batch       int     `json:"batch"`         // clips per batch
	Step        float64 `json:"step_seconds"`  // pause after each batch, in place of a training step
	Waiting     float64 `json:"waiting"`       // share of the time that the steps wait for clips
	Skipped     int     `json:"skipped"`       // clips that could not be read
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
			b := dataBench{Data: data, Preset: preset, Batch: batch, Step: step, Workers: flags.workers}
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
			limit := time.Duration(seconds * float64(time.Second))
			if b.Source, err = timeSource(ctx, src, spec, b.Workers, limit); err != nil {
				return err
			}
			if err := b.timeBatches(ctx, src, spec, limit); err != nil {
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

// timeSource reads clips in a fixed scattered order and gives those per second.
func timeSource(ctx context.Context, src media.Source, spec views.Spec, workers int, limit time.Duration) (float64, error) {
	began := time.Now()
	var next, done atomic.Int64
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			for time.Since(began) < limit && ctx.Err() == nil {
				const stride = 7919 // a prime, so that neighbours in time are none in the corpus
				i := int(next.Add(1)) * stride % src.Len()
				if _, err := src.Load(ctx, i, media.Span{Seconds: spec.Seconds}); err == nil {
					done.Add(1)
				}
			}
		})
	}
	work.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), ctx.Err()
}

// timeBatches takes batches from a loader, with a pause after each in place of a step. The first,
// which nothing could have made ahead, is not in the figures.
func (b *dataBench) timeBatches(ctx context.Context, src media.Source, spec views.Spec, limit time.Duration) error {
	l, err := views.NewLoader(ctx, src, spec, views.LoaderConfig{Batch: b.Batch, Workers: b.Workers})
	if err != nil {
		return err
	}
	defer l.Close()
	first, err := l.Next()
	if err != nil {
		return err
	}
	l.Release(first)
	began, waited, n := time.Now(), l.Stats().WaitSeconds, 0
	for n == 0 || time.Since(began) < limit {
		batch, err := l.Next()
		if err != nil {
			return err
		}
		l.Release(batch)
		n++
		select {
		case <-time.After(time.Duration(b.Step * float64(time.Second))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	total := time.Since(began).Seconds()
	stats := l.Stats()
	b.Batches, b.Waiting, b.Skipped = float64(n*b.Batch)/total, (stats.WaitSeconds-waited)/total, stats.Skipped
	return nil
}
