package graph

import "context"

// Executor runs a plan on one device. Its methods are for one goroutine.
type Executor interface {
	// Write sets the elements of an input or state.
	Write(n *Node, data []float32) error
	// Read copies the elements of an input, a state or a kept result.
	Read(n *Node, dst []float32) error
	// Run executes the schedule once. On a cancelled context it stops between nodes with the context's error; the
	// states are then undefined.
	Run(ctx context.Context) error
	// Bytes is the memory held for tensors, on the device where there is one.
	Bytes() int64
	Close() error
}

// Device makes executors.
type Device interface {
	// Name is for people: "cpu (2 cores)" or the adapter's name.
	Name() string
	Compile(g *Graph, opt PlanOptions) (Executor, error)
	// Announce gives the bytes that Compile would hold, without allocating them.
	Announce(g *Graph, opt PlanOptions) (int64, error)
	Close() error
}
