//go:build !unix && !windows

package ffmpeg

import "os/exec"

// ownGroup does nothing where there are no process groups: the child alone is killed.
func ownGroup(*exec.Cmd) (release func()) { return func() {} }
