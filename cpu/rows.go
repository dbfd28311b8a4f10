package cpu

/*
#include "simd.h"
*/
import "C"

import (
	"math"

	"goxkd/graph"
)

// level is this processor's widest instruction set.
var level = C.int(C.xkd_simd_level())

// softmaxRows replaces each row of x [rows,cols] by its softmax, and writes the logarithm of its sum of exponentials to lse
// [rows] unless that is nil.
func softmaxRows[T graph.Float](x []T, cols int, lse []T) {
	if len(x) == 0 {
		return
	}
	if x32, ok := any(x).([]float32); ok {
		var logs *C.float
		if lse != nil {
			logs = (*C.float)(&any(lse).([]float32)[0])
		}
		C.xkd_softmax(level, (*C.float)(&x32[0]), C.int(len(x)/cols), C.int(cols), logs)
		return
	}
	for r := 0; len(x) > 0; r, x = r+1, x[cols:] {
		row := x[:cols]
		peak := row[0]
		for _, v := range row {
			peak = max(peak, v)
		}
		var sum float64
		for i, v := range row {
			e := math.Exp(float64(v - peak))
			row[i] = T(e)
			sum += e
		}
		for i := range row {
			row[i] = T(float64(row[i]) / sum)
		}
		if lse != nil {
			lse[r] = peak + T(math.Log(sum))
		}
	}
}

// piece is the number of elements from which GELU is shared out.
const piece = 4096

func gelu(c *graph.Call[float32]) {
	c.Par(len(c.Out), piece, func(lo, hi int) {
		C.xkd_gelu(level, (*C.float)(&c.In[0][lo]), (*C.float)(&c.Out[lo]), C.int(hi-lo))
	})
}

func geluGrad(c *graph.Call[float32]) {
	c.Par(len(c.Out), piece, func(lo, hi int) {
		C.xkd_gelu_grad(level, (*C.float)(&c.In[0][lo]), (*C.float)(&c.In[1][lo]), (*C.float)(&c.Out[lo]), C.int(hi-lo))
	})
}

// softmaxGradRows replaces each row of d [rows,cols] by p (d - Σ p d), p and d alike.
func softmaxGradRows[T graph.Float](p, d []T, cols int) {
	if p32, ok := any(p).([]float32); ok {
		d32 := any(d).([]float32)[:len(p)]
		C.xkd_softmax_grad(level, ptr(p32), ptr(d32), C.int(len(p)/cols), C.int(cols))
		return
	}
	for ; len(p) > 0; p, d = p[cols:], d[cols:] {
		var mean float64
		for j, w := range p[:cols] {
			mean += float64(w) * float64(d[j])
		}
		for j, w := range p[:cols] {
			d[j] = w * (d[j] - T(mean))
		}
	}
}
