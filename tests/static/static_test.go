// Package static compiles every kernel of the presets by the compilers of real GPUs, where there is no such GPU: Mesa's RADV
// for AMD, with its null device, and ANV for Intel, with a pretended one (testdata/intel.c). What they say is held against budgets.
package static

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"goxkd/estimate"
	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/xkd"
)

// The budgets.
const (
	mostWorkgroupBytes = 16 << 10 // what WebGPU promises everywhere
	leastWaves         = 8        // of a SIMD unit, on mostAsked
	shareT128          = 0.75     // of multiply-adds among the instructions of a product's inner loop
	shareT64           = 0.65
)

// spills are what is left to mend: kernels of attention that spill on Intel's GPUs, and how much at most. The spills lie between
// the products, not in them: a twentieth of the instructions of a block or less.
var spills = map[string]int{
	"flash:forward/32x16": 115, "flash:forward/64x16": 105,
	"flash:keys/32x8": 135, "flash:keys/64x8": 115,
	"flash:queries/32x8": 85, "flash:queries/64x8": 75,
}

// adapter is a GPU that a driver compiles for.
type adapter struct {
	name  string
	env   []string
	waves bool // the budget of waves and of inner loops is for it
}

var adapters = []adapter{
	{"NAVI21", []string{"RADV_FORCE_FAMILY=NAVI21"}, true},
	{"GFX1100", []string{"RADV_FORCE_FAMILY=GFX1100"}, true},
	{"NAVI14", []string{"RADV_FORCE_FAMILY=NAVI14"}, false},
	{"POLARIS10", []string{"RADV_FORCE_FAMILY=POLARIS10"}, false},
	{"Tiger Lake", []string{"XKD_INTEL=9a49"}, false},
	{"Arc A770", []string{"XKD_INTEL=56a0"}, false},
}

func (a adapter) amd() bool { return strings.HasPrefix(a.env[0], "RADV") }

// kernel is a text that some preset runs.
type kernel struct {
	File       string
	Name       string // file, entry point and constants
	Integrated bool   // run by integrated GPUs, and by all of Intel's
	Of         string // the first operation and preset that was seen to run it
}

// Variables of the child that makes the pipelines.
const (
	spirvVar = "XKD_SPIRV"
	namesVar = "XKD_STATIC_NAMES"
	// kernelsVar is for who changes a kernel: only those whose names match are compiled.
	kernelsVar = "XKD_KERNELS"
)

// steps are the configurations whose kernels are compiled: every preset, by a small and by a large batch.
func steps() (out []xkd.Config, err error) {
	for _, preset := range xkd.Presets() {
		for _, batch := range []int{2, 16} {
			c, err := xkd.Default(preset, xkd.XKD)
			if err != nil {
				return nil, err
			}
			c.Train.Batch = batch
			out = append(out, c)
		}
	}
	return out, nil
}

// TestMain is also the child: it makes the pipeline of every kernel on the software adapter, where a layer keeps the SPIR-V.
func TestMain(m *testing.M) {
	if names := os.Getenv(namesVar); names != "" {
		if err := makePipelines(names); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func makePipelines(names string) error {
	dev, err := gpu.Open("0")
	if err != nil {
		return err
	}
	configs, err := steps()
	if err != nil {
		return err
	}
	made := map[string]*kernel{}
	var order []*kernel
	only, err := regexp.Compile(os.Getenv(kernelsVar))
	if err != nil {
		return err
	}
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated} {
		for _, c := range configs {
			step, err := xkd.BuildStep(c, xkd.StepOptions{Binding: estimate.Binding(class)})
			if err != nil {
				return err
			}
			e, err := gpu.EstimateFor(step.Graph, class, graph.PlanOptions{})
			if err != nil {
				return err
			}
			for _, n := range e.Nodes {
				kernels, err := gpu.Kernels(n.Node, graph.Target{Class: class, Variant: n.Variant}, "")
				if err != nil {
					return err
				}
				for _, k := range kernels {
					name := k.Shader + " " + k.Entry + constants(k.Consts) + constants(k.Includes)
					if !only.MatchString(name) {
						continue
					}
					before := dev.Counts().Pipelines
					if err := dev.Try(k); err != nil {
						return err
					}
					if dev.Counts().Pipelines > before { // else it was there already
						made[k.Text+k.Entry] = &kernel{File: k.Shader, Name: name, Of: fmt.Sprintf("%s of %s, batch %d", n.Node.Op.Name, c.Preset, c.Train.Batch)}
						order = append(order, made[k.Text+k.Entry])
					}
					if class == graph.Integrated {
						made[k.Text+k.Entry].Integrated = true
					}
				}
			}
		}
	}
	data, err := json.Marshal(order)
	if err != nil {
		return err
	}
	return os.WriteFile(names, data, 0o644)
}

func constants(list []graph.Const) string {
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, " %s=%s", c.Name, c.Value)
	}
	return b.String()
}

