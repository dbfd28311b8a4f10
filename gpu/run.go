package gpu

import (
	"context"
	"fmt"
	"time"
)

// cutter cuts the dispatches into submissions that stay well under the two seconds after which some systems reset the
// adapter. What a dispatch takes is learnt from the submissions it was part of.
type cutter struct {
	cost   []time.Duration // per dispatch; 0 means not known yet
	grow   int             // how many unknown dispatches the next submission may hold
	target time.Duration
}

// submitTarget is half of what a submission may take, since costs are estimates.
const submitTarget = 100 * time.Millisecond

func newCutter(n int) *cutter {
	return &cutter{cost: make([]time.Duration, n), grow: 1, target: submitTarget}
}

// next gives the end of the submission that starts at from, at most end.
func (c *cutter) next(from, end int) int {
	var sum time.Duration
	unknown := 0
	for i := from; i < end; i++ {
		if c.cost[i] == 0 {
			unknown++
		}
		sum += c.cost[i]
		if i > from && (unknown > c.grow || sum > c.target) {
			return i
		}
	}
	return end
}

// learn shares out what a submission took over its dispatches.
func (c *cutter) learn(from, to int, took time.Duration) {
	took = max(took, time.Duration(to-from)*time.Microsecond)
	var known time.Duration
	unknown := 0
	for _, t := range c.cost[from:to] {
		known += t
		if t == 0 {
			unknown++
		}
	}
	if unknown > 0 {
		switch {
		case took < c.target/4:
			c.grow = min(2*c.grow, 1024)
		case took > c.target:
			c.grow = 1
		}
		each := max((took-known)/time.Duration(unknown), time.Microsecond)
		for i := from; i < to; i++ {
			if c.cost[i] == 0 {
				c.cost[i] = each
			}
		}
		return
	}
	// Halfway, so that one slow moment does not cut everything small.
	ratio := (1 + float64(took)/float64(known)) / 2
	for i := from; i < to; i++ {
		c.cost[i] = max(time.Duration(float64(c.cost[i])*ratio), time.Microsecond/4)
	}
}

func (e *Executor) run(ctx context.Context, from, end int) error {
	for from < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := e.cuts.next(from, end)
		start := time.Now()
		if err := e.piece(from, to, 1); err != nil {
			return err
		}
		e.cuts.learn(from, to, time.Since(start))
		from = to
	}
	return nil
}

// piece runs the dispatches [from,to) so many times as one submission, to its end.
func (e *Executor) piece(from, to, times int) error {
	err := e.submit(from, to, times)
	if err == nil {
		e.dev.wait()
		err = e.dev.errors.take()
	}
	if err != nil {
		return fmt.Errorf("gpu: %s to %s: %w", e.work[from].node.Label(), e.work[to-1].node.Label(), err)
	}
	return nil
}

// submit sends the dispatches [from,to), so many times, in one pass: the library puts barriers between them.
func (e *Executor) submit(from, to, times int) error {
	enc, err := e.dev.dev.CreateCommandEncoder(nil)
	if err != nil {
		return err
	}
	defer enc.Release()
	pass := enc.BeginComputePass(nil)
	var last *pipeline
	for range times {
		for _, w := range e.work[from:to] {
			if w.pipeline != last {
				pass.SetPipeline(w.pipeline.handle)
				last = w.pipeline
			}
			pass.SetBindGroup(0, w.group, nil)
			pass.DispatchWorkgroups(w.size[0], w.size[1], w.size[2])
		}
	}
	err = pass.End()
	pass.Release()
	if err != nil {
		return err
	}
	cmd, err := enc.Finish(nil)
	if err != nil {
		return err
	}
	e.dev.submit(cmd)
	cmd.Release()
	return nil
}
