package corpus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"goxkd/internal/files"
)

// maxListBytes bounds a list or a table of labels: ten million lines of some length.
const maxListBytes = 1 << 30

var errLargeList = errors.New("it has more than a gibibyte, as no list has")

// openText opens a list or a table: a regular file of bounded size.
func openText(path string) (io.ReadCloser, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > maxListBytes {
		err = errLargeList
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(f, maxListBytes), f}, nil
}

// openList is openText whose error names the list.
func openList(path string) (io.ReadCloser, error) {
	f, err := openText(path)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path, files.Cause(err))
	}
	return f, nil
}

// textOf reads a list as UTF-8 without a byte order mark: Windows tools write UTF-16 too.
func textOf(r io.Reader) io.Reader {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(64)
	big := false
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = in.Discard(3)
		return in
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		_, _ = in.Discard(2)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		_, _ = in.Discard(2)
		big = true
	// Without a mark: every other byte of plain letters is 0.
	case zeros(head, 1) && !zeros(head, 0):
	case zeros(head, 0) && !zeros(head, 1):
		big = true
	default:
		return in
	}
	return &wide{in: in, big: big}
}

// zeros tells whether all bytes at odd or at even places are 0.
func zeros(head []byte, from int) bool {
	if len(head) < 4 {
		return false
	}
	for i := from; i < len(head); i += 2 {
		if head[i] != 0 {
			return false
		}
	}
	return true
}

// wide turns UTF-16 into UTF-8.
type wide struct {
	in      *bufio.Reader
	big     bool
	pending []byte
	high    uint16 // the first half of a pair
}

func (w *wide) Read(p []byte) (int, error) {
	for len(w.pending) == 0 {
		var unit [2]byte
		n, err := io.ReadFull(w.in, unit[:])
		if n < 2 {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return 0, err
		}
		v := uint16(unit[0]) | uint16(unit[1])<<8
		if w.big {
			v = uint16(unit[1]) | uint16(unit[0])<<8
		}
		switch r := rune(v); {
		case w.high != 0:
			r = utf16.DecodeRune(rune(w.high), r)
			w.high = 0
			w.pending = utf8.AppendRune(w.pending, r)
		case r >= 0xd800 && r < 0xdc00:
			w.high = v
		default:
			w.pending = utf8.AppendRune(w.pending, r)
		}
	}
	n := copy(p, w.pending)
	w.pending = w.pending[n:]
	return n, nil
}
