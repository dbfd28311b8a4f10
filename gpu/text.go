package gpu

import (
	"goxkd/graph"
	"goxkd/shaders"
)

// Kernel is one dispatch of a node with the text it runs, and the name of the file that may stand in for it.
type Kernel struct {
	graph.Dispatch
	File, Text string
}

// Kernels gives what a node would run on a target, by the variant that the target names, without a device. With a folder,
// its .wgsl files are laid over the embedded ones.
func Kernels(n *graph.Node, t graph.Target, dir string) (out []Kernel, err error) {
	var library shaders.Library
	if dir != "" {
		if library, err = shaders.Overlay(dir); err != nil {
			return nil, err
		}
	}
	for _, d := range n.Op.Launch(n, t).Dispatches {
		src, err := library.Load(d.Shader, d.Entry, constants(d.Consts), constants(d.Includes))
		if err != nil {
			return nil, err
		}
		out = append(out, Kernel{d, shaders.FileName(d.Shader), src.Text})
	}
	return out, nil
}

// Try makes the pipeline of a kernel without running it: the error is that of the compilers.
func (d *Device) Try(k Kernel) error {
	return d.do(func() error {
		src, err := d.source(&k.Dispatch)
		if err != nil {
			return err
		}
		binds, err := bindingsOf(src, &k.Dispatch)
		if err != nil {
			return err
		}
		_, err = d.pipeline(src, binds)
		return err
	})
}
