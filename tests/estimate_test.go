package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/estimate"
	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/xkd"
)

// What is estimated of a class is what an adapter of the class then holds and runs.
func TestEstimateIsThePlan(t *testing.T) {
	dev := openGPU(t)
	c := smallConfig(t, xkd.XKD, 2)
	step, err := xkd.BuildStep(c, xkd.StepOptions{Binding: dev.Binding()})
	require.NoError(t, err)
	e, err := dev.Compile(step.Graph, graph.PlanOptions{})
	require.NoError(t, err)
	defer e.Close()
	announced, err := dev.Announce(step.Graph, graph.PlanOptions{})
	require.NoError(t, err)
	s, err := estimate.Of(c, estimate.Options{Class: dev.Adapter().Class, Binding: dev.Binding()})
	require.NoError(t, err)
	require.Equal(t, announced, s.Memory)
	require.Equal(t, e.(*gpu.Executor).Dispatches(), s.Dispatches)
}
