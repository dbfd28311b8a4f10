package layers

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

// Tokens are ordered (t h w), each patch (pt ph pw c): every element carries its coordinates.
func TestPatchifyVideo(t *testing.T) {
	const c, frames, h, w = 2, 4, 6, 4
	code := func(ci, t, y, x int) float64 { return float64(ci*1000 + t*100 + y*10 + x) }
	var tokens *graph.Node
	var grid []int
	g, err := graph.Build(func(g *graph.Graph) {
		p := Patchify(g, g.Input("x", 1, c, frames, h, w), Patch{T: 2, H: 3, W: 2}, op.Normalization{})
		tokens, grid = p.Tokens, p.Grid
		g.Keep(tokens)
	})
	require.NoError(t, err)
	require.Equal(t, []int{2, 2, 2}, grid)
	e, err := cpu.New[float64](g, graph.PlanOptions{}, cpu.Options{})
	require.NoError(t, err)
	x, i := e.Data(g.Lookup("x")), 0
	for ci := 0; ci < c; ci++ {
		for f := 0; f < frames; f++ {
			for y := 0; y < h; y++ {
				for z := 0; z < w; z++ {
					x[i] = code(ci, f, y, z)
					i++
				}
			}
		}
	}
	require.NoError(t, e.Run(context.Background()))
	// Token 5 is t=1, h=0, w=1; its element 9 = ((pt·3+ph)·2+pw)·2+c is pt=0, ph=2, pw=0, c=1.
	require.Equal(t, code(1, 2, 2, 2), e.Data(tokens)[5*24+9])
	// Token 2 is t=0, h=1, w=0; its last element is pt=1, ph=2, pw=1, c=1.
	require.Equal(t, code(1, 1, 5, 1), e.Data(tokens)[2*24+23])
}

func TestPatchifyRefusesRaggedViews(t *testing.T) {
	_, err := graph.Build(func(g *graph.Graph) {
		Patchify(g, g.Input("x", 1, 1, 9, 8), Patch{H: 4, W: 4}, op.Normalization{})
	})
	require.ErrorContains(t, err, "a patch of 4 does not divide a view of 9")
}

// Linear sampling worked out by hand: from 4 to 2 the scale is 4/2.1, so the centres 0.5 and 1.5 fall on
// 4/2.1·0.5-0.5 = 0.452381 and 4/2.1·1.5-0.5 = 2.357143.
func TestLinearAxis(t *testing.T) {
	require.InDeltaSlice(t, []float64{
		0.547619, 0.452381, 0, 0,
		0, 0, 0.642857, 0.357143,
	}, linearAxis(4, 2), 1e-6)
	require.Equal(t, []float64{1, 0, 0, 1}, linearAxis(2, 2))
	// From 2 to 4 the first centre, 2/4.1·0.5-0.5 < 0, is clamped to the first sample.
	require.InDeltaSlice(t, []float64{1, 0}, linearAxis(2, 4)[:2], 0)
}

// Cubic convolution with a = -0.75: at a half-way point the weights are (-0.09375, 0.59375, 0.59375, -0.09375), and rows
// sum to one wherever they are. Past the border the last sample repeats.
func TestCubicAxis(t *testing.T) {
	for from := 1; from < 9; from++ {
		for to := 1; to < 9; to++ {
			m := cubicAxis(from, to)
			for i := 0; i < to; i++ {
				var sum float64
				for _, w := range m[i*from : (i+1)*from] {
					sum += w
				}
				require.InDelta(t, 1, sum, 1e-12)
			}
		}
	}
	// From 4 to 1: x = 4/1.1·0.5-0.5 = 1.318182, f = 0.318182.
	f := 4/1.1*0.5 - 1.5
	w := func(x float64) float64 { // Keys' kernel, by its two pieces
		x = math.Abs(x)
		if x <= 1 {
			return 1.25*x*x*x - 2.25*x*x + 1
		}
		return -0.75*x*x*x + 3.75*x*x - 6*x + 3
	}
	require.InDeltaSlice(t, []float64{w(1 + f), w(f), w(1 - f), w(2 - f)}, cubicAxis(4, 1), 1e-12)
}

// A matrix for three axes is the product of its axes; audio keeps its frequencies.
func TestInterpolation(t *testing.T) {
	m := Interpolation([]int{2, 3, 4}, []int{1, 2, 2})
	tt, hh, ww := linearAxis(2, 1), linearAxis(3, 2), linearAxis(4, 2)
	require.InDelta(t, tt[1]*hh[1*3+2]*ww[0*4+1], m[2*24+(1*3+2)*4+1], 1e-7)
	a := Interpolation([]int{3, 6}, []int{3, 2})
	require.Zero(t, a[0*18+1*6+0], "rows of patches along frequency must not mix")
	require.InDelta(t, cubicAxis(6, 2)[1*6+4], a[(2*2+1)*18+2*6+4], 1e-7)
	_, err := graph.Build(func(g *graph.Graph) { Interpolation([]int{3, 6}, []int{2, 2}) })
	require.ErrorContains(t, err, "must keep all 3 rows")
}
