// Package cpu runs a plan in plain Go: the reference that every device is compared with, and a training path for machines
// without a GPU.
package cpu

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"goxkd/graph"
	_ "goxkd/graph/op" // the operations whose references run here
)

// Options change how a plan is run, for tests.
type Options struct {
	// Poison fills a slot with NaN when its last reader is done, so that a late read shows.
	Poison bool
	// Plain runs every operation by its declared reference, without a BLAS.
	Plain bool
}

// Executor runs one plan with elements of type T.
type Executor[T graph.Float] struct {
	plan  *graph.Plan
	data  map[*graph.Node][]T // persistent tensors
	slots [][]T
	calls []graph.Call[T]
	refs  []graph.Ref[T]
	opt   Options
}

// New allocates everything the plan needs; nothing of size is allocated after it.
func New[T graph.Float](g *graph.Graph, plan graph.PlanOptions, opt Options) (*Executor[T], error) {
	plan.Scratch = nil // references bring their own
	p, err := graph.NewPlan(g, plan)
	if err != nil {
		return nil, err
	}
	e := &Executor[T]{plan: p, data: map[*graph.Node][]T{}, opt: opt}
	for _, n := range p.Persistent {
		e.data[n] = make([]T, n.Shape.Size())
		for i, v := range n.Value {
			e.data[n][i] = T(v)
		}
	}
	for _, size := range p.Slots {
		e.slots = append(e.slots, make([]T, size))
	}
	for _, st := range p.Steps {
		n := st.Node
		c := graph.Call[T]{Node: n, Par: Par}
		for _, in := range n.Inputs {
			c.In = append(c.In, e.at(in))
		}
		if len(n.Op.Updates) == 0 {
			c.Out = e.at(n)
		}
		e.calls = append(e.calls, c)
		e.refs = append(e.refs, reference[T](n.Op, opt.Plain))
	}
	return e, nil
}

// reference picks the function that computes an operation.
func reference[T graph.Float](op *graph.Op, plain bool) graph.Ref[T] {
	if !plain {
		if f := fast[T](op.Name); f != nil {
			return f
		}
	}
	var zero T
	if _, ok := any(zero).(float32); ok {
		return any(op.Ref32).(graph.Ref[T])
	}
	return any(op.Ref64).(graph.Ref[T])
}

// at gives the elements of a node, or nil when the plan has no place for it.
func (e *Executor[T]) at(n *graph.Node) []T {
	root := n.Root()
	if root.Persistent() {
		return e.data[root]
	}
	if s, ok := e.plan.Slot[root]; ok {
		return e.slots[s][:root.Shape.Size()]
	}
	return nil
}

// Data gives the elements themselves of an input, state or kept result. They are valid between runs.
func (e *Executor[T]) Data(n *graph.Node) []T { return e.at(n) }

// Write implements graph.Executor.
func (e *Executor[T]) Write(n *graph.Node, data []float32) error {
	dst, ok := e.data[n]
	if !ok || len(dst) != len(data) {
		return fmt.Errorf("cpu: cannot write %d elements to %s %v", len(data), n.Label(), n.Shape)
	}
	for i, v := range data {
		dst[i] = T(v)
	}
	return nil
}

// Read implements graph.Executor.
func (e *Executor[T]) Read(n *graph.Node, dst []float32) error {
	src := e.at(n)
	if src == nil || len(src) != len(dst) {
		return fmt.Errorf("cpu: cannot read %s %v into %d elements", n.Label(), n.Shape, len(dst))
	}
	for i, v := range src {
		dst[i] = float32(v)
	}
	return nil
}

// Run implements graph.Executor.
func (e *Executor[T]) Run(ctx context.Context) error {
	for i := range e.calls {
		if err := ctx.Err(); err != nil {
			return err
		}
		e.refs[i](&e.calls[i])
		if e.opt.Poison {
			for _, s := range e.plan.Frees[i] {
				for k := range e.slots[s] {
					e.slots[s][k] = T(math.NaN())
				}
			}
		}
	}
	return nil
}

// Plan is the plan being run.
func (e *Executor[T]) Plan() *graph.Plan { return e.plan }

// Bytes implements graph.Executor.
func (e *Executor[T]) Bytes() int64 { return planBytes[T](e.plan) }

func planBytes[T graph.Float](p *graph.Plan) int64 {
	var zero T
	persistent, slots := p.Elements()
	return (persistent + slots) * int64(unsafe.Sizeof(zero))
}

// Close implements graph.Executor.
func (e *Executor[T]) Close() error { return nil }

// Device is the host's processor as a graph.Device.
type Device struct{}

// Name implements graph.Device.
func (Device) Name() string { return fmt.Sprintf("cpu (%d cores)", runtime.GOMAXPROCS(0)) }

// Compile implements graph.Device.
func (Device) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	return New[float32](g, opt, Options{})
}

// Announce implements graph.Device.
func (Device) Announce(g *graph.Graph, opt graph.PlanOptions) (int64, error) {
	p, err := graph.NewPlan(g, opt)
	if err != nil {
		return 0, err
	}
	return planBytes[float32](p), nil
}

// Close implements graph.Device.
func (Device) Close() error { return nil }
