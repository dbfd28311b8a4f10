package xkd

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEntropies(t *testing.T) {
	const k = 8
	centre := make([]float32, k)
	uniform := make([]float32, 4*k)
	mean, information := entropies(uniform, centre, 0.1)
	require.InDelta(t, math.Log(k), mean, 1e-12)
	require.InDelta(t, 0, information, 1e-12)
	// Each row sure of another place: no entropy, and all the information that four rows can have.
	sure := make([]float32, 4*k)
	for r := range 4 {
		sure[r*k+r] = 100
	}
	mean, information = entropies(sure, centre, 0.1)
	require.InDelta(t, 0, mean, 1e-9)
	require.InDelta(t, math.Log(4), information, 1e-9)
	// All rows sure of the same: the centre takes it out.
	for r := range 4 {
		for i := range k {
			sure[r*k+i] = float32(i)
		}
	}
	_, information = entropies(sure, centre, 0.1)
	require.InDelta(t, 0, information, 1e-9)
	for i := range centre {
		centre[i] = float32(i)
	}
	mean, _ = entropies(sure, centre, 0.1)
	require.InDelta(t, math.Log(k), mean, 1e-12)
}

func TestSpread(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rows, dim = 16, 64
	x := make([]float32, rows*dim)
	fill := func(value func(r, d int) float64) {
		for i := range x {
			x[i] = float32(value(i/dim, i%dim))
		}
	}
	fill(func(int, int) float64 { return 3 })
	deviation, rank := spread(x, dim)
	require.Equal(t, []float64{0, 1}, []float64{deviation, rank})
	fill(func(int, int) float64 { return rng.NormFloat64() })
	deviation, rank = spread(x, dim)
	require.InDelta(t, 1, deviation, 0.05)
	require.Greater(t, rank, 14.0)
	require.LessOrEqual(t, rank, 15.0)
	line := make([]float64, dim)
	for i := range line {
		line[i] = rng.NormFloat64()
	}
	fill(func(r, d int) float64 { return 5 + float64(r)*line[d] })
	_, rank = spread(x, dim)
	require.InDelta(t, 1, rank, 1e-2)
}

// Warnings come once, of signs that last, and not at the beginning.
func TestPhysician(t *testing.T) {
	well := Health{Entropy: [2]float64{2, 2}, Information: [2]float64{1, 1}, Deviation: [2]float64{0.5, 0.5}, Rank: [2]float64{8, 8}}
	ill := well
	ill.Information[Audio], ill.Rank[Video] = 0, 1
	p := &physician{}
	for step := 10; step < 100; step += 10 {
		require.Empty(t, p.look(ill, 3, 512, 16, step, 500))
	}
	var all []string
	for step := 100; step < 300; step += 10 {
		all = append(all, p.look(ill, 3, 512, 16, step, 500)...)
	}
	require.Len(t, all, 2)
	require.Contains(t, all[0], "step 140")
	require.Contains(t, all[0]+all[1], "audio teacher")
	require.Contains(t, all[0]+all[1], "video student")
	// A sign that comes and goes is none.
	for step := 300; step < 500; step += 10 {
		h := well
		if step/10%4 != 0 {
			h.Deviation[Video] = 0
		}
		require.Empty(t, p.look(h, 3, 512, 16, step, 500))
	}
	all = nil
	for step := 500; step < 600; step += 10 {
		all = append(all, p.look(well, math.Log(512), 512, 16, step, 500)...)
	}
	require.Len(t, all, 1)
	require.Contains(t, all[0], "ln(512)")
}
