package graph

import (
	"fmt"
	"strings"
)

// Shape lists a tensor's dimensions, outermost first. Tensors are dense and row-major. A scalar is [1].
type Shape []int

// Size is the number of elements.
func (s Shape) Size() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(o Shape) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// Last is the innermost dimension.
func (s Shape) Last() int { return s[len(s)-1] }

// Rows is the number of innermost rows: Size / Last.
func (s Shape) Rows() int { return s.Size() / s.Last() }

// Around splits the dimensions at axis: the product before it, its own length, and the product after it.
func (s Shape) Around(axis int) (outer, length, inner int) {
	return s[:axis].Size(), s[axis], s[axis+1:].Size()
}

// Clone returns a copy that may be changed.
func (s Shape) Clone() Shape { return append(Shape(nil), s...) }

func (s Shape) String() string {
	parts := make([]string, len(s))
	for i, d := range s {
		parts[i] = fmt.Sprint(d)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// HasSuffix reports whether the dimensions of o are the innermost ones of s, so that o may be repeated over the rest.
// A scalar [1] is a suffix of every shape.
func (s Shape) HasSuffix(o Shape) bool {
	if o.Size() == 1 {
		return true
	}
	if len(o) > len(s) {
		return false
	}
	return s[len(s)-len(o):].Equal(o)
}
