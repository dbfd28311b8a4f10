package ffmpeg

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Place is where a clip's bytes lie: a whole file, or a stretch of one such as a member of a tar.
type Place struct {
	Path     string // absolute
	At, Size int64  // the stretch in bytes; size 0 is the whole file
}

// url names the place to ffmpeg, never as an option or a protocol that could leave the machine.
func (p Place) url() string {
	if p.Size == 0 {
		return "file:" + p.Path
	}
	return fmt.Sprintf("subfile,,start,%d,end,%d,,:file:%s", p.At, p.At+p.Size, p.Path)
}

// maxAlloc bounds one allocation of the tools: the largest frame that is decoded takes up to half as
// much, while a header of a few bytes can ask for gigabytes of tables.
const maxAlloc = 1 << 29

// args are the arguments that name the place as an input: never an option, a protocol other than
// file, or a playlist that names other files. They bound what its headers can make the tools allocate.
//
// With past, the length that a WAV's header tells is not believed.
func (p Place) args(past bool) []string {
	protocols := "file"
	if p.Size > 0 {
		protocols = "file,subfile"
	}
	args := []string{
		"-max_alloc", strconv.Itoa(maxAlloc), "-max_pixels", strconv.Itoa(maxPixels),
		"-protocol_whitelist", protocols, "-format_whitelist", formats,
	}
	if past {
		args = append(args, "-f", "wav", "-ignore_length", "1")
	}
	return append(args, "-i", p.url())
}

// unnamed is a tool's complaint without the place, which the text round it names; another error is as it was.
func (p Place) unnamed(err error) error {
	var c complaint
	if errors.As(err, &c) {
		return complaint(strings.TrimPrefix(string(c), p.url()+": "))
	}
	return err
}
