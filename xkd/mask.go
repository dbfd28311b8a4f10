package xkd

import "fmt"

// maskNoise draws the numbers by which patches are hidden at a step counted from 0, [clips, patches]. They follow from the
// seed, the step and the modality alone, clip after clip, so that the first clips have the same in a batch of any size.
func (c Config) maskNoise(m Modality, seed uint64, step, clips int) []float32 {
	noise := make([]float32, clips*c.tokens(m))
	rng := source(seed, fmt.Sprintf("mask/%s/%d", m, step))
	for i := range noise {
		noise[i] = rng.Float32()
	}
	return noise
}

// Visible tells which patches the student sees of the first clip of a step's batch, in the order of the tokens: those with
// the least noise, as Step.WriteMask has it. Steps count from 0.
func (c Config) Visible(m Modality, seed uint64, step int) []bool {
	order := argsort(c.maskNoise(m, seed, step, 1))
	seen := make([]bool, len(order))
	for _, patch := range order[:Kept(len(order), c.mask(m))] {
		seen[patch] = true
	}
	return seen
}
