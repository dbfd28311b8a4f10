package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/graph"
	"goxkd/internal/shared"
	"goxkd/watch"
)

// Over epochs of real clips a run takes what it has announced, within 15 %, and no more in the last than in the second. The
// memory of the software adapter's compiler is no part of it: it is what is there after the first step outside the program's
// heap, beside the device's bytes.
func TestMemoryIsWhatIsAnnounced(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc is not there")
	}
	clips, steps := 96, 100
	if long() {
		clips, steps = 1000, 2000
	}
	dir := t.TempDir()
	if cache, err := os.UserCacheDir(); err == nil {
		t.Setenv("MESA_SHADER_CACHE_DIR", cache) // what other tests have compiled serves
	}
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	data := filepath.Join(dir, "clips")
	realClips(t, data, clips)
	for _, device := range []string{"cpu", "gpu"} {
		t.Run("device "+device, func(t *testing.T) {
			if device != "cpu" && openGPU(t).Target().Class != graph.Software {
				t.Skip("a GPU has memory of its own")
			}
			p := watchMemory(t, dir, device, steps, "--data", data)
			own := int64(0)
			if device != "cpu" {
				own = max(0, p.foreign-p.device-codeBytes)
				t.Logf("the adapter's own: %d MB", own/1e6)
			}
			announced := p.device + p.host
			t.Logf("announced %d MB; resident beside the adapter's own, by eighths of the run, in MB: %v; the most %d",
				announced/1e6, inMegabytes(p.eighths(), own), (p.most-own)/1e6)
			require.Less(t, float64(p.most-own), 1.15*float64(announced))
			if !long() {
				return // few clips do not fill what may wait for the collector
			}
			last := float64(p.eighths()[7] - own)
			require.Greater(t, last, 0.85*float64(announced))
			require.Less(t, last, 1.05*float64(p.eighths()[3]-own), "it grows from epoch to epoch")
		})
	}
}

// A run whose page is open, and asked more often than a browser does, takes no more memory at its end than at a quarter of it.
func TestMemoryWhileThePageIsOpen(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/proc is not there")
	}
	if !long() {
		t.Skip("2,000 steps take a minute or more: make test-all runs them")
	}
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() {
		answers, last := 0, watch.Curves{}
		for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			for path, into := range map[string]any{
				"/": nil, "/api/runs": &[]watch.Info{}, fmt.Sprintf("/api/curves?run=0&generation=%d&after=%d", last.Generation, last.Last): &last,
			} {
				if answer, err := http.Get("http://" + address + path); err == nil { // before it begins and after it has ended nobody answers
					if into == nil || json.NewDecoder(answer.Body).Decode(into) == nil {
						answers++
					}
					answer.Body.Close()
				}
			}
		}
		ended <- answers
	}()
	p := watchMemory(t, t.TempDir(), "cpu", 2000, "--watch="+address, "--look-every", "50", "--tensorboard")
	stop()
	answers := <-ended
	t.Logf("%d answers; resident by eighths of the run, in MB: %v", answers, inMegabytes(p.eighths(), 0))
	require.Greater(t, answers, 300)
	require.Less(t, float64(p.eighths()[7]), 1.05*float64(p.eighths()[1]), "it grows while it is watched")
}

// codeBytes are the program's own pages, which the driver's share of a process without clips holds too.
const codeBytes = 24 << 20

// realClips puts so many of the GRID corpus's clips into a folder.
func realClips(t *testing.T, to string, n int) {
	t.Helper()
	from := shared.Path(t, "data", "grid", "clips")
	entries, err := os.ReadDir(from)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(entries), n)
	require.NoError(t, os.MkdirAll(to, 0o755))
	for _, e := range entries[:n] {
		require.NoError(t, os.Symlink(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())))
	}
}

