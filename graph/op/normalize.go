package op

import (
	"math"

	"goxkd/graph"
)

var l2NormalizeOp, l2NormalizeGradOp, normalizePatchesOp, matchNormOp *graph.Op

// NormAttrs holds the least divisor of l2_normalize.
type NormAttrs struct{ Eps float64 }

// L2Normalize divides each innermost row by its 2-norm, or by eps where the norm is smaller.
func L2Normalize(g *graph.Graph, x *graph.Node, eps float64) *graph.Node {
	return g.Apply(l2NormalizeOp, NormAttrs{eps}, x)
}

// NormalizePatches gives the reconstruction target: each row (one patch) less its mean, divided by √(var + 1e-6) with the
// unbiased variance (He et al., 2022). Rows need two elements or more.
func NormalizePatches(g *graph.Graph, x *graph.Node) *graph.Node {
	return g.Apply(normalizePatchesOp, nil, x)
}

// MatchNorm gives each row of x the 2-norm of the same row of reference: x·|reference|/|x|.
func MatchNorm(g *graph.Graph, x, reference *graph.Node) *graph.Node {
	return g.Apply(matchNormOp, nil, x, reference)
}

// patchEps is added to the variance of a patch.
const patchEps = 1e-6

func l2NormalizeRef[T graph.Float](c *graph.Call[T]) {
	w, eps := c.Node.Shape.Last(), c.Node.Attrs.(NormAttrs).Eps
	c.Par(len(c.Out)/w, rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			x := c.In[0][r*w : (r+1)*w]
			norm := max(math.Sqrt(dot(x, x)), eps)
			for i, v := range x {
				c.Out[r*w+i] = T(float64(v) / norm)
			}
		}
	})
}

// l2NormalizeGradRef: dx = (dy - x Σ(x·dy)/|x|²)/|x|; below eps the divisor is constant.
func l2NormalizeGradRef[T graph.Float](c *graph.Call[T]) {
	w, eps := c.Node.Shape.Last(), c.Node.Attrs.(NormAttrs).Eps
	c.Par(len(c.Out)/w, rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			x, dy := c.In[0][r*w:(r+1)*w], c.In[1][r*w:(r+1)*w]
			norm := math.Sqrt(dot(x, x))
			along := 0.0
			if norm > eps {
				along = dot(x, dy) / (norm * norm)
			}
			norm = max(norm, eps)
			for i, v := range x {
				c.Out[r*w+i] = T((float64(dy[i]) - float64(v)*along) / norm)
			}
		}
	})
}

func normalizePatchesRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	c.Par(len(c.Out)/w, rowGrain(4*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			x := c.In[0][r*w : (r+1)*w]
			var mean, variance float64
			for _, v := range x {
				mean += float64(v)
			}
			mean /= float64(w)
			for _, v := range x {
				variance += (float64(v) - mean) * (float64(v) - mean)
			}
			scale := 1 / math.Sqrt(variance/float64(w-1)+patchEps)
			for i, v := range x {
				c.Out[r*w+i] = T((float64(v) - mean) * scale)
			}
		}
	})
}

func matchNormRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	c.Par(len(c.Out)/w, rowGrain(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			x, ref := c.In[0][r*w:(r+1)*w], c.In[1][r*w:(r+1)*w]
			s := math.Sqrt(dot(ref, ref) / dot(x, x))
			for i, v := range x {
				c.Out[r*w+i] = T(float64(v) * s)
			}
		}
	})
}

// normalizeParams is struct Params of normalize.wgsl.
type normalizeParams struct {
	Rows, Width uint32
	Eps         float32
}

// normalizeLaunch runs one of the kernels of normalize.wgsl, which go over each row `passes` times.
func normalizeLaunch(n *graph.Node, t graph.Target, passes int, eps float64, second string) graph.Launch {
	rows, w := n.Shape.Rows(), n.Shape.Last()
	p := normalizeParams{uint32(rows), uint32(w), float32(eps)}
	binds := []graph.Bind{bindIn("x", 0), bindOut()}
	if second != "" {
		binds = append(binds, bindIn(second, 1))
	}
	return launch(overRows(n, t, "normalize", n.Op.Name, rows, w, passes, p, binds...))
}

func l2NormalizeLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return normalizeLaunch(n, t, 2, n.Attrs.(NormAttrs).Eps, "")
}

