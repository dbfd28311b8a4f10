package pack

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"strings"

	"goxkd/internal/files"
)

// sidecarBytes bounds one of the small members that go with a clip, sidecarsBytes all that are read of an archive, and
// maxMembers how many members it has: a file with holes can have any size.
const (
	sidecarBytes  = 4 << 20
	sidecarsBytes = 512 << 20
	maxMembers    = 1 << 22
)

// Member is a file within a tar.
type Member struct {
	Key, Ext string // WebDataset's: the path up to the first dot of its last part, and what follows, in lower case
	Name     string
	At, Size int64
	// Kind is the member's in archive/tar, such as tar.TypeReg, and Link where a link goes.
	Kind byte
	Link string
}

// Scan calls visit with every member, in order. body reads a small one. The error says how
// far it came; visit's own error ends it.
func Scan(file string, visit func(m Member, body func() ([]byte, error)) error) error {
	f, err := files.OpenRegular(file)
	if err != nil {
		return files.Cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return files.Cause(err)
	}
	in := tar.NewReader(f)
	small := int64(0)
	for n := 0; n < maxMembers; n++ {
		h, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("damaged after %d members: %w", n, err)
		}
		kind := h.Typeflag
		if kind == tar.TypeGNUSparse {
			return fmt.Errorf("%q is stored with holes, after %d members: write the archive without them", h.Name, n)
		}
		// The reader has no buffer of its own over a file, so the file stands at the member's first byte.
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return files.Cause(err)
		}
		if kind == tar.TypeReg && h.Size > info.Size()-at {
			return fmt.Errorf("cut short within %q, after %d members", h.Name, n)
		}
		m := Member{Name: h.Name, At: at, Size: h.Size, Kind: kind, Link: h.Linkname}
		m.Key, m.Ext = splitKey(h.Name)
		err = visit(m, func() ([]byte, error) {
			if h.Size > sidecarBytes {
				return nil, fmt.Errorf("%q has %d bytes: at most %d are read", h.Name, h.Size, sidecarBytes)
			}
			if small += h.Size; small > sidecarsBytes {
				return nil, fmt.Errorf("its small members have more than %d MB", sidecarsBytes>>20)
			}
			return io.ReadAll(in)
		})
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("it has more than %d members", maxMembers)
}

// splitKey takes "dir/key.seg.mp4" apart: the key "dir/key" and the extension "seg.mp4".
func splitKey(name string) (key, ext string) {
	dir, base := path.Split(name)
	base, ext, _ = strings.Cut(base, ".")
	return dir + base, strings.ToLower(ext)
}
