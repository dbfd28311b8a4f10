package cpu

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"
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

// Executor runs one plan with elements of type T. Elements of other storage types are kept as T too, rounded to what the
// type can hold.
type Executor[T graph.Float] struct {
	plan  *graph.Plan
	store *Store[T]
	own   bool                // the store was made for this executor alone
	data  map[*graph.Node][]T // inputs and constants
	slots [][]T
	calls []graph.Call[T]
	refs  []graph.Ref[T]
	opt   Options
}

// Store keeps states in the host's memory.
type Store[T graph.Float] struct {
	dir  graph.Directory
	data [][]T
}

// NewStore makes an empty store.
func NewStore[T graph.Float]() *Store[T] { return &Store[T]{} }

// add makes room for the states of a plan.
func (s *Store[T]) add(p *graph.Plan) error {
	if _, err := s.dir.Add(p); err != nil {
		return err
	}
	for i := len(s.data); i < len(s.dir.Elements); i++ {
		s.data = append(s.data, make([]T, s.dir.Elements[i]))
	}
	return nil
}

// Data gives the elements themselves of a state, or nil.
func (s *Store[T]) Data(name string) []T {
	b, at, shape, ok := s.dir.Find(name)
	if !ok {
		return nil
	}
	return s.data[b][at : at+shape.Size() : at+shape.Size()]
}

// Shape implements graph.Store.
func (s *Store[T]) Shape(name string) graph.Shape {
	_, _, shape, _ := s.dir.Find(name)
	return shape
}

// Write implements graph.Store.
func (s *Store[T]) Write(name string, data []float32) error {
	dst := s.Data(name)
	if dst == nil || len(dst) != len(data) {
		return fmt.Errorf("cpu: cannot write %d elements to the state %s %v", len(data), name, s.Shape(name))
	}
	for i, v := range data {
		dst[i] = T(v)
	}
	return nil
}

// Read implements graph.Store.
func (s *Store[T]) Read(name string, dst []float32) error {
	src := s.Data(name)
	if src == nil || len(src) != len(dst) {
		return fmt.Errorf("cpu: cannot read the state %s %v into %d elements", name, s.Shape(name), len(dst))
	}
	for i, v := range src {
		dst[i] = float32(v)
	}
	return nil
}

// Bytes implements graph.Store.
func (s *Store[T]) Bytes() int64 {
	var zero T
	n := 0
	for _, d := range s.data {
		n += len(d)
	}
	return int64(n) * int64(unsafe.Sizeof(zero))
}

// Close implements graph.Store.
func (s *Store[T]) Close() error { s.data = nil; return nil }

