package xkd

import (
	"context"
	"fmt"

	"goxkd/graph"
	"goxkd/layers"
)

// Features is the graph of one frozen encoder on unmasked global views.
type Features struct {
	Graph  *graph.Graph
	Params []*layers.Param
	View   *graph.Node // [B,C,...]
	Tokens *graph.Node // [B,extra+N,D], after the final LayerNorm
	Pooled *graph.Node // [B,D], the mean over patch tokens
	Head   *graph.Node // [B,head's outputs] for Pooled; nil unless it was asked for
}

// FeatureOptions shape a graph of features.
type FeatureOptions struct {
	// Tokens has every token kept for reading, else only the pooled features are.
	Tokens bool
	// Head has the projection head's outputs computed too.
	Head bool
	// Floats is as in StepOptions.
	Floats bool
}

// BuildFeatures builds the encoder of one network for the given batch. Compiled against the store of a training step, it
// sees that step's weights.
func BuildFeatures(c Config, m Modality, r Role, batch int, opt FeatureOptions) (*Features, error) {
	if err := c.validateNetwork(); err != nil {
		return nil, err
	}
	f := &Features{}
	g, err := graph.Build(func(g *graph.Graph) {
		p := &layers.Params{G: g}
		net := newBackbone(c, p, m, r)
		head := netName(m, r) + ".head"
		if opt.Head {
			layers.DeclareHead(p, head, c.Model.Encoder.Dim, layers.HeadSize(c.Model.Head))
		}
		p.PlaceAlone()
		f.View = g.InputAs(m.String()+"_global", keptAs(m, opt.Floats), c.viewShape(m, false, batch)...)
		encoded := net.Encode(layers.Patchify(g, f.View, net.Patch, pixels), nil)
		f.Tokens = encoded.Tokens
		f.Pooled = g.Keep(encoded.Pooled(g))
		if opt.Head {
			f.Head = g.Keep(layers.Head(p, head, f.Pooled, layers.HeadSize(c.Model.Head)))
		}
		if opt.Tokens {
			g.Keep(f.Tokens)
		}
		f.Params = p.List
	})
	f.Graph = g
	return f, err
}

// Extract computes pooled features [n,D] of views, batch by batch; the last batch may be short. views holds n views one
// after the other.
func (f *Features) Extract(ctx context.Context, e graph.Executor, views View) ([]float32, error) {
	rows, err := f.extract(ctx, e, views, f.Pooled)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// extract computes the rows of kept nodes, of each node one a view.
func (f *Features) extract(ctx context.Context, e graph.Executor, views View, nodes ...*graph.Node) ([][]float32, error) {
	size := f.View.Shape[1:].Size()
	elements := len(views.Floats) + len(views.Bytes)
	if elements%size != 0 {
		return nil, fmt.Errorf("%d elements are no whole number of views of %v", elements, f.View.Shape[1:])
	}
	n, batch := elements/size, f.View.Shape[0]
	out := make([][]float32, len(nodes))
	for at := 0; at < n; at += batch {
		k := min(batch, n-at)
		in := View{Floats: padded(views.Floats, at*size, k*size, batch*size), Bytes: padded(views.Bytes, at*size, k*size, batch*size)}
		if err := writeViews(e, f.View, in); err != nil {
			return nil, err
		}
		if err := e.Run(ctx); err != nil {
			return nil, err
		}
		for i, node := range nodes {
			rows := make([]float32, node.Shape.Size())
			if err := e.Read(node, rows); err != nil {
				return nil, err
			}
			out[i] = append(out[i], rows[:k*node.Shape[1:].Size()]...)
		}
	}
	return out, nil
}

// padded gives n elements from an offset on, filled up to size with zeros.
func padded[T any](data []T, from, n, size int) []T {
	if data == nil {
		return nil
	}
	if n == size {
		return data[from : from+n]
	}
	return append(append(make([]T, 0, size), data[from:from+n]...), make([]T, size-n)...)
}
