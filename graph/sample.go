package graph

// Sample is a case with its inputs drawn, for closed forms.
type Sample struct {
	Case
	In [][]float64
	Y  Shape // of the first result
}

// At reads input i by coordinates.
func (s Sample) At(i int, coords ...int) float64 { return s.In[i][Index(s.Shapes[i], coords)] }

// Fill computes every element of the result from its coordinates.
func (s Sample) Fill(f func(c []int) float64) [][]float64 {
	out := make([]float64, s.Y.Size())
	for k := range out {
		out[k] = f(Coordinates(s.Y, k))
	}
	return [][]float64{out}
}

// Rows computes each row of the result from the same rows of the first two inputs.
func (s Sample) Rows(f func(x, second []float64) []float64) [][]float64 {
	w := s.Shapes[0].Last()
	var out []float64
	for lo := 0; lo < len(s.In[0]); lo += w {
		var second []float64
		if len(s.In) > 1 {
			second = s.In[1][lo : lo+w]
		}
		out = append(out, f(s.In[0][lo:lo+w], second)...)
	}
	return [][]float64{out}
}

// Index is the place of coordinates in a tensor of shape s.
func Index(s Shape, coords []int) int {
	k := 0
	for axis, c := range coords {
		k = k*s[axis] + c
	}
	return k
}

// Coordinates are those of element k.
func Coordinates(s Shape, k int) []int {
	c := make([]int, len(s))
	for axis := len(s) - 1; axis >= 0; axis-- {
		c[axis] = k % s[axis]
		k /= s[axis]
	}
	return c
}

// Differences is the derivative of f with respect to each element of x, by five points. It needs smooth ground: the step is
// well below the shortest length in any case.
func Differences(x []float64, f func() float64) []float64 {
	const h = 2e-5
	out := make([]float64, len(x))
	for i, at := range x {
		for _, p := range [4]struct{ at, weight float64 }{{-2, 1}, {-1, -8}, {1, 8}, {2, -1}} {
			x[i] = at + p.at*h
			out[i] += p.weight * f() / (12 * h)
		}
		x[i] = at
	}
	return out
}
