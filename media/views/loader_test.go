package views

import (
	"context"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
	"goxkd/media/synthetic"
)

// smallSpec is NanoSpec with two local views of each modality, which the recipe's variants have.
func smallSpec() Spec {
	s := NanoSpec()
	s.VideoLocals, s.AudioLocals = 2, 2
	return s
}

func batches(t testing.TB, src media.Source, cfg LoaderConfig, n int) []*Batch {
	t.Helper()
	l, err := NewLoader(context.Background(), src, smallSpec(), cfg)
	require.NoError(t, err)
	defer l.Close()
	var out []*Batch
	for range n {
		b, err := l.Next()
		require.NoError(t, err)
		out = append(out, b)
	}
	return out
}

func TestSpecs(t *testing.T) {
	require.NoError(t, DefaultSpec().Validate())
	require.NoError(t, NanoSpec().Validate())
	require.Equal(t, 16000, DefaultSpec().LocalSamples())
	require.Equal(t, 4000, NanoSpec().LocalSamples())
	require.Equal(t, 9, DefaultSpec().VideoLocal.BlurKernel, "96//20*2+1")
	for name, spoil := range map[string]func(*Spec){
		"seconds": func(s *Spec) { s.Seconds = math.NaN() }, "frames": func(s *Spec) { s.Frames++ },
		"spec_frames": func(s *Spec) { s.SpecFrames-- }, "hop": func(s *Spec) { s.Hop = 0 },
		"local_frames": func(s *Spec) { s.LocalFrames = 99 }, "log_std": func(s *Spec) { s.LogStd = 0 },
		"video.scale": func(s *Spec) { s.Video.Scale[0] = 2 }, "blur_kernel": func(s *Spec) { s.VideoLocal.BlurKernel = 4 },
		"canvas": func(s *Spec) { s.AudioLocal.CanvasTime = 0.5 }, "audio.gain": func(s *Spec) { s.Audio.Gain = -1 },
	} {
		s := NanoSpec()
		spoil(&s)
		require.ErrorContains(t, s.Validate(), name)
	}
}

func TestLoaderIsDeterministic(t *testing.T) {
	src := synthetic.New(synthetic.Config{Clips: 10, Difficulty: 0.5, Seed: 1})
	one := batches(t, src, LoaderConfig{Batch: 4, Seed: 7, Workers: 1, Prefetch: 1}, 6)
	eight := batches(t, src, LoaderConfig{Batch: 4, Seed: 7, Workers: 8, Prefetch: 5}, 6)
	require.Equal(t, one, eight, "the number of workers does not matter")
	resumed := batches(t, src, LoaderConfig{Batch: 4, Seed: 7, Workers: 3, StartStep: 4}, 2)
	require.Equal(t, one[4:], resumed, "a resumed run goes on alike")
	other := batches(t, src, LoaderConfig{Batch: 4, Seed: 8}, 1)
	require.NotEqual(t, one[0].VideoGlobal, other[0].VideoGlobal)

	s := smallSpec()
	require.Len(t, one[0].VideoGlobal, 4*3*8*48*48)
	require.Len(t, one[0].AudioGlobal, 4*48*96)
	require.Len(t, one[0].VideoLocal, 2)
	require.Len(t, one[0].VideoLocal[1], 4*3*2*40*40)
	require.Len(t, one[0].AudioLocal[1], 4*48*24)
	require.NotEqual(t, one[0].VideoLocal[0], one[0].VideoLocal[1], "each view has its own draw")
	require.NotEqual(t, one[0].AudioLocal[0], one[0].AudioLocal[1])

	// Ten positions are one epoch and hold every clip once; a batch spans the two epochs.
	var order []int
	for step, b := range one {
		require.Equal(t, step, b.Step)
		order = append(order, b.Indices...)
		for i, index := range b.Indices {
			require.Equal(t, src.Label(index), b.Labels[i])
			require.Equal(t, src.Name(index), b.Names[i])
		}
		for _, v := range b.AudioLocal[0] {
			require.False(t, math.IsNaN(float64(v)) || math.Abs(float64(v)) > 20)
		}
	}
	require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order[:10])
	require.ElementsMatch(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order[10:20])
	require.NotEqual(t, order[:10], order[10:20])
	require.Equal(t, s.videoGlobal()*4, len(one[0].VideoGlobal))
}

