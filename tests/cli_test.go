package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/safetensors"
	"goxkd/xkd"
)

// program is the command, built once.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "xkd-cli-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "xkd")
	// A checkout that belongs to another user has no revision to stamp.
	build := exec.Command("go", "build", "-buildvcs=false", "-o", program, "goxkd/cmd/xkd")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	if common != nil {
		if err := common.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// result is what a user of the command gets.
type result struct {
	stdout, stderr string
	code           int
}

// xkdIn runs the command in a folder, with both outputs as pipes.
func xkdIn(t *testing.T, dir string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	for _, s := range []string{r.stdout, r.stderr} {
		assert.NotContains(t, s, "\r", "no redrawn lines in a pipe")
		assert.NotContains(t, s, "\x1b", "no colour in a pipe")
		assert.NotContains(t, s, "goroutine ", "no stack trace")
	}
	return r
}

// fails asserts that the command ends with a code and one line of error, which holds all the parts.
func (r result) fails(t *testing.T, code int, parts ...string) {
	t.Helper()
	assert.Equal(t, code, r.code, "exit code; stderr: %s", r.stderr)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := lines[len(lines)-1]
	assert.True(t, strings.HasPrefix(last, "xkd: "), "the last line of stderr is the error: %q", last)
	for _, line := range lines[:len(lines)-1] {
		assert.False(t, strings.HasPrefix(line, "xkd: "), "one line of error: %q", r.stderr)
	}
	for _, part := range parts {
		assert.Contains(t, last, part)
	}
}

func (r result) succeeds(t *testing.T) {
	t.Helper()
	require.Equal(t, 0, r.code, "stdout: %s\nstderr: %s", r.stdout, r.stderr)
}

// good is a result that must have succeeded.
func (r result) good(t *testing.T) result {
	t.Helper()
	r.succeeds(t)
	return r
}

// small are the flags of a run that takes about a second.
func small(steps int, out string, more ...string) []string {
	return append([]string{"train", "--device", "cpu", "--batch", "2", "--workers", "1", "--steps", fmt.Sprint(steps), "--out", out}, more...)
}

func checkpointIn(dir string) string { return filepath.Join(dir, xkd.CheckpointFile) }

func TestCLIHelp(t *testing.T) {
	for _, c := range []string{"", "train", "config", "config show", "config plot", "config check", "config diff", "probe", "retrieve", "embed", "export", "ablate", "devices", "check", "check step", "check golden", "bench", "bench op", "completion", "help", "man", "version"} {
		r := xkdIn(t, "", append(strings.Fields(c), "--help")...)
		r.succeeds(t)
		assert.Contains(t, r.stdout, "Examples:\n  xkd", "help of %q", c)
		assert.Greater(t, strings.Index(r.stdout, "Usage:"), 60, "help of %q begins with a description", c)
		assert.Empty(t, r.stderr)
	}
	assert.Equal(t, 0, xkdIn(t, "").code, "the bare command gives help")
}

func TestCLIUsageErrors(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, part string }{
		{"trian", "did you mean `xkd train`"},
		{"nonsense", "xkd --help"},
		{"help nosuch", "no command \"nosuch\""},
		{"help trian", "did you mean `xkd train`"},
		{"help config nosuch", "`xkd config` has no command \"nosuch\""},
		{"completion nosuch", "no shell \"nosuch\""},
		{"completion bash x", "\"x\""},
		{"man", "--out"},
		{"train --stpes 3", "--stpes"},
		{"train --steps three", "--steps"},
		{"train --steps 0", "--steps 0"},
		{"train --steps -5", "--steps -5"},
		{"train --batch 0", "--batch 0"},
		{"train --lr -1", "--lr"},
		{"train --difficulty 2", "--difficulty"},
		{"train --save-every 0", "--save-every"},
		{"train --workers -1", "--workers"},
		{"train --preset huge", "small_h12"},
		{"train --variant other", "xkd_mats"},
		{"train --refine max", "softmax"},
		{"train --teacher-view none", "local0"},
		{"train --set train.stepz=3", "did you mean train.steps?"},
		{"train --set train.batch=3 --batch 4", "train.batch is set twice"},
		{"train --accumulate 0", "--accumulate 0"},
		{"train --data videos --difficulty 0.5", "--difficulty"},
		{"train --split train", "--split"},
		{"train --released absent.yaml", "--released: stat absent.yaml"},
		{"config shw", "config show"},
		{"config show a b", "one file"},
		{"config plot a b", "one file"},
		{"config plot --out schedule.svg", ".png"},
		{"config plot --every -1", "--every -1"},
		{"config plot --epoch-steps 3", "train.steps is 800"},
		{"config plot --json --out a.png", "--out is for a picture"},
		{"config plot --data videos --steps 0 --set schedule.epochs=3", "--epoch-steps"},
		{"config plot --steps 0 --set schedule.epochs=1000000 --epoch-steps 9999999999999", "--epoch-steps 9999999999999"},
		{"config check", "mine.yaml"},
		{"config diff", "one or two"},
		{"train --device tpu", "xkd devices"},
		{"train extra", "extra"},
		{"train --out=", "--out"},
		{"probe", "needs a checkpoint"},
		{"probe --seeds 0 x", "--seeds"},
		{"probe --network both x", "student or teacher"},
		{"embed", "needs a checkpoint"},
		{"embed x", "--out"},
		{"embed x --out y.csv", ".npz"},
		{"embed x --out y.npy", "--modality"},
		{"retrieve x --clips 1", "--clips"},
		{"retrieve x --network both", "student or teacher"},
		{"export x --out y", "--to"},
		{"export x --to onnx", "--out"},
		{"export x --to onnx --out y --modality smell", "--modality"},
		{"probe --folds 3 --seeds 2 x", "--folds"},
		{"probe --c 0 x", "--c"},
		{"probe --spans 0 x", "--spans"},
		{"ablate --seeds 0", "--seeds 0"},
		{"ablate --row fast", "a.b=value"},
		{"ablate --row a=b", "is no setting"},
		{"ablate --json --markdown", "one of them"},
		{"ablate --label action", "--label is for files"},
		{"check --op nonsense", "matmul"},
		{"check --op matmul --op nonsense", "--op \"nonsense\""},
		{"check steps", "check step"},
		{"check step --batch 0", "--batch 0"},
		{"check golden", "golden case"},
		{"bench --steps 0", "--steps"},
		{"bench op", "operation"},
		{"bench op nonsense", "matmul"},
		{"bench op matmul --shape 3,x", "--shape"},
		{"version now", "now"},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := xkdIn(t, dir, strings.Fields(c.args)...)
			r.fails(t, 2, c.part)
			assert.Empty(t, r.stdout)
		})
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries, "a wrong command line leaves nothing behind")
}

