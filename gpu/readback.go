package gpu

import (
	"fmt"

	"github.com/rajveermalviya/go-webgpu/wgpu"
)

// readback is the buffer through which a device's results are read, made at the first read.
type readback struct {
	staging *wgpu.Buffer
	mapping mapping
}

func (r *readback) release() {
	if r.staging != nil {
		r.staging.Release()
		r.mapping.free()
	}
}

// read copies from a buffer through the staging buffer, in pieces.
func (d *Device) read(t *tensor, offset int64, dst []byte) error {
	if d.back.staging == nil {
		b, err := d.buffer("staging", stagingMax, wgpu.BufferUsage_MapRead|wgpu.BufferUsage_CopyDst)
		if err != nil {
			return err
		}
		d.back = readback{b, newMapping()}
	}
	for len(dst) > 0 {
		n := min(int64(len(dst)), stagingMax)
		if err := d.copyOut(t, offset, dst[:n]); err != nil {
			return err
		}
		offset += n
		dst = dst[n:]
	}
	return nil
}

// within refuses what is no part of the buffer.
func (t *tensor) within(offset, size int64) error {
	if offset%wordBytes != 0 || size%wordBytes != 0 || offset+size > t.bytes+t.guard {
		return fmt.Errorf("bytes %d to %d are outside the buffer", offset, offset+size)
	}
	return nil
}

func (d *Device) copyOut(t *tensor, offset int64, dst []byte) error {
	if err := t.within(offset, int64(len(dst))); err != nil {
		return err
	}
	if err := d.copyBuffer(t.handle, offset, d.back.staging, 0, int64(len(dst))); err != nil {
		return err
	}
	d.wait()
	src, err := d.mapped(d.back.staging, d.back.mapping, mapRead, len(dst))
	if err != nil {
		return fmt.Errorf("the read-back failed: %w", err)
	}
	copy(dst, src)
	return d.back.staging.Unmap()
}

// mapped gives the first n bytes of a buffer once the work that uses it is done.
func (d *Device) mapped(b *wgpu.Buffer, m mapping, mode, n int) ([]byte, error) {
	m.start(b, mode, n)
	if err := d.await(m); err != nil {
		return nil, err
	}
	return b.GetMappedRange(0, uint(n)), nil
}

// await waits for a map request.
func (d *Device) await(m mapping) error {
	d.poll(func() bool { return m.state() >= 0 })
	// An empty queue and a pending map can be seen together for a moment.
	for range 1000 {
		if m.state() >= 0 {
			break
		}
		d.dev.Poll(false, nil)
	}
	if s := m.state(); s != 0 {
		return fmt.Errorf("mapping a buffer ended with status %d", s)
	}
	return nil
}
