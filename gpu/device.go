package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
	"goxkd/shaders"
)

// ErrClosed is returned by calls on a closed device or executor.
var ErrClosed = errors.New("gpu: closed")

// Device makes executors on one adapter. Its exported fields are set while none of its executors is at work.
type Device struct {
	// Budget bounds the bytes of one executor; 0 means none.
	Budget int64
	// InFlight is how many submissions may be in flight while the host encodes the next; with 0 each is waited for.
	InFlight int

	adapter Adapter
	inst    *wgpu.Instance
	handle  *wgpu.Adapter
	dev     *wgpu.Device
	queue   *wgpu.Queue
	errors  errorLog
	limits  wgpu.Limits

	calls  chan call
	closed chan struct{}
	ended  chan struct{}
	once   sync.Once

	// The rest belongs to the owner goroutine.
	counts    Counts
	sources   map[string]*shaders.Source
	modules   map[string]*wgpu.ShaderModule
	layouts   map[string]*bindLayout
	pipelines map[string]*pipeline
	executors map[*Executor]bool
	pending   int // bytes written since the last submission
	library   shaders.Library
	back      readback
	asks      []*ask
	up        upload
	fences    fences
}

// Counts are the objects made on a device so far.
type Counts struct{ Buffers, Modules, Pipelines, BindGroups int }

type call struct {
	f    func() error
	done chan error
}

// Open takes the adapter that sel names: "gpu" for the best, or its number in Adapters.
func Open(sel string) (*Device, error) {
	d := &Device{
		calls:     make(chan call),
		closed:    make(chan struct{}),
		ended:     make(chan struct{}),
		sources:   map[string]*shaders.Source{},
		modules:   map[string]*wgpu.ShaderModule{},
		layouts:   map[string]*bindLayout{},
		pipelines: map[string]*pipeline{},
		executors: map[*Executor]bool{},
	}
	opened := make(chan error)
	go d.own(sel, opened)
	if err := <-opened; err != nil {
		return nil, err
	}
	return d, nil
}

// own is the goroutine that talks to the library, from the first call to the last.
func (d *Device) own(sel string, opened chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(d.ended)
	err := d.open(sel)
	opened <- err
	if err != nil {
		return
	}
	for {
		select {
		case c := <-d.calls:
			c.done <- d.guarded(c.f)
		case <-d.closed:
			d.release()
			return
		}
	}
}

// guarded runs f and turns a panic, and errors that no call returned, into an error.
func (d *Device) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("gpu: %v", r)
		}
		if e := d.errors.take(); e != nil {
			err = errors.Join(err, e)
		}
	}()
	return f()
}

// do runs f on the owner goroutine.
func (d *Device) do(f func() error) error {
	c := call{f, make(chan error, 1)}
	select {
	case d.calls <- c:
		return <-c.done
	case <-d.closed:
		return ErrClosed
	}
}

func (d *Device) open(sel string) error {
	d.inst = instance()
	list := enumerate(d.inst)
	at, err := choose(list, sel)
	if err != nil {
		for _, f := range list {
			f.handle.Release()
		}
		d.inst.Release()
		return err
	}
	for i, f := range list {
		if i != at {
			f.handle.Release()
		}
	}
	d.adapter, d.handle = list[at].Adapter, list[at].handle
	// Zero limits would ask for zeros: the adapter's own are asked for.
	d.limits = limitsOf(d.handle)
	d.dev, err = d.handle.RequestDevice(&wgpu.DeviceDescriptor{RequiredLimits: &wgpu.RequiredLimits{Limits: d.limits}})
	if err != nil {
		d.handle.Release()
		d.inst.Release()
		return fmt.Errorf("gpu: %v: %w", d.adapter, err)
	}
	d.errors = watchErrors(d.dev)
	d.queue = d.dev.GetQueue()
	d.Budget = defaultBudget(d.adapter.Class)
	d.InFlight = inFlight(d.adapter.Class)
	return nil
}

// defaultBudget leaves room for the rest of the machine where the adapter shares its memory. A discrete adapter's memory is
// not known to WebGPU; there the driver's own refusal comes back as an error.
func defaultBudget(c graph.Class) int64 {
	switch c {
	case graph.Software:
		return systemMemory() / 4 * 3
	case graph.Integrated:
		return systemMemory() / 2
	default:
		return 0
	}
}

