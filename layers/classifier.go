package layers

import (
	"goxkd/graph"
	"goxkd/graph/op"
)

// Classifier is the head of fine-tuning and linear probes on pooled features [B,D] (docs/method.md, section 8.3): a linear
// layer alone, or [L2-normalise] → [BatchNorm] → [dropout] → linear.
type Classifier struct {
	P            *Params
	Name         string // state-dict prefix, such as "head"
	Plain        bool   // the linear layer alone
	L2, Norm     bool
	Dim, Classes int
}

// bnEps is added to the variance in BatchNorm, and bnMomentum the share of the old running statistics that stays.
const (
	bnEps      = 1e-5
	bnMomentum = 0.9
)

// Declare enters the parameters. Running statistics are not trained.
func (c Classifier) Declare() {
	name, init := c.Name, Faint
	if !c.Plain {
		name, init = c.Name+".classifier", Orthogonal
		if c.Norm {
			declareNorm(c.P, c.Name+".bn", c.Dim)
			c.P.Declare(c.Name+".bn.running_mean", Zeros, c.Dim).Trained = false
			c.P.Declare(c.Name+".bn.running_var", Ones, c.Dim).Trained = false
		}
	}
	declareLinear(c.P, name, init, c.Classes, c.Dim)
}

// Train gives the logits [B,Classes] of features x [B,D] with the batch's own statistics; keep [B,D], nil for none, is what
// dropout multiplies by. After is called, once the weights are updated, to move the running statistics.
func (c Classifier) Train(x, keep *graph.Node) (logits *graph.Node, after func()) {
	g, after := c.P.G, func() {}
	if c.Plain {
		return Linear(c.P, c.Name, x), after
	}
	if c.L2 {
		x = op.L2Normalize(g, x, 1e-12)
	}
	if c.Norm {
		b := x.Shape[0]
		if b < 2 {
			graph.Failf("%s.bn needs two samples in a batch, or more: it normalises by their variance", c.Name)
		}
		// BatchNorm normalises columns, as LayerNorm does rows.
		rows := op.LayerNorm(g, op.Permute(g, x, 1, 0), nil, nil, bnEps)
		mean := op.MeanAxis(g, x, 0)
		d := op.Sub(g, x, mean)
		variance := op.Scale(g, float64(b)/float64(b-1), op.MeanAxis(g, op.Mul(g, d, d), 0)) // unbiased
		after = func() {
			stay := g.Const("running statistics", []float32{bnMomentum}, 1)
			op.EMA(g, c.P.Node(c.Name+".bn.running_mean"), mean, stay)
			op.EMA(g, c.P.Node(c.Name+".bn.running_var"), variance, stay)
		}
		x = c.affine(op.Permute(g, rows, 1, 0))
	}
	if keep != nil {
		x = op.Mul(g, x, keep)
	}
	return Linear(c.P, c.Name+".classifier", x), after
}

// Test gives the logits [B,Classes] with the running statistics and without dropout.
func (c Classifier) Test(x *graph.Node) *graph.Node {
	g := c.P.G
	if c.Plain {
		return Linear(c.P, c.Name, x)
	}
	if c.L2 {
		x = op.L2Normalize(g, x, 1e-12)
	}
	if c.Norm {
		eps := g.Const("epsilon of BatchNorm", []float32{bnEps}, 1)
		deviation := op.InverseSqrt(g, op.Add(g, c.P.Node(c.Name+".bn.running_var"), eps))
		x = c.affine(op.Mul(g, op.Sub(g, x, c.P.Node(c.Name+".bn.running_mean")), deviation))
	}
	return Linear(c.P, c.Name+".classifier", x)
}

func (c Classifier) affine(x *graph.Node) *graph.Node {
	g := c.P.G
	return op.Add(g, op.Mul(g, x, c.P.Node(c.Name+".bn.weight")), c.P.Node(c.Name+".bn.bias"))
}
