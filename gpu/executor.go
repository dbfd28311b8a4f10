package gpu

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strings"
	"unsafe"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
	"goxkd/shaders"
)

var (
	_ graph.Device   = (*Device)(nil)
	_ graph.Executor = (*Executor)(nil)
)

// Executor runs one plan. Everything is made by Compile; Run encodes and submits.
type Executor struct {
	dev      *Device
	layout   *layout
	states   map[*graph.Node]*tensor
	slots    []*tensor
	params   *wgpu.Buffer
	staging  *wgpu.Buffer
	mapping  mapping
	work     []dispatch
	groups   []*wgpu.BindGroup
	cuts     *cutter
	released bool
}

// tensor is a buffer with its payload, to which guard words may be added.
type tensor struct {
	handle *wgpu.Buffer
	bytes  int64
	labels []string
}

// dispatch is one kernel call, ready to encode.
type dispatch struct {
	pipeline *pipeline
	group    *wgpu.BindGroup
	size     [3]uint32
	node     *graph.Node
}

// Compile plans the graph and makes every buffer, pipeline and bind group it needs.
func (d *Device) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	var e *Executor
	err := d.do(func() error {
		l, err := d.plan(g, opt)
		if err != nil {
			return err
		}
		e = &Executor{dev: d, layout: l, states: map[*graph.Node]*tensor{}, mapping: newMapping()}
		d.executors[e] = true
		if err := e.build(); err != nil {
			e.release()
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Executor) build() error {
	// Kernels first: a mistake there is found before memory is taken.
	type kernel struct {
		src   *shaders.Source
		binds []shaders.Binding
		p     *pipeline
	}
	var kernels []kernel
	for _, st := range e.layout.plan.Steps {
		launch := e.layout.launches[st.Node]
		for i := range launch.Dispatches {
			s := &launch.Dispatches[i]
			src, binds, err := e.kernel(st.Node, s)
			if err != nil {
				return fmt.Errorf("%s (built at %s): %w", st.Node.Label(), st.Node.Where, err)
			}
			p, err := e.dev.pipeline(src, binds)
			if err != nil {
				return fmt.Errorf("%s (built at %s): %w", st.Node.Label(), st.Node.Where, err)
			}
			kernels = append(kernels, kernel{src, binds, p})
		}
	}
	if err := e.allocate(); err != nil {
		return err
	}
	params := make([]byte, 0, e.layout.params)
	k := 0
	for _, st := range e.layout.plan.Steps {
		launch := e.layout.launches[st.Node]
		for i := range launch.Dispatches {
			s := &launch.Dispatches[i]
			offset := len(params)
			if s.Params != nil {
				params = append(params, encode(s.Params)...)
				params = append(params, make([]byte, offset+paramAlign-len(params))...)
			}
			group, err := e.bind(st, s, kernels[k].binds, kernels[k].p.layout, offset)
			if err != nil {
				return fmt.Errorf("%s: %w", st.Node.Label(), err)
			}
			e.groups = append(e.groups, group)
			e.work = append(e.work, dispatch{kernels[k].p, group,
				[3]uint32{uint32(s.Groups[0]), uint32(s.Groups[1]), uint32(s.Groups[2])}, st.Node})
			k++
		}
	}
	e.cuts = newCutter(len(e.work))
	if len(params) > 0 {
		if err := e.dev.write(e.params, 0, params); err != nil {
			return fmt.Errorf("gpu: parameters: %w", err)
		}
	}
	return e.fill()
}

// kernel loads the text of a dispatch and checks the dispatch against it and the adapter. The uniform comes last.
func (e *Executor) kernel(n *graph.Node, s *graph.Dispatch) (*shaders.Source, []shaders.Binding, error) {
	src, err := e.dev.source(s)
	if err != nil {
		return nil, nil, err
	}
	var binds []shaders.Binding
	for _, b := range s.Binds {
		v, err := src.Storage(b.Var)
		if err != nil {
			return nil, nil, err
		}
		binds = append(binds, v)
	}
	if n := len(binds); n > e.dev.adapter.Limits.StorageBuffers {
		return nil, nil, fmt.Errorf("gpu: %s/%s binds %d storage buffers, %v allows %d", s.Shader, s.Entry, n, e.dev.adapter, e.dev.adapter.Limits.StorageBuffers)
	}
	if s.Params != nil {
		if err := src.CheckParams(s.Params); err != nil {
			return nil, nil, err
		}
		u, err := src.Uniform()
		if err != nil {
			return nil, nil, err
		}
		if len(src.Fields)*wordBytes > paramAlign {
			return nil, nil, fmt.Errorf("gpu: %s/%s has more than %d bytes of parameters", s.Shader, s.Entry, paramAlign)
		}
		binds = append(binds, u)
	}
	for _, g := range s.Groups {
		if g < 1 || g > e.dev.adapter.Limits.Workgroups {
			return nil, nil, fmt.Errorf("gpu: %s/%s asks for %v workgroups, from 1 to %d are allowed in each dimension", s.Shader, s.Entry, s.Groups, e.dev.adapter.Limits.Workgroups)
		}
	}
	return src, binds, e.arguments(n, s, binds)
}

// arguments refuses a dispatch that writes a buffer it binds twice, which the library tracks as a whole, or that writes an
// input which its operation does not declare as updated.
func (e *Executor) arguments(n *graph.Node, s *graph.Dispatch, binds []shaders.Binding) error {
	type use struct {
		name  string
		write bool
	}
	used := map[any]use{}
	for i, b := range s.Binds {
		var key any
		elements := 0
		if in, ok := b.Arg.Input(); ok {
			if in >= len(n.Inputs) {
				return fmt.Errorf("gpu: %s/%s: %s is input %d of %d", s.Shader, s.Entry, b.Var, in, len(n.Inputs))
			}
			key, elements = n.Inputs[in].Root(), n.Inputs[in].Shape.Size()
			updated := false
			for _, u := range n.Op.Updates {
				updated = updated || u == in
			}
			if binds[i].Write && !updated {
				return fmt.Errorf("gpu: %s/%s: %s writes input %d, which the operation does not list in Updates", s.Shader, s.Entry, b.Var, in)
			}
		} else if k, ok := b.Arg.Scratch(); ok {
			if have := len(e.layout.launches[n].Scratch); k >= have {
				return fmt.Errorf("gpu: %s/%s: %s is scratch %d of %d", s.Shader, s.Entry, b.Var, k, have)
			}
			key, elements = k, e.layout.launches[n].Scratch[k]
		} else {
			if len(n.Op.Updates) > 0 {
				return fmt.Errorf("gpu: %s/%s: %s is the result, but an operation that updates states has none", s.Shader, s.Entry, b.Var)
			}
			key, elements = n, n.Shape.Size()
		}
		if elements%binds[i].Vector != 0 {
			return fmt.Errorf("gpu: %s/%s: %s is of vec4, but is bound to %d elements", s.Shader, s.Entry, b.Var, elements)
		}
		if o, ok := used[key]; ok && (o.write || binds[i].Write) {
			return fmt.Errorf("gpu: %s/%s: %s and %s are one buffer, and one of them is read_write", s.Shader, s.Entry, o.name, b.Var)
		}
		used[key] = use{b.Var, binds[i].Write}
	}
	return nil
}

const tensorUsage = wgpu.BufferUsage_Storage | wgpu.BufferUsage_CopySrc | wgpu.BufferUsage_CopyDst

func (e *Executor) allocate() error {
	make := func(elements int, labels []string) (*tensor, error) {
		t := &tensor{bytes: int64(elements) * wordBytes, labels: labels}
		var err error
		t.handle, err = e.dev.buffer(labels[0], t.bytes+e.layout.guard, tensorUsage)
		return t, err
	}
	for _, n := range e.layout.plan.Persistent {
		t, err := make(n.Shape.Size(), []string{n.Label()})
		if err != nil {
			return err
		}
		e.states[n] = t
	}
	for s, elements := range e.layout.plan.Slots {
		t, err := make(elements, e.layout.tenants[s])
		if err != nil {
			return err
		}
		e.slots = append(e.slots, t)
	}
	var err error
	if e.layout.params > 0 {
		if e.params, err = e.dev.buffer("parameters", e.layout.params, wgpu.BufferUsage_Uniform|wgpu.BufferUsage_CopyDst); err != nil {
			return err
		}
	}
	e.staging, err = e.dev.buffer("staging", e.layout.staging, wgpu.BufferUsage_MapRead|wgpu.BufferUsage_CopyDst)
	return err
}

// bind makes the bind group of one dispatch.
func (e *Executor) bind(st graph.Step, s *graph.Dispatch, binds []shaders.Binding, l *bindLayout, offset int) (*wgpu.BindGroup, error) {
	entries := make([]wgpu.BindGroupEntry, len(binds))
	for i, b := range binds {
		entry := wgpu.BindGroupEntry{Binding: uint32(b.Index)}
		if b.Uniform {
			entry.Buffer, entry.Offset = e.params, uint64(offset)
			// Uniform structs are padded to 16 bytes by some compilers.
			entry.Size = uint64(graph.CeilDiv(reflect.TypeOf(s.Params).NumField()*wordBytes, 16) * 16)
		} else {
			t, elements := e.arg(st, s.Binds[i].Arg)
			entry.Buffer, entry.Size = t.handle, uint64(int64(elements)*wordBytes+e.layout.guard)
		}
		entries[i] = entry
	}
	group, err := e.dev.dev.CreateBindGroup(&wgpu.BindGroupDescriptor{Label: s.Shader + "/" + s.Entry, Layout: l.group, Entries: entries})
	if err != nil {
		return nil, fmt.Errorf("gpu: %s/%s: %w", s.Shader, s.Entry, err)
	}
	e.dev.counts.BindGroups++
	return group, nil
}

// arg finds the buffer of an argument and the number of elements the kernel may see.
func (e *Executor) arg(st graph.Step, a graph.Arg) (*tensor, int) {
	if i, ok := a.Input(); ok {
		return e.tensor(st.Node.Inputs[i]), st.Node.Inputs[i].Shape.Size()
	}
	if i, ok := a.Scratch(); ok {
		return e.slots[st.Scratch[i]], e.layout.launches[st.Node].Scratch[i]
	}
	return e.tensor(st.Node), st.Node.Shape.Size()
}

func (e *Executor) tensor(n *graph.Node) *tensor {
	n = n.Root()
	if n.Persistent() {
		return e.states[n]
	}
	return e.slots[e.layout.plan.Slot[n]]
}

// fill writes the constants and the guard words.
func (e *Executor) fill() error {
	for n, t := range e.states {
		if n.Kind == graph.KindConst {
			if err := e.dev.write(t.handle, 0, bytes(n.Value)); err != nil {
				return fmt.Errorf("gpu: %s: %w", n.Label(), err)
			}
		}
	}
	if e.layout.guard > 0 {
		for _, t := range e.tensors() {
			if err := e.dev.write(t.handle, t.bytes, guardPattern); err != nil {
				return fmt.Errorf("gpu: guard words of %s: %w", t.labels[0], err)
			}
		}
	}
	e.dev.submit()
	e.dev.wait()
	return nil
}

func (e *Executor) tensors() []*tensor {
	var all []*tensor
	for _, n := range e.layout.plan.Persistent {
		all = append(all, e.states[n])
	}
	return append(all, e.slots...)
}

// encode lays out a checked parameter struct as the uniform buffer has it.
func encode(params any) []byte {
	v := reflect.ValueOf(params)
	out := make([]byte, 0, v.NumField()*wordBytes)
	for i := range v.NumField() {
		var w uint32
		switch f := v.Field(i); f.Kind() {
		case reflect.Uint32:
			w = uint32(f.Uint())
		case reflect.Int32:
			w = uint32(int32(f.Int()))
		case reflect.Float32:
			w = math.Float32bits(float32(f.Float()))
		}
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return out
}

// bytes views elements as the little-endian words that every supported machine has.
func bytes(data []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(data))), len(data)*wordBytes)
}

