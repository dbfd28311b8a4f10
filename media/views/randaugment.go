package views

import (
	"math"
	"math/rand/v2"

	"github.com/go-gl/mathgl/mgl32"

	"goxkd/internal/rng"
)

// RandAugment (Cubuk et al., 2020) as fine-tuning uses it, m7-n4-mstd0.5-inc1: four operations drawn with replacement, each
// run with probability one half, at a strength of 7 ± 0.5 of 10, on all frames alike. All grow with the strength.
const (
	randOps         = 4
	randProbability = 0.5
	randStrength    = 7
	randDeviation   = 0.5
)

// randAugment changes a view with values in 0..1.
func (v view) randAugment(r *rand.Rand, size int, scratch []float32) {
	for range randOps {
		if r.Float64() >= randProbability {
			continue
		}
		level := min(max(randStrength+randDeviation*r.NormFloat64(), 0), 10) / 10
		v.randomOp(r, r.IntN(15), level, size, scratch)
	}
}

// randomOp runs one operation at a level of 0..1.
func (v view) randomOp(r *rand.Rand, op int, level float64, size int, scratch []float32) {
	signed := func(x float64) float64 {
		if r.IntN(2) == 0 {
			return -x
		}
		return x
	}
	enhance := func() float32 { return float32(max(0.1, 1+signed(0.9*level))) }
	each := func(m func(t int) mgl32.Mat4) {
		for t := range v.frames {
			v.transform(t, m(t))
		}
	}
	// An affine operation samples the point (a·x + b·y + c, d·x + e·y + f) about the middle.
	affine := func(a, b, c, d, e, f float64) { v.affine(size, [6]float64{a, b, c, d, e, f}, scratch) }
	switch op {
	case 0:
		v.channels(autoContrast)
	case 1:
		v.channels(equalize)
	case 2:
		v.pointwise(func(x float32) float32 { return 1 - x })
	case 3:
		sin, cos := math.Sincos(signed(30*level) * math.Pi / 180)
		affine(cos, -sin, 0, sin, cos, 0)
	case 4: // posterise: so many bits stay
		steps := float32(int(1) << (4 - int(level*4)))
		v.pointwise(func(x float32) float32 {
			return float32(int(min(x, 0.99999)*steps)) / steps
		})
	case 5: // solarise: invert what is above
		above := float32(256-min(256, int(level*256))) / 255
		v.pointwise(func(x float32) float32 {
			if x >= above {
				return 1 - x
			}
			return x
		})
	case 6: // add to what is dark
		more := float32(min(128, int(level*110))) / 255
		v.pointwise(func(x float32) float32 {
			if x < 128.0/255 {
				return min(1, x+more)
			}
			return x
		})
	case 7:
		f := enhance()
		each(func(int) mgl32.Mat4 { return saturationMatrix(f) })
	case 8:
		f := enhance()
		each(func(t int) mgl32.Mat4 { return contrastMatrix(f, v.meanGrey(t)) })
	case 9:
		f := enhance()
		each(func(int) mgl32.Mat4 { return brightnessMatrix(f) })
	case 10:
		v.sharpen(size, enhance(), scratch)
	case 11:
		affine(1, signed(0.3*level), 0, 0, 1, 0)
	case 12:
		affine(1, 0, 0, signed(0.3*level), 1, 0)
	case 13:
		affine(1, 0, signed(0.45*level)*float64(size), 0, 1, 0)
	default:
		affine(1, 0, 0, 0, 1, signed(0.45*level)*float64(size))
	}
}

// pointwise changes every value by itself.
func (v view) pointwise(f func(float32) float32) {
	for i, x := range v.data {
		v.data[i] = f(x)
	}
}

// channels changes every channel of every frame.
func (v view) channels(f func([]float32)) {
	for at := 0; at < len(v.data); at += v.plane {
		f(v.data[at : at+v.plane])
	}
}

// autoContrast stretches a channel from its least to its greatest value.
func autoContrast(p []float32) {
	low, high := float32(1), float32(0)
	for _, x := range p {
		low, high = min(low, x), max(high, x)
	}
	if high <= low {
		return
	}
	for i, x := range p {
		p[i] = (x - low) / (high - low)
	}
}

