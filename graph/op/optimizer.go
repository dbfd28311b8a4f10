package op

import (
	"math"
	"math/rand/v2"

	"goxkd/graph"
)

var clipFactorOp, adamWOp, emaOp *graph.Op

// ClipAttrs holds the greatest norm.
type ClipAttrs struct{ Max float64 }

// ClipFactor is min(1, max/(norm + 1e-6)): what a gradient of this norm [1] is multiplied by.
func ClipFactor(g *graph.Graph, norm *graph.Node, most float64) *graph.Node {
	return g.Apply(clipFactorOp, ClipAttrs{most}, norm)
}

// AdamWAttrs are the constants of AdamW; what varies by step is in the hyper input.
type AdamWAttrs struct {
	Beta1, Beta2, Eps float64
	Decay             bool
}

// HyperSize is the length of AdamW's hyper input: learning rate, weight decay, 1-beta1^t, √(1-beta2^t), and 1 to update or 0
// to leave the parameter and its moments as they are.
const HyperSize = 5

// AdamW updates parameter p and its moments m and v in place from grad times factor [1] (Loshchilov and Hutter, 2019):
// p -= lr·wd·p (where Decay), m = β1 m + (1-β1) g, v = β2 v + (1-β2) g², p -= lr · (m/(1-β1^t)) / (√v/√(1-β2^t) + eps).
func AdamW(g *graph.Graph, p, m, v, grad, factor, hyper *graph.Node, attrs AdamWAttrs) *graph.Node {
	return g.Apply(adamWOp, attrs, p, m, v, grad, factor, hyper)
}

// EMA updates t in place: t = momentum·t + (1-momentum)·s.
func EMA(g *graph.Graph, t, s, momentum *graph.Node) *graph.Node {
	return g.Apply(emaOp, nil, t, s, momentum)
}

func clipFactorRef[T graph.Float](c *graph.Call[T]) {
	c.Out[0] = T(min(1, c.Node.Attrs.(ClipAttrs).Max/(float64(c.In[0][0])+1e-6)))
}

func adamWRef[T graph.Float](c *graph.Call[T]) {
	a := c.Node.Attrs.(AdamWAttrs)
	p, m, v, g := c.In[0], c.In[1], c.In[2], c.In[3]
	factor, h := float64(c.In[4][0]), c.In[5]
	if h[4] == 0 {
		return
	}
	lr, bias1, bias2 := float64(h[0]), float64(h[2]), float64(h[3])
	keep := 1.0
	if a.Decay {
		keep -= lr * float64(h[1])
	}
	c.Par(len(p), grain/2, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			d := float64(g[i]) * factor
			mi := a.Beta1*float64(m[i]) + (1-a.Beta1)*d
			vi := a.Beta2*float64(v[i]) + (1-a.Beta2)*d*d
			m[i], v[i] = T(mi), T(vi)
			p[i] = T(float64(p[i])*keep - lr*mi/bias1/(math.Sqrt(vi)/bias2+a.Eps))
		}
	})
}

func emaRef[T graph.Float](c *graph.Call[T]) {
	t, s, momentum := c.In[0], c.In[1], float64(c.In[2][0])
	c.Par(len(t), grain, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t[i] = T(momentum*float64(t[i]) + (1-momentum)*float64(s[i]))
		}
	})
}

func fillAdamW(active float64) func(int, *rand.Rand, []float64) bool {
	return func(input int, rng *rand.Rand, data []float64) bool {
		switch input {
		case 2:
			uniform(rng, data, 0, 1)
		case 4:
			data[0] = 0.7
		case 5:
			copy(data, []float64{0.01, 0.3, 0.19, 0.31, active})
		default:
			return false
		}
		return true
	}
}

func adamWShapes(s graph.Shape) []graph.Shape {
	return []graph.Shape{s, s, s, s, {1}, {HyperSize}}
}

// optimizerParams is struct Params of optimizer.wgsl.
type optimizerParams struct {
	N, Decay                        uint32
	Most                            float32
	Beta1, Rest1, Beta2, Rest2, Eps float32
}

