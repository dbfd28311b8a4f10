package media

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// generated is a Corpus of generated clips, every third of them test, which like short files are made
// whole and cut.
type generated struct{ Source }

func (g generated) Load(ctx context.Context, i int, span Span) (*Clip, error) {
	whole, err := g.Source.Load(ctx, i, Span{0, g.Duration(i)})
	if err != nil {
		return nil, err
	}
	return whole.cut(span), nil
}

func (generated) Modalities() (video, audio bool) { return true, true }
func (generated) Split(i int) string              { return []string{"train", "train", "test"}[i%3] }

func generate(clips int) generated {
	return generated{NewSynthetic(SyntheticConfig{Clips: clips, Classes: 3, Difficulty: 0.5, Seed: 4, Seconds: 1.5, Size: 48})}
}

func packOptions() PackOptions {
	s := smallSpec()
	return PackOptions{FPS: s.FPS, Size: s.Size, Rate: s.Rate, ShardBytes: 1 << 20, Workers: 2}
}

func pack(t testing.TB, src Corpus, opt PackOptions) (string, *PackReport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "packed")
	r, err := Pack(context.Background(), src, dir, opt)
	require.NoError(t, err)
	return dir, r
}

func openSmall(t testing.TB, dir string) (Corpus, *Report) {
	t.Helper()
	src, report, err := Open(context.Background(), dir, OptionsFor(smallSpec()))
	require.NoError(t, err)
	return src, report
}

// The shards are read here by the standard library alone, as any WebDataset reader would.
func TestPackedForm(t *testing.T) {
	src := generate(12)
	dir, r := pack(t, src, packOptions())
	require.Equal(t, 12, r.Clips)
	require.Greater(t, r.Shards, 2)
	seen := 0
	for k := range r.Shards {
		raw, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("shard-%06d.tar", k)))
		require.NoError(t, err)
		require.LessOrEqual(t, len(raw), 1<<20)
		in := tar.NewReader(bytes.NewReader(raw))
		for {
			h, err := in.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			key, ext, _ := strings.Cut(h.Name, ".")
			require.Equal(t, fmt.Sprintf("%09d", seen), key)
			body, err := io.ReadAll(in)
			require.NoError(t, err)
			clip, err := src.Load(context.Background(), seen, Span{0, 1.5})
			require.NoError(t, err)
			switch ext {
			case "json":
				var m struct {
					Name, Label, Split, Format string
					Shape                      []int
					Frames, Wave               struct {
						Size   int
						Crc32c []uint32
					}
				}
				require.NoError(t, json.Unmarshal(body, &m))
				require.Equal(t, src.Name(seen), m.Name)
				require.Equal(t, src.Classes()[seen%3], m.Label)
				require.Equal(t, src.Split(seen), m.Split)
				require.Equal(t, []int{12, 48, 48, 3}, m.Shape)
				require.Equal(t, []uint32{crc32.Checksum(clip.Frames, crc32.MakeTable(crc32.Castagnoli))}, m.Frames.Crc32c)
				require.Equal(t, "f32le", m.Format)
			case "frames":
				require.Equal(t, clip.Frames, body)
			case "wave":
				require.Len(t, body, 4*24000)
				for i, v := range clip.Wave {
					require.Equal(t, v, math.Float32frombits(binary.LittleEndian.Uint32(body[4*i:])))
				}
				seen++
			}
		}
	}
	require.Equal(t, 12, seen)

	p, report := openSmall(t, dir)
	require.Equal(t, 12, report.Good)
	require.Equal(t, []string{"disc-bounce", "ring-pulse", "square-spin"}, p.Classes())
	test, report, err := Open(context.Background(), dir, FolderOptions{FPS: 8, Size: 48, Split: "test"})
	require.NoError(t, err)
	require.Equal(t, []int{4, 8}, []int{test.Len(), report.Split})
	require.Equal(t, src.Name(5), test.Name(1))
	mute, _, err := Open(context.Background(), dir, FolderOptions{FPS: 8, Size: 48, NeedVideo: true})
	require.NoError(t, err)
	c, err := mute.Load(context.Background(), 0, Span{0, 1})
	require.NoError(t, err)
	require.Empty(t, c.Wave)
	require.Equal(t, 8, c.T)
}

func TestPackedTrainsLikeItsSource(t *testing.T) {
	src := generate(10)
	dir, _ := pack(t, src, packOptions())
	p, _ := openSmall(t, dir)
	cfg := LoaderConfig{Batch: 4, Seed: 3, Workers: 1}
	want := batches(t, src, cfg, 4)
	require.True(t, reflect.DeepEqual(want, batches(t, p, cfg, 4)))
	cfg.Workers, cfg.Prefetch = 8, 3
	require.True(t, reflect.DeepEqual(want, batches(t, p, cfg, 4)))
	for _, span := range []Span{{0, 1}, {0.5, 1}, {1.2, 1}, {0, 9}, {0.25, 0.01}} {
		whole, err := src.Load(context.Background(), 3, Span{0, 1.5})
		require.NoError(t, err)
		c, err := p.Load(context.Background(), 3, span)
		require.NoError(t, err)
		require.Equal(t, whole.cut(span), c)
	}
	_, err := p.Load(context.Background(), 10, Span{0, 1})
	require.ErrorContains(t, err, "no clip 10")
}

