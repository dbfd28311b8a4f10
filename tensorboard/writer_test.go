package tensorboard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Known values: CRC-32C of 32 zeros is 0x8a9136aa (RFC 3720), and a record that TensorFlow's documentation describes.
func TestMaskedChecksum(t *testing.T) {
	const crc = 0x8a9136aa
	want := uint32((crc>>15 | crc<<17) & 0xffffffff)
	want += 0xa282ead8
	require.Equal(t, want, masked(make([]byte, 32)))
}

func TestRecordOfScalar(t *testing.T) {
	var out bytes.Buffer
	w := &Writer{w: &out, now: func() time.Time { return time.Unix(1, 500_000_000) }}
	require.NoError(t, w.Scalars(300, map[string]float64{"a": 1}))
	data := out.Bytes()
	n := binary.LittleEndian.Uint64(data)
	require.Len(t, data, int(n)+16)
	// By hand: 1: double 1.5; 2: varint 300; 5: {1: {1: "a", 2: float 1}}.
	require.Equal(t, "09000000000000f83f"+"10ac02"+"2a0a"+"0a08"+"0a0161"+"150000803f", hex.EncodeToString(data[12:12+n]))
}