func (d *Device) release() {
	for e := range d.executors {
		e.release()
	}
	d.back.release()
	for _, a := range d.asks {
		if a.used { // nobody took it, and the library may still write to its mapping
			_ = d.await(a.mapping)
		}
		a.release()
	}
	d.up.release()
	d.fences.release()
	for _, p := range d.pipelines {
		p.handle.Release()
	}
	for _, l := range d.layouts {
		l.pipeline.Release()
		l.group.Release()
	}
	for _, m := range d.modules {
		m.Release()
	}
	d.wait()
	d.queue.Release()
	d.dev.Release()
	d.handle.Release()
	d.inst.Release()
	d.errors.free()
}

// Close releases the device and its executors. Later calls return ErrClosed.
func (d *Device) Close() error {
	d.once.Do(func() { close(d.closed) })
	<-d.ended
	return nil
}

// Name is the adapter's name.
func (d *Device) Name() string { return d.adapter.Name }

// Adapter describes the device's adapter.
func (d *Device) Adapter() Adapter { return d.adapter }

// Overlay lays the .wgsl files of a folder over the embedded kernels, for what is compiled from then on.
func (d *Device) Overlay(dir string) error {
	l, err := shaders.Overlay(dir)
	if err != nil {
		return err
	}
	return d.do(func() error {
		d.library = l
		clear(d.sources)
		return nil
	})
}

// Driver is the adapter's backend and driver.
func (d *Device) Driver() string {
	return strings.TrimSpace(d.adapter.Backend + " " + d.adapter.Driver)
}

// Binding is the greatest number of bytes that a kernel can bind at once.
func (d *Device) Binding() int64 {
	return min(d.adapter.Limits.StorageBinding, d.adapter.Limits.Buffer)
}

// Target is what launches know of the device.
func (d *Device) Target() graph.Target {
	return graph.Target{Class: d.adapter.Kernels}
}

// Counts gives the number of objects made so far; they do not change while steps run.
func (d *Device) Counts() Counts {
	var c Counts
	if d.do(func() error { c = d.counts; return nil }) != nil {
		return Counts{}
	}
	return c
}

// wait returns when all submitted work is done. The library's own waiting gives up after five seconds and says that all
// is well, so it is only ever asked whether the queue is empty.
func (d *Device) wait() {
	d.poll(func() bool { return false })
}

// poll drives the library until the queue is empty or done says so. Short work is awaited closely; long work leaves the
// cores alone on a software adapter, where they do the work.
func (d *Device) poll(done func() bool) {
	const closely = 50 * time.Microsecond
	start := time.Now()
	pause, most := 20*time.Microsecond, 200*time.Microsecond
	if d.adapter.Class != graph.Software {
		most = pause
	}
	for {
		if empty := d.dev.Poll(false, nil); empty || done() {
			return
		}
		if time.Since(start) < closely {
			runtime.Gosched()
			continue
		}
		time.Sleep(pause)
		pause = min(pause+pause/8, most)
	}
}

// buffer makes a buffer; sizes were checked against the limits and the budget.
func (d *Device) buffer(label string, size int64, usage wgpu.BufferUsage) (*wgpu.Buffer, error) {
	b, err := d.dev.CreateBuffer(&wgpu.BufferDescriptor{Label: label, Size: uint64(size), Usage: usage})
	if err == nil {
		if e := d.errors.take(); e != nil {
			// The budget did not know: the driver is out of memory, and the buffer is a dud.
			b.Release()
			err = fmt.Errorf("%w: %w", graph.ErrTooLarge, e)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("gpu: %s, %d bytes: %w", label, size, err)
	}
	d.counts.Buffers++
	return b, nil
}

// copyBuffer submits a copy from one buffer to another.
func (d *Device) copyBuffer(from *wgpu.Buffer, at int64, to *wgpu.Buffer, offset, size int64) error {
	enc, err := d.dev.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	defer enc.Release()
	if err := enc.CopyBufferToBuffer(from, uint64(at), to, uint64(offset), uint64(size)); err != nil {
		return err
	}
	cmd, err := enc.Finish(nil)
	if err != nil {
		return err
	}
	d.submit(cmd)
	cmd.Release()
	return nil
}

// submit sends the commands, and the writes before them, to the device.
func (d *Device) submit(c ...*wgpu.CommandBuffer) {
	d.pending = 0
	d.queue.Submit(c...)
}
