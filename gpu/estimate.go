package gpu

import "goxkd/graph"

// Estimate is what a graph needs on an adapter of a class, known without one.
type Estimate struct {
	Dispatches int   // kernel calls of all stages
	States     int64 // bytes of the store
	Inputs     int64 // bytes of inputs and constants
	Slots      int64 // bytes that temporaries share
	Params     int64 // bytes of the kernels' parameters
	Nodes      []NodeEstimate
}

// Bytes is the device memory in all.
func (e *Estimate) Bytes() int64 { return e.States + e.Inputs + e.Slots + e.Params }

// NodeEstimate is what one node of the schedule does.
type NodeEstimate struct {
	Node       *graph.Node
	Variant    string
	Dispatches int
	Moved      int64 // bytes: what a dispatch reads or writes of every tensor that it binds, once
}

// EstimateFor plans a graph for a class of adapters.
func EstimateFor(g *graph.Graph, class graph.Class, opt graph.PlanOptions) (*Estimate, error) {
	l, err := layOut(g, opt, class)
	if err != nil {
		return nil, err
	}
	e := &Estimate{States: l.states, Params: l.params}
	e.Inputs, _, e.Slots = l.plan.Bytes(l.opt)
	for _, it := range l.plan.Items {
		launch := l.launches[it.Node]
		n := NodeEstimate{Node: it.Node, Variant: launch.Variant, Dispatches: len(launch.Dispatches)}
		for _, d := range launch.Dispatches {
			for _, b := range d.Binds {
				n.Moved += boundBytes(it.Node, launch, b)
			}
		}
		e.Dispatches += n.Dispatches
		e.Nodes = append(e.Nodes, n)
	}
	return e, nil
}

// boundBytes is the size of what a variable of a kernel is bound to, as far as the kernel reads or writes it.
func boundBytes(n *graph.Node, l graph.Launch, b graph.Bind) int64 {
	a := b.Arg
	if b.Elements < 0 {
		return 0
	}
	of := func(t *graph.Node) int64 {
		if b.Elements > 0 {
			return t.Type.Bytes(b.Elements)
		}
		return t.Type.Bytes(t.Shape.Size())
	}
	if i, ok := a.Input(); ok {
		return of(n.Inputs[i])
	}
	if i, ok := a.Result(); ok {
		return of(n.All()[i])
	}
	if b.Elements > 0 {
		return int64(b.Elements) * wordBytes
	}
	i, _ := a.Scratch()
	return int64(l.Scratch[i]) * wordBytes
}
