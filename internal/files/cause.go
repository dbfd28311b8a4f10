package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Cause is the error without the operation and the path, which the text round it names.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// Missing says that a file cannot be reached, without its path; it is ErrMissing where the file does not exist.
func Missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ErrMissing
	}
	return fmt.Errorf("cannot be read: %w", Cause(err))
}

// ErrLocked marks a folder that another process has locked.
var ErrLocked = errors.New("another process has locked it")

// ErrMissing marks a file that does not exist.
var ErrMissing = errors.New("the file does not exist")
