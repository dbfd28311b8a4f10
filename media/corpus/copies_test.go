package corpus

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Copies of compressed archives go when the archive has changed, and when nobody has used them for long; halves sooner.
func TestCopiesAreSwept(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	write := func(name string, files ...string) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		require.NoError(t, err)
		z := gzip.NewWriter(f)
		w := tar.NewWriter(z)
		for _, name := range files {
			require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))}))
			_, err := w.Write([]byte(name))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		require.NoError(t, z.Close())
		require.NoError(t, f.Close())
		return path
	}
	unpack := func(archive string) string {
		copied, err := unpacked(archive)
		require.NoError(t, err)
		require.FileExists(t, copied)
		return copied
	}
	first := unpack(write("a.tar.gz", "one"))
	other := unpack(write("b.tgz", "two"))
	second := unpack(write("a.tar.gz", "one", "another name that makes it longer"))
	require.NoFileExists(t, first, "of the archive before it changed")
	require.NoFileExists(t, noteOf(first))

	folder := filepath.Dir(second)
	half, fresh := filepath.Join(folder, ".x.tar.1.part"), filepath.Join(folder, ".y.tar.2.part")
	unnoted, foreign := filepath.Join(folder, "old.tar"), filepath.Join(folder, "mine.txt")
	for _, path := range []string{half, fresh, unnoted, foreign} {
		require.NoError(t, os.WriteFile(path, nil, 0o644))
	}
	age := func(path string, by time.Duration) {
		at := time.Now().Add(-by)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	age(half, 2*keepHalves)
	age(noteOf(other), keepCopies+time.Hour)
	sweepCopiesIn(folder, time.Now())
	for _, gone := range []string{half, unnoted, other} {
		require.NoFileExists(t, gone)
	}
	for _, kept := range []string{fresh, foreign, second, noteOf(second)} {
		require.FileExists(t, kept)
	}
	sweepCopiesIn(folder, time.Now())
	require.NoFileExists(t, noteOf(other), "a note without a copy")

	// To open one again counts as a use.
	age(noteOf(second), keepCopies-time.Hour)
	require.Equal(t, second, unpack(filepath.Join(dir, "a.tar.gz")))
	sweepCopiesIn(folder, time.Now().Add(keepCopies/2))
	require.FileExists(t, second)
}
