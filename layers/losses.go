package layers

import (
	"fmt"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Reconstruction is the masked autoencoder's loss [1]: the mean squared error per patch against the normalised target,
// averaged over masked patches of the whole batch. predicted and patches [B,N,P], mask [B,N] is 1 on the hidden ones, of
// which there are hidden in all.
func Reconstruction(g *graph.Graph, predicted, patches, mask *graph.Node, hidden int) *graph.Node {
	errs := op.RowMSE(g, predicted, op.NormalizePatches(g, patches))
	n := errs.Shape.Size()
	return op.Scale(g, 1/float64(hidden), op.RowDot(g, g.Reshape(errs, n), g.Reshape(mask, n)))
}

// Refine weights a teacher's patch tokens f [B,N,D] by cross-modal attention and pools them [B,D]: with own attention
// own [B,h,N] and the other modality's other [B,h,M], the product own_i·other_j averaged over j is own_i·mean(other). In
// mode "mean" it is divided by mean(own); in mode "softmax" it goes through a softmax over tokens. The mean over heads
// weights the tokens; the pooled result then gets the norm of the plain mean.
func Refine(g *graph.Graph, f, own, other *graph.Node, softmax bool) *graph.Node {
	b, h, n := own.Shape[0], own.Shape[1], own.Shape[2]
	factor := op.MeanAxis(g, other, 2)
	if !softmax {
		factor = op.Div(g, factor, op.MeanAxis(g, own, 2))
	}
	c := op.MulRows(g, own, factor)
	if softmax {
		c = op.Softmax(g, c)
	}
	graph.MustShape(c, graph.Shape{b, h, n}, "cross-modal attention")
	w := op.MeanAxis(g, c, 1)
	return op.MatchNorm(g, op.MeanAxis(g, op.MulRows(g, f, w), 1), op.MeanAxis(g, f, 1))
}

// Distillation is the cross-entropy [1] between a teacher's probabilities softmax((teacher-centre)/temperature) and each
// student view's log-probabilities at studentTemp, the mean over views and batch. teacher [B,K], student [V·B,K]
// view-major, centre [1,K], temperature [1].
func Distillation(g *graph.Graph, teacher, centre, temperature, student *graph.Node, studentTemp float64) *graph.Node {
	q := op.Softmax(g, op.Div(g, op.Sub(g, teacher, g.Reshape(centre, centre.Shape.Size())), temperature))
	return op.Mean(g, op.SoftCrossEntropy(g, q, student, studentTemp))
}

// mostMMD is the number of rows up to which the weights of all pairs are a constant.
const mostMMD = 4096

// MMD is the squared maximum mean discrepancy [1] of x [n,D] and y [m,D] under a sum of Gaussian kernels (Gretton et al.,
// 2012): mean K(x,x) + mean K(y,y) - 2 mean K(x,y).
//
// All kernels are taken at once, of x and y one after the other, and weighted by what each adds to the three means.
func MMD(g *graph.Graph, x, y *graph.Node) *graph.Node {
	n, m := x.Shape[0], y.Shape[0]
	name := fmt.Sprintf("mmd/%d,%d", n, m)
	weights := g.Lookup(name)
	switch {
	case weights != nil:
	case n+m > mostMMD: // too large to be made here: a plan says what it needs
		u := make([]float32, n+m)
		for i := range u {
			u[i] = 1 / float32(n)
			if i >= n {
				u[i] = -1 / float32(m)
			}
		}
		row := g.Const(name+"/row", u, 1, n+m)
		weights = op.MatMul(g, g.Reshape(row, n+m, 1), row, nil, false, false)
		weights = g.Reshape(weights, (n+m)*(n+m))
	default:
		w := make([]float32, (n+m)*(n+m))
		for i := range w {
			switch a, b := i/(n+m) < n, i%(n+m) < n; {
			case a && b:
				w[i] = float32(1 / float64(n*n))
			case !a && !b:
				w[i] = float32(1 / float64(m*m))
			default:
				w[i] = float32(-1 / float64(n*m))
			}
		}
		weights = g.Const(name, w, len(w))
	}
	z := op.Concat(g, 0, x, y)
	k := op.GaussKernel(g, op.PairDistance(g, z, z))
	return op.RowDot(g, g.Reshape(k, k.Shape.Size()), weights)
}
