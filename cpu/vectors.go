package cpu

/*
#include "simd.h"
*/
import "C"

import (
	"math"
	"unsafe"

	"goxkd/graph"
	"goxkd/graph/op"
)

// The operations of this file move more than they compute: each is its reference's loop in vectors. Where a reference adds in
// float64, so do sums over many rows and over whole tensors here; sums along a row keep a float32 to each lane.

// ptr is where a slice begins, nil for none.
func ptr(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

// rowPiece is how many rows of so many elements are shared out at least.
func rowPiece(width int) int { return max(1, 4*piece/max(width, 1)) }

// optional is input i, or nil.
func optional(c *graph.Call[float32], i int) []float32 {
	if i < len(c.In) {
		return c.In[i]
	}
	return nil
}

func layerNorm(c *graph.Call[float32]) {
	w, eps := c.Node.Shape.Last(), c.Node.Attrs.(op.LayerNormAttrs).Eps
	gain, bias := optional(c, 1), optional(c, 2)
	c.Par(len(c.Out)/w, rowPiece(w), func(lo, hi int) {
		C.xkd_layernorm(level, ptr(c.In[0][lo*w:hi*w]), ptr(gain), ptr(bias), ptr(c.Out[lo*w:hi*w]), ptr(c.Outs[1][2*lo:2*hi]), C.int(hi-lo), C.int(w), C.float(eps))
	})
}

func layerNormGrad(c *graph.Call[float32]) {
	w, gain := c.Node.Shape.Last(), optional(c, 3)
	c.Par(len(c.Out)/w, rowPiece(w), func(lo, hi int) {
		C.xkd_layernorm_grad(level, ptr(c.In[0][lo*w:hi*w]), ptr(c.In[1][2*lo:2*hi]), ptr(c.In[2][lo*w:hi*w]), ptr(gain), ptr(c.Out[lo*w:hi*w]), C.int(hi-lo), C.int(w))
	})
}

// strip is what widths are cut at multiples of, so that columns fill vectors.
const strip = 64

func layerNormGradGain(c *graph.Call[float32]) {
	w := c.Node.Shape.Last()
	columns(c, 1, len(c.In[0])/w, w, func(_, lo, hi int) {
		C.xkd_columns(level, ptr(c.In[0][lo:]), ptr(c.In[1]), ptr(c.In[2][lo:]), C.long(w), C.int(len(c.In[0])/w), C.int(hi-lo), 1, ptr(c.Out[lo:hi]))
	})
}

func sumAxis(c *graph.Call[float32]) {
	a := c.Node.Attrs.(op.AxisAttrs)
	outer, length, inner := c.Node.Inputs[0].Shape.Around(a.Axis)
	if inner == 1 {
		c.Node.Op.Ref32(c)
		return
	}
	columns(c, outer, length, inner, func(o, lo, hi int) {
		x := c.In[0][o*length*inner : (o+1)*length*inner]
		C.xkd_columns(level, ptr(x[lo:]), nil, nil, C.long(inner), C.int(length), C.int(hi-lo), C.double(a.Scale), ptr(c.Out[o*inner+lo:o*inner+hi]))
	})
}

// columns shares out columns [lo,hi) of matrices [rows,width].
func columns(c *graph.Call[float32], matrices, rows, width int, f func(o, lo, hi int)) {
	strips := graph.CeilDiv(width, strip)
	c.Par(matrices*strips, max(1, 4*piece/(rows*min(width, strip))), func(lo, hi int) {
		for lo < hi {
			o, from := lo/strips, lo%strips
			to := min(strips, from+hi-lo)
			f(o, from*strip, min(to*strip, width))
			lo += to - from
		}
	})
}

// add is a + b, where b may have a's innermost dimensions alone.
func add(c *graph.Call[float32]) {
	a, b, y := c.In[0], c.In[1], c.Out
	if len(b) < 16 {
		c.Node.Op.Ref32(c)
		return
	}
	if len(a) == len(b) {
		c.Par(len(y), piece, func(lo, hi int) { C.xkd_add(level, ptr(a[lo:hi]), ptr(b[lo:hi]), ptr(y[lo:hi]), C.int(hi-lo)) })
		return
	}
	c.Par(len(y)/len(b), max(1, piece/len(b)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at, end := r*len(b), (r+1)*len(b)
			C.xkd_add(level, ptr(a[at:end]), ptr(b), ptr(y[at:end]), C.int(len(b)))
		}
	})
}

func rowMSE(c *graph.Call[float32]) {
	w := c.Node.Inputs[0].Shape.Last()
	c.Par(len(c.Out), rowPiece(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			c.Out[r] = float32(float64(C.xkd_squares(level, ptr(c.In[0][r*w:(r+1)*w]), ptr(c.In[1][r*w:(r+1)*w]), C.int(w))) / float64(w))
		}
	})
}

func rowMSEGrad(c *graph.Call[float32]) {
	w := c.Node.Shape.Last()
	c.Par(len(c.In[2]), rowPiece(w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at, end := r*w, (r+1)*w
			C.xkd_away(level, ptr(c.In[0][at:end]), ptr(c.In[1][at:end]), C.float(2*c.In[2][r]/float32(w)), ptr(c.Out[at:end]), C.int(w))
		}
	})
}

func adamW(c *graph.Call[float32]) {
	a := c.Node.Attrs.(op.AdamWAttrs)
	for _, t := range a.Tensors {
		h := c.In[5][t.Row*op.HyperSize:]
		if h[4] == 0 {
			continue
		}
		keep := 1.0
		if t.Decay {
			keep -= float64(h[0]) * float64(h[1])
		}
		constants := [9]float32{c.In[4][t.Factor], float32(a.Beta1), float32(1 - a.Beta1), float32(a.Beta2), float32(1 - a.Beta2),
			float32(keep), h[0] / h[2], 1 / h[3], float32(a.Eps)}
		part := func(i, lo, hi int) *C.float { return ptr(c.In[i][t.Offset+lo : t.Offset+hi]) }
		c.Par(t.Size, piece, func(lo, hi int) {
			C.xkd_adamw(level, part(0, lo, hi), part(1, lo, hi), part(2, lo, hi), part(3, lo, hi), C.int(hi-lo), ptr(constants[:]))
		})
	}
}

func ema(c *graph.Call[float32]) { moveTo(c, c.In[0], c.In[1], c.In[2][0]) }

func bankEMA(c *graph.Call[float32]) {
	for _, s := range c.Node.Attrs.(op.BankEMAAttrs).Spans {
		for i, moves := range []bool{s.First, s.Second} {
			if moves {
				moveTo(c, c.In[0][s.To:s.To+s.Size], c.In[1][s.From:s.From+s.Size], c.In[2][i])
			}
		}
	}
}

func moveTo(c *graph.Call[float32], t, s []float32, momentum float32) {
	c.Par(len(t), 4*piece, func(lo, hi int) {
		C.xkd_mix(level, ptr(t[lo:hi]), ptr(s[lo:hi]), C.int(hi-lo), C.float(momentum), C.float(1-float64(momentum)))
	})
}

func bankNorms(c *graph.Call[float32]) {
	tensors := c.Node.Attrs.(op.BankNormsAttrs).Tensors
	c.Par(len(tensors), 1, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			t := tensors[i]
			x := c.In[2+t.Bank][t.Offset : t.Offset+t.Size]
			c.Out[i] = float32(math.Sqrt(float64(C.xkd_squares(level, ptr(x), nil, C.int(len(x)))))) * c.In[0][0]
		}
	})
}
