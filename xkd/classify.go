package xkd

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"sync"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// samples are labelled features, one row each.
type samples struct {
	rows   [][]float64
	labels []int
}

// standardize gives copies with the mean and deviation of each dimension of train taken out.
func standardize(train, test samples) (samples, samples) {
	dim := len(train.rows[0])
	mean, scale := make([]float64, dim), make([]float64, dim)
	for _, r := range train.rows {
		floats.Add(mean, r)
	}
	floats.Scale(1/float64(len(train.rows)), mean)
	for _, r := range train.rows {
		for i, v := range r {
			scale[i] += (v - mean[i]) * (v - mean[i])
		}
	}
	for i, v := range scale {
		scale[i] = 1 / math.Sqrt(v/float64(len(train.rows))+1e-12)
	}
	apply := func(s samples) samples {
		out := samples{labels: s.labels}
		for _, r := range s.rows {
			q := make([]float64, dim)
			for i, v := range r {
				q[i] = (v - mean[i]) * scale[i]
			}
			out.rows = append(out.rows, q)
		}
		return out
	}
	return apply(train), apply(test)
}

// nearest is the accuracy of a vote among the k nearest training rows by cosine similarity; ties go to the nearer.
func nearest(train, test samples, k int) float64 {
	unit := func(rows [][]float64) [][]float64 {
		out := make([][]float64, len(rows))
		for i, r := range rows {
			out[i] = append([]float64(nil), r...)
			floats.Scale(1/max(floats.Norm(r, 2), 1e-12), out[i])
		}
		return out
	}
	known, asked := unit(train.rows), unit(test.rows)
	type neighbour struct {
		similarity float64
		label      int
	}
	right := 0
	for i, q := range asked {
		all := make([]neighbour, len(known))
		for j, r := range known {
			all[j] = neighbour{floats.Dot(q, r), train.labels[j]}
		}
		sort.Slice(all, func(a, b int) bool { return all[a].similarity > all[b].similarity })
		votes := map[int]int{}
		for _, n := range all[:min(k, len(all))] {
			votes[n.label]++
		}
		best := all[0].label
		for _, n := range all[:min(k, len(all))] {
			if votes[n.label] > votes[best] {
				best = n.label
			}
		}
		if best == test.labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(asked))
}

// svm is a linear one-vs-rest classifier: weights per class, the last one the offset.
type svm [][]float64

// trainSVM minimises |w|²/2 + C Σ max(0, 1 - y·w·x)² per class (squared hinge, as LinearSVC).
func trainSVM(s samples, classes int, c float64) (svm, error) {
	dim := len(s.rows[0])
	model := make(svm, classes)
	fit := func(class int) error {
		loss := func(grad, w []float64) float64 {
			sum := floats.Dot(w[:dim], w[:dim]) / 2
			if grad != nil {
				copy(grad, w[:dim])
				grad[dim] = 0
			}
			for i, x := range s.rows {
				y := -1.0
				if s.labels[i] == class {
					y = 1
				}
				slack := 1 - y*(floats.Dot(w[:dim], x)+w[dim])
				if slack <= 0 {
					continue
				}
				sum += c * slack * slack
				if grad != nil {
					floats.AddScaled(grad[:dim], -2*c*slack*y, x)
					grad[dim] -= 2 * c * slack * y
				}
			}
			return sum
		}
		problem := optimize.Problem{
			Func: func(w []float64) float64 { return loss(nil, w) },
			Grad: func(grad, w []float64) { loss(grad, w) },
		}
		settings := &optimize.Settings{MajorIterations: 100, GradientThreshold: 1e-2 * c * float64(len(s.rows))}
		result, err := optimize.Minimize(problem, make([]float64, dim+1), settings, &optimize.LBFGS{})
		if result == nil {
			return fmt.Errorf("training the linear classifier: %w", err)
		}
		model[class] = result.X // the line search may end early at the optimum; the point it reached serves
		return nil
	}
	errs := make([]error, classes)
	var wg sync.WaitGroup
	for class := range model {
		wg.Go(func() { errs[class] = fit(class) })
	}
	wg.Wait()
	return model, errors.Join(errs...)
}

func (m svm) accuracy(s samples) float64 {
	right := 0
	for i, x := range s.rows {
		best, top := 0, math.Inf(-1)
		for class, w := range m {
			if v := floats.Dot(w[:len(x)], x) + w[len(x)]; v > top {
				best, top = class, v
			}
		}
		if best == s.labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(s.rows))
}

// linear is the test accuracy of a linear SVM whose C is chosen on a quarter of the training rows.
func linear(train, test samples, classes int) (float64, error) {
	var fit, held samples
	for i, r := range train.rows {
		to := &fit
		if i%4 == 3 {
			to = &held
		}
		to.rows, to.labels = append(to.rows, r), append(to.labels, train.labels[i])
	}
	bestC, best := 1.0, -1.0
	if len(fit.rows) > 0 && len(held.rows) > 0 {
		for _, c := range []float64{1e-4, 1e-3, 1e-2} {
			m, err := trainSVM(fit, classes, c)
			if err != nil {
				return 0, err
			}
			if a := m.accuracy(held); a > best {
				bestC, best = c, a
			}
		}
	}
	m, err := trainSVM(train, classes, bestC)
	if err != nil {
		return 0, err
	}
	return m.accuracy(test), nil
}
