package views

import (
	"context"
	"math"

	"goxkd/internal/rng"
	"goxkd/media"
)

// Set are the training views of one clip and where they come from.
type Set struct {
	Batch           *Batch    // of one clip, with its local views
	Plain           *Batch    // the same span without augmentation, as Centre makes it
	Start           float64   // seconds into the clip at which the global views begin
	VideoLocalStart []float64 // seconds into the global view, per local view
	AudioLocalStart []float64
}

// Of makes the views that a Loader with this seed makes of a clip in an epoch.
func Of(ctx context.Context, src media.Source, index int, spec Spec, seed, epoch uint64) (*Set, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	sg, err := spec.newSpectrogram()
	if err != nil {
		return nil, err
	}
	v := newViewer(spec, sg)
	span := spec.trainingSpan(src.Duration(index), seed, epoch, index)
	clip, err := src.Load(ctx, index, span)
	if err != nil {
		return nil, err
	}
	video, audio := media.Modalities(src)
	if err := v.check(clip, video, audio); err != nil {
		return nil, err
	}
	if err := v.matches(clip, video, audio); err != nil {
		return nil, err
	}
	out := &Set{Batch: spec.newBatch(1, video, audio, true), Start: span.Start}
	v.augment(out.Batch, 0, clip, seed, epoch, index)
	out.Plain = spec.newBatch(1, video, audio, false)
	v.centre(out.Plain, 0, clip, 0.5)
	out.Batch.Labels[0], out.Batch.Names[0], out.Batch.Indices[0] = clip.Label, clip.Name, index
	for k := range out.Batch.VideoLocal {
		r := rng.New(seed, rng.StreamVideoLocal, epoch, uint64(index), uint64(k))
		out.VideoLocalStart = append(out.VideoLocalStart, float64(spec.drawLocalFrame(r))/float64(spec.FPS))
	}
	for k := range out.Batch.AudioLocal {
		r := rng.New(seed, rng.StreamAudioLocal, epoch, uint64(index), uint64(k))
		out.AudioLocalStart = append(out.AudioLocalStart, float64(spec.drawLocalSample(r))/float64(spec.Rate))
	}
	return out, nil
}

// trainingSpan is the span that an epoch sees of a clip of so many seconds. Its start lies on the grid
// of frames, so that sight and sound begin together.
func (s Spec) trainingSpan(duration float64, seed, epoch uint64, index int) media.Span {
	span := media.Span{Seconds: s.Seconds}
	if room := duration - span.Seconds; room > 0 {
		r := rng.New(seed, rng.StreamSpan, epoch, uint64(index))
		fps := float64(s.FPS)
		span.Start = math.Floor(r.Float64()*(room*fps+1)) / fps
		span.Start = min(span.Start, math.Floor(room*fps)/fps)
	}
	return span
}

// Band is the place of a frequency among a spectrogram's bands: band m's filter peaks where it is m.
func (s Spec) Band(hz float64) float64 {
	return hzToMel(hz)/hzToMel(float64(s.Rate)/2)*float64(s.Mels+1) - 1
}