func TestCLIBadFolders(t *testing.T) {
	dir := t.TempDir()
	empty, text, file := filepath.Join(dir, "empty"), filepath.Join(dir, "text"), filepath.Join(dir, "file")
	require.NoError(t, os.MkdirAll(empty, 0o755))
	require.NoError(t, os.MkdirAll(text, 0o755))
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(text, "notes.mp4"), []byte("not a film at all\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(empty, "readme.txt"), []byte("nothing here\n"), 0o644))
	out := filepath.Join(dir, "out")
	xkdIn(t, dir, small(1, out, "--data", "missing")...).fails(t, 1, "missing", "name an existing folder")
	xkdIn(t, dir, small(1, out, "--data", empty)...).fails(t, 1, empty, "no media files")
	xkdIn(t, dir, small(1, out, "--data", file)...).fails(t, 1, file, "folder")
	if _, err := exec.LookPath("ffprobe"); err != nil {
		t.Skip("ffprobe is needed to look into files")
	}
	xkdIn(t, dir, small(1, out, "--data", text)...).fails(t, 1, "notes.mp4", text)
}

func TestCLIOutputFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	xkdIn(t, dir, small(1, filepath.Join(file, "run"))...).fails(t, 1, "--out", file)
	xkdIn(t, dir, small(1, file)...).fails(t, 1, "--out", file)
	missing := filepath.Join(dir, "missing")
	xkdIn(t, dir, small(1, missing, "--resume")...).fails(t, 1, missing, "--resume")
	_, err := os.Stat(missing)
	assert.True(t, os.IsNotExist(err), "a failed --resume makes no folder")
}

