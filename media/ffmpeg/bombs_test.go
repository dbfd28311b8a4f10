//go:build unix

package ffmpeg

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
)

// peak runs a tool as process does and gives the memory it took at most, in bytes.
func peak(t *testing.T, path string) int64 {
	t.Helper()
	cmd := exec.Command("ffprobe", append([]string{"-v", "quiet"}, Place{Path: path}.args(false)...)...)
	_ = cmd.Run()
	use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(t, ok)
	return use.Maxrss * 1024
}

// A few bytes of header, or of packed black, take no more memory than any film.
func TestBombsTakeNoMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it reads bombs")
	}
	mediatest.NeedTools(t)
	if runtime.GOOS != "linux" {
		t.Skip("the peak of memory is in kilobytes on Linux only")
	}
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	mediatest.AV(t, at("good.mov"), 0.75, "64x48", 8, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le", "-movflags", "+faststart")
	film, err := os.ReadFile(at("good.mov"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(at("table.mov"), mediatest.TableBomb(film), 0o644))
	require.NoError(t, os.WriteFile(at("black.png"), mediatest.PNGBomb(8300), 0o644))
	mediatest.FFmpeg(t, "-i", "file:"+at("black.png"), "-f", "lavfi", "-i", "sine=d=0.2", "-c:v", "copy", "-c:a", "pcm_s16le", "file:"+at("black.mkv"))
	usual := peak(t, at("good.mov"))
	for _, name := range []string{"table.mov", "black.mkv"} {
		require.Less(t, peak(t, at(name)), usual+100<<20, name)
	}
}
