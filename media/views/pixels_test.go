package views

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/internal/rng"
	"goxkd/layers"
	"goxkd/media"
	"goxkd/media/synthetic"
)

// normalization is what the device normalises video by.
func normalization() (n op.Normalization) {
	for c := range 3 {
		n.Mean[c], n.Std[c] = float64(VideoMean[c]), float64(VideoStd[c])
	}
	return n
}

// patcher cuts views [n,3,frames,size,size] into patches on the CPU path, as a step does: bytes, which are normalised on the
// way, and floats, which are so already.
type patcher struct {
	bytes, floats         *graph.Node // inputs
	fromBytes, fromFloats *graph.Node // patches, in which channels go fastest
	e                     graph.Executor
}

func newPatcher(t *testing.T, n, frames, size int) *patcher {
	t.Helper()
	p := &patcher{}
	g, err := graph.Build(func(g *graph.Graph) {
		p.bytes = g.InputAs("bytes", graph.Uint8, n, 3, frames, size, size)
		p.floats = g.InputAs("floats", graph.Float32, n, 3, frames, size, size)
		p.fromBytes = g.Keep(op.PixelPatches(g, p.bytes, [3]int{2, 8, 8}, normalization()))
		p.fromFloats = g.Keep(layers.Patchify(g, p.floats, layers.Patch{T: 2, H: 8, W: 8}, normalization()).Tokens)
	})
	require.NoError(t, err)
	p.e, err = cpu.Device{}.Compile(g, graph.PlanOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.e.Close()) })
	return p
}

// run writes both and reads the patches of both.
func (p *patcher) run(t *testing.T, bytes []uint8, floats []float32) (fromBytes, fromFloats []float32) {
	t.Helper()
	require.NoError(t, p.e.WriteBytes(p.bytes, bytes))
	require.NoError(t, p.e.Write(p.floats, floats))
	require.NoError(t, p.e.Run(context.Background()))
	fromBytes, fromFloats = make([]float32, len(bytes)), make([]float32, len(bytes))
	require.NoError(t, p.e.Read(p.fromBytes, fromBytes))
	require.NoError(t, p.e.Read(p.fromFloats, fromFloats))
	return fromBytes, fromFloats
}

// What a step sees of the bytes is what it would see of the view before rounding, to half a step of 1/255.
func TestBytesAreTheView(t *testing.T) {
	spec := smallSpec()
	src := synthetic.New(synthetic.Config{Clips: 8, Difficulty: 0.5, Seed: 2})
	for name, c := range map[string]struct {
		frames, size int
		aug          VideoAug
	}{"global": {spec.Frames, spec.Size, spec.Video}, "local": {spec.LocalFrames, spec.LocalSize, spec.VideoLocal}} {
		p := newPatcher(t, 1, c.frames, c.size)
		plane := c.frames * c.size * c.size
		dst, work, scratch := make([]uint8, 3*plane), make([]float32, 3*plane), make([]float32, blurScratch(c.size, c.aug.BlurKernel))
		floats := make([]float32, 3*plane)
		var worst [3]float64 // in steps
		for seed := range uint64(8) {
			clip := loadGenerated(t, src, int(seed), media.Span{Seconds: 1})
			augmentVideo(dst, clip, 0, c.frames, c.size, c.aug, rng.New(seed), work, scratch)
			for i, v := range work {
				require.True(t, v >= -1e-6 && v <= 1+1e-6, "%s: %g is no pixel", name, v)
				ch := i / plane
				floats[i] = (v - VideoMean[ch]) / VideoStd[ch]
			}
			got, want := p.run(t, dst, floats)
			for i := range got {
				ch := i % 3
				off := math.Abs(float64(got[i]-want[i])) * 255 * float64(VideoStd[ch])
				worst[ch] = max(worst[ch], off)
			}
		}
		for _, w := range worst {
			require.LessOrEqual(t, w, 0.5+1e-3, name)
			require.Greater(t, w, 0.45, "%s: views that need no rounding prove nothing", name)
		}
	}
}

