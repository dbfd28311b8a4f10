package main

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
)

// output is standard output or error until nobody reads it: a pipe that is closed or a terminal that is gone ends the output,
// not the work. It is safe for concurrent use.
type output struct {
	*os.File
	gone atomic.Bool
}

// unread are the errors of writing where nobody reads: a closed pipe's and a lost terminal's, and on Windows ERROR_BROKEN_PIPE and
// ERROR_NO_DATA.
var unread = func() []error {
	if runtime.GOOS == "windows" {
		return []error{syscall.Errno(109), syscall.Errno(232)}
	}
	return []error{syscall.EPIPE, syscall.EIO}
}()

func (o *output) Write(p []byte) (int, error) {
	if o.gone.Load() {
		return len(p), nil
	}
	n, err := o.File.Write(p)
	if slices.ContainsFunc(unread, func(u error) bool { return errors.Is(err, u) }) {
		o.gone.Store(true)
		return len(p), nil
	}
	return n, err
}
