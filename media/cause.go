package media

import (
	"errors"
	"io/fs"
	"os"
)

// cause is the error without the operation and the path, which the text round it names.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// missing says that a file cannot be reached.
func missing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return errMissing
	}
	return errors.New("cannot be read: " + cause(err).Error())
}

var errMissing = errors.New("the file does not exist")