// Write sets the elements of an input or state.
func (e *Executor) Write(n *graph.Node, data []float32) error {
	return e.do(func() error {
		t := e.states[n]
		if t == nil || n.Kind == graph.KindConst {
			return fmt.Errorf("gpu: %s is no input or state of this plan", n.Label())
		}
		if len(data) != n.Shape.Size() {
			return fmt.Errorf("gpu: %s has shape %v, %d elements were written", n.Label(), n.Shape, len(data))
		}
		if err := e.dev.write(t.handle, 0, bytes(data)); err != nil {
			return fmt.Errorf("gpu: writing %s: %w", n.Label(), err)
		}
		return nil
	})
}

// Read copies the elements of an input, a state or a kept result. After a run, any other result whose memory was not used
// again may be read too.
func (e *Executor) Read(n *graph.Node, dst []float32) error {
	return e.do(func() error {
		root := n.Root()
		var t *tensor
		if root.Persistent() {
			t = e.states[root]
		} else if s, ok := e.layout.plan.Slot[root]; ok {
			if e.layout.last[s] != root {
				return fmt.Errorf("gpu: %s was not kept: its memory holds another tensor after a run", n.Label())
			}
			t = e.slots[s]
		}
		if t == nil {
			return fmt.Errorf("gpu: %s is no tensor of this plan", n.Label())
		}
		if len(dst) != n.Shape.Size() {
			return fmt.Errorf("gpu: %s has shape %v, %d elements were asked for", n.Label(), n.Shape, len(dst))
		}
		if err := e.read(t, 0, bytes(dst)); err != nil {
			return fmt.Errorf("gpu: reading %s: %w", n.Label(), err)
		}
		return nil
	})
}

