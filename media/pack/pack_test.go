package pack

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
)

// smallOptions fit what packOptions pack.
var smallOptions = media.FolderOptions{FPS: 8, Size: 48, Rate: 16000}

func packOptions() Options {
	return Options{FPS: 8, Size: 48, Rate: 16000, ShardBytes: 1 << 20, Workers: 2}
}

func pack(t testing.TB, src media.Corpus, opt Options) (string, *Report) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "packed")
	r, err := Write(context.Background(), src, dir, opt)
	require.NoError(t, err)
	return dir, r
}

func openSmall(t testing.TB, dir string) (*Source, *media.Report) {
	t.Helper()
	src, report, err := Open(dir, smallOptions)
	require.NoError(t, err)
	return src, report
}
