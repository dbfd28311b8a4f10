package pth

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// archive makes a file of PyTorch's zip format.
func archive(t testing.TB, pickle string, data ...[]byte) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, content []byte) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: "x/" + name, Method: zip.Store})
		require.NoError(t, err)
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	add("data.pkl", []byte(pickle))
	for i, d := range data {
		add("data/"+string(rune('0'+i)), d)
	}
	require.NoError(t, z.Close())
	path := filepath.Join(t.TempDir(), "x.pth.tar")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

// view is a pickled tensor of a storage of n elements.
func view(class string, n byte, offset byte, shape, stride string) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + class + "\n" + text("0") + text("cpu") + "K" + string(rune(n)) + "tQ" +
		"K" + string(rune(offset)) + "(" + shape + "t(" + stride + "t\x89N" + "tR"
}

func state(tensor string) string { return "\x80\x02}" + text("w") + tensor + "s." }

func float64s(values ...float64) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, values)
	return b.Bytes()
}

// A transposed view of a part of a storage is read row by row; doubles and bfloat16 become floats.
func TestViews(t *testing.T) {
	path := archive(t, state(view("DoubleStorage", 7, 1, "K\x03K\x02", "K\x01K\x03")), float64s(9, 1, 2, 3, 4, 5, 6))
	r, err := Open(path)
	require.NoError(t, err)
	defer r.Close()
	w, err := r.Read("w")
	require.NoError(t, err)
	require.Equal(t, []int{3, 2}, w.Shape)
	require.Equal(t, []float32{1, 4, 2, 5, 3, 6}, w.Data)

	path = archive(t, state(view("BFloat16Storage", 2, 0, "K\x02", "K\x01")), []byte{0x80, 0x3f, 0x00, 0xc0})
	b, err := Open(path)
	require.NoError(t, err)
	defer b.Close()
	w, err = b.Read("w")
	require.NoError(t, err)
	require.Equal(t, []float32{1, -2}, w.Data)
}

// The weights of a checkpoint are found beside what else it holds.
func TestSections(t *testing.T) {
	inner := "}" + text("module.w") + view("DoubleStorage", 1, 0, "K\x01", "K\x01") + "s"
	path := archive(t, "\x80\x02}("+text("model")+inner+text("epoch")+"K\x07"+text("args")+"cargparse\nNamespace\n)\x81}"+text("lr")+"K\x01sbu.", float64s(3))
	r, err := Open(path)
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, []string{"module.w"}, r.Names())
	require.Equal(t, []string{"epoch", "args"}, r.Skipped)
}

// What weights do not need is refused in one line that names it, and has no effect.
func TestHostile(t *testing.T) {
	good := view("DoubleStorage", 2, 0, "K\x02", "K\x01")
	for name, c := range map[string]struct{ pickle, reason string }{
		"os.system":      {"\x80\x02cos\nsystem\n(" + text("touch /tmp/x") + "tR.", "it asks for os.system, which weights do not need"},
		"stack global":   {"\x80\x04" + text("builtins") + text("eval") + "\x93(" + text("1") + "tR.", "builtins.eval"},
		"inst":           {"\x80\x02(ios\nsystem\n.", "opcode 0x69"},
		"extension":      {"\x80\x02\x82\x01.", "opcode 0x82"},
		"escape":         {"\x80\x02cos\x1b[31m\nsystem\n.", `os\x1b[31m.system`},
		"a module":       {"\x80\x02cmodels.vit\nVideoViT\n)\x81}b.", "models.vit.VideoViT"},
		"attribute":      {"\x80\x04" + text("torch") + text("_utils._rebuild_tensor.__globals__") + "\x93.", "__globals__"},
		"torch.load":     {"\x80\x02ctorch\nload\n.", "torch.load"},
		"beyond storage": {state(view("DoubleStorage", 2, 1, "K\x02", "K\x01")), "reaches element 2 of a storage of 2"},
		"absurd shape":   {state(view("DoubleStorage", 2, 0, "J\xff\xff\xff\x7fJ\xff\xff\xff\x7f", "K\x00K\x00")), "claims"},
		"long text":      {"\x80\x02X\xff\xff\xff\x7f.", "too long"},
		"more than held": {state(view("DoubleStorage", 9, 0, "K\x09", "K\x01")), "16 bytes, not 72"},
		"cut":            {state(good)[:40], "cut short"},
		"nothing":        {"\x80\x02}.", "no tensors"},
		"no table":       {"\x80\x02K\x01.", "no table of tensors"},
		"underflow":      {"\x80\x02R.", "not there"},
		"memo":           {"\x80\x02h\x05.", "which it has not made"},
		"called":         {"\x80\x02ctorch\nFloatStorage\n)R.", "is called"},
	} {
		t.Run(name, func(t *testing.T) {
			path := archive(t, c.pickle, float64s(1, 2))
			_, err := Open(path)
			require.ErrorContains(t, err, c.reason)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	_, err := Open(archive(t, "\x80\x02cos\nsystem\n(tR."))
	require.ErrorIs(t, err, ErrRefused)
	// A pickle alone, as a hostile file may be.
	path := filepath.Join(t.TempDir(), "x.pth")
	require.NoError(t, os.WriteFile(path, []byte("\x80\x02cposix\nsystem\n."), 0o644))
	_, err = Open(path)
	require.ErrorContains(t, err, "posix.system")
	// PyTorch does not compress.
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("x/data.pkl")
	require.NoError(t, err)
	_, err = w.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	_, err = Open(path)
	require.ErrorContains(t, err, "compressed")
}

// A list that contains itself a hundred times over is not followed for ever.
func TestNestedLists(t *testing.T) {
	nested := "\x80\x02}(" + text("a") + "]q\x01("
	for range 100 {
		nested += "h\x01"
	}
	_, err := Open(archive(t, nested+"eu."))
	require.ErrorContains(t, err, "no tensors")
}

func FuzzPickle(f *testing.F) {
	f.Add([]byte(state(view("FloatStorage", 4, 0, "K\x02K\x02", "K\x02K\x01"))))
	f.Add([]byte("\x80\x02cos\nsystem\n(tR."))
	f.Add([]byte("\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01\x8a\x01\xffe."))
	f.Fuzz(func(t *testing.T, pickle []byte) {
		r, err := Open(archive(t, string(pickle), make([]byte, 64)))
		if err != nil {
			return
		}
		for _, name := range r.Names() {
			_, _ = r.Read(name)
		}
		r.Close()
	})
}

func FuzzFile(f *testing.F) {
	paths, err := filepath.Glob("../tests/testdata/weights/vid_student*.pth.tar")
	require.NoError(f, err)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
	path := filepath.Join(f.TempDir(), "x.pth")
	f.Fuzz(func(t *testing.T, raw []byte) {
		require.NoError(t, os.WriteFile(path, raw, 0o644))
		r, err := Open(path)
		if err != nil {
			return
		}
		for _, name := range r.Names() {
			_, _ = r.Read(name)
		}
		r.Close()
	})
}
