package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
)

// Float is the element type a reference is written for: float32 to train, float64 to check gradients.
type Float interface{ float32 | float64 }

// Call is what a reference sees: the node, its inputs' elements and room for the result.
type Call[T Float] struct {
	Node *Node
	In   [][]T
	Out  []T   // the first result; nil for operations that only update their inputs
	Outs [][]T // all results
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
	// More gives the shapes of further results, where there are several.
	More func(n *Node) []Shape
	// Type tells how the result is kept, and checks how the inputs are; without it all are float32.
	Type  func(n *Node) Type
	Ref32 Ref[float32]
	Ref64 Ref[float64]
	// Grad adds the nodes of the gradient with respect to each input; nil entries have none. NoGrad says why
	// there is none at all. dy is the gradient of the first result.
	Grad   func(g *Graph, n, dy *Node) []*Node
	NoGrad string
	// Onto, where set, builds x + n for x of n's shape, made as the operation stores its result, with the bits of a sum that is made
	// afterwards; nil where it cannot.
	Onto func(g *Graph, n, x *Node) *Node
	// Frozen lists inputs without gradient, such as positions and targets.
	Frozen []int
	// Launch is the work on a GPU, as data, by the variant that t names.
	Launch func(n *Node, t Target) Launch
	// Variants lists the ways in which Launch can compute a node on a target, the one to take unless another is chosen first;
	// nil where there is one way.
	Variants func(n *Node, t Target) []string
	// FLOPs counts the multiplications and additions of a node; nil where memory is the bound.
	FLOPs func(n *Node) float64
	// Closed computes the results, or the updated inputs, of a sample in another way than the references do.
	Closed func(s Sample) [][]float64
	// Approximate marks a closed form that is a numerical derivative, and is right to fewer digits.
	Approximate bool
	// Loose lists inputs whose innermost axis may grow by itself in the first case: nothing else depends on it.
	Loose []int
	// Updates lists the inputs that are written in place; such an operation has no result of its own.
	Updates []int
	// View marks an operation that gives its input another shape; it has no kernel.
	View bool
	// Cases are what the automatic tests and `xkd check` run.
	Cases []Case
}

// results reports whether the operation has results of its own.
func (op *Op) results() bool { return len(op.Updates) == 0 || op.More != nil }

// VariantsOf lists the ways to compute a node on a target, the default first; at least one, which is "" where there is no
// choice.
func (op *Op) VariantsOf(n *Node, t Target) []string {
	if op.Variants == nil {
		return []string{""}
	}
	return op.Variants(n, t)
}

// Case is one example of an operation for the automatic tests.
type Case struct {
	Name   string
	Shapes []Shape
	Types  []Type // of the inputs; nil for float32
	Attrs  any
	// Range bounds the uniform random inputs; the zero value means [-1,1].
	Range [2]float64
	// Fill, where set, makes input i instead (indices, probabilities); it returns false to leave it to Range.
	Fill func(input int, rng *rand.Rand, data []float64) bool
	// Follow, where set, overwrites the inputs that follow from others, once all are drawn.
	Follow func(c Case, in [][]float64)
	// Tolerance is the greatest normalised mean square error of a GPU against the reference; zero means 1e-7.
	Tolerance float64
	// Large marks a case for GPU checks only: the finite differences would take too long.
	Large bool
}

// ApplyCase adds a node of op on inputs of the case's shapes, types and attributes; those that the operation updates are
// states.
func (g *Graph) ApplyCase(op *Op, c Case) *Node {
	var in []*Node
	for i, s := range c.Shapes {
		name, kept := fmt.Sprintf("input %d", i), Float32
		if c.Types != nil {
			kept = c.Types[i]
		}
		if slices.Contains(op.Updates, i) {
			in = append(in, g.State(name, false, s...))
		} else {
			in = append(in, g.InputAs(name, kept, s...))
		}
	}
	return g.Apply(op, c.Attrs, in...)
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
