package xkd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Row 0 finds its counterpart first, row 1 second, row 2 as one of two that are equally like: the right one counts last.
func TestRanked(t *testing.T) {
	a := []float32{1, 0, 0, 1, 0.6, 0.8}
	b := []float32{1, 0, 0.6, 0.8, 0.6, 0.8}
	r := ranked(a, b, 3)
	require.InDelta(t, 1.0/3, r.Recall1, 1e-12)
	require.InDelta(t, 1, r.Recall5, 1e-12)
	require.Equal(t, 2.0, r.MedianRank)
	// Collapsed features find nothing.
	same := make([]float32, 40)
	for i := range same {
		same[i] = 0.5
	}
	r = ranked(centredUnit(same, 20), centredUnit(same, 20), 20)
	require.Zero(t, r.Recall10)
	require.Equal(t, 20.0, r.MedianRank)
}

func TestCentredUnit(t *testing.T) {
	require.InDeltaSlice(t, []float32{-1, 0, 1, 0}, centredUnit([]float32{1, 7, 5, 7}, 2), 1e-6)
}
