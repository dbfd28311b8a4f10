package op

import (
	"math/rand/v2"

	"goxkd/graph"
)

var pixelPatchesOp *graph.Op

// Normalization holds the mean and deviation of each colour, for pixels from 0 to 1.
type Normalization struct{ Mean, Std [3]float64 }

// PixelPatchesAttrs hold the frames, rows and columns of a patch, and what pixels are normalised by.
type PixelPatchesAttrs struct {
	Patch [3]int
	Normalization
}

// PixelPatches cuts a video of bytes [B,3,T,H,W] into patches of normalised pixels [B, t·h·w, pt·ph·pw·3]: tokens ordered
// (t h w), each flattened (pt ph pw c), y = (x/255 - mean[c]) / std[c].
func PixelPatches(g *graph.Graph, x *graph.Node, patch [3]int, norm Normalization) *graph.Node {
	return g.Apply(pixelPatchesOp, PixelPatchesAttrs{patch, norm}, x)
}

func pixelPatchesRef[T graph.Float](c *graph.Call[T]) {
	a, s := c.Node.Attrs.(PixelPatchesAttrs), c.Node.Inputs[0].Shape
	tokens, w := c.Node.Shape[1], c.Node.Shape[2]
	gh, gw := s[3]/a.Patch[1], s[4]/a.Patch[2]
	c.Par(c.Node.Shape.Rows(), rowGrain(4*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			b, token := r/tokens, r%tokens
			t0, h0, w0 := token/(gh*gw)*a.Patch[0], token/gw%gh*a.Patch[1], token%gw*a.Patch[2]
			at := r * w
			for pt := 0; pt < a.Patch[0]; pt++ {
				for ph := 0; ph < a.Patch[1]; ph++ {
					for pw := 0; pw < a.Patch[2]; pw++ {
						for ch := 0; ch < 3; ch++ {
							v := float64(c.In[0][(((b*3+ch)*s[2]+t0+pt)*s[3]+h0+ph)*s[4]+w0+pw])
							c.Out[at] = T((v/255 - a.Mean[ch]) / a.Std[ch])
							at++
						}
					}
				}
			}
		}
	})
}

// pixelsParams is struct Params of pixels.wgsl.
type pixelsParams struct {
	N, Frames, Rows, Cols  uint32
	PatchT, PatchH, PatchW uint32
	Scale0, Scale1, Scale2 float32
	Shift0, Shift1, Shift2 float32
}

func pixelPatchesLaunch(n *graph.Node, t graph.Target) graph.Launch {
	a, s, size := n.Attrs.(PixelPatchesAttrs), n.Inputs[0].Shape, n.Shape.Size()
	p := pixelsParams{
		N: uint32(size), Frames: uint32(s[2]), Rows: uint32(s[3]), Cols: uint32(s[4]),
		PatchT: uint32(a.Patch[0]), PatchH: uint32(a.Patch[1]), PatchW: uint32(a.Patch[2]),
	}
	scale, shift := [3]*float32{&p.Scale0, &p.Scale1, &p.Scale2}, [3]*float32{&p.Shift0, &p.Shift1, &p.Shift2}
	for i := range 3 {
		*scale[i], *shift[i] = float32(1/(255*a.Std[i])), float32(-a.Mean[i]/a.Std[i])
	}
	return launch(elements(t, "pixels", "patches", size, p, bindIn("x", 0), bindOut()))
}

func init() {
	norm := Normalization{Mean: [3]float64{0.485, 0.456, 0.406}, Std: [3]float64{0.229, 0.224, 0.225}}
	pixels := func(_ int, rng *rand.Rand, data []float64) bool {
		for i := range data {
			data[i] = float64(rng.IntN(256))
		}
		return true
	}
	pixelPatchesOp = graph.Register(graph.Op{
		Name: "pixel_patches", Formula: "y[token, (pt ph pw c)] = (x/255 - mean[c]) / std[c]",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1)
			s, a := n.Inputs[0].Shape, n.Attrs.(PixelPatchesAttrs)
			if len(s) != 5 || s[1] != 3 || min(a.Patch[0], a.Patch[1], a.Patch[2]) < 1 || s[2]%a.Patch[0]+s[3]%a.Patch[1]+s[4]%a.Patch[2] != 0 {
				graph.Failf("pixel_patches: %v is not [B,3,T,H,W] in patches of %v", s, a.Patch)
			}
			if min(a.Std[0], a.Std[1], a.Std[2]) <= 0 {
				graph.Failf("pixel_patches: the deviations %v must be above 0", a.Std)
			}
			return graph.Shape{s[0], s[2] / a.Patch[0] * (s[3] / a.Patch[1]) * (s[4] / a.Patch[2]), a.Patch[0] * a.Patch[1] * a.Patch[2] * 3}
		},
		Type: func(n *graph.Node) graph.Type {
			if n.Inputs[0].Type != graph.Uint8 {
				graph.Failf("pixel_patches: %s is kept as %v, not as uint8", n.Inputs[0].Label(), n.Inputs[0].Type)
			}
			return graph.Float32
		},
		Ref32: pixelPatchesRef[float32], Ref64: pixelPatchesRef[float64],
		NoGrad: "a view is no function of the parameters",
		Launch: pixelPatchesLaunch,
		Cases: []graph.Case{
			{Name: "odd", Shapes: []graph.Shape{{2, 3, 2, 6, 5}}, Types: []graph.Type{graph.Uint8}, Attrs: PixelPatchesAttrs{[3]int{1, 2, 5}, norm}, Fill: pixels},
			{Name: "nano", Shapes: []graph.Shape{{4, 3, 8, 32, 32}}, Types: []graph.Type{graph.Uint8}, Attrs: PixelPatchesAttrs{[3]int{2, 8, 8}, norm}, Fill: pixels, Large: true},
		},
		// By the coordinates of each pixel, wherever it goes.
		Closed: func(s graph.Sample) [][]float64 {
			a, x := s.Attrs.(PixelPatchesAttrs), s.Shapes[0]
			out := make([]float64, s.Y.Size())
			for k, v := range s.In[0] {
				c := graph.Coordinates(x, k)
				grid := graph.Shape{x[2] / a.Patch[0], x[3] / a.Patch[1], x[4] / a.Patch[2]}
				token := graph.Index(grid, []int{c[2] / a.Patch[0], c[3] / a.Patch[1], c[4] / a.Patch[2]})
				in := graph.Index(graph.Shape{a.Patch[0], a.Patch[1], a.Patch[2], 3}, []int{c[2] % a.Patch[0], c[3] % a.Patch[1], c[4] % a.Patch[2], c[1]})
				out[graph.Index(s.Y, []int{c[0], token, in})] = (v - 255*a.Mean[c[1]]) / (255 * a.Std[c[1]])
			}
			return [][]float64{out}
		},
	})
}
