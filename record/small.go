package record

import (
	"fmt"
	"io"
	"path/filepath"

	"goxkd/internal/files"
)

// maxSmall bounds pictures and what names them.
const maxSmall = 16 << 20

// readSmall reads a regular file of bounded size.
func readSmall(path string) ([]byte, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(text) > maxSmall {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSmall)
	}
	return text, err
}

// Picture reads one of a run's looks.
func Picture(folder, name string) ([]byte, error) {
	return readSmall(filepath.Join(folder, LooksFolder, filepath.Base(name)))
}
