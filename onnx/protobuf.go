package onnx

import (
	"encoding/binary"
	"math"
)

// message is one of Protocol Buffers, being written: https://protobuf.dev/programming-guides/encoding.
type message []byte

// Wire types.
const (
	wireVarint  = 0
	wireBytes   = 2
	wireFixed32 = 5
)

func (m *message) tag(field, wire int) { *m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wire)) }

func (m *message) int(field int, v int64) {
	m.tag(field, wireVarint)
	*m = binary.AppendUvarint(*m, uint64(v))
}

func (m *message) float(field int, v float32) {
	m.tag(field, wireFixed32)
	*m = binary.LittleEndian.AppendUint32(*m, math.Float32bits(v))
}

func (m *message) bytes(field int, v []byte) {
	m.tag(field, wireBytes)
	*m = append(binary.AppendUvarint(*m, uint64(len(v))), v...)
}

func (m *message) string(field int, v string) { m.bytes(field, []byte(v)) }

// head is the beginning of a field of n bytes, which are written after it.
func head(field, n int) []byte {
	var m message
	m.tag(field, wireBytes)
	return binary.AppendUvarint(m, uint64(n))
}
