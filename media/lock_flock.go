//go:build linux || darwin || freebsd

package media

import (
	"errors"
	"os"
	"syscall"
)

// lockDir keeps other processes from packing into the folder until unlock is called or this one ends.
func lockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, cause(err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		d.Close()
		return nil, errors.New("another process is packing into it: wait for its end")
	}
	// Where the file system knows no locks there are none.
	return func() { d.Close() }, nil
}
