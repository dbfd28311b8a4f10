//go:build cgo

package views

/*
#cgo CFLAGS: -O3 -std=c11
#cgo LDFLAGS: -lm
#include "simd.h"
*/
import "C"

import (
	"unsafe"

	"github.com/go-gl/mathgl/mgl32"
)

// level is this processor's widest instruction set.
var level = C.views_level()

func floats(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

func bytesOf(x []uint8) *C.uint8_t { return (*C.uint8_t)(unsafe.SliceData(x)) }

// samplePlanes is plainSample in vectors, to the bit.
func samplePlanes(frame []uint8, w int, xs, ys []tap, scratch, r, g, b []float32) {
	size := len(xs)
	last := (int(ys[0].b)*w + int(xs[0].b)) * 3
	for _, y := range ys {
		for _, x := range []tap{xs[0], xs[size-1]} {
			last = max(last, (int(y.b)*w+int(x.b))*3)
		}
	}
	_ = frame[last+2] // the C code checks nothing
	_, _, _ = r[size*len(ys)-1], g[size*len(ys)-1], b[size*len(ys)-1]
	C.views_sample(level, bytesOf(frame), C.long(len(frame)), C.int(w), (*C.views_tap)(unsafe.Pointer(&xs[0])), (*C.views_tap)(unsafe.Pointer(&ys[0])),
		C.int(size), floats(scratch[:8*(size+15)]), floats(r), floats(g), floats(b))
}

// transformPlanes is plainTransform in vectors, to the bit.
func transformPlanes(r, g, b []float32, m mgl32.Mat4) {
	C.views_transform(level, floats(r), floats(g[:len(r)]), floats(b[:len(r)]), (*C.float)(&m[0]), C.int(len(r)))
}

// huePlanes is plainHue in vectors, to the bit.
func huePlanes(r, g, b []float32, shift float32) {
	C.views_hue(level, floats(r), floats(g[:len(r)]), floats(b[:len(r)]), C.float(6*shift+12), C.int(len(r)))
}

// sumPlanes is plainSums.
func sumPlanes(r, g, b []float32) [3]float64 {
	var sums [3]C.double
	C.views_sums(floats(r), floats(g[:len(r)]), floats(b[:len(r)]), C.int(len(r)), &sums[0])
	return [3]float64{float64(sums[0]), float64(sums[1]), float64(sums[2])}
}

// blurPlane is plainBlur in vectors, to the bit.
func blurPlane(p []float32, size int, alongX, alongY, scratch []float32) {
	padded := scratch[size*size:][:size+len(alongX)]
	C.views_blur(level, floats(p[:size*size]), C.int(size), floats(alongX), C.int(len(alongX)), floats(alongY), C.int(len(alongY)),
		floats(padded), floats(scratch[:size*size]))
}

// storeBytes is plainStore in vectors, to the bit.
func storeBytes(dst []uint8, x []float32) {
	if len(x) > 0 {
		C.views_store(level, floats(x), bytesOf(dst[:len(x)]), C.int(len(x)))
	}
}

// spectra computes filtered power spectra of several frames at a time.
type spectra struct {
	half, hop, mels      int
	window, turns        []float64
	places, first, start []int32
	weights              []float64
	scratch              []float64
}

// newSpectra takes the tables of s; nil where its frames are not powers of two.
func newSpectra(s *Spectrogram) *spectra {
	n := s.NFFT
	if n < 4 || n&(n-1) != 0 || n > 1<<20 {
		return nil
	}
	v := &spectra{half: n / 2, hop: s.Hop, mels: s.Mels, window: s.window, turns: turns(n), places: fourPlaces(n / 2)}
	v.start = append(v.start, 0)
	for _, row := range s.bank {
		v.first = append(v.first, int32(row.first))
		v.weights = append(v.weights, row.weight...)
		v.start = append(v.start, int32(len(v.weights)))
	}
	v.weights = append(v.weights, 0) // never empty
	return v.clone()
}

// clone shares the tables.
func (v *spectra) clone() *spectra {
	if v == nil {
		return nil
	}
	c := *v
	c.scratch = make([]float64, C.views_mel_scratch(C.int(v.half)))
	return &c
}

// sums writes the filters' sums [mels,frames] of the frames at 0, hop, ... of a waveform.
func (v *spectra) sums(dst []float64, wave []float32, frames int) {
	_ = wave[(frames-1)*v.hop+2*v.half-1]
	_ = dst[v.mels*frames-1]
	real := func(x []float64) *C.double { return (*C.double)(unsafe.SliceData(x)) }
	whole := func(x []int32) *C.int32_t { return (*C.int32_t)(unsafe.SliceData(x)) }
	C.views_mel_tables(level, C.int(v.half), C.int(v.hop), C.int(v.mels), real(v.window), real(v.turns), whole(v.places), whole(v.first),
		whole(v.start), real(v.weights), floats(wave), C.int(frames), real(v.scratch), real(dst))
}
