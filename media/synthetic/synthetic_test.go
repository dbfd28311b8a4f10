package synthetic

import (
	"context"
	"math"
	"os"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/views"
)

func loadSynthetic(t testing.TB, s *Source, i int, span media.Span) *media.Clip {
	t.Helper()
	c, err := s.Load(context.Background(), i, span)
	require.NoError(t, err)
	return c
}

func TestSyntheticShapes(t *testing.T) {
	s := New(Config{Clips: 16, Difficulty: 0.5, Seed: 1})
	require.Equal(t, 16, s.Len())
	require.Len(t, s.Classes(), 8)
	c := loadSynthetic(t, s, 9, media.Span{Start: 0.5, Seconds: 2})
	require.Equal(t, 1, c.Label)
	require.Equal(t, 16, c.T)
	require.Len(t, c.Frames, 16*64*64*3)
	require.Len(t, c.Wave, 32000)
	for _, v := range c.Wave {
		require.Less(t, math.Abs(float64(v)), 4.0)
	}
	// What lies past the end is left out.
	c = loadSynthetic(t, s, 9, media.Span{Start: 2.5, Seconds: 2})
	require.Equal(t, 4, c.T)
	require.Len(t, c.Wave, 8000)
	_, err := s.Load(context.Background(), 16, media.Span{Start: 0, Seconds: 1})
	require.Error(t, err)
	many := New(Config{Classes: 64})
	seen := map[string]bool{}
	for _, name := range many.Classes() {
		seen[name] = true
	}
	require.Len(t, seen, 64, "every class has its own pair of shape and motion")
}

func TestSyntheticIsDeterministic(t *testing.T) {
	a := New(Config{Difficulty: 0.7, Seed: 3})
	b := New(Config{Difficulty: 0.7, Seed: 3})
	loadSynthetic(t, b, 5, media.Span{Start: 0, Seconds: 1})
	require.Equal(t, loadSynthetic(t, a, 8, media.Span{Start: 1, Seconds: 1}), loadSynthetic(t, b, 8, media.Span{Start: 1, Seconds: 1}))
	other := New(Config{Difficulty: 0.7, Seed: 4})
	require.NotEqual(t, loadSynthetic(t, a, 8, media.Span{Start: 1, Seconds: 1}).Wave, loadSynthetic(t, other, 8, media.Span{Start: 1, Seconds: 1}).Wave)
	require.NotEqual(t, loadSynthetic(t, a, 0, media.Span{Start: 1, Seconds: 1}).Frames, loadSynthetic(t, a, 8, media.Span{Start: 1, Seconds: 1}).Frames)
}

// The sound's difficulty leaves the picture as it is, and none leaves the sound as it is.
func TestSyntheticSoundDifficulty(t *testing.T) {
	span := media.Span{Start: 1, Seconds: 1}
	clean, same := 0.0, 0.7
	plain := loadSynthetic(t, New(Config{Difficulty: same, Seed: 3}), 5, span)
	equal := loadSynthetic(t, New(Config{Difficulty: same, Sound: &same, Seed: 3}), 5, span)
	clear := loadSynthetic(t, New(Config{Difficulty: same, Sound: &clean, Seed: 3}), 5, span)
	require.Equal(t, plain, equal)
	require.Equal(t, plain.Frames, clear.Frames)
	require.NotEqual(t, plain.Wave, clear.Wave)
}

// Without clutter a picture has plain ground: what is not the figure has one colour.
func TestSyntheticClutter(t *testing.T) {
	span := media.Span{Start: 1, Seconds: 1}
	none, same := 0.0, 0.7
	cluttered := loadSynthetic(t, New(Config{Difficulty: same, Seed: 3}), 5, span)
	require.Equal(t, cluttered, loadSynthetic(t, New(Config{Difficulty: same, Clutter: &same, Seed: 3}), 5, span))
	colours := func(c *media.Clip) int {
		seen := map[[3]uint8]bool{}
		for x := range c.W { // of the top row
			seen[[3]uint8(c.Frames[3*x:])] = true
		}
		return len(seen)
	}
	require.Greater(t, colours(cluttered), 10)
	require.Equal(t, 1, colours(loadSynthetic(t, New(Config{Difficulty: same, Clutter: &none, Seed: 3}), 5, span)))
}

