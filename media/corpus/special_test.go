//go:build unix

package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
)

// within fails where the work hangs.
func within(t *testing.T, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("it hangs")
	}
}

// A pipe or a device in the place of any file that is read is refused or left aside, and never waited for.
func TestPipesAreNotOpened(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, name := range []string{
		"labels.csv", "../labels.csv", "list.csv", "trainlist01.txt", "classInd.txt", "run_test_split1.txt", "esc50.csv", "a.tar", "a.tar.gz", "a.tar.zst",
		IndexFile, "clip.mp4", "pack.json",
	} {
		for _, device := range []bool{false, true} {
			dir := filepath.Join(t.TempDir(), "clips")
			require.NoError(t, os.Mkdir(dir, 0o755))
			file := filepath.Join(dir, name)
			if device {
				require.NoError(t, os.Symlink("/dev/zero", file))
			} else {
				require.NoError(t, syscall.Mkfifo(file, 0o600))
			}
			// What stands beside it leads to it.
			switch name {
			case "classInd.txt":
				require.NoError(t, os.WriteFile(filepath.Join(dir, "trainlist01.txt"), []byte("a/b.avi 1\n"), 0o644))
			case IndexFile:
				require.NoError(t, os.WriteFile(filepath.Join(dir, "a.mp4"), []byte("junk"), 0o644))
			}
			within(t, func() {
				_, _, err := Open(context.Background(), dir, media.FolderOptions{})
				require.Error(t, err, name)
				_, _, err = Open(context.Background(), file, media.FolderOptions{})
				require.Error(t, err, name)
			})
		}
	}
}

// A shared folder's table does no harm to the folders below it, unless it is asked for.
func TestLabelsOfTheParentMayBeAnything(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "clips")
	require.NoError(t, syscall.Mkfifo(filepath.Join(dir, labelsFile), 0o600))
	within(t, func() {
		table, err := findLabels(below, "", "")
		require.NoError(t, err)
		require.Nil(t, table)
		_, err = findLabels(below, "kind", "")
		require.ErrorIs(t, err, files.ErrIrregular)
		_, err = findLabels(below, "", "train")
		require.ErrorIs(t, err, files.ErrIrregular)
	})
	require.NoError(t, os.Remove(filepath.Join(dir, labelsFile)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, labelsFile), []byte("clip,kind\na,b\n"), 0o644))
	table, err := findLabels(below, "", "")
	require.NoError(t, err)
	report := &media.Report{}
	clips := label(below, []string{"a.mp4"}, table, media.FolderOptions{}, report)
	require.Equal(t, "b", clips[0].label)
	require.Len(t, report.Remarks, 1, "it is said")
}

// A list of any size is not read.
func TestListsAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "labels.csv")
	require.NoError(t, os.WriteFile(file, []byte("clip,kind\n"), 0o644))
	require.NoError(t, os.Truncate(file, maxListBytes+1)) // with a hole
	_, err := readLabelsFile(file, "")
	require.ErrorIs(t, err, errLargeList)
	_, _, err = readList(file, media.FolderOptions{})
	require.ErrorIs(t, err, errLargeList)
}

// Entries of an index with figures that no file has are not believed.
func TestPoisonedIndex(t *testing.T) {
	good := func() indexEntry {
		return indexEntry{V: indexVersion, Path: "a.mp4", Size: 100, Time: 5, Contents: ffmpeg.Contents{
			Format: "mov", Streams: []ffmpeg.Stream{{Kind: "video", Width: 64, Height: 48, FPS: 8, Packets: 9, End: 1, Level: &ffmpeg.Level{Peak: 1}}},
		}}
	}
	read := func(e indexEntry) int {
		raw, err := json.Marshal(e)
		require.NoError(t, err)
		return len(readIndex(bytes.NewReader(raw)))
	}
	require.Equal(t, 1, read(good()))
	for i, poison := range []func(e *indexEntry, s *ffmpeg.Stream){
		func(_ *indexEntry, s *ffmpeg.Stream) { s.End = 1e15 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Begin = -1e15 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Gap = 1e15 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.KeyGap = -1 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Width = math.MaxInt64 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Height = -1 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Rate = 1 << 40 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Channels = 1 << 40 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Packets = 1 << 40 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.FPS = 1e300 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Index = -1 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Rotation = 1e300 },
		func(_ *indexEntry, s *ffmpeg.Stream) { s.Level.Peak = -1 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Start = 1e15 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Joints = 1 << 40 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Size = -1 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Offset = -1 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Offset = math.MaxInt64 },
		func(e *indexEntry, _ *ffmpeg.Stream) { e.Reason = string(make([]byte, 1<<16)) },
		func(e *indexEntry, s *ffmpeg.Stream) { e.Streams = make([]ffmpeg.Stream, 1000) },
	} {
		e := good()
		poison(&e, &e.Streams[0])
		require.Zero(t, read(e), "poison %d", i)
	}
}

// Sound of a rate that no recording has is no stream to decode, whatever its header or an index says.
func TestRatesAreBounded(t *testing.T) {
	for rate, ok := range map[int]bool{1: false, 499: false, 8000: true, 192_000: true, 2_000_000_000: false} {
		c := ffmpeg.Contents{Format: "wav", Streams: []ffmpeg.Stream{{Kind: "audio", Rate: rate, Channels: 1, Packets: 9, End: 100}}}
		_, err := c.Pick(false, true)
		require.Equal(t, ok, err == nil, "%d Hz: %v", rate, err)
		require.Equal(t, !ok, errors.As(err, new(media.LackError)))
	}
}
