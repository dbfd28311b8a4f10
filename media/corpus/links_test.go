//go:build unix

package corpus

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// Class folders may be links; none is read twice, and no circle is followed.
func TestLinkedFolders(t *testing.T) {
	mediatest.NeedTools(t)
	dir := t.TempDir()
	at := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		return path
	}
	mediatest.AV(t, at("real/swim/a.mkv"), 0.5, "64x48", 8)
	raw, err := os.ReadFile(at("real/swim/a.mkv"))
	require.NoError(t, err)
	for _, name := range []string{"real/run/deep/b.mkv", "train/walk/c.mkv"} {
		require.NoError(t, os.WriteFile(at(name), raw, 0o644))
	}
	link := func(to, name string) { require.NoError(t, os.Symlink(to, at(name))) }
	link("../real/swim", "train/swim")
	link(at("real/run"), "train/run")
	link("../..", "real/run/up")         // above
	link(".", "train/walk/itself")       // a circle
	link("../train/walk", "train/alias") // there by itself
	link("../real/swim", "train/twice")
	link("nowhere", "train/broken")
	f, report, err := openFolder(context.Background(), filepath.Join(dir, "train"), mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	var names []string
	for i := range f.Len() {
		names = append(names, f.Name(i))
		_, err := f.Load(context.Background(), i, media.Span{Seconds: 0.5})
		require.NoError(t, err)
	}
	require.Equal(t, []string{"run/deep/b.mkv", "swim/a.mkv", "walk/c.mkv"}, names)
	require.Equal(t, []string{"run", "swim", "walk"}, f.Classes())
	require.Empty(t, report.Bad)
	require.Len(t, report.Remarks, 4, "%v", report.Remarks)
	require.Equal(t, 1, report.Ignored, "a link to nothing, without a medium's name")
}
