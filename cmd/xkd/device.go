package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"goxkd/cpu"
	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

const (
	deviceChoices = "auto, gpu (the best adapter), cpu, or an adapter's number from xkd devices"
	deviceUsage   = "`device`: " + deviceChoices
)

// parseDevice checks the form of a --device flag before anything is opened.
func parseDevice(sel string) error {
	if n, err := strconv.Atoi(sel); slices.Contains([]string{"auto", "gpu", "cpu"}, sel) || err == nil && n >= 0 {
		return nil
	}
	return usagef("--device %q: give %s", sel, deviceChoices)
}

// openDevice opens what a --device flag names. Notes, such as why auto chose as it did, go to notes.
func openDevice(ctx context.Context, sel string, notes io.Writer) (graph.Device, error) {
	if err := parseDevice(sel); err != nil {
		return nil, err
	}
	switch sel {
	case "cpu":
		return host{}, nil
	case "auto":
		choice := chooseAuto(ctx)
		defer choice.close()
		if choice.note != "" {
			fmt.Fprintln(notes, choice.note)
		}
		return choice.take(), ctx.Err()
	}
	d, err := gpu.Open(sel)
	if errors.Is(err, gpu.ErrNoAdapter) {
		return nil, fmt.Errorf("--device %s: %w; or compute without one: --device cpu", sel, err)
	}
	if err != nil {
		return nil, fmt.Errorf("--device %s: %w", sel, err)
	}
	return d, nil
}

// autoChoice is what --device auto takes and why.
type autoChoice struct {
	dev    graph.Device
	flag   string // the --device that names the same
	reason string
	note   string // for the user who did not ask; empty where the choice is as expected
}

// take hands the device over to the caller.
func (c *autoChoice) take() graph.Device {
	d := c.dev
	c.dev = nil
	return d
}

func (c *autoChoice) close() {
	if c.dev != nil {
		c.dev.Close()
	}
}

// chooseAuto takes a discrete or integrated GPU where one opens. Where adapters are software only, they and the CPU path
// use the same cores, so the faster of the two is taken. It never fails: the CPU path is always there.
func chooseAuto(ctx context.Context) *autoChoice {
	onCPU := func(reason string) *autoChoice {
		return &autoChoice{dev: host{}, flag: "cpu", reason: reason, note: "device: computing on the CPU: " + reason}
	}
	adapters, err := gpu.Adapters()
	if errors.Is(err, gpu.ErrNoAdapter) {
		return onCPU("no GPU adapter found")
	}
	if err != nil {
		return onCPU(oneLine(err))
	}
	dev, err := gpu.Open("0")
	if err != nil {
		return onCPU(fmt.Sprintf("%v does not open: %s", adapters[0], oneLine(err)))
	}
	if adapters[0].Class != graph.Software {
		return &autoChoice{dev: dev, flag: "0", reason: fmt.Sprintf("%v is the best adapter", adapters[0])}
	}
	soft, plain, err := race(ctx, dev)
	if err != nil {
		dev.Close()
		return onCPU(fmt.Sprintf("%v fails: %s", adapters[0], oneLine(err)))
	}
	figures := fmt.Sprintf("%.0f ms against %.0f ms for a matrix product", 1e3*soft.Seconds(), 1e3*plain.Seconds())
	if soft < plain {
		reason := fmt.Sprintf("the only adapter is software, but faster than the CPU path (%s)", figures)
		return &autoChoice{dev: dev, flag: "0", reason: reason, note: fmt.Sprintf("device: %s: %s", dev.Name(), reason)}
	}
	dev.Close()
	return onCPU(fmt.Sprintf("the only adapter is software and slower (%s)", figures))
}

// race times a matrix product on a software adapter and on the CPU path. The kernel that such adapters compile fastest comes
// first; others reach twice its speed at most, and are compiled, which may take seconds, only where that could win.
func race(ctx context.Context, dev *gpu.Device) (soft, plain time.Duration, err error) {
	if plain, err = timeProduct(ctx, cpu.Device{}, nil); err != nil {
		return 0, 0, err
	}
	soft, err = timeProduct(ctx, dev, graph.ForceVariants(map[string]string{"matmul": "R8"}))
	if err == nil && soft < 2*plain {
		soft, err = timeProduct(ctx, dev, nil)
	}
	return soft, plain, err
}

// timeProduct times a matrix product of a usual size, the best of a few runs. The first run, in which drivers compile,
// does not count.
func timeProduct(ctx context.Context, dev graph.Device, choose func(*graph.Node, []string) string) (time.Duration, error) {
	const m, k, n = 1024, 384, 384
	var a, b *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		a, b = g.Input("a", m, k), g.Input("b", k, n)
		g.Keep(op.MatMul(g, a, b, nil, false, false))
	})
	if err != nil {
		return 0, err
	}
	e, err := dev.Compile(g, graph.PlanOptions{Choose: choose})
	if err != nil {
		return 0, err
	}
	defer e.Close()
	for _, in := range []*graph.Node{a, b} {
		data := make([]float32, in.Shape.Size())
		for i := range data {
			data[i] = float32(i%17) / 16
		}
		if err := e.Write(in, data); err != nil {
			return 0, err
		}
	}
	if err := e.Run(ctx); err != nil {
		return 0, err
	}
	best := time.Duration(1<<63 - 1)
	for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
		start := time.Now()
		if err := e.Run(ctx); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return best, nil
}

// host is the CPU path, with a refusal in words of what would not fit into memory: the Go runtime's own is a stack trace.
type host struct{ cpu.Device }

// Compile implements graph.Device.
func (h host) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	need, err := h.Announce(g, opt)
	if err != nil {
		return nil, err
	}
	if have := freeMemory(); have > 0 && need > have {
		return nil, fmt.Errorf("it needs %s of memory, and %s are free: give a smaller --batch or --preset", megabytes(need), megabytes(have))
	}
	return h.Device.Compile(g, opt)
}

// freeMemory is the memory that a program may still take, or 0 where it is not known.
func freeMemory() int64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		var kib int64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	return 0
}

// quietDriver keeps Mesa from complaining on standard error where the session has no runtime folder, as in containers.
func quietDriver() {
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		os.Setenv("XDG_RUNTIME_DIR", os.TempDir())
	}
}
