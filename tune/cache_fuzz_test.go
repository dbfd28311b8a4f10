package tune

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/gpu"
)

// A damaged cache is an empty one, and any is written and read again as it is.
func FuzzCache(f *testing.F) {
	adapter := gpu.Adapter{Name: "a", Backend: "b", Driver: "c"}
	f.Add([]byte(`{"adapter":"a","backend":"b","driver":"c","choices":{"k":{"variant":"v","kernels":"x","seconds":{"v":1e-3},"use":true}}}`))
	f.Add([]byte(`{"adapter":"a","backend":"b","driver":"c","choices":null}`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := t.TempDir()
		c, err := OpenCache(dir, adapter)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(c.File(), raw, 0o644))
		c, err = OpenCache(dir, adapter)
		require.NoError(t, err)
		require.Equal(t, adapter.Name, c.Adapter)
		require.NotNil(t, c.Choices)
		require.NoError(t, c.Save())
		again, err := OpenCache(dir, adapter)
		require.NoError(t, err)
		require.Equal(t, c, again)
		left, err := os.ReadDir(filepath.Dir(c.File()))
		require.NoError(t, err)
		require.Len(t, left, 1)
	})
}
