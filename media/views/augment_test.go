package views

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/go-gl/mathgl/mgl32"
	"github.com/go-gl/mathgl/mgl64"
	"github.com/stretchr/testify/require"

	"goxkd/internal/rng"
	"goxkd/media"
	"goxkd/media/synthetic"
)

// grid is a clip of one frame whose red is 10x+y, green 100, blue 255.
func grid(w, h int) *media.Clip {
	c := &media.Clip{T: 1, W: w, H: h}
	for y := range h {
		for x := range w {
			c.Frames = append(c.Frames, uint8(10*x+y), 100, 255)
		}
	}
	return c
}

func TestSampleView(t *testing.T) {
	c := grid(6, 5)
	dst := make([]float32, 3*2*2)
	// One pixel per pixel: the box itself.
	sampleView(dst, c, 0, 1, 2, cropBox{3, 1, 2, 2}, false)
	require.InDeltaSlice(t, []float32{31. / 255, 41. / 255, 32. / 255, 42. / 255}, dst[:4], 1e-6)
	require.InDeltaSlice(t, []float32{100. / 255, 100. / 255, 1, 1}, dst[6:10], 1e-6)
	sampleView(dst, c, 0, 1, 2, cropBox{3, 1, 2, 2}, true)
	require.InDeltaSlice(t, []float32{41. / 255, 31. / 255, 42. / 255, 32. / 255}, dst[:4], 1e-6)
	// 4x4 to 2x2 with half-pixel centres: the samples fall on 0.5 and 2.5 of the box, halfway between
	// pixels: columns 1..4 give 1.5 and 3.5, rows 0..3 give 0.5 and 2.5.
	sampleView(dst, c, 0, 1, 2, cropBox{1, 0, 4, 4}, false)
	require.InDeltaSlice(t, []float32{15.5 / 255, 35.5 / 255, 17.5 / 255, 37.5 / 255}, dst[:4], 1e-6)
	// 2x2 to 4x4: samples at -0.25, 0.25, 0.75, 1.25, held within the box.
	up := make([]float32, 3*4*4)
	sampleView(up, c, 0, 1, 4, cropBox{1, 1, 2, 2}, false)
	require.InDeltaSlice(t, []float32{11. / 255, 13.5 / 255, 18.5 / 255, 21. / 255}, up[:4], 1e-6)
	require.InDelta(t, (0.25*12+0.75*11+7.5)/255, up[1*4+2], 1e-6)
}

func TestViewMatrix(t *testing.T) {
	m := viewMatrix(cropBox{10, 20, 30, 60}, 6, true)
	require.Equal(t, mgl64.Vec3{40, 20, 1}, m.Mul3x1(mgl64.Vec3{0, 0, 1}))
	require.Equal(t, mgl64.Vec3{10, 80, 1}, m.Mul3x1(mgl64.Vec3{6, 6, 1}))
}

func TestShortClipsRepeat(t *testing.T) {
	c := &media.Clip{T: 3, W: 1, H: 1, Frames: []uint8{0, 0, 0, 51, 51, 51, 102, 102, 102}}
	dst := make([]float32, 3*8)
	sampleView(dst, c, 0, 8, 1, cropBox{0, 0, 1, 1}, false)
	require.InDeltaSlice(t, []float32{0, 0.2, 0.4, 0, 0.2, 0.4, 0, 0.2}, dst[:8], 1e-6)
	sampleView(dst[:6], c, 5, 2, 1, cropBox{0, 0, 1, 1}, false)
	require.InDeltaSlice(t, []float32{0.4, 0}, dst[:2], 1e-6)
	require.Equal(t, []float32{1, 2, 0, 0}, fitWave(nil, []float32{1, 2}, 4))
	require.Equal(t, []float32{1, 2}, fitWave(make([]float32, 9), []float32{1, 2, 3}, 2))
}