// A disk that fills up ends the run with the reason and what to do, and leaves no half-written checkpoint.
func TestCLIFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root on Linux can mount a tiny disk")
	}
	disk := t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk).Run(); err != nil {
		t.Skipf("a tiny disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, exec.Command("umount", disk).Run()) })
	xkdIn(t, "", small(1, filepath.Join(disk, "run"))...).fails(t, 1, "no space left", "--out")
	_, err := os.Stat(checkpointIn(filepath.Join(disk, "run")))
	assert.True(t, os.IsNotExist(err))
}

// A checkpoint that cannot be written shows before training, whatever the disk says of its room, and what is advised works.
func TestCLINoRoomForTheFirstCheckpoint(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no limit of file sizes")
	}
	dir := t.TempDir()
	line := "ulimit -f 1000; exec \"$0\" \"$@\""
	cmd := exec.Command("bash", append([]string{"-c", line, program}, small(3, "run", "--json")...)...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.Error(t, cmd.Run())
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", &stderr)
	require.Empty(t, stdout.String(), "a step was trained")
	require.Contains(t, stderr.String(), "free some space or choose another --out")
	require.NotContains(t, stderr.String(), "--resume")
	xkdIn(t, dir, small(1, "run", "--save-every", "1")...).succeeds(t)
	l, err := xkd.LoadCheckpoint(filepath.Join(dir, "run", xkd.PreviousFile))
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, 0, l.Done)

	cmd = exec.Command("bash", "-c", line, program, "train", "--resume", "--steps", "2", "--device", "cpu", "--out", "run")
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	require.Error(t, err)
	_, advice, ok := strings.Cut(strings.TrimSpace(string(text)), "free some space, then: xkd ")
	require.True(t, ok, "%s", text)
	xkdIn(t, dir, append(strings.Fields(advice), "--steps", "2", "--device", "cpu")...).succeeds(t)
}

// What cannot fit into memory is refused with figures, not by the runtime's stack trace.
func TestCLITooLarge(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the free memory is known on Linux alone")
	}
	r := xkdIn(t, t.TempDir(), "train", "--device", "cpu", "--preset", "large", "--batch", "65536", "--steps", "1")
	r.fails(t, 1, "memory", "--batch", " MB")
}