// Members longer than a block are verified block by block.
func TestBlobBlocks(t *testing.T) {
	data := make([]byte, 3*blockBytes-5)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	file := append([]byte("head"), data...)
	b := blob{At: 4, Size: int64(len(data)), Sums: checksums(data)}
	require.Len(t, b.Sums, 3)
	file[4+2*blockBytes] ^= 1
	r := bytes.NewReader(file)
	got, err := b.read(r, blockBytes-3, 2*blockBytes)
	require.NoError(t, err)
	require.Equal(t, data[blockBytes-3:2*blockBytes], got)
	_, err = b.read(r, blockBytes, 2*blockBytes+1)
	require.ErrorContains(t, err, "checksum of bytes 524288 to 786427")
	_, err = b.read(bytes.NewReader(file[:9]), 0, 10)
	require.ErrorContains(t, err, "cut short")
}

func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(raw)
	}
	return files
}

func TestPackGoesOn(t *testing.T) {
	bad := faulty{generate(20), func(i int) bool { return i == 4 || i == 19 }}
	src := struct {
		Source
		Modal
		splitter
	}{bad, generate(1), generate(1)}
	whole, r := pack(t, src, packOptions())
	require.Equal(t, 18, r.Clips)
	require.Len(t, r.Skipped, 2)
	require.Contains(t, r.Skipped[1].Path, "000019")
	require.Equal(t, "synthetic/ring-pulse/000004: broken", r.Skipped[0].Reason)

	// Stopped at every third clip, the pack comes to the same bytes, and nothing is left over.
	dir := filepath.Join(t.TempDir(), "packed")
	var kept []int
	before := runtime.NumGoroutine()
	for stop := 3; ; stop += 3 {
		ctx, cancel := context.WithCancel(context.Background())
		opt := packOptions()
		opt.Progress = func(done, _ int) {
			if done == stop {
				cancel()
			}
		}
		r, err := Pack(ctx, src, dir, opt)
		cancel()
		if err == nil {
			require.Equal(t, 18, r.Clips)
			require.Len(t, r.Skipped, 2)
			kept = append(kept, r.Kept)
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, settled(before), before, "no goroutine is left")
		// What a kill would leave.
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".shard-000001.tar.part"), []byte("half"), 0o644))
		_, _, err = Open(context.Background(), dir, OptionsFor(smallSpec()))
		require.ErrorContains(t, err, "has not finished")
	}
	require.Positive(t, kept[0], "finished shards are kept")
	require.Equal(t, readAll(t, whole), readAll(t, dir))

	// A shard without its index was not finished.
	require.NoError(t, os.Remove(filepath.Join(dir, "shard-000001.tar.idx.json")))
	_, err := Pack(context.Background(), src, dir, packOptions())
	require.NoError(t, err)
	require.Equal(t, readAll(t, whole), readAll(t, dir))

	opt := packOptions()
	other := filepath.Join(t.TempDir(), "busy")
	var busy error
	opt.Progress = func(int, int) { _, busy = Pack(context.Background(), src, other, packOptions()) }
	_, err = Pack(context.Background(), src, other, opt)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.ErrorContains(t, busy, "another process is packing")
	}

	opt = packOptions()
	opt.ShardBytes++
	_, err = Pack(context.Background(), src, dir, opt)
	require.ErrorContains(t, err, "other options")
	_, err = Pack(context.Background(), generate(7), dir, packOptions())
	require.ErrorContains(t, err, "other clips")
	_, err = Pack(context.Background(), src, t.TempDir()+"/..", packOptions())
	require.ErrorContains(t, err, "holds other files")
	_, err = Pack(context.Background(), struct {
		Source
		Modal
		splitter
	}{faulty{generate(2), func(int) bool { return true }}, generate(1), generate(1)}, t.TempDir(), packOptions())
	require.ErrorContains(t, err, "none of the 2 clips")
}

type splitter interface{ Split(i int) string }

