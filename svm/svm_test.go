package svm

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"
)

// clouds are Gaussian clouds about random centres, with dimensions of very different scales, clips of a sample side by side.
func clouds(rng *rand.Rand, samples, clips, dim, classes int, spread float64) Set {
	centres := make([][]float64, classes)
	for i := range centres {
		centres[i] = make([]float64, dim)
		for k := range centres[i] {
			centres[i][k] = rng.NormFloat64()
		}
	}
	var s Set
	for i := range samples {
		for range clips {
			row := make([]float64, dim)
			for k := range row {
				row[k] = (centres[i%classes][k] + spread*rng.NormFloat64()) * math.Pow(10, float64(k%4)-2)
			}
			s.Rows, s.Labels, s.Samples = append(s.Rows, row), append(s.Labels, i%classes), append(s.Samples, i)
		}
	}
	return s
}

// The optimum is where the dual solution says it is: w = Σ α y x with α = 2C·max(0, 1 - y·w·x). The duality gap is zero.
func TestOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range [][3]int{{40, 5, 3}, {10, 30, 2}, {200, 24, 6}, {300, 3, 4}} {
		for _, c := range []float64{1e-5, 1e-2, 1, 100} {
			s := clouds(rng, shape[0], 1, shape[1], shape[2], 1)
			m, err := Train(t.Context(), s, shape[2], c, nil)
			require.NoError(t, err, "%v, C %g", shape, c)
			for class, w := range m.Weights {
				w := append(append([]float64{}, w...), m.Intercepts[class])
				primal, dual := floats.Dot(w, w)/2, 0.0
				v := make([]float64, len(w))
				for i, x := range s.Rows {
					y := -1.0
					if s.Labels[i] == class {
						y = 1
					}
					slack := max(0, 1-y*dot(w, x))
					primal += c * slack * slack
					alpha := 2 * c * slack
					dual += alpha - alpha*alpha/(4*c)
					addTo(v, alpha*y, x)
				}
				dual -= floats.Dot(v, v) / 2
				require.InDelta(t, 0, (primal-dual)/primal, 1e-9, "%v, C %g, class %d: primal %g, dual %g", shape, c, class, primal, dual)
			}
		}
	}
}

// One row on each side, at ±x: w = 4Cx/(1+4C|x|²) and no intercept, by hand.
func TestClosedForm(t *testing.T) {
	s := Set{Rows: [][]float64{{2, 1}, {-2, -1}}, Labels: []int{1, 0}}
	m, err := Train(t.Context(), s, 2, 0.5, nil)
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{4.0 / 11, 2.0 / 11}, m.Weights[1], 1e-12)
	require.InDeltaSlice(t, []float64{-4.0 / 11, -2.0 / 11}, m.Weights[0], 1e-12)
	require.InDelta(t, 0, m.Intercepts[1], 1e-12)
}

func TestBitsDoNotDependOnCores(t *testing.T) {
	s := clouds(rand.New(rand.NewPCG(3, 4)), 60, 2, 10, 5, 1)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first *Model
	for _, n := range []int{1, 2, 4} {
		runtime.GOMAXPROCS(n)
		m, err := Train(t.Context(), s, 5, 0.1, nil)
		require.NoError(t, err)
		if first == nil {
			first = m
		}
		require.Equal(t, first, m)
	}
}

func TestWarmStartEndsWhereAColdOneDoes(t *testing.T) {
	s := clouds(rand.New(rand.NewPCG(5, 6)), 80, 1, 12, 4, 1)
	before, err := Train(t.Context(), s, 4, 1e-3, nil)
	require.NoError(t, err)
	warm, err := Train(t.Context(), s, 4, 1, before)
	require.NoError(t, err)
	cold, err := Train(t.Context(), s, 4, 1, nil)
	require.NoError(t, err)
	for class := range cold.Weights {
		require.InDeltaSlice(t, cold.Weights[class], warm.Weights[class], 1e-7)
	}
}

