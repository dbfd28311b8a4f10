package xkd

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/svm"
)

// clouds are Gaussian clouds about the corners of a square, with one dimension of huge noise.
func clouds(rng *rand.Rand, n int, spread float64) svm.Set {
	var s svm.Set
	for i := 0; i < n; i++ {
		label := i % 4
		s.Labels = append(s.Labels, label)
		s.Rows = append(s.Rows, []float64{
			float64(label%2) + spread*rng.NormFloat64(), float64(label/2) + spread*rng.NormFloat64(), 0.1 * rng.NormFloat64(),
		})
	}
	return s
}

func TestClassifiers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	train, test := standardize(clouds(rng, 200, 0.1), clouds(rng, 100, 0.1))
	require.Greater(t, nearest(train, test, 5), 0.95)
	sweep, err := svm.Try(t.Context(), train, test, 4, ProbeCs)
	require.NoError(t, err)
	require.Greater(t, sweep.Chosen.Test, 0.9)
	// Labels without relation to the rows are not learned.
	for i := range test.Labels {
		test.Labels[i] = rng.IntN(4)
	}
	require.Less(t, nearest(train, test, 5), 0.45)
}

func TestStandardize(t *testing.T) {
	train, test := standardize(svm.Set{Rows: [][]float64{{1, 5}, {3, 5}}}, svm.Set{Rows: [][]float64{{5, 6}}})
	require.InDelta(t, -1, train.Rows[0][0], 1e-9)
	require.InDelta(t, 3, test.Rows[0][0], 1e-9)
}

func TestScore(t *testing.T) {
	s := score([]float64{0.2, 0.4, 0.6})
	require.InDelta(t, 0.4, s.Mean, 1e-12)
	require.InDelta(t, 0.2, s.Std, 1e-12)
}