func TestDrawCrop(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const n, w, h = 20000, 300, 200
	area, logRatio, low, high := 0.0, 0.0, math.Inf(1), 0.0
	for range n {
		b := drawCrop(r, w, h, [2]float64{0.08, 0.4}, [2]float64{0.75, 4. / 3})
		require.True(t, b.x >= 0 && b.y >= 0 && b.w > 0 && b.h > 0 && b.x+b.w <= w && b.y+b.h <= h)
		a := float64(b.w*b.h) / (w * h)
		area += a / n
		logRatio += math.Log(float64(b.w)/float64(b.h)) / n
		low, high = min(low, a), max(high, a)
	}
	// Every try fits, so the area is uniform and the logarithm of the ratio is symmetric about zero.
	require.InDelta(t, 0.24, area, 0.003)
	require.InDelta(t, 0, logRatio, 0.01)
	require.InDelta(t, 0.08, low, 0.003)
	require.InDelta(t, 0.4, high, 0.005)
	// 1:20 frames never fit a whole-area crop: the centred box of ratio 3/4 or 4/3.
	full := [2]float64{1, 1}
	ratio := [2]float64{0.75, 4. / 3}
	require.Equal(t, cropBox{0, 93, 10, 13}, drawCrop(r, 10, 200, full, ratio))
	require.Equal(t, cropBox{93, 0, 13, 10}, drawCrop(r, 200, 10, full, ratio))
	require.Equal(t, cropBox{0, 0, 1, 1}, drawCrop(r, 1, 1, full, ratio))
}

func oneColour(r, g, b float32) view { return view{[]float32{r, g, b}, 1, 1} }

func TestLinearColours(t *testing.T) {
	v := oneColour(0.2, 0.4, 0.9)
	v.transform(0, brightnessMatrix(1.5))
	require.InDeltaSlice(t, []float32{0.3, 0.6, 1}, v.data, 1e-6)
	// Grey of (0.2,0.4,0.8): 0.05978+0.2348+0.0912 = 0.38578.
	v = oneColour(0.2, 0.4, 0.8)
	require.InDelta(t, 0.38578, v.meanGrey(0), 1e-6)
	v.transform(0, saturationMatrix(0.5))
	require.InDeltaSlice(t, []float32{0.29289, 0.39289, 0.59289}, v.data, 1e-6)
	v = oneColour(0.2, 0.4, 0.8)
	v.transform(0, greyMatrix())
	require.InDeltaSlice(t, []float32{0.38578, 0.38578, 0.38578}, v.data, 1e-6)
	v = oneColour(0.2, 0.4, 0.8)
	v.transform(0, contrastMatrix(0.6, 0.5))
	require.InDeltaSlice(t, []float32{0.32, 0.44, 0.68}, v.data, 1e-6)
	for _, m := range []mgl32.Mat4{brightnessMatrix(1), saturationMatrix(1), contrastMatrix(1, 0.3)} {
		require.True(t, m.ApproxEqualThreshold(mgl32.Ident4(), 1e-6))
	}
	// Only the frame named changes, and its mean is its own.
	two := view{[]float32{0, 1, 0, 1, 0, 1}, 2, 1}
	require.InDelta(t, 0.9999, two.meanGrey(1), 1e-6)
	two.transform(1, brightnessMatrix(0.5))
	require.Equal(t, []float32{0, 0.5, 0, 0.5, 0, 0.5}, two.data)
}

// The HSV colour circle by hand: value 0.8, saturation 0.75 (0.8 and 0.2), and hues 60 degrees apart.
func TestHue(t *testing.T) {
	third := float32(1) / 3
	for _, c := range []struct{ in, want [3]float32 }{
		{[3]float32{0.8, 0.2, 0.2}, [3]float32{0.2, 0.8, 0.2}}, // red to green
		{[3]float32{0.2, 0.8, 0.2}, [3]float32{0.2, 0.2, 0.8}}, // green to blue
		{[3]float32{0.2, 0.2, 0.8}, [3]float32{0.8, 0.2, 0.2}}, // blue to red
		{[3]float32{0.8, 0.5, 0.2}, [3]float32{0.2, 0.8, 0.5}}, // orange (30) to spring green (150)
		{[3]float32{0.3, 0.3, 0.3}, [3]float32{0.3, 0.3, 0.3}}, // grey has no hue
		{[3]float32{1, 1, 0}, [3]float32{0, 1, 1}},             // yellow to cyan
	} {
		r, g, b := turnHue(c.in[0], c.in[1], c.in[2], third)
		require.InDeltaSlice(t, c.want[:], []float32{r, g, b}, 1e-6)
		r, g, b = turnHue(c.want[0], c.want[1], c.want[2], -third)
		require.InDeltaSlice(t, c.in[:], []float32{r, g, b}, 1e-6)
	}
	// A shift by 0.1 turn is 36 degrees: red goes to hue 36, whose green is 0.6 of the way.
	r, g, b := turnHue(1, 0, 0, 0.1)
	require.InDeltaSlice(t, []float32{1, 0.6, 0}, []float32{r, g, b}, 1e-6)
	r, g, b = turnHue(1, 0, 0, -0.1)
	require.InDeltaSlice(t, []float32{1, 0, 0.6}, []float32{r, g, b}, 1e-6)
}

