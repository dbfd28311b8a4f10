package corpus

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

func TestShards(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "film.mkv")
	mediatest.Ramp(t, path, "2")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	film := string(raw)
	ctx := context.Background()
	alone, _, err := openFolder(ctx, dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	want, err := alone.Load(ctx, 0, media.Span{Start: 0.5, Seconds: 1})
	require.NoError(t, err)

	shards := filepath.Join(dir, "we,ird :shards%d")
	require.NoError(t, os.Mkdir(shards, 0o755))
	one := tarOf(t, "a/001.mkv", film, "a/001.cls", "3\n", "a/001.txt", "a caption",
		"a/002.json", `{"label":"10","split":"test"}`, "a/002.mkv", film, "a/003.seg.mkv", film, "readme", "no clip", "004.mkv", "junk")
	two := tarOf(t, "005.txt", "2", "005.mkv", film, "006.mkv", film)
	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-0.tar"), one, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-1.tar"), two[:len(two)-len(film)/2-2048], 0o644))
	src, report, err := Open(ctx, shards, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	require.Equal(t, []string{"2", "3", "10"}, src.Classes())
	var names []string
	for i := range src.Len() {
		names = append(names, src.Name(i))
		c, err := src.Load(ctx, i, media.Span{Start: 0.5, Seconds: 1})
		require.NoError(t, err)
		require.Equal(t, want.Frames, c.Frames)
		require.Equal(t, want.Wave, c.Wave)
	}
	require.Equal(t, []string{"x-0.tar/a/001.mkv", "x-0.tar/a/002.mkv", "x-0.tar/a/003.seg.mkv", "x-1.tar/005.mkv"}, names)
	require.Equal(t, []int{1, 2, -1, 0}, []int{src.Label(0), src.Label(1), src.Label(2), src.Label(3)})
	require.Equal(t, "test", src.Split(1))
	bad := mediatest.Reasons(report)
	require.Contains(t, bad["x-0.tar/004.mkv"], "not readable as media")
	require.Contains(t, bad["x-1.tar"], "006.mkv", "the shard is cut short there")
	src, _, err = Open(ctx, filepath.Join(shards, "x-0.tar"), mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	require.Equal(t, 3, src.Len())

	require.NoError(t, os.WriteFile(filepath.Join(shards, "x-0.tar"), two, 0o644))
	_, err = src.Load(ctx, 0, media.Span{Start: 0, Seconds: 1})
	if f := src.(*Folder); err == nil {
		require.NotNil(t, f.cache.get(0), "what was decoded before may serve on")
	}
	src.(*Folder).cache = newClipCache(-1)
	_, err = src.Load(ctx, 0, media.Span{Start: 0, Seconds: 1})
	require.ErrorContains(t, err, "x-0.tar/a/001.mkv: the shard has changed")
}

func FuzzShard(f *testing.F) {
	f.Add(tarOf(f, "a.mp4", "film", "a.cls", "3", "a.json", `{"label":[],"split":4}`))
	f.Add(tarOf(f, "a.json", "{", "../../b.mp4", "film")[:1700])
	f.Fuzz(func(t *testing.T, raw []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		require.NoError(t, os.WriteFile(file, raw, 0o644))
		found, _ := scanShard(file, "x.tar")
		clips := found.clips
		for _, c := range clips {
			require.True(t, c.in.At > 0 && c.in.Size > 0 && c.in.At+c.in.Size <= int64(len(raw)), "%v", c)
			require.Equal(t, file, c.in.Path)
		}
	})
}
