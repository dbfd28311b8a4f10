package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxHeader bounds the header, as the reference implementation does.
const maxHeader = 100 << 20

const metadataKey = "__metadata__"

// entry describes one tensor.
type entry struct {
	name    string
	count   int64
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// header is what stands before the tensors' bytes.
type header struct {
	metadata map[string]string
	entries  []entry
	body     int64 // bytes after it
}

func readHeader(r io.Reader, size int64) (*header, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, errors.New("too short to be a safetensors file")
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("not a safetensors file, or cut short: the header claims %d bytes of %d", n, size)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, fmt.Errorf("cut short inside the header: %w", err)
	}
	h := &header{metadata: map[string]string{}, body: size - 8 - int64(n)}
	if !utf8.Valid(raw) {
		return nil, errors.New("the header is no UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	err := object(dec, func(name string) (err error) {
		if name == metadataKey {
			h.metadata, err = readMetadata(dec)
			return err
		}
		e, err := readEntry(dec)
		e.name = name
		h.entries = append(h.entries, e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return nil, errors.New("the header goes on after its end")
	}
	return h, nil
}

// object reads a JSON object; each key may stand once.
func object(dec *json.Decoder, value func(key string) error) error {
	t, err := dec.Token()
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if t != json.Delim('{') {
		return fmt.Errorf("%v stands where a table should", t)
	}
	seen := map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return fmt.Errorf("no JSON: %w", err)
		}
		key := t.(string) // nothing else passes the decoder here
		if seen[key] {
			return fmt.Errorf("%q stands twice", key)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	if _, err = dec.Token(); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return nil
}

func readMetadata(dec *json.Decoder) (map[string]string, error) {
	out := map[string]string{}
	err := object(dec, func(key string) error {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		text, ok := t.(string)
		if !ok {
			return fmt.Errorf("%v is no string", t)
		}
		out[key] = text
		return nil
	})
	return out, err
}

func readEntry(dec *json.Decoder) (e entry, err error) {
	e.Offsets = [2]int64{-1, -1}
	err = object(dec, func(key string) error {
		switch key {
		case "dtype":
			return dec.Decode(&e.DType)
		case "shape":
			return dec.Decode(&e.Shape)
		case "data_offsets":
			var list []int64
			if err := dec.Decode(&list); err != nil {
				return err
			}
			if len(list) != 2 {
				return fmt.Errorf("%v are not two offsets", list)
			}
			e.Offsets = [2]int64(list)
			return nil
		default:
			var other json.RawMessage
			return dec.Decode(&other)
		}
	})
	if err == nil && (e.DType == "" || e.Shape == nil || e.Offsets[0] < 0) {
		err = errors.New("lacks dtype, shape or data_offsets")
	}
	return e, err
}

// checkLayout sorts the tensors by place and sees that each has the bytes it needs and that together they fill the file:
// nothing overlaps, nothing is left over.
func (h *header) checkLayout() error {
	slices.SortFunc(h.entries, func(a, b entry) int { // an empty tensor comes before the one that starts at its place
		if a.Offsets != b.Offsets {
			return slices.Compare(a.Offsets[:], b.Offsets[:])
		}
		return strings.Compare(a.name, b.name)
	})
	var at int64
	before := ""
	for i := range h.entries {
		e := &h.entries[i]
		d, ok := dtypes[e.DType]
		if !ok {
			return fmt.Errorf("tensor %q is of the unknown type %s", e.name, e.DType)
		}
		e.count = 1
		for _, n := range e.Shape {
			if n < 0 || n > 0 && e.count > math.MaxInt64/8/int64(n) {
				return fmt.Errorf("tensor %q has an absurd shape %v", e.name, e.Shape)
			}
			e.count *= int64(n)
		}
		begin, end := e.Offsets[0], e.Offsets[1]
		switch need := int64(d.size) * e.count; {
		case end < begin || end-begin != need:
			return fmt.Errorf("tensor %q: offsets %v do not fit its shape %v, which takes %d bytes", e.name, e.Offsets, e.Shape, need)
		case begin < at:
			return fmt.Errorf("tensor %q overlaps %q: it begins at byte %d, and that one ends at %d", e.name, before, begin, at)
		case begin > at:
			return fmt.Errorf("there is a hole of %d bytes before tensor %q", begin-at, e.name)
		case end > h.body:
			return fmt.Errorf("cut short: tensor %q ends at byte %d, the file holds %d", e.name, end, h.body)
		}
		at, before = end, e.name
	}
	if at != h.body {
		return fmt.Errorf("%d bytes follow the last tensor", h.body-at)
	}
	return nil
}

// dtype is how elements of a type are stored; those without convert may stand in a file but are not read.
type dtype struct {
	size    int
	convert func(dst []float32, src []byte)
}

// Convert makes floats of little-endian elements of a type: F64 (rounded), F32, F16 or BF16.
func Convert(kind string, dst []float32, src []byte) error {
	d := dtypes[kind]
	if d.convert == nil {
		return fmt.Errorf("its elements are %s; only F64, F32, F16 and BF16 are read", kind)
	}
	d.convert(dst, src)
	return nil
}

var dtypes = map[string]dtype{
	"I64": {size: 8}, "I32": {size: 4}, "I16": {size: 2}, "I8": {size: 1},
	"U64": {size: 8}, "U32": {size: 4}, "U16": {size: 2}, "U8": {size: 1}, "BOOL": {size: 1},
	"F64": {8, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	}},
	"F32": {4, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	}},
	"F16": {2, func(dst []float32, src []byte) {
		for i := range dst {
			dst[i] = half(binary.LittleEndian.Uint16(src[2*i:]))
		}
	}},
	"BF16": {2, func(dst []float32, src []byte) { // the upper half of a float32
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	}},
}

// half converts an IEEE 754 half: 1 bit of sign, 5 of exponent with bias 15, 10 of fraction.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero and subnormal numbers, multiples of 2^-24
		v := math.Float32bits(float32(fraction) * 0x1p-24)
		return math.Float32frombits(sign | v)
	case 31: // infinity and NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	default:
		return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
	}
}
