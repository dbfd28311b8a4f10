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
	again := map[*Node]*Node{}
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
			inputs := n.Inputs
			for i, di := range g.gradient(n, d, again) {
				in := inputs[i]
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

// Forget has gradients compute n again from its inputs instead of its results' being kept until then.
func (g *Graph) Forget(n *Node) *Node {
	n.forgotten = true
	return n
}

// ForgetFirst has gradients get the first result of n again by n.Op.Again, while further ones are kept.
func (g *Graph) ForgetFirst(n *Node) *Node {
	if n.Op == nil || n.Op.Again == nil {
		Failf("graph: %s cannot be had again from other results", n.Label())
	}
	n.firstForgotten = true
	return n
}

// gradient calls the gradient of n, for which what is forgotten is computed again; again has what was.
func (g *Graph) gradient(n, d *Node, again map[*Node]*Node) []*Node {
	inputs := n.Inputs
	defer func() { n.Inputs = inputs }()
	n.Inputs = make([]*Node, len(inputs))
	for i, in := range inputs {
		n.Inputs[i] = g.again(in, again)
	}
	if n.forgotten {
		return n.Op.Grad(g, g.again(n, again), d)
	}
	return n.Op.Grad(g, n, d)
}

// again gives a tensor as a gradient reads it: itself, or computed again.
func (g *Graph) again(n *Node, done map[*Node]*Node) *Node {
	if n.Kind == KindResult && n.Inputs[0].forgotten {
		return g.again(n.Inputs[0], done).Results[n.Attrs.(int)]
	}
	if n.Kind != KindOp || !n.forgotten && !n.firstForgotten && !n.Op.View {
		return n
	}
	if m := done[n]; m != nil {
		return m
	}
	m := n
	if !n.forgotten && n.firstForgotten {
		m = n.Op.Again(g, n)
	} else {
		inputs, same := make([]*Node, len(n.Inputs)), !n.forgotten
		for i, in := range n.Inputs {
			inputs[i] = g.again(in, done)
			same = same && inputs[i] == in
		}
		if !same {
			m = g.Apply(n.Op, n.Attrs, inputs...)
		}
	}
	m.NeedsGrad = n.NeedsGrad
	done[n] = m
	return m
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
