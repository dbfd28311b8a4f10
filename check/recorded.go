package check

import (
	"context"
	"fmt"

	"goxkd/graph"
	"goxkd/safetensors"
)

// recorded gives a tensor of a case by its name, which must have n elements; any number where n is below 0.
type recorded func(name string, n int) ([]float32, error)

func recordedIn(file *safetensors.File) recorded {
	return func(name string, n int) ([]float32, error) {
		t, ok := file.Tensors[name]
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		if n >= 0 && len(t.Data) != n {
			return nil, fmt.Errorf("%s has %d elements, expected %d (shape %v)", name, len(t.Data), n, t.Shape)
		}
		return t.Data, nil
	}
}

// write gives a node what is recorded by a name.
func (get recorded) write(e graph.Executor, n *graph.Node, name string) error {
	data, err := get(name, n.Shape.Size())
	if err != nil {
		return err
	}
	return e.Write(n, data)
}

// begin gives states, by their names, the values that they begin with.
func (get recorded) begin(e graph.Executor, states map[string]*graph.Node) error {
	for name, n := range states {
		if err := get.write(e, n, "init/"+name); err != nil {
			return err
		}
	}
	return nil
}

// compare adds the figure of a node's values.
func (r *GoldenResult) compare(e graph.Executor, get recorded, what, name string, n *graph.Node, limit float64) error {
	want, err := get(name, n.Shape.Size())
	if err != nil {
		return err
	}
	got := make([]float32, len(want))
	if err := e.Read(n, got); err != nil {
		return err
	}
	r.add(what, name, got, want, limit)
	return nil
}

// answer runs a graph of one input on a view, after start has filled the weights, and reads a result.
func answer(ctx context.Context, dev graph.Device, g *graph.Graph, opt graph.PlanOptions, start func(graph.Executor) error, in *graph.Node, view []float32, out *graph.Node) ([]float32, error) {
	e, err := dev.Compile(g, opt)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := start(e); err != nil {
		return nil, err
	}
	if err := e.Write(in, view); err != nil {
		return nil, err
	}
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	got := make([]float32, out.Shape.Size())
	return got, e.Read(out, got)
}
