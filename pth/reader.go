package pth

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"goxkd/internal/files"
	"goxkd/safetensors"
)

// Reader reads single tensors of a file. It is safe for concurrent use.
type Reader struct {
	// Skipped are the entries beside the weights, such as an optimiser's state.
	Skipped []string
	path    string
	from    *os.File
	names   []string
	tensors map[string]*tensor
	places  map[string]place // of storages
}

// place is where a storage's bytes are.
type place struct{ at, size int64 }

// zipMagic and legacyMagic begin the two formats: an archive, and a pickle of one large number.
var (
	zipMagic    = []byte("PK\x03\x04")
	legacyMagic = []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")
)

// Recognises tells by its first bytes whether a file is one of PyTorch's.
func Recognises(head []byte) bool {
	return bytes.HasPrefix(head, zipMagic) || len(head) > 1 && head[0] == 0x80 && head[1] <= 5
}

// Open reads what a file says of its tensors. Errors name the file; ErrRefused is for what weights do not need.
func Open(path string) (*Reader, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	r := &Reader{path: path, from: f, tensors: map[string]*tensor{}, places: map[string]place{}}
	if err := r.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (r *Reader) open() error {
	info, err := r.from.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, len(legacyMagic))
	n, err := r.from.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var root any
	switch head = head[:n]; {
	case bytes.HasPrefix(head, zipMagic):
		root, err = r.openZip(info.Size())
	case bytes.Equal(head, legacyMagic):
		root, err = r.openLegacy(info.Size())
	case Recognises(head):
		// Not PyTorch's: it is read all the same, to say what it asks for.
		if _, _, err = unpickle(bufio.NewReader(io.NewSectionReader(r.from, 0, info.Size()))); err == nil {
			err = errors.New("it is a pickle, but none that PyTorch wrote")
		}
	default:
		err = errors.New("it is no file of PyTorch's")
	}
	if err != nil {
		return err
	}
	return r.collect(root)
}

// openZip reads the archive of PyTorch 1.6 and later: NAME/data.pkl, and a file NAME/data/KEY for each storage.
func (r *Reader) openZip(size int64) (any, error) {
	z, err := zip.NewReader(r.from, size)
	if err != nil {
		return nil, fmt.Errorf("the archive is damaged: %w", err)
	}
	var pickle *zip.File
	for _, f := range z.File {
		dir, name, ok := strings.Cut(f.Name, "/")
		if !ok {
			continue
		}
		switch {
		case name == "data.pkl":
			if pickle != nil {
				return nil, fmt.Errorf("the archive has two data.pkl, one in %q", shorten(dir))
			}
			pickle = f
		case name == "byteorder":
			at, err := where(f, size)
			if err != nil {
				return nil, err
			}
			order := make([]byte, min(at.size, 16))
			if _, err := r.from.ReadAt(order, at.at); err != nil {
				return nil, err
			}
			if strings.TrimSpace(string(order)) != "little" {
				return nil, fmt.Errorf("its byte order is %q: only little-endian files are read", order)
			}
		case strings.HasPrefix(name, "data/"):
			at, err := where(f, size)
			if err != nil {
				return nil, err
			}
			key := strings.TrimPrefix(name, "data/")
			if _, twice := r.places[key]; twice {
				return nil, fmt.Errorf("the archive has storage %q twice", shorten(key))
			}
			r.places[key] = at
		case name == "constants.pkl":
			return nil, errors.New("it is a TorchScript program: save the module's state_dict() instead")
		}
	}
	if pickle == nil {
		return nil, errors.New("the archive has no data.pkl: it is none of PyTorch's")
	}
	at, err := where(pickle, size)
	if err != nil {
		return nil, err
	}
	root, _, err := unpickle(bufio.NewReader(io.NewSectionReader(r.from, at.at, at.size)))
	return root, err
}

