package ffmpeg

import (
	"os/exec"
	"runtime"
	"syscall"
)

// ownGroup puts the child into a process group of its own, which is killed as one, and has the system kill it when this
// process is killed. That counts from the end of the thread that has started it: the goroutine keeps to its thread until it
// calls release.
func ownGroup(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
