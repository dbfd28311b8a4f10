package graph

import "fmt"

// BlockSize is the number of elements to whose multiples the tensors of a bank are aligned: 256 bytes, which every adapter
// allows as an offset.
const BlockSize = 64

// Span is the place of a tensor in a bank, in elements.
type Span struct{ Offset, Size int }

// Blocks is the number of blocks that a tensor of so many elements takes.
func Blocks(size int) int { return CeilDiv(size, BlockSize) }

// BankLayout places tensors of the given sizes one after the other, in segments of at most limit bytes each (0: one
// segment), cut at tensors' borders. It gives the segment and the span in it of every tensor, and the elements of the
// segments. A tensor larger than the limit has a segment of its own.
func BankLayout(sizes []int, limit int64) (segment []int, spans []Span, elements []int) {
	at := 0
	for _, size := range sizes {
		room := Blocks(size) * BlockSize
		if len(elements) == 0 || limit > 0 && int64(at+room)*4 > limit {
			elements = append(elements, 0)
			at = 0
		}
		segment = append(segment, len(elements)-1)
		spans = append(spans, Span{at, size})
		at += room
		elements[len(elements)-1] = at
	}
	return segment, spans, elements
}

// NewBank adds a state of so many elements that holds other states. Operations may read or update the bank as a whole.
func (g *Graph) NewBank(name string, elements int, transient bool) *Node {
	return g.add(&Node{Kind: KindState, Name: name, Shape: Shape{elements}, Transient: transient})
}

// InBank adds a state that lies in a bank, from element offset on.
func (g *Graph) InBank(bank *Node, name string, trainable bool, offset int, shape ...int) *Node {
	size := Shape(shape).Size()
	if bank.Kind != KindState || bank.Bank != nil || offset%BlockSize != 0 || offset+size > bank.Shape.Size() {
		Failf("graph: %s with %v does not lie in the bank %s %v from element %d on", name, Shape(shape), bank.Label(), bank.Shape, offset)
	}
	return g.add(&Node{Kind: KindState, Name: name, Shape: shape, NeedsGrad: trainable, Bank: bank, Offset: offset})
}

// Directory is where a store keeps states: each lies in a buffer, from some element on. Several graphs that name the same
// states share them.
type Directory struct {
	Elements []int    // of the buffers
	Labels   []string // of the buffers
	states   map[string]entry
}

type entry struct {
	buffer, offset int
	shape          Shape
}

// Add finds places for the states of a plan, new buffers where a state is not there yet, and gives the number of the first
// new buffer. A state of another shape, or a bank of another layout, is an error.
func (d *Directory) Add(p *Plan) (first int, err error) {
	if d.states == nil {
		d.states = map[string]entry{}
	}
	first = len(d.Elements)
	for _, n := range p.Persistent {
		if n.Kind != KindState {
			continue
		}
		if n.Bank != nil {
			b, ok := d.states[n.Bank.Name]
			if !ok {
				return first, fmt.Errorf("graph: %s comes before its bank %s", n.Name, n.Bank.Name)
			}
			if err := d.put(n, entry{b.buffer, b.offset + n.Offset, n.Shape}); err != nil {
				return first, err
			}
			continue
		}
		if _, ok := d.states[n.Name]; !ok {
			d.Elements, d.Labels = append(d.Elements, n.Shape.Size()), append(d.Labels, n.Name)
			d.states[n.Name] = entry{len(d.Elements) - 1, 0, n.Shape}
		} else if err := d.put(n, entry{-1, 0, n.Shape}); err != nil {
			return first, err
		}
	}
	return first, nil
}

// put enters a state, or compares it with the one of its name; buffer -1 stands for any place.
func (d *Directory) put(n *Node, want entry) error {
	have, ok := d.states[n.Name]
	if !ok {
		d.states[n.Name] = want
		return nil
	}
	if !have.shape.Equal(want.shape) {
		return fmt.Errorf("graph: the state %s has shape %v, the store keeps one of %v", n.Name, want.shape, have.shape)
	}
	if want.buffer >= 0 && (have.buffer != want.buffer || have.offset != want.offset) {
		return fmt.Errorf("graph: the store keeps %s in another place than the bank %s has it", n.Name, n.Bank.Name)
	}
	return nil
}

// Find gives the buffer of a state, its first element there, and its shape.
func (d *Directory) Find(name string) (buffer, offset int, shape Shape, ok bool) {
	e, ok := d.states[name]
	return e.buffer, e.offset, e.shape, ok
}