func TestCLITrainAndProbe(t *testing.T) {
	dir := t.TempDir()
	r := xkdIn(t, dir, small(3, "run")...)
	r.succeeds(t)
	checkpoint := filepath.Join("run", xkd.CheckpointFile)
	assert.Contains(t, r.stdout, "next: xkd probe "+checkpoint, "the next command to type")
	for _, part := range []string{"device:", " MB", "1,488,448 trainable parameters", "clips:", "output:", "step 3/3"} {
		assert.Contains(t, r.stderr, part)
	}
	metrics, err := os.ReadFile(filepath.Join(dir, "run", xkd.MetricsFile))
	require.NoError(t, err)
	assert.Equal(t, 3, bytes.Count(metrics, []byte("\n")), "a line of metrics per step")

	xkdIn(t, dir, small(3, "run")...).fails(t, 1, "--resume", "--out")
	xkdIn(t, dir, small(3, "run", "--resume")...).fails(t, 1, "--steps")
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--batch", "4").fails(t, 2, "--batch 4", "contradicts")
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--data", "videos").fails(t, 2, "--data videos", "contradicts")

	probe := xkdIn(t, dir, "probe", checkpoint, "--device", "cpu", "--clips", "24", "--seeds", "2")
	probe.succeeds(t)
	for _, part := range []string{"trained", "untrained", "gain", "chance", "video", "audio", "audio+video", "k-NN", "linear SVM", "±", "C picked on test clips"} {
		assert.Contains(t, probe.stdout, part)
	}
	assert.Contains(t, probe.stderr, "none of them in training")
	probe = xkdIn(t, dir, "probe", "run", "--device", "cpu", "--clips", "24", "--seeds", "1", "--network", "teacher", "--spans", "2", "--raw", "--c", "0.1,1", "--json")
	probe.succeeds(t)
	var p struct {
		Rows  []xkd.ProbeRow
		Gains []struct{ Gain, Noise *float64 }
	}
	require.NoError(t, json.Unmarshal([]byte(probe.stdout), &p))
	assert.Len(t, p.Rows, 6)
	assert.Len(t, p.Gains, 6)

	found := xkdIn(t, dir, "retrieve", "run", "--device", "cpu", "--data", "synthetic", "--clips", "12")
	found.succeeds(t)
	for _, part := range []string{"recall at 1", "median rank", "chance", "video to audio", "heads", "pooled"} {
		assert.Contains(t, found.stdout, part)
	}
	written := xkdIn(t, dir, "embed", "run", "--device", "cpu", "--data", "synthetic", "--clips", "5", "--out", "f.npz")
	written.succeeds(t)
	assert.Contains(t, written.stdout, "f.npz: 5 clips, audio [5 96], video [5 96]")
	xkdIn(t, dir, "embed", "run", "--device", "cpu", "--data", "synthetic", "--out", "f.npz").fails(t, 1, "f.npz", "exists")
	xkdIn(t, dir, "export", "run", "--to", "onnx", "--out", "f.onnx").fails(t, 2, "--modality")
	xkdIn(t, dir, "export", "run", "--to", "onnx", "--modality", "audio", "--out", "f.onnx").succeeds(t)
	xkdIn(t, dir, "probe", "nothing.safetensors").fails(t, 1, "nothing.safetensors")
}

func TestCLIDamagedCheckpoints(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(1, "run")...).succeeds(t)
	path := checkpointIn(filepath.Join(dir, "run"))
	whole, err := os.ReadFile(path)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(path, whole[:len(whole)/2], 0o644))
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--steps", "2", "--device", "cpu").fails(t, 1, xkd.CheckpointFile, "cut short")
	xkdIn(t, dir, "probe", "run", "--device", "cpu").fails(t, 1, xkd.CheckpointFile, "cut short")
	require.NoError(t, os.WriteFile(path, []byte("hello, world, this is no checkpoint"), 0o644))
	xkdIn(t, dir, "probe", "run", "--device", "cpu").fails(t, 1, xkd.CheckpointFile)

	// The configuration says another width than the tensors have.
	require.NoError(t, os.WriteFile(path, whole, 0o644))
	f, err := safetensors.Load(path)
	require.NoError(t, err)
	f.Metadata["xkd.config"] = strings.Replace(f.Metadata["xkd.config"], `"dim":96`, `"dim":48`, 1)
	require.NoError(t, f.Save(path))
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--steps", "2", "--device", "cpu").fails(t, 1, xkd.CheckpointFile, "shape")
	xkdIn(t, dir, "probe", "run", "--device", "cpu", "--clips", "12").fails(t, 1, xkd.CheckpointFile, "shape")

	f.Metadata["xkd.config"] = "{"
	require.NoError(t, f.Save(path))
	xkdIn(t, dir, "probe", "run", "--device", "cpu").fails(t, 1, xkd.CheckpointFile, "configuration")
}

// started is a run in progress whose JSON lines are read one by one.
type started struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr bytes.Buffer
}

func start(t *testing.T, dir string, args ...string) *started {
	t.Helper()
	s := &started{cmd: exec.Command(program, args...)}
	s.cmd.Dir = dir
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { s.cmd.Process.Kill() })
	s.lines = bufio.NewScanner(out)
	return s
}

// until reads lines up to the one of a step and gives it.
func (s *started) until(t *testing.T, step int) (line struct {
	Event  string
	Step   int
	Losses map[string]float64
}) {
	t.Helper()
	for line.Step < step {
		require.True(t, s.lines.Scan(), "the run ended before step %d: %s", step, &s.stderr)
		require.NoError(t, json.Unmarshal(s.lines.Bytes(), &line))
		require.Equal(t, "step", line.Event)
		require.Len(t, line.Losses, len(xkd.LossNames))
	}
	return line
}

