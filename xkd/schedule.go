package xkd

import (
	"math"
	"sort"

	"goxkd/graph"
)

// argsort gives the positions of x in ascending order.
func argsort(x []float32) []int {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return x[order[i]] < x[order[j]] })
	return order
}

// WriteSchedule sets what changes from step to step.
func (s *Step) WriteSchedule(e graph.Executor, v Schedule) error {
	hyper := func(step int) []float32 {
		if step == 0 {
			return []float32{0, 0, 1, 1, 0}
		}
		b := s.Config.Betas
		return []float32{
			float32(v.LR), float32(v.WeightDecay),
			float32(1 - math.Pow(b[0], float64(step))), float32(math.Sqrt(1 - math.Pow(b[1], float64(step)))), 1,
		}
	}
	writes := map[*graph.Node][]float32{
		s.sched.optim: append(hyper(v.Step), hyper(v.LastLayerStep)...),
		s.sched.ema:   {float32(v.EMA[Video]), float32(v.EMA[Audio])},
		s.sched.share: {float32(1 / float64(max(v.Micro, 1)))},
	}
	for m := range s.sched.temp {
		writes[s.sched.temp[m]] = []float32{float32(v.TeacherTemp[m])}
		writes[s.sched.centre[m]] = []float32{float32(v.Centre[m])}
	}
	for n, data := range writes {
		if err := e.Write(n, data); err != nil {
			return err
		}
	}
	return nil
}

// WriteMicro tells which micro-batch of the step comes next, counted from 0: the first one's gradients replace the last step's
// sums.
func (s *Step) WriteMicro(e graph.Executor, i int) error {
	if s.sched.fresh == nil {
		return nil
	}
	fresh := float32(0)
	if i == 0 {
		fresh = 1
	}
	return e.Write(s.sched.fresh, []float32{fresh})
}

// Ramp is a value that warms up linearly and then follows a cosine.
type Ramp struct {
	Start float64 `json:"start"` // value at the first step, where Warm is above 0
	Base  float64 `json:"base"`  // value after the warm-up
	Final float64 `json:"final"` // value at the end
	Warm  int     `json:"warm"`  // steps of warm-up, both ends included
}

// At is the value at a step of n: linspace(Start, Base, Warm), then Final + (Base-Final)/2·(1+cos(π i/m)) for the m steps
// that remain.
func (r Ramp) At(step, n int) float64 {
	if step < r.Warm {
		if r.Warm == 1 {
			return r.Start
		}
		return r.Start + (r.Base-r.Start)*float64(step)/float64(r.Warm-1)
	}
	m := max(n-r.Warm, 1)
	i := min(step-r.Warm, m)
	return r.Final + (r.Base-r.Final)/2*(1+math.Cos(math.Pi*float64(i)/float64(m)))
}
