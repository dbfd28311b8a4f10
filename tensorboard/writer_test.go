package tensorboard

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
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

// A reader that is not ours reads what is written, and checks the sums.
func TestOtherReader(t *testing.T) {
	modules := os.Getenv("XKD_NODE_MODULES")
	node, err := exec.LookPath("node")
	if err != nil || modules == "" {
		t.Skip("XKD_NODE_MODULES names no folder with the npm packages tfrecord and protobufjs, or there is no node: no other reader")
	}
	dir := t.TempDir()
	w, c, err := Create(dir, 1)
	require.NoError(t, err)
	for step := 1; step <= 3; step++ {
		require.NoError(t, w.Scalars(step, map[string]float64{"loss": float64(step) / 4, "lr": 1e-3}))
	}
	require.NoError(t, w.Picture(3, "look", Image{Width: 2, Height: 1, Encoded: []byte("png")}))
	require.NoError(t, c.Close())
	names, err := filepath.Glob(filepath.Join(dir, "*tfevents*"))
	require.NoError(t, err)
	require.Len(t, names, 1)
	script, err := filepath.Abs("testdata/read.js")
	require.NoError(t, err)
	cmd := exec.Command(node, script, names[0])
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	text, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Equal(t, "version brain.Event:2\nstart 1\n1 loss=0.25 lr=0.001\n2 loss=0.5 lr=0.001\n3 loss=0.75 lr=0.001\n3 look 2x1 png\n", string(text))
}
