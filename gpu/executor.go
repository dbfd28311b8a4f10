package gpu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
	"goxkd/shaders"
)

var (
	_ graph.Device   = (*Device)(nil)
	_ graph.Executor = (*Executor)(nil)
	_ graph.Starter  = (*Executor)(nil)
)

// Executor runs one plan. Everything is made by Compile; Run encodes and submits.
type Executor struct {
	dev      *Device
	layout   *layout
	store    *Store
	own      bool                    // the store was made for this executor alone
	inputs   map[*graph.Node]*tensor // and constants
	slots    []*tensor
	params   *wgpu.Buffer
	work     []dispatch
	groups   []*wgpu.BindGroup
	cuts     *cutter
	launched int       // submissions so far
	flights  []flight  // those that are not known to be done, the oldest first
	landed   time.Time // when one did last
	host     graph.HostTimes
	released bool
}

// tensor is a buffer with its payload, to which guard words may be added.
type tensor struct {
	handle *wgpu.Buffer
	bytes  int64
	guard  int64 // bytes of guard words that follow
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
		e = &Executor{dev: d, layout: l, inputs: map[*graph.Node]*tensor{}}
		switch s := opt.Store.(type) {
		case nil:
			e.store, e.own = d.newStore(), true
		case *Store:
			e.store = s
			if s.dev != d || s.released {
				err = fmt.Errorf("gpu: the store is closed or another device's")
			}
		default:
			err = fmt.Errorf("gpu: the states are kept in a %T, which is another device's", s)
		}
		if err != nil {
			return err
		}
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

// tensor makes a buffer with room for guard words.
func (d *Device) tensor(bytes, guard int64, labels []string) (*tensor, error) {
	t := &tensor{bytes: bytes, guard: guard, labels: labels}
	var err error
	t.handle, err = d.buffer(labels[0], bytes+guard, tensorUsage)
	return t, err
}

func (t *tensor) release() {
	if t != nil && t.handle != nil {
		t.handle.Release()
		t.handle = nil
	}
}

func (e *Executor) build() error {
	// Kernels first: a mistake there is found before memory is taken.
	type kernel struct {
		src   *shaders.Source
		binds []shaders.Binding
		p     *pipeline
	}
	var kernels []kernel
	for _, st := range e.layout.plan.Items {
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
	for _, st := range e.layout.plan.Items {
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
	binds, err := bindingsOf(src, s)
	if err != nil {
		return nil, nil, err
	}
	if n := len(s.Binds); n > e.dev.adapter.Limits.StorageBuffers {
		return nil, nil, fmt.Errorf("gpu: %s/%s binds %d storage buffers, %v allows %d", s.Shader, s.Entry, n, e.dev.adapter, e.dev.adapter.Limits.StorageBuffers)
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
			if packed := n.Inputs[in].Type != graph.Float32; packed != binds[i].Packed {
				return fmt.Errorf("gpu: %s/%s: %s is array<%s>, but is bound to %v", s.Shader, s.Entry, b.Var, binds[i].Element, n.Inputs[in].Type)
			}
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
			k, _ := b.Arg.Result()
			if len(n.Op.Updates) > 0 && n.Op.More == nil {
				return fmt.Errorf("gpu: %s/%s: %s is the result, but an operation that updates states has none", s.Shader, s.Entry, b.Var)
			}
			if k >= len(n.All()) {
				return fmt.Errorf("gpu: %s/%s: %s is result %d of %d", s.Shader, s.Entry, b.Var, k, len(n.All()))
			}
			r := n.All()[k]
			key, elements = r, r.Shape.Size()
			if packed := r.Type != graph.Float32; packed != binds[i].Packed {
				return fmt.Errorf("gpu: %s/%s: %s is array<%s>, but is bound to %v", s.Shader, s.Entry, b.Var, binds[i].Element, r.Type)
			}
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
	make := func(bytes int64, labels []string) (*tensor, error) {
		return e.dev.tensor(bytes, e.layout.guard, labels)
	}
	if err := e.store.add(e.layout.plan, e.layout.guard); err != nil {
		return err
	}
	for _, n := range e.layout.plan.Persistent {
		if n.Kind == graph.KindState {
			continue
		}
		t, err := make(n.Type.Bytes(n.Shape.Size()), []string{n.Label()})
		if err != nil {
			return err
		}
		e.inputs[n] = t
	}
	for s, bytes := range e.layout.plan.Slots {
		t, err := make(bytes, e.layout.tenants[s])
		if err != nil {
			return err
		}
		e.slots = append(e.slots, t)
	}
	var err error
	if e.layout.params > 0 {
		e.params, err = e.dev.buffer("parameters", e.layout.params, wgpu.BufferUsage_Uniform|wgpu.BufferUsage_CopyDst)
	}
	return err
}

// bind makes the bind group of one dispatch.
func (e *Executor) bind(st graph.Item, s *graph.Dispatch, binds []shaders.Binding, l *bindLayout, offset int) (*wgpu.BindGroup, error) {
	entries := make([]wgpu.BindGroupEntry, len(binds))
	for i, b := range binds {
		entry := wgpu.BindGroupEntry{Binding: uint32(b.Index)}
		if b.Uniform {
			entry.Buffer, entry.Offset = e.params, uint64(offset)
			entry.Size = uniformBytes(reflect.TypeOf(s.Params).NumField())
		} else {
			w := e.arg(st, s.Binds[i].Arg)
			entry.Buffer, entry.Offset, entry.Size = w.handle, uint64(w.offset), uint64(w.bytes)
			if w.offset == 0 && w.bytes == w.tensor.bytes {
				entry.Size += uint64(w.guard)
			}
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

// window is a part of a buffer.
type window struct {
	*tensor
	offset, bytes int64
}

// arg finds what an argument's kernel may see.
func (e *Executor) arg(st graph.Item, a graph.Arg) window {
	if i, ok := a.Scratch(); ok {
		return window{e.slots[st.Scratch[i]], 0, int64(e.layout.launches[st.Node].Scratch[i]) * wordBytes}
	}
	n := st.Node
	if i, ok := a.Input(); ok {
		n = n.Inputs[i]
	} else if k, ok := a.Result(); ok {
		n = n.All()[k]
	}
	w, _ := e.window(n)
	return w
}

// window finds a node's elements; ok is false where the plan has no place for it.
func (e *Executor) window(n *graph.Node) (w window, ok bool) {
	at, ok := e.layout.plan.Place(n)
	if !ok {
		return w, false
	}
	w.offset, w.bytes = int64(at.Offset)*wordBytes, n.Type.Bytes(n.Shape.Size())
	switch {
	case at.Slot >= 0:
		w.tensor = e.slots[at.Slot]
	case at.Owner.Kind == graph.KindState:
		buffer, offset, _, _ := e.store.dir.Find(at.Owner.Name)
		w.tensor = e.store.buffers[buffer]
		w.offset += int64(offset) * wordBytes
	default:
		w.tensor = e.inputs[at.Owner]
	}
	return w, true
}

// fill writes the constants and the guard words.
func (e *Executor) fill() error {
	for n, t := range e.inputs {
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
		if t := e.inputs[n]; t != nil {
			all = append(all, t)
		}
	}
	all = append(all, e.slots...)
	if e.own {
		all = append(all, e.store.buffers...)
	}
	return all
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
	if n.Type == graph.Float32 {
		return e.write(n, len(data), bytes(data))
	}
	return e.write(n, len(data), n.Type.Encode(data))
}

// WriteBytes sets the elements of an input or state of one-byte elements.
func (e *Executor) WriteBytes(n *graph.Node, data []byte) error {
	if n.Type != graph.Uint8 {
		return fmt.Errorf("gpu: %s is kept as %v, bytes were written", n.Label(), n.Type)
	}
	size := len(data)
	for len(data)%wordBytes != 0 {
		data = append(data[:len(data):len(data)], 0)
	}
	return e.write(n, size, data)
}

func (e *Executor) write(n *graph.Node, elements int, data []byte) error {
	return e.do(func() error {
		w, ok := e.window(n)
		if !ok || n.Kind != graph.KindInput && n.Kind != graph.KindState {
			return fmt.Errorf("gpu: %s is no input or state of this plan", n.Label())
		}
		if elements != n.Shape.Size() {
			return fmt.Errorf("gpu: %s has shape %v, %d elements were written", n.Label(), n.Shape, elements)
		}
		start := time.Now()
		defer func() { e.host.Upload += time.Since(start) }()
		if err := e.dev.write(w.handle, w.offset, data); err != nil {
			return fmt.Errorf("gpu: writing %s: %w", n.Label(), err)
		}
		return nil
	})
}

// Read copies the elements of an input, a state or a kept result. After a run, any other result whose memory was not used
// again may be read too.
func (e *Executor) Read(n *graph.Node, dst []float32) error {
	return e.do(func() error {
		w, err := e.readable(n, len(dst))
		if err != nil {
			return err
		}
		data := bytes(dst)
		if n.Type != graph.Float32 {
			data = make([]byte, w.bytes)
		}
		if err := e.dev.read(w.tensor, w.offset, data); err != nil {
			return e.unread(n, err)
		}
		if n.Type != graph.Float32 {
			return n.Type.Decode(dst, data)
		}
		return nil
	})
}

// unread names the node of an error.
func (e *Executor) unread(n *graph.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("gpu: reading %s: %w", n.Label(), err)
}

// readable finds a node's elements and refuses those that are not what they were any more.
func (e *Executor) readable(n *graph.Node, elements int) (window, error) {
	w, ok := e.window(n)
	if !ok {
		return w, fmt.Errorf("gpu: %s is no tensor of this plan", n.Label())
	}
	// What was in a slot when another stage ended may be read before the next runs; banks are read so.
	if base := n.Base(); !base.Persistent() && !base.Transient {
		if e.layout.last[e.layout.plan.Slot[base]] != base {
			return w, fmt.Errorf("gpu: %s was not kept: its memory holds another tensor after a run", n.Label())
		}
	}
	if elements != n.Shape.Size() {
		return w, fmt.Errorf("gpu: %s has shape %v, %d elements were asked for", n.Label(), n.Shape, elements)
	}
	return w, nil
}

// Run executes the given stages of the schedule, or all. The context is looked at between submissions.
func (e *Executor) Run(ctx context.Context, stages ...graph.Stage) error {
	return e.do(func() error {
		err := e.eachStage(stages, func(from, to int) error { return e.start(ctx, from, to) })
		return errors.Join(err, e.land(0))
	})
}

// eachStage calls do with the dispatches of each of the stages, or of all.
func (e *Executor) eachStage(stages []graph.Stage, do func(from, to int) error) error {
	if len(stages) == 0 {
		return do(0, len(e.work))
	}
	for from := 0; from < len(e.work); {
		to := from
		for to < len(e.work) && e.work[to].node.Stage == e.work[from].node.Stage {
			to++
		}
		if slices.Contains(stages, e.work[from].node.Stage) {
			if err := do(from, to); err != nil {
				return err
			}
		}
		from = to
	}
	return nil
}

// HostTimes implements graph.HostTimer.
func (e *Executor) HostTimes() (t graph.HostTimes) {
	_ = e.do(func() error { t = e.host; return nil })
	return t
}

// Dispatches is the number of kernel calls of all stages.
func (e *Executor) Dispatches() int { return len(e.work) }

// Bytes is the memory held for tensors, parameters and read-backs, and for states where the executor keeps its own.
func (e *Executor) Bytes() int64 {
	if e.own {
		return e.layout.bytes + e.layout.states
	}
	return e.layout.bytes
}

// Close releases the executor's memory. Later calls return ErrClosed.
func (e *Executor) Close() error {
	err := e.dev.do(func() error {
		e.release()
		return nil
	})
	if errors.Is(err, ErrClosed) { // by the device's Close, which released it
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
	if e.own {
		e.store.released = true
	}
	delete(e.dev.executors, e)
	_ = e.land(0) // what is released needs no result
	e.dev.submit()
	e.dev.wait()
	for _, g := range e.groups {
		g.Release()
	}
	for _, t := range e.tensors() {
		t.release()
	}
	if e.params != nil {
		e.params.Release()
	}
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

// CheckGuards reports the tensors past whose end a kernel wrote. It must have been compiled with graph.PlanOptions.Guard.
func (e *Executor) CheckGuards() error {
	return e.do(func() error {
		if e.layout.guard == 0 {
			return fmt.Errorf("gpu: the executor was compiled without guard words")
		}
		var broken []string
		got := make([]byte, guardWords*wordBytes)
		for _, t := range e.tensors() {
			if err := e.dev.read(t, t.bytes, got); err != nil {
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
