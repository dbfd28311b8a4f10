package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"goxkd/cpu"
	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

// Choice is an open device and why it was taken.
type Choice struct {
	Device graph.Device
	Name   string // by which Open gives the same
	Reason string
	// Surprise tells that the choice is not the best hardware adapter, which people should be told without asking.
	Surprise bool
}

// Auto takes a discrete or integrated GPU where one opens. Where adapters are software only, they and the CPU path
// use the same cores, so the faster of the two is taken. It never fails: the CPU path is always there.
func Auto(ctx context.Context) Choice {
	quietDriver()
	onCPU := func(reason string) Choice { return Choice{cpu.Device{}, CPUName, reason, true} }
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
		return Choice{dev, "0", fmt.Sprintf("%v is the best adapter", adapters[0]), false}
	}
	soft, plain, err := race(ctx, dev)
	if err != nil {
		dev.Close()
		return onCPU(fmt.Sprintf("%v fails: %s", adapters[0], oneLine(err)))
	}
	figures := fmt.Sprintf("%.0f ms against %.0f ms for a matrix product", 1e3*soft.Seconds(), 1e3*plain.Seconds())
	if soft < plain {
		return Choice{dev, "0", fmt.Sprintf("the only adapter is software, but faster than the CPU path (%s)", figures), true}
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
