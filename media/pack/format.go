package pack

import (
	"archive/tar"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"goxkd/internal/files"
	"goxkd/media"
)

// A packed folder holds decoded clips in tar shards of WebDataset's convention:
//
//	pack.json                  what was packed and how; written last once more, as complete
//	shard-000000.tar           KEY.json, KEY.frames [T,H,W,3] uint8 RGB, KEY.wave mono samples, KEY2.json, ...
//	shard-000000.tar.idx.json  offsets, shapes, labels and checksums of the shard; written after it
//
// A shard counts once its index stands. An index that is lost is made anew from the shard.

// infoFile is the name of the file that marks a packed folder.
const infoFile = "pack.json"

// version is the form described above.
const version = 1

// blockBytes is the stretch of a member that one checksum covers, so that a part of a long clip is
// verified without reading all of it.
const blockBytes = 256 << 10

// Forms of a waveform. int16 is taken where it loses nothing: where every sample is a whole multiple
// of 1/32768, as sound has that was stored so. Rounding other sound would move the log-mels of quiet
// clips by far more than 1e-4.
const (
	waveFloat = "f32le"
	waveInt   = "s16le"
)

// manifest is pack.json.
type manifest struct {
	Version  int             `json:"version"`
	FPS      int             `json:"fps"`
	Size     int             `json:"size"` // shorter side in pixels
	Rate     int             `json:"rate"` // Hz
	Video    bool            `json:"video"`
	Audio    bool            `json:"audio"`
	Column   string          `json:"label_column,omitempty"`
	Shard    int64           `json:"shard_bytes"`
	Longest  float64         `json:"max_seconds"`
	Source   string          `json:"source"`   // digest of the clips that are packed
	Complete bool            `json:"complete"` // all shards stand
	Shards   int             `json:"shards"`
	Clips    int             `json:"clips"`
	Skipped  []media.BadFile `json:"skipped,omitempty"`
}

// shardIndex is shard-NNNNNN.tar.idx.json.
type shardIndex struct {
	Version int             `json:"version"`
	Bytes   int64           `json:"bytes"` // of the shard
	First   int             `json:"first"` // clips of the source that it covers: from First up to Next
	Next    int             `json:"next"`
	Samples []sample        `json:"samples"`
	Skipped []media.BadFile `json:"skipped,omitempty"`
}

// sample is one packed clip; KEY.json is the same without offsets.
type sample struct {
	Key      string  `json:"key"`
	Name     string  `json:"name"`
	Label    string  `json:"label,omitempty"`
	Split    string  `json:"split,omitempty"`
	Duration float64 `json:"duration"`
	FPS      int     `json:"fps"`
	Rate     int     `json:"rate"`
	Shape    [4]int  `json:"shape"`            // of the frames: T, H, W, 3
	Frames   blob    `json:"frames"`           // bytes
	Wave     blob    `json:"wave"`             // samples in Form
	Form     string  `json:"format,omitempty"` // waveFloat or waveInt
}

// blob is a member with its checksums: CRC-32C of every block.
type blob struct {
	At   int64    `json:"at,omitempty"`
	Size int64    `json:"size"`
	Sums []uint32 `json:"crc32c,omitempty"`
}

func shardName(k int) string { return fmt.Sprintf("shard-%06d.tar", k) }

func shardIndexName(shard string) string { return shard + ".idx.json" }

// Is tells whether the folder is a packed one.
func Is(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, infoFile))
	return err == nil && info.Mode().IsRegular()
}

// maxJSON bounds the JSON files of a packed folder.
const maxJSON = 1 << 30

// readJSON reads a file of bounded size.
func readJSON(file string, v any) error {
	f, err := files.OpenRegular(file)
	if err != nil {
		return files.Cause(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxJSON))
	if err != nil {
		return files.Cause(err)
	}
	return json.Unmarshal(raw, v)
}

