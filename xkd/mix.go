package xkd

import (
	"fmt"
	"math"
	"math/rand/v2"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// feed writes one micro-batch of fine-tuning: views, targets, and what dropout and mixing draw. The draws depend on the seed
// and the number of the micro-batch alone.
func (s *Step) feed(e graph.Executor, b *views.Batch, labels media.Source, number int) error {
	c, m := s.Config, s.Config.Tune.modality()
	global, _ := viewsOfBatch(b)
	if global[m].Bytes == nil && global[m].Floats == nil {
		return fmt.Errorf("the clips have no %v", m)
	}
	if err := writeViews(e, s.Tune.View, global[m]); err != nil {
		return err
	}
	targets, err := c.targets(b, labels)
	if err != nil {
		return err
	}
	rng := source(c.Train.Seed, fmt.Sprintf("tune/%d", number))
	var keep []float32
	if s.Tune.Keep != nil {
		keep = make([]float32, s.Tune.Keep.Shape.Size())
		for i := range keep {
			if rng.Float64() >= c.Tune.Dropout {
				keep[i] = 1
			}
		}
	}
	if s.Tune.Weight != nil {
		weight, share := c.mix(rng, m)
		mixTargets(targets, b.B, share)
		if err := e.Write(s.Tune.Weight, weight); err != nil {
			return err
		}
	}
	return s.WriteTargets(e, targets, keep)
}

// targets are the labels of a batch [B,Classes]: one-hot or smoothed, s/C everywhere and 1-s more at the label; with several
// labels zeros and ones.
func (c Config) targets(b *views.Batch, labels media.Source) ([]float32, error) {
	k := c.Tune.Classes
	out := make([]float32, b.B*k)
	for i, index := range b.Indices {
		of := media.LabelsOf(labels, index)
		if len(of) == 0 && !c.Tune.MultiLabel {
			return nil, fmt.Errorf("%s: %w", b.Names[i], ErrNoLabels)
		}
		row := out[i*k : (i+1)*k]
		rest := 0.0
		if !c.Tune.MultiLabel {
			rest = c.Tune.Smoothing
		}
		for j := range row {
			row[j] = float32(rest / float64(k))
		}
		for _, l := range of {
			if l >= k {
				return nil, fmt.Errorf("%s has class %d of %d", b.Names[i], l, k)
			}
			row[l] = float32(1 - rest + rest/float64(k))
		}
	}
	return out, nil
}

// mix draws how a batch is mixed with its reverse (docs/method.md, section 8.3): the partner's weight for every element of the
// patches, and the share of the own targets. Cutmix takes a box of the partner, in all frames; mixup a share of everything.
func (c Config) mix(rng *rand.Rand, m Modality) (weight []float32, share float64) {
	cut := c.Tune.Cutmix > 0 && (c.Tune.Mixup <= 0 || rng.Float64() < 0.5)
	h, w := c.Views.Audio.Mels, c.Views.Audio.Global.Frames
	frames, colours := 1, 1
	patch := [3]int{1, c.Views.Audio.Patch[0], c.Views.Audio.Patch[1]}
	if m == Video {
		v := c.Views.Video
		h, w, frames, colours, patch = v.Global.Size[0], v.Global.Size[1], v.Global.Frames, videoChannels, v.Patch
	}
	var inside func(y, x int) float32
	if cut {
		lambda := beta(rng, c.Tune.Cutmix)
		side := math.Sqrt(1 - lambda)
		bh, bw := int(float64(h)*side), int(float64(w)*side)
		cy, cx := rng.IntN(h), rng.IntN(w)
		y0, y1 := max(cy-bh/2, 0), min(cy+bh/2, h)
		x0, x1 := max(cx-bw/2, 0), min(cx+bw/2, w)
		share = 1 - float64((y1-y0)*(x1-x0))/float64(h*w)
		inside = func(y, x int) float32 {
			if y >= y0 && y < y1 && x >= x0 && x < x1 {
				return 1
			}
			return 0
		}
	} else {
		share = beta(rng, c.Tune.Mixup)
		inside = func(int, int) float32 { return float32(1 - share) }
	}
	// Tokens (t h w), each patch (pt ph pw c), as layers.Patchify has them.
	weight = make([]float32, 0, frames*h*w*colours)
	for range frames / patch[0] {
		for ty := range h / patch[1] {
			for tx := range w / patch[2] {
				for range patch[0] {
					for y := range patch[1] {
						for x := range patch[2] {
							v := inside(ty*patch[1]+y, tx*patch[2]+x)
							for range colours {
								weight = append(weight, v)
							}
						}
					}
				}
			}
		}
	}
	return weight, share
}

// mixTargets mixes targets [B,C] with those of the reversed batch.
func mixTargets(t []float32, b int, share float64) {
	k := len(t) / b
	own := append([]float32(nil), t...)
	for i := range b {
		for j := range k {
			t[i*k+j] = float32(share*float64(own[i*k+j]) + (1-share)*float64(own[(b-1-i)*k+j]))
		}
	}
}

// beta draws from Beta(a,a), as the ratio of two gamma variates.
func beta(rng *rand.Rand, a float64) float64 {
	x, y := gamma(rng, a), gamma(rng, a)
	if x+y == 0 {
		return float64(rng.IntN(2)) // both below what float64 shows: a is tiny, and the mass at the ends
	}
	return x / (x + y)
}

// gamma draws a gamma variate of shape a (Marsaglia and Tsang, 2000).
func gamma(rng *rand.Rand, a float64) float64 {
	if a < 1 {
		return gamma(rng, a+1) * math.Pow(rng.Float64(), 1/a)
	}
	d := a - 1.0/3
	for {
		x := rng.NormFloat64()
		v := 1 + x/math.Sqrt(9*d)
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}
