package safetensors

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
)

// Tensor is a dense row-major float32 tensor.
type Tensor struct {
	Shape []int
	Data  []float32
}

// File is the content of one file.
type File struct {
	Metadata map[string]string
	Tensors  map[string]Tensor
}

// maxHeader bounds the header, as the reference implementation does.
const maxHeader = 100 << 20

type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Load reads a whole file. Errors name the file and what is wrong with it.
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a safetensors file", path)
	}
	file, err := decode(bufio.NewReaderSize(f, 1<<20), info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// decode reads a file of the given size in bytes.
func decode(r io.Reader, size int64) (*File, error) {
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
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("the header is no JSON: %w", err)
	}
	file := &File{Metadata: map[string]string{}, Tensors: map[string]Tensor{}}
	type named struct {
		name string
		entry
	}
	var entries []named
	for name, field := range fields {
		if name == "__metadata__" {
			if err := json.Unmarshal(field, &file.Metadata); err != nil {
				return nil, fmt.Errorf("the metadata is no table of strings: %w", err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(field, &e); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		entries = append(entries, named{name, e})
	}
	sort.Slice(entries, func(i, j int) bool { // an empty tensor comes before the one that starts at its place
		a, b := entries[i].Offsets, entries[j].Offsets
		return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
	})
	body := size - 8 - int64(n)
	var at int64
	for _, e := range entries {
		if e.DType != "F32" {
			return nil, fmt.Errorf("tensor %q is %s; only F32 is supported", e.name, e.DType)
		}
		count := int64(1)
		for _, d := range e.Shape {
			if d < 0 || d > 0 && count > math.MaxInt64/4/int64(d) {
				return nil, fmt.Errorf("tensor %q has an absurd shape %v", e.name, e.Shape)
			}
			count *= int64(d)
		}
		if e.Offsets[0] != at || e.Offsets[1]-e.Offsets[0] != 4*count {
			return nil, fmt.Errorf("tensor %q: offsets %v do not fit shape %v at byte %d", e.name, e.Offsets, e.Shape, at)
		}
		if e.Offsets[1] > body {
			return nil, fmt.Errorf("cut short: tensor %q ends at byte %d, the file holds %d", e.name, e.Offsets[1], body)
		}
		data := make([]float32, count)
		if err := readFloats(r, data); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.name, err)
		}
		file.Tensors[e.name] = Tensor{e.Shape, data}
		at = e.Offsets[1]
	}
	return file, nil
}

const chunk = 1 << 14 // floats converted at a time

func readFloats(r io.Reader, dst []float32) error {
	buf := make([]byte, 4*min(len(dst), chunk))
	for len(dst) > 0 {
		n := min(len(dst), chunk)
		if _, err := io.ReadFull(r, buf[:4*n]); err != nil {
			return fmt.Errorf("cut short: %w", err)
		}
		for i := range dst[:n] {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[4*i:]))
		}
		dst = dst[n:]
	}
	return nil
}

// Encode writes the file, tensors in order of name.
func (f *File) Encode(w io.Writer) error {
	names := make([]string, 0, len(f.Tensors))
	for name := range f.Tensors {
		names = append(names, name)
	}
	sort.Strings(names)
	fields := map[string]any{}
	if len(f.Metadata) > 0 {
		fields["__metadata__"] = f.Metadata
	}
	var at int64
	for _, name := range names {
		t := f.Tensors[name]
		count := 1
		for _, d := range t.Shape {
			count *= d
		}
		if count != len(t.Data) {
			return fmt.Errorf("tensor %q has %d elements for shape %v", name, len(t.Data), t.Shape)
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		end := at + 4*int64(len(t.Data))
		fields[name] = entry{"F32", shape, [2]int64{at, end}}
		at = end
	}
	var header bytes.Buffer
	enc := json.NewEncoder(&header)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return err
	}
	// Spaces align the data to eight bytes; the encoder's newline is one of them.
	raw := bytes.TrimRight(header.Bytes(), "\n")
	for len(raw)%8 != 0 {
		raw = append(raw, ' ')
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(raw)))
	if _, err := w.Write(append(size[:], raw...)); err != nil {
		return err
	}
	buf := make([]byte, 4*chunk)
	for _, name := range names {
		data := f.Tensors[name].Data
		for len(data) > 0 {
			n := min(len(data), chunk)
			for i, v := range data[:n] {
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
			}
			if _, err := w.Write(buf[:4*n]); err != nil {
				return err
			}
			data = data[n:]
		}
	}
	return nil
}

// Save writes the file to a temporary name beside path, syncs it and renames it, so that path is never half written.
func (f *File) Save(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	fail := func(err error) error {
		tmp.Close()
		os.Remove(tmp.Name())
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	w := bufio.NewWriterSize(tmp, 1<<20)
	if err := f.Encode(w); err != nil {
		return fail(err)
	}
	if err := w.Flush(); err != nil {
		return fail(err)
	}
	if err := tmp.Chmod(0o644); err != nil {
		return fail(err)
	}
	if err := tmp.Sync(); err != nil {
		return fail(err)
	}
	if err := tmp.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fail(err)
	}
	// The rename is only certain once the folder is synced; some file systems cannot, which is no failure.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}