// narrow is a configuration's file with networks so narrow that a step takes little.
func narrow(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "narrow.yaml")
	require.NoError(t, os.WriteFile(path, []byte("model:\n  encoder: {dim: 16, depth: 1, heads: 2}\n  decoder: {dim: 8, depth: 1, heads: 2}\n"+
		"  head: {hidden: 16, layers: 3, bottleneck: 8, out: 24}\n"), 0o644))
	return path
}

// process is what was seen of a run's memory, in bytes.
type process struct {
	device, host int64   // announced
	resident     []int64 // as time went on, from the first step
	most         int64
	foreign      int64 // resident outside Go's heap, after the first step
}

// eighths are the medians of the resident memory in the parts of a run.
func (p process) eighths() (list []int64) {
	for k := range 8 {
		part := slices.Clone(p.resident[k*len(p.resident)/8 : (k+1)*len(p.resident)/8])
		slices.Sort(part)
		list = append(list, part[len(part)/2])
	}
	return list
}

func inMegabytes(list []int64, less int64) (out []int64) {
	for _, v := range list {
		out = append(out, (v-less)/1e6)
	}
	return out
}

var (
	deviceLine = regexp.MustCompile(`(?m)^device: .*, ([0-9,]+) MB$`)
	memoryLine = regexp.MustCompile(`(?m)^memory: +([0-9,]+) MB beside`)
)

// watchMemory trains a narrow network and looks at the process's memory all the while.
func watchMemory(t *testing.T, dir, device string, steps int, more ...string) (p process) {
	t.Helper()
	cmd := exec.Command(program, append([]string{"train", "--config", narrow(t, dir), "--device", device, "--batch", "4", "--steps", fmt.Sprint(steps),
		"--out", filepath.Join(t.TempDir(), "run")}, more...)...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill() })
	var text strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "step ") {
		fmt.Fprintln(&text, lines.Text())
	}
	p.device, p.host = announcedIn(t, text.String(), deviceLine), announcedIn(t, text.String(), memoryLine)
	p.foreign = foreignOf(cmd.Process.Pid)
	done := make(chan error, 1)
	go func() {
		for lines.Scan() {
		}
		done <- cmd.Wait()
	}()
	for ended := false; !ended; {
		select {
		case err := <-done:
			require.NoError(t, err)
			ended = true
		case <-time.After(50 * time.Millisecond):
			if resident := memoryOf(cmd.Process.Pid, "status", "VmRSS:"); resident > 0 {
				p.resident = append(p.resident, resident)
				p.most = max(p.most, memoryOf(cmd.Process.Pid, "status", "VmHWM:"))
			}
		}
	}
	require.Greater(t, len(p.resident), 16)
	// What is seen of a process that ends is less than all.
	p.resident = p.resident[:len(p.resident)-2]
	return p
}

func announcedIn(t *testing.T, text string, line *regexp.Regexp) int64 {
	t.Helper()
	found := line.FindStringSubmatch(text)
	require.NotNil(t, found, "%s is not in %s", line, text)
	n, err := strconv.ParseInt(strings.ReplaceAll(found[1], ",", ""), 10, 64)
	require.NoError(t, err)
	return n * 1e6
}

// memoryOf reads a figure in kB of /proc.
func memoryOf(pid int, file, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if parts := strings.Fields(line); len(parts) > 1 && parts[0] == field {
			n, _ := strconv.ParseInt(parts[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// foreignOf is what is resident outside the addresses at which Go keeps its heap.
func foreignOf(pid int) (sum int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0
	}
	inHeap := false
	for line := range strings.Lines(string(text)) {
		parts := strings.Fields(line)
		if from, _, ok := strings.Cut(parts[0], "-"); ok && len(parts) > 1 {
			at, err := strconv.ParseUint(from, 16, 64)
			inHeap = err == nil && at>>32 == 0xc0
		} else if parts[0] == "Rss:" && !inHeap {
			n, _ := strconv.ParseInt(parts[1], 10, 64)
			sum += n << 10
		}
	}
	return sum
}