func TestAverageAndAccuracy(t *testing.T) {
	m := &Model{Weights: [][]float64{{1}, {-1}, {0}}, Intercepts: []float64{0, 0, 0.5}}
	s := Set{Rows: [][]float64{{3}, {-1}, {-2}, {0}}, Labels: []int{0, 0, 1, 2}, Samples: []int{7, 7, 3, 9}}
	scores, labels := m.Average(s)
	require.Equal(t, [][]float64{{1, -1, 0.5}, {-2, 2, 0.5}, {0, 0, 0.5}}, scores)
	require.Equal(t, []int{0, 1, 2}, labels)
	require.Equal(t, 1.0, Accuracy(scores, labels, 1))
	require.Equal(t, 0.0, Accuracy([][]float64{{1, 1}}, []int{1}, 1), "the lower of equal classes is named")
	require.Equal(t, 1.0, Accuracy([][]float64{{1, 1}}, []int{1}, 2))
}

// C is chosen without the test samples: labels of those change what is best on them, not what is chosen.
func TestTestSamplesHaveNoSay(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	all := clouds(rng, 160, 2, 8, 4, 2)
	cut := func(a, b int) Set { return Set{all.Rows[a:b], all.Labels[a:b], all.Samples[a:b]} }
	train, test := cut(0, 200), cut(200, 320)
	cs := []float64{1, 1e-4, 1e-2}
	honest, err := Try(t.Context(), train, test, 4, cs)
	require.NoError(t, err)
	require.Greater(t, honest.Chosen.Test, 0.5)
	require.GreaterOrEqual(t, honest.Best.Test, honest.Chosen.Test)
	require.Equal(t, 24, honest.Held) // 25 samples of each class
	require.Len(t, honest.Points, 3)
	require.Equal(t, 1e-4, honest.Points[0].C)
	other := test
	other.Labels = make([]int, len(test.Labels))
	for i, s := range test.Samples {
		other.Labels[i] = s * 7 / 3 % 4
	}
	misled, err := Try(t.Context(), train, other, 4, cs)
	require.NoError(t, err)
	require.Equal(t, honest.Chosen.C, misled.Chosen.C)
	require.Less(t, misled.Chosen.Test, 0.5)
}

// No sample has clips on both sides, and every class of two samples or more is held in part.
func TestDivide(t *testing.T) {
	s := clouds(rand.New(rand.NewPCG(9, 9)), 14, 3, 2, 5, 1)
	fit, held, n := s.divide(5)
	require.Equal(t, len(held.Rows), 3*n)
	require.Len(t, fit.Rows, len(s.Rows)-3*n)
	sides, classes := map[int]int{}, map[int]bool{}
	for _, i := range fit.Samples {
		sides[i] |= 1
	}
	for i, k := range held.Samples {
		sides[k] |= 2
		classes[held.Labels[i]] = true
	}
	for k, side := range sides {
		require.NotEqual(t, 3, side, "sample %d", k)
	}
	require.Len(t, classes, 5)
}

func TestFaults(t *testing.T) {
	ok := Set{Rows: [][]float64{{1}, {2}}, Labels: []int{0, 1}}
	for reason, f := range map[string]func() error{
		"no rows": func() error { _, err := Train(t.Context(), Set{}, 2, 1, nil); return err },
		"label 5": func() error {
			_, err := Train(t.Context(), Set{Rows: ok.Rows, Labels: []int{0, 5}}, 2, 1, nil)
			return err
		},
		"row 1 has": func() error {
			_, err := Train(t.Context(), Set{Rows: [][]float64{{1}, {1, 2}}, Labels: ok.Labels}, 2, 1, nil)
			return err
		},
		"C of 0": func() error { _, err := Train(t.Context(), ok, 2, 0, nil); return err },
		"no C":   func() error { _, err := Try(t.Context(), ok, ok, 2, nil); return err },
		"no numbers": func() error {
			_, err := Train(t.Context(), Set{Rows: [][]float64{{math.NaN()}, {1}}, Labels: ok.Labels}, 2, 1, nil)
			return err
		},
		"do not fit": func() error {
			_, err := Train(t.Context(), Set{Rows: ok.Rows, Labels: []int{0}}, 2, 1, nil)
			return err
		},
		"context cancel": func() error {
			ctx, stop := context.WithCancel(t.Context())
			stop()
			_, err := Train(ctx, ok, 2, 1, nil)
			return err
		},
	} {
		require.ErrorContains(t, f(), reason)
	}
}
