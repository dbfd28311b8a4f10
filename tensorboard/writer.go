package tensorboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Image is an encoded picture, such as a PNG.
type Image struct {
	Width, Height int
	Encoded       []byte
}

// Writer appends events to a file. It is for one goroutine.
type Writer struct {
	w   io.Writer
	now func() time.Time
	err error
}

// fileVersion is what readers look for in the first event.
const fileVersion = "brain.Event:2"

// Create makes a new event file in a folder, made if missing, for a run whose next step is given: of what earlier files in the
// folder hold, readers drop the steps from there on.
func Create(folder string, next int) (*Writer, io.Closer, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, nil, err
	}
	host, err := os.Hostname()
	if err != nil || host != filepath.Base(host) {
		host = "localhost"
	}
	// Readers take files in the order of their names.
	name := fmt.Sprintf("events.out.tfevents.%010d.%s.%d", time.Now().Unix(), host, os.Getpid())
	for n := 0; ; n++ {
		f, err := os.OpenFile(filepath.Join(folder, fmt.Sprintf("%s.%d", name, n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		w, err := NewWriter(f, next)
		if err != nil {
			return nil, nil, errors.Join(err, f.Close())
		}
		return w, f, nil
	}
}

// NewWriter begins an event file.
func NewWriter(w io.Writer, next int) (*Writer, error) {
	t := &Writer{w: w, now: time.Now}
	t.event(0, bytesField(3, []byte(fileVersion)))
	t.event(next, bytesField(7, varintField(1, 1))) // SessionLog, START
	return t, t.err
}

// Scalars writes values by tag. The first error of the writer stays.
func (t *Writer) Scalars(step int, values map[string]float64) error {
	var summary []byte
	for _, tag := range slices.Sorted(maps.Keys(values)) {
		value := append(bytesField(1, []byte(tag)), floatField(2, float32(values[tag]))...)
		summary = append(summary, bytesField(1, value)...)
	}
	t.event(step, bytesField(5, summary))
	return t.err
}

// Picture writes an image.
func (t *Writer) Picture(step int, tag string, i Image) error {
	const rgb = 3
	image := slices.Concat(varintField(1, uint64(i.Height)), varintField(2, uint64(i.Width)), varintField(3, rgb), bytesField(4, i.Encoded))
	t.event(step, bytesField(5, bytesField(1, append(bytesField(1, []byte(tag)), bytesField(4, image)...))))
	return t.err
}

// event writes one Event with a part of its fields: 1 is the wall time in seconds, 2 the step, 3 the file's version, 5 a
// summary, 7 a session's log.
func (t *Writer) event(step int, part []byte) {
	if t.err != nil {
		return
	}
	wall := binary.LittleEndian.AppendUint64([]byte{1<<3 | 1}, math.Float64bits(float64(t.now().UnixMicro())/1e6))
	_, t.err = t.w.Write(record(slices.Concat(wall, varintField(2, uint64(step)), part)))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is TFRecord's checksum.
func masked(data []byte) uint32 {
	c := crc32.Checksum(data, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// record frames data: its length, a checksum of that, the data, a checksum of it.
func record(data []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	out = binary.LittleEndian.AppendUint32(out, masked(out))
	out = append(out, data...)
	return binary.LittleEndian.AppendUint32(out, masked(data))
}

// Fields of protocol buffers: a number with a wire type, then the value.

func varintField(number int, v uint64) []byte {
	return binary.AppendUvarint([]byte{byte(number << 3)}, v)
}

func bytesField(number int, data []byte) []byte {
	return append(binary.AppendUvarint([]byte{byte(number<<3 | 2)}, uint64(len(data))), data...)
}

func floatField(number int, v float32) []byte {
	return binary.LittleEndian.AppendUint32([]byte{byte(number<<3 | 5)}, math.Float32bits(v))
}
