package layers

import (
	"goxkd/graph"
)

// Init tells how a parameter starts.
type Init uint8

// The initial distributions (docs/method.md, section 2.8).
const (
	Zeros       Init = iota
	Ones             // also the gain of weight-normed layers
	Xavier           // uniform within ±√(6/(in+out)), for [out,in]
	Normal           // normal, deviation 0.02
	TruncNormal      // normal, deviation 0.02, drawn again beyond two (the tails are a negligible part)
	Faint            // normal, deviation 0.01
	Orthogonal       // orthonormal rows, or columns where there are more rows, for [out,in]
)

// Modality is video or audio.
type Modality int

// The modalities, in the released code's order.
const (
	Video Modality = iota
	Audio
)

func (m Modality) String() string { return [...]string{"video", "audio"}[m] }

// Param is one tensor of the model, declared once with all that the trainer needs to know of it.
type Param struct {
	Name  string // state-dict name
	Shape graph.Shape
	Init  Init
	// Modality is that of the network which declared it first; shared tensors serve both.
	Modality Modality
	// Trained parameters are updated by AdamW, with weight decay where Decay says so, and not in the first steps where
	// FrozenFirst says so.
	Trained, Decay, FrozenFirst bool
	// Student is the parameter whose moving average a teacher's is, moved by the momenta of the modalities in Follows.
	Student *Param
	Follows [2]bool
	// Node holds the elements, once the parameters have been placed in a graph.
	Node *graph.Node
}

// Params are the parameters of a graph by their state-dict names: declared first, then placed, then used. Declaring a name
// twice gives the same parameter: that is how parts share weights.
type Params struct {
	G    *graph.Graph
	List []*Param
	// Modality and Trained are what new parameters are.
	Modality Modality
	Trained  bool
	// Declared lists what was declared, in order, shared parameters too; the caller may clear it.
	Declared []*Param
	byName   map[string]*Param
}

// Declare enters a parameter. Tensors of one dimension are not decayed.
func (p *Params) Declare(name string, init Init, shape ...int) *Param {
	q := p.byName[name]
	switch {
	case q == nil:
		q = &Param{Name: name, Shape: shape, Init: init, Modality: p.Modality, Trained: p.Trained, Decay: len(shape) > 1}
		if p.byName == nil {
			p.byName = map[string]*Param{}
		}
		p.byName[name] = q
		p.List = append(p.List, q)
	case !q.Shape.Equal(shape):
		graph.Failf("%s is declared with shape %v and with %v", name, q.Shape, graph.Shape(shape))
	}
	p.Declared = append(p.Declared, q)
	return q
}

// Node finds the elements of a declared and placed parameter.
func (p *Params) Node(name string) *graph.Node {
	q := p.byName[name]
	if q == nil || q.Node == nil {
		graph.Failf("the parameter %s is used, but not declared and placed", name)
	}
	return q.Node
}

// PlaceAlone gives every parameter that has no place yet a state of its own.
func (p *Params) PlaceAlone() {
	for _, q := range p.List {
		if q.Node == nil {
			q.Node = p.G.State(q.Name, q.Trained, q.Shape...)
		}
	}
}

// Bank is the place of parameters in one bank.
type Bank struct {
	Node   *graph.Node
	Params []*Param
	Spans  []graph.Span
}

// PlaceInBanks puts parameters into banks named after the prefix, in their order; no bank exceeds limit bytes (0: no limit).
func (p *Params) PlaceInBanks(prefix string, list []*Param, limit int64) []Bank {
	banks := layout(p.G, prefix, list, limit)
	for _, b := range banks {
		for i, q := range b.Params {
			q.Node = p.G.InBank(b.Node, q.Name, q.Trained, b.Spans[i].Offset, q.Shape...)
		}
	}
	return banks
}
