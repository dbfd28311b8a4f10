package layers

import (
	"goxkd/graph"
	"goxkd/graph/op"
)

// Patch is the size of one patch: frames, rows and columns of a video, or (with T zero) frequencies and times of a
// spectrogram.
type Patch struct{ T, H, W int }

// Patches are the flattened patches of a view.
type Patches struct {
	Tokens *graph.Node // [B,N,elements of a patch]
	Grid   []int       // of the tokens
	// Square tells that a video's frames are square; spectrograms count as square.
	Square bool
}

// First keeps the first n clips.
func (p Patches) First(g *graph.Graph, n int) Patches {
	if n != p.Tokens.Shape[0] {
		p.Tokens = op.Slice(g, p.Tokens, 0, 0, n)
	}
	return p
}

// Patchify cuts x into flattened patches. A video [B,C,T,H,W] becomes [B, t·h·w, pt·ph·pw·C], tokens ordered (t h w),
// each flattened (pt ph pw c); a spectrogram [B,C,F,S] becomes [B, h·w, ph·pw·C]. Bytes, which only videos may be kept as,
// are pixels: they are normalised by norm on the way.
func Patchify(g *graph.Graph, x *graph.Node, p Patch, norm op.Normalization) Patches {
	s := x.Shape
	fit := func(size, patch int) int {
		if patch < 1 || size%patch != 0 {
			graph.Failf("a patch of %d does not divide a view of %d (%v)", patch, size, s)
		}
		return size / patch
	}
	if p.T == 0 {
		h, w := fit(s[2], p.H), fit(s[3], p.W)
		x = g.Reshape(x, s[0], s[1], h, p.H, w, p.W)
		x = op.Permute(g, x, 0, 2, 4, 3, 5, 1)
		return Patches{g.Reshape(x, s[0], h*w, p.H*p.W*s[1]), []int{h, w}, true}
	}
	t, h, w := fit(s[2], p.T), fit(s[3], p.H), fit(s[4], p.W)
	grid, square := []int{t, h, w}, s[3] == s[4]
	if x.Type == graph.Uint8 {
		return Patches{op.PixelPatches(g, x, [3]int{p.T, p.H, p.W}, norm), grid, square}
	}
	x = g.Reshape(x, s[0], s[1], t, p.T, h, p.H, w, p.W)
	x = op.Permute(g, x, 0, 2, 4, 6, 3, 5, 7, 1)
	return Patches{g.Reshape(x, s[0], t*h*w, p.T*p.H*p.W*s[1]), grid, square}
}

func product(xs []int) int { return graph.Shape(xs).Size() }

// Interpolation is the matrix [to, from] that samples a grid of position embeddings at another size. Per axis the sampling
// scale is from/(to+0.1): the released code passes scale_factor = (to+0.1)/from, and PyTorch takes coordinates from that
// factor. Video (three axes) is linear on every axis; audio is cubic (a = -0.75) along time, the second axis, alone.
func Interpolation(from, to []int) []float32 {
	axes := make([][]float64, len(from))
	for i := range from {
		switch {
		case len(from) == 3:
			axes[i] = linearAxis(from[i], to[i])
		case i == 1:
			axes[i] = cubicAxis(from[i], to[i])
		default:
			axes[i] = identityAxis(from[i], to[i])
		}
	}
	rows, cols := product(to), product(from)
	m := make([]float32, rows*cols)
	for r := 0; r < rows; r++ {
		for c := 0; c < cols; c++ {
			w, rr, cc := 1.0, r, c
			for i := len(from) - 1; i >= 0; i-- {
				w *= axes[i][rr%to[i]*from[i]+cc%from[i]]
				rr /= to[i]
				cc /= from[i]
			}
			m[r*cols+c] = float32(w)
		}
	}
	return m
}

// samplingScale is the step in the source per step in the result. PyTorch keeps it in float32 for float32 tensors only; the
// difference is below what float32 shows.
func samplingScale(from, to int) float64 { return float64(from) / (float64(to) + 0.1) }

// linearAxis leaves an axis whose size does not change as it is, as PyTorch does whatever the factor says.
func linearAxis(from, to int) []float64 {
	if from == to {
		return identityAxis(from, to)
	}
	m := make([]float64, to*from)
	for i := 0; i < to; i++ {
		x := max(0, samplingScale(from, to)*(float64(i)+0.5)-0.5)
		lo := min(int(x), from-1)
		f := x - float64(lo)
		m[i*from+lo] += 1 - f
		m[i*from+min(lo+1, from-1)] += f
	}
	return m
}

// CubicA is the parameter of the cubic kernel, as PyTorch has it.
const CubicA = -0.75

func cubicAxis(from, to int) []float64 {
	const a = CubicA
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	m := make([]float64, to*from)
	for i := 0; i < to; i++ {
		x := samplingScale(from, to)*(float64(i)+0.5) - 0.5
		lo := floor(x)
		f := x - float64(lo)
		for k, w := range []float64{far(f + 1), near(f), near(1 - f), far(2 - f)} {
			m[i*from+min(max(lo-1+k, 0), from-1)] += w
		}
	}
	return m
}

func identityAxis(from, to int) []float64 {
	if from != to {
		graph.Failf("audio views must keep all %d rows of patches along frequency, got %d", from, to)
	}
	m := make([]float64, to*from)
	for i := 0; i < to; i++ {
		m[i*from+i] = 1
	}
	return m
}

func floor(x float64) int {
	i := int(x)
	if float64(i) > x {
		i--
	}
	return i
}
