package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Peaks are what a device reaches at what it does best.
type Peaks struct {
	Copy float64 `json:"copy_gb_s"`   // 1e9 bytes per second, read and written, of a copy of 64 MiB
	FMA  float64 `json:"fma_gflop_s"` // 1e9 multiplications and additions per second, in registers
}

// MeasurePeaks measures them.
func MeasurePeaks(ctx context.Context, dev graph.Device) (p Peaks, err error) {
	const copied = 16 << 20
	took, err := timeNode(ctx, dev, func(g *graph.Graph) *graph.Node { return op.Scale(g, 1, g.Input("x", copied)) }, "", graph.Case{})
	if err != nil {
		return p, fmt.Errorf("peak of copies: %w", err)
	}
	p.Copy = 2 * 4 * copied / took / 1e9
	// Chains get longer until their time is beyond what starting costs.
	const chains = 1 << 20
	for turns := 64; ; turns *= 4 {
		took, err := timeNode(ctx, dev, func(g *graph.Graph) *graph.Node { return op.FMAChain(g, g.Input("x", chains), turns) }, "", graph.Case{})
		if err != nil {
			return p, fmt.Errorf("peak of multiply-adds: %w", err)
		}
		p.FMA = max(p.FMA, 2*chains*float64(turns)/took/1e9)
		if took > 2e-3 || 4*turns > graph.MaxTrips {
			return p, nil
		}
	}
}

// OpTime is one variant of an operation at one shape.
type OpTime struct {
	Op         string        `json:"op"`
	Shapes     []graph.Shape `json:"shapes"` // of its inputs
	Variant    string        `json:"variant,omitempty"`
	Default    bool          `json:"default"`
	Dispatches int           `json:"dispatches,omitempty"`
	Seconds    float64       `json:"seconds"`
	Bytes      int64         `json:"bytes"`           // of inputs and results, each once
	FLOPs      float64       `json:"flops,omitempty"` // of operations that are bound by them
	GB         float64       `json:"gb_s"`
	GFLOPs     float64       `json:"gflop_s,omitempty"`
	CopyPart   float64       `json:"copy_share,omitempty"` // of the peak of copies
	FMAPart    float64       `json:"fma_share,omitempty"`  // of the peak of multiply-adds
}

// TimeOp times a case of an operation by each of its variants, the default first. Peaks may be zero.
func TimeOp(ctx context.Context, dev graph.Device, o *graph.Op, c graph.Case, peaks Peaks) ([]OpTime, error) {
	var node *graph.Node
	build := func(g *graph.Graph) *graph.Node { node = g.ApplyCase(o, c); return node }
	if _, err := graph.Build(func(g *graph.Graph) { build(g) }); err != nil {
		return nil, err
	}
	variants := []string{""}
	if t, ok := dev.(interface{ Target() graph.Target }); ok {
		variants = o.VariantsOf(node, t.Target())
	}
	r := OpTime{Op: o.Name, Shapes: c.Shapes, FLOPs: op.FLOPs(node)}
	for _, n := range append(node.Inputs, node.All()...) {
		r.Bytes += n.Type.Bytes(n.Shape.Size())
	}
	var out []OpTime
	for i, v := range variants {
		took, err := timeNode(ctx, dev, build, v, c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strings.TrimSpace(o.Name+" "+v), err)
		}
		r.Variant, r.Default, r.Seconds = v, i == 0, took
		r.GB, r.GFLOPs = float64(r.Bytes)/took/1e9, r.FLOPs/took/1e9
		if peaks.Copy > 0 {
			r.CopyPart = r.GB / peaks.Copy
		}
		if peaks.FMA > 0 {
			r.FMAPart = r.GFLOPs / peaks.FMA
		}
		out = append(out, r)
	}
	return out, nil
}

const (
	// A node is timed for opTime at least, and opRounds times; the best counts.
	opTime   = 200 * time.Millisecond
	opRounds = 4
)

// timeNode gives the seconds of the one node that build adds, on inputs of the case's kind, by a variant unless it is empty.
func timeNode(ctx context.Context, dev graph.Device, build func(g *graph.Graph) *graph.Node, variant string, c graph.Case) (float64, error) {
	var node *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		node = build(g)
		for _, r := range node.All() {
			if len(node.Op.Updates) == 0 {
				g.Keep(r)
			}
		}
	})
	if err != nil {
		return 0, err
	}
	var opt graph.PlanOptions
	if variant != "" {
		opt.Choose = graph.ForceVariants(map[string]string{node.Op.Name: variant})
	}
	e, err := dev.Compile(g, opt)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	if err := fill(e, node, c); err != nil {
		return 0, err
	}
	p, ok := e.(graph.Profiler)
	if !ok {
		return 0, ErrNoProfile
	}
	if err := e.Run(ctx); err != nil { // drivers compile in it
		return 0, err
	}
	best := math.Inf(1)
	for began, round := time.Now(), 0; round < opRounds || time.Since(began) < opTime; round++ {
		times, err := p.Profile(ctx)
		if err != nil {
			return 0, err
		}
		sum := 0.0
		for _, t := range times {
			sum += t.Time.Seconds()
		}
		best = min(best, sum)
	}
	return best, nil
}

// fill writes the node's inputs as the case draws them.
func fill(e graph.Executor, node *graph.Node, c graph.Case) error {
	lo, hi := c.Range[0], c.Range[1]
	if lo == 0 && hi == 0 {
		lo, hi = -1, 1
	}
	rng := rand.New(rand.NewPCG(1, 2))
	drawn := make([][]float64, len(node.Inputs))
	for i, in := range node.Inputs {
		drawn[i] = make([]float64, in.Shape.Size())
		if c.Fill == nil || !c.Fill(i, rng, drawn[i]) {
			for k := range drawn[i] {
				drawn[i][k] = in.Type.Round(lo + (hi-lo)*rng.Float64())
			}
		}
	}
	if c.Follow != nil {
		c.Follow(c, drawn)
	}
	for i, in := range node.Inputs {
		if in.Kind == graph.KindConst {
			continue
		}
		data := make([]float32, len(drawn[i]))
		for k, v := range drawn[i] {
			data[k] = float32(v)
		}
		if err := e.Write(in, data); err != nil {
			return err
		}
	}
	return nil
}
