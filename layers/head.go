package layers

import (
	"fmt"

	"goxkd/graph"
	"goxkd/graph/op"
)

// HeadSize holds the sizes of a projection head; the notation 2048-gelu-3-256-8192 reads Hidden, Layers, Bottleneck, Out.
type HeadSize struct {
	Hidden     int `json:"hidden_dim"`
	Layers     int `json:"nlayers"`
	Bottleneck int `json:"bottleneck_dim"`
	Out        int `json:"out_dim"`
}

// headLinear gives the key of a head's linear layer i; linears, norms and activations are numbered together. All norms are
// the one at key 1.
func headLinear(name string, i int) string { return fmt.Sprintf("%s.mlp.%d", name, 3*i) }

// DeclareHead enters the parameters in the released code's order.
func DeclareHead(p *Params, name string, in int, size HeadSize) {
	for i := 0; i < size.Layers-1; i++ {
		declareLinear(p, headLinear(name, i), TruncNormal, size.Hidden, in)
		in = size.Hidden
		declareNorm(p, name+".mlp.1", size.Hidden)
	}
	declareLinear(p, headLinear(name, size.Layers-1), TruncNormal, size.Bottleneck, in)
	p.Declare(name+".last_layer.weight_g", Ones, size.Out, 1).Trained = false
	p.Declare(name+".last_layer.weight_v", TruncNormal, size.Out, size.Bottleneck).FrozenFirst = true
}

// Head is the projection head on x [B,D]: Linear, LN, GELU repeated (one LayerNorm shared by all), Linear to the bottleneck,
// L2-normalise, weight-normed Linear without bias, LayerNorm without parameters; after DINO (Caron et al., 2021).
func Head(p *Params, name string, x *graph.Node, size HeadSize) *graph.Node {
	g := p.G
	for i := 0; i < size.Layers-1; i++ {
		x = Linear(p, headLinear(name, i), x)
		x = op.GELU(g, LayerNorm(p, name+".mlp.1", x))
	}
	x = Linear(p, headLinear(name, size.Layers-1), x)
	x = op.L2Normalize(g, x, 1e-12)
	gain, v := p.Node(name+".last_layer.weight_g"), p.Node(name+".last_layer.weight_v")
	w := op.MulRows(g, op.L2Normalize(g, v, 1e-12), g.Reshape(gain, size.Out))
	return op.LayerNorm(g, op.MatMul(g, x, w, nil, false, true), nil, nil, NormEps)
}