// build compiles a C file beside this one, or skips.
func build(t *testing.T, out string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), out)
	cmd := exec.Command("cc", append([]string{"-O1", "-o", path}, args...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if bytes.Contains(text, []byte("No such file")) || errors.Is(err, exec.ErrNotFound) {
			t.Skipf("needs a C compiler and the headers of Vulkan and libdrm (libvulkan-dev, libdrm-dev):\n%s", text)
		}
		t.Fatalf("%v\n%s", err, text)
	}
	return path
}

func driver(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"} {
		if found, _ := filepath.Glob(filepath.Join(dir, name)); len(found) > 0 {
			return found[0]
		}
	}
	t.Skipf("needs Mesa's driver %s (mesa-vulkan-drivers)", name)
	return ""
}

// run starts a program with a changed environment and gives what it prints.
func run(t *testing.T, limit time.Duration, env []string, program string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, diagnostics.Bytes())
	}
	return out.Bytes()
}

// spirv gives the folder of every kernel's SPIR-V, as the WebGPU implementation in use makes it, and what they are.
func spirv(t *testing.T) (string, []kernel) {
	dir := t.TempDir()
	layer := build(t, "libcapture.so", "-shared", "-fPIC", "-fvisibility=hidden", "testdata/capture.c")
	manifest := fmt.Sprintf(`{"file_format_version": "1.1.0", "layer": {"name": "VK_LAYER_XKD_capture", "type": "GLOBAL",
		"library_path": %q, "api_version": "1.3.0", "implementation_version": "1", "description": "keeps SPIR-V",
		"functions": {"vkGetInstanceProcAddr": "capture_instance", "vkGetDeviceProcAddr": "capture_device"}}}`, layer)
	if err := os.WriteFile(filepath.Join(filepath.Dir(layer), "capture.json"), []byte(manifest), 0o644); err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(dir, "names.json")
	run(t, 15*time.Minute, []string{
		"VK_ICD_FILENAMES=" + driver(t, "lvp_icd*.json"), "VK_LAYER_PATH=" + filepath.Dir(layer), "VK_INSTANCE_LAYERS=VK_LAYER_XKD_capture",
		spirvVar + "=" + dir, namesVar + "=" + names,
	}, os.Args[0])
	data, err := os.ReadFile(names)
	if err != nil {
		t.Fatal(err)
	}
	var kernels []kernel
	if err := json.Unmarshal(data, &kernels); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Glob(filepath.Join(dir, "*.spv"))
	if err != nil {
		t.Fatal(err)
	}
	if len(modules) != len(kernels) || len(kernels) == 0 {
		t.Fatalf("%d modules of %d kernels were kept", len(modules), len(kernels))
	}
	return dir, kernels
}

// compiled is one executable that a compiler made of a kernel: Intel's makes some for several widths.
type compiled struct {
	lanes      int
	statistics map[string]int
}

func parse(t *testing.T, text []byte) map[string][]compiled {
	out := map[string][]compiled{}
	last := ""
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 5 {
			t.Fatalf("an unexpected line: %q", lines.Text())
		}
		file := filepath.Base(f[0])
		lanes, _ := strconv.Atoi(f[2])
		value, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		if key := file + f[1] + f[2]; key != last {
			out[file] = append(out[file], compiled{lanes, map[string]int{}})
			last = key
		}
		list := out[file]
		list[len(list)-1].statistics[strings.ToLower(f[3])] = int(value)
	}
	return out
}

// figure is a statistic that must be there: a renamed one must not pass as zero.
func (c compiled) figure(t *testing.T, name string) int {
	t.Helper()
	v, ok := c.statistics[strings.ToLower(name)]
	if !ok {
		t.Fatalf("the compiler does not tell %s, but %v", name, c.statistics)
	}
	return v
}

// best is the executable that a driver would run: of several widths Intel's takes the widest, and makes no wider one that spills
// unless it is the only one.
func best(list []compiled) compiled {
	return slices.MaxFunc(list, func(a, b compiled) int { return a.lanes - b.lanes })
}

