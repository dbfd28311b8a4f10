package views

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// Mean and standard deviation of the log-mels that the method's networks were made for, and the
// floor under the logarithm (float32 epsilon).
const (
	LogMean  = -5.3688107
	LogStd   = 4.410007
	logFloor = 1.1920928955078125e-07
)

// Spectrogram computes normalised log-mel spectrograms. It keeps its scratch between calls and so
// serves one goroutine; Clone gives another its own.
type Spectrogram struct {
	Rate, NFFT, Hop, Mels int
	Mean, Std             float64 // applied after the logarithm: (x-Mean)/Std

	window []float64
	bank   []melRow
	fft    *fourier.FFT
	frame  []float64
	coeff  []complex128
	power  []float64

	vectors *spectra // nil where frames are taken one by one
	padded  []float32
	sums    []float64
}

// melRow is one filter of the bank without its zeros.
type melRow struct {
	first  int
	weight []float64
}

// NewSpectrogram prepares the window, the filterbank and the FFT for waveforms of rate Hz, nfft
// samples per frame (even), hop samples between frames and mels filters over 0..rate/2.
// Mean and Std start as LogMean and LogStd.
func NewSpectrogram(rate, nfft, hop, mels int) (*Spectrogram, error) {
	if rate < 1 || nfft < 4 || nfft%2 != 0 || hop < 1 || mels < 1 {
		return nil, fmt.Errorf("spectrogram: rate %d, n_fft %d, hop %d, mels %d: all must be positive and n_fft even", rate, nfft, hop, mels)
	}
	s := &Spectrogram{Rate: rate, NFFT: nfft, Hop: hop, Mels: mels, Mean: LogMean, Std: LogStd}
	s.window = hann(nfft)
	s.bank = melBank(rate, nfft, mels)
	s.vectors = newSpectra(s)
	s.scratch()
	return s, nil
}

// hann is the periodic Hann window of n samples, 0.5-0.5*cos(2*pi*i/n), with every step rounded to
// float32 as PyTorch rounds it. Its error of about 1e-7 leaks from a frame's loudest band into bands
// more than 15 log units below and shifts them by up to 2.6e-4; with the same rounding here the
// released code's log-mels are met there too. The transform itself is in float64.
func hann(n int) []float64 {
	step := float32(2 * math.Pi / float64(n))
	w := make([]float64, n)
	for i := range w {
		cos := float32(math.Cos(float64(float32(i) * step)))
		w[i] = float64(0.5 - 0.5*cos)
	}
	return w
}

// Clone shares the tables and has its own scratch, for use by another goroutine.
func (s *Spectrogram) Clone() *Spectrogram {
	c := *s
	c.scratch()
	return &c
}

func (s *Spectrogram) scratch() {
	s.fft = fourier.NewFFT(s.NFFT)
	s.frame = make([]float64, s.NFFT)
	s.coeff = make([]complex128, s.NFFT/2+1)
	s.power = make([]float64, s.NFFT/2+1)
	s.vectors, s.padded, s.sums = s.vectors.clone(), nil, nil
}

// Frames is the number of frames that a waveform of n samples has: 1 + n/hop.
func (s *Spectrogram) Frames(n int) int { return 1 + n/s.Hop }

// LogMel writes the normalised log-mel [Mels,Frames(len(wave))] to dst, which is grown when it is
// too small, and returns it. Frames are centred: the waveform is continued by reflection at both
// ends, as often as a short one needs; an empty one is silence.
func (s *Spectrogram) LogMel(dst, wave []float32) []float32 {
	frames := s.Frames(len(wave))
	n := s.Mels * frames
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst = dst[:n]
	s.sums = grown(s.sums, n)
	if s.vectors != nil {
		s.padded = grown(s.padded, len(wave)+s.NFFT)
		s.reflect(s.padded, wave)
		s.vectors.sums(s.sums, s.padded, frames)
	} else {
		s.plainSums(s.sums, wave, frames)
	}
	for i, sum := range s.sums {
		dst[i] = float32((math.Log(sum+logFloor) - s.Mean) / s.Std)
	}
	return dst
}

// plainSums writes the filters' sums [Mels,frames], frame by frame.
func (s *Spectrogram) plainSums(dst []float64, wave []float32, frames int) {
	for t := range frames {
		s.powerAt(wave, t*s.Hop-s.NFFT/2)
		for m, row := range s.bank {
			sum := 0.0
			for i, w := range row.weight {
				sum += w * s.power[row.first+i]
			}
			dst[m*frames+t] = sum
		}
	}
}

