package cpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/graph"
)

// levels runs f with every instruction set this processor has.
func levels(f func()) {
	top := level
	defer func() { level = top }()
	for level = 0; level <= top; level++ {
		f()
	}
}

func TestSoftmaxRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 5))
	levels(func() {
		for _, cols := range []int{1, 3, 31, 32, 33, 145, 512} {
			x := make([]float32, 4*cols)
			for i := range x {
				x[i] = float32(rng.NormFloat64()) * float32(math.Pow(10, float64(i/cols)-1)) // the last row is peaked
			}
			got := append([]float32(nil), x...)
			logs := make([]float32, 4)
			softmaxRows(got, cols, logs)
			for r := 0; r < 4; r++ {
				var sum float64
				peak := math.Inf(-1)
				for _, v := range x[r*cols : (r+1)*cols] {
					peak = max(peak, float64(v))
				}
				for _, v := range x[r*cols : (r+1)*cols] {
					sum += math.Exp(float64(v) - peak)
				}
				require.InDelta(t, peak+math.Log(sum), logs[r], 1e-6*max(1, math.Abs(peak)), "level %d, row %d of %d columns", level, r, cols)
				for i := r * cols; i < (r+1)*cols; i++ {
					want := math.Exp(float64(x[i])-peak) / sum
					require.InDelta(t, want, got[i], 1e-7+1e-6*want, "level %d, row %d of %d columns", level, r, cols)
				}
			}
		}
	})
}

func TestGELU(t *testing.T) {
	var x, dy []float32
	for v := -15.0; v <= 15; v += 0.003 {
		x, dy = append(x, float32(v)), append(dy, 1)
	}
	levels(func() {
		y, dx := make([]float32, len(x)), make([]float32, len(x))
		gelu(&graph.Call[float32]{In: [][]float32{x}, Out: y, Par: Par})
		geluGrad(&graph.Call[float32]{In: [][]float32{x, dy}, Out: dx, Par: Par})
		for i, v := range x {
			v := float64(v)
			cdf := 0.5 * math.Erfc(-v/math.Sqrt2)
			require.InDelta(t, v*cdf, y[i], 1e-7+2e-7*math.Abs(v), "level %d, gelu(%g)", level, v)
			require.InDelta(t, cdf+v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi), dx[i], 5e-7, "level %d, gelu'(%g)", level, v)
		}
	})
}

func BenchmarkRows(b *testing.B) {
	x, y := make([]float32, 145*145), make([]float32, 145*145)
	for i := range x {
		x[i] = float32(i%100)/10 - 5
	}
	b.Run("softmax", func(b *testing.B) {
		for b.Loop() {
			copy(y, x)
			softmaxRows(y, 145, nil)
		}
	})
	b.Run("gelu", func(b *testing.B) {
		c := &graph.Call[float32]{In: [][]float32{x}, Out: y, Par: func(n, _ int, f func(lo, hi int)) { f(0, n) }}
		for b.Loop() {
			gelu(c)
		}
	})
}
