package op

import "goxkd/graph"

var halfOp, widenOp *graph.Op

// Half keeps x in half precision, two elements to a word; Widen gives it back. Gradients pass through both unchanged.
func Half(g *graph.Graph, x *graph.Node) *graph.Node { return g.Apply(halfOp, nil, x) }

// Widen gives the elements of x, kept in half precision, as float32.
func Widen(g *graph.Graph, x *graph.Node) *graph.Node { return g.Apply(widenOp, nil, x) }

// copyRef leaves the rounding to the executor, which knows how results are kept.
func copyRef[T graph.Float](c *graph.Call[T]) { copy(c.Out, c.In[0]) }

func passGradient(_ *graph.Graph, _, dy *graph.Node) []*graph.Node { return []*graph.Node{dy} }

// halfParams is struct Params of half.wgsl.
type halfParams struct{ N, Words uint32 }

// halfLaunch has one element of work a word.
func halfLaunch(entry, from, to string) func(*graph.Node, graph.Target) graph.Launch {
	return func(n *graph.Node, t graph.Target) graph.Launch {
		size := n.Shape.Size()
		words := graph.CeilDiv(size, 2)
		return launch(elements(t, "half", entry, words, halfParams{uint32(size), uint32(words)}, bindIn(from, 0), bind(to, graph.Out())))
	}
}

func typeOf(n *graph.Node, want, gives graph.Type) graph.Type {
	if n.Inputs[0].Type != want {
		graph.Failf("%s: %s is kept as %v, not as %v", n.Op.Name, n.Inputs[0].Label(), n.Inputs[0].Type, want)
	}
	return gives
}

func init() {
	cases := []graph.Case{
		{Name: "odd", Shapes: []graph.Shape{{3, 5}}, Range: [2]float64{-3, 3}},
		{Name: "small", Shapes: []graph.Shape{{64}}, Range: [2]float64{-1e-5, 1e-5}, Tolerance: 1e-5},
		{Name: "large", Shapes: []graph.Shape{{384, 97}}, Range: [2]float64{-900, 900}, Large: true},
	}
	widened := make([]graph.Case, len(cases))
	for i, c := range cases {
		c.Types = []graph.Type{graph.Float16}
		widened[i] = c
	}
	same := func(s graph.Sample) [][]float64 { return [][]float64{append([]float64(nil), s.In[0]...)} }
	halfOp = graph.Register(graph.Op{
		Name: "half", Formula: "y = x, kept in half precision", Shape: oneShape,
		Type:  func(n *graph.Node) graph.Type { return typeOf(n, graph.Float32, graph.Float16) },
		Ref32: copyRef[float32], Ref64: copyRef[float64], Grad: passGradient,
		Launch: halfLaunch("narrow", "x", "packed"), Cases: cases, Closed: same, Loose: []int{0},
	})
	widenOp = graph.Register(graph.Op{
		Name: "widen", Formula: "y = x, kept in single precision", Shape: oneShape,
		Type:  func(n *graph.Node) graph.Type { return typeOf(n, graph.Float16, graph.Float32) },
		Ref32: copyRef[float32], Ref64: copyRef[float64], Grad: passGradient,
		Launch: halfLaunch("widen", "halves", "y"), Cases: widened, Closed: same, Loose: []int{0},
	})
}
