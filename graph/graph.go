// Package graph builds a training step as a static graph: nodes with shapes, differentiated while they are built, put in
// order, and planned for memory. It knows nothing of devices; an Executor runs the plan.
package graph

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// Kind tells where a node's elements come from.
type Kind uint8

// The kinds of nodes.
const (
	KindOp    Kind = iota // computed by an operation
	KindInput             // written by the caller before each run
	KindState             // kept between runs, and updated by operations
	KindConst             // written once
)

func (k Kind) String() string { return [...]string{"op", "input", "state", "const"}[k] }

// Node is one tensor of the graph and the operation that makes it.
type Node struct {
	ID     int
	Kind   Kind
	Op     *Op    // nil unless Kind is KindOp
	Name   string // of inputs, states and constants; empty for operations
	Scope  string // where in the model, such as "video_student/block0/attn"
	Where  string // the file and line of the caller that built it
	Shape  Shape
	Inputs []*Node
	Attrs  any
	Value  []float32 // of a constant
	// NeedsGrad is true for trainable states and what is computed from them.
	NeedsGrad bool
	output    bool
}

// Label names the node for a person: its name, or its scope and operation.
func (n *Node) Label() string {
	if n.Name != "" {
		return n.Name
	}
	if n.Scope == "" {
		return fmt.Sprintf("%s#%d", n.Op.Name, n.ID)
	}
	return fmt.Sprintf("%s/%s#%d", n.Scope, n.Op.Name, n.ID)
}

// Persistent reports whether the elements live outside the memory plan's slots.
func (n *Node) Persistent() bool { return n.Kind != KindOp }

// Root follows views to the node that owns the elements.
func (n *Node) Root() *Node {
	for n.Kind == KindOp && n.Op.View {
		n = n.Inputs[0]
	}
	return n
}

// Graph is a list of nodes in the order in which they run: building order is program order, so an operation that updates
// a state in place is seen by every node built after it and by none before.
type Graph struct {
	Nodes  []*Node
	byName map[string]*Node
	scopes []string
	// where, when set, stands in for the caller: a gradient is shown at the line of what it differentiates.
	where string
}

// buildError carries a misuse out of nested building calls to Build.
type buildError struct{ err error }

// Failf stops building with a message; only Build turns it into an error.
func Failf(format string, args ...any) {
	panic(buildError{fmt.Errorf(format, args...)})
}

// Build runs f on an empty graph. A misuse inside f is returned as one error that names the operation and its place.
func Build(f func(g *Graph)) (g *Graph, err error) {
	g = &Graph{byName: map[string]*Node{}}
	defer func() {
		if r := recover(); r != nil {
			b, ok := r.(buildError)
			if !ok {
				panic(r)
			}
			g, err = nil, b.err
		}
	}()
	f(g)
	return g, nil
}

// Scope runs f with name appended to the scope of the nodes it builds.
func (g *Graph) Scope(name string, f func()) {
	g.scopes = append(g.scopes, name)
	defer func() { g.scopes = g.scopes[:len(g.scopes)-1] }()
	f()
}

func (g *Graph) add(n *Node) *Node {
	n.ID = len(g.Nodes)
	if n.Scope == "" {
		n.Scope = strings.Join(g.scopes, "/")
	}
	n.Where = g.where
	if n.Where == "" {
		n.Where = caller()
	}
	if n.Name != "" {
		if g.byName[n.Name] != nil {
			Failf("graph: two tensors are named %q", n.Name)
		}
		g.byName[n.Name] = n
	}
	for _, d := range n.Shape {
		if d <= 0 {
			Failf("graph: %s has an empty shape %v", n.Label(), n.Shape)
		}
	}
	g.Nodes = append(g.Nodes, n)
	return n
}

// Input adds a tensor that the caller writes before each run.
func (g *Graph) Input(name string, shape ...int) *Node {
	return g.add(&Node{Kind: KindInput, Name: name, Shape: shape})
}

