package views

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/internal/shared"
	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/mediatest"
	"goxkd/media/pack"
	"goxkd/media/synthetic"
)

// packOptions fit smallSpec; openSmall opens what was packed with them.
var packOptions = pack.Options{FPS: 8, Size: 48, Rate: 16000, ShardBytes: 1 << 20, Workers: 2}

func packed(t testing.TB, src media.Corpus, opt pack.Options) (string, *pack.Report) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "packed")
	r, err := pack.Write(context.Background(), src, dir, opt)
	require.NoError(t, err)
	return dir, r
}

func openSmall(t testing.TB, dir string) (media.Corpus, *media.Report) {
	t.Helper()
	src, report, err := corpus.Open(context.Background(), dir, OptionsFor(smallSpec()))
	require.NoError(t, err)
	return src, report
}

// Files that go or change while a run reads them are skipped and named; one that was copied anew serves.
func TestLoaderSurvivesChanges(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	mediatest.Ramp(t, filepath.Join(dir, "a.mkv"), "1")
	raw, err := os.ReadFile(filepath.Join(dir, "a.mkv"))
	require.NoError(t, err)
	for _, name := range []string{"b.mkv", "c.mkv", "d.mkv"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o644))
	}
	src, _, err := corpus.Open(context.Background(), dir, mediatest.Small(media.FolderOptions{CacheBytes: -1}))
	require.NoError(t, err)
	require.NoError(t, os.Remove(filepath.Join(dir, "a.mkv")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.mkv"), raw[:20], 0o644))
	mediatest.FFmpeg(t, "-f", "lavfi", "-i", "testsrc=s=64x64:r=8:d=1", "-f", "lavfi", "-i", "sine=d=1", "-f", "matroska", "file:"+filepath.Join(dir, "c.mkv"))
	require.NoError(t, os.Chtimes(filepath.Join(dir, "d.mkv"), time.Now(), time.Now().Add(time.Hour)))
	l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 4, Workers: 1})
	require.NoError(t, err)
	defer l.Close()
	b, err := l.Next()
	require.NoError(t, err)
	require.Equal(t, []string{"d.mkv", "d.mkv", "d.mkv", "d.mkv"}, b.Names)
	why := map[string]string{}
	for _, r := range l.Stats().Reasons {
		why[r.Path] = r.Reason
	}
	require.Contains(t, why["a.mkv"], "has gone since")
	require.Contains(t, why["b.mkv"], "has changed since")
	require.Contains(t, why["c.mkv"], "holds other streams now")
	require.Len(t, why, 3)
}

func TestPackedTrainsLikeItsSource(t *testing.T) {
	src := mediatest.Generate(10)
	dir, _ := packed(t, src, packOptions)
	p, _ := openSmall(t, dir)
	cfg := LoaderConfig{Batch: 4, Seed: 3, Workers: 1}
	want := batches(t, src, cfg, 4)
	require.True(t, reflect.DeepEqual(want, batches(t, p, cfg, 4)))
	cfg.Workers, cfg.Prefetch = 8, 3
	require.True(t, reflect.DeepEqual(want, batches(t, p, cfg, 4)))
	for _, span := range []media.Span{{Start: 0, Seconds: 1}, {Start: 0.5, Seconds: 1}, {Start: 1.2, Seconds: 1}, {Start: 0, Seconds: 9}, {Start: 0.25, Seconds: 0.01}} {
		whole, err := src.Load(context.Background(), 3, media.Span{Start: 0, Seconds: 1.5})
		require.NoError(t, err)
		c, err := p.Load(context.Background(), 3, span)
		require.NoError(t, err)
		require.Equal(t, whole.Cut(span), c)
	}
	_, err := p.Load(context.Background(), 10, media.Span{Start: 0, Seconds: 1})
	require.ErrorContains(t, err, "no clip 10")
}

// Memory stays where it is however many clips have passed.
func TestLoaderMemoryIsFlat(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 20,000 clips")
	}
	spec := NanoSpec()
	spec.Seconds, spec.Frames, spec.Size, spec.LocalFrames, spec.LocalSize = 0.25, 2, 16, 1, 8
	spec.Rate, spec.NFFT, spec.Hop, spec.Mels = 1600, 64, 40, 8
	spec.SpecFrames, spec.LocalSpecFrames = 11, 3
	spec.Audio.ResizeCrop, spec.AudioLocal.ResizeCrop = false, false
	require.NoError(t, spec.Validate())
	src := mediatest.Generated{Source: synthetic.New(synthetic.Config{Clips: 2000, Seed: 1, Seconds: 0.5, Size: 16, Rate: 1600})}
	dir, _ := packed(t, src, pack.Options{FPS: 8, Size: 16, Rate: 1600, ShardBytes: 1 << 20})
	// A damaged clip and its remembered failures are part of the picture.
	shard := filepath.Join(dir, "shard-000000.tar")
	raw, err := os.ReadFile(shard)
	require.NoError(t, err)
	raw[1024+10] ^= 1
	require.NoError(t, os.WriteFile(shard, raw, 0o644))
	p, _, err := corpus.Open(context.Background(), dir, OptionsFor(spec))
	require.NoError(t, err)
	const batch = 50
	l, err := NewLoader(context.Background(), p, spec, LoaderConfig{Batch: batch})
	require.NoError(t, err)
	defer l.Close()
	// The workers go on beside the measurement: the least of several batches is what is kept.
	const samples = 10
	heap := []uint64{math.MaxUint64, math.MaxUint64}
	for clips := batch; clips <= 20000; clips += batch {
		b, err := l.Next()
		require.NoError(t, err)
		l.Release(b)
		for i, mark := range []int{2000, 20000} {
			if clips <= mark-samples*batch || clips > mark {
				continue
			}
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap[i] = min(heap[i], m.HeapAlloc)
		}
	}
	t.Logf("heap after 2,000 clips: %d kB, after 20,000: %d kB", heap[0]>>10, heap[1]>>10)
	require.Less(t, float64(heap[1]), 1.1*float64(heap[0])+512<<10)
}

