package graph

// adder builds a + b; graph/op provides it, since the sum of two gradients is an operation like any other.
var adder func(g *Graph, a, b *Node) *Node

// SetAdder tells gradients how to build a sum.
func SetAdder(f func(g *Graph, a, b *Node) *Node) { adder = f }

// Gradients adds the nodes of the gradient of the scalar y with respect to each of xs, seeded with dy (shape of y).
// A tensor that y does not depend on gets nil.
func (g *Graph) Gradients(y, dy *Node, xs []*Node) []*Node {
	if !y.Shape.Equal(dy.Shape) {
		Failf("graph: the gradient's seed has shape %v, the result %v", dy.Shape, y.Shape)
	}
	sums := map[*Node]*Node{y: dy}
	defer func() { g.where = "" }()
	for id := y.ID; id >= 0; id-- {
		n := g.Nodes[id]
		d := sums[n]
		if d == nil || n.Kind != KindOp || !n.NeedsGrad {
			continue
		}
		if n.Op.Grad == nil {
			Failf("graph: %s (built at %s) has no gradient: %s", n.Label(), n.Where, n.Op.NoGrad)
		}
		g.where = n.Where
		made := len(g.Nodes)
		g.Scope("grad/"+n.Scope, func() {
			for i, di := range n.Op.Grad(g, n, d) {
				in := n.Inputs[i]
				if di == nil || !in.NeedsGrad {
					continue
				}
				if !di.Shape.Equal(in.Shape) {
					Failf("graph: the gradient of %s with respect to input %d has shape %v, the input %v", n.Label(), i, di.Shape, in.Shape)
				}
				if sums[in] != nil {
					di = g.sum(sums[in], di, made)
				}
				sums[in] = di
			}
		})
	}
	out := make([]*Node, len(xs))
	for i, x := range xs {
		out[i] = sums[x]
	}
	return out
}

// sum is a + b, made as b is stored where b's operation can do that. Then b itself, which must be none of the first nodes, has
// no reader and is not computed.
func (g *Graph) sum(a, b *Node, first int) *Node {
	r := b.Root()
	if r.Kind == KindOp && r.ID >= first && r.Op.Onto != nil && g.Readers(r) == 0 {
		if n := r.Op.Onto(g, r, g.Reshape(a, r.Shape...)); n != nil {
			return g.Reshape(n, b.Shape...)
		}
	}
	return adder(g, a, b)
}

// MustShape stops building unless n has the shape want; what names the tensor for the message.
func MustShape(n *Node, want Shape, what string) {
	if !n.Shape.Equal(want) {
		Failf("%s has shape %v, expected %v", what, n.Shape, want)
	}
}

func init() {
	adder = func(*Graph, *Node, *Node) *Node { panic("graph: SetAdder was not called") }
}
