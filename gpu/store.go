package gpu

import (
	"errors"
	"fmt"

	"goxkd/graph"
)

// Store keeps states on a device, in one buffer for each bank and for each state that lies in none.
type Store struct {
	dev      *Device
	dir      graph.Directory
	buffers  []*tensor
	released bool
}

// NewStore implements graph.Device.
func (d *Device) NewStore() graph.Store { return d.newStore() }

func (d *Device) newStore() *Store { return &Store{dev: d} }

// add makes buffers for the states of a plan that are not there yet; new memory is zero.
func (s *Store) add(p *graph.Plan, guard int64) error {
	_, err := s.dir.Add(p)
	for i := len(s.buffers); i < len(s.dir.Elements); i++ {
		t, allocation := s.dev.tensor(int64(s.dir.Elements[i])*wordBytes, guard, []string{s.dir.Labels[i]})
		if allocation != nil {
			return errors.Join(err, allocation)
		}
		s.buffers = append(s.buffers, t)
	}
	return err
}

// Shape implements graph.Store.
func (s *Store) Shape(name string) graph.Shape {
	_, _, shape, _ := s.dir.Find(name)
	return shape
}

// find gives the buffer of a state and its first byte there.
func (s *Store) find(name string, elements int) (*tensor, int64, error) {
	buffer, offset, shape, ok := s.dir.Find(name)
	if !ok {
		return nil, 0, fmt.Errorf("gpu: the store keeps no state %s", name)
	}
	if shape.Size() != elements {
		return nil, 0, fmt.Errorf("gpu: the state %s has shape %v, not %d elements", name, shape, elements)
	}
	return s.buffers[buffer], int64(offset) * wordBytes, nil
}

func (s *Store) do(f func() error) error {
	return s.dev.do(func() error {
		if s.released {
			return ErrClosed
		}
		return f()
	})
}

// Write implements graph.Store.
func (s *Store) Write(name string, data []float32) error {
	return s.do(func() error {
		t, at, err := s.find(name, len(data))
		if err != nil {
			return err
		}
		if err := s.dev.write(t.handle, at, bytes(data)); err != nil {
			return fmt.Errorf("gpu: writing %s: %w", name, err)
		}
		return nil
	})
}

// Read implements graph.Store.
func (s *Store) Read(name string, dst []float32) error {
	return s.do(func() error {
		t, at, err := s.find(name, len(dst))
		if err != nil {
			return err
		}
		if err := s.dev.read(t, at, bytes(dst)); err != nil {
			return fmt.Errorf("gpu: reading %s: %w", name, err)
		}
		return nil
	})
}

// Bytes implements graph.Store.
func (s *Store) Bytes() int64 {
	var n int64
	for _, t := range s.buffers {
		n += t.bytes
	}
	return n
}

// Close releases the memory. Executors compiled against the store must be closed before.
func (s *Store) Close() error {
	err := s.dev.do(func() error {
		s.release()
		return nil
	})
	if errors.Is(err, ErrClosed) {
		err = nil
	}
	return err
}

func (s *Store) release() {
	if s.released {
		return
	}
	s.released = true
	s.dev.submit()
	s.dev.wait()
	for _, t := range s.buffers {
		t.release()
	}
	s.dev.wait()
}
