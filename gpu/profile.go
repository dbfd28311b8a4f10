package gpu

import (
	"context"
	"slices"
	"time"

	"goxkd/graph"
)

// Profile implements graph.Profiler. The waiting adds some tens of microseconds to each node.
func (e *Executor) Profile(ctx context.Context, stages ...graph.Stage) ([]graph.NodeTime, error) {
	var times []graph.NodeTime
	err := e.do(func() error {
		for from := 0; from < len(e.work); {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, to := e.work[from].node, from+1
			for to < len(e.work) && e.work[to].node == n {
				to++
			}
			if len(stages) == 0 || slices.Contains(stages, n.Stage) {
				start := time.Now()
				if err := e.piece(from, to); err != nil {
					return err
				}
				times = append(times, graph.NodeTime{Node: n, Variant: e.layout.launches[n].Variant, Dispatches: to - from, Time: time.Since(start)})
			}
			from = to
		}
		return nil
	})
	return times, err
}
