package media

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// smallOptions fit what packOptions pack.
var smallOptions = FolderOptions{FPS: 8, Size: 48, Rate: 16000}

func packOptions() PackOptions {
	return PackOptions{FPS: 8, Size: 48, Rate: 16000, ShardBytes: 1 << 20, Workers: 2}
}

func pack(t testing.TB, src Corpus, opt PackOptions) (string, *PackReport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "packed")
	r, err := Pack(context.Background(), src, dir, opt)
	require.NoError(t, err)
	return dir, r
}

func openSmall(t testing.TB, dir string) (*Packed, *Report) {
	t.Helper()
	src, report, err := openPack(dir, smallOptions)
	require.NoError(t, err)
	return src, report
}