func writeJSON(file string, v any) error {
	return files.WriteAtomic(file, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksums are those of each block of data.
func checksums(data []byte) []uint32 {
	var sums []uint32
	for len(data) > 0 {
		n := min(len(data), blockBytes)
		sums = append(sums, crc32.Checksum(data[:n], castagnoli))
		data = data[n:]
	}
	return sums
}

// read reads bytes from up to to of the blob and verifies all blocks that they touch.
func (b blob) read(r io.ReaderAt, from, to int64) ([]byte, error) {
	if from >= to {
		return nil, nil
	}
	first, last := from/blockBytes, (to+blockBytes-1)/blockBytes
	start, end := first*blockBytes, min(last*blockBytes, b.Size)
	data := make([]byte, end-start)
	if n, err := r.ReadAt(data, b.At+start); n < len(data) {
		return nil, fmt.Errorf("cut short: %w", files.Cause(err))
	}
	for block := first; block < last; block++ {
		part := data[(block-first)*blockBytes : min((block-first+1)*blockBytes, int64(len(data)))]
		if crc32.Checksum(part, castagnoli) != b.Sums[block] {
			return nil, fmt.Errorf("damaged: the checksum of bytes %d to %d does not match", block*blockBytes, block*blockBytes+int64(len(part)))
		}
	}
	return data[from-start : to-start], nil
}

// valid says what is wrong with a sample that was read from a file of so many bytes.
func (s *sample) valid(bytes int64) error {
	within := func(b blob) bool {
		// A header comes before every member, so none is at 0: that one was not found.
		return b.Size == 0 || b.Size > 0 && b.At > 0 && b.Size <= bytes && b.At <= bytes-b.Size && int64(len(b.Sums)) == (b.Size+blockBytes-1)/blockBytes
	}
	t, h, w := s.Shape[0], s.Shape[1], s.Shape[2]
	const most = 1 << 20
	switch {
	case !within(s.Frames) || !within(s.Wave):
		return fmt.Errorf("cut short: its members lie outside the shard's %d bytes", bytes)
	case t < 0 || h < 0 || w < 0 || t > most || h > most || w > most || t > 0 && (h == 0 || w == 0 || s.Shape[3] != 3):
		return fmt.Errorf("damaged: frames of shape %v", s.Shape)
	case int64(t)*int64(h)*int64(w) != s.Frames.Size/3 || s.Frames.Size%3 != 0:
		return fmt.Errorf("damaged: frames of shape %v in %d bytes", s.Shape, s.Frames.Size)
	case s.Wave.Size > 0 && waveWidth(s.Form) == 0 || s.Wave.Size > 0 && s.Wave.Size%int64(waveWidth(s.Form)) != 0:
		return fmt.Errorf("damaged: a waveform of format %q in %d bytes", s.Form, s.Wave.Size)
	case !(s.Duration >= 0 && s.Duration < media.MaxSeconds):
		return fmt.Errorf("damaged: a length of %g s", s.Duration)
	}
	return nil
}

// waveWidth is the number of bytes of one sample.
func waveWidth(form string) int {
	switch form {
	case waveFloat:
		return 4
	case waveInt:
		return 2
	}
	return 0
}

// packWave writes samples as bytes, in 16 bits where that loses nothing.
func packWave(wave []float32) (raw []byte, form string) {
	whole := true
	for _, v := range wave {
		n := v * 32768
		if n != float32(int32(n)) || n < math.MinInt16 || n > math.MaxInt16 {
			whole = false
			break
		}
	}
	if whole {
		raw = make([]byte, 0, 2*len(wave))
		for _, v := range wave {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(int16(v*32768)))
		}
		return raw, waveInt
	}
	raw = make([]byte, 0, 4*len(wave))
	for _, v := range wave {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return raw, waveFloat
}

// unpackWave is packWave's inverse.
func unpackWave(raw []byte, form string) []float32 {
	if form == waveFloat {
		return media.SamplesOf(raw)
	}
	wave := make([]float32, len(raw)/2)
	for i := range wave {
		wave[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / 32768
	}
	return wave
}

// loadShardIndex reads a shard's index, or makes it anew from the shard where it is lost or broken.
func loadShardIndex(shard string) (*shardIndex, error) {
	x := &shardIndex{}
	if err := readJSON(shardIndexName(shard), x); err == nil && x.Version == version {
		return x, nil
	}
	x = &shardIndex{Version: version}
	// The samples before any damage still serve.
	err := Scan(shard, func(m Member, body func() ([]byte, error)) error {
		n := len(x.Samples)
		switch {
		case m.Kind != tar.TypeReg:
		case m.Ext == "json":
			raw, err := body()
			if err != nil {
				return err
			}
			var s sample
			if err := json.Unmarshal(raw, &s); err != nil {
				return fmt.Errorf("damaged in %q: %w", m.Name, err)
			}
			x.Samples = append(x.Samples, s)
		case n == 0 || !strings.HasSuffix(m.Key, x.Samples[n-1].Key):
			return fmt.Errorf("damaged at %q: its %q is missing", m.Name, m.Key+".json")
		case m.Ext == "frames" && m.Size == x.Samples[n-1].Frames.Size:
			x.Samples[n-1].Frames.At = m.At
		case m.Ext == "wave" && m.Size == x.Samples[n-1].Wave.Size:
			x.Samples[n-1].Wave.At = m.At
		}
		return nil
	})
	info, statErr := os.Stat(shard)
	if statErr != nil {
		return nil, files.Missing(statErr)
	}
	x.Bytes = info.Size()
	return x, err
}
