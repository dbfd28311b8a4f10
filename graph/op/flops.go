package op

import "goxkd/graph"

// FLOPs counts the multiplications and additions of a node, where an operation declares them: matrix products and attention.
// Others are bound by memory, and count as 0.
func FLOPs(n *graph.Node) float64 {
	if n.Op == nil || n.Op.FLOPs == nil {
		return 0
	}
	return n.Op.FLOPs(n)
}
