//go:build unix

package ffmpeg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// gone waits for a process to end.
func gone(pid int) bool {
	for range 300 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return true
		}
		// A child of the dead process that nobody waits for may stay as a zombie.
		if stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil && strings.Contains(string(stat), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

func TestProcessOutputs(t *testing.T) {
	mediatest.NeedShell(t)
	run := func(script string, limits ...int) ([][]byte, error) {
		return process{"sh", []string{"-c", script}, 20 * time.Second, limits}.run(context.Background())
	}
	outs, err := run("printf one; printf three >&3", 100, 100)
	require.NoError(t, err)
	require.Equal(t, "one", string(outs[0]))
	require.Equal(t, "three", string(outs[1]))
	outs, _ = run("yes", 1000)
	require.Len(t, outs[0], 1000, "an endless output is cut off")
	_, err = run("echo '[mov @ 0x55aa] \ttoo\001 bad' >&2; echo more >&2; exit 3", 10)
	require.Equal(t, complaint("too bad"), err)
	_, err = run("exit 3", 10)
	require.ErrorContains(t, err, "exit status 3")
	_, err = run("head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1", 10)
	require.Less(t, len(err.Error()), 200, "complaints are bounded")
	_, err = process{"no such tool", nil, time.Second, []int{1}}.run(context.Background())
	require.ErrorIs(t, err, media.ErrTool)
}

func TestProcessIsKilledWithItsChildren(t *testing.T) {
	mediatest.NeedShell(t)
	pids := filepath.Join(t.TempDir(), "pids")
	script := "sleep 300 & echo $! $$ >'" + pids + "'; wait"
	began := time.Now()
	_, err := process{"sh", []string{"-c", script}, 300 * time.Millisecond, []int{10}}.run(context.Background())
	require.ErrorIs(t, err, ErrLate)
	require.Less(t, time.Since(began), 60*time.Second)
	raw, err := os.ReadFile(pids)
	require.NoError(t, err)
	for _, field := range strings.Fields(string(raw)) {
		pid, err := strconv.Atoi(field)
		require.NoError(t, err)
		require.True(t, gone(pid), "process %d is left", pid)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err = process{"sh", []string{"-c", "sleep 300"}, time.Minute, []int{10}}.run(ctx)
	require.ErrorIs(t, err, context.Canceled)
}