// A run that is interrupted saves; one that is killed has its last checkpoint. Resumed, both end with the same bytes as a
// run that was left alone, checkpoint and metrics alike.
func TestCLIResume(t *testing.T) {
	const steps = 12
	dir := t.TempDir()
	straight := xkdIn(t, dir, small(steps, "straight", "--json")...)
	straight.succeeds(t)
	lines := strings.Split(strings.TrimSpace(straight.stdout), "\n")
	require.Len(t, lines, steps+1)
	var end struct {
		Event, Checkpoint string
		Steps             int
		Stopped           bool
	}
	require.NoError(t, json.Unmarshal([]byte(lines[steps]), &end))
	assert.Equal(t, "end", end.Event)
	assert.Equal(t, steps, end.Steps)
	assert.False(t, end.Stopped)
	want, err := os.ReadFile(checkpointIn(filepath.Join(dir, "straight")))
	require.NoError(t, err)

	for _, how := range []struct {
		name   string
		signal syscall.Signal
	}{{"interrupted", syscall.SIGINT}, {"terminated", syscall.SIGTERM}, {"hung up", syscall.SIGHUP}, {"killed", syscall.SIGKILL}} {
		t.Run(how.name, func(t *testing.T) {
			if how.signal == syscall.SIGHUP {
				hangsUp(t)
			}
			s := start(t, dir, small(steps, how.name, "--json", "--save-every", "3")...)
			s.until(t, 4)
			require.NoError(t, s.cmd.Process.Signal(how.signal))
			for s.lines.Scan() {
				end.Stopped = false
				require.NoError(t, json.Unmarshal(s.lines.Bytes(), &end))
			}
			err := s.cmd.Wait()
			if how.signal == syscall.SIGKILL {
				require.Error(t, err)
			} else {
				require.NoError(t, err, "the exit code of a run that was stopped is 0: %s", &s.stderr)
				assert.Equal(t, "end", end.Event)
				assert.True(t, end.Stopped)
			}
			l, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, how.name)))
			require.NoError(t, err)
			require.GreaterOrEqual(t, l.Done, 3)
			require.Less(t, l.Done, steps, "the run was over before the signal came")

			r := xkdIn(t, dir, "train", "--resume", "--out", how.name, "--device", "cpu")
			r.succeeds(t)
			assert.Contains(t, r.stderr, fmt.Sprintf("%d of %d steps are done", l.Done, steps))
			got, err := os.ReadFile(checkpointIn(filepath.Join(dir, how.name)))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(want, got), "the checkpoint's bytes")
			metrics, err := os.ReadFile(filepath.Join(dir, how.name, xkd.MetricsFile))
			require.NoError(t, err)
			assert.Equal(t, steps, bytes.Count(metrics, []byte("\n")), "one line of metrics per step")
		})
	}
}

// A stopped run tells in words how to go on.
func TestCLIInterruptSaysHowToGoOn(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(program, small(1000, "run")...)
	cmd.Dir = dir
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "step 1/") {
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var notes []string
	for lines.Scan() {
		notes = append(notes, lines.Text())
	}
	require.NoError(t, cmd.Wait())
	assert.Contains(t, strings.Join(notes, "\n"), "once more to end at once")
	assert.Contains(t, stdout.String(), "xkd train --resume --out run")
}

func TestCLIDevices(t *testing.T) {
	r := xkdIn(t, "", "devices")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "cpu")
	assert.Contains(t, r.stdout, "auto takes --device ")
	assert.NotContains(t, r.stderr, "XDG_RUNTIME_DIR")
	r = xkdIn(t, "", "devices", "--json")
	r.succeeds(t)
	var d struct {
		Adapters []struct {
			Number int
			Class  string
		}
		CPU  struct{ Cores int }
		Auto struct{ Device, Reason string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &d))
	assert.Positive(t, d.CPU.Cores)
	assert.NotEmpty(t, d.Auto.Reason)
	for i, a := range d.Adapters {
		assert.Equal(t, i, a.Number)
	}
	if len(d.Adapters) > 0 {
		xkdIn(t, t.TempDir(), "train", "--device", fmt.Sprint(len(d.Adapters))).fails(t, 1, "--device")
	}
}

