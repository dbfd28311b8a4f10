package gpu

import "github.com/rajveermalviya/go-webgpu/wgpu"

const (
	// smallWrite bounds what goes through the library's own staging memory, which it allocates anew for each write.
	smallWrite = 256 << 10
	// smallWrites bounds the bytes that wait there.
	smallWrites = 16 << 20
	// uploadMax is the size of one of the buffers for large writes, and uploadBuffers their number.
	uploadMax     = 8 << 20
	uploadBuffers = 4
)

// upload are the buffers through which large writes go, in turn, each made at its first: while the adapter copies out of some,
// or is still at earlier work, the host fills another.
type upload struct {
	staging [uploadBuffers]*wgpu.Buffer
	mapping [uploadBuffers]mapping
	next    int
}

func (u *upload) release() {
	for i, b := range u.staging {
		if b != nil {
			b.Release()
			u.mapping[i].free()
		}
	}
}

// write copies data into b at offset, in pieces. The copy is done before what is submitted later.
func (d *Device) write(b *wgpu.Buffer, offset int64, data []byte) error {
	for len(data) > 0 {
		n := len(data)
		var err error
		if n <= smallWrite {
			err = d.writeSmall(b, offset, data)
		} else {
			n = min(n, uploadMax)
			err = d.writeLarge(b, offset, data[:n])
		}
		if err != nil {
			return err
		}
		offset += int64(n)
		data = data[n:]
	}
	return nil
}

func (d *Device) writeSmall(b *wgpu.Buffer, offset int64, data []byte) error {
	if err := d.queue.WriteBuffer(b, uint64(offset), data); err != nil {
		return err
	}
	if d.pending += len(data); d.pending >= smallWrites {
		d.submit()
		d.wait()
	}
	return nil
}

func (d *Device) writeLarge(b *wgpu.Buffer, offset int64, data []byte) error {
	u := &d.up
	i := u.next
	u.next = (i + 1) % uploadBuffers
	if u.staging[i] == nil {
		s, err := d.buffer("upload", uploadMax, wgpu.BufferUsage_MapWrite|wgpu.BufferUsage_CopySrc)
		if err != nil {
			return err
		}
		u.staging[i], u.mapping[i] = s, newMapping()
	}
	s := u.staging[i]
	dst, err := d.mapped(s, u.mapping[i], mapWrite, len(data))
	if err != nil {
		return err
	}
	copy(dst, data)
	if err := s.Unmap(); err != nil {
		return err
	}
	return d.copyBuffer(s, 0, b, offset, int64(len(data)))
}
