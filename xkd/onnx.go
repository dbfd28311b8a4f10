package xkd

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"goxkd/layers"
	"goxkd/onnx"
)

// onnxEncoder writes an encoder as operators of ONNX. Values are named; each method gives the name of its result.
type onnxEncoder struct {
	*onnx.Model
	layers.Encoder
	weights  map[string]exported
	modality Modality
	config   Config
}

// onnxModel is the encoder of one modality: views in, tokens and pooled features out. The batch may be of any size, and so
// may the length of a view: frames of a video, columns of a log-mel. Of another length than in training, positions are
// interpolated as in training (docs/method.md, section 2.2).
func onnxModel(c Config, m Modality, e layers.Encoder, weights map[string]exported, meta map[string]string) *onnx.Model {
	x := onnxEncoder{&onnx.Model{Name: e.Name, Producer: "xkd", Metadata: maps.Clone(meta)}, e, weights, m, c}
	x.Metadata["outputs"] = "tokens [batch, tokens, width]: after the final LayerNorm" + map[bool]string{true: ", the class token first", false: ""}[e.Cls] +
		"; pooled [batch, width]: their mean" + map[bool]string{true: " without the class token", false: ""}[e.Cls]
	batch := onnx.Axis{Name: "batch"}
	shape := c.viewShape(m, false, 1)
	axes := []onnx.Axis{batch}
	for i, size := range shape[1:] {
		axis := onnx.Axis{Size: size}
		if i+1 == x.lengthAxis() {
			axis = onnx.Axis{Name: [...]string{"frames", "columns"}[m]}
		}
		axes = append(axes, axis)
	}
	x.Inputs = []onnx.Value{{Name: m.String(), Shape: axes}}
	x.Outputs = []onnx.Value{
		{Name: "tokens", Shape: []onnx.Axis{batch, {Name: "tokens"}, {Size: e.Dim}}},
		{Name: "pooled", Shape: []onnx.Axis{batch, {Size: e.Dim}}},
	}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		if name == "enc_pos_embed" || name == "cls_token" {
			continue // they go in by parts
		}
		x.Floats(name, weights[name].data, weights[name].shape...)
	}
	x.build()
	return x.Model
}

// lengthAxis is the axis of a view that may be of any length.
func (x onnxEncoder) lengthAxis() int { return [...]int{2, 3}[x.modality] }

// patchLength is the number of frames or columns of a patch.
func (x onnxEncoder) patchLength() int { return [...]int{x.Patch.T, x.Patch.W}[x.modality] }

func (x onnxEncoder) linear(name, in string, bias bool) string {
	y := x.Add("MatMul", nil, in, x.Add("Transpose", onnx.Attributes{"perm": []int{1, 0}}, name+".weight"))
	if bias {
		y = x.Add("Add", nil, y, name+".bias")
	}
	return y
}

func (x onnxEncoder) norm(name, in string) string {
	return x.Add("LayerNormalization", onnx.Attributes{"axis": -1, "epsilon": float32(layers.NormEps)}, in, name+".weight", name+".bias")
}

func (x onnxEncoder) reshape(in string, shape ...int) string {
	return x.Add("Reshape", nil, in, x.Ints(shape...))
}

// patches cuts a view into flattened patches [batch, tokens, elements]; a size of 0 is kept, -1 is what remains.
func (x onnxEncoder) patches() string {
	in := x.modality.String()
	if x.modality == Video {
		s := x.config.viewShape(Video, false, 1)
		y := x.reshape(in, 0, s[1], -1, x.Patch.T, s[3]/x.Patch.H, x.Patch.H, s[4]/x.Patch.W, x.Patch.W)
		y = x.Add("Transpose", onnx.Attributes{"perm": []int{0, 2, 4, 6, 3, 5, 7, 1}}, y)
		return x.reshape(y, 0, -1, x.PatchDim)
	}
	y := x.reshape(in, 0, x.Grid[0], x.Patch.H, -1, x.Patch.W)
	y = x.Add("Transpose", onnx.Attributes{"perm": []int{0, 1, 3, 2, 4}}, y)
	return x.reshape(y, 0, -1, x.PatchDim)
}