func TestLoaderReplacesBadClips(t *testing.T) {
	good := synthetic.New(synthetic.Config{Clips: 9, Seed: 1})
	src := mediatest.Faulty{Source: good, Bad: func(i int) bool { return i%3 == 0 }}
	cfg := LoaderConfig{Batch: 3, Seed: 2, Workers: 1}
	whole := batches(t, good, cfg, 6)
	a := batches(t, src, cfg, 6)
	cfg.Workers, cfg.StartStep = 4, 2
	require.Equal(t, a[2:], batches(t, src, cfg, 4))
	for step, b := range a {
		for i, index := range b.Indices {
			require.NotZero(t, index%3)
			if was := whole[step].Indices[i]; was%3 != 0 {
				require.Equal(t, was, index, "the rest of the order stays")
			}
		}
	}
	l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 9, Seed: 2})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Next()
	require.NoError(t, err)
	stats := l.Stats()
	require.GreaterOrEqual(t, stats.Skipped, 3)
	require.Len(t, stats.Reasons, 3, "each clip is named once")
	require.Contains(t, stats.Reasons[0].Reason, "broken")
	require.Positive(t, stats.WaitSeconds)
}

func TestLoaderGivesUpWhenNothingWorks(t *testing.T) {
	src := mediatest.Faulty{Source: synthetic.New(synthetic.Config{Clips: 5}), Bad: func(int) bool { return true }}
	l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 2})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Next()
	require.ErrorContains(t, err, "none of the 5 clips")
	require.ErrorContains(t, err, "broken")
	_, err = l.Next()
	require.Error(t, err)
}

// When most clips fail that worked before, batches end, at the same one whatever the workers.
func TestLoaderEndsWhereClipsAreLost(t *testing.T) {
	run := func(workers int, most float64, bad func(i int) bool) (int, error) {
		src := mediatest.Faulty{Source: synthetic.New(synthetic.Config{Clips: 40, Seed: 1}), Bad: bad}
		l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 4, Seed: 2, Workers: workers, MostLost: most})
		require.NoError(t, err)
		defer l.Close()
		for step := range 24 {
			if _, err := l.Next(); err != nil {
				return step, err
			}
		}
		return 24, nil
	}
	most := func(i int) bool { return i%5 > 1 }
	step, err := run(1, 0, most)
	var lost LostError
	require.ErrorAs(t, err, &lost)
	require.Equal(t, 15, step, "not before 64 clips are asked for")
	require.Equal(t, 64, lost.Asked)
	require.Greater(t, lost.Failed, 32)
	require.Len(t, lost.Bad, 3)
	require.ErrorContains(t, err, "of the last 64 clips could not be read; the first are ")
	require.ErrorContains(t, err, "broken")
	again, same := run(3, 0, most)
	require.Equal(t, step, again)
	require.Equal(t, err.Error(), same.Error())
	_, err = run(2, 0.7, most)
	require.NoError(t, err, "of a share that is allowed")
	_, err = run(2, 0, func(i int) bool { return i%5 > 2 })
	require.NoError(t, err)
}

func TestLoaderRefusesNonsense(t *testing.T) {
	src := synthetic.New(synthetic.Config{Clips: 4})
	ctx := context.Background()
	for _, cfg := range []LoaderConfig{{}, {Batch: -1}, {Batch: 2, StartStep: -1}} {
		_, err := NewLoader(ctx, src, smallSpec(), cfg)
		require.Error(t, err)
	}
	_, err := NewLoader(ctx, src, Spec{}, LoaderConfig{Batch: 1})
	require.ErrorContains(t, err, "seconds")
	// A source at another rate would make every clip wrong: that is an error, not a skip.
	l, err := NewLoader(ctx, synthetic.New(synthetic.Config{Rate: 8000}), smallSpec(), LoaderConfig{Batch: 1})
	require.NoError(t, err)
	defer l.Close()
	_, err = l.Next()
	require.ErrorContains(t, err, "8000 Hz")
}

func TestLoaderEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	src := synthetic.New(synthetic.Config{Clips: 8})
	ctx, cancel := context.WithCancel(context.Background())
	l, err := NewLoader(ctx, src, smallSpec(), LoaderConfig{Batch: 4, Workers: 4, Prefetch: 3})
	require.NoError(t, err)
	_, err = l.Next()
	require.NoError(t, err)
	cancel()
	_, err = l.Next()
	require.True(t, errors.Is(err, context.Canceled))
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	require.LessOrEqual(t, mediatest.Settled(before), before, "no goroutine is left")
}

