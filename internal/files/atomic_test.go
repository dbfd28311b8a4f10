package files

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a writer that was killed has left goes after an hour; what is being written, and all else, stays.
func TestSweepHalves(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".x.json")
	at := func(name string, age time.Duration) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, nil, 0o644))
		when := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(file, when, when))
		return file
	}
	old := at("..x.json.123.part", 2*halfAge)
	kept := []string{at("..x.json.124.part", 0), at("..y.json.1.part", 2*halfAge), at("..x.json.bak", 2*halfAge), at(".x.json", 2*halfAge)}
	SweepHalves(path)
	require.NoFileExists(t, old)
	for _, file := range kept {
		require.FileExists(t, file)
	}
	// It knows the names that are given.
	_ = WriteAtomic(path, func(io.Writer) error {
		halves, err := filepath.Glob(filepath.Join(dir, "..x.json.*.part"))
		require.NoError(t, err)
		require.Len(t, halves, 2)
		return nil
	})
}
