package tests

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/graph"
)

// preferring takes a variant wherever it is offered, and counts where.
type preferring struct {
	graph.Device
	variant string
	taken   *int
}

func (p preferring) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	opt.Choose = func(_ *graph.Node, variants []string) string {
		if slices.Contains(variants, p.variant) {
			*p.taken++
			return p.variant
		}
		return variants[0]
	}
	return p.Device.Compile(g, opt)
}

// The released code's figures by the attention that never stores its scores, forward and backward, which software adapters
// do not take by themselves.
func TestGoldenFlash(t *testing.T) {
	taken := 0
	replay(t, preferring{openGPU(t), "flash", &taken})
	require.Greater(t, taken, 100)
}
