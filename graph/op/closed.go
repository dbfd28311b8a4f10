package op

import "math"

// The helpers of closed forms: formulas in other words than those of the references.

// hypot is the 2-norm without a sum of squares.
func hypot(x []float64) float64 {
	var n float64
	for _, v := range x {
		n = math.Hypot(n, v)
	}
	return n
}
