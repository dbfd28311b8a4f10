package media

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Sized is implemented by sources whose clips lie in files.
type Sized interface {
	// Size is the size in bytes of the file that holds clip i.
	Size(i int) int64
}

// Digest is a hash of what is known of a source's clips without reading them: names, labels, splits, lengths and, where they
// lie in files, sizes. It is the same wherever the clips lie.
func Digest(src Source) string {
	h := sha256.New()
	WriteClips(h, src)
	if s, ok := src.(Sized); ok {
		for i := range src.Len() {
			fmt.Fprintln(h, s.Size(i))
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// WriteClips writes a line for every clip: its name, label, split and length.
func WriteClips(w io.Writer, src Source) {
	split := func(int) string { return "" }
	if s, ok := src.(interface{ Split(i int) string }); ok {
		split = s.Split
	}
	classes := src.Classes()
	for i := range src.Len() {
		label := ""
		if l := src.Label(i); l >= 0 {
			label = classes[l]
		}
		fmt.Fprintf(w, "%q %q %q %g\n", src.Name(i), label, split(i), src.Duration(i))
	}
}
