//go:build !(linux || darwin || freebsd || windows)

package files

import (
	"errors"
	"os"
)

// LockDir does nothing where folders cannot be locked.
func LockDir(string) (unlock func(), err error) { return func() {}, nil }

func flock(*os.File) error { return errors.ErrUnsupported }

func flockShared(*os.File) error { return errors.ErrUnsupported }
