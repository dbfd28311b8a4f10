package tests

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/xkd"
)

// A run that is killed at any moment, again and again, ends with the bytes of one that was left alone, and with one line of
// metrics for every step.
func TestKillAtRandomMoments(t *testing.T) {
	kills, steps := 4, 20
	if long() {
		kills, steps = 60, 300
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	began := time.Now()
	undisturbed := exec.Command(program, small(steps, "straight")...)
	undisturbed.Dir = dir
	require.NoError(t, undisturbed.Run())
	// A start takes most of a second at worst; kills come during it too.
	most := max(3*time.Since(began)/time.Duration(kills), time.Second)
	out := filepath.Join(dir, "run")
	args := func() []string {
		if _, err := os.Lstat(checkpointIn(out)); err != nil {
			return small(steps, out, "--save-every", "1")
		}
		return []string{"train", "--resume", "--device", "cpu", "--workers", "1", "--save-every", fmt.Sprint(1 + r.IntN(3)), "--out", out}
	}
	for k := 0; k < kills; {
		cmd := exec.Command(program, args()...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(r.Int64N(int64(most))))
		require.NoError(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			break // it was over
		}
		require.Equal(t, -1, cmd.ProcessState.ExitCode(), "%s", &stderr)
		k++
		if _, err := os.Lstat(checkpointIn(out)); err != nil {
			continue
		}
		l, err := xkd.LoadCheckpoint(checkpointIn(out))
		require.NoError(t, err)
		t.Logf("kill %d: %d steps are saved", k, l.Done)
		if l.Done == steps {
			break
		}
	}
	if l, err := xkd.LoadCheckpoint(checkpointIn(out)); err != nil || l.Done < steps {
		xkdIn(t, "", args()...).succeeds(t)
	}
	want, err := os.ReadFile(checkpointIn(filepath.Join(dir, "straight")))
	require.NoError(t, err)
	got, err := os.ReadFile(checkpointIn(out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the checkpoint's bytes")
	requireMetrics(t, out, steps)
}

// requireMetrics sees that a run's metrics have every step once, in order.
func requireMetrics(t *testing.T, out string, steps int) {
	t.Helper()
	m, err := xkd.LoadMetrics(filepath.Join(out, xkd.MetricsFile))
	require.NoError(t, err)
	require.Len(t, m.Steps, steps)
	for i, s := range m.Steps {
		require.Equal(t, i+1, s)
	}
}

// A reader that goes away ends the output, not the run.
func TestPipeThatIsClosed(t *testing.T) {
	for _, which := range []string{"stdout", "stderr"} {
		t.Run(which, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(program, small(6, "run", "--json")...)
			pipe := cmd.StdoutPipe
			if which == "stderr" {
				cmd = exec.Command(program, small(6, "run")...)
				pipe = cmd.StderrPipe
			}
			cmd.Dir = dir
			out, err := pipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			require.True(t, bufio.NewScanner(out).Scan())
			require.NoError(t, out.Close())
			require.NoError(t, cmd.Wait())
			l, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, "run")))
			require.NoError(t, err)
			require.Equal(t, 6, l.Done)
			requireMetrics(t, filepath.Join(dir, "run"), 6)
		})
	}
}

// A second signal ends the run at once, whichever they are.
func TestSignalTwice(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir, small(1000, "run", "--batch", "64", "--json")...)
	s.until(t, 1)
	// Two kinds, so that neither is lost; nothing between them, so that no step ends there.
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	_ = s.cmd.Process.Signal(os.Interrupt)
	for s.lines.Scan() {
	}
	_ = s.cmd.Wait()
	require.Equal(t, 130, s.cmd.ProcessState.ExitCode(), "%s", &s.stderr)
}

// What nohup has ignored does not stop a run.
func TestSignalIgnored(t *testing.T) {
	if _, err := exec.LookPath("nohup"); err != nil {
		t.Skip("there is no nohup")
	}
	dir := t.TempDir()
	cmd := exec.Command("nohup", append([]string{program}, small(8, "run", "--json")...)...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait())
	l, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, "run")))
	require.NoError(t, err)
	require.Equal(t, 8, l.Done)
}

// hangsUp skips a test where this process, and so its children, ignores hang-ups.
func hangsUp(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("hang-ups are ignored here, as under nohup")
	}
}