func TestCLICheck(t *testing.T) {
	r := xkdIn(t, "", "check", "--device", "cpu", "--op", "softmax")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "forward")
	assert.Contains(t, r.stdout, "backward")
	assert.Contains(t, r.stdout, "all within their limits")
	r = xkdIn(t, "", "check", "--device", "cpu", "--op", "softmax", "--op", "gelu", "--json")
	r.succeeds(t)
	names := map[string]bool{}
	var ops struct {
		Results []struct {
			Op   string
			Pass bool
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &ops))
	assert.NotEmpty(t, ops.Results)
	for _, o := range ops.Results {
		assert.True(t, o.Pass)
		names[o.Op] = true
	}
	assert.Equal(t, map[string]bool{"softmax": true, "gelu": true}, names)
}

func TestCLICheckStep(t *testing.T) {
	// The CPU against itself: what is tested is the report.
	r := xkdIn(t, "", "check", "step", "--device", "cpu", "--batch", "1")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "worst")
	assert.Contains(t, r.stdout, "all within their limits")
	r = xkdIn(t, "", "check", "step", "--device", "cpu", "--batch", "1", "--variant", "xkd_mats", "--json")
	r.succeeds(t)
	var s struct {
		Nodes int
		Pass  bool
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &s))
	assert.True(t, s.Pass)
	assert.Greater(t, s.Nodes, 1000)
}

func TestCLICheckGolden(t *testing.T) {
	golden, err := filepath.Abs(filepath.Join("testdata", "mini_xkd.safetensors"))
	require.NoError(t, err)
	r := xkdIn(t, "", "check", "golden", "--device", "cpu", golden)
	r.succeeds(t)
	for _, group := range []string{"losses", "gradients", "clip norms", "features", "final state", "all within their limits"} {
		assert.Contains(t, r.stdout, group)
	}
	r = xkdIn(t, "", "check", "golden", "--device", "cpu", "--json", golden)
	r.succeeds(t)
	var cases []struct {
		Pass    bool
		Figures []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &cases))
	require.Len(t, cases, 1)
	assert.Greater(t, len(cases[0].Figures), 100)

	// One weight changed by hand must show, by name and in the exit code.
	f, err := safetensors.Load(golden)
	require.NoError(t, err)
	f.Tensors["step0/loss/vid_recon_loss"].Data[0] *= 1.001
	wrong := filepath.Join(t.TempDir(), "wrong.safetensors")
	require.NoError(t, f.Save(wrong))
	r = xkdIn(t, "", "check", "golden", "--device", "cpu", wrong)
	assert.Equal(t, 1, r.code)
	assert.Contains(t, r.stdout, "step0/loss/vid_recon_loss")
	assert.Contains(t, r.stdout, "1 MISSED")
	xkdIn(t, "", "check", "golden", "--device", "cpu", "missing.safetensors").fails(t, 1, "missing.safetensors")
}

