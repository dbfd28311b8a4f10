package tests

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/safetensors"
	"goxkd/xkd"
)

// flawed is a source of which one clip cannot be read.
type flawed struct {
	media.Source
	at int
}

func (f flawed) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	if i == f.at {
		return nil, errors.New("it is made of cheese")
	}
	return f.Source.Load(ctx, i, span)
}

// trainedSmall is a checkpoint of a small run.
func trainedSmall(t *testing.T) *xkd.Loaded {
	t.Helper()
	s := run(t, cpu.Device{}, smallConfig(t, xkd.XKD, 1), t.TempDir(), xkd.RunOptions{})
	l, err := xkd.LoadCheckpoint(s.Checkpoint)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// npyArray reads a .npy file by the format's definition alone: the name of its elements, its shape, its bytes.
func npyArray(t *testing.T, raw []byte) (descr string, shape []int, body []byte) {
	t.Helper()
	require.Equal(t, "\x93NUMPY\x01\x00", string(raw[:8]))
	n := int(binary.LittleEndian.Uint16(raw[8:]))
	require.Zero(t, (10+n)%64)
	m := regexp.MustCompile(`^\{'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n$`).FindStringSubmatch(string(raw[10 : 10+n]))
	require.NotNil(t, m, "%q", raw[10:10+n])
	for _, d := range strings.Split(m[2], ",") {
		if d = strings.TrimSpace(d); d != "" {
			v, err := strconv.Atoi(d)
			require.NoError(t, err)
			shape = append(shape, v)
		}
	}
	return m[1], shape, raw[10+n:]
}

func float32sOf(t *testing.T, raw []byte) []float32 {
	t.Helper()
	out := make([]float32, len(raw)/4)
	require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, out))
	return out
}

// Features go to all formats alike, in the order of the clips, without the one that is lost; an interrupted call goes on.
func TestEmbed(t *testing.T) {
	l := trainedSmall(t)
	c := l.Config.Generated()
	c.Clips = 13
	src := flawed{synthetic.New(c), 6}
	devices(t, func(t *testing.T, dev graph.Device) {
		dir := t.TempDir()
		en, err := xkd.OpenEncoder(l.Path, xkd.Audio, dev, xkd.EncoderOptions{Batch: 4, Tokens: true})
		require.NoError(t, err)
		defer en.Close()
		rows, bad, err := en.Features(t.Context(), src)
		require.NoError(t, err)
		require.Len(t, bad, 1)
		var want []float32
		for i, r := range rows {
			require.Equal(t, i == 6, r == nil)
			want = append(want, r...)
		}
		opt := xkd.EmbedOptions{Tokens: true, Batch: 4}

		// The call is stopped after two of four batches, and does not leave a file that looks whole.
		path := filepath.Join(dir, "f.npz")
		ctx, stop := context.WithCancel(t.Context())
		opt.Progress = func(done, of int) {
			require.Equal(t, 13, of)
			if done == 8 {
				stop()
			}
		}
		_, err = xkd.Embed(ctx, dev, src, l, path, opt)
		require.ErrorIs(t, err, context.Canceled)
		require.NoFileExists(t, path)
		other := opt
		other.Role = xkd.Teacher
		_, err = xkd.Embed(t.Context(), dev, src, l, path, other)
		require.ErrorIs(t, err, xkd.ErrContradiction)
		opt.Progress = nil
		e, err := xkd.Embed(t.Context(), dev, src, l, path, opt)
		require.NoError(t, err)
		require.Equal(t, 8, e.Resumed)
		require.Equal(t, 12, e.Clips)
		require.Equal(t, []media.BadFile{{Path: src.Name(6), Reason: "it is made of cheese"}}, e.Lost)
		require.NoFileExists(t, path+".part")
		_, err = xkd.Embed(t.Context(), dev, src, l, path, opt)
		require.ErrorIs(t, err, xkd.ErrOutputExists)

		z, err := zip.OpenReader(path)
		require.NoError(t, err)
		defer z.Close()
		arrays := map[string][]byte{}
		for _, f := range z.File {
			r, err := f.Open()
			require.NoError(t, err)
			arrays[f.Name], err = io.ReadAll(r)
			require.NoError(t, err)
		}
		descr, shape, body := npyArray(t, arrays["audio.npy"])
		require.Equal(t, "<f4", descr)
		require.Equal(t, e.Arrays["audio"], shape)
		require.Equal(t, want, float32sOf(t, body))
		descr, shape, body = npyArray(t, arrays["clips.npy"])
		require.Equal(t, []int{12}, shape)
		width, err := strconv.Atoi(strings.TrimPrefix(descr, "<U"))
		require.NoError(t, err)
		name := ""
		for i := range width {
			if r := binary.LittleEndian.Uint32(body[4*(6*width+i):]); r != 0 {
				name += string(rune(r))
			}
		}
		require.Equal(t, src.Name(7), name, "row 6 is clip 7: clip 6 is lost")
		_, _, body = npyArray(t, arrays["start.npy"])
		require.Equal(t, 1.0, math.Float64frombits(binary.LittleEndian.Uint64(body)), "the middle second of three")

		opt.Modalities = []xkd.Modality{xkd.Audio}
		_, err = xkd.Embed(t.Context(), dev, src, l, filepath.Join(dir, "g.npy"), opt)
		require.NoError(t, err)
		raw, err := os.ReadFile(filepath.Join(dir, "g.npy"))
		require.NoError(t, err)
		require.Equal(t, arrays["audio.npy"], raw)
		_, err = xkd.Embed(t.Context(), dev, src, l, filepath.Join(dir, "h.safetensors"), opt)
		require.NoError(t, err)
		f, err := safetensors.Load(filepath.Join(dir, "h.safetensors"))
		require.NoError(t, err)
		require.Equal(t, want, f.Tensors["audio"].Data)
		var names []string
		require.NoError(t, json.Unmarshal([]byte(f.Metadata["clips"]), &names))
		require.Equal(t, src.Name(7), names[6])
		require.Contains(t, f.Metadata["lost"], "cheese")

		checkByNumPy(t, path)
	})
}

