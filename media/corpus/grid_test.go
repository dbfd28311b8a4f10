package corpus

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/internal/shared"
	"goxkd/media"
	"goxkd/media/mediatest"
)

func TestLabelledClips(t *testing.T) {
	mediatest.NeedTools(t)
	grid := shared.Path(t, "data", "grid")
	clips := mediatest.LinkSome(t, grid+"/clips", "bbaf2n.mp4", "bbaf3s.mp4", "lgbf8n.mp4", "sbah1a.mp4")
	table, err := os.ReadFile(grid + "/labels.csv")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(clips+"/labels.csv", table, 0o644))
	ctx := context.Background()
	opt := mediatest.Small(media.FolderOptions{})
	f, report, err := openFolder(ctx, clips, opt)
	require.NoError(t, err)
	require.Empty(t, report.Bad)
	require.Equal(t, []string{"bin", "lay", "set"}, f.Classes(), "the first column is the default")
	require.Equal(t, "train", f.Split(0))
	opt.LabelColumn = "colour"
	f, _, err = openFolder(ctx, clips, opt)
	require.NoError(t, err)
	require.Equal(t, []string{"blue", "green"}, f.Classes())
	c, err := f.Load(ctx, 0, media.Span{Start: 1, Seconds: 1})
	require.NoError(t, err)
	require.Equal(t, []int{8, 48, 60}, []int{c.T, c.H, c.W})
	require.Len(t, c.Wave, 16000)
}

func TestClassFolders(t *testing.T) {
	mediatest.NeedTools(t)
	esc := shared.Path(t, "data", "esc10")
	f, report, err := openFolder(context.Background(), mediatest.LinkSome(t, esc+"/001 - Dog bark", "1-30226-A.ogg", "1-30344-A.ogg"), mediatest.Small(media.FolderOptions{NeedAudio: true}))
	require.NoError(t, err)
	require.Equal(t, 2, report.Good)
	require.Equal(t, 2, report.Unlabeled)
	require.InDelta(t, 5, f.Duration(0), 0.1)
}
