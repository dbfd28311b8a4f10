package rng

import "math/rand/v2"

// The streams of random numbers that a clip draws from, each with its own counter so that adding a
// draw to one view leaves the others as they were.
const (
	StreamOrder uint64 = iota + 1
	StreamSpan
	StreamVideoGlobal
	StreamAudioGlobal
	StreamVideoLocal
	StreamAudioLocal
	StreamSynthetic
	StreamSyntheticNoise
)

// Mix is the finaliser of splitmix64: every output bit depends on every input bit.
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Hash folds the parts into one number; their order matters.
func Hash(parts ...uint64) uint64 {
	h := uint64(0x243f6a8885a308d3)
	for _, p := range parts {
		h = Mix(h ^ Mix(p))
	}
	return h
}

// New is the generator for one counter, e.g. (seed, stream, epoch, clip, view).
func New(parts ...uint64) *rand.Rand {
	h := Hash(parts...)
	return rand.New(rand.NewPCG(h, Mix(h)))
}

// Uniform draws from [low, high).
func Uniform(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }
