package media

import "math/rand/v2"

// The streams of random numbers that a clip draws from, each with its own counter so that adding a
// draw to one view leaves the others as they were.
const (
	streamOrder uint64 = iota + 1
	streamSpan
	streamVideoGlobal
	streamAudioGlobal
	streamVideoLocal
	streamAudioLocal
	streamSynthetic
	streamSyntheticNoise
)

// mix is the finaliser of splitmix64: every output bit depends on every input bit.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash folds the parts into one number; their order matters.
func hash(parts ...uint64) uint64 {
	h := uint64(0x243f6a8885a308d3)
	for _, p := range parts {
		h = mix(h ^ mix(p))
	}
	return h
}

// newRand is the generator for one counter, e.g. (seed, stream, epoch, clip, view).
func newRand(parts ...uint64) *rand.Rand {
	h := hash(parts...)
	return rand.New(rand.NewPCG(h, mix(h)))
}

// uniform draws from [low, high).
func uniform(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }
