package graph_test

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

// halfValue is the figure that a half stands for, by its definition.
func halfValue(h uint16) float64 {
	sign, exp, frac := 1-2*float64(h>>15), int(h>>10&31), float64(h&1023)
	switch exp {
	case 0:
		return math.Copysign(math.Ldexp(frac, -24), sign)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

func TestEveryHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want, got := halfValue(h), graph.FromHalf(h)
		if math.IsNaN(want) {
			require.True(t, math.IsNaN(float64(got)), "%#04x", h)
			require.Equal(t, h&0x8000|0x7e00, graph.ToHalf(got), "%#04x", h)
			continue
		}
		require.Equal(t, math.Float64bits(want), math.Float64bits(float64(got)), "%#04x", h)
		require.Equal(t, h, graph.ToHalf(got), "%#04x", h)
	}
}

// Half-way points between neighbours go to the even one, and what lies beside them to the nearest.
func TestHalvesRoundToNearestEven(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		lo, hi := halfValue(h), halfValue(h+1)
		mid := float32((lo + hi) / 2) // exact
		even := h + h&1
		require.Equal(t, even, graph.ToHalf(mid), "between %g and %g", lo, hi)
		require.Equal(t, even|0x8000, graph.ToHalf(-mid), "between %g and %g", -lo, -hi)
		require.Equal(t, h, graph.ToHalf(math.Nextafter32(mid, 0)), "just below %g", mid)
		require.Equal(t, h+1, graph.ToHalf(math.Nextafter32(mid, 1e9)), "just above %g", mid)
	}
}

// Any float32 goes to the nearest half, found by search.
func TestHalvesOfRandomFigures(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for range 100_000 {
		v := math.Float32frombits(rng.Uint32N(0x477fe000)) // to the greatest half
		i := uint16(sort.Search(0x7bff, func(i int) bool { return halfValue(uint16(i)) >= float64(v) }))
		want := i
		if i > 0 {
			below, above := float64(v)-halfValue(i-1), halfValue(i)-float64(v)
			if below < above || below == above && i&1 == 1 {
				want = i - 1
			}
		}
		require.Equal(t, want, graph.ToHalf(v), "%g", v)
	}
}

func TestHalvesAtTheEnds(t *testing.T) {
	tiny := float32(math.Ldexp(1, -24)) // the least half above 0
	for _, c := range []struct {
		v    float32
		want uint16
	}{
		{65504, 0x7bff}, {65519.99, 0x7bff}, {65520, 0x7c00}, {1e9, 0x7c00}, {-65520, 0xfc00},
		{float32(math.Inf(1)), 0x7c00}, {float32(math.Inf(-1)), 0xfc00}, {math.MaxFloat32, 0x7c00},
		{tiny, 1}, {tiny / 2, 0}, {math.Nextafter32(tiny/2, 1), 1}, {tiny * 1.5, 2}, {tiny * 2.5, 2},
		{tiny * 1023, 0x03ff}, {tiny * 1023.5, 0x0400}, {tiny * 1024, 0x0400},
		{math.SmallestNonzeroFloat32, 0}, {-math.SmallestNonzeroFloat32, 0x8000}, {float32(math.Copysign(0, -1)), 0x8000},
	} {
		require.Equal(t, c.want, graph.ToHalf(c.v), "%g", c.v)
	}
}

func TestTypesRound(t *testing.T) {
	require.Equal(t, float64(float32(0.1)), graph.Float32.Round(0.1))
	require.Equal(t, halfValue(graph.ToHalf(0.1)), graph.Float16.Round(0.1))
	for v, want := range map[float64]float64{-3: 0, 0.5: 0, 1.5: 2, 2.5: 2, 254.6: 255, 255.4: 255, 300: 255} {
		require.Equal(t, want, graph.Uint8.Round(v), "%g", v)
	}
}

// The reference path keeps elements of every type as floats, but no others than the type can hold.
func TestExecutorsRound(t *testing.T) {
	var half, wide *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		half = g.Keep(op.Half(g, g.Input("x", 3)))
		wide = g.Keep(op.Widen(g, g.InputAs("h", graph.Float16, 3)))
		g.InputAs("bytes", graph.Uint8, 3)
	})
	require.NoError(t, err)
	e, err := cpu.New[float64](g, graph.PlanOptions{}, cpu.Options{})
	require.NoError(t, err)
	x := []float32{0.1, 2049, 70000}
	want := []float64{halfValue(0x2e66), 2048, math.Inf(1)}
	require.NoError(t, e.Write(g.Lookup("x"), x))
	require.NoError(t, e.Write(g.Lookup("h"), x))
	require.NoError(t, e.Write(g.Lookup("bytes"), []float32{-1, 2.5, 256}))
	require.NoError(t, e.Run(context.Background()))
	require.Equal(t, want, e.Data(half))
	require.Equal(t, want, e.Data(wide))
	require.Equal(t, []float64{0, 2, 255}, e.Data(g.Lookup("bytes")))
	require.NoError(t, e.WriteBytes(g.Lookup("bytes"), []byte{7, 0, 255}))
	require.Equal(t, []float64{7, 0, 255}, e.Data(g.Lookup("bytes")))
	require.ErrorContains(t, e.WriteBytes(g.Lookup("h"), []byte{1, 2, 3}), "kept as float16")
	require.ErrorContains(t, e.Write(half, x), "cannot write")
}

// What is decoded is what each type keeps, for numbers of elements that fill no word.
func TestEncodeDecode(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 6))
	for _, typ := range []graph.Type{graph.Float32, graph.Float16, graph.Uint8} {
		for n := 1; n < 10; n++ {
			data, want := make([]float32, n), make([]float32, n)
			for i := range data {
				data[i] = 300*rng.Float32() - 20
				want[i] = float32(typ.Round(float64(data[i])))
			}
			packed := typ.Encode(data)
			require.Len(t, packed, (n*typ.Width()+3)/4*4)
			require.EqualValues(t, len(packed), typ.Bytes(n))
			got := make([]float32, n)
			require.NoError(t, typ.Decode(got, packed))
			require.Equal(t, want, got, "%v", typ)
			require.ErrorContains(t, typ.Decode(got, packed[:n*typ.Width()-1]), typ.String())
		}
	}
	// The first element is in the lowest bits of a word.
	require.EqualValues(t, 0x3c00_c000, binary.LittleEndian.Uint32(graph.Float16.Encode([]float32{-2, 1})))
	require.EqualValues(t, 0x0003_ff01, binary.LittleEndian.Uint32(graph.Uint8.Encode([]float32{1, 255, 3})))
	require.EqualValues(t, 0x3f80_0000, binary.LittleEndian.Uint32(graph.Float32.Encode([]float32{1})))
}
