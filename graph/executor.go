package graph

import (
	"context"
	"time"
)

// Executor runs a plan on one device. Its methods are for one goroutine.
type Executor interface {
	// Write sets the elements of an input or state, converted to the type in which it is kept.
	Write(n *Node, data []float32) error
	// WriteBytes sets the elements of an input or state of one-byte elements.
	WriteBytes(n *Node, data []byte) error
	// Read copies the elements of an input, a state or a kept result.
	Read(n *Node, dst []float32) error
	// Run executes the given stages of the schedule in order, or all of them. On a cancelled context it stops between nodes
	// with the context's error; the states are then undefined.
	Run(ctx context.Context, stages ...Stage) error
	// Bytes is the memory held for tensors, on the device where there is one, less that of a store it was compiled against.
	Bytes() int64
	Close() error
}

// Starter is implemented by executors whose device works beside the host.
type Starter interface {
	// Start is Run that returns before the device is done. What is written after it does not reach what was started.
	Start(ctx context.Context, stages ...Stage) error
	// Fetch has what Read would give copied once all that was started before is done. take waits for that, is called once, and
	// fills dst.
	Fetch(n *Node, dst []float32) (take func() error, err error)
}

// StartOn starts stages where the executor can, or runs them.
func StartOn(ctx context.Context, e Executor, stages ...Stage) error {
	if s, ok := e.(Starter); ok {
		return s.Start(ctx, stages...)
	}
	return e.Run(ctx, stages...)
}

// FetchFrom fetches where the executor can, or reads.
func FetchFrom(e Executor, n *Node, dst []float32) (take func() error, err error) {
	if s, ok := e.(Starter); ok {
		return s.Fetch(n, dst)
	}
	return func() error { return nil }, e.Read(n, dst)
}

// Profiler is implemented by executors that can time their nodes one by one.
type Profiler interface {
	// Profile runs stages, like Run, but waits for each node and gives its time, in order.
	Profile(ctx context.Context, stages ...Stage) ([]NodeTime, error)
}

// NodeTime is what one node of a schedule took.
type NodeTime struct {
	Node       *Node
	Variant    string // by which it was computed, where it has several
	Dispatches int
	Time       time.Duration
	Moved      int64 // bytes of what is read and written, once by each kernel
}

// HostTimer is implemented by executors that keep account of the host's time.
type HostTimer interface{ HostTimes() HostTimes }

// HostTimes are what the host has spent on a device since an executor was made.
type HostTimes struct {
	Upload time.Duration // handing inputs over
	Encode time.Duration // telling the device what to do
	Wait   time.Duration // waiting for it
}

// Store keeps states on a device, by name. Executors compiled against it share them without copies; it must outlive them.
type Store interface {
	Write(name string, data []float32) error
	Read(name string, dst []float32) error
	// Shape is that of a state, nil where there is none of the name.
	Shape(name string) Shape
	// Bytes is the memory held.
	Bytes() int64
	Close() error
}

// Device makes stores and executors.
type Device interface {
	// Name is for people: "cpu (2 cores)" or the adapter's name.
	Name() string
	// Driver is the version of what drives it, empty where there is nothing but the program.
	Driver() string
	// Binding is the greatest number of bytes of one bank, 0 where there is no limit.
	Binding() int64
	NewStore() Store
	Compile(g *Graph, opt PlanOptions) (Executor, error)
	// Overlaps tells whether the device works while the host does something else: its executors are Starters then.
	Overlaps() bool
	// Announce gives the bytes that Compile would hold in all, a new store's included, without allocating them.
	Announce(g *Graph, opt PlanOptions) (int64, error)
	Close() error
}