func TestBlur(t *testing.T) {
	// exp(-1/2) = 0.60653: weights 0.60653/2.21306 and 1/2.21306.
	k := gaussian(3, 1)
	require.InDeltaSlice(t, []float32{0.274069, 0.451863, 0.274069}, k, 1e-6)
	data := make([]float32, 3*25)
	data[12] = 1 // the middle of red
	data[25] = 1 // the corner of green
	v := view{data, 1, 25}
	v.blur(0, 5, k, k, make([]float32, blurScratch(5, 3)))
	require.InDelta(t, 0.451863*0.451863, data[12], 1e-6)
	require.InDelta(t, 0.451863*0.274069, data[7], 1e-6)
	require.InDelta(t, 0.274069*0.274069, data[6], 1e-6)
	require.Zero(t, data[2])
	// Reflection about the edge pixel does not repeat it: the corner keeps its own weight only, and
	// its neighbour sees it once.
	require.InDelta(t, 0.451863*0.451863, data[25], 1e-6)
	require.InDelta(t, 0.274069*0.451863, data[26], 1e-6)
	flat := view{[]float32{0.3, 0.3, 0.3, 0.3}, 1, 4}
	flat.data = append(flat.data, make([]float32, 8)...)
	flat.blur(0, 2, gaussian(9, 2), gaussian(9, 2), make([]float32, blurScratch(2, 9)))
	require.InDeltaSlice(t, []float32{0.3, 0.3, 0.3, 0.3}, flat.data[:4], 1e-6, "a kernel wider than the frame")
}

// The recipe's blur has nine taps, one sigma in 0.1-2 for both axes; only the setting reads the pair as
// (x, y), which leaves rows nearly as they are (exp(-50) beside 1) and blurs columns by sigma 2.
func TestBlurSigma(t *testing.T) {
	a := DefaultSpec().VideoLocal
	require.Equal(t, []any{9, [2]float64{0.1, 2}, 0.5, false}, []any{a.BlurKernel, a.BlurSigma, a.Blur, a.BlurPair})
	r := rng.New(6)
	low, high := float32(1), float32(0)
	for range 2000 {
		x, y := a.BlurKernels(r)
		require.Equal(t, x, y)
		low, high = min(low, x[4]), max(high, x[4])
	}
	// The middle tap is 1 for sigma 0.1 and 1/(1+2*(0.882497+0.606531+0.324652+0.135335)) = 0.204164 for 2.
	require.InDelta(t, 1, high, 1e-6)
	require.InDelta(t, 0.204164, low, 0.002)
	a.BlurPair = true
	x, y := a.BlurKernels(r)
	require.InDelta(t, 1, x[4], 1e-6)
	require.InDelta(t, 0.204164, y[4], 1e-6)
	require.InDelta(t, 0.204164*0.882497, y[5], 1e-6)
	data := make([]float32, 3*81)
	data[40] = 1
	view{data, 1, 81}.blur(0, 9, x, y, make([]float32, blurScratch(9, len(x))))
	require.InDelta(t, 0.204164, data[40], 1e-6)
	require.InDelta(t, 0, data[41], 1e-6, "nothing along x")
	require.InDelta(t, 0.204164*0.882497, data[49], 1e-6)
	require.NoError(t, a.validate("v"))
}

// To the nearest pixel, halves to even; what lies outside 0..1 takes the end.
func TestStore(t *testing.T) {
	v := view{[]float32{0, 1, -0.1, 1.1, 0.485, 0.5, 0.498, 0.49, 0.001}, 3, 1}
	dst := make([]uint8, 9)
	v.store(dst)
	// Times 255: 123.675, 127.5, 126.99, 124.95, 0.255.
	require.Equal(t, []uint8{0, 255, 0, 255, 124, 128, 127, 125, 0}, dst)
	// float32 has 0.3 as 0.300000012 and 0.7 as 0.699999988: times 255 they lie above 76.5 and below 178.5, but a product
	// in float32 would be halves, and the first go to 76.
	v = view{[]float32{0.1, 0.3, 0.7}, 1, 1}
	v.store(dst[:3])
	require.Equal(t, []uint8{26, 77, 178}, dst[:3])
	// Every pixel that comes in as it is goes out as it is.
	for p := range 256 {
		v = oneColour(float32(p)/255, float32(p)*(1./255), float32(p)/255)
		v.store(dst[:3])
		require.Equal(t, []uint8{uint8(p), uint8(p), uint8(p)}, dst[:3])
	}
}

