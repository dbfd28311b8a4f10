package views

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// ramp is a view of two frames that are alike, with much detail.
func ramp(size int) view {
	v := view{make([]float32, 3*2*size*size), 2, size * size}
	for i := range v.data {
		place, colour := i%(size*size), i/(2*size*size)
		v.data[i] = float32((place*place+31*colour*place)%97+place/4+1) / 200
	}
	return v
}

// Every operation keeps values in 0..1, changes something at full strength, and treats both frames alike.
func TestRandAugmentOps(t *testing.T) {
	const size = 16
	scratch := make([]float32, size*size)
	for op := range 15 {
		v, before := ramp(size), ramp(size)
		v.randomOp(rand.New(rand.NewPCG(uint64(op), 1)), op, 0.7, size, scratch)
		for i, x := range v.data {
			require.True(t, x >= 0 && x <= 1, "operation %d: %g at %d", op, x, i)
		}
		require.NotEqual(t, before.data, v.data, "operation %d", op)
		red := v.data[:size*size]
		require.Equal(t, red, v.data[size*size:2*size*size], "operation %d", op)
	}
}

// A shift by a whole number of pixels moves them; what comes in has the mean colour.
func TestAffineShift(t *testing.T) {
	const size = 4
	v := ramp(size)
	was := ramp(size)
	v.affine(size, [6]float64{1, 0, 1, 0, 1, 0}, make([]float32, size*size))
	require.InDelta(t, was.data[1], v.data[0], 1e-6)
	require.InDelta(t, VideoMean[0], v.data[3], 1e-6)
}

// Levels that are equally filled already stay; two values go to the ends.
func TestEqualizeAndContrast(t *testing.T) {
	p := []float32{0.2, 0.4, 0.6}
	autoContrast(p)
	require.InDeltaSlice(t, []float32{0, 0.5, 1}, p, 1e-6)
	flat := []float32{0.5, 0.5}
	autoContrast(flat)
	equalize(flat)
	require.Equal(t, []float32{0.5, 0.5}, flat)
}

// The erased box is one, the same in all frames, and no larger than a third.
func TestErase(t *testing.T) {
	const size = 32
	for seed := range uint64(20) {
		v, was := ramp(size), ramp(size)
		v.erase(rand.New(rand.NewPCG(seed, 2)), size)
		changed := 0
		for i := range size * size {
			first, second := v.data[i] != was.data[i], v.data[size*size+i] != was.data[size*size+i]
			require.Equal(t, first, second)
			if first {
				changed++
			}
		}
		require.LessOrEqual(t, changed, size*size/3+size)
	}
}