// What `config show` prints is a configuration; its fields, a part of them too, replace the preset's, flags win over it, and a
// slip of the pen is refused.
func TestCLIConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	show := func(args ...string) (r result) {
		t.Helper()
		r = xkdIn(t, dir, append([]string{"config", "show"}, args...)...)
		r.succeeds(t)
		return r
	}
	shown, asJSON := show("--preset", "tiny", "--variant", "xkd_mas"), show("--preset", "tiny", "--variant", "xkd_mas", "--json")
	assert.Contains(t, shown.stdout, "# Greatest 2-norm of one gradient tensor. Range: above 0. Default: 0.3. Source: ")
	write("all.yaml", shown.stdout)
	write("all.json", asJSON.stdout)
	for _, file := range []string{"all.yaml", "all.json"} {
		require.Equal(t, shown.stdout, show("--config", file).stdout)
		require.Equal(t, shown.stdout, show(file).stdout)
	}
	assert.NotContains(t, show("--plain").stdout, "#")
	r := xkdIn(t, dir, "config", "diff", "all.yaml", "all.json")
	r.succeeds(t)
	assert.Equal(t, "no setting differs\n", r.stdout)
	r = xkdIn(t, dir, "config", "check", "all.yaml", "all.json")
	r.succeeds(t)
	assert.Equal(t, 2, strings.Count(r.stdout, "all settings hold"))

	write("part.yaml", "optimizer: {grad_clip: 0.5}\ntrain: {steps: 7}\nviews: {audio: {mask: 0.5}}\n")
	var c xkd.Config
	require.NoError(t, json.Unmarshal([]byte(show("--config", "part.yaml", "--batch", "4", "--set", "model.encoder.depth=2", "--variant", "xkd_mats", "--json").stdout), &c))
	want, err := xkd.Default("nano", xkd.MATS)
	require.NoError(t, err)
	want.Optimizer.GradClip, want.Train.Steps, want.Train.Batch, want.Views.Audio.Mask, want.Model.Encoder.Depth = 0.5, 7, 4, 0.5, 2
	require.Equal(t, want, c)
	r = xkdIn(t, dir, "config", "diff", "part.yaml")
	r.succeeds(t)
	assert.Contains(t, r.stdout, "optimizer.grad_clip  0.3")

	write("slip.yaml", "train:\n  stepz: 3\n")
	for _, args := range [][]string{{"train", "--config", "slip.yaml"}, {"config", "check", "slip.yaml"}} {
		xkdIn(t, dir, args...).fails(t, 2, "slip.yaml:2: train.stepz", "did you mean train.steps?")
	}
	xkdIn(t, dir, "train", "--config", "absent.json").fails(t, 2, "absent.json")
	xkdIn(t, dir, "train", "--config", "all.yaml", "--preset", "base").fails(t, 2, "preset", "tiny", "base")
}

