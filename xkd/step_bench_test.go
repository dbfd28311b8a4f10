package xkd_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/xkd"
)

// BenchmarkStep is one training step of the nano preset, batch 16, on the CPU path.
func BenchmarkStep(b *testing.B) {
	c, err := xkd.Default("nano", xkd.XKD)
	require.NoError(b, err)
	step, err := xkd.BuildStep(c, xkd.StepOptions{})
	require.NoError(b, err)
	e, err := cpu.Device{}.Compile(step.Graph, graph.PlanOptions{})
	require.NoError(b, err)
	defer e.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range step.Graph.Nodes {
		if n.Kind != graph.KindState && n.Kind != graph.KindInput {
			continue
		}
		data := make([]float32, n.Shape.Size())
		for i := range data {
			data[i] = float32(rng.NormFloat64()) * 0.05
		}
		require.NoError(b, e.Write(n, data))
	}
	b.ReportMetric(float64(e.Bytes())/1e6, "MB")
	for b.Loop() {
		require.NoError(b, e.Run(context.Background()))
	}
}