func TestBudgets(t *testing.T) {
	if os.Getenv("XKD_TESTS") != "all" {
		t.Skip("compilers of six adapters take minutes: make static runs them")
	}
	compile := build(t, "compile", "testdata/compile.c", "-lvulkan")
	dir, kernels := spirv(t)
	t.Logf("%d kernels", len(kernels))
	var files []string
	for i := range kernels {
		files = append(files, filepath.Join(dir, fmt.Sprintf("%03d.spv", i)))
	}
	for _, a := range adapters {
		t.Run(a.name, func(t *testing.T) {
			env := append([]string{"MESA_SHADER_CACHE_DISABLE=true", "NODEVICE_SELECT=1"}, a.env...)
			if a.amd() {
				env = append(env, "VK_ICD_FILENAMES="+driver(t, "radeon_icd*.json"))
			} else {
				env = append(env, "VK_ICD_FILENAMES="+driver(t, "intel_icd*.json"), "LD_PRELOAD="+build(t, "libintel.so", "-shared", "-fPIC", "testdata/intel.c", "-ldl"))
			}
			isa := t.TempDir()
			made := parse(t, run(t, 20*time.Minute, env, compile, append([]string{"-isa", isa}, files...)...))
			for i, k := range kernels {
				file := filepath.Base(files[i])
				if len(made[file]) == 0 {
					t.Errorf("%s: the compiler tells nothing", k.Name)
					continue
				}
				if a.amd() || k.Integrated {
					judge(t, a, k, best(made[file]))
				}
				if a.waves {
					judgeLoop(t, k, filepath.Join(isa, file))
				}
			}
		})
	}
}

// judge holds a kernel's figures against the budgets.
func judge(t *testing.T, a adapter, k kernel, c compiled) {
	t.Helper()
	if !a.amd() {
		if n := c.figure(t, "Spill count"); n > spills[k.File] {
			t.Errorf("%s (%s): %d spills at %d lanes, at most %d are known of", k.Name, k.Of, n, c.lanes, spills[k.File])
		}
		if b := c.figure(t, "Workgroup Memory Size"); b > mostWorkgroupBytes {
			t.Errorf("%s (%s): %d bytes of workgroup memory, at most %d are promised", k.Name, k.Of, b, mostWorkgroupBytes)
		}
		return
	}
	if v, s, m := c.figure(t, "Spilled VGPRs"), c.figure(t, "Spilled SGPRs"), c.figure(t, "Scratch size"); v+s+m > 0 {
		t.Errorf("%s (%s): %d vector and %d scalar registers spilled, %d bytes of scratch", k.Name, k.Of, v, s, m)
	}
	if b := c.figure(t, "LDS size"); b > mostWorkgroupBytes {
		t.Errorf("%s (%s): %d bytes of workgroup memory, at most %d are promised", k.Name, k.Of, b, mostWorkgroupBytes)
	}
	waves := c.figure(t, "Subgroups per SIMD")
	if a.waves && waves < leastWaves {
		t.Errorf("%s (%s): %d waves by %d vector registers, at least %d are asked", k.Name, k.Of, waves, c.figure(t, "VGPRs"), leastWaves)
	}
	if testing.Verbose() && (strings.Contains(k.Name, "matmul:") || strings.Contains(k.Name, "flash:")) {
		t.Logf("%s: %d waves, %d vector registers", k.Name, waves, c.figure(t, "VGPRs"))
	}
}

// judgeLoop holds the inner loop of a large product's tiles against the budget.
func judgeLoop(t *testing.T, k kernel, path string) {
	t.Helper()
	least := 0.0
	switch {
	case strings.Contains(k.Name, "8x8/16x16,"): // tiles of 128 x 128: 16 x 16 threads of 8 x 8 elements
		least = shareT128
	case strings.Contains(k.Name, "4x4/16x16,"), strings.Contains(k.Name, "4x8/16x8,"), strings.Contains(k.Name, "8x8/8x8,"): // of 64 x 64
		least = shareT64
	default:
		return
	}
	texts, err := filepath.Glob(path + ".*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range texts {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if kind, _, _ := strings.Cut(string(data), "\n"); !strings.Contains(kind, "Assembly") {
			continue
		}
		share, length := loop(string(data))
		if share < least {
			t.Errorf("%s (%s): %.0f %% of the %d instructions of the inner loop are multiply-adds, at least %.0f %% are asked", k.Name, k.Of, 100*share, length, 100*least)
		} else if testing.Verbose() {
			t.Logf("%s: %.0f %% of %d instructions are multiply-adds", k.Name, 100*share, length)
		}
		return
	}
	t.Errorf("%s: there is no assembly to read", k.Name)
}
