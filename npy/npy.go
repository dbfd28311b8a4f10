package npy

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Array is one array to be written: its kind of element, its shape, and what writes its elements in row-major order.
type Array struct {
	Descr string // NumPy's name of the element: <f4, <f8, <i8, <U7
	Shape []int
	Write func(w io.Writer) error
}

// header is what stands before the elements; with them it begins at a multiple of 64 bytes.
func (a Array) header() []byte {
	dims := make([]string, len(a.Shape))
	for i, d := range a.Shape {
		dims[i] = fmt.Sprint(d)
	}
	shape := strings.Join(dims, ", ")
	if len(dims) == 1 {
		shape += ","
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", a.Descr, shape)
	const magic, newline = 10, 1
	pad := (64 - (magic+len(text)+newline)%64) % 64
	text += strings.Repeat(" ", pad) + "\n"
	out := append([]byte("\x93NUMPY\x01\x00"), 0, 0)
	binary.LittleEndian.PutUint16(out[8:], uint16(len(text)))
	return append(out, text...)
}

// Encode writes a .npy file.
func (a Array) Encode(w io.Writer) error {
	if _, err := w.Write(a.header()); err != nil {
		return err
	}
	return a.Write(w)
}

// Named is an array of a .npz file.
type Named struct {
	Name string
	Array
}

// EncodeAll writes a .npz file, not compressed, as numpy.savez does.
func EncodeAll(w io.Writer, arrays []Named) error {
	z := zip.NewWriter(w)
	for _, a := range arrays {
		f, err := z.CreateHeader(&zip.FileHeader{Name: a.Name + ".npy", Method: zip.Store})
		if err == nil {
			err = a.Encode(f)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return z.Close()
}

// Strings is an array [n] of texts.
func Strings(texts []string) Array {
	width := 1
	for _, t := range texts {
		width = max(width, utf8.RuneCountInString(t))
	}
	return Array{fmt.Sprintf("<U%d", width), []int{len(texts)}, func(w io.Writer) error {
		for _, t := range texts {
			cell := make([]byte, 4*width) // zeros fill up
			at := 0
			for _, r := range t {
				binary.LittleEndian.PutUint32(cell[at:], uint32(r))
				at += 4
			}
			if _, err := w.Write(cell); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Float64s is an array [n].
func Float64s(v []float64) Array {
	return Array{"<f8", []int{len(v)}, func(w io.Writer) error {
		raw := make([]byte, 8*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint64(raw[8*i:], math.Float64bits(x))
		}
		_, err := w.Write(raw)
		return err
	}}
}

// Ints is an array [n] of 64 bits an element.
func Ints(v []int) Array {
	return Array{"<i8", []int{len(v)}, func(w io.Writer) error {
		raw := make([]byte, 8*len(v))
		for i, x := range v {
			binary.LittleEndian.PutUint64(raw[8*i:], uint64(x))
		}
		_, err := w.Write(raw)
		return err
	}}
}