func (x onnxEncoder) build() {
	embed := map[Modality]string{Video: "cuboid_embed", Audio: "patch_embed"}[x.modality]
	y := x.Add("Add", nil, x.linear(embed+".proj", x.patches(), true), x.positions())
	if x.Cls {
		cls := x.Floats("cls_token+position", x.classToken(), 1, 1, x.Dim)
		batch := x.Add("Slice", nil, x.Add("Shape", nil, x.modality.String()), x.Ints(0), x.Ints(1), x.Ints(0))
		cls = x.Add("Expand", nil, cls, x.Add("Concat", onnx.Attributes{"axis": 0}, batch, x.Ints(1, x.Dim)))
		y = x.Add("Concat", onnx.Attributes{"axis": 1}, cls, y)
	}
	for i := range x.Depth {
		y = x.block(fmt.Sprintf("encoder.blocks.%d", i), y)
	}
	x.AddNamed("tokens", "LayerNormalization", onnx.Attributes{"axis": -1, "epsilon": float32(layers.NormEps)}, y, "encoder_norm.weight", "encoder_norm.bias")
	patches := "tokens"
	if x.Cls {
		patches = x.Add("Slice", nil, "tokens", x.Ints(1), x.Ints(math.MaxInt32), x.Ints(1))
	}
	x.AddNamed("pooled", "ReduceMean", onnx.Attributes{"axes": []int{1}, "keepdims": 0}, patches)
}

// block is one transformer block.
func (x onnxEncoder) block(name, in string) string {
	width := x.Dim / x.Heads
	qkv := x.linear(name+".attn.qkv", x.norm(name+".norm1", in), false)
	qkv = x.Add("Transpose", onnx.Attributes{"perm": []int{2, 0, 3, 1, 4}}, x.reshape(qkv, 0, 0, 3, x.Heads, width))
	part := func(i int) string { return x.Add("Gather", onnx.Attributes{"axis": 0}, qkv, x.Int(i)) }
	keys := x.Add("Transpose", onnx.Attributes{"perm": []int{0, 1, 3, 2}}, part(1))
	a := x.Add("Mul", nil, x.Add("MatMul", nil, part(0), keys), x.Number(1/math.Sqrt(float64(width))))
	a = x.Add("MatMul", nil, x.Add("Softmax", onnx.Attributes{"axis": -1}, a), part(2))
	a = x.reshape(x.Add("Transpose", onnx.Attributes{"perm": []int{0, 2, 1, 3}}, a), 0, 0, x.Dim)
	y := x.Add("Add", nil, in, x.linear(name+".attn.proj", a, true))
	h := x.linear(name+".mlp.fc1", x.norm(name+".norm2", y), true)
	erf := x.Add("Erf", nil, x.Add("Mul", nil, h, x.Number(math.Sqrt(0.5))))
	h = x.Add("Mul", nil, x.Add("Mul", nil, h, x.Number(0.5)), x.Add("Add", nil, erf, x.Number(1)))
	return x.Add("Add", nil, y, x.linear(name+".mlp.fc2", h, true))
}

// classToken is the class token with its position.
func (x onnxEncoder) classToken() []float32 {
	out := slices.Clone(x.weights["cls_token"].data)
	for i, v := range x.weights["enc_pos_embed"].data[:x.Dim] {
		out[i] += v
	}
	return out
}

// positions are those of the patches [1, tokens, width]. Along the length they are M·P, where M [now, trained] picks rows where the
// length is that of pretraining and interpolates elsewhere. A video's size across its frames is fixed: P has been interpolated for
// it.
func (x onnxEncoder) positions() string {
	at := 0
	if x.Cls {
		at = x.Dim
	}
	pos := x.weights["enc_pos_embed"].data[at:]
	trained := x.Grid[0]
	if x.modality == Audio {
		trained = x.Grid[1]
	}
	shape := x.Add("Shape", nil, x.modality.String())
	now := x.Add("Div", nil, x.Add("Gather", onnx.Attributes{"axis": 0}, shape, x.Int(x.lengthAxis())), x.Int(x.patchLength()))
	steps := x.Add("Range", nil, x.Int(0), now, x.Int(1))
	same := x.Add("Cast", onnx.Attributes{"to": onnx.Float}, x.Add("Equal", nil, now, x.Int(trained)))
	other := x.Add("Sub", nil, x.Number(1), same)
	matrix := x.Add("Add", nil, x.Add("Mul", nil, x.oneHot(steps, trained), same), x.Add("Mul", nil, x.interpolation(now, steps, trained), other))
	var p string
	if x.modality == Audio {
		p = x.Floats("positions", pos, x.Grid[0], trained, x.Dim)
	} else {
		p = x.Floats("positions", x.across(pos), trained, x.frame()[0]*x.frame()[1]*x.Dim)
	}
	return x.reshape(x.Add("MatMul", nil, matrix, p), 1, -1, x.Dim)
}

