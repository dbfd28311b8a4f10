package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"goxkd/internal/files"
)

// What lies in a file behind the end that its header tells, ffmpeg passes over without a word: sound behind the length of a WAV
// whose recorder broke off, or another recording where files were written behind each other.

// open opens the place for reading.
func (p Place) open() (r *io.SectionReader, closeFile func() error, err error) {
	f, err := files.OpenRegular(p.Path)
	if err != nil {
		return nil, nil, files.Cause(err)
	}
	size := p.Size
	if size == 0 {
		info, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, nil, files.Cause(err)
		}
		size = info.Size()
	}
	return io.NewSectionReader(f, p.At, size), f.Close, nil
}

// soundPastHeader tells whether the place is a WAV whose samples go on behind the length that its header tells.
func (p Place) soundPastHeader() (bool, error) {
	r, closeFile, err := p.open()
	if err != nil {
		return false, err
	}
	defer closeFile()
	past, err := wavGoesOn(r)
	return past, files.Cause(err)
}

// plainWaves are the formats of WAV, by their number, in which any bytes are samples: whole numbers, floating point, A-law,
// mu-law, and the extensible one, which is one of these.
var plainWaves = map[uint16]bool{1: true, 3: true, 6: true, 7: true, 0xfffe: true}

// chunkHead is the bytes of a chunk's name and length.
const chunkHead = 8

// wavGoesOn tells whether what follows the samples of a WAV is neither a list of chunks nor a tag and lasts for a tenth of a
// second at least: then it is samples too. A length of 0 or of the largest number is none, which ffmpeg knows.
func wavGoesOn(r *io.SectionReader) (bool, error) {
	head := make([]byte, 12)
	if _, err := r.ReadAt(head, 0); err != nil {
		return false, ended(err)
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return false, nil
	}
	perSecond := int64(0) // bytes of samples; 0 in a format in which not any bytes are samples
	for at := int64(12); ; {
		name, size, err := chunk(r, at)
		if err != nil || name == "" {
			return false, err
		}
		end := at + chunkHead + size
		switch name {
		case "fmt ":
			raw := make([]byte, 12)
			if _, err := r.ReadAt(raw, at+chunkHead); err != nil {
				return false, ended(err)
			}
			if plainWaves[binary.LittleEndian.Uint16(raw)] {
				perSecond = int64(binary.LittleEndian.Uint32(raw[8:]))
			}
		case "data":
			if perSecond == 0 || size == 0 || r.Size()-end < max(perSecond/10, chunkHead) {
				return false, nil
			}
			known, err := chunksOrTag(r, end)
			if err != nil || known {
				return false, err
			}
			known, err = chunksOrTag(r, end+end&1) // an odd length is filled up
			return !known && err == nil, err
		}
		at = end + end&1
	}
}

// chunk reads the head of a chunk; the name is empty where there is none.
func chunk(r *io.SectionReader, at int64) (name string, size int64, err error) {
	head := make([]byte, chunkHead)
	if _, err := r.ReadAt(head, at); err != nil {
		return "", 0, ended(err)
	}
	for _, b := range head[:4] {
		if b < ' ' || b > '~' {
			return "", 0, nil
		}
	}
	return string(head[:4]), int64(binary.LittleEndian.Uint32(head[4:])), nil
}

// maxChunks bounds the chunks that are looked at behind the samples.
const maxChunks = 1 << 10

// chunksOrTag tells whether the rest is chunks up to its end, or begins as a tag does.
func chunksOrTag(r *io.SectionReader, at int64) (bool, error) {
	for _, tag := range []string{"ID3", "TAG", "APETAGEX"} {
		head := make([]byte, len(tag))
		if _, err := r.ReadAt(head, at); err == nil && bytes.Equal(head, []byte(tag)) {
			return true, nil
		}
	}
	for range maxChunks {
		name, size, err := chunk(r, at)
		if err != nil || name == "" || size > r.Size()-at-chunkHead {
			return false, err
		}
		if at += chunkHead + size + size&1; at >= r.Size()-chunkHead {
			return true, nil
		}
	}
	return true, nil
}

// What lies behind the last packet is remarked on where it is so many bytes, and such a part of the file: indexes and tags are less.
const (
	unreadBytes = 16 << 10
	unreadPart  = 1. / 8
)

// seeUnread remarks on a file of which much lies behind the last packet.
func (c *Contents) seeUnread(in Place) error {
	r, closeFile, err := in.open()
	if err != nil {
		return err
	}
	defer closeFile()
	if rest := r.Size() - c.read; c.read > 0 && rest > unreadBytes && float64(rest) > unreadPart*float64(r.Size()) {
		c.Unread = rest
	}
	return nil
}

// unread says what Unread means.
func (c *Contents) unread() string {
	return fmt.Sprintf("its last %d kB are not read, for nothing before them tells of them: if that is another recording, make a file of each", c.Unread/1000)
}

// errAgain refuses a file in which another recording begins, at a time of the first.
func errAgain(until float64) error {
	return fmt.Errorf("its times begin again at %.1f s, as where recordings are written behind each other: make a file of each", until)
}
