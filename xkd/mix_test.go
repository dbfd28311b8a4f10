package xkd

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The partner's weight, averaged over the patches, is the share that its targets get, for mixup and for cutmix.
func TestMixSharesTargets(t *testing.T) {
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, m := range []Modality{Video, Audio} {
		for _, of := range []struct{ mixup, cutmix float64 }{{0.6, 0}, {0, 0.5}, {1, 1}} {
			for range 10 {
				tuned := c.TuneFrom(m, 4)
				tuned.Tune.Mixup, tuned.Tune.Cutmix = of.mixup, of.cutmix
				weight, share := tuned.mix(rng, m)
				var sum float64
				for _, w := range weight {
					sum += float64(w)
				}
				require.InDelta(t, 1-share, sum/float64(len(weight)), 1e-6)
			}
		}
	}
	targets := []float32{1, 0, 0, 1, 0.5, 0.5}
	mixTargets(targets, 3, 0.75)
	require.InDeltaSlice(t, []float32{0.875, 0.125, 0, 1, 0.625, 0.375}, targets, 1e-6)
}

// Beta(a,a) has mean 1/2 and variance 1/(4(2a+1)).
func TestBeta(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, a := range []float64{0.3, 1, 5} {
		var sum, square float64
		const n = 20000
		for range n {
			x := beta(rng, a)
			sum, square = sum+x/n, square+(x-0.5)*(x-0.5)/n
		}
		require.InDelta(t, 0.5, sum, 0.01)
		require.InDelta(t, 1/(4*(2*a+1)), square, 0.005)
	}
}

// Two classes by hand: precisions 1/1 and 2/3 for the first, 1/2 for the second.
func TestMeanAveragePrecision(t *testing.T) {
	scores := [][]float64{{0.9, 0.1}, {0.8, 0.7}, {0.7, 0.2}}
	labels := [][]int{{0}, {}, {0, 1}}
	require.InDelta(t, ((1+2.0/3)/2+1.0/2)/2, MeanAveragePrecision(scores, labels, 2), 1e-12)
}
