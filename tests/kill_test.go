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
// metrics for every step: on generated clips, on real files, and on a GPU.
func TestKillAtRandomMoments(t *testing.T) {
	kills, steps := 4, 20
	if long() {
		kills, steps = 60, 300
	}
	killed(t, kills, steps, "--device", "cpu")
}

func TestKillWithRealFiles(t *testing.T) {
	kills, steps, clips := 2, 10, 8
	if long() {
		kills, steps, clips = 60, 240, 60 // so many that an index is kept
	}
	data := filepath.Join(t.TempDir(), "clips")
	realClips(t, data, clips)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(t.TempDir(), "cache"))
	killed(t, kills, steps, "--device", "cpu", "--data", data)
}

func TestKillOnGPU(t *testing.T) {
	openGPU(t)
	kills, steps := 1, 6
	if long() {
		kills, steps = 10, 60
	}
	killed(t, kills, steps, "--device", "gpu")
}

// killed kills a run of so many steps as often, and compares. What is given chooses device and clips.
func killed(t *testing.T, kills, steps int, given ...string) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	args := func(steps int, out string) []string {
		return append([]string{"train", "--config", narrow(t, dir), "--batch", "2", "--workers", "1", "--steps", fmt.Sprint(steps), "--out", filepath.Join(dir, out)}, given...)
	}
	alone := func(steps int, out string) time.Duration {
		began := time.Now()
		text, err := exec.Command(program, args(steps, out)...).CombinedOutput()
		require.NoError(t, err, "%s", text)
		return time.Since(began)
	}
	whole := alone(steps, "straight") // in which kernels are compiled and files looked at, once
	most := whole
	if long() {
		// Kills come during the start too.
		start := alone(1, "start")
		most = start + max(3*(whole-start)/time.Duration(kills), start/2)
	}
	out := filepath.Join(dir, "run")
	next := func() []string {
		if _, err := os.Lstat(checkpointIn(out)); err != nil {
			return append(args(steps, "run"), "--save-every", "1")
		}
		return []string{"train", "--resume", "--device", given[1], "--workers", "1", "--save-every", fmt.Sprint(1 + r.IntN(3)), "--out", out}
	}
	done := 0
	for k := 0; k < kills; {
		cmd := exec.Command(program, next()...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		require.NoError(t, cmd.Start())
		time.Sleep(time.Duration(r.Int64N(int64(most))))
		require.NoError(t, cmd.Process.Kill())
		if err := cmd.Wait(); err == nil {
			done = steps // it was over
			break
		}
		require.Equal(t, -1, cmd.ProcessState.ExitCode(), "%s", &stderr)
		k++
		if _, err := os.Lstat(checkpointIn(out)); err != nil {
			continue
		}
		l, err := xkd.LoadCheckpoint(checkpointIn(out))
		require.NoError(t, err)
		t.Logf("kill %d: %d steps are saved", k, l.Done)
		require.GreaterOrEqual(t, l.Done, done)
		done = l.Done
		require.NoError(t, l.Close())
		if done == steps {
			break
		}
	}
	// As long as it takes: on a busy machine that is minutes. If the last kill came after the last step, this one sweeps and says
	// that nothing is left to do.
	if text, err := exec.Command(program, next()...).CombinedOutput(); done < steps {
		require.NoError(t, err, "%s", text)
	}
	want, err := os.ReadFile(checkpointIn(filepath.Join(dir, "straight")))
	require.NoError(t, err)
	got, err := os.ReadFile(checkpointIn(out))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got), "the checkpoint's bytes")
	requireMetrics(t, out, steps)
	left, err := filepath.Glob(filepath.Join(out, ".*.part"))
	require.NoError(t, err)
	require.Empty(t, left, "half-written files")
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
