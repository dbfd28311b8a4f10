package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The vectors of arm64 (NEON) give what their references give: the CPU path's and the views' are built for arm64 by
// a cross compiler, and their tests run by qemu's emulation of a processor. What needs no C compiler is built without one too.
func TestARM(t *testing.T) {
	if !long() {
		t.Skip("takes minutes: set XKD_TESTS=all, as make test-all does")
	}
	run := func(env []string, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %v\n%s", name, args, out)
	}
	run([]string{"GOARCH=arm64", "CGO_ENABLED=0"}, "go", "build", "./graph/...", "./layers", "./media/...", "./xkd", "./safetensors", "./internal/...")
	for _, tool := range []string{"aarch64-linux-gnu-gcc", "qemu-aarch64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not there: apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user", tool)
		}
	}
	for folder, tests := range map[string]string{"cpu": "Product|Updates|Softmax|GELU|FastEqualsReference", "media/views": "Plain|LogMel|Power"} {
		binary := filepath.Join(t.TempDir(), "arm.test")
		run([]string{"GOARCH=arm64", "CGO_ENABLED=1", "CC=aarch64-linux-gnu-gcc"}, "go", "test", "-c", "-o", binary, "./"+folder)
		run(nil, "sh", "-c", `cd "$1" && exec qemu-aarch64 -L /usr/aarch64-linux-gnu "$2" -test.short -test.timeout 10m -test.run "$3"`, "sh", folder, binary, tests)
	}
}
