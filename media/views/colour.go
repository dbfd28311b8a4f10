package views

import (
	"math"
	"math/rand/v2"

	"github.com/go-gl/mathgl/mgl32"

	"goxkd/internal/rng"
	"goxkd/media"
)

// Mean and standard deviation, per channel, by which the device normalises video: (pixel/255 - mean)/deviation.
var (
	VideoMean = [3]float32{0.485, 0.456, 0.406}
	VideoStd  = [3]float32{0.229, 0.224, 0.225}
)

// luma are the weights of red, green and blue in a grey value (ITU-R 601).
var luma = mgl32.Vec3{0.2989, 0.587, 0.114}

// view is a video view [3,frames,size*size] with values in 0..1 while its colours are changed.
type view struct {
	data   []float32
	frames int
	plane  int // pixels per frame
}

// planes are the red, green and blue pixels of frame t.
func (v view) planes(t int) (r, g, b []float32) {
	at := func(c int) []float32 { return v.data[(c*v.frames+t)*v.plane:][:v.plane] }
	return at(0), at(1), at(2)
}

// brightnessMatrix multiplies every channel.
func brightnessMatrix(f float32) mgl32.Mat4 { return mgl32.Scale3D(f, f, f) }

// greyMatrix replaces every channel by the grey value.
func greyMatrix() mgl32.Mat4 {
	row := luma.Vec4(0)
	return mgl32.Mat4FromRows(row, row, row, mgl32.Vec4{0, 0, 0, 1})
}

// saturationMatrix moves every colour from its grey value (f=0) through itself (f=1) and beyond.
func saturationMatrix(f float32) mgl32.Mat4 {
	m := mgl32.Ident4().Mul(f).Add(greyMatrix().Mul(1 - f))
	m.Set(3, 3, 1)
	return m
}

// contrastMatrix moves every colour from the grey of the given mean (f=0) through itself (f=1).
func contrastMatrix(f, mean float32) mgl32.Mat4 {
	d := (1 - f) * mean
	return mgl32.Translate3D(d, d, d).Mul4(mgl32.Scale3D(f, f, f))
}

// transform applies the matrix to every pixel of frame t and keeps the result in 0..1. Clamping
// after each step is what the recipe's library does, so steps are not multiplied together.
func (v view) transform(t int, m mgl32.Mat4) {
	r, g, b := v.planes(t)
	transformPlanes(r, g, b, m)
}

func plainTransform(r, g, b []float32, m mgl32.Mat4) {
	g, b = g[:len(r)], b[:len(r)]
	for i := range r {
		x, y, z := r[i], g[i], b[i]
		r[i] = clamp01(m[0]*x + m[4]*y + m[8]*z + m[12])
		g[i] = clamp01(m[1]*x + m[5]*y + m[9]*z + m[13])
		b[i] = clamp01(m[2]*x + m[6]*y + m[10]*z + m[14])
	}
}

// meanGrey is the mean grey value of frame t.
func (v view) meanGrey(t int) float32 {
	sums := sumPlanes(v.planes(t))
	grey := sums[0]*float64(luma[0]) + sums[1]*float64(luma[1]) + sums[2]*float64(luma[2])
	return float32(grey / float64(v.plane))
}

// plainSums adds up each plane in order.
func plainSums(r, g, b []float32) (sums [3]float64) {
	for c, p := range [][]float32{r, g, b} {
		for _, x := range p {
			sums[c] += float64(x)
		}
	}
	return sums
}

// shiftHue turns the hue of every pixel of frame t by a fraction of the colour circle, keeping its
// saturation and value in HSV.
func (v view) shiftHue(t int, shift float32) {
	r, g, b := v.planes(t)
	huePlanes(r, g, b, shift)
}

func plainHue(r, g, b []float32, shift float32) {
	g, b = g[:len(r)], b[:len(r)]
	for i := range r {
		r[i], g[i], b[i] = turnHue(r[i], g[i], b[i], shift)
	}
}

// turnHue is the hue shift of one colour. With value M and least channel m the hue, in sixths of the
// circle, places the third channel between them: HSV back to RGB is a trapezoid wave of the hue.
func turnHue(r, g, b, shift float32) (float32, float32, float32) {
	high, low := max(r, g, b), min(r, g, b)
	span := high - low
	if span <= 0 {
		return r, g, b
	}
	var h float32
	switch high {
	case r:
		h = (g - b) / span
	case g:
		h = 2 + (b-r)/span
	default:
		h = 4 + (r-g)/span
	}
	h += 6*shift + 12 // now positive
	return low + span*trapezoid(h), low + span*trapezoid(h+4), low + span*trapezoid(h+2)
}

// trapezoid is 1 for h within one sixth of red, 0 within one of cyan, linear between; period 6.
func trapezoid(h float32) float32 {
	h -= 6 * float32(int(h/6))
	return clamp01(max(2-h, h-4))
}

func clamp01(x float32) float32 { return min(max(x, 0), 1) }

// blurScratch is the scratch of a blur of planes [size,size] with so many taps: a plane, and a row with its continuation.
func blurScratch(size, taps int) int { return size*size + size + taps }

// blur is a Gaussian blur of frame t with kernel taps exp(-x^2/2sigma^2), normalised, along x and
// along y; the frame is continued by reflection about its edge pixels.
func (v view) blur(t, size int, alongX, alongY []float32, scratch []float32) {
	r, g, b := v.planes(t)
	for _, p := range [][]float32{r, g, b} {
		blurPlane(p, size, alongX, alongY, scratch)
	}
}

