//go:build !windows

package files

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a lock file holds that a process has left, the lock is taken.
func FuzzLock(f *testing.F) {
	f.Add([]byte(`{"pid":1,"host":"h","since":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"pid":-1,"host":"\u001b[31m"}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), ".lock")
		require.NoError(t, os.WriteFile(path, raw, 0o644))
		file, err := os.Open(path)
		require.NoError(t, err)
		o := readOwner(file)
		require.NoError(t, file.Close())
		require.NotEmpty(t, o.String())
		unlock, err := Lock(path)
		require.NoError(t, err)
		unlock()
		require.NoFileExists(t, path)
	})
}
