package op

import (
	"math"

	"goxkd/graph"
)

var fmaChainOp *graph.Op

// FMAChainAttrs say how often an element goes through x → a x + b.
type FMAChainAttrs struct {
	Turns int
	A, B  float64
}

// FMAChain is x after turns times x → 0.999 x + 0.001. No network needs it: it measures how many multiply-adds a device makes.
func FMAChain(g *graph.Graph, x *graph.Node, turns int) *graph.Node {
	return g.Apply(fmaChainOp, FMAChainAttrs{turns, 0.999, 0.001}, x)
}

func fmaChainRef[T graph.Float](c *graph.Call[T]) {
	t := c.Node.Attrs.(FMAChainAttrs)
	c.Par(len(c.Out), max(1, grain/t.Turns), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v := float64(c.In[0][i])
			for range t.Turns {
				v = t.A*v + t.B
			}
			c.Out[i] = T(v)
		}
	})
}

// fmaChainParams is struct Params of fma_chain.wgsl.
type fmaChainParams struct {
	N, Turns uint32
	A, B     float32
}

// fmaChainPer is the number of elements of a workgroup.
const fmaChainPer = 2048

func fmaChainLaunch(n *graph.Node, _ graph.Target) graph.Launch {
	t, size := n.Attrs.(FMAChainAttrs), n.Shape.Size()
	return launch(graph.Dispatch{
		Shader: "fma_chain", Entry: "fma_chain", Binds: []graph.Bind{bindIn("x", 0), bindOut()},
		Params: fmaChainParams{uint32(size), uint32(t.Turns), float32(t.A), float32(t.B)},
		Groups: graph.Grid(graph.CeilDiv(size, fmaChainPer)), Trips: t.Turns,
	})
}

func init() {
	fmaChainOp = graph.Register(graph.Op{
		Name: "fma_chain", Formula: "y = x after some turns of x → a x + b; it measures a device",
		Shape: oneShape,
		Ref32: fmaChainRef[float32], Ref64: fmaChainRef[float64],
		NoGrad: "it measures a device",
		Launch: fmaChainLaunch, Loose: []int{0},
		FLOPs: func(n *graph.Node) float64 {
			return 2 * float64(n.Shape.Size()) * float64(n.Attrs.(FMAChainAttrs).Turns)
		},
		Cases: []graph.Case{
			{Name: "odd", Shapes: []graph.Shape{{3, 5, 7}}, Attrs: FMAChainAttrs{17, 0.75, 0.5}},
			{Name: "large", Shapes: []graph.Shape{{9, 1111}}, Attrs: FMAChainAttrs{300, 0.99, 0.01}, Large: true},
		},
		// The sum of a geometric series.
		Closed: func(s graph.Sample) [][]float64 {
			t := s.Attrs.(FMAChainAttrs)
			return s.Fill(func(c []int) float64 {
				p := math.Pow(t.A, float64(t.Turns))
				return p*s.At(0, c...) + t.B*(1-p)/(1-t.A)
			})
		},
	})
}
