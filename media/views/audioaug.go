package views

import (
	"math/rand/v2"

	"goxkd/internal/rng"
)

// fitWave returns exactly n samples: the waveform trimmed, or followed by silence.
func fitWave(dst, wave []float32, n int) []float32 {
	if cap(dst) < n {
		dst = make([]float32, n)
	}
	dst = dst[:n]
	clear(dst[copy(dst, wave):])
	return dst
}

// scaleWave multiplies the waveform.
func scaleWave(wave []float32, gain float32) {
	for i := range wave {
		wave[i] *= gain
	}
}

// resizeCrop crops a log-mel on a virtual canvas and resizes the crop back to the log-mel's shape.
type resizeCrop struct {
	mels, frames   int
	canvasH        int
	canvasW        int
	top, left      int // where the log-mel lies on the canvas
	x, y, w, h     int // the crop, on the canvas
	rows, cols     []cubicTap
	cropped, spare []float32
}

// newResizeCrop draws a crop for log-mels [mels,frames]. Extents round down, as does the margin.
func newResizeCrop(mels, frames int, a AudioAug) *resizeCrop {
	c := &resizeCrop{
		mels: mels, frames: frames,
		canvasH: max(int(a.CanvasFreq*float64(mels)), mels),
		canvasW: max(int(a.CanvasTime*float64(frames)), frames),
		rows:    make([]cubicTap, mels), cols: make([]cubicTap, frames),
	}
	c.top, c.left = (c.canvasH-mels)/2, (c.canvasW-frames)/2
	c.cropped = make([]float32, c.canvasH*c.canvasW)
	c.spare = make([]float32, c.canvasH*frames)
	return c
}

func (c *resizeCrop) draw(r *rand.Rand, a AudioAug) {
	c.h = min(max(int(rng.Uniform(r, a.FreqScale[0], a.FreqScale[1])*float64(c.mels)), 1), c.canvasH)
	c.w = min(max(int(rng.Uniform(r, a.TimeScale[0], a.TimeScale[1])*float64(c.frames)), 1), c.canvasW)
	c.y = r.IntN(c.canvasH - c.h + 1)
	c.x = r.IntN(c.canvasW - c.w + 1)
}

// apply replaces the log-mel by its crop, resized bicubically with corners aligned. The canvas round
// the log-mel is zero, which is the mean of normalised log-mels.
func (c *resizeCrop) apply(mel []float32) {
	crop := c.cropped[:c.h*c.w]
	clear(crop)
	for y := range c.h {
		row := c.y + y - c.top
		if row < 0 || row >= c.mels {
			continue
		}
		from, to := max(c.left-c.x, 0), min(c.left+c.frames-c.x, c.w)
		if from < to {
			copy(crop[y*c.w+from:y*c.w+to], mel[row*c.frames+c.x+from-c.left:])
		}
	}
	cubicTaps(c.cols, c.w)
	cubicTaps(c.rows, c.h)
	wide := c.spare[:c.h*c.frames]
	for y := range c.h {
		row := crop[y*c.w:][:c.w]
		for x, t := range c.cols {
			wide[y*c.frames+x] = t.w[0]*row[t.at[0]] + t.w[1]*row[t.at[1]] + t.w[2]*row[t.at[2]] + t.w[3]*row[t.at[3]]
		}
	}
	for y, t := range c.rows {
		out := mel[y*c.frames:][:c.frames]
		a, b := wide[t.at[0]*c.frames:], wide[t.at[1]*c.frames:]
		d, e := wide[t.at[2]*c.frames:], wide[t.at[3]*c.frames:]
		for x := range out {
			out[x] = t.w[0]*a[x] + t.w[1]*b[x] + t.w[2]*d[x] + t.w[3]*e[x]
		}
	}
}

// cubicTap is one bicubic sample along an axis.
type cubicTap struct {
	at [4]int
	w  [4]float32
}

// cubicTaps resizes in samples to len(dst) with corners aligned: sample i falls on
// i*(in-1)/(len(dst)-1). Indices beyond the ends take the end's.
func cubicTaps(dst []cubicTap, in int) {
	scale := 0.0
	if len(dst) > 1 {
		scale = float64(in-1) / float64(len(dst)-1)
	}
	for i := range dst {
		at := scale * float64(i)
		base := int(at)
		x := at - float64(base)
		for k := range 4 {
			dst[i].at[k] = min(max(base+k-1, 0), in-1)
		}
		dst[i].w = [4]float32{
			float32(cubic(x + 1)), float32(cubic(x)), float32(cubic(1 - x)), float32(cubic(2 - x)),
		}
	}
}

// cubic is Keys' convolution kernel with a = -0.75 for 0 <= x <= 2.
func cubic(x float64) float64 {
	const a = -0.75
	if x <= 1 {
		return ((a+2)*x-(a+3))*x*x + 1
	}
	return ((a*x-5*a)*x+8*a)*x - 4*a
}