// With all draws fixed by their ranges the whole chain has a closed form.
func TestAugmentVideoChain(t *testing.T) {
	c := &media.Clip{T: 2, W: 8, H: 8}
	for i := range 2 * 8 * 8 {
		if i < 64 {
			c.Frames = append(c.Frames, 51, 102, 204)
		} else {
			c.Frames = append(c.Frames, 204, 102, 51)
		}
	}
	a := VideoAug{Scale: [2]float64{1, 1}, Ratio: [2]float64{1, 1}, Grey: 1, Blur: 1, BlurSigma: [2]float64{1, 1}, BlurKernel: 3}
	dst, work := make([]uint8, 3*2*4*4), make([]float32, 3*2*4*4+1)
	augmentVideo(dst, c, 0, 2, 4, a, rng.New(1), work, make([]float32, blurScratch(4, 3)))
	// The first frame's grey, as above: 0.38578*255 = 98.37.
	require.InDelta(t, 0.38578, work[5], 1e-6)
	require.Equal(t, uint8(98), dst[5])
	// The second frame's grey: 0.8*0.2989+0.4*0.587+0.2*0.114 = 0.49672, and 0.49672*255 = 126.66.
	require.InDelta(t, 0.49672, work[2*32+16+5], 1e-6)
	require.Equal(t, uint8(127), dst[2*32+16+5])
	// Both are the same all over.
	for i, v := range dst {
		require.Equal(t, []uint8{98, 127}[i/16%2], v)
	}
}

// All frames of a view share one draw: a still clip stays still.
func TestOneDrawPerView(t *testing.T) {
	still := &media.Clip{T: 4, W: 20, H: 16}
	r := rand.New(rand.NewPCG(5, 5))
	one := make([]uint8, 20*16*3)
	for i := range one {
		one[i] = uint8(r.IntN(256))
	}
	for range 4 {
		still.Frames = append(still.Frames, one...)
	}
	spec := DefaultSpec()
	dst, work := make([]uint8, 3*4*12*12), make([]float32, 3*4*12*12)
	for seed := range uint64(20) {
		augmentVideo(dst, still, 0, 4, 12, spec.VideoLocal, rng.New(seed), work, make([]float32, blurScratch(12, spec.VideoLocal.BlurKernel)))
		for c := range 3 {
			first := work[c*4*144:][:144]
			for f := 1; f < 4; f++ {
				require.Equal(t, first, work[(c*4+f)*144:][:144], "before rounding")
				require.Equal(t, dst[c*4*144:][:144], dst[(c*4+f)*144:][:144])
			}
		}
	}
}

func TestGainShiftsTheLogMel(t *testing.T) {
	sg, err := NewSpectrogram(16000, 1024, 167, 48)
	require.NoError(t, err)
	wave := loadGenerated(t, synthetic.New(synthetic.Config{Difficulty: 1}), 2, media.Span{Start: 0, Seconds: 1}).Wave
	before := append([]float32{}, sg.LogMel(nil, wave)...)
	scaleWave(wave, 1.2)
	after := sg.LogMel(nil, wave)
	best := 0
	for i := range before {
		if before[i] > before[best] {
			best = i
		}
	}
	// Power goes with the square: log(1.44)/4.410007 = 0.0826863.
	require.InDelta(t, 0.0826863, after[best]-before[best], 1e-4)
}

// Keys' kernel with a = -0.75 at halves and quarters, worked out by hand:
// w(0.5) = 1.25/8 - 2.25/4 + 1, w(1.5) = -0.75*(27/8 - 5*9/4 + 12 - 4).
func TestCubicKernel(t *testing.T) {
	require.InDelta(t, 0.59375, cubic(0.5), 1e-12)
	require.InDelta(t, -0.09375, cubic(1.5), 1e-12)
	require.InDelta(t, 1, cubic(0), 1e-12)
	require.InDelta(t, 0, cubic(1), 1e-12)
	require.InDelta(t, 0, cubic(2), 1e-12)
	require.InDelta(t, 1.25/64-2.25/16+1, cubic(0.25), 1e-12)
	for _, x := range []float64{0, 0.1, 0.37, 0.99} {
		require.InDelta(t, 1, cubic(1+x)+cubic(x)+cubic(1-x)+cubic(2-x), 1e-12)
	}
}

