package xkd

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Checkpoints that are there already need no room again.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	free, ok := freeSpace(dir)
	if !ok {
		t.Skip("this system does not tell the free space")
	}
	require.NoError(t, checkRoom(dir, 1000))
	err := checkRoom(dir, math.MaxInt64/keptFiles)
	require.ErrorIs(t, err, ErrFolder)
	require.ErrorContains(t, err, dir)
	require.ErrorIs(t, checkRoom(dir, free/2), ErrFolder)
	for _, name := range []string{CheckpointFile, PreviousFile} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, checkRoom(dir, free/2))
}
