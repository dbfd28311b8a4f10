//go:build linux

package ffmpeg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
)

// orphansIn tells a process of this test where to write its child's number.
const orphansIn = "XKD_TEST_ORPHANS"

// The child of a process that is killed ends with it.
func TestChildrenDieWithTheirParent(t *testing.T) {
	mediatest.NeedShell(t)
	if file := os.Getenv(orphansIn); file != "" {
		_, _ = process{"sh", []string{"-c", "echo $$ >'" + file + ".part'; mv '" + file + ".part' '" + file + "'; exec sleep 300"}, time.Minute, []int{10}}.run(context.Background())
		return
	}
	file := filepath.Join(t.TempDir(), "pid")
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildrenDieWithTheirParent$")
	cmd.Env = append(os.Environ(), orphansIn+"="+file)
	require.NoError(t, cmd.Start())
	var raw []byte
	require.Eventually(t, func() bool {
		var err error
		raw, err = os.ReadFile(file)
		return err == nil
	}, 20*time.Second, 10*time.Millisecond)
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.True(t, gone(pid), "process %d is left", pid)
}
