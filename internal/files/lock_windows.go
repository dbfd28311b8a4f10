package files

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"unsafe"
)

var lockFileEx = syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")

// From Windows' headers.
const (
	failImmediately   = 1
	exclusiveLock     = 2
	errorLockViolated = syscall.Errno(33)
)

// LockDir keeps the folder from other processes that lock it until unlock is called or this one ends. The error is ErrLocked
// where another has it. Windows cannot lock a folder itself: a file beside it stands for it.
func LockDir(dir string) (unlock func(), err error) { return Lock(filepath.Clean(dir) + ".lock") }

// flock locks an open file until it is closed. Errors other than ErrLocked mean that the file system knows no locks.
func flock(f *os.File) error { return flockAs(f, exclusiveLock) }

// flockShared is a lock that any number may have, but none beside that of flock.
func flockShared(f *os.File) error { return flockAs(f, 0) }

// flockAs locks a byte far behind the file's content: what is locked cannot be read by others, and who has the lock shall be.
func flockAs(f *os.File, how uintptr) error {
	at := syscall.Overlapped{OffsetHigh: 1 << 20}
	ok, _, err := lockFileEx.Call(f.Fd(), how|failImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case ok != 0:
		return nil
	case errors.Is(err, errorLockViolated), errors.Is(err, syscall.ERROR_IO_PENDING):
		return ErrLocked
	}
	return err
}