// A file of the released code is read as it is: what becomes of its keys is told, settings lie over it, its epochs become steps
// when the clips are known, and a run of it goes on.
func TestCLIReleased(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("xkd.yaml", `
apex: true
hyperparams: {num_epochs: 3, lr: {warmup_epochs: 1, base_lr: 0.002}}
model:
  name: XKD_MAS
  audio_temp_kwargs: {warmup_teacher_temp: 0.04, warmup_teacher_temp_epochs: 3, teacher_temp: 0.06}
`)
	r := xkdIn(t, dir, "config", "show", "--released", "xkd.yaml")
	r.succeeds(t)
	assert.Empty(t, r.stderr)
	assert.Contains(t, r.stdout, "#   line 3: hyperparams.lr.base_lr: optimizer.lr, schedule.lr (the course is in multiples of it)\n")
	assert.Contains(t, r.stdout, "# Without effect:\n#   line 2: apex: no effect here: float32 throughout\n")
	write("all.yaml", r.stdout)
	plain := xkdIn(t, dir, "config", "show", "--released", "xkd.yaml", "--plain").good(t)
	assert.Contains(t, plain.stderr, "note: xkd.yaml: without effect: apex;")
	assert.Equal(t, plain.stdout, xkdIn(t, dir, "config", "show", "all.yaml", "--plain").good(t).stdout)

	nano, err := xkd.Default("nano", xkd.MAS)
	require.NoError(t, err)
	sizes, err := json.Marshal(map[string]any{"views": nano.Views, "model": nano.Model})
	require.NoError(t, err)
	write("nano.json", string(sizes))
	run := []string{"train", "--released", "xkd.yaml", "--config", "nano.json", "--batch", "2", "--set", "data.synthetic.clips=5", "--device", "cpu", "--out", "run"}
	r = xkdIn(t, dir, run...)
	r.succeeds(t)
	assert.Contains(t, r.stderr, "steps:      6, 2 an epoch for 3 epochs\n")
	l, err := xkd.LoadCheckpoint(checkpointIn(filepath.Join(dir, "run")))
	require.NoError(t, err)
	defer l.Close()
	require.Equal(t, 6, l.Done)
	require.Equal(t, []any{xkd.MAS, 6, 3, 0.002}, []any{l.Config.Variant, l.Config.Train.Steps, l.Config.Schedule.Epochs, l.Config.Optimizer.LR})
	for k, want := range []float64{0.04, 0.04, 0.05, 0.05, 0.06, 0.06} {
		require.InDelta(t, want, l.Config.At(k).TeacherTemp[xkd.Audio], 1e-15)
	}
	xkdIn(t, dir, append(run, "--resume", "--steps", "8")...).succeeds(t)
	write("xkd.yaml", "hyperparams: {num_epochs: 4}\nmodel: {name: XKD_MAS}\n")
	xkdIn(t, dir, append(run, "--resume", "--steps", "9")...).fails(t, 2, "schedule.epochs 4 contradicts the checkpoint")

	r = xkdIn(t, dir, "config", "plot", "--released", "xkd.yaml", "--epoch-steps", "600", "--json")
	r.succeeds(t)
	var plotted struct {
		Steps, Epochs int
		Step          []int
		Values        map[string][]float64
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &plotted))
	require.Equal(t, []int{2400, 4}, []int{plotted.Steps, plotted.Epochs})
	require.Equal(t, []int{1, 4, 2400}, []int{plotted.Step[0], plotted.Step[1], plotted.Step[len(plotted.Step)-1]})
	for _, name := range []string{"lr", "weight_decay", "ema_video", "ema_audio", "temperature_video", "temperature_audio"} {
		require.Len(t, plotted.Values[name], len(plotted.Step), name)
	}
	assert.InDelta(t, 3.0/89*1e-4, plotted.Values["lr"][1], 1e-15, "of a warm-up of 30 in 800")
	r = xkdIn(t, dir, "config", "plot", "run", "--out", "schedule.png")
	r.succeeds(t)
	assert.Equal(t, "schedule.png\n", r.stdout)
	picture, err := os.Open(filepath.Join(dir, "schedule.png"))
	require.NoError(t, err)
	defer picture.Close()
	_, err = png.Decode(picture)
	require.NoError(t, err)

	write("slip.yaml", "model:\n  fwd_kwargs:\n    recon_coef: 5\n")
	for _, args := range [][]string{{"train"}, {"plan"}, {"bench"}, {"tune"}, {"ablate"}, {"check", "step"}, {"config", "show"}, {"config", "plot"}} {
		xkdIn(t, dir, append(args, "--released", "slip.yaml")...).fails(t, 2, "slip.yaml:3: model.fwd_kwargs.recon_coef", "did you mean model.fwd_kwargs.recon_coeff?")
	}
	xkdIn(t, dir, "train", "--released", "xkd.yaml", "--preset", "tiny").fails(t, 2, "base", "tiny")
}

// A checkpoint of a version before the one configuration is probed and goes on.
func TestCLIFormerCheckpoint(t *testing.T) {
	dir := t.TempDir()
	xkdIn(t, dir, small(2, "run", "--seed", "3")...).succeeds(t)
	path := checkpointIn(filepath.Join(dir, "run"))
	f, err := safetensors.Load(path)
	require.NoError(t, err)
	plan, err := os.ReadFile(filepath.Join("..", "xkd", "testdata", "plan_nano_xkd.json"))
	require.NoError(t, err)
	delete(f.Metadata, "xkd.config")
	f.Metadata["xkd.plan"] = string(plan)
	require.NoError(t, f.Save(path))
	xkdIn(t, dir, "probe", "run", "--device", "cpu", "--clips", "12", "--seeds", "1").succeeds(t)
	xkdIn(t, dir, "config", "show", "run").succeeds(t)
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--device", "cpu", "--set", "optimizer.grad_clip=0.5").fails(t, 2, "optimizer.grad_clip 0.5 contradicts the checkpoint")
	xkdIn(t, dir, "train", "--resume", "--out", "run", "--device", "cpu", "--steps", "3").succeeds(t)
	l, err := xkd.LoadCheckpoint(path)
	require.NoError(t, err)
	require.Equal(t, 3, l.Done)
}
