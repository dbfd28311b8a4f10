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
	KindOp     Kind = iota // computed by an operation
	KindInput              // written by the caller before each run
	KindState              // kept between runs, and updated by operations
	KindConst              // written once
	KindResult             // a further result of an operation that has several
)

func (k Kind) String() string { return [...]string{"op", "input", "state", "const", "result"}[k] }

// Node is one tensor of the graph and the operation that makes it.
type Node struct {
	ID     int
	Kind   Kind
	Op     *Op    // nil unless Kind is KindOp
	Name   string // of inputs, states and constants; empty for operations
	Scope  string // where in the model, such as "video_student/block0/attn"
	Where  string // the file and line of the caller that built it
	Shape  Shape
	Type   Type    // how the elements are kept; arithmetic is float32 whatever it is
	Inputs []*Node // of a further result: the operation's node
	Attrs  any
	Value  []float32 // of a constant
	// NeedsGrad is true for trainable states and what is computed from them.
	NeedsGrad bool
	// Results are all results of an operation that has several: this node and the further ones.
	Results []*Node
	// Stage is the part of the schedule that the node runs in.
	Stage Stage
	// Bank holds a state that lies in a bank, from element Offset on.
	Bank   *Node
	Offset int
	// Transient marks a bank whose content matters from its first write to its last read in a run, and not between runs.
	Transient bool
	into      *Node // the tensor of a bank in which the result is kept
	taken     bool  // a result is kept in this tensor of a bank
	// Gradients compute all results again, or have the first again by Op.Again, instead of their being kept for them.
	forgotten, firstForgotten bool
	output                    bool
}

// Stage is a part of the schedule that can be run by itself. Stages run in ascending order.
type Stage uint8

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
func (n *Node) Persistent() bool {
	return n.Kind != KindOp && n.Kind != KindResult && !n.Transient && (n.Bank == nil || !n.Bank.Transient)
}

// Computed reports whether an operation gives the elements, as its result or one of its further ones.
func (n *Node) Computed() bool {
	return n.Kind == KindResult || n.Kind == KindOp && !n.Op.View && n.Op.results()
}

// Root follows views to the node that owns the elements.
func (n *Node) Root() *Node {
	for n.Kind == KindOp && n.Op.View {
		n = n.Inputs[0]
	}
	return n
}

// Base is what is kept as a whole: the root, or the bank in which it lies.
func (n *Node) Base() *Node {
	n = n.Root()
	if n.into != nil {
		n = n.into
	}
	if n.Bank != nil {
		return n.Bank
	}
	return n
}

// All gives the results of an operation's node, one or several.
func (n *Node) All() []*Node {
	if n.Results != nil {
		return n.Results
	}
	return []*Node{n}
}

// Graph is a list of nodes in the order in which they run: building order is program order, so an operation that updates
// a state in place is seen by every node built after it and by none before.
type Graph struct {
	Nodes  []*Node
	byName map[string]*Node
	scopes []string
	stage  Stage
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
	n.ID, n.Stage = len(g.Nodes), g.stage
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

// Begin starts a stage: what is built from here on runs in it.
func (g *Graph) Begin(s Stage) {
	if s < g.stage {
		Failf("graph: stage %d after stage %d", s, g.stage)
	}
	g.stage = s
}

// Input adds a tensor that the caller writes before each run.
func (g *Graph) Input(name string, shape ...int) *Node { return g.InputAs(name, Float32, shape...) }

// InputAs is Input for elements kept as the given type.
func (g *Graph) InputAs(name string, t Type, shape ...int) *Node {
	return g.add(&Node{Kind: KindInput, Name: name, Type: t, Shape: shape})
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
	if op.Type != nil {
		n.Type = op.Type(n)
	} else {
		for i, in := range inputs {
			if in.Type != Float32 && !op.View {
				Failf("graph: %s: input %d, %s, is kept as %v, which the operation does not take", op.Name, i, in.Label(), in.Type)
			}
		}
		if op.View {
			n.Type = inputs[0].Type
		}
	}
	for _, i := range op.Updates {
		if inputs[i].Kind != KindState {
			Failf("graph: %s would update %s, which is no state", op.Name, inputs[i].Label())
		}
	}
	g.add(n)
	if op.More == nil {
		return n
	}
	n.Results = []*Node{n}
	for i, s := range op.More(n) {
		// Further results are figures for the gradient's own use: no gradient flows through them.
		n.Results = append(n.Results, g.add(&Node{Kind: KindResult, Scope: n.Scope, Op: op, Inputs: []*Node{n}, Shape: s, Attrs: i + 1}))
	}
	return n
}

// Keep marks a node as a result: it may be read after each run.
func (g *Graph) Keep(n *Node) *Node {
	r := n.Root()
	r.output = true
	if r.Bank != nil && r.Bank.Transient {
		r.Bank.output = true // it lives and ends as a whole
	}
	return n
}

// StoreIn has the elements of x kept in a tensor of a bank, at no cost where nothing else reads them; x must be computed, and
// nothing is stored twice in one place.
func (g *Graph) StoreIn(x, place *Node) {
	r := x.Root()
	switch {
	case place.Bank == nil:
		Failf("graph: %s cannot be kept in %s, which lies in no bank", x.Label(), place.Label())
	case r.Shape.Size() != place.Shape.Size():
		Failf("graph: %s with %v cannot be kept in %s with %v", x.Label(), x.Shape, place.Label(), place.Shape)
	case !r.Computed() || r.into != nil:
		Failf("graph: %s cannot be kept in %s: it is no result, or kept elsewhere", x.Label(), place.Label())
	case r.Type != place.Type:
		Failf("graph: %s, kept as %v, cannot be kept in %s, kept as %v", x.Label(), r.Type, place.Label(), place.Type)
	case place.taken:
		Failf("graph: %s cannot be kept in %s, where another result is kept", x.Label(), place.Label())
	}
	r.into, place.taken = place, true
}

// Into is the tensor of a bank in which the node's elements are kept, or nil.
func (n *Node) Into() *Node { return n.Root().into }

// Readers counts the nodes that take n, or a view of it, as an input.
func (g *Graph) Readers(n *Node) int {
	count := 0
	for _, m := range g.Nodes {
		if m.Kind != KindOp || m.Op.View {
			continue
		}
		for _, in := range m.Inputs {
			if in.Root() == n.Root() {
				count++
			}
		}
	}
	return count
}

// KeepAll marks every node that has a result, so that two executors can be compared node by node.
func (g *Graph) KeepAll() {
	for _, n := range g.Nodes {
		n.output = n.Op == nil || n.Op.results()
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
