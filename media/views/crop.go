package views

import (
	"math"
	"math/rand/v2"

	"github.com/go-gl/mathgl/mgl64"

	"goxkd/internal/rng"
	"goxkd/media"
)

// cropBox is a rectangle of whole pixels.
type cropBox struct{ x, y, w, h int }

// drawCrop draws a random resized crop of a w x h frame: the area uniform in scale times the frame's,
// the ratio log-uniform, ten tries; then the largest centred box whose ratio is in range.
func drawCrop(r *rand.Rand, w, h int, scale, ratio [2]float64) cropBox {
	for range 10 {
		area := float64(w*h) * rng.Uniform(r, scale[0], scale[1])
		aspect := math.Exp(rng.Uniform(r, math.Log(ratio[0]), math.Log(ratio[1])))
		cw := int(math.Round(math.Sqrt(area * aspect)))
		ch := int(math.Round(math.Sqrt(area / aspect)))
		if cw > 0 && cw <= w && ch > 0 && ch <= h {
			y := r.IntN(h - ch + 1)
			return cropBox{r.IntN(w - cw + 1), y, cw, ch}
		}
	}
	return fallbackCrop(w, h, ratio)
}

func fallbackCrop(w, h int, ratio [2]float64) cropBox {
	cw, ch := w, h
	switch aspect := float64(w) / float64(h); {
	case aspect < ratio[0]:
		ch = min(int(math.Round(float64(w)/ratio[0])), h)
	case aspect > ratio[1]:
		cw = min(int(math.Round(float64(h)*ratio[1])), w)
	}
	return centred(w, h, max(cw, 1), max(ch, 1))
}

// centred is the box of cw x ch pixels in the middle of w x h.
func centred(w, h, cw, ch int) cropBox {
	return cropBox{(w - cw) / 2, (h - ch) / 2, cw, ch}
}

// viewMatrix maps a point of a size x size view to the point of the frame it shows, in pixel units
// with the origin at the frame's top left edge: flip in the view, scale to the box, move to it.
func viewMatrix(box cropBox, size int, flip bool) mgl64.Mat3 {
	m := mgl64.Translate2D(float64(box.x), float64(box.y)).
		Mul3(mgl64.Scale2D(float64(box.w)/float64(size), float64(box.h)/float64(size)))
	if flip {
		m = m.Mul3(mgl64.Translate2D(float64(size), 0)).Mul3(mgl64.Scale2D(-1, 1))
	}
	return m
}

// tap is one bilinear sample along an axis: two pixels and the weight of the second.
type tap struct {
	a, b int
	w    float32
}

// taps samples one axis: pixel centre i+0.5 of the view falls on scale*(i+0.5)+shift. What lies
// beyond the box's edge pixels takes their value, as it does when the box is cut out first.
func taps(dst []tap, scale, shift float64, first, count int) []tap {
	for i := range dst {
		at := scale*(float64(i)+0.5) + shift - 0.5
		at = min(max(at, float64(first)), float64(first+count-1))
		a := int(at)
		dst[i] = tap{a, min(a+1, first+count-1), float32(at - float64(a))}
	}
	return dst
}

// sampleView writes frames [first,first+count) of the clip, seen through the matrix, to dst
// [3,count,size,size] with values in 0..1. Frames beyond the last repeat the clip from its first.
// The matrix has no rotation or shear, so each axis is sampled on its own.
func sampleView(dst []float32, c *media.Clip, first, count, size int, box cropBox, flip bool) {
	m := viewMatrix(box, size, flip)
	axis := make([]tap, 2*size)
	xs := taps(axis[:size], m.At(0, 0), m.At(0, 2), box.x, box.w)
	ys := taps(axis[size:], m.At(1, 1), m.At(1, 2), box.y, box.h)
	plane := size * size
	for t := range count {
		frame := c.Frame((first + t) % c.T)
		red := dst[t*plane:][:plane]
		green := dst[(count+t)*plane:][:plane]
		blue := dst[(2*count+t)*plane:][:plane]
		for y, ty := range ys {
			top := frame[ty.a*c.W*3:][:c.W*3]
			bottom := frame[ty.b*c.W*3:][:c.W*3]
			bw := ty.w / 255
			tw := (1 - ty.w) / 255
			for x, tx := range xs {
				tl, tr := top[tx.a*3:][:3], top[tx.b*3:][:3]
				bl, br := bottom[tx.a*3:][:3], bottom[tx.b*3:][:3]
				wr := tx.w
				wl := 1 - wr
				o := y*size + x
				red[o] = (float32(tl[0])*wl+float32(tr[0])*wr)*tw + (float32(bl[0])*wl+float32(br[0])*wr)*bw
				green[o] = (float32(tl[1])*wl+float32(tr[1])*wr)*tw + (float32(bl[1])*wl+float32(br[1])*wr)*bw
				blue[o] = (float32(tl[2])*wl+float32(tr[2])*wr)*tw + (float32(bl[2])*wl+float32(br[2])*wr)*bw
			}
		}
	}
}