// read copies from a buffer through the staging buffer.
func (e *Executor) read(t *tensor, offset int64, dst []byte) error {
	for len(dst) > 0 {
		n := min(int64(len(dst)), e.layout.staging)
		if err := e.copyOut(t, offset, dst[:n]); err != nil {
			return err
		}
		offset += n
		dst = dst[n:]
	}
	return nil
}

func (e *Executor) copyOut(t *tensor, offset int64, dst []byte) error {
	if offset%wordBytes != 0 || len(dst)%wordBytes != 0 || offset+int64(len(dst)) > t.bytes+e.layout.guard || int64(len(dst)) > e.layout.staging {
		return fmt.Errorf("bytes %d to %d are outside the buffer", offset, offset+int64(len(dst)))
	}
	enc, err := e.dev.dev.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	defer enc.Release()
	if err := enc.CopyBufferToBuffer(t.handle, uint64(offset), e.staging, 0, uint64(len(dst))); err != nil {
		return err
	}
	cmd, err := enc.Finish(nil)
	if err != nil {
		return err
	}
	e.dev.submit(cmd)
	cmd.Release()
	e.dev.wait()
	e.mapping.start(e.staging, len(dst))
	e.dev.poll(func() bool { return e.mapping.state() >= 0 })
	// An empty queue and a pending map can be seen together for a moment.
	for range 1000 {
		if e.mapping.state() >= 0 {
			break
		}
		e.dev.dev.Poll(false, nil)
	}
	if s := e.mapping.state(); s != 0 {
		return fmt.Errorf("the read-back failed with status %d", s)
	}
	copy(dst, e.staging.GetMappedRange(0, uint(len(dst))))
	return e.staging.Unmap()
}

