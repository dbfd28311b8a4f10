package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
)

// Opset is the version of the operators, the first with LayerNormalization.
const (
	Opset     = 17
	irVersion = 8
)

// maxBytes bounds a model: Protocol Buffers hold no more in one message.
const maxBytes = 1<<31 - 1

// ErrTooLarge means that a model does not fit into one file of the format.
var ErrTooLarge = fmt.Errorf("an ONNX file holds less than 2 GiB")

// Axis is the size of one, or if that is 0 its name: it may differ from run to run.
type Axis struct {
	Size int
	Name string
}

// Value is an input or output.
type Value struct {
	Name  string
	Shape []Axis
}

// Model is being built: operators in the order in which they run.
type Model struct {
	Name, Producer, Version string
	Metadata                map[string]string
	Inputs, Outputs         []Value
	nodes                   []message
	tensors                 []tensor
	known                   map[string]bool
}

// tensor is a constant.
type tensor struct {
	head message // without its data
	data []byte
}

// Element types.
const (
	Float = 1
	Int64 = 7
)

// Attributes of an operator: int, float32 or []int.
type Attributes map[string]any

// Add appends an operator with one output, named after it, and gives that name.
func (m *Model) Add(op string, attributes Attributes, inputs ...string) string {
	out := fmt.Sprintf("%s_%d", op, len(m.nodes))
	m.AddNamed(out, op, attributes, inputs...)
	return out
}

// AddNamed is Add with an output of a name.
func (m *Model) AddNamed(out, op string, attributes Attributes, inputs ...string) {
	const fieldInput, fieldOutput, fieldName, fieldType, fieldAttribute = 1, 2, 3, 4, 5
	var n message
	for _, in := range inputs {
		n.string(fieldInput, in)
	}
	n.string(fieldOutput, out)
	n.string(fieldName, out)
	n.string(fieldType, op)
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		n.bytes(fieldAttribute, attribute(name, attributes[name]))
	}
	m.nodes = append(m.nodes, n)
}

func attribute(name string, v any) message {
	const fieldName, fieldFloat, fieldInt, fieldInts, fieldType = 1, 2, 3, 8, 20
	const typeFloat, typeInt, typeInts = 1, 2, 7
	var a message
	a.string(fieldName, name)
	switch v := v.(type) {
	case int:
		a.int(fieldInt, int64(v))
		a.int(fieldType, typeInt)
	case float32:
		a.float(fieldFloat, v)
		a.int(fieldType, typeFloat)
	case []int:
		for _, i := range v {
			a.int(fieldInts, int64(i))
		}
		a.int(fieldType, typeInts)
	default:
		panic(fmt.Sprintf("attribute %s of type %T", name, v))
	}
	return a
}

// Floats enters a constant and gives its name; without shape it is a scalar.
func (m *Model) Floats(name string, data []float32, shape ...int) string {
	raw := make([]byte, 4*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint32(raw[4*i:], math.Float32bits(v))
	}
	return m.constant(name, Float, raw, shape)
}

// Number enters a scalar; equal ones are entered once.
func (m *Model) Number(v float64) string {
	return m.once(fmt.Sprint("float_", float32(v)), func(name string) { m.Floats(name, []float32{float32(v)}) })
}

// Numbers enters a vector; equal ones are entered once.
func (m *Model) Numbers(v ...float32) string {
	return m.once(fmt.Sprint("floats_", v), func(name string) { m.Floats(name, v, len(v)) })
}

// Int enters a scalar; equal ones are entered once.
func (m *Model) Int(v int) string {
	return m.once(fmt.Sprint("int_", v), func(name string) { m.ints(name, []int{v}) })
}

// Ints enters a vector; equal ones are entered once.
func (m *Model) Ints(v ...int) string {
	return m.once(fmt.Sprint("ints_", v), func(name string) { m.ints(name, v, len(v)) })
}

func (m *Model) once(name string, enter func(name string)) string {
	if !m.known[name] {
		enter(name)
	}
	return name
}

func (m *Model) ints(name string, data []int, shape ...int) {
	raw := make([]byte, 8*len(data))
	for i, v := range data {
		binary.LittleEndian.PutUint64(raw[8*i:], uint64(int64(v)))
	}
	m.constant(name, Int64, raw, shape)
}

func (m *Model) constant(name string, kind int, raw []byte, shape []int) string {
	const fieldDims, fieldType, fieldName = 1, 2, 8
	var t message
	for _, d := range shape {
		t.int(fieldDims, int64(d))
	}
	t.int(fieldType, int64(kind))
	t.string(fieldName, name)
	m.tensors = append(m.tensors, tensor{t, raw})
	if m.known == nil {
		m.known = map[string]bool{}
	}
	m.known[name] = true
	return name
}

func (v Value) message() message {
	const fieldName, fieldType, fieldTensor, fieldElement, fieldShape, fieldDim, fieldSize, fieldParam = 1, 2, 1, 1, 2, 1, 1, 2
	var shape, dense, kind, out message
	for _, a := range v.Shape {
		var dim message
		if a.Size > 0 {
			dim.int(fieldSize, int64(a.Size))
		} else {
			dim.string(fieldParam, a.Name)
		}
		shape.bytes(fieldDim, dim)
	}
	dense.int(fieldElement, Float)
	dense.bytes(fieldShape, shape)
	kind.bytes(fieldTensor, dense)
	out.string(fieldName, v.Name)
	out.bytes(fieldType, kind)
	return out
}

// Encode writes the model. The error is ErrTooLarge for one that the format cannot hold.
func (m *Model) Encode(w io.Writer) error {
	const fieldRaw = 9
	const fieldNode, fieldGraphName, fieldInitializer, fieldIn, fieldOut = 1, 2, 5, 11, 12
	const fieldIR, fieldProducer, fieldVersion, fieldGraph, fieldOpset, fieldMetadata = 1, 2, 3, 7, 8, 14
	var model, graph message
	model.int(fieldIR, irVersion)
	model.string(fieldProducer, m.Producer)
	model.string(fieldVersion, m.Version)
	var opset message
	const fieldOpsetVersion, fieldKey, fieldText = 2, 1, 2
	opset.int(fieldOpsetVersion, Opset)
	model.bytes(fieldOpset, opset)
	for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
		var entry message
		entry.string(fieldKey, key)
		entry.string(fieldText, m.Metadata[key])
		model.bytes(fieldMetadata, entry)
	}
	for _, n := range m.nodes {
		graph.bytes(fieldNode, n)
	}
	graph.string(fieldGraphName, m.Name)
	for _, v := range m.Inputs {
		graph.bytes(fieldIn, v.message())
	}
	for _, v := range m.Outputs {
		graph.bytes(fieldOut, v.message())
	}
	// The constants' data, which are nearly all, are not copied.
	heads := make([][]byte, len(m.tensors))
	total := len(graph)
	for i, t := range m.tensors {
		inner := append(slices.Clone([]byte(t.head)), head(fieldRaw, len(t.data))...)
		heads[i] = append(head(fieldInitializer, len(inner)+len(t.data)), inner...)
		total += len(heads[i]) + len(t.data)
	}
	if total+len(model) > maxBytes-64 {
		return fmt.Errorf("%w: this model takes %d bytes", ErrTooLarge, total+len(model))
	}
	parts := [][]byte{model, head(fieldGraph, total), graph}
	for i, t := range m.tensors {
		parts = append(parts, heads[i], t.data)
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return nil
}
