//go:build unix

package corpus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/mediatest"
)

// Tools that hang are killed: within the limit where there is one, at once when the work ends.
func TestToolsThatHang(t *testing.T) {
	mediatest.NeedTools(t)
	dir, tools := t.TempDir(), t.TempDir()
	for i := range 3 {
		mediatest.AV(t, filepath.Join(dir, fmt.Sprintf("%d.mkv", i)), 0.5, "64x48", 8)
	}
	ctx := context.Background()
	opt := mediatest.Small(media.FolderOptions{Check: true})
	opt.Timeout = 200 * time.Millisecond
	hang := func(tool string) {
		require.NoError(t, os.WriteFile(filepath.Join(tools, tool), []byte("#!/bin/sh\nsleep 300 &\nwait\n"), 0o755))
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	hang("ffmpeg")
	_, report, err := openFolder(ctx, dir, opt)
	require.ErrorContains(t, err, "did not end within 200ms")
	require.Len(t, report.Bad, 3)
	for _, b := range report.Bad {
		require.ErrorIs(t, b.Err, ffmpeg.ErrLate)
	}
	require.Empty(t, mediatest.Children(t))
	hang("ffprobe")
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, _, err = openFolder(short, dir, opt)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, mediatest.Children(t))
}
