package pack

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
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
	"goxkd/media/views"
)

// The shards are read here by the standard library alone, as any WebDataset reader would.
func TestPackedForm(t *testing.T) {
	src := mediatest.Generate(12)
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
			clip, err := src.Load(context.Background(), seen, media.Span{Start: 0, Seconds: 1.5})
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
	test, report, err := Open(dir, media.FolderOptions{FPS: 8, Size: 48, Split: "test"})
	require.NoError(t, err)
	require.Equal(t, []int{4, 8}, []int{test.Len(), report.Split})
	require.Equal(t, src.Name(5), test.Name(1))
	mute, _, err := Open(dir, media.FolderOptions{FPS: 8, Size: 48, NeedVideo: true})
	require.NoError(t, err)
	c, err := mute.Load(context.Background(), 0, media.Span{Start: 0, Seconds: 1})
	require.NoError(t, err)
	require.Empty(t, c.Wave)
	require.Equal(t, 8, c.T)
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
	bad := mediatest.Faulty{Source: mediatest.Generate(20), Bad: func(i int) bool { return i == 4 || i == 19 }}
	src := struct {
		media.Source
		media.Modal
		splitter
	}{bad, mediatest.Generate(1), mediatest.Generate(1)}
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
		r, err := Write(ctx, src, dir, opt)
		cancel()
		if err == nil {
			require.Equal(t, 18, r.Clips)
			require.Len(t, r.Skipped, 2)
			kept = append(kept, r.Kept)
			break
		}
		require.ErrorIs(t, err, context.Canceled)
		require.LessOrEqual(t, mediatest.Settled(before), before, "no goroutine is left")
		// What a kill would leave.
		require.NoError(t, os.WriteFile(filepath.Join(dir, ".shard-000001.tar.part"), []byte("half"), 0o644))
		_, _, err = Open(dir, smallOptions)
		require.ErrorContains(t, err, "has not finished")
	}
	require.Positive(t, kept[0], "finished shards are kept")
	require.Equal(t, readAll(t, whole), readAll(t, dir))

	// A shard without its index was not finished.
	require.NoError(t, os.Remove(filepath.Join(dir, "shard-000001.tar.idx.json")))
	_, err := Write(context.Background(), src, dir, packOptions())
	require.NoError(t, err)
	require.Equal(t, readAll(t, whole), readAll(t, dir))

	opt := packOptions()
	other := filepath.Join(t.TempDir(), "busy")
	var busy error
	opt.Progress = func(int, int) { _, busy = Write(context.Background(), src, other, packOptions()) }
	_, err = Write(context.Background(), src, other, opt)
	require.NoError(t, err)
	if runtime.GOOS == "linux" {
		require.ErrorIs(t, busy, errBusy)
	}

	opt = packOptions()
	opt.ShardBytes++
	_, err = Write(context.Background(), src, dir, opt)
	require.ErrorContains(t, err, "other options")
	_, err = Write(context.Background(), mediatest.Generate(7), dir, packOptions())
	require.ErrorContains(t, err, "other clips")
	_, err = Write(context.Background(), src, t.TempDir()+"/..", packOptions())
	require.ErrorContains(t, err, "holds other files")
	_, err = Write(context.Background(), struct {
		media.Source
		media.Modal
		splitter
	}{mediatest.Faulty{Source: mediatest.Generate(2), Bad: func(int) bool { return true }}, mediatest.Generate(1), mediatest.Generate(1)}, t.TempDir(), packOptions())
	require.ErrorContains(t, err, "none of the 2 clips")
}

type splitter interface{ Split(i int) string }

func TestPackedDamage(t *testing.T) {
	src := mediatest.Generate(12)
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
	_, err = p.Load(context.Background(), x.First, media.Span{Start: 0, Seconds: 1})
	require.ErrorContains(t, err, "shard-000001.tar: "+x.Samples[0].Key)
	require.ErrorContains(t, err, "checksum")
	_, err = p.Load(context.Background(), x.First+1, media.Span{Start: 0, Seconds: 1})
	require.NoError(t, err)
	l, err := views.NewLoader(context.Background(), p, views.NanoSpec(), views.LoaderConfig{Batch: 12})
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
	_, err = p.Load(context.Background(), x.First, media.Span{Start: 0, Seconds: 1})
	require.ErrorContains(t, err, "does not exist")
	p, report = openSmall(t, dir)
	require.Equal(t, 1, report.Missing)
	require.Equal(t, 12-len(x.Samples), p.Len())
	require.Greater(t, r.Shards, 2)

	for _, opt := range []media.FolderOptions{{FPS: 10, Size: 48}, {FPS: 8, Size: 64}, {FPS: 8, Size: 48, Rate: 8000}, {FPS: 8, Size: 48, LabelColumn: "x"}} {
		_, _, err = Open(dir, opt)
		require.ErrorContains(t, err, "pack the clips again")
	}
	_, _, err = Open(dir, media.FolderOptions{FPS: 8, Size: 48, Split: "none"})
	require.ErrorContains(t, err, `split "none"`)
}

// Hostile indices and shards never crash the reader.
func FuzzPacked(f *testing.F) {
	src := mediatest.Generate(2)
	dir := f.TempDir()
	_, err := Write(context.Background(), src, dir, packOptions())
	require.NoError(f, err)
	index, err := os.ReadFile(filepath.Join(dir, shardName(0)+".idx.json"))
	require.NoError(f, err)
	shard, err := os.ReadFile(filepath.Join(dir, shardName(0)))
	require.NoError(f, err)
	info, err := os.ReadFile(filepath.Join(dir, infoFile))
	require.NoError(f, err)
	f.Add(string(index), shard[:4096])
	f.Add(`{"version":1,"samples":[{"fps":8,"rate":16000,"shape":[1,1,1,3],"frames":{"size":3,"crc32c":[0]},"wave":{"at":-1,"size":8,"crc32c":[1]},"format":"f32le"}]}`, []byte("abcdefghijkl"))
	f.Add(`{"version":1,"samples":[{"fps":8,"rate":16000,"shape":[1048576,1048576,1048576,3],"frames":{"size":9223372036854775807},"wave":{"size":3}}]}`, []byte{})
	f.Add("", shard[:3000])
	f.Fuzz(func(t *testing.T, index string, shard []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, infoFile), info, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(dir, shardName(0)), shard, 0o644))
		if index != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, shardName(0)+".idx.json"), []byte(index), 0o644))
		}
		p, _, err := Open(dir, smallOptions)
		if err != nil {
			return
		}
		for i := range min(p.Len(), 4) {
			if c, err := p.Load(context.Background(), i, media.Span{Start: 0.2, Seconds: 1}); err == nil {
				require.Len(t, c.Frames, c.T*c.H*c.W*3)
			} else {
				require.False(t, errors.Is(err, context.Canceled))
			}
		}
	})
}
