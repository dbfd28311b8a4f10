package views

import (
	"fmt"
	"math/rand/v2"

	"goxkd/internal/rng"
	"goxkd/media"
)

// viewer makes one clip's views. It owns scratch and serves one goroutine.
type viewer struct {
	spec    Spec
	sg      *Spectrogram
	wave    []float32
	work    []float32 // a video view in 0..1
	scratch []float32
	global  *resizeCrop
	local   *resizeCrop
}

// newSpectrogram is the Spectrogram that the spec describes.
func (s Spec) newSpectrogram() (*Spectrogram, error) {
	sg, err := NewSpectrogram(s.Rate, s.NFFT, s.Hop, s.Mels)
	if err != nil {
		return nil, err
	}
	sg.Mean, sg.Std = s.LogMean, s.LogStd
	return sg, nil
}

// newViewer takes the spectrogram's tables and makes everything else its own.
func newViewer(spec Spec, sg *Spectrogram) *viewer {
	v := &viewer{spec: spec, sg: sg.Clone()}
	v.work = make([]float32, max(spec.videoGlobal(), spec.videoLocal()))
	blur := blurScratch(max(spec.Size, spec.LocalSize), max(spec.Video.BlurKernel, spec.VideoLocal.BlurKernel))
	v.scratch = make([]float32, max(blur, spec.SpecFrames))
	if spec.Audio.ResizeCrop {
		v.global = newResizeCrop(spec.Mels, spec.SpecFrames, spec.Audio)
	}
	if spec.AudioLocal.ResizeCrop {
		v.local = newResizeCrop(spec.Mels, spec.LocalSpecFrames, spec.AudioLocal)
	}
	return v
}

// check refuses a clip that the spec cannot take: nothing in the wanted modality, or another rate.
func (v *viewer) check(c *media.Clip, video, audio bool) error {
	switch {
	case video && (c.T < 1 || c.H < 1 || c.W < 1):
		return fmt.Errorf("%s: no video frame decoded", c.Name)
	case audio && len(c.Wave) == 0:
		return fmt.Errorf("%s: no audio sample decoded", c.Name)
	}
	return nil
}

// matches tells whether the source's figures are the spec's; if not, every clip would be wrong.
func (v *viewer) matches(c *media.Clip, video, audio bool) error {
	switch {
	case video && c.FPS != v.spec.FPS:
		return fmt.Errorf("%s: the source gives %d frames per second, the media spec wants %d: set the source's FPS", c.Name, c.FPS, v.spec.FPS)
	case audio && c.Rate != v.spec.Rate:
		return fmt.Errorf("%s: the source gives audio at %d Hz, the media spec wants %d: set the source's rate", c.Name, c.Rate, v.spec.Rate)
	}
	return nil
}

// augment writes the training views of a clip to slot i of the batch. All its draws are counted by
// (seed, epoch, clip index, view).
func (v *viewer) augment(b *Batch, i int, c *media.Clip, seed, epoch uint64, index int) {
	s := v.spec
	key := func(stream uint64, view int) []uint64 {
		return []uint64{seed, stream, epoch, uint64(index), uint64(view)}
	}
	if b.VideoGlobal != nil {
		r := rng.New(key(rng.StreamVideoGlobal, 0)...)
		augmentVideo(part(b.VideoGlobal, i, s.videoGlobal()), c, 0, s.Frames, s.Size, s.Video, r, v.work, v.scratch)
	}
	for k, local := range b.VideoLocal {
		r := rng.New(key(rng.StreamVideoLocal, k)...)
		first := s.drawLocalFrame(r)
		augmentVideo(part(local, i, s.videoLocal()), c, first, s.LocalFrames, s.LocalSize, s.VideoLocal, r, v.work, v.scratch)
	}
	if b.AudioGlobal != nil {
		r := rng.New(key(rng.StreamAudioGlobal, 0)...)
		v.wave = fitWave(v.wave, c.Wave, s.Samples())
		scaleWave(v.wave, float32(rng.Uniform(r, 1-s.Audio.Gain, 1+s.Audio.Gain)))
		mel := v.sg.LogMel(part(b.AudioGlobal, i, s.audioGlobal()), v.wave)
		if v.global != nil {
			v.global.draw(r, s.Audio)
			v.global.apply(mel)
		}
		s.Audio.SpecAugment.apply(mel, s.SpecFrames, r, v.scratch)
	}
	for k, local := range b.AudioLocal {
		r := rng.New(key(rng.StreamAudioLocal, k)...)
		v.wave = fitWave(v.wave, c.Wave, s.Samples())
		start := s.drawLocalSample(r)
		wave := v.wave[start : start+s.LocalSamples()]
		scaleWave(wave, float32(rng.Uniform(r, 1-s.AudioLocal.Gain, 1+s.AudioLocal.Gain)))
		mel := v.sg.LogMel(part(local, i, s.audioLocal()), wave)
		if v.local != nil {
			v.local.draw(r, s.AudioLocal)
			v.local.apply(mel)
		}
		s.AudioLocal.SpecAugment.apply(mel, s.LocalSpecFrames, r, v.scratch)
	}
}

// drawLocalFrame draws a local view's first frame; it is the first draw of its generator.
func (s Spec) drawLocalFrame(r *rand.Rand) int { return r.IntN(s.Frames - s.LocalFrames + 1) }

// drawLocalSample draws a local view's first sample; it is the first draw of its generator.
func (s Spec) drawLocalSample(r *rand.Rand) int {
	step := max(s.AudioLocal.StartStep, 1)
	return r.IntN((s.Samples()-s.LocalSamples())/step+1) * step
}

// centre writes the global views of a clip without augmentation to slot i of the batch: the largest
// square at the given place along the longer side (0, 0.5 or 1), resized to the view.
func (v *viewer) centre(b *Batch, i int, c *media.Clip, along float64) {
	s := v.spec
	if b.VideoGlobal != nil {
		dst := part(b.VideoGlobal, i, s.videoGlobal())
		side := min(c.W, c.H)
		box := cropBox{int(float64(c.W-side) * along), int(float64(c.H-side) * along), side, side}
		plain := view{v.work[:len(dst)], s.Frames, s.Size * s.Size}
		sampleView(plain.data, c, 0, s.Frames, s.Size, box, false)
		plain.store(dst)
	}
	if b.AudioGlobal != nil {
		v.wave = fitWave(v.wave, c.Wave, s.Samples())
		v.sg.LogMel(part(b.AudioGlobal, i, s.audioGlobal()), v.wave)
	}
}