func plainBlur(p []float32, size int, alongX, alongY, scratch []float32) {
	halfX, halfY := len(alongX)/2, len(alongY)/2
	for y := range size {
		row := p[y*size:][:size]
		for x := range size {
			sum := float32(0)
			for k, w := range alongX {
				sum += w * row[reflectIndex(x+k-halfX, size)]
			}
			scratch[y*size+x] = sum
		}
	}
	for y := range size {
		out := p[y*size:][:size]
		clear(out)
		for k, w := range alongY {
			row := scratch[reflectIndex(y+k-halfY, size)*size:][:size]
			for x, s := range row {
				out[x] += w * s
			}
		}
	}
}

// reflectIndex continues 0..n-1 by reflection about its ends, as often as needed.
func reflectIndex(i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	if i >= n {
		i = period - i
	}
	return i
}

// gaussian is the blur's kernel of n taps, n odd.
func gaussian(n int, sigma float64) []float32 {
	k := make([]float32, n)
	sum := 0.0
	for i := range k {
		x := float64(i - n/2)
		sum += math.Exp(-x * x / (2 * sigma * sigma))
	}
	for i := range k {
		x := float64(i - n/2)
		k[i] = float32(math.Exp(-x*x/(2*sigma*sigma)) / sum)
	}
	return k
}

// BlurKernels draws the blur: one sigma for both axes, or with BlurPair the pair itself.
func (a VideoAug) BlurKernels(r *rand.Rand) (alongX, alongY []float32) {
	if a.BlurPair {
		return gaussian(a.BlurKernel, a.BlurSigma[0]), gaussian(a.BlurKernel, a.BlurSigma[1])
	}
	k := gaussian(a.BlurKernel, rng.Uniform(r, a.BlurSigma[0], a.BlurSigma[1]))
	return k, k
}

// store writes the view to dst in pixels of 0 to 255, to the nearest, halves to even. The product is exact in float64.
func (v view) store(dst []uint8) { storeBytes(dst[:len(v.data)], v.data) }

// storeFrame is store for frame t alone.
func (v view) storeFrame(t int, dst []uint8) {
	for c := range 3 {
		at := (c*v.frames + t) * v.plane
		storeBytes(dst[at:at+v.plane], v.data[at:at+v.plane])
	}
}

func plainStore(dst []uint8, x []float32) {
	dst = dst[:len(x)]
	for i, x := range x {
		dst[i] = uint8(math.RoundToEven(255 * float64(clamp01(x))))
	}
}

// jitter is a draw of the four factors and of their order.
type jitter struct {
	bright, contrast, saturate, hue float32
	order                           []int
}

func (a VideoAug) drawJitter(r *rand.Rand) (j jitter) {
	factor := func(x float64) float32 { return float32(rng.Uniform(r, 1-x, 1+x)) }
	j.bright, j.contrast, j.saturate = factor(a.Brightness), factor(a.Contrast), factor(a.Saturation)
	j.hue = float32(rng.Uniform(r, -a.Hue, a.Hue))
	j.order = r.Perm(4)
	return j
}

// jitter applies a draw to frame t.
func (v view) jitter(t int, j jitter, a VideoAug) {
	for _, step := range j.order {
		switch {
		case step == 0 && a.Brightness > 0:
			v.transform(t, brightnessMatrix(j.bright))
		case step == 1 && a.Contrast > 0:
			v.transform(t, contrastMatrix(j.contrast, v.meanGrey(t)))
		case step == 2 && a.Saturation > 0:
			v.transform(t, saturationMatrix(j.saturate))
		case step == 3 && a.Hue > 0:
			v.shiftHue(t, j.hue)
		}
	}
}

// augmentVideo writes one augmented view of the clip to dst [3,frames,size,size] in pixels of 0 to 255. All
// frames share one draw. The order is crop and flip, jitter, grey, blur; a frame goes all the way before the next, while it
// is in the cache. work takes the view in 0..1 on the way, so that it is rounded once; scratch takes a frame, and what its
// blur takes.
func augmentVideo(dst []uint8, c *media.Clip, first, frames, size int, a VideoAug, r *rand.Rand, work, scratch []float32) {
	box := drawCrop(r, c.W, c.H, a.Scale, a.Ratio)
	v := view{work[:len(dst)], frames, size * size}
	seen := newSampler(c, first, size, box, r.Float64() < a.Flip)
	var colours jitter
	if r.Float64() < a.Jitter {
		colours = a.drawJitter(r)
	}
	grey := r.Float64() < a.Grey
	var alongX, alongY []float32
	if r.Float64() < a.Blur {
		alongX, alongY = a.BlurKernels(r)
	}
	for t := range frames {
		seen.frame(v, t)
		v.jitter(t, colours, a)
		if grey {
			v.transform(t, greyMatrix())
		}
		if alongX != nil {
			v.blur(t, size, alongX, alongY, scratch)
		}
		v.storeFrame(t, dst)
	}
	// These change all frames at once.
	if a.RandAugment {
		v.randAugment(r, size, scratch)
	}
	erase := a.Erase > 0 && r.Float64() < a.Erase
	if erase {
		v.erase(r, size)
	}
	if a.RandAugment || erase {
		v.store(dst)
	}
}
