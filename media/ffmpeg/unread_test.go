package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// wavOf is a WAV of 16 bit at 1 kHz whose header tells of so many of its bytes of samples, with what follows.
func wavOf(format uint16, told uint32, samples int, behind ...byte) []byte {
	var out bytes.Buffer
	put := func(v any) { _ = binary.Write(&out, binary.LittleEndian, v) } // a buffer takes anything
	out.WriteString("RIFF\x00\x00\x00\x00WAVEfmt ")
	put(uint32(16))
	put([]uint16{format, 1})
	put([]uint32{1000, 2000})
	put([]uint16{2, 16})
	out.WriteString("data")
	put(told)
	for i := range samples {
		out.WriteByte(byte(i * 7))
	}
	out.Write(behind)
	return out.Bytes()
}

func TestWAVGoesOn(t *testing.T) {
	list := []byte("LIST\x04\x00\x00\x00INFO")
	odd := []byte("note\x03\x00\x00\x00abc\x00")
	tag := append([]byte("TAG"), make([]byte, 400)...)
	for name, c := range map[string]struct {
		raw  []byte
		past bool
	}{
		"as told":                     {wavOf(1, 2000, 2000), false},
		"cut off":                     {wavOf(1, 4000, 2000), false},
		"no length":                   {wavOf(1, 0, 2000), false},
		"half":                        {wavOf(1, 1000, 2000), true},
		"half, floating point":        {wavOf(3, 1000, 2000), true},
		"half, with chunks behind":    {wavOf(1, 1000, 2000, list...), true},
		"half, of a format in blocks": {wavOf(2, 1000, 2000), false},
		"a few bytes more":            {wavOf(1, 1900, 2000), false},
		"chunks":                      {wavOf(1, 2000, 2000, bytes.Repeat(append(list, odd...), 20)...), false},
		"chunks behind an odd length": {wavOf(1, 1999, 2000, bytes.Repeat(list, 40)...), false},
		"a tag":                       {wavOf(1, 2000, 2000, tag...), false},
		"nothing":                     {nil, false},
		"a head":                      {wavOf(1, 2000, 2000)[:30], false},
	} {
		past, err := wavGoesOn(sectionOf(c.raw))
		require.NoError(t, err, name)
		require.Equal(t, c.past, past, name)
	}
}

func sectionOf(raw []byte) *io.SectionReader {
	return io.NewSectionReader(bytes.NewReader(raw), 0, int64(len(raw)))
}

func FuzzWAV(f *testing.F) {
	f.Add(wavOf(1, 100, 400))
	f.Add(wavOf(1, 100, 100, []byte("LIST\xf0\xff\xff\xff")...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		past, err := wavGoesOn(sectionOf(raw))
		require.NoError(t, err)
		if past {
			require.Greater(t, len(raw), 28) // a format and a piece of samples at least
		}
	})
}
