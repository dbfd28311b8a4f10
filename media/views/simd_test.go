//go:build cgo

package views

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachLevel runs a test with every instruction set that this processor has.
func eachLevel(t *testing.T, f func(t *testing.T)) {
	widest := level
	defer func() { level = widest }()
	for level = 0; level <= widest; level++ {
		f(t)
	}
}

// same wants the same bits, where the compiler fuses no products and sums; elsewhere rounding.
func same(t *testing.T, want, got []float32, what string) {
	t.Helper()
	for i := range want {
		if runtime.GOARCH == "amd64" && math.Float32bits(want[i]) != math.Float32bits(got[i]) || math.Abs(float64(want[i]-got[i])) > 1e-5 {
			t.Fatalf("level %d, %s: element %d is %g, want %g", level, what, i, got[i], want[i])
		}
	}
}

// Sizes that fill vectors and sizes that do not; colours with equal channels, black and white among them.
func TestVectorsArePlain(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 2, 3, 7, 16, 21, 48} {
		n := size * size
		planes := make([][]float32, 3)
		for c := range planes {
			planes[c] = make([]float32, n)
			for i := range planes[c] {
				planes[c][i] = float32(r.IntN(6)) / 5
				if r.IntN(2) == 0 {
					planes[c][i] = r.Float32()
				}
			}
		}
		copies := func() [][]float32 {
			return [][]float32{append([]float32{}, planes[0]...), append([]float32{}, planes[1]...), append([]float32{}, planes[2]...)}
		}
		w, h := size+r.IntN(9), size+r.IntN(5)
		frame := make([]uint8, w*h*3)
		for i := range frame {
			frame[i] = uint8(r.IntN(256))
		}
		box := cropBox{r.IntN(w), r.IntN(h), 0, 0}
		box.w, box.h = w-box.x, h-box.y // to the last pixel
		m := viewMatrix(box, size, size%2 == 1)
		xs := taps(make([]tap, size), m.At(0, 0), m.At(0, 2), box.x, box.w)
		ys := taps(make([]tap, size), m.At(1, 1), m.At(1, 2), box.y, box.h)
		k, scratch := gaussian(9, 1.3), make([]float32, max(blurScratch(size, 9), 8*(size+15)))
		steps := map[string][2]func(p [][]float32){
			"sample": {
				func(p [][]float32) { plainSample(frame, w, xs, ys, nil, p[0], p[1], p[2]) },
				func(p [][]float32) { samplePlanes(frame, w, xs, ys, scratch, p[0], p[1], p[2]) },
			},
			"transform": {
				func(p [][]float32) { plainTransform(p[0], p[1], p[2], saturationMatrix(1.7)) },
				func(p [][]float32) { transformPlanes(p[0], p[1], p[2], saturationMatrix(1.7)) },
			},
			"hue": {
				func(p [][]float32) { plainHue(p[0], p[1], p[2], -0.17) },
				func(p [][]float32) { huePlanes(p[0], p[1], p[2], -0.17) },
			},
			"blur": {
				func(p [][]float32) { plainBlur(p[1], size, k, k[2:7], scratch) },
				func(p [][]float32) { blurPlane(p[1], size, k, k[2:7], scratch) },
			},
		}
		eachLevel(t, func(t *testing.T) {
			for name, f := range steps {
				want, got := copies(), copies()
				f[0](want)
				f[1](got)
				for c := range want {
					same(t, want[c], got[c], name)
				}
			}
			require.Equal(t, plainSums(planes[0], planes[1], planes[2]), sumPlanes(planes[0], planes[1], planes[2]))
		})
	}
}

// Halves, their neighbours, and what is out of range.
func TestStoreIsPlain(t *testing.T) {
	var x []float32
	for i := range 1000 {
		v := float32(i) / 510
		x = append(x, v, math.Nextafter32(v, 2), math.Nextafter32(v, -1), v-1)
	}
	want, got := make([]uint8, len(x)), make([]uint8, len(x))
	plainStore(want, x)
	eachLevel(t, func(t *testing.T) {
		for n := len(x) - 17; n <= len(x); n++ {
			clear(got)
			storeBytes(got, x[:n])
			require.Equal(t, want[:n], got[:n])
		}
	})
}

// Filtered powers agree with those of one frame at a time, for powers of four and twice those, for any number of frames.
func TestSpectraArePlain(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, nfft := range []int{4, 8, 64, 512, 1024, 2048} {
		s, err := NewSpectrogram(16000, nfft, 1+nfft/7, 12)
		require.NoError(t, err)
		for _, n := range []int{0, 1, nfft, 9*nfft + 3} {
			wave := make([]float32, n)
			for i := range wave {
				wave[i] = 2*r.Float32() - 1 + float32(math.Sin(float64(i)/3))
			}
			frames := s.Frames(n)
			want, first := make([]float64, 12*frames), make([]float64, 12*frames)
			s.plainSums(want, wave, frames)
			padded := make([]float32, n+nfft)
			s.reflect(padded, wave)
			eachLevel(t, func(t *testing.T) {
				got := make([]float64, 12*frames)
				s.vectors.sums(got, padded, frames)
				for i := range got {
					require.InDelta(t, want[i], got[i], 1e-13*float64(nfft)*(1+want[i]), "nfft %d, %d samples, level %d", nfft, n, level)
				}
				if level == 0 {
					first = got
				}
				require.Equal(t, first, got, "each instruction set gives the same bits")
			})
		}
	}
}
