package gpu

import (
	"context"
	"time"

	"goxkd/graph"
)

// NodeTime is what one node of the schedule took.
type NodeTime struct {
	Node       *graph.Node
	Dispatches int
	Time       time.Duration
}

// Profile runs the schedule once, like Run, but waits for each node and gives its time, in order. The waiting adds some
// tens of microseconds to each.
func (e *Executor) Profile(ctx context.Context) ([]NodeTime, error) {
	var times []NodeTime
	err := e.do(func() error {
		for from := 0; from < len(e.work); {
			if err := ctx.Err(); err != nil {
				return err
			}
			to := from + 1
			for to < len(e.work) && e.work[to].node == e.work[from].node {
				to++
			}
			start := time.Now()
			if err := e.piece(from, to); err != nil {
				return err
			}
			times = append(times, NodeTime{e.work[from].node, to - from, time.Since(start)})
			from = to
		}
		return nil
	})
	return times, err
}
