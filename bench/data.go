package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"goxkd/media"
	"goxkd/media/views"
)

// DataOptions say how clips are taken.
type DataOptions struct {
	Batch   int           // clips per batch
	Workers int           // goroutines
	Limit   time.Duration // length of each of the two measurements
	Step    time.Duration // pause after each batch, in place of a training step
}

// Data is how fast clips come.
type Data struct {
	Source  float64 `json:"source_clips"`  // clips read per second, nothing done with them
	Batches float64 `json:"batches_clips"` // clips per second in finished batches
	Waiting float64 `json:"waiting"`       // share of the time that the steps wait for clips
	Skipped int     `json:"skipped"`       // clips that could not be read
}

// TimeData reads clips from a source for a while, and then takes batches from a loader for as long.
func TimeData(ctx context.Context, src media.Source, spec views.Spec, opt DataOptions) (d Data, err error) {
	if d.Source, err = timeSource(ctx, src, spec, opt.Workers, opt.Limit); err != nil {
		return d, err
	}
	return d, d.timeBatches(ctx, src, spec, opt)
}

// timeSource reads clips in a fixed scattered order and gives those per second.
func timeSource(ctx context.Context, src media.Source, spec views.Spec, workers int, limit time.Duration) (float64, error) {
	began := time.Now()
	var next, done atomic.Int64
	together := media.Together(src, spec.Seconds)
	var work sync.WaitGroup
	for range workers {
		work.Go(func() {
			requests := make([]media.Request, together)
			for time.Since(began) < limit && ctx.Err() == nil {
				const stride = 7919 // a prime, so that neighbours in time are none in the corpus
				for k := range requests {
					requests[k] = media.Request{Index: int(next.Add(1)) * stride % src.Len(), Span: media.Span{Seconds: spec.Seconds}}
				}
				for _, got := range media.LoadAll(ctx, src, requests) {
					if got.Err == nil {
						done.Add(1)
					}
				}
			}
		})
	}
	work.Wait()
	return float64(done.Load()) / time.Since(began).Seconds(), ctx.Err()
}

// timeBatches takes batches from a loader, with a pause after each in place of a step. The first,
// which nothing could have made ahead, is not in the figures.
func (d *Data) timeBatches(ctx context.Context, src media.Source, spec views.Spec, opt DataOptions) error {
	l, err := views.NewLoader(ctx, src, spec, views.LoaderConfig{Batch: opt.Batch, Workers: opt.Workers})
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
	for n == 0 || time.Since(began) < opt.Limit {
		batch, err := l.Next()
		if err != nil {
			return err
		}
		l.Release(batch)
		n++
		select {
		case <-time.After(opt.Step):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	total := time.Since(began).Seconds()
	stats := l.Stats()
	d.Batches, d.Waiting, d.Skipped = float64(n*opt.Batch)/total, (stats.WaitSeconds-waited)/total, stats.Skipped
	return nil
}