// reflect writes the waveform to dst with half a frame more at both ends.
func (s *Spectrogram) reflect(dst, wave []float32) {
	half := s.NFFT / 2
	copy(dst[half:], wave)
	for i := range half {
		dst[i] = float32(reflected(wave, i-half))
		dst[half+len(wave)+i] = float32(reflected(wave, len(wave)+i))
	}
}

// grown is a slice of n elements, the same one where it has room.
func grown[T any](x []T, n int) []T {
	if cap(x) < n {
		x = make([]T, n)
	}
	return x[:n]
}

// turns are the cosines and negative sines of 2 pi k/n.
func turns(n int) []float64 {
	t := make([]float64, 0, 2*n)
	for k := range n {
		sin, cos := math.Sincos(2 * math.Pi * float64(k) / float64(n))
		t = append(t, cos, -sin)
	}
	return t
}

// fourPlaces tells where a transform of n, a power of two, by decimation in frequency by fours, and at last by two, leaves
// each frequency.
func fourPlaces(n int) []int32 {
	places := make([]int32, n)
	for p := range n {
		k, scale, at := 0, 1, p
		for size := n; size > 1; {
			radix := min(size, 4)
			size /= radix
			k += scale * (at / size)
			at, scale = at%size, scale*radix
		}
		places[k] = int32(p)
	}
	return places
}

// powerAt fills power with |FFT|^2 of the windowed frame that begins at sample start, which may lie
// before the waveform.
func (s *Spectrogram) powerAt(wave []float32, start int) {
	if start >= 0 && start+s.NFFT <= len(wave) {
		for i, v := range wave[start : start+s.NFFT] {
			s.frame[i] = float64(v) * s.window[i]
		}
	} else {
		for i := range s.frame {
			s.frame[i] = reflected(wave, start+i) * s.window[i]
		}
	}
	s.fft.Coefficients(s.coeff, s.frame)
	for i, c := range s.coeff {
		s.power[i] = real(c)*real(c) + imag(c)*imag(c)
	}
}

// reflected is sample i of the waveform continued by reflection about its first and last samples.
func reflected(wave []float32, i int) float64 {
	switch n := len(wave); n {
	case 0:
		return 0
	case 1:
		return float64(wave[0])
	default:
		period := 2 * (n - 1)
		i = ((i % period) + period) % period
		if i >= n {
			i = period - i
		}
		return float64(wave[i])
	}
}

// filterbank returns the dense filterbank [Mels,NFFT/2+1].
func (s *Spectrogram) filterbank() []float64 {
	bins := s.NFFT/2 + 1
	dense := make([]float64, s.Mels*bins)
	for m, row := range s.bank {
		copy(dense[m*bins+row.first:], row.weight)
	}
	return dense
}

// Slaney's scale: linear below 1 kHz, 27 mels per factor of 6.4 above it.
const (
	melLinear = 200.0 / 3
	melBreak  = 1000.0
)

var melLog = math.Log(6.4) / 27

func hzToMel(hz float64) float64 {
	if hz < melBreak {
		return hz / melLinear
	}
	return melBreak/melLinear + math.Log(hz/melBreak)/melLog
}

func melToHz(mel float64) float64 {
	if mel < melBreak/melLinear {
		return mel * melLinear
	}
	return melBreak * math.Exp(melLog*(mel-melBreak/melLinear))
}

// melBank makes triangular filters whose corners are evenly spaced in mels over 0..rate/2, each
// scaled by 2/width in Hz so that its area is one.
func melBank(rate, nfft, mels int) []melRow {
	top := hzToMel(float64(rate) / 2)
	corner := func(i int) float64 { return melToHz(top * float64(i) / float64(mels+1)) }
	rows := make([]melRow, mels)
	for m := range rows {
		low, mid, high := corner(m), corner(m+1), corner(m+2)
		row := melRow{first: -1}
		for k := range nfft/2 + 1 {
			hz := float64(k) * float64(rate) / float64(nfft)
			w := min((hz-low)/(mid-low), (high-hz)/(high-mid)) * 2 / (high - low)
			if w <= 0 {
				if row.first >= 0 {
					break
				}
				continue
			}
			if row.first < 0 {
				row.first = k
			}
			row.weight = append(row.weight, w)
		}
		row.first = max(row.first, 0)
		rows[m] = row
	}
	return rows
}
