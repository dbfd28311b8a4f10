package main

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
)

// output is standard output or error until nobody reads it: a pipe that is closed or a terminal that is gone ends the output,
// not the work. It is safe for concurrent use.
type output struct {
	*os.File
	gone atomic.Bool
}

func (o *output) Write(p []byte) (int, error) {
	if o.gone.Load() {
		return len(p), nil
	}
	n, err := o.File.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) {
		o.gone.Store(true)
		return len(p), nil
	}
	return n, err
}