// New allocates everything the plan needs; nothing of size is allocated after it.
func New[T graph.Float](g *graph.Graph, plan graph.PlanOptions, opt Options) (*Executor[T], error) {
	plan.Scratch, plan.Unpacked = nil, true // references bring their own scratch
	p, err := graph.NewPlan(g, plan)
	if err != nil {
		return nil, err
	}
	e := &Executor[T]{plan: p, data: map[*graph.Node][]T{}, opt: opt}
	switch s := plan.Store.(type) {
	case nil:
		e.store, e.own = NewStore[T](), true
	case *Store[T]:
		e.store = s
	default:
		return nil, fmt.Errorf("cpu: the states are kept in a %T, which is another device's", s)
	}
	if err := e.store.add(p); err != nil {
		return nil, err
	}
	for _, n := range p.Persistent {
		if n.Kind == graph.KindState {
			continue
		}
		e.data[n] = make([]T, n.Shape.Size())
		for i, v := range n.Value {
			e.data[n][i] = T(v)
		}
	}
	for _, size := range p.Slots {
		e.slots = append(e.slots, make([]T, size/4))
	}
	for _, it := range p.Items {
		n := it.Node
		c := graph.Call[T]{Node: n, Par: Par}
		for _, in := range n.Inputs {
			c.In = append(c.In, e.at(in))
		}
		if len(n.Op.Updates) == 0 || n.Op.More != nil {
			for _, r := range n.All() {
				c.Outs = append(c.Outs, e.at(r))
			}
			c.Out = c.Outs[0]
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
	place, ok := e.plan.Place(root)
	if !ok {
		return nil
	}
	size := root.Shape.Size()
	if place.Slot >= 0 {
		return e.slots[place.Slot][place.Offset : place.Offset+size]
	}
	if place.Owner.Kind == graph.KindState {
		return e.store.Data(place.Owner.Name)[place.Offset : place.Offset+size]
	}
	return e.data[place.Owner]
}

// Data gives the elements themselves of an input, state or kept result. They are valid between runs.
func (e *Executor[T]) Data(n *graph.Node) []T { return e.at(n) }

// writable gives the elements of an input or state of so many elements.
func (e *Executor[T]) writable(n *graph.Node, size int) ([]T, error) {
	if n.Kind == graph.KindInput || n.Kind == graph.KindState {
		if dst := e.at(n); dst != nil && len(dst) == size {
			return dst, nil
		}
	}
	return nil, fmt.Errorf("cpu: cannot write %d elements to %s %v", size, n.Label(), n.Shape)
}

// Write implements graph.Executor.
func (e *Executor[T]) Write(n *graph.Node, data []float32) error {
	dst, err := e.writable(n, len(data))
	if err != nil {
		return err
	}
	if n.Type == graph.Float32 {
		for i, v := range data {
			dst[i] = T(v)
		}
		return nil
	}
	for i, v := range data {
		dst[i] = T(n.Type.Round(float64(v)))
	}
	return nil
}

// WriteBytes implements graph.Executor.
func (e *Executor[T]) WriteBytes(n *graph.Node, data []byte) error {
	dst, err := e.writable(n, len(data))
	if err != nil {
		return err
	}
	if n.Type != graph.Uint8 {
		return fmt.Errorf("cpu: %s is kept as %v, bytes were written", n.Label(), n.Type)
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
func (e *Executor[T]) Run(ctx context.Context, stages ...graph.Stage) error {
	return e.run(ctx, stages, func(i int) { e.call(i) })
}

// Profile implements graph.Profiler.
func (e *Executor[T]) Profile(ctx context.Context, stages ...graph.Stage) ([]graph.NodeTime, error) {
	var times []graph.NodeTime
	err := e.run(ctx, stages, func(i int) {
		start := time.Now()
		e.call(i)
		took := time.Since(start)
		moved := 0
		for _, x := range append(e.calls[i].In, e.calls[i].Outs...) {
			moved += len(x)
		}
		times = append(times, graph.NodeTime{Node: e.calls[i].Node, Time: took, Moved: int64(moved) * elementBytes[T]()})
	})
	return times, err
}

// run gives the numbers of the stages' calls, in order.
func (e *Executor[T]) run(ctx context.Context, stages []graph.Stage, call func(i int)) error {
	for i := range e.calls {
		if len(stages) > 0 && !slices.Contains(stages, e.calls[i].Node.Stage) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		call(i)
	}
	return nil
}

// call computes one node.
func (e *Executor[T]) call(i int) {
	c := &e.calls[i]
	e.refs[i](c)
	for k, r := range c.Node.All() {
		if r.Type != graph.Float32 && k < len(c.Outs) {
			for j, v := range c.Outs[k] {
				c.Outs[k][j] = T(r.Type.Round(float64(v)))
			}
		}
	}
	if e.opt.Poison {
		for _, s := range e.plan.Frees[i] {
			for k := range e.slots[s] {
				e.slots[s][k] = T(math.NaN())
			}
		}
	}
}

// Plan is the plan being run.
func (e *Executor[T]) Plan() *graph.Plan { return e.plan }

// Store is where the states are.
func (e *Executor[T]) Store() *Store[T] { return e.store }

// Bytes implements graph.Executor.
func (e *Executor[T]) Bytes() int64 { return planBytes[T](e.plan, e.own) }

func elementBytes[T graph.Float]() int64 {
	var zero T
	return int64(unsafe.Sizeof(zero))
}

func planBytes[T graph.Float](p *graph.Plan, states bool) int64 {
	var zero T
	inputs, kept, slots := p.Bytes(graph.PlanOptions{Unpacked: true})
	if !states {
		kept = 0
	}
	return (inputs + kept + slots) / 4 * int64(unsafe.Sizeof(zero))
}

// Close implements graph.Executor.
func (e *Executor[T]) Close() error { return nil }

// Device is the host's processor as a graph.Device.
type Device struct{}

// Name implements graph.Device.
func (Device) Name() string { return fmt.Sprintf("cpu (%d cores)", runtime.GOMAXPROCS(0)) }

// Driver implements graph.Device: there is none.
func (Device) Driver() string { return "" }

// Binding implements graph.Device: there is no limit.
func (Device) Binding() int64 { return 0 }

// NewStore implements graph.Device.
func (Device) NewStore() graph.Store { return NewStore[float32]() }

// Compile implements graph.Device. What the free memory cannot hold is refused with graph.ErrTooLarge: the Go runtime's own
// refusal is a stack trace.
func (d Device) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	need, err := d.Announce(g, opt)
	if err != nil {
		return nil, err
	}
	if have := freeMemory(); have > 0 && need > have {
		return nil, fmt.Errorf("cpu: the plan holds %d MB, and %d MB are free: %w", need/1e6, have/1e6, graph.ErrTooLarge)
	}
	return New[float32](g, opt, Options{})
}

// Overlaps implements graph.Device: the host does the work itself.
func (Device) Overlaps() bool { return false }

// Announce implements graph.Device.
func (Device) Announce(g *graph.Graph, opt graph.PlanOptions) (int64, error) {
	opt.Scratch, opt.Unpacked = nil, true
	p, err := graph.NewPlan(g, opt)
	if err != nil {
		return 0, err
	}
	return planBytes[float32](p, true), nil
}

// Close implements graph.Device.
func (Device) Close() error { return nil }