// frame is the grid of patches of a video's frame.
func (x onnxEncoder) frame() []int {
	s := x.config.viewShape(Video, false, 1)
	return []int{s[3] / x.Patch.H, s[4] / x.Patch.W}
}

// across interpolates a video's positions over rows and columns, where their number has changed.
func (x onnxEncoder) across(pos []float32) []float32 {
	from, to := x.Grid[1:], x.frame()
	cells, now := from[0]*from[1], to[0]*to[1]
	m := layers.Interpolation([]int{1, from[0], from[1]}, []int{1, to[0], to[1]})
	out := make([]float32, x.Grid[0]*now*x.Dim)
	for t := range x.Grid[0] {
		for r := range now {
			for k := range x.Dim {
				sum := 0.0
				for c := range cells {
					sum += float64(m[r*cells+c]) * float64(pos[(t*cells+c)*x.Dim+k])
				}
				out[(t*now+r)*x.Dim+k] = float32(sum)
			}
		}
	}
	return out
}

// oneHot is the matrix [len(indices), n] with a one at each index.
func (x onnxEncoder) oneHot(indices string, n int) string {
	return x.Add("OneHot", onnx.Attributes{"axis": -1}, indices, x.Int(n), x.Numbers(0, 1))
}

// interpolation is the matrix [now, trained] of layers.Interpolation's axis, linear for video, cubic for audio, computed for
// whatever length there is.
func (x onnxEncoder) interpolation(now, steps string, trained int) string {
	float := onnx.Attributes{"to": onnx.Float}
	add := func(a string, v float64) string { return x.Add("Add", nil, a, x.Number(v)) }
	mul := func(a, b string) string { return x.Add("Mul", nil, a, b) }
	scale := x.Add("Div", nil, x.Number(float64(trained)), add(x.Add("Cast", float, now), 0.1))
	at := add(mul(add(x.Add("Cast", float, steps), 0.5), scale), -0.5)
	clip := func(a string, from, to float64) string {
		return x.Add("Max", nil, x.Add("Min", nil, a, x.Number(to)), x.Number(from))
	}
	last := float64(trained - 1)
	tap := func(index, weight string) string {
		hot := x.oneHot(x.Add("Cast", onnx.Attributes{"to": onnx.Int64}, clip(index, 0, last)), trained)
		return mul(hot, x.Add("Unsqueeze", nil, weight, x.Ints(1)))
	}
	if x.modality == Video {
		at = x.Add("Max", nil, at, x.Number(0))
		low := clip(x.Add("Floor", nil, at), 0, last)
		f := x.Add("Sub", nil, at, low)
		return x.Add("Add", nil, tap(low, x.Add("Sub", nil, x.Number(1), f)), tap(add(low, 1), f))
	}
	low := x.Add("Floor", nil, at)
	f := x.Add("Sub", nil, at, low)
	g := x.Add("Sub", nil, x.Number(1), f)
	const a = layers.CubicA
	near := func(v string) string { // ((a+2)v-(a+3))v²+1
		return add(mul(mul(add(mul(v, x.Number(a+2)), -(a+3)), v), v), 1)
	}
	far := func(v string) string { // ((av-5a)v+8a)v-4a, for v between 1 and 2
		return add(mul(add(mul(add(mul(v, x.Number(a)), -5*a), v), 8*a), v), -4*a)
	}
	sum := tap(add(low, -1), far(add(f, 1)))
	for k, weight := range []string{near(f), near(g), far(add(g, 1))} {
		sum = x.Add("Add", nil, sum, tap(add(low, float64(k)), weight))
	}
	return sum
}
