package media

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

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
