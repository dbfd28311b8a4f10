package media

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// needData skips where a real data set is absent.
func needData(t testing.TB, dir string) {
	t.Helper()
	needTools(t)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is absent: put the clips there to run this test", dir)
	}
}

// linkSome makes a folder of links to the first files of another, so that a test stays short.
func linkSome(t testing.TB, from string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	wd, err := os.Getwd()
	require.NoError(t, err)
	for _, name := range names {
		require.NoError(t, os.Symlink(wd+"/"+from+"/"+name, dir+"/"+name))
	}
	return dir
}

func TestLabelledClips(t *testing.T) {
	const grid = "../../shared/data/grid"
	needData(t, grid)
	clips := linkSome(t, grid+"/clips", "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4")
	table, err := os.ReadFile(grid + "/labels.csv")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(clips+"/labels.csv", table, 0o644))
	ctx := context.Background()
	opt := small(FolderOptions{})
	f, report, err := openFolder(ctx, clips, opt)
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	require.Equal(t, []string{"bin", "lay", "set"}, f.Classes(), "the first column is the default")
	require.Equal(t, "train", f.Split(0))
	opt.LabelColumn = "colour"
	f, _, err = openFolder(ctx, clips, opt)
	require.NoError(t, err)
	require.Equal(t, []string{"blue", "green"}, f.Classes())
	c, err := f.Load(ctx, 0, Span{1, 1})
	require.NoError(t, err)
	require.Equal(t, []int{8, 48, 60}, []int{c.T, c.H, c.W})
	require.Len(t, c.Wave, 16000)

	// A loader over files is as deterministic as one over generated clips, cache or not.
	cached := batches(t, f, LoaderConfig{Batch: 3, Seed: 1, Workers: 2}, 4)
	opt.CacheBytes = -1
	f, _, err = openFolder(ctx, clips, opt)
	require.NoError(t, err)
	require.Equal(t, cached[2:], batches(t, f, LoaderConfig{Batch: 3, Seed: 1, Workers: 1, StartStep: 2}, 2))
}

func TestClassFolders(t *testing.T) {
	const esc = "../../shared/data/esc10"
	needData(t, esc)
	dir := linkSome(t, esc, "001 - Dog bark")
	_, _, err := openFolder(context.Background(), dir, small(FolderOptions{NeedAudio: true}))
	require.ErrorContains(t, err, "no media files", "a link to a folder is not followed")
	f, report, err := openFolder(context.Background(), linkSome(t, esc+"/001 - Dog bark", "1-30226-A.ogg", "1-30344-A.ogg"), small(FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Equal(t, 2, report.Good)
	require.Equal(t, 2, report.Unlabeled)
	require.InDelta(t, 5, f.Duration(0), 0.1)
}

// BenchmarkGrid reads real clips, the cache warm after the first pass.
func BenchmarkGrid(b *testing.B) {
	const grid = "../../shared/data/grid/clips"
	needData(b, grid)
	dir := linkSome(b, grid, "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4")
	for _, cache := range []int64{0, -1} {
		b.Run(map[int64]string{0: "cached", -1: "uncached"}[cache], func(b *testing.B) {
			opt := small(FolderOptions{CacheBytes: cache})
			f, _, err := openFolder(context.Background(), dir, opt)
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
