package files

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	unlock, err := Lock(path)
	require.NoError(t, err)
	_, err = Lock(path)
	require.ErrorIs(t, err, ErrLocked)
	var locked LockedError
	require.ErrorAs(t, err, &locked)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), locked.Owner.PID)
	require.Equal(t, host, locked.Owner.Host)
	require.WithinDuration(t, time.Now(), locked.Owner.Since, time.Minute)
	unlock()
	require.NoFileExists(t, path)
	unlock, err = Lock(path)
	require.NoError(t, err)
	unlock()
}

func TestHeld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	require.False(t, Held(path))
	unlock, err := Lock(path)
	require.NoError(t, err)
	require.True(t, Held(path))
	unlock()
	require.False(t, Held(path))
	require.NoError(t, os.WriteFile(path, []byte(`{"pid":1,"host":"elsewhere"}`), 0o644))
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		require.False(t, Held(path), "left by a process that was killed")
	}
}
