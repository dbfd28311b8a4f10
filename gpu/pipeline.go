package gpu

import (
	"fmt"
	"strings"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
	"goxkd/shaders"
)

// bindLayout is an explicit layout, so that entry points of one text may use different subsets of its variables.
type bindLayout struct {
	group    *wgpu.BindGroupLayout
	pipeline *wgpu.PipelineLayout
}

// pipeline is one compiled entry point.
type pipeline struct {
	handle *wgpu.ComputePipeline
	layout *bindLayout
}

// source specialises the text of a dispatch, once per specialisation.
func (d *Device) source(s *graph.Dispatch) (*shaders.Source, error) {
	key := fmt.Sprint(s.Shader, "\x00", s.Entry, "\x00", s.Consts, "\x00", s.Includes)
	if src := d.sources[key]; src != nil {
		return src, nil
	}
	src, err := d.library.Load(s.Shader, s.Entry, constants(s.Consts), constants(s.Includes))
	if err != nil {
		return nil, err
	}
	d.sources[key] = src
	return src, nil
}

func constants(list []graph.Const) []shaders.Const {
	out := make([]shaders.Const, len(list))
	for i, c := range list {
		out[i] = shaders.Const(c)
	}
	return out
}

// pipeline compiles an entry point for the variables that a dispatch binds, once per text.
func (d *Device) pipeline(src *shaders.Source, binds []shaders.Binding) (*pipeline, error) {
	layout, key, err := d.layout(src, binds)
	if err != nil {
		return nil, err
	}
	key = src.Entry + "\x00" + key + "\x00" + src.Text
	if p := d.pipelines[key]; p != nil {
		return p, nil
	}
	module := d.modules[src.Text]
	if module == nil {
		module, err = d.dev.CreateShaderModule(&wgpu.ShaderModuleDescriptor{
			Label:          src.File,
			WGSLDescriptor: &wgpu.ShaderModuleWGSLDescriptor{Code: src.Text},
		})
		if err != nil {
			return nil, compileError(src, err)
		}
		d.modules[src.Text] = module
		d.counts.Modules++
	}
	handle, err := d.dev.CreateComputePipeline(&wgpu.ComputePipelineDescriptor{
		Label:   src.File + "/" + src.Entry,
		Layout:  layout.pipeline,
		Compute: wgpu.ProgrammableStageDescriptor{Module: module, EntryPoint: src.Entry},
	})
	if err != nil {
		return nil, compileError(src, err)
	}
	p := &pipeline{handle, layout}
	d.pipelines[key] = p
	d.counts.Pipelines++
	return p, nil
}

func compileError(src *shaders.Source, err error) error {
	return fmt.Errorf("gpu: %s.wgsl, entry point %s: %w\n%s", src.File, src.Entry, err, shaders.Numbered(src.Text))
}

// bindingsOf finds the variables that a dispatch binds in its text, the parameters last.
func bindingsOf(src *shaders.Source, s *graph.Dispatch) (binds []shaders.Binding, err error) {
	for _, b := range s.Binds {
		v, err := src.Storage(b.Var)
		if err != nil {
			return nil, err
		}
		binds = append(binds, v)
	}
	if s.Params == nil {
		return binds, nil
	}
	if err := src.CheckParams(s.Params); err != nil {
		return nil, err
	}
	u, err := src.Uniform()
	if err != nil {
		return nil, err
	}
	if len(src.Fields)*wordBytes > paramAlign {
		return nil, fmt.Errorf("gpu: %s/%s has more than %d bytes of parameters", s.Shader, s.Entry, paramAlign)
	}
	return append(binds, u), nil
}

// uniformBytes is the size of a struct of parameters, which some compilers pad to 16 bytes.
func uniformBytes(fields int) uint64 { return uint64(graph.CeilDiv(fields*wordBytes, 16) * 16) }

func (d *Device) layout(src *shaders.Source, binds []shaders.Binding) (*bindLayout, string, error) {
	var key strings.Builder
	entries := make([]wgpu.BindGroupLayoutEntry, len(binds))
	for i, b := range binds {
		typ := wgpu.BufferBindingType_ReadOnlyStorage
		switch {
		case b.Uniform:
			typ = wgpu.BufferBindingType_Uniform
		case b.Write:
			typ = wgpu.BufferBindingType_Storage
		}
		// Sizes are part of the layout: the library checks those that are not at a dispatch, by what the pipeline before expected
		// where both have one layout.
		size := uint64(b.Vector * wordBytes)
		if b.Uniform {
			size = uniformBytes(len(src.Fields))
		}
		fmt.Fprintf(&key, "%d:%d:%d ", b.Index, typ, size)
		entries[i] = wgpu.BindGroupLayoutEntry{
			Binding:    uint32(b.Index),
			Visibility: wgpu.ShaderStage_Compute,
			Buffer:     wgpu.BufferBindingLayout{Type: typ, MinBindingSize: size},
		}
	}
	if l := d.layouts[key.String()]; l != nil {
		return l, key.String(), nil
	}
	group, err := d.dev.CreateBindGroupLayout(&wgpu.BindGroupLayoutDescriptor{Label: src.File, Entries: entries})
	if err != nil {
		return nil, "", fmt.Errorf("gpu: %s.wgsl, entry point %s: %w", src.File, src.Entry, err)
	}
	whole, err := d.dev.CreatePipelineLayout(&wgpu.PipelineLayoutDescriptor{
		Label:            src.File,
		BindGroupLayouts: []*wgpu.BindGroupLayout{group},
	})
	if err != nil {
		group.Release()
		return nil, "", fmt.Errorf("gpu: %s.wgsl, entry point %s: %w", src.File, src.Entry, err)
	}
	l := &bindLayout{group, whole}
	d.layouts[key.String()] = l
	return l, key.String(), nil
}
