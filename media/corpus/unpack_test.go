package corpus

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// Damaged and forged compressed archives are unpacked within bounds or refused, and leave nothing half written.
func FuzzUnpack(f *testing.F) {
	tarred := tarOf(f, "a.mp4", "film", "a.cls", "3")
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err := w.Write(tarred)
	require.NoError(f, err)
	require.NoError(f, w.Close())
	z, err := zstd.NewWriter(nil)
	require.NoError(f, err)
	f.Add(gz.Bytes(), true)
	f.Add(gz.Bytes()[:gz.Len()/2], true)
	f.Add(z.EncodeAll(tarred, nil), false)
	f.Add([]byte("\x28\xb5\x2f\xfd"), false)
	cache := f.TempDir()
	f.Setenv("XDG_CACHE_HOME", cache)
	f.Fuzz(func(t *testing.T, raw []byte, gz bool) {
		name := "x.tar.zst"
		if gz {
			name = "x.tar.gz"
		}
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o644))
		copied, err := unpacked(filepath.Join(dir, name))
		if err == nil {
			info, err := os.Stat(copied)
			require.NoError(t, err)
			require.LessOrEqual(t, info.Size(), int64(len(raw))*unpackGrowth+unpackSlack)
			_, _ = scanShard(copied, name)
			require.NoError(t, os.Remove(copied))
			require.NoError(t, os.Remove(noteOf(copied)))
		}
		halves, err := filepath.Glob(filepath.Join(cache, copiesFolder, ".*.part"))
		require.NoError(t, err)
		require.Empty(t, halves)
	})
}
