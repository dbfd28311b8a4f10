package media

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// Digester makes the digest of a source, clip by clip in order.
type Digester struct{ h hash.Hash }

// NewDigester makes one for no clips yet.
func NewDigester() Digester { return Digester{sha256.New()} }

// Add takes a clip's name, its size in bytes and its length in seconds.
func (d Digester) Add(name string, size int64, seconds float64) {
	fmt.Fprintf(d.h, "%q %d %.6f\n", name, size, seconds)
}

// Text is the digest of the clips so far.
func (d Digester) Text() string { return hex.EncodeToString(d.h.Sum(nil)[:16]) }

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
