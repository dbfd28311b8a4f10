package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
)

// A first run tunes on a GPU alone; one that goes on keeps what is known.
func TestTuneFirst(t *testing.T) {
	require.Equal(t, tuneFull, firstMode(graph.Discrete))
	require.Equal(t, tuneFull, firstMode(graph.Integrated))
	require.Equal(t, tuneCached, firstMode(graph.Software))
	require.Equal(t, tuneCached, tuneFirst(cpu.Device{}, false))
	for _, mode := range []string{tuneOff, tuneCached, tuneFull} {
		require.NoError(t, oneOf("tune", mode))
	}
	require.ErrorContains(t, oneOf("tune", "never"), "give off, cached or full")
}
