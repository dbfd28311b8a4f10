package layers

import (
	"goxkd/graph"
	"goxkd/graph/op"
)

// NormEps is added to the variance in every LayerNorm.
const NormEps = 1e-5

// Linear is x Wᵀ + b: x [..., in], weight [out, in], bias [out].
func Linear(p *Params, name string, x *graph.Node, out int, init Init) *graph.Node {
	w := p.Get(name+".weight", init, out, x.Shape.Last())
	b := p.Get(name+".bias", Zeros, out)
	return op.MatMul(p.G, x, w, b, false, true)
}

// LayerNorm normalises the innermost axis, with gain and bias.
func LayerNorm(p *Params, name string, x *graph.Node) *graph.Node {
	d := x.Shape.Last()
	return op.LayerNorm(p.G, x, p.Get(name+".weight", Ones, d), p.Get(name+".bias", Zeros, d), NormEps)
}

// Block is one transformer block on x [B,N,D]: x + attn(LN(x)), then x + mlp(LN(x)); the joint projection has no bias, the
// MLP is four times as wide (Dosovitskiy et al., 2021). It also returns the joint projection [B,N,3D], from which attention
// probabilities may be read.
func Block(p *Params, name string, x *graph.Node, heads int) (y, qkv *graph.Node) {
	d := x.Shape.Last()
	if d%heads != 0 {
		graph.Failf("%s: %d heads do not divide a width of %d", name, heads, d)
	}
	p.G.Scope("attn", func() {
		h := LayerNorm(p, name+".norm1", x)
		qkv = op.MatMul(p.G, h, p.Get(name+".attn.qkv.weight", Xavier, 3*d, d), nil, false, true)
		x = op.Add(p.G, x, Linear(p, name+".attn.proj", op.Attention(p.G, qkv, heads), d, Xavier))
	})
	p.G.Scope("mlp", func() {
		h := LayerNorm(p, name+".norm2", x)
		h = op.GELU(p.G, Linear(p, name+".mlp.fc1", h, 4*d, Xavier))
		y = op.Add(p.G, x, Linear(p, name+".mlp.fc2", h, d, Xavier))
	})
	return y, qkv
}