// All that a batch holds is within what black and white are normalised to, and the pictures have both dark and light.
func TestBatchesStayInRange(t *testing.T) {
	spec := smallSpec()
	src := synthetic.New(synthetic.Config{Clips: 6, Difficulty: 0.5, Seed: 3})
	check := func(frames, size, n int, bytes []uint8) {
		t.Helper()
		got, _ := newPatcher(t, n, frames, size).run(t, bytes, make([]float32, len(bytes)))
		var low, high [3]float64
		for i, v := range got {
			low[i%3], high[i%3] = min(low[i%3], float64(v)), max(high[i%3], float64(v))
		}
		for ch := range 3 {
			mean, std := float64(VideoMean[ch]), float64(VideoStd[ch])
			require.GreaterOrEqual(t, low[ch], -mean/std-1e-6)
			require.LessOrEqual(t, high[ch], (1-mean)/std+1e-6)
			require.Less(t, low[ch], -0.5)
			require.Greater(t, high[ch], 0.5)
		}
	}
	for _, b := range batches(t, src, LoaderConfig{Batch: 3, Seed: 4}, 2) {
		check(spec.Frames, spec.Size, b.B, b.VideoGlobal)
		for _, local := range b.VideoLocal {
			check(spec.LocalFrames, spec.LocalSize, b.B, local)
		}
		for _, list := range append([][]float32{b.AudioGlobal}, b.AudioLocal...) {
			for _, v := range list {
				require.True(t, math.Abs(float64(v)) <= 20, "%g", v)
			}
		}
	}
	b, _, err := Centre(context.Background(), src, spec, []int{0, 1, 2}, CentreOptions{})
	require.NoError(t, err)
	check(spec.Frames, spec.Size, b.B, b.VideoGlobal)
}

// Where a view has the size of the frames, the clip's pixels are those of the centre's view, one by one.
func TestCentreKeepsPixels(t *testing.T) {
	spec := smallSpec()
	src := synthetic.New(synthetic.Config{Clips: 2, Difficulty: 0.5, Size: spec.Size, Seconds: spec.Seconds})
	clip := loadGenerated(t, src, 1, media.Span{Seconds: spec.Seconds})
	require.Equal(t, []int{spec.Frames, spec.Size, spec.Size}, []int{clip.T, clip.H, clip.W})
	b, _, err := Centre(context.Background(), src, spec, []int{1}, CentreOptions{})
	require.NoError(t, err)
	plane := clip.T * clip.H * clip.W
	for i, v := range clip.Frames {
		require.Equal(t, v, b.VideoGlobal[i%3*plane+i/3])
	}
}

// A viewer's scratch serves all views: nothing as large as a view is made per clip.
func TestViewsTakeNoMemory(t *testing.T) {
	spec := smallSpec()
	sg, err := spec.newSpectrogram()
	require.NoError(t, err)
	v := newViewer(spec, sg)
	b := spec.newBatch(1, true, false, true)
	clip := loadGenerated(t, synthetic.New(synthetic.Config{Clips: 1}), 0, media.Span{Seconds: spec.Seconds})
	var before, after runtime.MemStats
	const times = 50
	runtime.ReadMemStats(&before)
	for epoch := range uint64(times) {
		v.augment(b, 0, clip, 1, epoch, 0)
		v.centre(b, 0, clip, 0.5)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/times, uint64(4*spec.videoLocal()), "less than the smallest view in floats")

	kernel := gaussian(9, 1.3)
	plane, scratch := make([]float32, 48*48), make([]float32, blurScratch(48, len(kernel)))
	require.Zero(t, testing.AllocsPerRun(10, func() { blurPlane(plane, 48, kernel, kernel, scratch) }), "a frame is blurred in place")
}
