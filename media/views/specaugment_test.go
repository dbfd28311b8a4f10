package views

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/internal/rng"
	"goxkd/media"
	"goxkd/media/synthetic"
)

// Frame 2 of nought to six moves to frame 4: the frames before it are spread by two, those after it
// squeezed by two, so frames 0..4 show 0, 0.5, 1, 1.5, 2 and frames 5, 6 show 4, 6. Values are squares,
// which linear interpolation meets halfway between neighbours: 0.5 -> (0+1)/2, 1.5 -> (1+4)/2.
func TestWarpTime(t *testing.T) {
	mel := []float32{0, 1, 4, 9, 16, 25, 36, 0, 10, 20, 30, 40, 50, 60}
	warpTime(mel, 7, 2, 4, make([]float32, 7))
	require.InDeltaSlice(t, []float32{0, 0.5, 1, 2.5, 4, 16, 36}, mel[:7], 1e-6)
	require.InDeltaSlice(t, []float32{0, 5, 10, 15, 20, 40, 60}, mel[7:], 1e-5)
	// Frame 4 moves to frame 1: frame 1 shows 4, then five steps share two frames: 4.4, 4.8, 5.2, ...
	mel = []float32{0, 1, 2, 3, 4, 5, 6}
	warpTime(mel, 7, 4, 1, make([]float32, 7))
	require.InDeltaSlice(t, []float32{0, 4, 4.4, 4.8, 5.2, 5.6, 6}, mel, 1e-5)
	// A point that stays changes nothing.
	mel = []float32{3, 1, 4, 1, 5}
	warpTime(mel, 5, 2, 2, make([]float32, 5))
	require.Equal(t, []float32{3, 1, 4, 1, 5}, mel)
}

// masked returns which bands and frames of a log-mel of ones are zero throughout.
func masked(mel []float32, frames int) (bands, columns []int) {
	mels := len(mel) / frames
	for y := range mels {
		zero := true
		for _, v := range mel[y*frames : (y+1)*frames] {
			zero = zero && v == 0
		}
		if zero {
			bands = append(bands, y)
		}
	}
	for x := range frames {
		zero := true
		for y := range mels {
			zero = zero && mel[y*frames+x] == 0
		}
		if zero {
			columns = append(columns, x)
		}
	}
	return bands, columns
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

func TestMasks(t *testing.T) {
	const mels, frames, n = 8, 20, 20000
	r := rng.New(3)
	scratch := make([]float32, frames)
	widths := make([]int, 6)
	firsts := make([]int, mels)
	for range n {
		mel := ones(mels * frames)
		SpecAugment{FreqMasks: 1, FreqMaskWidth: 5}.apply(mel, frames, r, scratch)
		bands, columns := masked(mel, frames)
		require.Empty(t, columns)
		widths[len(bands)]++
		if len(bands) == 5 {
			firsts[bands[0]]++
		}
		for i := range bands {
			require.Equal(t, bands[0]+i, bands[i], "one run")
		}
	}
	// Six widths, 0..5, each a sixth of the time: 3333 +- 53; the widest has four places of a quarter of
	// those, 833 +- 28. Five deviations are allowed.
	for w, count := range widths {
		require.InDelta(t, n/6., count, 265, "width %d", w)
	}
	for first, count := range firsts {
		if first > 3 {
			require.Zero(t, count)
		} else {
			require.InDelta(t, n/24., count, 140, "first band %d", first)
		}
	}

	// A quarter of twenty frames is five, whatever the width allows; two masks hide ten at most.
	most := 0
	for range n {
		mel := ones(mels * frames)
		SpecAugment{TimeMasks: 2, TimeMaskWidth: 12, TimeMaskShare: 0.25}.apply(mel, frames, r, scratch)
		bands, columns := masked(mel, frames)
		require.Empty(t, bands)
		most = max(most, len(columns))
		hidden := 0
		for _, v := range mel {
			if v == 0 {
				hidden++
			}
		}
		require.Equal(t, len(columns)*mels, hidden)
	}
	require.Equal(t, 10, most)

	mel := ones(mels * frames)
	SpecAugment{}.apply(mel, frames, r, scratch)
	require.Equal(t, ones(mels*frames), mel, "off by default")
	SpecAugment{FreqMasks: 3, TimeMasks: 3}.apply(mel, frames, r, scratch)
	require.Equal(t, ones(mels*frames), mel, "masks of no width")
}

// A ramp of 0..1 over time stays a rising ramp with its ends, and its middle moves by at most W frames.
func TestWarpRanges(t *testing.T) {
	const frames, w = 41, 5
	r := rng.New(4)
	left, right := 0.0, 0.0
	for range 2000 {
		mel := make([]float32, frames)
		for i := range mel {
			mel[i] = float32(i) / (frames - 1)
		}
		SpecAugment{TimeWarp: w}.apply(mel, frames, r, make([]float32, frames))
		require.Equal(t, []float32{0, 1}, []float32{mel[0], mel[frames-1]})
		for i := 1; i < frames; i++ {
			require.Greater(t, mel[i], mel[i-1])
			moved := float64(mel[i])*(frames-1) - float64(i)
			left, right = math.Min(left, moved), math.Max(right, moved)
		}
	}
	require.InDelta(t, -w, left, 1e-4)
	require.InDelta(t, w, right, 1e-4)
	// The narrowest spectrogram that W allows has one place for the point.
	SpecAugment{TimeWarp: 2}.apply(make([]float32, 7), 7, r, make([]float32, 7))
}

// The augmentation works within the views that its parameters are for, and only there.
func TestSpecAugmentOfViews(t *testing.T) {
	plain, masks := NanoSpec(), NanoSpec()
	plain.Video.Jitter, masks.Video.Jitter = 0, 0
	masks.Audio.SpecAugment = SpecAugment{FreqMasks: 1, FreqMaskWidth: 48, TimeMasks: 1, TimeMaskWidth: 96, TimeWarp: 40}
	views := func(s Spec) *Batch {
		require.NoError(t, s.Validate())
		sg, err := s.newSpectrogram()
		require.NoError(t, err)
		b := s.newBatch(1, false, true, true)
		clip := loadGenerated(t, synthetic.New(synthetic.Config{Difficulty: 1}), 2, media.Span{Start: 0, Seconds: 1})
		newViewer(s, sg).augment(b, 0, clip, 1, 2, 3)
		return b
	}
	a, b := views(plain), views(masks)
	require.Equal(t, a.AudioLocal, b.AudioLocal)
	require.NotEqual(t, a.AudioGlobal, b.AudioGlobal)
	require.Equal(t, b.AudioGlobal, views(masks).AudioGlobal, "drawn by counters")

	for _, s := range []SpecAugment{
		{TimeWarp: 47}, {TimeWarp: -1}, {FreqMasks: -1}, {TimeMasks: 65}, {FreqMaskWidth: 49}, {TimeMaskWidth: 97}, {TimeMaskShare: 1.5}, {TimeMaskShare: math.NaN()},
	} {
		bad := NanoSpec()
		bad.Audio.SpecAugment = s
		require.ErrorContains(t, bad.Validate(), "audio", "%+v", s)
	}
	edge := NanoSpec()
	edge.Audio.TimeWarp = 46
	require.NoError(t, edge.Validate())
}