// A span shows the same pixels and samples as the same part of the whole clip.
func TestSyntheticSpansAgree(t *testing.T) {
	s := New(Config{Difficulty: 0.6, Seed: 5})
	for i := range 8 {
		whole := loadSynthetic(t, s, i, media.Span{Start: 0, Seconds: 3}).Cut(media.Span{Start: 1.25, Seconds: 1})
		part := loadSynthetic(t, s, i, media.Span{Start: 1.25, Seconds: 1})
		require.Equal(t, whole.Frames, part.Frames)
		require.Len(t, part.Wave, len(whole.Wave))
		for j := range part.Wave {
			require.InDelta(t, whole.Wave[j], part.Wave[j], 2e-3, "clip %d sample %d", i, j)
		}
	}
}

// nearest is the accuracy of k-NN (k=5, Euclidean, standardised features) from the first 256 clips
// to the next 128.
func nearest(features [][]float64, labels []int) float64 {
	const train, k = 256, 5
	dims := len(features[0])
	for d := range dims {
		sum, square := 0.0, 0.0
		for _, f := range features[:train] {
			sum += f[d]
			square += f[d] * f[d]
		}
		mean := sum / train
		dev := math.Sqrt(max(square/train-mean*mean, 1e-12))
		for _, f := range features {
			f[d] = (f[d] - mean) / dev
		}
	}
	right := 0
	for i := train; i < len(features); i++ {
		order := make([]int, train)
		dist := make([]float64, train)
		for j := range order {
			order[j] = j
			for d, v := range features[j] {
				e := v - features[i][d]
				dist[j] += e * e
			}
		}
		sort.Slice(order, func(a, b int) bool { return dist[order[a]] < dist[order[b]] })
		votes := map[int]int{}
		best := labels[order[0]]
		for _, j := range order[:k] {
			votes[labels[j]]++
			if votes[labels[j]] > votes[best] {
				best = labels[j]
			}
		}
		if best == labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(features)-train)
}

// untrained are features that need no learning, by name.
func untrained(c *media.Clip, mel []float32, mels int) map[string][]float64 {
	pixels := []float64{}
	for t := 0; t < c.T; t += 2 {
		f := c.Frame(t)
		for y := 0; y < c.H; y += 4 {
			for x := 0; x < c.W; x += 4 {
				p := f[(y*c.W+x)*3:]
				pixels = append(pixels, float64(p[0])+float64(p[1])+float64(p[2]))
			}
		}
	}
	// Per 8x8 patch over two frames: mean, deviation, change in time and slopes; then mean and
	// deviation of these over all patches.
	patches := [][]float64{}
	for t := 0; t+1 < c.T; t += 2 {
		a, b := c.Frame(t), c.Frame(t+1)
		for y := 0; y+8 <= c.H; y += 8 {
			for x := 0; x+8 <= c.W; x += 8 {
				var s [12]float64
				for v := range 8 {
					for u := range 8 {
						o := ((y+v)*c.W + x + u) * 3
						grey := 0.0
						for ch := range 3 {
							s[ch] += float64(a[o+ch])
							s[3+ch] += float64(a[o+ch]) * float64(a[o+ch]) / 256
							s[6+ch] += math.Abs(float64(a[o+ch]) - float64(b[o+ch]))
							grey += float64(a[o+ch])
						}
						s[9] += grey * (float64(u) - 3.5)
						s[10] += grey * (float64(v) - 3.5)
						s[11] += grey * (float64(u) - 3.5) * (float64(v) - 3.5)
					}
				}
				for i := 9; i < 12; i++ {
					s[i] = math.Abs(s[i])
				}
				patches = append(patches, s[:])
			}
		}
	}
	// The log-mel, its mean and deviation over time, as patches 4 frames wide too.
	frames := len(mel) / mels
	raw := make([]float64, 0, len(mel)/2)
	spectrum := []float64{}
	for m := range mels {
		sum, square := 0.0, 0.0
		for t := range frames {
			v := float64(mel[m*frames+t])
			sum += v
			square += v * v
			if t%2 == 0 {
				raw = append(raw, v)
			}
		}
		mean := sum / float64(frames)
		spectrum = append(spectrum, mean, math.Sqrt(max(square/float64(frames)-mean*mean, 0)))
	}
	blocks := [][]float64{}
	for m := 0; m+4 <= mels; m += 4 {
		for t := 0; t+16 <= frames; t += 16 {
			var s [5]float64
			for i := range 4 {
				for j := range 16 {
					v := float64(mel[(m+i)*frames+t+j])
					s[0] += v
					s[1] += v * v
					s[2] += v * (float64(i) - 1.5)
					s[3] += v * (float64(j) - 7.5)
					if j > 0 {
						s[4] += math.Abs(v - float64(mel[(m+i)*frames+t+j-1]))
					}
				}
			}
			s[2], s[3] = math.Abs(s[2]), math.Abs(s[3])
			blocks = append(blocks, s[:])
		}
	}
	return map[string][]float64{
		"video pixels": pixels, "video patches": pool(patches),
		"audio log-mel": raw, "audio spectrum": spectrum, "audio patches": pool(blocks),
	}
}

