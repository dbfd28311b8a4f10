package xkd

import "goxkd/graph"

// States are the model's tensors and the teachers' centres by the released code's state-dict names, shared tensors once.
func (s *Step) States() map[string]*graph.Node {
	out := map[string]*graph.Node{}
	for _, q := range s.Params {
		out[q.Node.Name] = q.Node
	}
	for _, c := range s.Centres {
		out[c.Name] = c
	}
	return out
}
