package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// ErrIrregular marks what is no file of its own bytes: a folder, a pipe, a device, a link where none may be.
var ErrIrregular = errors.New("no regular file")

// Regular refuses what is no regular file, by what is known of it; to open a pipe could block for ever.
func Regular(path string, info fs.FileInfo) error {
	what := ""
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	case mode&fs.ModeSymlink != 0:
		what = "a symbolic link"
	default:
		what = "something special"
	}
	return fmt.Errorf("%s is %s: %w", path, what, ErrIrregular)
}

// OpenRegular opens a regular file for reading, through links too. Nothing else is opened: the error is ErrIrregular.
func OpenRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := Regular(path, info); err != nil {
		return nil, err
	}
	// It may have been replaced since: a pipe opens at once by O_NONBLOCK, and is then refused.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil {
		err = Regular(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenOwn opens a file for reading and writing, and makes it if it is missing. A link is not followed, so that nothing outside
// the folder is written; the error is ErrIrregular.
func OpenOwn(path string) (*os.File, error) {
	for {
		before, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return f, err
		}
		if err != nil {
			return nil, err
		}
		if err := Regular(path, before); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		if after, err := f.Stat(); err == nil && os.SameFile(before, after) {
			return f, nil
		}
		f.Close() // replaced since
	}
}