func TestPackedDamage(t *testing.T) {
	src := generate(12)
	dir, r := pack(t, src, packOptions())
	shard := filepath.Join(dir, "shard-000001.tar")
	var x shardIndex
	require.NoError(t, readJSON(shard+".idx.json", &x))
	raw, err := os.ReadFile(shard)
	require.NoError(t, err)

	// The index is made anew from the shard.
	before, _ := openSmall(t, dir)
	require.NoError(t, os.WriteFile(shard+".idx.json", []byte("{half"), 0o644))
	again, report := openSmall(t, dir)
	require.Equal(t, before, again)
	require.Empty(t, report.Bad)

	// One byte of one clip's frames: that clip is skipped and named, the rest serve.
	spoilt := bytes.Clone(raw)
	spoilt[x.Samples[0].Frames.At+1000] ^= 4
	require.NoError(t, os.WriteFile(shard, spoilt, 0o644))
	p, report := openSmall(t, dir)
	require.Equal(t, 12, report.Good, "damage shows on reading")
	_, err = p.Load(context.Background(), x.First, Span{0, 1})
	require.ErrorContains(t, err, "shard-000001.tar: "+x.Samples[0].Key)
	require.ErrorContains(t, err, "checksum")
	_, err = p.Load(context.Background(), x.First+1, Span{0, 1})
	require.NoError(t, err)
	l, err := NewLoader(context.Background(), p, smallSpec(), LoaderConfig{Batch: 12})
	require.NoError(t, err)
	_, err = l.Next()
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Len(t, l.Stats().Reasons, 1)
	require.Equal(t, src.Name(x.First), l.Stats().Reasons[0].Path)

	// Cut short, with and without the index: what lies before the cut serves.
	require.NoError(t, os.WriteFile(shard, raw[:x.Samples[1].Frames.At+9], 0o644))
	_, report = openSmall(t, dir)
	require.Equal(t, 12-len(x.Samples)+1, report.Good)
	require.Contains(t, report.Bad[0].Reason, "cut short")
	// And one that goes while it is read.
	require.NoError(t, os.WriteFile(shard, raw, 0o644))
	p, _ = openSmall(t, dir)
	require.NoError(t, os.Remove(shard))
	_, err = p.Load(context.Background(), x.First, Span{0, 1})
	require.ErrorContains(t, err, "does not exist")
	p, report = openSmall(t, dir)
	require.Equal(t, 1, report.Missing)
	require.Equal(t, 12-len(x.Samples), p.Len())
	require.Greater(t, r.Shards, 2)

	for _, opt := range []FolderOptions{{FPS: 10, Size: 48}, {FPS: 8, Size: 64}, {FPS: 8, Size: 48, Rate: 8000}, {FPS: 8, Size: 48, LabelColumn: "x"}} {
		_, _, err = Open(context.Background(), dir, opt)
		require.ErrorContains(t, err, "pack the clips again")
	}
	_, _, err = Open(context.Background(), dir, FolderOptions{FPS: 8, Size: 48, Split: "none"})
	require.ErrorContains(t, err, `split "none"`)
}

// Files and their pack give the same batches, and a long file is packed in parts.
func TestPackOfFiles(t *testing.T) {
	needTools(t)
	dir := t.TempDir()
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	av(t, filepath.Join(dir, "a.mkv"), 1.6, "96x64", 25, append(x264, "-c:a", "pcm_s16le")...)
	av(t, filepath.Join(dir, "b.mp4"), 2.3, "64x64", 10, x264...)
	av(t, filepath.Join(dir, "c.mp4"), 0.4, "48x80", 12, x264...)
	ctx := context.Background()
	f, _, err := openFolder(ctx, dir, small(FolderOptions{}))
	require.NoError(t, err)
	out, r := pack(t, f, packOptions())
	require.Equal(t, 3, r.Clips)
	p, _ := openSmall(t, out)
	want := batches(t, f, LoaderConfig{Batch: 3, Seed: 5, Workers: 1}, 3)
	require.True(t, reflect.DeepEqual(want, batches(t, f, LoaderConfig{Batch: 3, Seed: 5, Workers: 8}, 3)))
	require.True(t, reflect.DeepEqual(want, batches(t, p, LoaderConfig{Batch: 3, Seed: 5, Workers: 8}, 3)))
	require.True(t, reflect.DeepEqual(want, batches(t, p, LoaderConfig{Batch: 3, Seed: 5, Workers: 1}, 3)))
	// Sound that was stored in 16 bits at this rate loses nothing in 16 bits.
	require.Equal(t, waveInt, p.(*Packed).clips[0].Form)
	require.Equal(t, waveFloat, p.(*Packed).clips[1].Form)

	opt := packOptions()
	opt.MaxSeconds = 1
	out, _ = pack(t, f, opt)
	p, _ = openSmall(t, out)
	var names []string
	for i := range p.Len() {
		names = append(names, p.Name(i))
		require.LessOrEqual(t, p.Duration(i), 1.0)
	}
	require.Equal(t, []string{"a.mkv#1", "a.mkv#2", "b.mp4#1", "b.mp4#2", "b.mp4#3", "c.mp4"}, names)
	// A changed file is another corpus.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "labels.csv"), []byte("clip,kind\na,x\n"), 0o644))
	f, _, err = openFolder(ctx, dir, small(FolderOptions{}))
	require.NoError(t, err)
	_, err = Pack(ctx, f, out, opt)
	require.ErrorContains(t, err, "other clips")
}