func l2NormalizeGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return normalizeLaunch(n, t, 2, n.Attrs.(NormAttrs).Eps, "dy")
}

func normalizePatchesLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return normalizeLaunch(n, t, 3, patchEps, "")
}

func matchNormLaunch(n *graph.Node, t graph.Target) graph.Launch {
	return normalizeLaunch(n, t, 2, 0, "reference")
}

// l2NormalizeClosed with the norm of hypot.
func l2NormalizeClosed(s graph.Sample) [][]float64 {
	return s.Rows(func(x, _ []float64) []float64 {
		var out []float64
		for _, v := range x {
			out = append(out, v/max(hypot(x), s.Attrs.(NormAttrs).Eps))
		}
		return out
	})
}

func init() {
	eps := NormAttrs{1e-12}
	l2NormalizeOp = graph.Register(graph.Op{
		Name: "l2_normalize", Formula: "y = x / max(|x|, eps) per row", Shape: oneShape,
		Ref32: l2NormalizeRef[float32], Ref64: l2NormalizeRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			return []*graph.Node{g.Apply(l2NormalizeGradOp, n.Attrs, n.Inputs[0], dy)}
		},
		Launch: l2NormalizeLaunch, Variants: rowsOf(0, 2),
		Loose: []int{0},
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 4, 7}}, Attrs: eps},
			{Name: "below eps", Shapes: []graph.Shape{{3, 5}}, Attrs: NormAttrs{10}},
			{Name: "wide", Shapes: []graph.Shape{{64, 512}}, Attrs: eps, Large: true},
		},
		Closed: l2NormalizeClosed,
	})
	l2NormalizeGradOp = graph.Register(graph.Op{
		Name: "l2_normalize_grad", Formula: "dx = (dy - x Σ(x·dy)/|x|²) / |x|", Shape: twoShape,
		Ref32: l2NormalizeGradRef[float32], Ref64: l2NormalizeGradRef[float64],
		NoGrad: secondDerivative,
		Launch: l2NormalizeGradLaunch, Variants: rowsOf(0, 2),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{3, 4, 7}, {3, 4, 7}}, Attrs: eps},
			{Name: "below eps", Shapes: []graph.Shape{{3, 5}, {3, 5}}, Attrs: NormAttrs{10}},
		},
		Closed: derivative(l2NormalizeClosed, 0, shapeOf(0)), Approximate: true,
	})
	normalizePatchesOp = graph.Register(graph.Op{
		Name: "normalize_patches", Formula: "y = (x - mean) / √(unbiased var + 1e-6) per row",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			if n.Inputs[0].Shape.Last() < 2 {
				graph.Failf("normalize_patches: a patch of %v has one element and no variance", n.Inputs[0].Shape)
			}
			return n.Inputs[0].Shape
		},
		Ref32: normalizePatchesRef[float32], Ref64: normalizePatchesRef[float64],
		NoGrad: "the target of a loss is no function of the parameters",
		Launch: normalizePatchesLaunch, Variants: rowsOf(0, 3),
		Loose: []int{0},
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{2, 3, 12}}},
			{Name: "dark", Shapes: []graph.Shape{{2, 3, 12}}, Range: [2]float64{-1e-3, 1e-3}},
			{Name: "large", Shapes: []graph.Shape{{16, 144, 384}}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Rows(func(x, _ []float64) []float64 {
				mean, variance := average(x)
				var out []float64
				for _, v := range x {
					n := float64(len(x))
					out = append(out, (v-mean)/math.Sqrt(variance*n/(n-1)+1e-6))
				}
				return out
			})
		},
	})
	matchNormOp = graph.Register(graph.Op{
		Name: "match_norm", Formula: "y = x · |reference| / |x| per row", Shape: twoShape,
		Ref32: matchNormRef[float32], Ref64: matchNormRef[float64],
		NoGrad: "refinement is the teachers', and they take no gradient",
		Launch: matchNormLaunch, Variants: rowsOf(0, 2),
		Cases: []graph.Case{
			{Name: "rows", Shapes: []graph.Shape{{5, 9}, {5, 9}}},
		},
		Closed: func(s graph.Sample) [][]float64 {
			return s.Rows(func(x, ref []float64) []float64 {
				var out []float64
				for _, v := range x {
					out = append(out, v/hypot(x)*hypot(ref))
				}
				return out
			})
		},
	})
}
