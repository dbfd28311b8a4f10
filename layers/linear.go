package layers

import (
	"goxkd/graph"
	"goxkd/graph/op"
)

// NormEps is added to the variance in every LayerNorm.
const NormEps = 1e-5

// declareLinear enters weight [out, in] and bias [out].
func declareLinear(p *Params, name string, init Init, out, in int) {
	p.Declare(name+".weight", init, out, in)
	p.Declare(name+".bias", Zeros, out)
}

// declareNorm enters gain and bias [width] of a LayerNorm.
func declareNorm(p *Params, name string, width int) {
	p.Declare(name+".weight", Ones, width)
	p.Declare(name+".bias", Zeros, width)
}

// Linear is x Wᵀ + b: x [..., in], weight [out, in], bias [out].
func Linear(p *Params, name string, x *graph.Node) *graph.Node {
	return op.MatMul(p.G, x, p.Node(name+".weight"), p.Node(name+".bias"), false, true)
}

// linearOnto is x + (h Wᵀ + b), for x of the result's shape.
func linearOnto(p *Params, name string, x, h *graph.Node) *graph.Node {
	return op.MatMulOnto(p.G, x, h, p.Node(name+".weight"), p.Node(name+".bias"), false, true)
}

// LayerNorm normalises the innermost axis, with gain and bias.
func LayerNorm(p *Params, name string, x *graph.Node) *graph.Node {
	return op.LayerNorm(p.G, x, p.Node(name+".weight"), p.Node(name+".bias"), NormEps)
}

// Block is one transformer block on x [B,N,D]: x + attn(LN(x)), then x + mlp(LN(x)); the joint projection has no bias, the
// MLP is four times as wide (Dosovitskiy et al., 2021). It also returns the joint projection [B,N,3D], from which attention
// probabilities may be read. Where x is [R,D], the rows of sequences of several lengths, these are given.
func Block(p *Params, name string, x *graph.Node, heads int, sequences ...op.Sequences) (y, qkv *graph.Node) {
	d := x.Shape.Last()
	if d%heads != 0 {
		graph.Failf("%s: %d heads do not divide a width of %d", name, heads, d)
	}
	p.G.Scope("attn", func() {
		h := LayerNorm(p, name+".norm1", x)
		qkv = op.MatMul(p.G, h, p.Node(name+".attn.qkv.weight"), nil, false, true)
		x = linearOnto(p, name+".attn.proj", x, op.AttentionOf(p.G, qkv, heads, sequences))
	})
	p.G.Scope("mlp", func() {
		h := LayerNorm(p, name+".norm2", x)
		h = op.MatMulGELU(p.G, h, p.Node(name+".mlp.fc1.weight"), p.Node(name+".mlp.fc1.bias"), false, true)
		y = linearOnto(p, name+".mlp.fc2", x, h)
	})
	return y, qkv
}
