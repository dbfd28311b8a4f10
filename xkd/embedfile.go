package xkd

import (
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"goxkd/internal/files"
	"goxkd/npy"
	"goxkd/safetensors"
)

// embedding is a format of features.
type embedding struct {
	one   bool // it holds one array
	write func(path string, w *embedWork, l *Loaded, out *Embedding) error
}

func embedFormat(path string) (embedding, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".npy":
		return embedding{true, writeNPY}, nil
	case ".npz":
		return embedding{false, writeNPZ}, nil
	case ".safetensors":
		return embedding{false, writeEmbedded}, nil
	}
	return embedding{}, fmt.Errorf("%s: %w: name the file .npy, .npz or .safetensors", path, ErrFormat)
}

// CheckEmbedPath refuses a path that Embed would not write, by its ending.
func CheckEmbedPath(path string) error {
	_, err := embedFormat(path)
	return err
}

// table is what is known of the rows.
type table struct {
	clips  []int
	names  []string
	labels []int
	starts []float64
}

func (w *embedWork) table(out *Embedding) (t table, err error) {
	t.clips, out.Lost, err = w.look()
	out.Clips, out.Arrays = len(t.clips), map[string][]int{}
	for m, en := range w.encoders {
		out.Arrays[en.Modality.String()] = w.shape(m, len(t.clips))
	}
	for _, i := range t.clips {
		t.names, t.labels = append(t.names, w.source.Name(i)), append(t.labels, w.source.Label(i))
	}
	t.starts = w.starts(t.clips)
	return t, err
}

// array is the features of one modality.
func (w *embedWork) array(m int, clips []int) npy.Array {
	return npy.Array{Descr: "<f4", Shape: w.shape(m, len(clips)), Write: func(to io.Writer) error {
		return w.bytes(m, clips, func(raw []byte) error {
			_, err := to.Write(raw)
			return err
		})
	}}
}

// writeNPY writes one array, and before it a table of its rows: the format has no names.
func writeNPY(path string, w *embedWork, _ *Loaded, out *Embedding) error {
	t, err := w.table(out)
	if err != nil {
		return err
	}
	out.Beside = strings.TrimSuffix(path, filepath.Ext(path)) + ".csv"
	err = files.WriteAtomic(out.Beside, func(to io.Writer) error {
		c := csv.NewWriter(to)
		_ = c.Write([]string{"row", "clip", "label", "span", "start", "seconds"})
		for row, name := range t.names {
			label := ""
			if k := t.labels[row]; k >= 0 {
				label = w.source.Classes()[k]
			}
			for span := range w.opt.Spans {
				_ = c.Write([]string{strconv.Itoa(row), name, label, strconv.Itoa(span),
					strconv.FormatFloat(t.starts[row*w.opt.Spans+span], 'g', -1, 64), strconv.FormatFloat(w.config.Views.Seconds, 'g', -1, 64)})
			}
		}
		c.Flush()
		return c.Error()
	})
	if err != nil {
		return err
	}
	return files.WriteAtomic(path, w.array(0, t.clips).Encode)
}

func writeNPZ(path string, w *embedWork, _ *Loaded, out *Embedding) error {
	t, err := w.table(out)
	if err != nil {
		return err
	}
	starts := npy.Float64s(t.starts)
	if w.opt.Spans > 1 {
		starts.Shape = []int{len(t.clips), w.opt.Spans}
	}
	lost, reasons := []string{}, []string{}
	for _, b := range out.Lost {
		lost, reasons = append(lost, b.Path), append(reasons, b.Reason)
	}
	arrays := []npy.Named{
		{Name: "clips", Array: npy.Strings(t.names)}, {Name: "labels", Array: npy.Ints(t.labels)}, {Name: "classes", Array: npy.Strings(w.source.Classes())},
		{Name: "start", Array: starts}, {Name: "seconds", Array: npy.Float64s([]float64{w.config.Views.Seconds})},
		{Name: "lost", Array: npy.Strings(lost)}, {Name: "lost_why", Array: npy.Strings(reasons)},
	}
	for m, en := range w.encoders {
		arrays = append(arrays, npy.Named{Name: en.Modality.String(), Array: w.array(m, t.clips)})
	}
	return files.WriteAtomic(path, func(to io.Writer) error { return npy.EncodeAll(to, arrays) })
}

// writeEmbedded writes features and numbers as tensors, and what is text into the metadata.
func writeEmbedded(path string, w *embedWork, l *Loaded, out *Embedding) error {
	t, err := w.table(out)
	if err != nil {
		return err
	}
	meta := map[string]string{
		"seconds": fmt.Sprint(w.config.Views.Seconds), "weights": l.Path, "network": w.opt.Role.String(),
		"features": map[bool]string{false: "pooled", true: "tokens"}[w.opt.Tokens],
	}
	lost := map[string]string{}
	for _, b := range out.Lost {
		lost[b.Path] = b.Reason
	}
	for key, v := range map[string]any{"clips": t.names, "classes": w.source.Classes(), "lost": lost} {
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		meta[key] = string(text)
	}
	held := func(shape []int, data []float32) safetensors.Stream {
		return safetensors.Stream{Shape: shape, Each: func(do func([]float32) error) error { return do(data) }}
	}
	labels, starts := make([]float32, len(t.labels)), make([]float32, len(t.starts))
	for i, v := range t.labels {
		labels[i] = float32(v)
	}
	for i, v := range t.starts {
		starts[i] = float32(v)
	}
	shape := []int{len(t.clips)}
	if w.opt.Spans > 1 {
		shape = append(shape, w.opt.Spans)
	}
	tensors := map[string]safetensors.Stream{"labels": held([]int{len(labels)}, labels), "start": held(shape, starts)}
	for m, en := range w.encoders {
		row := make([]float32, w.width(m))
		tensors[en.Modality.String()] = safetensors.Stream{Shape: w.shape(m, len(t.clips)), Each: func(do func([]float32) error) error {
			return w.bytes(m, t.clips, func(raw []byte) error {
				for i := range row {
					row[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
				}
				return do(row)
			})
		}}
	}
	return files.WriteAtomic(path, func(to io.Writer) error { return safetensors.EncodeStreams(to, meta, tensors) })
}
