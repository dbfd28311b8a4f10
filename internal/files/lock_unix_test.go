//go:build !windows

package files

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a process left that ended without a word is taken over, with and without the system's locks.
func TestLockOfProcessThatIsGone(t *testing.T) {
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	host, err := os.Hostname()
	require.NoError(t, err)
	leave := func(o Owner) string {
		path := filepath.Join(t.TempDir(), ".lock")
		text, err := json.Marshal(o)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, text, 0o644))
		return path
	}
	byName := func(path string) (func(), error) {
		f, err := OpenOwn(path)
		require.NoError(t, err)
		return lockByName(f)
	}
	for _, lock := range []func(string) (func(), error){Lock, byName} {
		unlock, err := lock(leave(Owner{dead.Process.Pid, host, time.Now()}))
		require.NoError(t, err)
		unlock()
	}
	// Without locks a living process keeps it, and one on another host, of which nothing is known.
	for _, o := range []Owner{{os.Getppid(), host, time.Now()}, {dead.Process.Pid, host + "-other", time.Now()}} {
		path := leave(o)
		_, err = byName(path)
		require.ErrorIs(t, err, ErrLocked)
		require.ErrorContains(t, err, "remove "+path)
	}
}

// Nothing is opened that may block or lies elsewhere.
func TestIrregular(t *testing.T) {
	dir := t.TempDir()
	fifo, link, victim := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "victim")
	require.NoError(t, syscall.Mkfifo(fifo, 0o644))
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o644))
	require.NoError(t, os.Symlink(victim, link))
	for _, path := range []string{fifo, dir, os.DevNull} {
		_, err := OpenRegular(path)
		require.ErrorIs(t, err, ErrIrregular, path)
		_, err = OpenOwn(path)
		require.ErrorIs(t, err, ErrIrregular, path)
	}
	f, err := OpenRegular(link)
	require.NoError(t, err)
	f.Close()
	_, err = OpenOwn(link)
	require.ErrorIs(t, err, ErrIrregular)
	_, err = Lock(link)
	require.ErrorIs(t, err, ErrIrregular)
	require.NoError(t, os.Remove(victim)) // a link to nothing is none to write through either
	_, err = OpenOwn(link)
	require.ErrorIs(t, err, ErrIrregular)
	require.NoFileExists(t, victim)
}