func clipFactorLaunch(n *graph.Node, _ graph.Target) graph.Launch {
	p := optimizerParams{Most: float32(n.Attrs.(ClipAttrs).Max)}
	return launch(each("optimizer", "clip_factor", 1, p, bindIn("norm", 0), bindOut()))
}

func adamWLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a, size := n.Attrs.(AdamWAttrs), n.Shape.Size()
	p := optimizerParams{
		N: uint32(size), Eps: float32(a.Eps),
		Beta1: float32(a.Beta1), Rest1: float32(1 - a.Beta1), Beta2: float32(a.Beta2), Rest2: float32(1 - a.Beta2),
	}
	if a.Decay {
		p.Decay = 1
	}
	return launch(elements(t, "optimizer", "adamw", size, p,
		bindIn("p", 0), bindIn("m", 1), bindIn("v", 2), bindIn("g", 3), bindIn("factor", 4), bindIn("hyper", 5)))
}

func emaLaunch(n *graph.Node, t graph.Target) graph.Launch {
	size := n.Shape.Size()
	return launch(elements(t, "optimizer", "ema", size, optimizerParams{N: uint32(size)},
		bindIn("p", 0), bindIn("s", 1), bindIn("momentum", 2)))
}

func init() {
	attrs := AdamWAttrs{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: true}
	plain := attrs
	plain.Decay = false
	clipFactorOp = graph.Register(graph.Op{
		Name: "clip_factor", Formula: "y = min(1, max / (norm + 1e-6))",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			wantShape(n, 0, graph.Shape{1})
			return graph.Shape{1}
		},
		Ref32: clipFactorRef[float32], Ref64: clipFactorRef[float64],
		NoGrad: "it works on gradients",
		Launch: clipFactorLaunch,
		Cases: []graph.Case{
			{Name: "above", Shapes: []graph.Shape{{1}}, Attrs: ClipAttrs{0.3}, Range: [2]float64{0.5, 2}},
			{Name: "below", Shapes: []graph.Shape{{1}}, Attrs: ClipAttrs{0.3}, Range: [2]float64{0, 0.2}},
		},
	})
	adamWOp = graph.Register(graph.Op{
		Name: "adamw", Formula: "p, m, v ← AdamW(p, m, v, factor·g)",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 6)
			p := n.Inputs[0].Shape
			for i := 1; i < 4; i++ {
				wantShape(n, i, p)
			}
			wantShape(n, 4, graph.Shape{1})
			wantShape(n, 5, graph.Shape{HyperSize})
			return p
		},
		Updates: []int{0, 1, 2},
		Ref32:   adamWRef[float32], Ref64: adamWRef[float64],
		NoGrad: "an update is the end of a step",
		Launch: adamWLaunch,
		Cases: []graph.Case{
			{Name: "decay", Shapes: adamWShapes(graph.Shape{3, 7}), Attrs: attrs, Fill: fillAdamW(1)},
			{Name: "no decay", Shapes: adamWShapes(graph.Shape{9}), Attrs: plain, Fill: fillAdamW(1)},
			{Name: "frozen", Shapes: adamWShapes(graph.Shape{9}), Attrs: attrs, Fill: fillAdamW(0)},
			{Name: "large", Shapes: adamWShapes(graph.Shape{384, 97}), Attrs: attrs, Fill: fillAdamW(1), Large: true},
		},
	})
	emaOp = graph.Register(graph.Op{
		Name: "ema", Formula: "t ← momentum·t + (1-momentum)·s",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			wantShape(n, 1, n.Inputs[0].Shape)
			wantShape(n, 2, graph.Shape{1})
			return n.Inputs[0].Shape
		},
		Updates: []int{0},
		Ref32:   emaRef[float32], Ref64: emaRef[float64],
		NoGrad: "an update is the end of a step",
		Launch: emaLaunch,
		Cases: []graph.Case{
			{Name: "small", Shapes: []graph.Shape{{3, 7}, {3, 7}, {1}}, Range: [2]float64{0.1, 0.9}},
			{Name: "large", Shapes: []graph.Shape{{384, 97}, {384, 97}, {1}}, Range: [2]float64{0.1, 0.9}, Large: true},
		},
	})
}
