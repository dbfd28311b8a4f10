package ffmpeg

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame is an ADTS frame of a rate's number with so many bytes of content.
func frame(rate, content int) []byte {
	n := adtsHeader + content
	head := []byte{0xff, 0xf1, byte(1<<6 | rate<<2), byte(1<<6 | n>>11), byte(n >> 3), byte(n<<5 | 0x1f), 0xfc}
	return append(head, make([]byte, content)...)
}

func TestADTSChange(t *testing.T) {
	const fast, slow = 4, 7 // 44.1 and 22.05 kHz
	steady := bytes.Repeat(frame(fast, 90), 20)
	tag := append([]byte("ID3\x04\x00\x00\x00\x00\x00\x14"), make([]byte, 20)...)
	for name, c := range map[string]struct {
		stream [][]byte
		at     float64
		is     bool
	}{
		"steady":            {[][]byte{steady}, 0, false},
		"down":              {[][]byte{steady, frame(slow, 50), frame(slow, 70)}, 20 * 1024. / 44100, true},
		"up, behind a tag":  {[][]byte{tag, frame(slow, 30), frame(slow, 40), steady}, 2 * 1024. / 22050, true},
		"junk between":      {[][]byte{steady, []byte("junk"), steady, []byte("\xff\xf1"), frame(slow, 5), frame(slow, 5)}, 40 * 1024. / 44100, true},
		"an accident":       {[][]byte{steady, frame(slow, 3)[:adtsHeader], steady, steady}, 0, false},
		"empty":             {nil, 0, false},
		"broken off":        {[][]byte{steady, frame(slow, 50)[:20]}, 0, false},
		"a tag without end": {[][]byte{[]byte("ID3\x04\x00\x00\x7f\x7f\x7f\x7f")}, 0, false},
	} {
		at, is, err := adtsChange(bytes.NewReader(bytes.Join(c.stream, nil)))
		require.NoError(t, err, name)
		require.Equal(t, c.is, is, name)
		require.InDelta(t, c.at, at, 1e-9, name)
	}
}

func FuzzADTS(f *testing.F) {
	f.Add(bytes.Join([][]byte{frame(4, 9), frame(4, 8), frame(7, 5), frame(7, 1)}, nil))
	f.Add([]byte("ID3\x04\x00\x00\x00\x00\x00\x01x\xff\xf1"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		at, is, err := adtsChange(bytes.NewReader(raw))
		require.NoError(t, err)
		if is {
			require.Positive(t, at)
			require.LessOrEqual(t, at, float64(len(raw))/adtsHeader*4*adtsBlock/7350)
		}
	})
}
