package layers

import (
	"fmt"

	"goxkd/graph"
)

// layout makes banks with room for tensors of the shapes of the parameters, one layout for one list and limit whatever the
// banks hold: parameters, gradients, moments.
func layout(g *graph.Graph, prefix string, list []*Param, limit int64) []Bank {
	sizes := make([]int, len(list))
	for i, q := range list {
		sizes[i] = q.Shape.Size()
	}
	segment, spans, elements := graph.BankLayout(sizes, limit)
	banks := make([]Bank, len(elements))
	for i, n := range elements {
		banks[i].Node = g.NewBank(fmt.Sprintf("%s/%d", prefix, i), n, false)
	}
	for i, q := range list {
		b := &banks[segment[i]]
		b.Params, b.Spans = append(b.Params, q), append(b.Spans, spans[i])
	}
	return banks
}
