package svm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"gonum.org/v1/gonum/floats"
)

// Set is labelled features, one row a clip. Several clips may be of one sample.
type Set struct {
	Rows    [][]float64 // [clips][dim]
	Labels  []int       // [clips], from 0 on
	Samples []int       // [clips], the sample that a clip is of, clips of one sample side by side; nil where each is its own
}

// Model classifies by w·x + intercept, for each class.
type Model struct {
	Weights    [][]float64 // [classes][dim]
	Intercepts []float64   // [classes]
}

// check finds what cannot be trained on.
func (s Set) check(classes int) error {
	if len(s.Rows) == 0 {
		return errors.New("there are no rows to train on")
	}
	if len(s.Labels) != len(s.Rows) || s.Samples != nil && len(s.Samples) != len(s.Rows) {
		return fmt.Errorf("%d rows, %d labels and %d samples do not fit", len(s.Rows), len(s.Labels), len(s.Samples))
	}
	for i, r := range s.Rows {
		if len(r) != len(s.Rows[0]) {
			return fmt.Errorf("row %d has %d features, row 0 has %d", i, len(r), len(s.Rows[0]))
		}
		if sum := floats.Dot(r, r); !finite(sum) {
			return fmt.Errorf("row %d has features that are no numbers or too large", i)
		}
		if s.Labels[i] < 0 || s.Labels[i] >= classes {
			return fmt.Errorf("row %d has label %d of %d classes", i, s.Labels[i], classes)
		}
	}
	return nil
}

// Train fits one class after another against the rest: squared hinge loss, L2 penalty, a penalised intercept, C per row
// (docs/method.md, E23; as LinearSVC). It begins from a model, such as that of a smaller C, or from nil; where it
// ends does not depend on that beyond rounding. Errors are ErrNotConverged and the context's.
func Train(ctx context.Context, s Set, classes int, c float64, from *Model) (*Model, error) {
	if err := s.check(classes); err != nil {
		return nil, err
	}
	if !(c > 0) || !finite(c) {
		return nil, fmt.Errorf("the C of %g: must be positive", c)
	}
	dim := len(s.Rows[0])
	m := &Model{Weights: make([][]float64, classes), Intercepts: make([]float64, classes)}
	errs := make([]error, classes)
	gate := make(chan struct{}, runtime.GOMAXPROCS(0))
	var work sync.WaitGroup
	for class := range classes {
		gate <- struct{}{}
		work.Go(func() {
			defer func() { <-gate }()
			b := binary{rows: s.Rows, c: c, dim: dim, y: make([]float64, len(s.Rows)), slack: make([]float64, len(s.Rows))}
			for i, l := range s.Labels {
				b.y[i] = -1
				if l == class {
					b.y[i] = 1
				}
			}
			w := make([]float64, dim+1)
			if from != nil {
				copy(w, from.Weights[class])
				w[dim] = from.Intercepts[class]
			}
			if errs[class] = b.fit(ctx, w); errs[class] != nil {
				errs[class] = fmt.Errorf("class %d, C %g: %w", class, c, errs[class])
			}
			m.Weights[class], m.Intercepts[class] = w[:dim:dim], w[dim]
		})
	}
	work.Wait()
	return m, errors.Join(errs...)
}

// Scores are the decision values of one row.
func (m *Model) Scores(row []float64) []float64 {
	out := make([]float64, len(m.Weights))
	for class, w := range m.Weights {
		out[class] = floats.Dot(w, row) + m.Intercepts[class]
	}
	return out
}

// Average gives, per sample in order, its label and the mean of its clips' decision values.
func (m *Model) Average(s Set) (scores [][]float64, labels []int) {
	n := 0 // clips of the present sample
	for i, r := range s.Rows {
		row := m.Scores(r)
		if i == 0 || s.Samples == nil || s.Samples[i] != s.Samples[i-1] {
			scores, labels, n = append(scores, make([]float64, len(row))), append(labels, s.Labels[i]), 0
		}
		mean := scores[len(scores)-1]
		n++
		for k, v := range row {
			mean[k] += (v - mean[k]) / float64(n)
		}
	}
	return scores, labels
}

// Accuracy is the share of samples whose label is among the k highest scores; of equal ones the lower class counts first.
func Accuracy(scores [][]float64, labels []int, k int) float64 {
	right := 0
	for i, row := range scores {
		before := 0
		for class, v := range row {
			if v > row[labels[i]] || v == row[labels[i]] && class < labels[i] {
				before++
			}
		}
		if before < k {
			right++
		}
	}
	return float64(right) / float64(max(len(scores), 1))
}