// where is the place of a file in an archive. PyTorch compresses none.
func where(f *zip.File, size int64) (place, error) {
	if f.Method != zip.Store || f.CompressedSize64 != f.UncompressedSize64 {
		return place{}, fmt.Errorf("%q in the archive is compressed, as PyTorch does not do", shorten(f.Name))
	}
	at, err := f.DataOffset()
	if err != nil {
		return place{}, fmt.Errorf("the archive is damaged: %w", err)
	}
	if at < 0 || f.UncompressedSize64 > uint64(size) || at > size-int64(f.UncompressedSize64) {
		return place{}, fmt.Errorf("cut short: %q in the archive goes beyond the end", shorten(f.Name))
	}
	return place{at, int64(f.UncompressedSize64)}, nil
}

// openLegacy reads the format before that: pickles of a magic number, a version, the machine, the object and the storages'
// keys; then for each key the number of elements, 8 bytes, and the elements.
func (r *Reader) openLegacy(size int64) (any, error) {
	var at int64
	next := func() (any, error) {
		v, n, err := unpickle(bufio.NewReader(io.NewSectionReader(r.from, at, size-at)))
		at += n
		return v, err
	}
	var parts [5]any
	for i := range parts {
		var err error
		if parts[i], err = next(); err != nil {
			return nil, err
		}
	}
	if v, _ := parts[1].(int64); v != 1001 {
		return nil, fmt.Errorf("its version is %v: 1001 is known", parts[1])
	}
	machine, ok := parts[2].(*dict)
	if !ok || machine.get("little_endian") != any(true) {
		return nil, errors.New("it does not say that it is little-endian: only such files are read")
	}
	keys, ok := parts[4].(*list)
	if !ok {
		return nil, errors.New("the list of its storages is missing")
	}
	kinds := map[string]string{}
	walk(parts[3], 0, new(int), func(t *tensor) { kinds[t.key] = t.dtype })
	for _, k := range keys.items {
		key, ok := k.(string)
		if !ok {
			return nil, errors.New("a storage has no name")
		}
		if _, twice := r.places[key]; twice {
			return nil, fmt.Errorf("storage %q stands twice", shorten(key))
		}
		var head [8]byte
		if _, err := r.from.ReadAt(head[:], at); err != nil {
			return nil, fmt.Errorf("cut short before storage %q", shorten(key))
		}
		kind, ok := kinds[key]
		if !ok {
			return nil, fmt.Errorf("storage %q belongs to no tensor, so that its size is not known", shorten(key))
		}
		count := binary.LittleEndian.Uint64(head[:])
		if at += 8; count > uint64(size-at)/uint64(sizes[kind]) {
			return nil, fmt.Errorf("cut short: storage %q claims %d elements", shorten(key), count)
		}
		bytes := int64(count) * sizes[kind]
		r.places[key] = place{at, bytes}
		at += bytes
	}
	return parts[3], nil
}

// get is the value of a key; the last one counts.
func (d *dict) get(key string) any {
	for i := len(d.items) - 1; i >= 0; i-- {
		if d.items[i].key == any(key) {
			return d.items[i].value
		}
	}
	return nil
}

// maxWalk bounds the values that are looked at: a pickle may contain one value a thousand times over.
const maxWalk = 1 << 22

// walk visits the tensors of nested tables and lists.
func walk(v any, depth int, seen *int, do func(*tensor)) {
	if *seen++; depth > 32 || *seen > maxWalk {
		return
	}
	switch v := v.(type) {
	case *tensor:
		do(v)
	case *dict:
		for _, p := range v.items {
			walk(p.value, depth+1, seen, do)
		}
	default:
		items, _ := entries(v)
		for _, it := range items {
			walk(it, depth+1, seen, do)
		}
	}
}

// preferred names the entries under which checkpoints keep a model's weights.
var preferred = []string{"model", "state_dict", "model_state_dict"}

