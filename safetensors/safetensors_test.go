package safetensors

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func sample() *File {
	return &File{
		Metadata: map[string]string{"a": "b"},
		Tensors: map[string]Tensor{
			"x":      {Shape: []int{2, 3}, Data: []float32{1, 2, 3, 4, 5, 6}},
			"scalar": {Shape: []int{}, Data: []float32{7}},
			"empty":  {Shape: []int{0, 3}, Data: []float32{}},
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

// Tensors that are asked for as they are written share one buffer and give the same file; their errors leave none.
func TestFill(t *testing.T) {
	var whole, filled bytes.Buffer
	f := sample()
	require.NoError(t, f.Encode(&whole))
	buffers := map[*float32]bool{}
	for name, tensor := range f.Tensors {
		data := tensor.Data
		f.Tensors[name] = Tensor{Shape: tensor.Shape, Fill: func(dst []float32) error {
			if len(dst) > 0 {
				buffers[&dst[0]] = true
			}
			copy(dst, data)
			return nil
		}}
	}
	require.NoError(t, f.Encode(&filled))
	require.Equal(t, whole.Bytes(), filled.Bytes())
	require.LessOrEqual(t, len(buffers), 2, "one that grows")

	f.Tensors["x"] = Tensor{Shape: []int{1}, Fill: func([]float32) error { return os.ErrClosed }}
	path := filepath.Join(t.TempDir(), "f.safetensors")
	require.ErrorIs(t, f.Save(path), os.ErrClosed)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Empty(t, left)
}

// The bytes of a file with one tensor, laid out by hand from the format's definition. The checksums are those of another
// program.
func TestBytes(t *testing.T) {
	header := `{"__metadata__":{"crc32c":"85901d74","crc32c.tensors":"{\"x\":\"dd54c4ab\"}"},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}     `
	want := append([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}, header...)
	want = append(want, 0, 0, 0x80, 0x3f)
	var b bytes.Buffer
	require.NoError(t, (&File{Tensors: map[string]Tensor{"x": {Shape: []int{1}, Data: []float32{1}}}}).Encode(&b))
	require.Equal(t, want, b.Bytes())
}

// No flip of a bit goes unnoticed, wherever it is.
func TestEveryFlipIsRefused(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, sample().Encode(&b))
	raw := b.Bytes()
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			_, err := decode(bytes.NewReader(raw), int64(len(raw)))
			require.Error(t, err, "bit %d of byte %d, %q", bit, i, raw[max(0, i-20):min(len(raw), i+20)])
			raw[i] ^= 1 << bit
		}
	}
	raw[len(raw)-1] ^= 1
	_, err := decode(bytes.NewReader(raw), int64(len(raw)))
	require.ErrorContains(t, err, `the bytes of tensor "x" do not match`)
}

// file is one with the header and body given.
func file(header, body string) []byte {
	raw := append([]byte{byte(len(header)), byte(len(header) >> 8), 0, 0, 0, 0, 0, 0}, header...)
	return append(raw, body...)
}

// Half precision is read as float32; the bits are from the formats' definitions. Files without checksums load.
func TestHalves(t *testing.T) {
	raw := file(`{"h":{"dtype":"F16","shape":[7],"data_offsets":[0,14]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[14,20]}}`,
		"\x00\x3c\x00\xc0\x01\x00\xff\x03\xff\x7b\x00\xfc\x00\x80"+"\x80\x3f\xc0\xff\x00\xc1")
	f, err := decode(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2, 0x1p-24, 1023 * 0x1p-24, 65504, float32(math.Inf(-1)), 0}, f.Tensors["h"].Data)
	require.True(t, math.Signbit(float64(f.Tensors["h"].Data[6])))
	b := f.Tensors["b"].Data
	require.Equal(t, []float32{1, -8}, []float32{b[0], b[2]})
	require.True(t, math.IsNaN(float64(b[1])))
}

// Each fault of the layout is named for what it is.
func TestLayoutFaults(t *testing.T) {
	x, y := `"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, `"y":{"dtype":"F32","shape":[1],"data_offsets":`
	for _, c := range []struct{ header, reason string }{
		{"{" + x + "," + y + "[4,8]}}", ""},
		{"{" + y + "[4,8]}," + x + "}", ""},
		{"{" + x + "," + x + "}", `"x" stands twice`},
		{"{" + x + "," + y + "[0,4]}}", `tensor "y" overlaps "x"`},
		{"{" + x + "," + y + "[2,6]}}", `tensor "y" overlaps "x"`},
		{"{" + x + "," + y + "[6,10]}}", `a hole of 2 bytes before tensor "y"`},
		{"{" + x + "}", "4 bytes follow the last tensor"},
		{"{" + x + "," + y + "[4,9]}}", "do not fit its shape [1], which takes 4 bytes"},
		{"{" + x + `,"y":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, `"dtype" stands twice`},
		{"{" + x + `,"y":{"dtype":"F32","shape":[1]}}`, "lacks"},
		{"{" + x + `,"y":{"dtype":"C64","shape":[1],"data_offsets":[4,12]}}`, "unknown type C64"},
		{"{" + x + "," + y + "[4,8]}} {}", "goes on after its end"},
		{`{"__metadata__":{"a":"b","a":"c"},` + x + "," + y + "[4,8]}}", `"a" stands twice`},
	} {
		raw := file(c.header, "12345678")
		_, err := decode(bytes.NewReader(raw), int64(len(raw)))
		if c.reason == "" {
			require.NoError(t, err, c.header)
		} else {
			require.ErrorContains(t, err, c.reason, c.header)
		}
	}
}

// The file that is replaced is kept, the one before it is not.
func TestReplaceKeepsThePrevious(t *testing.T) {
	dir := t.TempDir()
	path, previous := filepath.Join(dir, "f.safetensors"), filepath.Join(dir, "previous.safetensors")
	for i := range 4 {
		f := &File{Tensors: map[string]Tensor{"x": {Shape: []int{1}, Data: []float32{float32(i)}}}}
		require.NoError(t, f.Replace(path, previous))
		for p, want := range map[string]int{path: i, previous: i - 1} {
			if want < 0 {
				require.NoFileExists(t, p)
				continue
			}
			got, err := Load(p)
			require.NoError(t, err)
			require.Equal(t, []float32{float32(want)}, got.Tensors["x"].Data)
		}
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 2)
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

// One tensor of a file is read and verified by itself; damage of another is found by Verify.
func TestReaderReadsOneTensor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.safetensors")
	require.NoError(t, sample().Save(path))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw[len(raw)-1] ^= 1 // of x, the last by name
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	r, err := Open(path)
	require.NoError(t, err)
	defer r.Close()
	got, err := r.Read("scalar")
	require.NoError(t, err)
	require.Equal(t, []float32{7}, got.Data)
	shape, ok := r.Shape("x")
	require.True(t, ok)
	require.Equal(t, []int{2, 3}, shape)
	_, ok = r.Shape("y")
	require.False(t, ok)
	for _, err := range []error{r.Verify(t.Context()), second(r.Read("x"))} {
		require.ErrorContains(t, err, `the bytes of tensor "x" do not match`)
		require.ErrorContains(t, err, path)
	}
	require.ErrorContains(t, second(r.Read("y")), `no tensor "y"`)
}

func second(_ Tensor, err error) error { return err }
