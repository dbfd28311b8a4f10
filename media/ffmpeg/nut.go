package ffmpeg

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Decoded pictures and samples come from ffmpeg in NUT, which keeps the time of each: what is put where in a clip is
// decided here, not by filters that count from 0 again whenever a stream changes.

// nutReader reads the frames of a NUT stream of uncompressed data.
type nutReader struct {
	in      *bufio.Reader
	err     error // the first
	bases   [][2]uint64
	codes   [256]nutCode
	elided  [][]byte
	streams map[uint64]*nutStream
	buffer  []byte // of the last frame
}

// nutCode is what a frame's first byte stands for.
type nutCode struct {
	flags               uint64
	delta               int64
	mul, lsb, stream    uint64
	reserved, headerIdx uint64
}

type nutStream struct {
	base  int // of its time
	shift uint64
	last  int64
}

// The flags of a frame.
const (
	nutEOR       = 1 << 1
	nutCodedPTS  = 1 << 3
	nutStreamID  = 1 << 4
	nutSizeMSB   = 1 << 5
	nutChecksum  = 1 << 6
	nutReserved  = 1 << 7
	nutSideData  = 1 << 8
	nutHeaderIdx = 1 << 10
	nutMatchTime = 1 << 11
	nutCoded     = 1 << 12
	nutInvalid   = 1 << 13
)

// The second byte of a start code, after 'N', tells the packet's kind.
const (
	nutMain   = 'M'
	nutHeader = 'S'
	nutSync   = 'K'
)

// maxNutFrame bounds a frame, and maxNutPacket a header.
const (
	maxNutFrame  = maxAlloc
	maxNutPacket = 1 << 20
)

var errNut = errors.New("ffmpeg's output is not understood")

func newNutReader(r io.Reader) (*nutReader, error) {
	n := &nutReader{in: bufio.NewReaderSize(r, 64<<10), streams: map[uint64]*nutStream{}}
	const magic = "nut/multimedia container\x00"
	for i := range len(magic) {
		if n.byte() != magic[i] && n.err == nil {
			n.err = errNut
		}
	}
	return n, n.err
}

func (n *nutReader) byte() byte {
	if n.err != nil {
		return 0
	}
	b, err := n.in.ReadByte()
	n.err = err
	return b
}

// v reads an unsigned number of seven bits a byte.
func (n *nutReader) v() uint64 {
	var x uint64
	for range 10 {
		b := n.byte()
		x = x<<7 | uint64(b&0x7f)
		if b < 0x80 {
			return x
		}
	}
	n.fail("a number without an end")
	return 0
}

// s reads a signed one.
func (n *nutReader) s() int64 {
	x := int64(n.v()) + 1
	if x&1 != 0 {
		return -(x >> 1)
	}
	return x >> 1
}

func (n *nutReader) fail(what string) {
	if n.err == nil {
		n.err = fmt.Errorf("%w: %s", errNut, what)
	}
}