// A loader over files is as deterministic as one over generated clips, cache or not.
func TestCacheChangesNoBatch(t *testing.T) {
	mediatest.NeedTools(t)
	grid := shared.Path(t, "data", "grid", "clips")
	clips := mediatest.LinkSome(t, grid, "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4")
	ctx := context.Background()
	f, _, err := corpus.Open(ctx, clips, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	cached := batches(t, f, LoaderConfig{Batch: 3, Seed: 1, Workers: 2}, 4)
	f, _, err = corpus.Open(ctx, clips, mediatest.Small(media.FolderOptions{CacheBytes: -1}))
	require.NoError(t, err)
	require.Equal(t, cached[2:], batches(t, f, LoaderConfig{Batch: 3, Seed: 1, Workers: 1, StartStep: 2}, 2))
}

// BenchmarkGrid reads real clips, the cache warm after the first pass.
func BenchmarkGrid(b *testing.B) {
	mediatest.NeedTools(b)
	grid := shared.Path(b, "data", "grid", "clips")
	dir := mediatest.LinkSome(b, grid, "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4")
	for _, cache := range []int64{0, -1} {
		b.Run(map[int64]string{0: "cached", -1: "uncached"}[cache], func(b *testing.B) {
			opt := mediatest.Small(media.FolderOptions{CacheBytes: cache})
			f, _, err := corpus.Open(context.Background(), dir, opt)
			require.NoError(b, err)
			l, err := NewLoader(context.Background(), f, NanoSpec(), LoaderConfig{Batch: 16})
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

// Files and their pack give the same batches, and a long file is packed in parts.
func TestPackOfFiles(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	mediatest.AV(t, filepath.Join(dir, "a.mkv"), 1.6, "96x64", 25, append(x264, "-c:a", "pcm_s16le")...)
	mediatest.AV(t, filepath.Join(dir, "b.mp4"), 2.3, "64x64", 10, x264...)
	mediatest.AV(t, filepath.Join(dir, "c.mp4"), 0.4, "48x80", 12, x264...)
	ctx := context.Background()
	f, _, err := corpus.Open(ctx, dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	out, r := packed(t, f, packOptions)
	require.Equal(t, 3, r.Clips)
	p, _ := openSmall(t, out)
	want := batches(t, f, LoaderConfig{Batch: 3, Seed: 5, Workers: 1}, 3)
	require.True(t, reflect.DeepEqual(want, batches(t, f, LoaderConfig{Batch: 3, Seed: 5, Workers: 8}, 3)))
	require.True(t, reflect.DeepEqual(want, batches(t, p, LoaderConfig{Batch: 3, Seed: 5, Workers: 8}, 3)))
	require.True(t, reflect.DeepEqual(want, batches(t, p, LoaderConfig{Batch: 3, Seed: 5, Workers: 1}, 3)))
	// Sound that was stored in 16 bits at this rate loses nothing in 16 bits.
	raw, err := os.ReadFile(filepath.Join(out, "shard-000000.tar.idx.json"))
	require.NoError(t, err)
	var index struct{ Samples []struct{ Format string } }
	require.NoError(t, json.Unmarshal(raw, &index))
	require.Equal(t, []string{"s16le", "f32le"}, []string{index.Samples[0].Format, index.Samples[1].Format})

	opt := packOptions
	opt.MaxSeconds = 1
	out, _ = packed(t, f, opt)
	p, _ = openSmall(t, out)
	var names []string
	for i := range p.Len() {
		names = append(names, p.Name(i))
		require.LessOrEqual(t, p.Duration(i), 1.0)
	}
	require.Equal(t, []string{"a.mkv#1", "a.mkv#2", "b.mp4#1", "b.mp4#2", "b.mp4#3", "c.mp4"}, names)
	// A changed file is another corpus.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labels.csv"), []byte("clip,kind\na,x\n"), 0o644))
	f, _, err = corpus.Open(ctx, dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	_, err = pack.Write(ctx, f, out, opt)
	require.ErrorContains(t, err, "other clips")
}

// BenchmarkSources reads one clip after another: real ones from files, the same from their pack, and
// generated ones from theirs.
func BenchmarkSources(b *testing.B) {
	run := func(name string, src media.Source) {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				_, err := src.Load(context.Background(), i%src.Len(), media.Span{Start: 1, Seconds: 1})
				require.NoError(b, err)
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "clips/s")
		})
	}
	dir, _ := packed(b, mediatest.Generate(64), packOptions)
	p, _ := openSmall(b, dir)
	run("generated/packed", p)

	mediatest.NeedTools(b)
	grid := shared.Path(b, "data", "grid", "clips")
	opt := mediatest.Small(media.FolderOptions{CacheBytes: -1})
	opt.Index = filepath.Join(b.TempDir(), "index.jsonl")
	f, _, err := corpus.Open(context.Background(), mediatest.LinkSome(b, grid, "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4"), opt)
	require.NoError(b, err)
	run("grid/files", f)
	dir, _ = packed(b, f, packOptions)
	p, _ = openSmall(b, dir)
	run("grid/packed", p)
}
