package gpu

import (
	"fmt"
	"slices"
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

// unknown tells whether what any of the dispatches takes is not known yet.
func (c *cutter) unknown(from, to int) bool {
	return slices.Contains(c.cost[from:to], 0)
}

// finish waits for what was submitted.
func (e *Executor) finish() error {
	start := time.Now()
	e.dev.wait()
	e.host.Wait += time.Since(start)
	return e.dev.errors.take()
}

// failed names the nodes of an error.
func (e *Executor) failed(from, to int, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("gpu: %s to %s: %w", e.work[from].node.Label(), e.work[to-1].node.Label(), err)
}

// repeat runs the dispatches [from,to) so many times as one submission, to its end.
func (e *Executor) repeat(from, to, times int) error {
	err := e.submit(from, to, times)
	if err == nil {
		err = e.finish()
	}
	return e.failed(from, to, err)
}

// submit sends the dispatches [from,to), so many times, in one pass: the library puts barriers between them.
func (e *Executor) submit(from, to, times int) error {
	start := time.Now()
	defer func() { e.host.Encode += time.Since(start) }()
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
