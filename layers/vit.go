package layers

import (
	"fmt"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Size is the width, depth and number of heads of a transformer.
type Size struct {
	Dim   int `json:"embed_dim"`
	Depth int `json:"depth"`
	Heads int `json:"num_heads"`
}

// Encoder is a ViT over patches of one modality.
type Encoder struct {
	P *Params
	Size
	// Name is the state-dict prefix, such as "vid_student.backbone"; Blocks the prefix of the transformer blocks, another
	// encoder's where they are shared. Embed names the patch embedding.
	Name, Blocks, Embed string
	Cls                 bool
	Patch               Patch
	Grid                []int // tokens of the global view
	PatchDim            int   // elements of one patch
	Recompute           bool  // gradients compute blocks again, from what goes into each
}

// Declare enters the parameters in the released code's order.
func (e *Encoder) Declare() {
	if e.Cls {
		e.P.Declare(e.Name+".cls_token", Normal, 1, 1, e.Dim)
	}
	e.P.Declare(e.Name+".enc_pos_embed", TruncNormal, 1, e.extra()+product(e.Grid), e.Dim)
	declareLinear(e.P, e.Name+"."+e.Embed+".proj", Xavier, e.Dim, e.PatchDim)
	for i := 0; i < e.Depth; i++ {
		declareBlock(e.P, fmt.Sprintf("%s.%d", e.Blocks, i), e.Dim)
	}
	declareNorm(e.P, e.Name+".encoder_norm", e.Dim)
}

// declareBlock enters a block's parameters in the released code's order.
func declareBlock(p *Params, name string, d int) {
	declareNorm(p, name+".norm1", d)
	p.Declare(name+".attn.qkv.weight", Xavier, 3*d, d)
	declareLinear(p, name+".attn.proj", Xavier, d, d)
	declareNorm(p, name+".norm2", d)
	declareLinear(p, name+".mlp.fc1", Xavier, 4*d, d)
	declareLinear(p, name+".mlp.fc2", Xavier, d, 4*d)
}

// extra is the number of tokens before the patches.
func (e *Encoder) extra() int {
	if e.Cls {
		return 1
	}
	return 0
}

// Visible names the tokens that a masked pass keeps: ids [B,K] and, for each token, its place among them or -1 [B,N].
type Visible struct{ IDs, Inverse *graph.Node }

// Encoded is what a pass gives.
type Encoded struct {
	Tokens *graph.Node // [B, extra+N, D], after the final LayerNorm
	QKV    *graph.Node // the last block's joint projection [B, extra+N, 3D]
	extra  int
}

// PatchTokens are the tokens without the class token.
func (t Encoded) PatchTokens(g *graph.Graph) *graph.Node {
	if t.extra == 0 {
		return t.Tokens
	}
	return op.Slice(g, t.Tokens, 1, t.extra, t.Tokens.Shape[1])
}

// Pooled is the mean over patch tokens [B,D].
func (t Encoded) Pooled(g *graph.Graph) *graph.Node { return op.MeanAxis(g, t.PatchTokens(g), 1) }

// Encode runs the ViT on the patches of a view; with visible, on those tokens only.
func (e *Encoder) Encode(view Patches, visible *Visible) Encoded {
	x, qkv := e.blocks(e.embed(view, visible))
	return Encoded{x, qkv, e.extra()}
}

// EncodeBoth runs the ViT on a masked view and another one, whose rows pass through the blocks together: weights are read
// once, and their gradients are sums over all rows. It gives no joint projections.
func (e *Encoder) EncodeBoth(masked Patches, visible *Visible, other Patches) (a, b Encoded) {
	g := e.P.G
	var rows []*graph.Node
	var sequences []op.Sequences
	for _, x := range []*graph.Node{e.embed(masked, visible), e.embed(other, nil)} {
		s := op.Sequences{Batch: x.Shape[0], Tokens: x.Shape[1]}
		rows, sequences = append(rows, g.Reshape(x, s.Rows(), e.Dim)), append(sequences, s)
	}
	x, _ := e.blocks(op.Concat(g, 0, rows...), sequences...)
	var parts []Encoded
	first := 0
	for _, s := range sequences {
		part := op.Slice(g, x, 0, first, first+s.Rows())
		parts = append(parts, Encoded{g.Reshape(part, s.Batch, s.Tokens, e.Dim), nil, e.extra()})
		first += s.Rows()
	}
	return parts[0], parts[1]
}

// embed gives the tokens of a view [B,extra+N,D].
func (e *Encoder) embed(view Patches, visible *Visible) *graph.Node {
	g := e.P.G
	patches, grid := view.Tokens, view.Grid
	if patches.Shape[2] != e.PatchDim {
		graph.Failf("%s: patches of %d elements, expected %d", e.Name, patches.Shape[2], e.PatchDim)
	}
	x := Linear(e.P, e.Name+"."+e.Embed+".proj", patches)
	pos := g.Reshape(e.P.Node(e.Name+".enc_pos_embed"), e.extra()+product(e.Grid), e.Dim)
	patchPos := pos
	if e.Cls {
		patchPos = op.Slice(g, pos, 0, 1, pos.Shape[0])
	}
	if product(grid) != product(e.Grid) || !view.Square {
		name := fmt.Sprintf("interpolation/%v→%v", e.Grid, grid)
		m := g.Lookup(name)
		if m == nil {
			m = g.Const(name, Interpolation(e.Grid, grid), product(grid), product(e.Grid))
		}
		patchPos = op.MatMul(g, m, patchPos, nil, false, false)
	}
	x = op.Add(g, x, patchPos)
	if visible != nil {
		x = op.Gather(g, x, visible.IDs, visible.Inverse)
	}
	if e.Cls {
		cls := g.Reshape(e.P.Node(e.Name+".cls_token"), 1, e.Dim)
		cls = op.Add(g, cls, op.Slice(g, pos, 0, 0, 1))
		x = op.Concat(g, 1, op.Spread(g, cls, 0, x.Shape[0], 1), x)
	}
	return x
}

// blocks gives the tokens after all blocks and the final LayerNorm, and the last block's joint projection.
func (e *Encoder) blocks(x *graph.Node, sequences ...op.Sequences) (y, qkv *graph.Node) {
	g := e.P.G
	for i := 0; i < e.Depth; i++ {
		g.Scope(fmt.Sprintf("block%d", i), func() {
			from := len(g.Nodes)
			x, qkv = Block(e.P, fmt.Sprintf("%s.%d", e.Blocks, i), x, e.Heads, sequences...)
			forgetBlock(g, e.Recompute, from, x)
		})
	}
	return LayerNorm(e.P, e.Name+".encoder_norm", x), qkv
}

// forgetBlock has gradients compute again what was built since a node of that number, but for the block's result y.
func forgetBlock(g *graph.Graph, recompute bool, from int, y *graph.Node) {
	if !recompute {
		return
	}
	for _, n := range g.Nodes[from:] {
		if n.Kind == graph.KindOp && !n.Op.View && n.NeedsGrad && n != y {
			g.Forget(n)
		}
	}
}

// TokenAttention reads the last block's attention [B,heads,N] over patch tokens: the class token's row without its own
// column, or without class token the mean over queries.
func (e *Encoder) TokenAttention(t Encoded) *graph.Node {
	g := e.P.G
	b, n := t.QKV.Shape[0], t.QKV.Shape[1]
	if !e.Cls {
		return op.MeanAxis(g, op.AttentionProbs(g, t.QKV, e.Heads, n), 2)
	}
	row := op.AttentionProbs(g, t.QKV, e.Heads, 1)
	return g.Reshape(op.Slice(g, row, 3, 1, n), b, e.Heads, n-1)
}

// Decoder rebuilds masked patches from an encoder's visible tokens (He et al., 2022).
type Decoder struct {
	P *Params
	Size
	Name     string // state-dict prefix, such as "vid_ae"
	Cls      bool
	Tokens   int // patches of the global view
	PatchDim int
	From     int // width of the encoder
	// Recompute is as an encoder's.
	Recompute bool
}

// Declare enters the parameters.
func (d *Decoder) Declare() {
	d.P.Declare(d.Name+".mask_token", Normal, 1, 1, d.Dim)
	d.P.Declare(d.Name+".dec_pos_embed", TruncNormal, 1, d.extra()+d.Tokens, d.Dim)
	if d.From != d.Dim {
		declareLinear(d.P, d.Name+".mid_proj", Xavier, d.Dim, d.From)
	}
	for i := 0; i < d.Depth; i++ {
		declareBlock(d.P, fmt.Sprintf("%s.decoder.blocks.%d", d.Name, i), d.Dim)
	}
	if d.PatchDim != d.Dim {
		declareLinear(d.P, d.Name+".out_proj", Xavier, d.PatchDim, d.Dim)
	}
}

func (d *Decoder) extra() int {
	if d.Cls {
		return 1
	}
	return 0
}

// Decode maps visible tokens [B,extra+K,E] to predicted patches [B,N,PatchDim]; mask [B,N] is 1 where a patch was hidden.
func (d *Decoder) Decode(x *graph.Node, visible Visible, mask *graph.Node) *graph.Node {
	g, p := d.P.G, d.P
	token, pos := p.Node(d.Name+".mask_token"), p.Node(d.Name+".dec_pos_embed")
	if d.From != d.Dim {
		x = Linear(p, d.Name+".mid_proj", x)
	}
	b, k := x.Shape[0], x.Shape[1]
	patches := x
	if d.Cls {
		patches = op.Slice(g, x, 1, 1, k)
	}
	restored := op.Gather(g, patches, visible.Inverse, visible.IDs)
	hidden := op.MatMul(g, g.Reshape(mask, b, d.Tokens, 1), g.Reshape(token, 1, d.Dim), nil, false, false)
	full := op.Add(g, restored, hidden)
	if d.Cls {
		full = op.Concat(g, 1, op.Slice(g, x, 1, 0, 1), full)
	}
	full = op.Add(g, full, g.Reshape(pos, d.extra()+d.Tokens, d.Dim))
	for i := 0; i < d.Depth; i++ {
		g.Scope(fmt.Sprintf("block%d", i), func() {
			from := len(g.Nodes)
			full, _ = Block(p, fmt.Sprintf("%s.decoder.blocks.%d", d.Name, i), full, d.Heads)
			forgetBlock(g, d.Recompute, from, full)
		})
	}
	if d.PatchDim != d.Dim {
		full = Linear(p, d.Name+".out_proj", full)
	}
	if d.Cls {
		full = op.Slice(g, full, 1, 1, 1+d.Tokens)
	}
	return full
}
