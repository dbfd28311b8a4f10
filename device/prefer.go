package device

import (
	"fmt"
	"slices"

	"goxkd/graph"
)

// Prefer gives a device that computes operations by named variants ("matmul" → "T64") for the nodes to which they are
// offered, and by the defaults elsewhere. What it compiles is refused where a named variant is offered to none of the
// operation's nodes; an operation that there is not is refused at once. The device's other methods are its own.
func Prefer(d graph.Device, variants map[string]string) (graph.Device, error) {
	for name := range variants {
		if !slices.ContainsFunc(graph.Ops(), func(o *graph.Op) bool { return o.Name == name }) {
			return nil, fmt.Errorf("there is no operation %q", name)
		}
	}
	return preferring{d, variants}, nil
}

type preferring struct {
	graph.Device
	variants map[string]string
}

// Compile implements graph.Device.
func (p preferring) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	seen, taken := map[string][]string{}, map[string]bool{}
	opt.Choose = p.choose(seen, taken)
	e, err := p.Device.Compile(g, opt)
	if err != nil {
		return nil, err
	}
	for name, offered := range seen {
		if !taken[name] {
			e.Close()
			return nil, fmt.Errorf("%s: %s has no variant %q: there are %q", p.Name(), name, p.variants[name], offered)
		}
	}
	return e, nil
}

// Announce implements graph.Device.
func (p preferring) Announce(g *graph.Graph, opt graph.PlanOptions) (int64, error) {
	opt.Choose = p.choose(map[string][]string{}, map[string]bool{})
	return p.Device.Announce(g, opt)
}

// choose notes what was offered for the named operations, and which of them took their variant.
func (p preferring) choose(seen map[string][]string, taken map[string]bool) func(*graph.Node, []string) string {
	return func(n *graph.Node, variants []string) string {
		want, named := p.variants[n.Op.Name]
		if !named {
			return variants[0]
		}
		for _, v := range variants {
			if !slices.Contains(seen[n.Op.Name], v) {
				seen[n.Op.Name] = append(seen[n.Op.Name], v)
			}
		}
		if slices.Contains(variants, want) {
			taken[n.Op.Name] = true
			return want
		}
		return variants[0]
	}
}
