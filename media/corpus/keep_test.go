package corpus

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// Answers reach the disk while files are looked at, for whoever is killed in the middle.
func TestIndexIsKeptInBetween(t *testing.T) {
	mediatest.NeedTools(t)
	defer func(was time.Duration) { keepEvery = was }(keepEvery)
	keepEvery = time.Nanosecond
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const files = 6
	mediatest.AV(t, filepath.Join(dir, "0.mkv"), 0.5, "64x48", 8)
	film, err := os.ReadFile(filepath.Join(dir, "0.mkv"))
	require.NoError(t, err)
	for i := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.mkv", i)), film, 0o644))
	}
	for _, out := range []string{"", filepath.Join(t.TempDir(), "named.jsonl")} {
		file := out
		if out == "" {
			file = filepath.Join(dir, IndexFile)
		}
		var seen []int
		opt := media.FolderOptions{Workers: 1, Progress: func(done, total int) {
			require.Equal(t, files, total)
			require.Len(t, seen, done-1)
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			seen = append(seen, len(readIndex(bytes.NewReader(raw))))
		}}
		_, err = IndexClips(context.Background(), dir, opt, out)
		require.NoError(t, err)
		require.Len(t, seen, files)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, IndexFile)))
		require.Equal(t, 1, seen[0])
		require.IsNonDecreasing(t, seen)
	}
}
