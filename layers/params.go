// Package layers builds parts of the networks: each function adds nodes to a graph. It knows neither devices nor data.
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
)

// Param is one tensor of the model.
type Param struct {
	Node *graph.Node
	Init Init
}

// Params makes and finds the parameters of a graph by their state-dict names. Asking twice for a name gives the same node:
// that is how parts share weights.
type Params struct {
	G    *graph.Graph
	List []Param
	// Trainable is what new parameters are; teachers are not.
	Trainable bool
	// Asked lists what was asked for, in order, shared tensors too; the caller may clear it.
	Asked []*graph.Node
}

// Get returns the parameter of this name, made on first use.
func (p *Params) Get(name string, init Init, shape ...int) *graph.Node {
	if n := p.G.Lookup(name); n != nil {
		graph.MustShape(n, shape, name)
		p.Asked = append(p.Asked, n)
		return n
	}
	n := p.G.State(name, p.Trainable, shape...)
	p.List = append(p.List, Param{n, init})
	p.Asked = append(p.Asked, n)
	return n
}

// Fixed is Get for a parameter that is never trained.
func (p *Params) Fixed(name string, init Init, shape ...int) *graph.Node {
	was := p.Trainable
	p.Trainable = false
	defer func() { p.Trainable = was }()
	return p.Get(name, init, shape...)
}
