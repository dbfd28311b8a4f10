package files

import (
	"errors"
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

// Missing says that a file cannot be reached.
func Missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return ErrMissing
	}
	return errors.New("cannot be read: " + Cause(err).Error())
}

var ErrMissing = errors.New("the file does not exist")