// State adds a tensor that is kept between runs. A trainable one takes part in gradients.
func (g *Graph) State(name string, trainable bool, shape ...int) *Node {
	return g.add(&Node{Kind: KindState, Name: name, Shape: shape, NeedsGrad: trainable})
}

// Const adds a tensor with fixed elements.
func (g *Graph) Const(name string, value []float32, shape ...int) *Node {
	if Shape(shape).Size() != len(value) {
		Failf("graph: constant %q has %d elements for shape %v", name, len(value), Shape(shape))
	}
	return g.add(&Node{Kind: KindConst, Name: name, Shape: shape, Value: value})
}

// Lookup finds an input, state or constant by name, or returns nil.
func (g *Graph) Lookup(name string) *Node { return g.byName[name] }

// Apply adds the node op(inputs...).
func (g *Graph) Apply(op *Op, attrs any, inputs ...*Node) *Node {
	n := &Node{Kind: KindOp, Op: op, Attrs: attrs, Inputs: inputs}
	for i, in := range inputs {
		if in == nil {
			Failf("graph: %s: input %d is missing", op.Name, i)
		}
		n.NeedsGrad = n.NeedsGrad || in.NeedsGrad
	}
	if op.NoGrad != "" {
		n.NeedsGrad = false
	}
	n.Shape = op.Shape(n)
	for _, i := range op.Updates {
		if inputs[i].Kind != KindState {
			Failf("graph: %s would update %s, which is no state", op.Name, inputs[i].Label())
		}
	}
	return g.add(n)
}

// Keep marks a node as a result: it may be read after each run.
func (g *Graph) Keep(n *Node) *Node {
	n.Root().output = true
	return n
}

// KeepAll marks every node that has a result, so that two executors can be compared node by node.
func (g *Graph) KeepAll() {
	for _, n := range g.Nodes {
		n.output = n.Op == nil || len(n.Op.Updates) == 0
	}
}

// StopGrad gives x as a tensor through which no gradient flows.
func (g *Graph) StopGrad(x *Node) *Node {
	n := g.Apply(stopGrad, nil, x)
	n.NeedsGrad = false
	return n
}

// The two views; set in init, since a reshape's gradient is a reshape.
var stopGrad, reshape *Op

func init() {
	stopGrad = Register(Op{
		Name:    "stop_gradient",
		Formula: "y = x, without gradient",
		Shape:   func(n *Node) Shape { return n.Inputs[0].Shape },
		NoGrad:  "it is there to stop gradients",
		View:    true,
	})
	reshape = Register(Op{
		Name:    "reshape",
		Formula: "y = x in another shape",
		Shape: func(n *Node) Shape {
			s := n.Attrs.(Shape)
			if s.Size() != n.Inputs[0].Shape.Size() {
				Failf("reshape: %v does not hold the %d elements of %v", s, n.Inputs[0].Shape.Size(), n.Inputs[0].Shape)
			}
			return s
		},
		Grad: func(g *Graph, n, dy *Node) []*Node {
			return []*Node{g.Reshape(dy, n.Inputs[0].Shape...)}
		},
		View: true,
	})
}

// Reshape gives x's elements another shape of the same size.
func (g *Graph) Reshape(x *Node, shape ...int) *Node {
	if x.Shape.Equal(shape) {
		return x
	}
	return g.Apply(reshape, Shape(shape), x)
}

// caller is the first frame outside graph and graph/op.
func caller() string {
	var pcs [24]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "goxkd/graph.") && !strings.HasPrefix(f.Function, "goxkd/graph/op.") {
			file := f.File
			if i := strings.LastIndexByte(file, '/'); i >= 0 {
				if j := strings.LastIndexByte(file[:i], '/'); j >= 0 {
					file = file[j+1:]
				}
			}
			return fmt.Sprintf("%s:%d", file, f.Line)
		}
		if !more {
			return ""
		}
	}
}

// ErrTooLarge is wrapped by executors that refuse a plan for its size.
var ErrTooLarge = errors.New("not enough memory")
