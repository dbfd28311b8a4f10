package ffmpeg

import (
	"bufio"
	"errors"
	"io"

	"goxkd/internal/files"
)

// A bare AAC stream (ADTS) has no times: ffmpeg counts its frames by the length of the first. Where the sample rate changes in
// mid-stream, all that follows is told too long or too short by the ratio of the rates.

// adtsRates are the sample rates in Hz by their number in a frame's header (ISO/IEC 14496-3, table 1.18).
var adtsRates = [...]int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

const (
	adtsHeader = 7
	adtsBlock  = 1024 // samples
)

// adtsFrame reads a frame's header: its length in bytes and its rate's number. ok is false for what is none.
func adtsFrame(h []byte) (size, rate, blocks int, ok bool) {
	// Twelve bits of synchronisation, a bit for MPEG-2 or 4, and two of layer, which are 0.
	if len(h) < adtsHeader || h[0] != 0xff || h[1]&0xf6 != 0xf0 {
		return 0, 0, 0, false
	}
	rate = int(h[2] >> 2 & 0xf)
	size = int(h[3]&3)<<11 | int(h[4])<<3 | int(h[5]>>5)
	return size, rate, int(h[6]&3) + 1, rate < len(adtsRates) && size >= adtsHeader
}

// adtsChange is when the sample rate of a bare AAC stream changes first, in seconds from its beginning; ok is false where it
// does not. What is no frame is passed over, as ffmpeg does.
func adtsChange(r io.Reader) (at float64, ok bool, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if tag, _ := in.Peek(10); len(tag) == 10 && string(tag[:3]) == "ID3" {
		size := int(tag[6]&0x7f)<<21 | int(tag[7]&0x7f)<<14 | int(tag[8]&0x7f)<<7 | int(tag[9]&0x7f)
		if _, err := in.Discard(10 + size); err != nil {
			return 0, false, ended(err)
		}
	}
	first, samples := -1, 0
	for {
		head, err := in.Peek(adtsHeader)
		if err != nil {
			return 0, false, ended(err)
		}
		size, rate, blocks, is := adtsFrame(head)
		if is && (first < 0 || rate != first) {
			// Two in a row are no accident; the last frame of all has none behind it.
			if both, err := in.Peek(size + adtsHeader); err == nil {
				_, next, _, really := adtsFrame(both[size:])
				is = really && next == rate
			} else if first >= 0 {
				is = false
			}
		}
		switch {
		case !is:
			size = 1
		case first < 0:
			first = rate
			samples += blocks * adtsBlock
		case rate != first:
			return float64(samples) / float64(adtsRates[first]), true, nil
		default:
			samples += blocks * adtsBlock
		}
		if _, err := in.Discard(size); err != nil {
			return 0, false, ended(err)
		}
	}
}

// ended is no error at the end of a stream.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// endAtChange lets a bare AAC stream end where its rate changes.
func (c *Contents) endAtChange(in Place) error {
	r, closeFile, err := in.open()
	if err != nil {
		return err
	}
	defer closeFile()
	at, changes, err := adtsChange(r)
	if err != nil || !changes {
		return files.Cause(err)
	}
	for i := range c.Streams {
		if s := &c.Streams[i]; s.Kind == "audio" {
			s.End, s.Changes = micro(s.Begin+at), true
		}
	}
	return nil
}
