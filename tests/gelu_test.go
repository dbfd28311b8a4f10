package tests

import (
	"context"
	"math"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// GELU over its whole range: Φ is good to 1e-7, and the negative tail keeps its relative accuracy until float32 runs out.
func TestGELUAccuracy(t *testing.T) {
	dev := openGPU(t)
	const n = 1 << 16
	var x, y *graph.Node
	g, err := graph.Build(func(g *graph.Graph) {
		x = g.Input("x", n)
		y = g.Keep(op.GELU(g, x))
	})
	if err != nil {
		t.Fatal(err)
	}
	e, err := dev.Compile(g, graph.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	in, out := make([]float32, n), make([]float32, n)
	for i := range in {
		in[i] = 28 * (float32(i)/n - 0.5)
	}
	in[0], in[1], in[2] = 0, 1e-20, 1e6
	if err := e.Write(x, in); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := e.Read(y, out); err != nil {
		t.Fatal(err)
	}
	var absolute, relative float64
	for i, v := range in {
		x := float64(v)
		phi := 0.5 * math.Erfc(-x/math.Sqrt2)
		if x != 0 {
			absolute = max(absolute, math.Abs(float64(out[i])/x-phi))
		}
		if want := x * phi; math.Abs(want) > 1e-37 {
			relative = max(relative, math.Abs(float64(out[i])-want)/math.Abs(want))
		}
	}
	t.Logf("greatest error of Φ %.3g, relative error of GELU %.3g", absolute, relative)
	if !(absolute < 1.2e-7) || !(relative < 2e-6) {
		t.Errorf("greatest error of Φ %.3g, relative error of GELU %.3g", absolute, relative)
	}
	if out[0] != 0 || out[2] != 1e6 {
		t.Errorf("GELU of 0 and 1e6 is %g and %g", out[0], out[2])
	}
}
