package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"

	"goxkd/internal/files"
)

// Tensor is a dense row-major float32 tensor.
type Tensor struct {
	Shape []int
	Data  []float32
	// Fill, where Data is nil, writes the elements to dst when the file is written, so that one tensor at a time is in memory.
	// It is called twice and must give the same.
	Fill func(dst []float32) error
}

// elements is the number that the shape tells.
func (t Tensor) elements() int {
	count := 1
	for _, d := range t.Shape {
		count *= d
	}
	return count
}

// filled is the tensor with its data, which share memory with the buffer where they had to be asked for.
func (t Tensor) filled(name string, buf *[]float32) (Tensor, error) {
	count := t.elements()
	if t.Data == nil && t.Fill != nil {
		if cap(*buf) < count {
			*buf = make([]float32, count)
		}
		t.Data = (*buf)[:count]
		if err := t.Fill(t.Data); err != nil {
			return t, err
		}
	}
	if count != len(t.Data) {
		return t, fmt.Errorf("tensor %q has %d elements for shape %v", name, len(t.Data), t.Shape)
	}
	return t, nil
}

// File is the content of one file. The metadata are without the checksums, which are written and verified here.
type File struct {
	Metadata map[string]string
	Tensors  map[string]Tensor
}

// Load reads a whole file. Errors name the file and what is wrong with it; what is no regular file is not opened. Where the
// file has checksums they are verified.
func Load(path string) (*File, error) {
	r, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.all()
}

// decode reads a file of the given size in bytes.
func decode(from io.ReaderAt, size int64) (*File, error) {
	r, err := newReader(from, size)
	if err != nil {
		return nil, err
	}
	return r.all()
}

const chunk = 1 << 14 // floats converted at a time

// Stream is a tensor that is written without being held: Each passes on its elements, part by part, and again when it is asked
// again.
type Stream struct {
	Shape []int
	Each  func(do func(part []float32) error) error
}

// eachChunk passes on a tensor's bytes, and fails where they are not as many as the shape says.
func (t Stream) eachChunk(buf []byte, count int, do func([]byte) error) error {
	got := 0
	err := t.Each(func(data []float32) error {
		for got += len(data); len(data) > 0; {
			n := min(len(data), chunk)
			for i, v := range data[:n] {
				binary.LittleEndian.PutUint32(buf[4*i:], math.Float32bits(v))
			}
			if err := do(buf[:4*n]); err != nil {
				return err
			}
			data = data[n:]
		}
		return nil
	})
	if err == nil && got != count {
		err = fmt.Errorf("%d elements for shape %v", got, t.Shape)
	}
	return err
}

// Encode writes the file, tensors in order of name, with checksums.
func (f *File) Encode(w io.Writer) error {
	streams := map[string]Stream{}
	var buf []float32
	for name, t := range f.Tensors {
		streams[name] = Stream{t.Shape, func(do func([]float32) error) error {
			whole, err := t.filled(name, &buf)
			if err != nil {
				return err
			}
			return do(whole.Data)
		}}
	}
	return EncodeStreams(w, f.Metadata, streams)
}

// EncodeStreams is File.Encode for tensors that are not held. It reads each twice, for its checksum and to write it.
func EncodeStreams(w io.Writer, meta map[string]string, tensors map[string]Stream) error {
	names := slices.Sorted(maps.Keys(tensors))
	buf := make([]byte, 4*chunk)
	fields := map[string]any{}
	sums := map[string]uint32{}
	counts := map[string]int{}
	var entries []entry
	var at int64
	for _, name := range names {
		t := tensors[name]
		count := Tensor{Shape: t.Shape}.elements()
		counts[name] = count
		e := entry{name: name, DType: "F32", Shape: t.Shape, Offsets: [2]int64{at, at + 4*int64(count)}}
		if e.Shape == nil {
			e.Shape = []int{}
		}
		err := t.eachChunk(buf, count, func(part []byte) error {
			sums[name] = crc32.Update(sums[name], castagnoli, part)
			return nil
		})
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		fields[name] = e
		entries = append(entries, e)
		at = e.Offsets[1]
	}
	metadata, err := withSums(meta, entries, sums)
	if err != nil {
		return err
	}
	fields[metadataKey] = metadata
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
	if len(raw) > maxHeader {
		return fmt.Errorf("the header would have %d bytes, more than the %d that may be read", len(raw), maxHeader)
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(len(raw)))
	if _, err := w.Write(append(size[:], raw...)); err != nil {
		return err
	}
	for _, name := range names {
		err := tensors[name].eachChunk(buf, counts[name], func(part []byte) error {
			_, err := w.Write(part)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Save writes the file beside path, onto the disk, and renames it, so that path is never half written.
func (f *File) Save(path string) error { return f.Replace(path, "") }

// Replace is Save, and keeps the file that was at path under another name, unless that is empty. At no moment is there no
// whole file at path, where the file system has hard links.
func (f *File) Replace(path, previous string) error {
	if err := files.Replace(path, previous, f.Encode); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
