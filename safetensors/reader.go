package safetensors

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"goxkd/internal/files"
)

// Reader reads single tensors of a file, so that those which are not needed take no memory. Its header has been verified,
// with its checksum where there is one; tensors are when they are read. It is safe for concurrent use.
type Reader struct {
	Metadata map[string]string
	name     string // of the file, for errors
	from     io.ReaderAt
	body     int64 // where the tensors' bytes begin
	entries  map[string]entry
	sums     sums
	close    func() error
}

// Open opens a file and reads its header. Errors are as those of Load.
func Open(path string) (*Reader, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r, err := newReader(f, info.Size())
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	r.name, r.close = path, f.Close
	return r, nil
}

func newReader(from io.ReaderAt, size int64) (*Reader, error) {
	h, err := readHeader(io.NewSectionReader(from, 0, size), size)
	if err != nil {
		return nil, err
	}
	if err := h.checkLayout(); err != nil {
		return nil, err
	}
	want, err := h.takeSums()
	if err != nil {
		return nil, err
	}
	r := &Reader{Metadata: h.metadata, from: from, body: size - h.body, entries: map[string]entry{}, sums: want, close: func() error { return nil }}
	for _, e := range h.entries {
		if _, ok := want.tensors[e.name]; want.present && !ok {
			return nil, fmt.Errorf("damaged: tensor %q has no checksum", e.name)
		}
		r.entries[e.name] = e
	}
	if want.present && want.header != headerSum(h.metadata, h.entries, want.tensors) {
		return nil, errors.New("damaged: the header does not match its checksum")
	}
	return r, nil
}

// Names are the tensors' names, in the order of the file.
func (r *Reader) Names() (names []string) {
	for _, e := range r.inOrder() {
		names = append(names, e.name)
	}
	return names
}

// Close closes the file.
func (r *Reader) Close() error { return r.close() }

// Shape is that of a tensor; false where there is none of the name.
func (r *Reader) Shape(name string) ([]int, bool) {
	e, ok := r.entries[name]
	return slices.Clone(e.Shape), ok
}

// Read reads one tensor and verifies its checksum.
func (r *Reader) Read(name string) (Tensor, error) {
	e, ok := r.entries[name]
	if !ok {
		return Tensor{}, r.fault(fmt.Errorf("there is no tensor %q", name))
	}
	at, d := 0, dtypes[e.DType]
	if err := Convert(e.DType, nil, nil); err != nil {
		return Tensor{}, r.fault(fmt.Errorf("tensor %q: %w", name, err))
	}
	data := make([]float32, e.count)
	err := r.each(context.Background(), e, func(part []byte) {
		n := len(part) / d.size
		d.convert(data[at:at+n], part)
		at += n
	})
	return Tensor{Shape: e.Shape, Data: data}, err
}

// Verify reads all tensors that have checksums, in constant memory, and compares.
func (r *Reader) Verify(ctx context.Context) error {
	if !r.sums.present {
		return nil
	}
	for _, e := range r.inOrder() {
		if err := r.each(ctx, e, func([]byte) {}); err != nil {
			return err
		}
	}
	return nil
}

// each passes on a tensor's bytes, whole elements at a time, and then compares their checksum.
func (r *Reader) each(ctx context.Context, e entry, do func([]byte)) error {
	begin, size := e.Offsets[0], e.Offsets[1]-e.Offsets[0]
	buf := make([]byte, min(size, 4*chunk))
	var sum uint32
	for at := int64(0); at < size; at += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		part := buf[:min(int64(len(buf)), size-at)]
		if _, err := io.ReadFull(io.NewSectionReader(r.from, r.body+begin+at, int64(len(part))), part); err != nil {
			return r.fault(fmt.Errorf("tensor %q: cut short: %w", e.name, err))
		}
		sum = crc32.Update(sum, castagnoli, part)
		do(part)
	}
	if r.sums.present && r.sums.tensors[e.name] != sum {
		return r.fault(fmt.Errorf("damaged: the bytes of tensor %q do not match their checksum", e.name))
	}
	return nil
}

// inOrder lists the tensors by their place.
func (r *Reader) inOrder() (list []entry) {
	for _, e := range r.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b entry) int { return slices.Compare(a.Offsets[:], b.Offsets[:]) })
	return list
}

func (r *Reader) all() (*File, error) {
	file := &File{Metadata: r.Metadata, Tensors: map[string]Tensor{}}
	for _, e := range r.inOrder() {
		t, err := r.Read(e.name)
		if err != nil {
			return nil, err
		}
		file.Tensors[e.name] = t
	}
	return file, nil
}

func (r *Reader) fault(err error) error {
	if r.name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", r.name, err)
}
