package gpu

import (
	"goxkd/graph"
	"goxkd/shaders"
)

// Kernel is one dispatch of a node with the text it runs.
type Kernel struct {
	graph.Dispatch
	Source *shaders.Source
}

// Kernels gives what a node would run on a target, by the variant that the target names, without a device.
func Kernels(n *graph.Node, t graph.Target, library shaders.Library) ([]Kernel, error) {
	var out []Kernel
	for _, d := range n.Op.Launch(n, t).Dispatches {
		src, err := library.Load(d.Shader, d.Entry, constants(d.Consts), constants(d.Includes))
		if err != nil {
			return nil, err
		}
		out = append(out, Kernel{d, src})
	}
	return out, nil
}