func TestLoaderReusesReleasedBatches(t *testing.T) {
	src := synthetic.New(synthetic.Config{Clips: 8, Difficulty: 0.5})
	cfg := LoaderConfig{Batch: 3, Seed: 1, Workers: 2}
	want := batches(t, src, cfg, 12)
	l, err := NewLoader(context.Background(), src, smallSpec(), cfg)
	require.NoError(t, err)
	defer l.Close()
	for _, w := range want {
		b, err := l.Next()
		require.NoError(t, err)
		require.Equal(t, w, b)
		l.Release(b)
	}
	l.Release(nil)
	l.Release(&Batch{B: 3})
}

func TestCentre(t *testing.T) {
	src := mediatest.Faulty{Source: synthetic.New(synthetic.Config{Clips: 9, Difficulty: 0.3}), Bad: func(i int) bool { return i == 4 }}
	ctx := context.Background()
	spec := smallSpec()
	b, bad, err := Centre(ctx, src, spec, []int{7, 4, 2}, CentreOptions{})
	require.NoError(t, err)
	require.Equal(t, 2, b.B)
	require.Equal(t, []int{7, 2}, b.Indices)
	require.Equal(t, []int{7, 2}, b.Labels)
	require.Len(t, bad, 1)
	require.Len(t, b.VideoGlobal, 2*spec.videoGlobal())
	again, _, err := Centre(ctx, src, spec, []int{2}, CentreOptions{Workers: 1})
	require.NoError(t, err)
	require.Equal(t, again.VideoGlobal, b.VideoGlobal[spec.videoGlobal():])
	require.Equal(t, again.AudioGlobal, b.AudioGlobal[spec.audioGlobal():])
	first, _, err := Centre(ctx, src, spec, []int{2}, CentreOptions{Segment: 0, Segments: 3})
	require.NoError(t, err)
	middle, _, err := Centre(ctx, src, spec, []int{2}, CentreOptions{Segment: 1, Segments: 3})
	require.NoError(t, err)
	require.Equal(t, again.AudioGlobal, middle.AudioGlobal)
	require.NotEqual(t, again.AudioGlobal, first.AudioGlobal)
	_, _, err = Centre(ctx, src, spec, []int{4}, CentreOptions{})
	require.ErrorContains(t, err, "broken")
	_, _, err = Centre(ctx, src, spec, []int{9}, CentreOptions{})
	require.ErrorContains(t, err, "no clip 9")
	b, _, err = Centre(ctx, src, spec, nil, CentreOptions{})
	require.NoError(t, err)
	require.Zero(t, b.B)
}

func BenchmarkLoader(b *testing.B) {
	for _, c := range []struct {
		name    string
		spec    Spec
		workers int
	}{{"nano/workers=1", NanoSpec(), 1}, {"nano/workers=2", NanoSpec(), 2}, {"recipe/workers=2", DefaultSpec(), 2}} {
		b.Run(c.name, func(b *testing.B) {
			src := synthetic.New(synthetic.Config{Difficulty: synthetic.DefaultDifficulty, Seed: 1, Seconds: c.spec.Seconds + 1})
			l, err := NewLoader(context.Background(), src, c.spec, LoaderConfig{Batch: 16, Workers: c.workers})
			require.NoError(b, err)
			defer l.Close()
			for b.Loop() {
				batch, err := l.Next()
				require.NoError(b, err)
				l.Release(batch)
			}
		})
	}
}

// Batches are made ahead up to a bound in bytes and no further.
func TestPrefetchBytes(t *testing.T) {
	spec := smallSpec()
	one := 4 * int64(spec.videoGlobal()+2*spec.videoLocal()+4*(spec.audioGlobal()+2*spec.audioLocal()))
	for _, c := range []struct {
		bytes int64
		ahead int
	}{{1, 1}, {2*one - 1, 1}, {2 * one, 2}, {100 * one, 3}} {
		l, err := NewLoader(context.Background(), mediatest.Generate(8), spec, LoaderConfig{Batch: 4, Prefetch: 3, PrefetchBytes: c.bytes})
		require.NoError(t, err)
		b, err := l.Next()
		require.NoError(t, err)
		require.EqualValues(t, one, len(b.VideoGlobal)+len(b.VideoLocal[0])+len(b.VideoLocal[1])+4*(len(b.AudioGlobal)+len(b.AudioLocal[0])+len(b.AudioLocal[1])))
		require.Equal(t, c.ahead, cap(l.slots))
		require.NoError(t, l.Close())
	}
}

func loadGenerated(t testing.TB, s *synthetic.Source, i int, span media.Span) *media.Clip {
	t.Helper()
	c, err := s.Load(context.Background(), i, span)
	require.NoError(t, err)
	return c
}
