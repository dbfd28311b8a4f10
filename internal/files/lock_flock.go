//go:build linux || darwin || freebsd

package files

import (
	"errors"
	"os"
	"syscall"
)

// LockDir keeps other processes from packing into the folder until unlock is called or this one ends.
func LockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, Cause(err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		d.Close()
		return nil, errors.New("another process is packing into it: wait for its end")
	}
	// Where the file system knows no locks there are none.
	return func() { d.Close() }, nil
}
