package gpu

import (
	"fmt"
	"time"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
)

// askMax is the most that one of the buffers holds through which results are read without waiting at once.
const askMax = 64 << 10

// ask is such a buffer. It is in use from the copy into it until it is taken.
type ask struct {
	buffer  *wgpu.Buffer
	mapping mapping
	used    bool
}

func (a *ask) release() {
	a.buffer.Release()
	a.mapping.free()
}

// ask copies from a buffer, behind what was submitted, and does not wait for it.
func (d *Device) ask(t *tensor, offset, size int64) (*ask, error) {
	if err := t.within(offset, size); err != nil {
		return nil, err
	}
	var a *ask
	for _, x := range d.asks {
		if !x.used {
			a = x
			break
		}
	}
	if a == nil {
		b, err := d.buffer("ask", askMax, wgpu.BufferUsage_MapRead|wgpu.BufferUsage_CopyDst)
		if err != nil {
			return nil, err
		}
		a = &ask{buffer: b, mapping: newMapping()}
		d.asks = append(d.asks, a)
	}
	if err := d.copyBuffer(t.handle, offset, a.buffer, 0, size); err != nil {
		return nil, err
	}
	a.used = true
	a.mapping.start(a.buffer, mapRead, int(size))
	return a, nil
}

// take waits for what was asked for and copies it.
func (d *Device) take(a *ask, dst []byte) error {
	defer func() { a.used = false }()
	if err := d.await(a.mapping); err != nil {
		return fmt.Errorf("the read-back failed: %w", err)
	}
	copy(dst, a.buffer.GetMappedRange(0, uint(len(dst))))
	return a.buffer.Unmap()
}

// Fetch implements graph.Starter. What is larger than 64 KiB, or not kept as float32, is waited for at once.
func (e *Executor) Fetch(n *graph.Node, dst []float32) (take func() error, err error) {
	var a *ask
	behind := 0
	err = e.do(func() error {
		w, err := e.readable(n, len(dst))
		if err != nil || w.bytes > askMax || n.Type != graph.Float32 {
			return err
		}
		behind = e.launched
		a, err = e.dev.ask(w.tensor, w.offset, w.bytes)
		return e.unread(n, err)
	})
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return func() error { return nil }, e.Read(n, dst)
	}
	return func() error {
		return e.do(func() error {
			if a == nil {
				return fmt.Errorf("gpu: %s was taken before", n.Label())
			}
			start := time.Now()
			before := e.host.Wait
			err := e.landUpTo(behind)
			if taken := e.dev.take(a, bytes(dst)); err == nil {
				err = e.unread(n, taken)
			}
			a = nil
			e.host.Wait = before + time.Since(start)
			return err
		})
	}, nil
}
