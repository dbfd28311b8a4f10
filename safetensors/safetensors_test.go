package safetensors

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *File {
	return &File{
		Metadata: map[string]string{"a": "b"},
		Tensors: map[string]Tensor{
			"x":      {[]int{2, 3}, []float32{1, 2, 3, 4, 5, 6}},
			"scalar": {[]int{}, []float32{7}},
			"empty":  {[]int{0, 3}, []float32{}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	require.NoError(t, sample().Save(path))
	got, err := Load(path)
	require.NoError(t, err)
	require.Equal(t, sample(), got)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "a temporary file stayed")
}

// The bytes of a file with one tensor, laid out by hand from the format's definition.
func TestBytes(t *testing.T) {
	header := `{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  `
	want := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...)
	want = append(want, 0, 0, 0x80, 0x3f)
	var b bytes.Buffer
	require.NoError(t, (&File{Tensors: map[string]Tensor{"x": {[]int{1}, []float32{1}}}}).Encode(&b))
	require.Equal(t, want, b.Bytes())
}

func TestEveryTruncationIsRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().Encode(&b))
	for n := 0; n < b.Len(); n++ {
		_, err := decode(bytes.NewReader(b.Bytes()[:n]), int64(n))
		require.Error(t, err, "cut at byte %d", n)
	}
}

func TestHostileHeaders(t *testing.T) {
	for _, header := range []string{
		`[]`, `{"x":1}`, `{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`,
		`{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`,
		`{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`,
		`{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`,
		`{"x":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`,
		`{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}`,
		`{"__metadata__":{"a":1}}`,
	} {
		raw := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...)
		raw = append(raw, make([]byte, 8)...)
		_, err := decode(bytes.NewReader(raw), int64(len(raw)))
		require.Error(t, err, header)
	}
}

func FuzzDecode(f *testing.F) {
	var b bytes.Buffer
	if err := sample().Encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := decode(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		require.NoError(t, file.Encode(&out))
	})
}
