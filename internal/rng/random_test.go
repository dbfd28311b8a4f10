package rng

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The same counters give the same draws, other counters others, in whatever order they are asked.
func TestRandomIsCounted(t *testing.T) {
	require.Equal(t, New(1, 2, 3).Uint64(), New(1, 2, 3).Uint64())
	seen := map[uint64]bool{}
	for a := range uint64(30) {
		for b := range uint64(30) {
			seen[New(a, b).Uint64()] = true
		}
	}
	require.Len(t, seen, 900)
}