// pool is mean and deviation over the patches.
func pool(patches [][]float64) []float64 {
	out := make([]float64, 2*len(patches[0]))
	for d := range patches[0] {
		sum, square := 0.0, 0.0
		for _, p := range patches {
			sum += p[d]
			square += p[d] * p[d]
		}
		n := float64(len(patches))
		out[2*d] = sum / n
		out[2*d+1] = math.Sqrt(max(square/n-sum/n*sum/n, 0))
	}
	return out
}

// rawAccuracy measures each untrained feature at a difficulty.
func rawAccuracy(t testing.TB, difficulty float64) map[string]float64 {
	spec := views.NanoSpec()
	s := New(Config{Clips: 384, Difficulty: difficulty, Seed: 11})
	sg, err := views.NewSpectrogram(spec.Rate, spec.NFFT, spec.Hop, spec.Mels)
	require.NoError(t, err)
	features := map[string][][]float64{}
	labels := make([]int, s.Len())
	var mel []float32
	for i := range s.Len() {
		c := loadSynthetic(t, s, i, media.Span{Start: 1, Seconds: 1})
		labels[i] = c.Label
		mel = sg.LogMel(mel, c.Wave)
		for name, f := range untrained(c, mel, spec.Mels) {
			features[name] = append(features[name], f)
		}
	}
	out := map[string]float64{}
	for name, f := range features {
		out[name] = nearest(f, labels)
	}
	return out
}

func TestSyntheticDifficulty(t *testing.T) {
	if testing.Short() {
		t.Skip("it classifies hundreds of clips")
	}
	easy, usual, hard := rawAccuracy(t, 0), rawAccuracy(t, 0.5), rawAccuracy(t, 1)
	for _, name := range []string{"video pixels", "video patches", "audio log-mel", "audio spectrum", "audio patches"} {
		t.Logf("k-NN on %-14s difficulty 0: %.2f  0.5: %.2f  1: %.2f", name, easy[name], usual[name], hard[name])
		require.Less(t, usual[name], 0.5, name)
		require.Greater(t, easy[name], usual[name]+0.2, name)
	}
}

func BenchmarkSynthetic(b *testing.B) {
	s := New(Config{Difficulty: DefaultDifficulty, Seed: 1})
	i := 0
	for b.Loop() {
		loadSynthetic(b, s, i%s.Len(), media.Span{Start: 1, Seconds: 1})
		i++
	}
}

// TestSyntheticSheet writes a few clips to look at when MEDIA_SHEET names a folder.
func TestSyntheticSheet(t *testing.T) {
	dir := os.Getenv("MEDIA_SHEET")
	if dir == "" {
		t.Skip("set MEDIA_SHEET to a folder to write sample frames there")
	}
	for _, d := range []float64{0, 0.5, 1} {
		s := New(Config{Difficulty: d, Seed: 1})
		var rows []*media.Clip
		for i := range 8 {
			rows = append(rows, loadSynthetic(t, s, i, media.Span{Start: 1, Seconds: 1}))
		}
		writeSheet(t, dir, d, rows)
	}
}
