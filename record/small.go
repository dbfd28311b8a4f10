package record

import (
	"fmt"
	"io"

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