func TestResizeCrop(t *testing.T) {
	aug := AudioAug{ResizeCrop: true, CanvasFreq: 1, CanvasTime: 1.5, FreqScale: [2]float64{0.6, 1.5}, TimeScale: [2]float64{0.6, 1.5}}
	c := newResizeCrop(4, 6, aug)
	require.Equal(t, []int{4, 9, 0, 1}, []int{c.canvasH, c.canvasW, c.top, c.left})
	mel := make([]float32, 24)
	for i := range mel {
		mel[i] = float32(1 + i)
	}
	keep := append([]float32{}, mel...)
	// The crop that is the log-mel itself changes nothing.
	c.y, c.x, c.h, c.w = 0, 1, 4, 6
	c.apply(mel)
	require.InDeltaSlice(t, keep, mel, 1e-6)
	// One column right and two more than the log-mel has: zeros come in, corners stay corners.
	copy(mel, keep)
	c.x, c.w = 2, 6
	c.apply(mel)
	require.InDeltaSlice(t, []float32{2, 3, 4, 5, 6, 0}, mel[:6], 1e-6)
	require.InDeltaSlice(t, []float32{20, 21, 22, 23, 24, 0}, mel[18:], 1e-6)
	// A crop of one cell fills everything; the canvas's own corner is zero.
	copy(mel, keep)
	c.y, c.x, c.h, c.w = 2, 3, 1, 1
	c.apply(mel)
	for _, v := range mel {
		require.Equal(t, float32(15), v)
	}
	c.y, c.x = 0, 8
	c.apply(mel)
	require.Equal(t, make([]float32, 24), mel)
}

// Four samples to seven with corners aligned: every second is a sample, the others are halfway:
// 0.59375*(x1+x2) - 0.09375*(x0+x3), indices held at the ends.
func TestCubicResizeByHand(t *testing.T) {
	taps := make([]cubicTap, 7)
	cubicTaps(taps, 4)
	x := []float64{1, 4, 9, 25}
	at := func(i int) float64 {
		sum := 0.0
		for k, j := range taps[i].at {
			sum += float64(taps[i].w[k]) * x[j]
		}
		return sum
	}
	for i, want := range []float64{1, 0.59375*5 - 0.09375*10, 4, 0.59375*13 - 0.09375*26, 9, 0.59375*34 - 0.09375*29, 25} {
		require.InDelta(t, want, at(i), 1e-5, "sample %d", i)
	}
}

func TestResizeCropRanges(t *testing.T) {
	aug := DefaultSpec().AudioLocal
	c := newResizeCrop(80, 112, aug)
	r := rng.New(9)
	sum, clipped := 0.0, 0
	const n = 20000
	for range n {
		c.draw(r, aug)
		require.True(t, c.y >= 0 && c.x >= 0 && c.y+c.h <= 80 && c.x+c.w <= 168 && c.h >= 48 && c.w >= 67)
		sum += float64(c.w) / 112 / n
		if c.h == 80 {
			clipped++
		}
	}
	require.InDelta(t, 1.05-0.5/112, sum, 0.01, "the time scale is uniform in 0.6..1.5 and rounded down")
	require.InDelta(t, 0.5/0.9, float64(clipped)/n, 0.02, "frequency scales above one take all bands")
}

func BenchmarkAugmentVideo(b *testing.B) {
	for name, spec := range map[string]Spec{"nano": NanoSpec(), "recipe": DefaultSpec()} {
		b.Run(name, func(b *testing.B) {
			src := synthetic.New(synthetic.Config{Seconds: 4, Size: spec.Size})
			c := loadGenerated(b, src, 0, media.Span{Start: 0, Seconds: spec.Seconds})
			dst, work := make([]uint8, spec.videoGlobal()), make([]float32, spec.videoGlobal())
			scratch := make([]float32, blurScratch(spec.Size, spec.Video.BlurKernel))
			seed := uint64(0)
			for b.Loop() {
				seed++
				augmentVideo(dst, c, 0, spec.Frames, spec.Size, spec.Video, rng.New(seed), work, scratch)
			}
		})
	}
}
