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
	if err := flock(d); errors.Is(err, ErrLocked) {
		d.Close()
		return nil, ErrLocked
	}
	// Where the file system knows no locks there are none.
	return func() { d.Close() }, nil
}

// flock locks an open file until it is closed. Errors other than ErrLocked mean that the file system knows no locks.
func flock(f *os.File) error { return flockAs(f, syscall.LOCK_EX) }

// flockShared is a lock that any number may have, but none beside that of flock.
func flockShared(f *os.File) error { return flockAs(f, syscall.LOCK_SH) }

func flockAs(f *os.File, how int) error {
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
