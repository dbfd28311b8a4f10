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
	Params []layers.Param
	View   *graph.Node // [B,C,...]
	Tokens *graph.Node // [B,extra+N,D], after the final LayerNorm
	Pooled *graph.Node // [B,D], the mean over patch tokens
}

// BuildFeatures builds the encoder of one network for the given batch. With tokens, every token may be read, else only the
// pooled features.
func BuildFeatures(c Config, m Modality, r Role, batch int, tokens bool) (*Features, error) {
	if err := c.validateNetwork(); err != nil {
		return nil, err
	}
	f := &Features{}
	g, err := graph.Build(func(g *graph.Graph) {
		p := &layers.Params{G: g}
		net := newNetwork(c, p, m, r)
		f.View = g.Input(m.String()+"_global", c.viewShape(m, false, batch)...)
		encoded := net.Encode(f.View, nil)
		f.Tokens = encoded.Tokens
		f.Pooled = g.Keep(encoded.Pooled(g))
		if tokens {
			g.Keep(f.Tokens)
		}
		f.Params = p.List
	})
	f.Graph = g
	return f, err
}

// Extract computes pooled features [n,D] of views, batch by batch; the last batch may be short. views holds n views one
// after the other.
func (f *Features) Extract(ctx context.Context, e graph.Executor, views []float32) ([]float32, error) {
	size := f.View.Shape[1:].Size()
	if len(views)%size != 0 {
		return nil, fmt.Errorf("%d elements are no whole number of views of %v", len(views), f.View.Shape[1:])
	}
	n, batch, dim := len(views)/size, f.View.Shape[0], f.Pooled.Shape[1]
	out := make([]float32, 0, n*dim)
	in, pooled := make([]float32, batch*size), make([]float32, batch*dim)
	for at := 0; at < n; at += batch {
		k := min(batch, n-at)
		copy(in, views[at*size:(at+k)*size])
		clear(in[k*size:])
		if err := e.Write(f.View, in); err != nil {
			return nil, err
		}
		if err := e.Run(ctx); err != nil {
			return nil, err
		}
		if err := e.Read(f.Pooled, pooled); err != nil {
			return nil, err
		}
		out = append(out, pooled[:k*dim]...)
	}
	return out, nil
}