// collect finds the weights: a table of tensors, or the one in a checkpoint's table that holds them. Several such tables are
// taken together, their tensors named after both.
func (r *Reader) collect(root any) error {
	d, ok := root.(*dict)
	if !ok {
		return errors.New("it holds no table of tensors")
	}
	if r.take("", d) > 0 {
		for _, p := range d.items {
			if _, ok := p.value.(*tensor); !ok {
				r.skip(p.key)
			}
		}
		return r.finish()
	}
	var tables []string
	for _, p := range d.items {
		name, _ := p.key.(string)
		if sub, ok := p.value.(*dict); ok && name != "" && slices.ContainsFunc(sub.items, func(p pair) bool { _, ok := p.value.(*tensor); return ok }) {
			tables = append(tables, name)
		}
	}
	prefix := len(tables) > 1
	for _, name := range preferred {
		if prefix && slices.Contains(tables, name) {
			tables, prefix = []string{name}, false
		}
	}
	for _, name := range tables {
		if prefix {
			r.take(name+".", d.get(name).(*dict))
		} else {
			r.take("", d.get(name).(*dict))
		}
	}
	for _, p := range d.items {
		if name, _ := p.key.(string); !slices.Contains(tables, name) {
			r.skip(p.key)
		}
	}
	return r.finish()
}

func (r *Reader) skip(key any) { r.Skipped = append(r.Skipped, shorten(fmt.Sprint(key))) }

// take enters the tensors of a table; the last of a name counts.
func (r *Reader) take(prefix string, d *dict) (n int) {
	for _, p := range d.items {
		name, ok := p.key.(string)
		t, is := p.value.(*tensor)
		if !ok || !is {
			continue
		}
		if name = prefix + name; r.tensors[name] == nil {
			r.names = append(r.names, name)
		}
		r.tensors[name] = t
		n++
	}
	return n
}

// finish sees that the file holds what it claims.
func (r *Reader) finish() error {
	if len(r.names) == 0 {
		return errors.New("it holds no tensors")
	}
	for _, name := range r.names {
		t := r.tensors[name]
		p, ok := r.places[t.key]
		if !ok {
			return fmt.Errorf("the elements of %s are missing", shorten(name))
		}
		if size := sizes[t.dtype]; t.first+t.count > p.size/size {
			return fmt.Errorf("cut short: the storage of %s has %d bytes, not %d", shorten(name), p.size, (t.first+t.count)*size)
		}
	}
	return nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.from.Close() }

// Names are the tensors' names, in the order of the file.
func (r *Reader) Names() []string { return slices.Clone(r.names) }

// Shape is that of a tensor; false where there is none of the name.
func (r *Reader) Shape(name string) ([]int, bool) {
	t, ok := r.tensors[name]
	if !ok {
		return nil, false
	}
	return slices.Clone(t.shape), true
}

// Read reads one tensor, row-major whatever its strides, as float32.
func (r *Reader) Read(name string) (safetensors.Tensor, error) {
	t, ok := r.tensors[name]
	if !ok {
		return safetensors.Tensor{}, fmt.Errorf("%s: there is no tensor %q", r.path, name)
	}
	out := safetensors.Tensor{Shape: slices.Clone(t.shape), Data: make([]float32, t.elements())}
	if len(out.Data) == 0 {
		return out, nil
	}
	first, last := t.offset, t.offset
	for i, n := range t.shape {
		last += int64(n-1) * t.stride[i]
	}
	size := sizes[t.dtype]
	bytes := make([]byte, (last-first+1)*size)
	if _, err := r.from.ReadAt(bytes, r.places[t.key].at+(t.first+first)*size); err != nil {
		return out, fmt.Errorf("%s: tensor %q: %w", r.path, name, err)
	}
	span := make([]float32, last-first+1)
	if err := safetensors.Convert(t.dtype, span, bytes); err != nil {
		return out, fmt.Errorf("%s: tensor %q: %w", r.path, name, err)
	}
	index := make([]int, len(t.shape))
	for i, at := 0, int64(0); ; i++ {
		out.Data[i] = span[at]
		d := len(index) - 1
		for ; d >= 0; d-- {
			if index[d]++; index[d] < t.shape[d] {
				at += t.stride[d]
				break
			}
			at -= int64(t.shape[d]-1) * t.stride[d]
			index[d] = 0
		}
		if d < 0 {
			return out, nil
		}
	}
}
