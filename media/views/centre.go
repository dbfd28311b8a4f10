package views

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"goxkd/media"
)

// CentreOptions say which part of a clip an evaluation sees. The zero value is the centre.
type CentreOptions struct {
	Workers int // goroutines (default GOMAXPROCS)
	// Segments > 1 spaces that many spans evenly from the clip's beginning to its end, and Segment
	// picks one, counted from 0. Otherwise the span lies in the middle.
	Segment, Segments int
	// Along moves the square crop along the frame's longer side: -1 to the left or top, 1 to the right
	// or bottom, 0 in the middle.
	Along float64
}

// Centre makes one batch of global views without augmentation from the clips with the given indices,
// in their order. Clips that fail are left out: B and Indices tell which remained, and bad why the
// others did not. It is an error when none remains. There are no local views.
func Centre(ctx context.Context, src media.Source, spec Spec, indices []int, opt CentreOptions) (b *Batch, bad []media.BadFile, err error) {
	if err := spec.Validate(); err != nil {
		return nil, nil, err
	}
	sg, err := spec.newSpectrogram()
	if err != nil {
		return nil, nil, err
	}
	for _, index := range indices {
		if index < 0 || index >= src.Len() {
			return nil, nil, fmt.Errorf("centre views: no clip %d: the source has %d", index, src.Len())
		}
	}
	video, audio := media.Modalities(src)
	b = spec.newBatch(len(indices), video, audio, false)
	errs := make([]error, len(indices))
	workers := opt.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	var work sync.WaitGroup
	var next atomic.Int64
	together := min(media.Together(src, spec.Seconds), max(1, len(indices)/workers))
	for range min(workers, len(indices)) {
		work.Go(func() {
			v := newViewer(spec, sg)
			for {
				end := int(next.Add(int64(together)))
				first := end - together
				if first >= len(indices) {
					return
				}
				var wanted []media.Request
				for _, index := range indices[first:min(end, len(indices))] {
					wanted = append(wanted, spec.centreRequest(src, index, opt))
				}
				for k, got := range media.LoadAll(ctx, src, wanted) {
					errs[first+k] = v.centreClip(b, first+k, got, opt, video, audio)
				}
			}
		})
	}
	work.Wait()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	kept := 0
	for i, index := range indices {
		if errs[i] != nil {
			bad = append(bad, media.NewBadFile(src.Name(index), errs[i]))
			continue
		}
		b.move(spec, kept, i)
		b.Labels[kept], b.Names[kept], b.Indices[kept] = src.Label(index), src.Name(index), index
		kept++
	}
	if kept == 0 && len(indices) > 0 {
		return nil, bad, fmt.Errorf("centre views: none of %d clips can be decoded; the first is %s: %s", len(indices), bad[0].Path, bad[0].Reason)
	}
	b.truncate(spec, kept)
	return b, bad, nil
}

// centreRequest asks for the span that the options name of a clip.
func (s Spec) centreRequest(src media.Source, index int, opt CentreOptions) media.Request {
	return media.Request{Index: index, Span: s.CentreSpan(src.Duration(index), opt)}
}

// CentreSpan is the span of a clip that Centre reads, by the clip's duration in seconds.
func (s Spec) CentreSpan(duration float64, opt CentreOptions) media.Span {
	span := media.Span{Seconds: s.Seconds}
	if room := duration - span.Seconds; room > 0 {
		at := 0.5
		if opt.Segments > 1 {
			at = min(max(float64(opt.Segment)/float64(opt.Segments-1), 0), 1)
		}
		fps := float64(s.FPS)
		span.Start = math.Floor(room*at*fps) / fps
	}
	return span
}

func (v *viewer) centreClip(b *Batch, i int, got media.Loaded, opt CentreOptions, video, audio bool) error {
	if got.Err != nil {
		return got.Err
	}
	if err := v.check(got.Clip, video, audio); err != nil {
		return err
	}
	if err := v.matches(got.Clip, video, audio); err != nil {
		return err
	}
	v.centre(b, i, got.Clip, min(max((opt.Along+1)/2, 0), 1))
	return nil
}
