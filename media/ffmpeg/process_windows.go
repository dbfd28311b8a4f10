package ffmpeg

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps a Ctrl-C that is meant for this process from the child, so that a step's clips are read to their end.
func ownGroup(cmd *exec.Cmd) (release func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
	return func() {}
}
