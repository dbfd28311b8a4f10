package xkd

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// clouds are Gaussian clouds about the corners of a square, with one dimension of huge noise.
func clouds(rng *rand.Rand, n int, spread float64) samples {
	var s samples
	for i := 0; i < n; i++ {
		label := i % 4
		s.labels = append(s.labels, label)
		s.rows = append(s.rows, []float64{
			float64(label%2) + spread*rng.NormFloat64(), float64(label/2) + spread*rng.NormFloat64(), 0.1 * rng.NormFloat64(),
		})
	}
	return s
}

func TestClassifiers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	train, test := standardize(clouds(rng, 200, 0.1), clouds(rng, 100, 0.1))
	require.Greater(t, nearest(train, test, 5), 0.95)
	a, err := linear(train, test, 4)
	require.NoError(t, err)
	require.Greater(t, a, 0.9)
	// Labels without relation to the rows are not learned.
	for i := range test.labels {
		test.labels[i] = rng.IntN(4)
	}
	require.Less(t, nearest(train, test, 5), 0.45)
}

func TestStandardize(t *testing.T) {
	train, test := standardize(samples{rows: [][]float64{{1, 5}, {3, 5}}}, samples{rows: [][]float64{{5, 6}}})
	require.InDelta(t, -1, train.rows[0][0], 1e-9)
	require.InDelta(t, 3, test.rows[0][0], 1e-9)
}

func TestScore(t *testing.T) {
	s := score([]float64{0.2, 0.4, 0.6})
	require.InDelta(t, 0.4, s.Mean, 1e-12)
	require.InDelta(t, 0.2, s.Std, 1e-12)
}