// equalize spreads a channel's 256 levels so that each has about as many pixels.
func equalize(p []float32) {
	var counts [256]int
	level := func(x float32) int { return int(clamp01(x)*255 + 0.5) }
	last := 0
	for _, x := range p {
		counts[level(x)]++
	}
	for i, n := range counts {
		if n > 0 {
			last = i
		}
	}
	step := (len(p) - counts[last]) / 255
	if step == 0 {
		return
	}
	var to [256]float32
	sum := step / 2
	for i, n := range counts {
		to[i] = float32(min(sum/step, 255)) / 255
		sum += n
	}
	for i, x := range p {
		p[i] = to[level(x)]
	}
}

// affine moves every frame; what comes from outside has the mean colour.
func (v view) affine(size int, m [6]float64, scratch []float32) {
	middle := float64(size) / 2
	for at, channel := 0, 0; at < len(v.data); at, channel = at+v.plane, channel+1 {
		p, from := v.data[at:at+v.plane], scratch[:v.plane]
		copy(from, p)
		fill := VideoMean[channel/v.frames]
		for y := range size {
			for x := range size {
				dx, dy := float64(x)+0.5-middle, float64(y)+0.5-middle
				p[y*size+x] = bilinear(from, size, m[0]*dx+m[1]*dy+m[2]+middle-0.5, m[3]*dx+m[4]*dy+m[5]+middle-0.5, fill)
			}
		}
	}
}

// bilinear samples a square at a place counted from the middle of its first pixel.
func bilinear(p []float32, size int, x, y float64, fill float32) float32 {
	x0, y0 := math.Floor(x), math.Floor(y)
	fx, fy := float32(x-x0), float32(y-y0)
	at := func(x, y int) float32 {
		if x < 0 || y < 0 || x >= size || y >= size {
			return fill
		}
		return p[y*size+x]
	}
	i, j := int(x0), int(y0)
	top := at(i, j)*(1-fx) + at(i+1, j)*fx
	bottom := at(i, j+1)*(1-fx) + at(i+1, j+1)*fx
	return top*(1-fy) + bottom*fy
}

// sharpen moves every pixel from a smoothed frame (f=0) through itself (f=1) and beyond; the border stays.
func (v view) sharpen(size int, f float32, scratch []float32) {
	v.channels(func(p []float32) {
		from := scratch[:len(p)]
		copy(from, p)
		for y := 1; y+1 < size; y++ {
			for x := 1; x+1 < size; x++ {
				i := y*size + x
				sum := 4 * from[i]
				for _, row := range [3]int{i - size, i, i + size} {
					sum += from[row-1] + from[row] + from[row+1]
				}
				soft := sum / 13
				p[i] = clamp01(soft + f*(from[i]-soft))
			}
		}
	})
}

// erase puts noise in the place of a box, the same box in all frames (Zhong et al., 2020): a share of 0.02 to 1/3 of the
// area, a ratio of 0.3 to 1/0.3, ten tries.
func (v view) erase(r *rand.Rand, size int) {
	for range 10 {
		area := rng.Uniform(r, 0.02, 1.0/3) * float64(size*size)
		aspect := math.Exp(rng.Uniform(r, math.Log(0.3), math.Log(1/0.3)))
		h, w := int(math.Round(math.Sqrt(area*aspect))), int(math.Round(math.Sqrt(area/aspect)))
		if h < 1 || w < 1 || h >= size || w >= size {
			continue
		}
		y0, x0 := r.IntN(size-h+1), r.IntN(size-w+1)
		for at, channel := 0, 0; at < len(v.data); at, channel = at+v.plane, channel+1 {
			mean, std := VideoMean[channel/v.frames], VideoStd[channel/v.frames]
			for y := y0; y < y0+h; y++ {
				for x := x0; x < x0+w; x++ {
					v.data[at+y*size+x] = clamp01(mean + std*float32(r.NormFloat64()))
				}
			}
		}
		return
	}
}
