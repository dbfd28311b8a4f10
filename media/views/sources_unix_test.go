//go:build unix

package views

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/mediatest"
)

func TestLoaderLeavesNoProcess(t *testing.T) {
	mediatest.NeedTools(t)
	mediatest.NeedShell(t)
	dir := t.TempDir()
	for _, name := range []string{"a.mkv", "b.mkv"} {
		mediatest.AV(t, filepath.Join(dir, name), 30, "64x64", 25, "-c:v", "libx264", "-preset", "ultrafast")
	}
	src, _, err := corpus.Open(context.Background(), dir, mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	// A tool that never ends stands in for ffmpeg.
	tools := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(tools, "ffmpeg"), []byte("#!/bin/sh\nsleep 300 &\nwait\n"), 0o755))
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	before := runtime.NumGoroutine()
	l, err := NewLoader(context.Background(), src, smallSpec(), LoaderConfig{Batch: 2, Workers: 2})
	require.NoError(t, err)
	time.Sleep(100 * time.Millisecond)
	require.NotEmpty(t, mediatest.Children(t))
	require.NoError(t, l.Close())
	require.Empty(t, mediatest.Children(t))
	require.LessOrEqual(t, mediatest.Settled(before), before)
}

// Files that go, change or shrink between two looks are passed over and named.
func TestFilesThatVanish(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	const n = 6
	name := func(i int) string { return fmt.Sprintf("%d.mkv", i) }
	path := func(i int) string { return filepath.Join(dir, name(i)) }
	mediatest.AV(t, path(0), 1, "64x48", 8, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le")
	film, err := os.ReadFile(path(0))
	require.NoError(t, err)
	for i := 1; i < n; i++ {
		require.NoError(t, os.WriteFile(path(i), film, 0o644))
	}
	ctx := context.Background()
	f, _, err := corpus.Open(ctx, dir, mediatest.Small(media.FolderOptions{CacheBytes: -1}))
	require.NoError(t, err)
	require.Equal(t, n, f.Len())
	require.NoError(t, os.Remove(path(1)))
	require.NoError(t, os.WriteFile(path(2), film[:40], 0o644))
	require.NoError(t, os.WriteFile(path(3), nil, 0o644))
	require.NoError(t, os.Remove(path(4)))
	require.NoError(t, os.Symlink(name(4), path(4)))
	l, err := NewLoader(ctx, f, smallSpec(), LoaderConfig{Batch: n, Workers: 2})
	require.NoError(t, err)
	defer l.Close()
	b, err := l.Next()
	require.NoError(t, err)
	for _, got := range b.Names {
		require.Contains(t, []string{name(0), name(5)}, got)
	}
	require.NoError(t, l.Close())
	var named []string
	for _, x := range l.Stats().Reasons {
		named = append(named, x.Path)
		require.NotContains(t, x.Reason, "\n")
	}
	slices.Sort(named)
	require.Equal(t, []string{name(1), name(2), name(3), name(4)}, named)
	// When the rest goes too there is one error, and it says why.
	require.NoError(t, os.RemoveAll(dir))
	fresh, err := NewLoader(ctx, f, smallSpec(), LoaderConfig{Batch: 2, Workers: 2})
	require.NoError(t, err)
	defer fresh.Close()
	_, err = fresh.Next()
	require.ErrorContains(t, err, "none of the 6 clips")
	require.ErrorContains(t, err, "gone")
}
