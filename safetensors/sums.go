package safetensors

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
)

// Keys of the metadata for CRC-32C checksums, in eight hexadecimal digits: one over the header's content, and a JSON table of
// one per tensor over its bytes. A file has both or neither.
const (
	headerSumKey  = "crc32c"
	tensorSumsKey = "crc32c.tensors"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sums are the checksums that a file carries.
type sums struct {
	present bool
	header  uint32
	tensors map[string]uint32
}

func hex(sum uint32) string { return fmt.Sprintf("%08x", sum) }

func parseHex(text string) (uint32, error) {
	v, err := strconv.ParseUint(text, 16, 32)
	if err == nil && hex(uint32(v)) != text {
		err = errors.New("not eight digits")
	}
	return uint32(v), err
}

// takeSums takes the checksums out of the metadata.
func (h *header) takeSums() (s sums, err error) {
	header, one := h.metadata[headerSumKey]
	table, other := h.metadata[tensorSumsKey]
	if !one && !other {
		return s, nil
	}
	delete(h.metadata, headerSumKey)
	delete(h.metadata, tensorSumsKey)
	damaged := errors.New("damaged: its checksums cannot be read")
	var list map[string]string
	if !one || !other || json.Unmarshal([]byte(table), &list) != nil {
		return s, damaged
	}
	s = sums{present: true, tensors: map[string]uint32{}}
	if s.header, err = parseHex(header); err != nil {
		return s, damaged
	}
	for name, text := range list {
		if s.tensors[name], err = parseHex(text); err != nil {
			return s, damaged
		}
	}
	return s, nil
}

// withSums adds the checksums to a file's metadata.
func withSums(metadata map[string]string, entries []entry, sums map[string]uint32) (map[string]string, error) {
	out := maps.Clone(metadata)
	if out == nil {
		out = map[string]string{}
	}
	delete(out, headerSumKey)
	delete(out, tensorSumsKey)
	header := headerSum(out, entries, sums)
	list := map[string]string{}
	for _, e := range entries {
		list[e.name] = hex(sums[e.name])
	}
	table, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	out[headerSumKey], out[tensorSumsKey] = hex(header), string(table)
	return out, nil
}

// headerSum covers what the header says, not how it is written, so that a program which writes the same content otherwise
// keeps it: all metadata but the checksums, and each tensor's name, type, shape and checksum, in order of names.
func headerSum(metadata map[string]string, entries []entry, sums map[string]uint32) uint32 {
	h := crc32.New(castagnoli)
	write := func(text string) { io.WriteString(h, text+"\x00") }
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		write(key)
		write(metadata[key])
	}
	byName := map[string]entry{}
	for _, e := range entries {
		byName[e.name] = e
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		e := byName[name]
		write(name)
		write(e.DType)
		write(fmt.Sprint(e.Shape))
		write(hex(sums[name]))
	}
	return h.Sum32()
}