// Why sound is not always packed in 16 bits: the log-mels of a quiet clip would move by more than 1e-4.
func TestSixteenBitsAreNotEnough(t *testing.T) {
	wave := make([]float32, 16000)
	for i := range wave {
		wave[i] = float32(0.01 * math.Sin(float64(i)*0.3))
	}
	raw, form := packWave(wave)
	require.Equal(t, waveFloat, form)
	require.Equal(t, wave, unpackWave(raw, form))
	rounded := make([]float32, len(wave))
	for i, v := range wave {
		rounded[i] = float32(math.RoundToEven(float64(v)*32768)) / 32768
	}
	raw, form = packWave(rounded)
	require.Equal(t, waveInt, form)
	require.Equal(t, rounded, unpackWave(raw, form))
	sg, err := NewSpectrogram(16000, 1024, 143, 80)
	require.NoError(t, err)
	a, b := sg.LogMel(nil, wave), sg.LogMel(nil, rounded)
	worst := 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i]-b[i])))
	}
	require.Greater(t, worst, 1e-4)
	_, form = packWave([]float32{1})
	require.Equal(t, waveFloat, form, "1 is beyond 16 bits")
	_, form = packWave([]float32{-1, 32767.0 / 32768, 0})
	require.Equal(t, waveInt, form)
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
	src := generated{NewSynthetic(SyntheticConfig{Clips: 2000, Seed: 1, Seconds: 0.5, Size: 16, Rate: 1600})}
	dir, _ := pack(t, src, PackOptions{FPS: 8, Size: 16, Rate: 1600, ShardBytes: 1 << 20})
	// A damaged clip and its remembered failures are part of the picture.
	shard := filepath.Join(dir, shardName(0))
	raw, err := os.ReadFile(shard)
	require.NoError(t, err)
	raw[1024+10] ^= 1
	require.NoError(t, os.WriteFile(shard, raw, 0o644))
	p, _, err := Open(context.Background(), dir, OptionsFor(spec))
	require.NoError(t, err)
	const batch = 50
	l, err := NewLoader(context.Background(), p, spec, LoaderConfig{Batch: batch})
	require.NoError(t, err)
	defer l.Close()
	var heap []uint64
	for clips := batch; clips <= 20000; clips += batch {
		b, err := l.Next()
		require.NoError(t, err)
		l.Release(b)
		if clips == 2000 || clips == 20000 {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			heap = append(heap, m.HeapAlloc)
		}
	}
	t.Logf("heap after 2,000 clips: %d kB, after 20,000: %d kB", heap[0]>>10, heap[1]>>10)
	require.Less(t, float64(heap[1]), 1.1*float64(heap[0])+512<<10)
}

// Hostile indices and shards never crash the reader.
func FuzzPacked(f *testing.F) {
	src := generate(2)
	dir := f.TempDir()
	_, err := Pack(context.Background(), src, dir, packOptions())
	require.NoError(f, err)
	index, err := os.ReadFile(filepath.Join(dir, shardName(0)+".idx.json"))
	require.NoError(f, err)
	shard, err := os.ReadFile(filepath.Join(dir, shardName(0)))
	require.NoError(f, err)
	info, err := os.ReadFile(filepath.Join(dir, PackFile))
	require.NoError(f, err)
	f.Add(string(index), shard[:4096])
	f.Add(`{"version":1,"samples":[{"fps":8,"rate":16000,"shape":[1,1,1,3],"frames":{"size":3,"crc32c":[0]},"wave":{"at":-1,"size":8,"crc32c":[1]},"format":"f32le"}]}`, []byte("abcdefghijkl"))
	f.Add(`{"version":1,"samples":[{"fps":8,"rate":16000,"shape":[1048576,1048576,1048576,3],"frames":{"size":9223372036854775807},"wave":{"size":3}}]}`, []byte{})
	f.Add("", shard[:3000])
	f.Fuzz(func(t *testing.T, index string, shard []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, PackFile), info, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, shardName(0)), shard, 0o644))
		if index != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, shardName(0)+".idx.json"), []byte(index), 0o644))
		}
		p, _, err := Open(context.Background(), dir, OptionsFor(smallSpec()))
		if err != nil {
			return
		}
		for i := range min(p.Len(), 4) {
			if c, err := p.Load(context.Background(), i, Span{0.2, 1}); err == nil {
				require.Len(t, c.Frames, c.T*c.H*c.W*3)
			} else {
				require.False(t, errors.Is(err, context.Canceled))
			}
		}
	})
}