func (n *nutReader) take(size uint64) []byte {
	if n.err != nil {
		return nil
	}
	if size > maxNutFrame {
		n.fail("a frame without bounds")
		return nil
	}
	if size > 1<<22 { // grows with what comes
		var data bytes.Buffer
		_, n.err = io.CopyN(&data, n.in, int64(size))
		return data.Bytes()
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(n.in, data); err != nil {
		n.err = err
	}
	return data
}

// frameBytes is take for a frame, whose bytes are valid until the next.
func (n *nutReader) frameBytes(size uint64) []byte {
	if n.err != nil || size > uint64(cap(n.buffer)) {
		n.buffer = n.take(size)
		return n.buffer
	}
	data := n.buffer[:size]
	if _, err := io.ReadFull(n.in, data); err != nil {
		n.err = err
	}
	return data
}

// next is the next frame: its time in seconds and its bytes, valid until the next. The error is io.EOF at the end.
func (n *nutReader) next() (at float64, data []byte, err error) {
	for n.err == nil {
		first := n.byte()
		if n.err != nil {
			break
		}
		if first == 'N' {
			n.packet()
			continue
		}
		at, data, ok := n.frame(first)
		if ok && n.err == nil {
			return at, data, nil
		}
	}
	return 0, nil, n.err
}

// packet reads what is no frame.
func (n *nutReader) packet() {
	kind := n.byte()
	for range 6 {
		n.byte()
	}
	size := n.v()
	if size > 4096 {
		n.take(4)
	}
	if size > maxNutPacket {
		n.fail("a header without bounds")
		return
	}
	body := n.take(size)
	if n.err != nil {
		return
	}
	p := &nutReader{in: bufio.NewReader(bytes.NewReader(body))}
	switch kind {
	case nutMain:
		p.main()
		n.bases, n.codes, n.elided = p.bases, p.codes, p.elided
	case nutHeader:
		id := p.v()
		p.v() // class
		p.take(p.v())
		s := &nutStream{base: int(p.v()), shift: p.v()}
		if s.base < 0 || s.base >= len(n.bases) || s.shift > 62 {
			n.fail("a stream's clock")
			return
		}
		n.streams[id] = s
	case nutSync:
		t := p.v()
		count := uint64(len(n.bases))
		if count == 0 {
			n.fail("a time without a clock")
			return
		}
		from := n.bases[t%count]
		for _, s := range n.streams {
			to := n.bases[s.base]
			s.last = int64(float64(t/count) * float64(from[0]) / float64(from[1]) * float64(to[1]) / float64(to[0]))
		}
	}
	if p.err != nil {
		n.fail("a header cut short")
	}
}

// main reads the main header.
func (n *nutReader) main() {
	if version := n.v(); version > 3 {
		n.v()
	}
	n.v() // streams
	n.v() // distance
	bases := n.v()
	for range min(bases, 1<<10) {
		num, den := n.v(), n.v()
		if num == 0 || den == 0 {
			n.fail("a clock that stands")
			return
		}
		n.bases = append(n.bases, [2]uint64{num, den})
	}
	c := nutCode{mul: 1}
	for i := 0; i < 256 && n.err == nil; {
		c.flags = n.v()
		fields := n.v()
		read := func(at uint64, or uint64) uint64 {
			if fields > at {
				return n.v()
			}
			return or
		}
		if fields > 0 {
			c.delta = n.s()
		}
		c.mul = read(1, c.mul)
		c.stream = read(2, c.stream)
		size := read(3, 0)
		c.reserved = read(4, 0)
		count := read(5, c.mul-size)
		if fields > 6 {
			n.s()
		}
		c.headerIdx = read(7, c.headerIdx)
		for k := uint64(8); k < fields && n.err == nil; k++ {
			n.v()
		}
		if count == 0 || count > 256 {
			n.fail("a table of frames")
			return
		}
		for j := uint64(0); j < count && i < 256; i++ {
			if i == 'N' {
				n.codes[i].flags = nutInvalid
				continue
			}
			n.codes[i] = c
			n.codes[i].lsb = size + j
			j++
		}
	}
	n.elided = [][]byte{nil}
	for range min(n.v(), 128) {
		n.elided = append(n.elided, n.take(min(n.v(), 256)))
	}
}

// frame reads one; ok is false for one that ends a stream.
func (n *nutReader) frame(first byte) (at float64, data []byte, ok bool) {
	c := n.codes[first]
	flags := c.flags
	if flags&nutCoded != 0 {
		flags ^= n.v()
	}
	if flags&(nutInvalid|nutSideData) != 0 {
		n.fail("a frame of another kind")
		return
	}
	if flags&nutStreamID != 0 {
		c.stream = n.v()
	}
	s := n.streams[c.stream]
	if s == nil {
		n.fail("a frame without a stream")
		return
	}
	pts := s.last + c.delta
	if flags&nutCodedPTS != 0 {
		coded := n.v()
		if coded < 1<<s.shift {
			mask := int64(1)<<s.shift - 1
			low := s.last - mask/2
			pts = (int64(coded)-low)&mask + low
		} else {
			pts = int64(coded) - int64(1)<<s.shift
		}
	}
	size := c.lsb
	if flags&nutSizeMSB != 0 {
		size += c.mul * n.v()
	}
	if flags&nutMatchTime != 0 {
		n.s()
	}
	if flags&nutHeaderIdx != 0 {
		c.headerIdx = n.v()
	}
	if flags&nutReserved != 0 {
		c.reserved = n.v()
	}
	for range min(c.reserved, 256) {
		n.v()
	}
	if size > 4096 {
		c.headerIdx = 0
	}
	if flags&nutChecksum != 0 {
		n.take(4)
	}
	if c.headerIdx >= uint64(len(n.elided)) {
		n.fail("a frame's beginning")
		return
	}
	head := n.elided[c.headerIdx]
	if size < uint64(len(head)) {
		n.fail("a frame's size")
		return
	}
	s.last = pts
	data = n.frameBytes(size - uint64(len(head)))
	if len(head) > 0 {
		data = append(append([]byte(nil), head...), data...)
	}
	base := n.bases[s.base]
	return float64(pts) * float64(base[0]) / float64(base[1]), data, flags&nutEOR == 0 && n.err == nil
}
