package views

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/internal/shared"
)

// readTensors reads every float32 tensor of a safetensors file.
func readTensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	n := binary.LittleEndian.Uint64(raw)
	var header map[string]struct {
		Dtype   string
		Offsets [2]int `json:"data_offsets"`
	}
	require.NoError(t, json.Unmarshal(raw[8:8+n], &header))
	out := map[string][]float32{}
	for name, h := range header {
		if h.Dtype != "F32" {
			continue
		}
		data := raw[8+int(n)+h.Offsets[0] : 8+int(n)+h.Offsets[1]]
		v := make([]float32, len(data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		out[name] = v
	}
	return out
}

func TestLogMelMatchesGolden(t *testing.T) {
	golden := readTensors(t, shared.Path(t, "golden", "logmel.safetensors"))
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	for i, w := range s.filterbank() {
		require.InDelta(t, golden["filterbank"][i], w, 1e-7, "filterbank element %d", i)
	}
	for _, name := range []string{"chirp", "short", "noise", "silence", "clicks"} {
		got := s.LogMel(nil, golden[name+"/wave"])
		want := golden[name+"/logmel"]
		require.Len(t, got, len(want), name)
		worst, diff, norm := 0.0, 0.0, 0.0
		for i := range got {
			d := math.Abs(float64(got[i] - want[i]))
			worst = max(worst, d)
			diff += d * d
			norm += float64(want[i]) * float64(want[i])
		}
		t.Logf("%s: largest difference %.2g, relative norm %.2g", name, worst, math.Sqrt(diff/norm))
		require.Less(t, worst, 1e-4, name)
		require.Less(t, math.Sqrt(diff/norm), 1e-5, name)
	}
}

// The window is Hann's within the rounding of float32 angles, with the ends and the middle exact.
func TestHann(t *testing.T) {
	for _, n := range []int{4, 400, 512, 1024} {
		w := hann(n)
		require.Equal(t, []float64{0, 1}, []float64{w[0], w[n/2]})
		for i, v := range w {
			require.InDelta(t, math.Pow(math.Sin(math.Pi*float64(i)/float64(n)), 2), v, 3e-7)
		}
	}
}

// Powers eleven orders below the frame's peak agree with the sum that defines them.
func TestPowerMatchesTheDefinition(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	wave := make([]float32, 2048)
	for i := range wave {
		at := float64(i) / 16000
		wave[i] = float32(0.8 * math.Sin(2*math.Pi*(800*at+900*at*at)))
	}
	s.powerAt(wave, 300)
	for _, k := range []int{0, 1, 30, 52, 55, 100, 300, 511, 512} {
		re, im := 0.0, 0.0
		for n := range 1024 {
			x := float64(wave[300+n]) * s.window[n]
			re += x * math.Cos(2*math.Pi*float64(k*n%1024)/1024)
			im -= x * math.Sin(2*math.Pi*float64(k*n%1024)/1024)
		}
		require.InEpsilon(t, re*re+im*im, s.power[k], 1e-5, "bin %d", k)
	}
}

// A bin-centred sine of amplitude a under a periodic Hann window of n samples has |X|^2 = (a*n/4)^2
// at its bin and a quarter of that on both sides.
func TestPowerOfSine(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	wave := make([]float32, 4000)
	for i := range wave {
		wave[i] = float32(0.5 * math.Sin(2*math.Pi*64*float64(i)/1024))
	}
	s.powerAt(wave, 1000)
	peak := math.Pow(0.5*1024/4, 2)
	require.InEpsilon(t, peak, s.power[64], 1e-5)
	require.InEpsilon(t, peak/4, s.power[63], 1e-5)
	require.InEpsilon(t, peak/4, s.power[65], 1e-5)
	require.Less(t, s.power[70], peak*1e-9)

	// 64*16000/1024 = 1000 Hz is 15 mel; 8 kHz is 15+log(8)/log(6.4)*27 = 45.2456 mel; filter m peaks
	// at (m+1)*45.2456/81 mel, so 15 mel lies between the peaks of filters 25 and 26, nearer to 26.
	mel := s.LogMel(nil, wave)
	frames := s.Frames(len(wave))
	best := 0
	for m := range 80 {
		if mel[m*frames+14] > mel[best*frames+14] {
			best = m
		}
	}
	require.Equal(t, 26, best)
}

func TestPowerObeysParseval(t *testing.T) {
	s, err := NewSpectrogram(16000, 512, 100, 40)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	wave := make([]float32, 512)
	energy := 0.0
	for i := range wave {
		wave[i] = float32(r.NormFloat64())
		v := float64(wave[i]) * s.window[i]
		energy += v * v
	}
	s.powerAt(wave, 0)
	sum := s.power[0] + s.power[256]
	for _, p := range s.power[1:256] {
		sum += 2 * p
	}
	require.InEpsilon(t, energy*512, sum, 1e-9)
}

// Filters that are many bins wide have area one in Hz.
func TestFilterbankAreas(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	bank := s.filterbank()
	for m := 50; m < 80; m++ {
		area := 0.0
		for _, w := range bank[m*513 : (m+1)*513] {
			area += w * 16000 / 1024
		}
		require.InDelta(t, 1, area, 0.02, "filter %d", m)
	}
}

func TestSilenceIsTheFloor(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	// log(1.1920929e-7) = -15.942385; (-15.942385+5.3688107)/4.410007 = -2.397632
	for _, v := range s.LogMel(nil, make([]float32, 2000)) {
		require.InDelta(t, -2.397632, v, 1e-5)
	}
}

func TestLogMelOfShortWaves(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	for _, n := range []int{0, 1, 2, 3, 100, 511, 512, 513, 1023, 1024, 1025} {
		wave := make([]float32, n)
		for i := range wave {
			wave[i] = 0.25
		}
		mel := s.LogMel(nil, wave)
		require.Len(t, mel, 80*(1+n/143))
		for _, v := range mel {
			require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0))
		}
	}
	// Reflection of a constant is that constant, so its power is that of the window's: (0.25*512)^2.
	s.powerAt([]float32{0.25, 0.25, 0.25}, -512)
	require.InEpsilon(t, math.Pow(0.25*512, 2), s.power[0], 1e-6)
	// x[-1] is x[1], x[n] is x[n-2], and so on for as long as needed.
	wave := []float32{1, 2, 3}
	for i, want := range map[int]float64{-4: 1, -3: 2, -2: 3, -1: 2, 0: 1, 2: 3, 3: 2, 4: 1, 5: 2} {
		require.Equal(t, want, reflected(wave, i), "sample %d", i)
	}
}

func TestCloneAgrees(t *testing.T) {
	s, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	wave := []float32{0.1, -0.5, 0.3, 0.9}
	require.Equal(t, s.LogMel(nil, wave), s.Clone().LogMel(nil, wave))
	_, err = NewSpectrogram(0, 1024, 143, 80)
	require.Error(t, err)
}

func BenchmarkLogMel(b *testing.B) {
	for _, c := range []struct {
		name                string
		hop, mels, duration int
	}{{"nano", 167, 48, 1}, {"recipe", 143, 80, 4}} {
		b.Run(c.name, func(b *testing.B) {
			s, err := NewSpectrogram(16000, 1024, c.hop, c.mels)
			require.NoError(b, err)
			wave := make([]float32, 16000*c.duration)
			for i := range wave {
				wave[i] = float32(math.Sin(float64(i) * float64(i) * 1e-5))
			}
			dst := s.LogMel(nil, wave)
			for b.Loop() {
				dst = s.LogMel(dst, wave)
			}
		})
	}
}