// Run executes the schedule once. The context is looked at between submissions.
func (e *Executor) Run(ctx context.Context) error {
	return e.do(func() error { return e.run(ctx) })
}

// Bytes is the memory held for tensors, parameters and read-backs.
func (e *Executor) Bytes() int64 { return e.layout.bytes }

// Close releases the executor's memory. Later calls return ErrClosed.
func (e *Executor) Close() error {
	err := e.dev.do(func() error {
		e.release()
		return nil
	})
	if err == ErrClosed { // by the device's Close, which released it
		err = nil
	}
	return err
}

func (e *Executor) do(f func() error) error {
	return e.dev.do(func() error {
		if e.released {
			return ErrClosed
		}
		return f()
	})
}

func (e *Executor) release() {
	if e.released {
		return
	}
	e.released = true
	delete(e.dev.executors, e)
	e.dev.submit()
	e.dev.wait()
	for _, g := range e.groups {
		g.Release()
	}
	for _, t := range e.tensors() {
		if t != nil && t.handle != nil {
			t.handle.Release()
		}
	}
	for _, b := range []*wgpu.Buffer{e.params, e.staging} {
		if b != nil {
			b.Release()
		}
	}
	e.mapping.free()
	// Nothing is dropped before the library is polled.
	e.dev.wait()
}

// guardPattern is made of quiet NaNs, so that a kernel which reads past a tensor's end shows it in its result.
var guardPattern = func() []byte {
	var out []byte
	for i := range uint32(guardWords) {
		out = binary.LittleEndian.AppendUint32(out, 0x7fc0a500+i)
	}
	return out
}()

// CheckGuards reports the tensors past whose end a kernel wrote. The device's Guard must have been set.
func (e *Executor) CheckGuards() error {
	return e.do(func() error {
		if e.layout.guard == 0 {
			return fmt.Errorf("gpu: the executor was compiled without guard words")
		}
		var broken []string
		got := make([]byte, guardWords*wordBytes)
		for _, t := range e.tensors() {
			if err := e.read(t, t.bytes, got); err != nil {
				return fmt.Errorf("gpu: guard words of %s: %w", t.labels[0], err)
			}
			for i := range got {
				if got[i] != guardPattern[i] {
					broken = append(broken, fmt.Sprintf("%s (element %d)", strings.Join(t.labels, " or "), t.bytes/wordBytes+int64(i)/wordBytes))
					break
				}
			}
		}
		if broken != nil {
			return fmt.Errorf("gpu: a kernel wrote past the end of %s", strings.Join(broken, ", "))
		}
		return nil
	})
}