// checkByNumPy has NumPy itself read a .npz file, where it is installed.
func checkByNumPy(t *testing.T, path string) {
	t.Helper()
	const program = `import sys, numpy
z = numpy.load(sys.argv[1])
assert z["audio"].dtype == numpy.float32 and len(z["audio"]) == len(z["video"]) == len(z["clips"]) == len(z["start"]) == 12
assert numpy.isfinite(z["audio"]).all() and z["lost"].tolist() and "cheese" in z["lost_why"][0]
print("read")`
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() != nil {
			continue
		}
		out, err := exec.Command(python, "-c", program, path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "read\n", string(out))
		return
	}
	t.Log("NumPy is not installed: the file was read by the format's definition alone")
}

// Pooled features of several spans; the first and last of three lie at a clip's ends.
func TestEmbedSpans(t *testing.T) {
	l := trainedSmall(t)
	c := l.Config.Generated()
	c.Clips = 3
	path := filepath.Join(t.TempDir(), "f.npy")
	_, err := xkd.Embed(t.Context(), cpu.Device{}, synthetic.New(c), l, path, xkd.EmbedOptions{Spans: 3})
	require.ErrorContains(t, err, "one array")
	e, err := xkd.Embed(t.Context(), cpu.Device{}, synthetic.New(c), l, path, xkd.EmbedOptions{Spans: 3, Modalities: []xkd.Modality{xkd.Video}})
	require.NoError(t, err)
	require.Equal(t, []int{3, 3, 16}, e.Arrays["video"])
	text, err := os.ReadFile(e.Beside)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Len(t, lines, 1+9)
	require.Equal(t, "row,clip,label,span,start,seconds", lines[0])
	require.True(t, strings.HasSuffix(lines[1], ",0,0,1") && strings.HasSuffix(lines[3], ",2,2,1"), "%q", lines)
}

// Sounds and videos are ranked among all clips, on both devices alike.
func TestRetrieve(t *testing.T) {
	l := trainedSmall(t)
	c := l.Config.Generated()
	c.Clips = 20
	devices(t, func(t *testing.T, dev graph.Device) {
		r, err := xkd.Retrieve(t.Context(), dev, flawed{synthetic.New(c), 3}, l, xkd.RetrieveOptions{})
		require.NoError(t, err)
		require.Equal(t, 19, r.Clips)
		require.Len(t, r.Bad, 1)
		require.Len(t, r.Rows, 8)
		for _, row := range r.Rows {
			require.True(t, row.Recall1 <= row.Recall5 && row.Recall5 <= row.Recall10 && row.Recall10 <= 1+1e-9)
			require.True(t, row.MedianRank >= 1 && row.MedianRank <= 19)
		}
		require.InDelta(t, 1.0/19, r.Chance().Recall1, 1e-12)
	})
}
