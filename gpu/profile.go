package gpu

import (
	"context"
	"slices"
	"time"

	"goxkd/graph"
)

const (
	// profileFor is about how long a node is repeated in one submission, and profileMost how often at most: waiting for a
	// submission costs from tens of microseconds to a millisecond, many times what most nodes take.
	profileFor  = 3 * time.Millisecond
	profileMost = 40
)

// Profile implements graph.Profiler. Short nodes are repeated in one submission, and the waiting, as a submission of one shows it, is
// taken out; what a repeated node reads may then come from a cache. States are updated as often, so the figures in them mean nothing after it.
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
				took, err := e.measure(from, to)
				if err != nil {
					return err
				}
				l := e.layout.launches[n]
				times = append(times, graph.NodeTime{Node: n, Variant: l.Variant, Dispatches: to - from, Time: took, Moved: movedBytes(n, l)})
			}
			from = to
		}
		return nil
	})
	return times, err
}

// measure times the dispatches [from,to) of one node.
func (e *Executor) measure(from, to int) (time.Duration, error) {
	start := time.Now()
	if err := e.repeat(from, to, 1); err != nil {
		return 0, err
	}
	once := time.Since(start)
	times := int(min(profileFor/once+1, profileMost))
	if times == 1 {
		return once, nil
	}
	start = time.Now()
	if err := e.repeat(from, to, times); err != nil {
		return 0, err
	}
	many := time.Since(start)
	took := (many - once) / time.Duration(times-1)
	// Where the first submission was held up, what is left says little: the second alone is then closer.
	if share := many / time.Duration(times); took <= share/2 || took > share {
		took = share
	}
	return took, nil
}
