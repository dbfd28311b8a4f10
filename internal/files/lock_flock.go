//go:build linux || darwin || freebsd

package files

import (
	"errors"
	"os"
	"syscall"
)

// LockDir keeps the folder from other processes that lock it until unlock is called or this one ends. The error is ErrLocked
// where another has it.
func LockDir(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, Cause(err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		d.Close()
		return nil, ErrLocked
	}
	// Where the file system knows no locks there are none.
	return func() { d.Close() }, nil
}
