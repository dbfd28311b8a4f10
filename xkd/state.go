package xkd

import "goxkd/graph"

// States are the model's tensors and the teachers' centres by the released code's state-dict names, shared tensors once.
func (s *Step) States() map[string]*graph.Node {
	out := map[string]*graph.Node{}
	for _, q := range s.Params {
		out[q.Name] = q.Node
	}
	for _, c := range s.Centres {
		if c != nil {
			out[c.Name] = c
		}
	}
	return out
}

// Kept are the states that a step leaves for the next one, in the order of the graph: the model, AdamW's moments and the
// centres. Banks are their tensors, and sums of gradients do not outlive their step.
func (s *Step) Kept() (list []*graph.Node) {
	sums := map[*graph.Node]bool{}
	for _, b := range s.Gradients {
		sums[b] = true
	}
	holds := map[*graph.Node]bool{}
	for _, n := range s.Graph.Nodes {
		holds[n.Bank] = true
	}
	for _, n := range s.Graph.Nodes {
		if n.Kind == graph.KindState && n.Persistent() && !holds[n] && !sums[n.Bank] && !sums[n] {
			list = append(list, n)
		}
	}
	return list
}
