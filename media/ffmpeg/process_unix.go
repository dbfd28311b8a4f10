//go:build unix && !linux

package ffmpeg

import (
	"os/exec"
	"syscall"
)

// ownGroup puts the child into a process group of its own, which is killed as one.
func ownGroup(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return func() {}
}
