package xkd

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/floats"

	"goxkd/svm"
)

// standardize gives copies with the mean and deviation of each dimension of train taken out.
func standardize(train, test svm.Set) (svm.Set, svm.Set) {
	dim := len(train.Rows[0])
	mean, scale := make([]float64, dim), make([]float64, dim)
	for _, r := range train.Rows {
		floats.Add(mean, r)
	}
	floats.Scale(1/float64(len(train.Rows)), mean)
	for _, r := range train.Rows {
		for i, v := range r {
			scale[i] += (v - mean[i]) * (v - mean[i])
		}
	}
	for i, v := range scale {
		scale[i] = 1 / math.Sqrt(v/float64(len(train.Rows))+1e-12)
	}
	apply := func(s svm.Set) svm.Set {
		out := svm.Set{Labels: s.Labels, Samples: s.Samples}
		for _, r := range s.Rows {
			q := make([]float64, dim)
			for i, v := range r {
				q[i] = (v - mean[i]) * scale[i]
			}
			out.Rows = append(out.Rows, q)
		}
		return out
	}
	return apply(train), apply(test)
}

// nearest is the accuracy of a vote among the k nearest training rows by cosine similarity; ties go to the nearer.
func nearest(train, test svm.Set, k int) float64 {
	known, asked := unitRows(train).Rows, unitRows(test).Rows
	type neighbour struct {
		similarity float64
		label      int
	}
	right := 0
	for i, q := range asked {
		all := make([]neighbour, len(known))
		for j, r := range known {
			all[j] = neighbour{floats.Dot(q, r), train.Labels[j]}
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
		if best == test.Labels[i] {
			right++
		}
	}
	return float64(right) / float64(len(asked))
}
