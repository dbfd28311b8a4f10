package xkd

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/views"
)

// embedWork is features on the way to a file. The work file begins with a line of JSON that says what it is of; then comes a
// record of one size for each clip, in the order of the source: whether it was read, why not, and its rows.
type embedWork struct {
	source   media.Source
	config   Config
	opt      EmbedOptions
	encoders []*Encoder

	file  *os.File
	begin int64 // of the records
	done  int   // clips in the file
}

// embedRecord is one clip's: rows by modality, spans one after the other, or the reason why there are none.
type embedRecord struct {
	rows   [][]float32
	reason string
}

const (
	// recordHead is the bytes before a record's rows: one that tells good from lost, and the reason.
	recordHead = 256
	recordGood = 1
	recordLost = 2
)

// width is the number of elements of a clip's rows by one modality.
func (w *embedWork) width(m int) int { return w.opt.Spans * w.encoders[m].rowSize() }

func (w *embedWork) recordSize() int64 {
	n := 0
	for m := range w.encoders {
		n += w.width(m)
	}
	return recordHead + 4*int64(n)
}

// identity tells what is embedded by what.
func (w *embedWork) identity(l *Loaded) ([]byte, error) {
	names, weights := sha256.New(), sha256.New()
	for i := range w.source.Len() {
		fmt.Fprintf(names, "%s\x00%v\x00", w.source.Name(i), w.source.Duration(i))
	}
	raw := make([]byte, 4)
	for _, en := range w.encoders {
		for _, q := range en.features.Params {
			data, err := l.tensor(q.Node)
			if err != nil {
				return nil, err
			}
			for _, v := range data {
				binary.LittleEndian.PutUint32(raw, math.Float32bits(v))
				weights.Write(raw)
			}
		}
	}
	line, err := json.Marshal(struct {
		Kind                string
		Views               Views
		Clips               int
		Names, Weights      string
		Tokens              bool
		Spans               int
		Modalities          []Modality
		Role                Role
		RecordSize, Version int64
	}{"features, unfinished", w.config.Views, w.source.Len(), fmt.Sprintf("%x", names.Sum(nil)), fmt.Sprintf("%x", weights.Sum(nil)),
		w.opt.Tokens, w.opt.Spans, w.opt.Modalities, w.opt.Role, w.recordSize(), 1})
	return append(line, '\n'), err
}

// open goes on with the work file, or begins it.
func (w *embedWork) open(path string, l *Loaded) error {
	identity, err := w.identity(l)
	if err != nil {
		return err
	}
	if w.file, err = files.OpenOwn(path); err != nil {
		return err
	}
	fail := func(err error) error { return errors.Join(err, w.file.Close()) }
	w.begin = int64(len(identity))
	info, err := w.file.Stat()
	if err != nil {
		return fail(err)
	}
	if info.Size() == 0 {
		if _, err := w.file.WriteAt(identity, 0); err != nil {
			return fail(err)
		}
		return nil
	}
	line, err := bufio.NewReader(io.NewSectionReader(w.file, 0, 1<<16)).ReadBytes('\n')
	if err != nil || !bytes.Equal(line, identity) {
		return fail(fmt.Errorf("%s: %w: it is of other clips, weights or settings, or damaged: repeat the command that began it, or remove it to begin anew", path, ErrContradiction))
	}
	size := w.recordSize()
	head := make([]byte, 1)
	for n := min((info.Size()-w.begin)/size, int64(w.source.Len())); int64(w.done) < n; w.done++ {
		if _, err := w.file.ReadAt(head, w.begin+int64(w.done)*size); err != nil {
			return fail(err)
		}
		if head[0] != recordGood && head[0] != recordLost {
			break // the machine went down before it was written
		}
	}
	return nil
}

// add appends records, onto the disk.
func (w *embedWork) add(records []embedRecord) error {
	var b bytes.Buffer
	for _, r := range records {
		head := make([]byte, recordHead)
		head[0] = recordGood
		if r.reason != "" {
			head[0] = recordLost
			copy(head[1:], r.reason)
		}
		b.Write(head)
		for m := range w.encoders {
			row := make([]float32, w.width(m))
			if r.reason == "" {
				copy(row, r.rows[m])
			}
			_ = binary.Write(&b, binary.LittleEndian, row)
		}
	}
	if _, err := w.file.WriteAt(b.Bytes(), w.begin+int64(w.done)*w.recordSize()); err != nil {
		return fmt.Errorf("writing features: %w", err)
	}
	w.done += len(records)
	return w.file.Sync()
}

// look tells which clips were read, and which not and why.
func (w *embedWork) look() (good []int, lost []media.BadFile, err error) {
	head := make([]byte, recordHead)
	for i := range w.done {
		if _, err := w.file.ReadAt(head, w.begin+int64(i)*w.recordSize()); err != nil {
			return nil, nil, err
		}
		if head[0] == recordGood {
			good = append(good, i)
		} else {
			lost = append(lost, media.BadFile{Path: w.source.Name(i), Reason: string(bytes.TrimRight(head[1:], "\x00"))})
		}
	}
	return good, lost, nil
}

// bytes passes on the rows of clips by one modality, little-endian.
func (w *embedWork) bytes(m int, clips []int, do func([]byte) error) error {
	at := int64(recordHead)
	for k := range m {
		at += 4 * int64(w.width(k))
	}
	raw := make([]byte, 4*w.width(m))
	for _, i := range clips {
		if _, err := w.file.ReadAt(raw, w.begin+int64(i)*w.recordSize()+at); err != nil {
			return err
		}
		if err := do(raw); err != nil {
			return err
		}
	}
	return nil
}

// shape is that of the array of one modality, for n clips.
func (w *embedWork) shape(m, n int) []int {
	out := []int{n}
	if w.opt.Spans > 1 {
		out = append(out, w.opt.Spans)
	}
	return slices.Concat(out, w.encoders[m].row.Shape[1:])
}

// starts are the beginnings of clips' spans in seconds, spans of one clip side by side.
func (w *embedWork) starts(clips []int) (out []float64) {
	for _, i := range clips {
		for span := range w.opt.Spans {
			out = append(out, w.config.Spec().CentreSpan(w.source.Duration(i), views.CentreOptions{Segment: span, Segments: w.opt.Spans}).Start)
		}
	}
	return out
}
