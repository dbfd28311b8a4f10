package estimate

import (
	"errors"
	"fmt"
	"slices"

	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/xkd"
)

// ErrNoFit is returned where not even one clip fits.
var ErrNoFit = errors.New("not even a batch of one fits")

// Binding is the greatest number of bytes of one buffer that is assumed of a class where no adapter tells: what adapters of the kind
// have in common.
func Binding(c graph.Class) int64 {
	if c == graph.Discrete {
		return 2<<30 - 1
	}
	return 128 << 20
}

// Options say for what the estimate is.
type Options struct {
	Class   graph.Class
	Binding int64 // 0 means Binding of the class
	// Peaks of the device; 0 leaves the times out.
	FLOPs     float64 // floating-point operations per second
	Bandwidth float64 // bytes per second
	Launch    float64 // seconds for a dispatch that does nothing
}

// Step is what one training step needs.
type Step struct {
	Preset     string      `json:"preset"`
	Variant    string      `json:"variant"`
	Batch      int         `json:"batch"`
	Accumulate int         `json:"accumulate"`
	Class      string      `json:"class"`
	Memory     int64       `json:"memory_bytes"`
	States     int64       `json:"state_bytes"` // parameters, moments, teachers, centres; sums of gradients
	Inputs     int64       `json:"input_bytes"` // views, masks, constants
	Slots      int64       `json:"slot_bytes"`  // activations, gradients, scratch
	Params     int64       `json:"parameter_struct_bytes"`
	Dispatches int         `json:"dispatches"`  // of a step, with every micro-batch
	Moved      int64       `json:"bytes_moved"` // likewise
	FLOPs      float64     `json:"flops"`       // of matrix products and attention
	Seconds    float64     `json:"seconds,omitempty"`
	Operations []Operation `json:"operations"` // the dearest first
	Fitting    *Fitting    `json:"fitting,omitempty"`
}

// Operation is the part of one kind.
type Operation struct {
	Op         string  `json:"op"`
	Variant    string  `json:"kernel_variant,omitempty"`
	Nodes      int     `json:"nodes"`
	Dispatches int     `json:"dispatches"`
	Moved      int64   `json:"bytes_moved"`
	FLOPs      float64 `json:"flops"`
	Seconds    float64 `json:"seconds,omitempty"`
}

// Fitting is the largest batch within a given memory.
type Fitting struct {
	Memory int64 `json:"memory_bytes"` // given
	Batch  int   `json:"batch"`        // per micro-batch
	Needs  int64 `json:"needs_bytes"`
}

// Of estimates a configuration's step.
func Of(c xkd.Config, opt Options) (*Step, error) {
	e, err := plan(c, opt)
	if err != nil {
		return nil, err
	}
	s := &Step{
		Preset: c.Preset, Variant: c.Variant, Batch: c.Train.Batch, Accumulate: max(c.Train.Accumulate, 1), Class: opt.Class.String(),
		Memory: e.Bytes(), States: e.States, Inputs: e.Inputs, Slots: e.Slots, Params: e.Params,
	}
	type kind struct{ op, variant string }
	by := map[kind]*Operation{}
	var order []*Operation
	for _, n := range e.Nodes {
		times := 1
		if n.Node.Stage == xkd.StageGradients {
			times = s.Accumulate
		}
		k := kind{n.Node.Op.Name, n.Variant}
		o := by[k]
		if o == nil {
			o = &Operation{Op: k.op, Variant: k.variant}
			by[k], order = o, append(order, o)
		}
		flops := float64(times) * op.FLOPs(n.Node)
		o.Nodes += times
		o.Dispatches += times * n.Dispatches
		o.Moved += int64(times) * n.Moved
		o.FLOPs += flops
		if opt.FLOPs > 0 && opt.Bandwidth > 0 {
			o.Seconds += max(flops/opt.FLOPs, float64(int64(times)*n.Moved)/opt.Bandwidth) + float64(times*n.Dispatches)*opt.Launch
		}
	}
	for _, o := range order {
		s.Dispatches += o.Dispatches
		s.Moved += o.Moved
		s.FLOPs += o.FLOPs
		s.Seconds += o.Seconds
		s.Operations = append(s.Operations, *o)
	}
	slices.SortStableFunc(s.Operations, func(a, b Operation) int {
		switch {
		case a.Seconds != b.Seconds:
			return compare(b.Seconds, a.Seconds)
		case a.FLOPs != b.FLOPs:
			return compare(b.FLOPs, a.FLOPs)
		}
		return compare(float64(b.Moved), float64(a.Moved))
	})
	return s, nil
}

func compare(a, b float64) int {
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

// plan builds a configuration's step and plans it.
func plan(c xkd.Config, opt Options) (*gpu.Estimate, error) {
	if opt.Binding == 0 {
		opt.Binding = Binding(opt.Class)
	}
	step, err := xkd.BuildStep(c, xkd.StepOptions{Binding: opt.Binding, Accumulate: c.Train.Accumulate})
	if err != nil {
		return nil, err
	}
	return gpu.EstimateFor(step.Graph, opt.Class, graph.PlanOptions{})
}

// mostClips bounds the search for a batch.
const mostClips = 4096

// Fit finds the largest batch (of a micro-batch) whose step fits so many bytes. Without one the error is ErrNoFit.
func Fit(c xkd.Config, memory int64, opt Options) (*Fitting, error) {
	needs := func(batch int) (int64, error) {
		c.Train.Batch = batch
		e, err := plan(c, opt)
		if err != nil {
			return 0, err
		}
		return e.Bytes(), nil
	}
	f := &Fitting{Memory: memory}
	over := 1
	for ; over <= mostClips; over *= 2 {
		n, err := needs(over)
		if err != nil {
			return nil, err
		}
		if n > memory {
			if over == 1 {
				return nil, fmt.Errorf("%w: it needs %d MB, %d MB are given", ErrNoFit, n/1e6, memory/1e6)
			}
			break
		}
		f.Batch, f.Needs = over, n
	}
	for f.Batch+1 < min(over, mostClips) {
		middle := (f.Batch + over) / 2
		n, err := needs(middle)
		if err != nil {
			return nil, err
		}
		if n > memory {
			over = middle
		} else {
			f.Batch, f.Needs = middle, n
		}
	}
	return f, nil
}
