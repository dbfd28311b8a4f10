package views

import (
	"math/rand/v2"
	"testing"

	"goxkd/media"
)

// noise is a clip at the recipe's sizes.
func noise(s Spec) *media.Clip {
	r := rand.New(rand.NewPCG(1, 2))
	c := &media.Clip{T: s.Frames, H: 128, W: 160, FPS: s.FPS, Rate: s.Rate}
	c.Frames = make([]uint8, c.T*c.H*c.W*3)
	for i := range c.Frames {
		c.Frames[i] = uint8(r.IntN(256))
	}
	c.Wave = make([]float32, s.Samples())
	for i := range c.Wave {
		c.Wave[i] = 2*r.Float32() - 1
	}
	return c
}

// BenchmarkAugment makes the views of one clip: all, of sight alone, of sound alone.
func BenchmarkAugment(b *testing.B) {
	s := DefaultSpec()
	c := noise(s)
	sg, err := s.newSpectrogram()
	if err != nil {
		b.Fatal(err)
	}
	for _, part := range []struct {
		name         string
		video, audio bool
	}{{"all", true, true}, {"video", true, false}, {"audio", false, true}} {
		b.Run(part.name, func(b *testing.B) {
			v, batch := newViewer(s, sg), s.newBatch(1, part.video, part.audio, true)
			for i := 0; b.Loop(); i++ {
				v.augment(batch, 0, c, 1, 0, i)
			}
		})
	}
}
