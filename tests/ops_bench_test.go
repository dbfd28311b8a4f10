package tests

import (
	"context"
	"fmt"
	"testing"

	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/graph/op"
)

// BenchmarkOps times single operations at the sizes of a small training step; a run does each eight times.
func BenchmarkOps(b *testing.B) {
	const repeat = 8
	s := func(dims ...int) graph.Shape { return dims }
	for _, c := range []struct {
		op     string
		shapes []graph.Shape
		attrs  any
	}{
		{"add", []graph.Shape{s(16, 145, 384), s(384)}, nil},
		{"lincomb", []graph.Shape{s(16, 145, 384), s(16, 145, 384)}, []float64{1, 2}},
		{"gelu", []graph.Shape{s(16, 145, 384)}, nil},
		{"gelu_grad", []graph.Shape{s(16, 145, 384), s(16, 145, 384)}, nil},
		{"layernorm", []graph.Shape{s(2320, 96), s(96), s(96)}, op.LayerNormAttrs{Eps: 1e-5}},
		{"layernorm", []graph.Shape{s(2320, 384), s(384), s(384)}, op.LayerNormAttrs{Eps: 1e-5}},
		{"layernorm_grad", []graph.Shape{s(2320, 384), s(2320, 2), s(2320, 384), s(384)}, op.LayerNormGradAttrs{Affine: true}},
		{"layernorm_grad_affine", []graph.Shape{s(2320, 384), s(2320, 2), s(2320, 384)}, nil},
		{"sum_axis", []graph.Shape{s(2320, 384)}, op.AxisAttrs{Axis: 0, Scale: 1}},
		{"sum_axis", []graph.Shape{s(2320, 384)}, op.AxisAttrs{Axis: 1, Scale: 1}},
		{"norm", []graph.Shape{s(1536, 384)}, nil},
		{"softmax", []graph.Shape{s(32, 8192)}, nil},
		{"soft_cross_entropy_grad", []graph.Shape{s(16, 8192), s(32, 8192), s(32)}, op.TemperatureAttrs{Temperature: 0.1}},
		{"pair_distance", []graph.Shape{s(32, 8192), s(32, 8192)}, nil},
		{"pair_distance_grad", []graph.Shape{s(32, 8192), s(32, 8192), s(32, 32)}, nil},
		{"permute", []graph.Shape{s(16, 3, 4, 2, 7, 16, 7, 16)}, []int{0, 2, 4, 6, 3, 5, 7, 1}},
		{"permute", []graph.Shape{s(4096, 216)}, []int{1, 0}},
		{"slice", []graph.Shape{s(16, 145, 384)}, op.SpanAttrs{Axis: 1, From: 1, Len: 144, Total: 145}},
		{"spread", []graph.Shape{s(145, 384)}, op.AxisAttrs{Axis: 0, N: 16, Scale: 1}},
		{"mul_rows", []graph.Shape{s(2320, 384), s(2320)}, nil},
		{"row_mse", []graph.Shape{s(16, 144, 384), s(16, 144, 384)}, nil},
		{"normalize_patches", []graph.Shape{s(16, 144, 384)}, nil},
		{"adamw", []graph.Shape{s(1536, 384), s(1536, 384), s(1536, 384), s(1536, 384), s(1), s(5)}, op.AdamWAttrs{Beta1: 0.9, Beta2: 0.95}},
		{"ema", []graph.Shape{s(1536, 384), s(1536, 384), s(1)}, nil},
	} {
		b.Run(fmt.Sprint(c.op, c.shapes[0]), func(b *testing.B) {
			dev, err := gpu.Open("gpu")
			if err != nil {
				b.Skip(err)
			}
			defer func() { _ = dev.Close() }()
			var elements int
			g, err := graph.Build(func(g *graph.Graph) {
				o := find(c.op)
				var in []*graph.Node
				for i, shape := range c.shapes {
					in = append(in, g.State(fmt.Sprint("input ", i), false, shape...))
					elements = max(elements, shape.Size())
				}
				for range repeat {
					y := g.Apply(o, c.attrs, in...)
					elements = max(elements, y.Shape.Size())
					if len(o.Updates) == 0 {
						g.Keep(y)
					}
				}
			})
			if err != nil {
				b.Fatal(err)
			}
			e, err := dev.Compile(g, graph.PlanOptions{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			if c.op == "adamw" {
				if err := e.Write(g.Lookup("input 5"), []float32{1e-3, 0.1, 0.1, 0.1, 1}); err != nil {
					b.Fatal(err)
				}
			}
			if err := e.Run(context.Background()); err != nil { // the first run compiles
				b.Fatal(err)
			}
			b.ResetTimer()
			for range b.N {
				if err := e.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / repeat
			b.ReportMetric(each/1e6, "ms/op")
			b.ReportMetric(each/float64(elements), "ns/element")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func find(name string) *graph.Op {
	for _, o := range graph.Ops() {
		if o.Name == name {
			return o
		}
	}
	return nil
}
