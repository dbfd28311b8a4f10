package graph

import (
	"fmt"
	"math/rand/v2"
	"sort"
)

// Float is the element type a reference is written for: float32 to train, float64 to check gradients.
type Float interface{ float32 | float64 }

// Call is what a reference sees: the node, its inputs' elements and room for the result.
type Call[T Float] struct {
	Node *Node
	In   [][]T
	Out  []T // nil for operations that update their inputs
	// Par shares out the range [0,n) over the cores, at least grain items at a time. The pieces must be independent;
	// their boundaries never change a result.
	Par func(n, grain int, f func(lo, hi int))
}

// Ref computes one node in plain Go, sums in float64.
type Ref[T Float] func(c *Call[T])

// Op declares one operation, in one place: its shape rule, reference, gradient, launch on a GPU and test cases.
type Op struct {
	Name string
	// Formula is the definition in one line, shown by `xkd check`.
	Formula string
	// Shape gives the result's shape from n.Inputs and n.Attrs; it calls Failf when they do not fit.
	Shape func(n *Node) Shape
	Ref32 Ref[float32]
	Ref64 Ref[float64]
	// Grad adds the nodes of the gradient with respect to each input; nil entries have none. NoGrad says why
	// there is none at all.
	Grad   func(g *Graph, n, dy *Node) []*Node
	NoGrad string
	// Launch is the work on a GPU, as data.
	Launch func(n *Node, t Target) Launch
	// Updates lists the inputs that are written in place; such an operation has no result of its own.
	Updates []int
	// View marks an operation that gives its input another shape; it has no kernel.
	View bool
	// Cases are what the automatic tests and `xkd check` run.
	Cases []Case
}

// Case is one example of an operation for the automatic tests.
type Case struct {
	Name   string
	Shapes []Shape
	Attrs  any
	// Range bounds the uniform random inputs; the zero value means [-1,1].
	Range [2]float64
	// Fill, where set, makes input i instead (indices, probabilities); it returns false to leave it to Range.
	Fill func(input int, rng *rand.Rand, data []float64) bool
	// Tolerance is the greatest normalised mean square error of a GPU against the reference; zero means 1e-7.
	Tolerance float64
	// Large marks a case for GPU checks only: the finite differences would take too long.
	Large bool
}

var registry = map[string]*Op{}

// Register enters an operation, which must have a name of its own.
func Register(op Op) *Op {
	if op.Name == "" || registry[op.Name] != nil {
		panic(fmt.Sprintf("graph: operation %q registered twice or without a name", op.Name))
	}
	if op.Grad == nil && op.NoGrad == "" && !op.View {
		panic(fmt.Sprintf("graph: operation %q has neither Grad nor NoGrad", op.Name))
	}
	p := &op
	registry[op.Name] = p
	return p
}

// Ops lists the registered operations by name.
func Ops() []*Op {
	ops := make([]*Op, 0, len(registry))
	for _, op := range registry {
		ops = append(ops, op)
	}
	sort.Slice(ops, func(i, j int) bool { return ops[i].Name < ops[j].Name })
	return ops
}
