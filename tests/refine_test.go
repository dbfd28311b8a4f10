package tests

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/xkd"
)

// teacherOutputs runs one step on random weights, equal for all configurations, and reads what the teachers' heads give.
func teacherOutputs(t *testing.T, refine string, flat bool) (out [2][]float32) {
	t.Helper()
	c := smallConfig(t, xkd.XKD, 1)
	c.Model.Refine = refine
	step, err := xkd.BuildStep(c, xkd.StepOptions{Keep: true})
	require.NoError(t, err)
	e, err := cpu.Device{}.Compile(step.Graph, graph.PlanOptions{Unshared: true})
	require.NoError(t, err)
	defer e.Close()
	for _, n := range step.Graph.Nodes {
		state := n.Kind == graph.KindState && n.Name != "" && !strings.Contains(n.Name, "bank")
		view := n == step.In[xkd.Video].Global || n == step.In[xkd.Audio].Global
		if !n.Persistent() || !state && !view {
			continue
		}
		h := fnv.New64()
		h.Write([]byte(n.Name))
		rng := rand.New(rand.NewPCG(h.Sum64(), 1))
		data := make([]float32, n.Shape.Size())
		for i := range data {
			data[i] = 0.5 * float32(rng.NormFloat64())
			if view && n.Type == graph.Uint8 {
				data[i] = float32(rng.IntN(256))
			}
		}
		if flat && strings.HasSuffix(n.Name, "attn.qkv.weight") {
			clear(data) // all tokens attend to all alike
		}
		require.NoError(t, e.Write(n, data))
	}
	require.NoError(t, e.Run(context.Background(), xkd.StageGradients))
	for m := range out {
		node := step.Outputs[xkd.Teacher][m]
		out[m] = make([]float32, node.Shape.Size())
		require.NoError(t, e.Read(node, out[m]))
	}
	return out
}

// Without refinement a teacher's features are the plain mean of its tokens: what refinement gives where attention is uniform,
// and something else where it is not.
func TestWithoutRefinement(t *testing.T) {
	flat, plain := teacherOutputs(t, xkd.RefineMean, true), teacherOutputs(t, xkd.RefineNone, true)
	refined, none := teacherOutputs(t, xkd.RefineMean, false), teacherOutputs(t, xkd.RefineNone, false)
	for m := range flat {
		require.InDeltaSlice(t, flat[m], plain[m], 1e-4)
		var apart float64
		for i, v := range refined[m] {
			apart = max(apart, float64(max(v-none[m][i], none[m][i]-v)))
		}
		require.Greater(t, apart, 0.01)
	}
}
