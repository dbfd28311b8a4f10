package xkd

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestGain(t *testing.T) {
	r := &ProbeResult{Test: 100}
	gain, noise := r.Gain(ProbeRow{
		Trained:   Score{Mean: 0.6, Std: 0.1, Values: []float64{0.5, 0.6, 0.7}}, // the spread is the larger
		Untrained: Score{Mean: 0.5, Std: 0, Values: []float64{0.5, 0.5, 0.5}},   // one figure, counted thrice
	})
	assert.InDelta(t, 0.1, gain, 1e-12)
	assert.InDelta(t, 2*math.Sqrt(0.01/3+0.25/100), noise, 1e-12)
}
