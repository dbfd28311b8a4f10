package graph

import (
	"fmt"
	"math"
)

// Type is the way in which a tensor's elements are kept. Arithmetic is in float32 (float64 in references) whatever it is.
type Type uint8

// The storage types.
const (
	Float32 Type = iota
	Float16      // IEEE half precision, two to a word
	Uint8        // whole numbers 0 to 255, four to a word
)

func (t Type) String() string { return [...]string{"float32", "float16", "uint8"}[t] }

// Width is the number of bytes of an element.
func (t Type) Width() int { return [...]int{4, 2, 1}[t] }

// Bytes is the memory of n elements, in whole words of four bytes.
func (t Type) Bytes(n int) int64 { return (int64(n)*int64(t.Width()) + 3) / 4 * 4 }

// Round gives the value that is kept for v.
func (t Type) Round(v float64) float64 {
	switch t {
	case Float16:
		return float64(FromHalf(ToHalf(float32(v))))
	case Uint8:
		return math.RoundToEven(min(max(v, 0), 255))
	}
	return float64(float32(v))
}

// ToHalf rounds to half precision, to even where two are as near.
func ToHalf(v float32) uint16 {
	b := math.Float32bits(v)
	sign := uint16(b >> 16 & 0x8000)
	exp, frac := int(b>>23&0xff)-127+15, b&0x7fffff
	switch {
	case exp >= 143: // infinite or no number
		if frac != 0 {
			return sign | 0x7e00
		}
		return sign | 0x7c00
	case exp >= 31:
		return sign | 0x7c00
	case exp <= 0: // below the least normal number
		if exp < -10 {
			return sign
		}
		frac |= 0x800000
		shift := uint(14 - exp)
		half := frac >> shift
		rest, mid := frac&(1<<shift-1), uint32(1)<<(shift-1)
		if rest > mid || rest == mid && half&1 == 1 {
			half++
		}
		return sign | uint16(half)
	}
	half := uint32(exp)<<10 | frac>>13
	if rest := frac & 0x1fff; rest > 0x1000 || rest == 0x1000 && half&1 == 1 {
		half++ // may carry into the exponent, up to infinity
	}
	return sign | uint16(half)
}

// FromHalf widens a half-precision number.
func FromHalf(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp, frac := uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp == 0:
		v := float32(frac) / (1 << 24)
		if sign != 0 {
			v = -v
		}
		return v
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// Encode packs values as the type keeps them, in words of four bytes, little-endian.
func (t Type) Encode(data []float32) []byte {
	out := make([]byte, t.Bytes(len(data)))
	for i, v := range data {
		switch t {
		case Float32:
			put(out[4*i:], math.Float32bits(v), 4)
		case Float16:
			put(out[2*i:], uint32(ToHalf(v)), 2)
		case Uint8:
			out[i] = byte(t.Round(float64(v)))
		}
	}
	return out
}

// Decode unpacks what Encode made.
func (t Type) Decode(dst []float32, data []byte) error {
	if int64(len(data)) < int64(len(dst))*int64(t.Width()) {
		return fmt.Errorf("graph: %d bytes hold no %d elements of %v", len(data), len(dst), t)
	}
	for i := range dst {
		switch t {
		case Float32:
			dst[i] = math.Float32frombits(get(data[4*i:], 4))
		case Float16:
			dst[i] = FromHalf(uint16(get(data[2*i:], 2)))
		case Uint8:
			dst[i] = float32(data[i])
		}
	}
	return nil
}

func put(b []byte, v uint32, n int) {
	for i := range n {
		b[i] = byte(v >> (8 * i))
	}
}

func get(b []byte, n int) (v uint32) {
	for i := range n {
		v |= uint32(b[i]) << (8 * i)
	}
	return v
}
