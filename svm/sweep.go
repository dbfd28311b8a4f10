package svm

import (
	"context"
	"fmt"
	"slices"
)

// Point is what one C gives.
type Point struct {
	C          float64 `json:"c"`
	Validation float64 `json:"validation"` // accuracy on the validation part, by a model of the others; 0 without one
	Test       float64 `json:"test"`       // accuracy on the test samples, by a model of all training samples
	Top5       float64 `json:"top5"`
}

// Sweep is what values of C give, in rising order. Chosen is honest: test samples have no say in it. Best is the highest on the
// test samples, as the released code reports.
type Sweep struct {
	Points []Point `json:"points"`
	Chosen Point   `json:"chosen"`
	Best   Point   `json:"best_on_test"`
	Held   int     `json:"held"` // samples of the validation part
}

// every is the share of a class's training samples that are held for validation: one of four.
const every = 4

// divide takes every fourth sample of each class, and from classes of two or three samples the last, for validation. It is by
// samples: clips of one never stand on both sides.
func (s Set) divide(classes int) (fit, held Set, samples int) {
	sample := func(i int) int {
		if s.Samples == nil {
			return i
		}
		return s.Samples[i]
	}
	count, seen := make([]int, classes), make([]int, classes)
	first := func(i int) bool { return i == 0 || sample(i) != sample(i-1) }
	for i, l := range s.Labels {
		if first(i) {
			count[l]++
		}
	}
	hold := false
	for i, l := range s.Labels {
		if first(i) {
			seen[l]++
			hold = seen[l]%every == 0 || count[l] > 1 && count[l] < every && seen[l] == count[l]
			if hold {
				samples++
			}
		}
		to := &fit
		if hold {
			to = &held
		}
		to.Rows, to.Labels, to.Samples = append(to.Rows, s.Rows[i]), append(to.Labels, l), append(to.Samples, sample(i))
	}
	return fit, held, samples
}

// Try trains with each C on a part of the training samples and looks at the rest, then with each on all and looks at the test
// samples. Of equal accuracies the smaller C is taken. Without samples to hold the smallest C is chosen.
func Try(ctx context.Context, train, test Set, classes int, cs []float64) (*Sweep, error) {
	if len(cs) == 0 {
		return nil, fmt.Errorf("there is no C to try")
	}
	if err := train.check(classes); err != nil {
		return nil, err
	}
	cs = slices.Sorted(slices.Values(cs))
	out := &Sweep{}
	fit, held, samples := train.divide(classes)
	out.Held = samples
	var part, whole *Model
	for _, c := range cs {
		p := Point{C: c}
		var err error
		if len(held.Rows) > 0 && len(cs) > 1 {
			if part, err = Train(ctx, fit, classes, c, part); err != nil {
				return nil, err
			}
			scores, labels := part.Average(held)
			p.Validation = Accuracy(scores, labels, 1)
		}
		if whole, err = Train(ctx, train, classes, c, whole); err != nil {
			return nil, err
		}
		scores, labels := whole.Average(test)
		p.Test, p.Top5 = Accuracy(scores, labels, 1), Accuracy(scores, labels, 5)
		if len(out.Points) == 0 || p.Validation > out.Chosen.Validation {
			out.Chosen = p
		}
		if len(out.Points) == 0 || p.Test > out.Best.Test {
			out.Best = p
		}
		out.Points = append(out.Points, p)
	}
	return out, nil
}
