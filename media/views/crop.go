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
	a, b int32
	w    float32
}

// taps samples one axis: pixel centre i+0.5 of the view falls on scale*(i+0.5)+shift. What lies
// beyond the box's edge pixels takes their value, as it does when the box is cut out first.
func taps(dst []tap, scale, shift float64, first, count int) []tap {
	for i := range dst {
		at := scale*(float64(i)+0.5) + shift - 0.5
		at = min(max(at, float64(first)), float64(first+count-1))
		a := int(at)
		dst[i] = tap{int32(a), int32(min(a+1, first+count-1)), float32(at - float64(a))}
	}
	return dst
}

// sampler samples frames of a clip at one box. Taps and scratch are made once a view.
type sampler struct {
	clip    *media.Clip
	first   int
	xs, ys  []tap
	scratch []float32 // [8*(size+15)]
}

// newSampler prepares to see frames of the clip from the given first on through the box, in size x size pixels.
func newSampler(c *media.Clip, first, size int, box cropBox, flip bool) sampler {
	// The matrix has no rotation or shear, so each axis is sampled on its own.
	m := viewMatrix(box, size, flip)
	axis := make([]tap, 2*size)
	return sampler{
		clip: c, first: first,
		xs:      taps(axis[:size], m.At(0, 0), m.At(0, 2), box.x, box.w),
		ys:      taps(axis[size:], m.At(1, 1), m.At(1, 2), box.y, box.h),
		scratch: make([]float32, 8*(size+15)),
	}
}

// frame writes frame t of the view, with values in 0..1. Frames beyond the last repeat the clip from its first.
func (s sampler) frame(v view, t int) {
	r, g, b := v.planes(t)
	samplePlanes(s.clip.Frame((s.first+t)%s.clip.T), s.clip.W, s.xs, s.ys, s.scratch, r, g, b)
}

// sampleView writes frames [first,first+count) of the clip, seen through the box, to dst [3,count,size,size].
func sampleView(dst []float32, c *media.Clip, first, count, size int, box cropBox, flip bool) {
	s := newSampler(c, first, size, box, flip)
	for t := range count {
		s.frame(view{dst, count, size * size}, t)
	}
}

// plainSample samples a frame [h,w,3] at the taps of both axes to planes [len(ys),len(xs)] in 0..1.
func plainSample(frame []uint8, w int, xs, ys []tap, _, red, green, blue []float32) {
	o := 0
	for _, ty := range ys {
		top := frame[int(ty.a)*w*3:][:w*3]
		bottom := frame[int(ty.b)*w*3:][:w*3]
		bw := ty.w / 255
		tw := (1 - ty.w) / 255
		for _, tx := range xs {
			tl, tr := top[tx.a*3:][:3], top[tx.b*3:][:3]
			bl, br := bottom[tx.a*3:][:3], bottom[tx.b*3:][:3]
			wr := tx.w
			wl := 1 - wr
			red[o] = (float32(tl[0])*wl+float32(tr[0])*wr)*tw + (float32(bl[0])*wl+float32(br[0])*wr)*bw
			green[o] = (float32(tl[1])*wl+float32(tr[1])*wr)*tw + (float32(bl[1])*wl+float32(br[1])*wr)*bw
			blue[o] = (float32(tl[2])*wl+float32(tr[2])*wr)*tw + (float32(bl[2])*wl+float32(br[2])*wr)*bw
			o++
		}
	}
}
