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
	if s.Tune != nil {
		return s.writeRates(e, v)
	}
	writes := map[*graph.Node][]float32{
		s.sched.optim: append(s.hyper(v, v.Step), s.hyper(v, v.LastLayerStep)...),
		s.sched.ema:   {float32(v.EMA[Video]), float32(v.EMA[Audio])},
		s.sched.share: {float32(1 / float64(max(v.Micro, 1)))},
	}
	for m := range s.sched.temp {
		if s.sched.temp[m] == nil {
			continue // trained alone, or not at all
		}
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

// hyper is a row of AdamW's input after so many updates, counted from 1; 0 stands for a frozen tensor.
func (s *Step) hyper(v Schedule, step int) []float32 {
	if step == 0 {
		return []float32{0, 0, 1, 1, 0}
	}
	b := s.Config.Optimizer.Betas
	return []float32{
		float32(v.LR), float32(v.WeightDecay),
		float32(1 - math.Pow(b[0], float64(step))), float32(math.Sqrt(1 - math.Pow(b[1], float64(step)))), 1,
	}
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

// Ramp is a value that warms up linearly and then follows a cosine. In JSON and YAML a number alone stands for a constant.
type Ramp struct {
	Start  float64 `json:"start"`   // value at the first step, where WarmUp is above 0
	Base   float64 `json:"base"`    // value after the warm-up
	Final  float64 `json:"final"`   // value at the end
	WarmUp float64 `json:"warm_up"` // share of the steps, at least one step where it is above 0; both ends included
}

// Constant is a ramp that stays where it is.
func Constant(v float64) Ramp { return Ramp{Base: v, Final: v} }

// At is the value at a step of n: linspace(Start, Base, warm), then Final + (Base-Final)/2·(1+cos(π i/m)) for the m steps
// that remain.
func (r Ramp) At(step, n int) float64 {
	warm := warmSteps(r.WarmUp, n)
	if step < warm {
		if warm == 1 {
			return r.Start
		}
		return r.Start + (r.Base-r.Start)*float64(step)/float64(warm-1)
	}
	m := max(n-warm, 1)
	i := min(step-warm, m)
	return r.Final + (r.Base-r.Final)/2*(1+math.Cos(math.Pi*float64(i)/float64(m)))
}

// warmSteps is a share of n steps, rounded down; what a share cannot hold exactly does not cost a step.
func warmSteps(share float64, n int) int {
	if share <= 0 {
		return 0
	}
	return max(1, int(share*float64(n)+1e-6))
}

// Course is a ramp in multiples of the value that it applies to, so that the value can be changed alone.
type Course struct {
	Start  float64 `json:"start"`
	Final  float64 `json:"final"`
	WarmUp float64 `json:"warm_up"`
}

// of is the ramp of a value.
func (c Course) of(v float64) Ramp {
	return Ramp{Start: c.Start * v, Base: v, Final: c.Final * v, WarmUp: c.WarmUp}
}
