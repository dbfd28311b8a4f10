package xkd

import "math"

// NewScore gives the mean and the deviation of accuracies.
func NewScore(values []float64) Score { return score(values) }

// Gain is what training adds to a row's accuracy, with the noise that it must exceed to count: two standard errors of the
// difference. The standard error of each accuracy p is from the spread over the seeds, or, where that is smaller, from
// counting hits on the test clips, sqrt(p(1-p)/test); figures that do not differ between seeds count once.
func (r *ProbeResult) Gain(row ProbeRow) (gain, noise float64) {
	return row.Trained.Mean - row.Untrained.Mean, 2 * math.Sqrt(r.variance(row.Trained)+r.variance(row.Untrained))
}

// variance is the squared standard error of a score's mean.
func (r *ProbeResult) variance(s Score) float64 {
	p := s.Mean
	one := max(s.Std*s.Std, p*(1-p)/float64(max(r.Test, 1)))
	if s.Std == 0 {
		return one
	}
	return one / float64(len(s.Values))
}
