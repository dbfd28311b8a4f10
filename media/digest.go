package media

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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
