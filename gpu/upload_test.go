package gpu

import (
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// A large write goes by pieces through two buffers that take turns.
func TestLargeWrite(t *testing.T) {
	d := toy(t)
	const n = 3*uploadMax/wordBytes + 1234
	var x, y *graph.Node
	g := build(t, func(g *graph.Graph) {
		x = g.Input("x", n)
		y = g.Keep(op.Add(g, x, x))
	})
	e := compile(t, d, g, graph.PlanOptions{})
	data := make([]float32, n)
	for turn := range 3 {
		for i := range data {
			data[i] = float32(i%8191 + turn)
		}
		write(t, e, x, data)
		if err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, v := range read(t, e, y) {
			if v != 2*data[i] {
				t.Fatalf("write %d: element %d is %g, expected %g", turn, i, v, 2*data[i])
			}
		}
	}
}
