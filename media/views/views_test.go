package views

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/synthetic"
)

// The views are those of the training batch that has the clip.
func TestViewsAreTheLoaders(t *testing.T) {
	ctx := context.Background()
	spec := NanoSpec()
	spec.VideoLocals, spec.AudioLocals = 2, 2
	src := synthetic.New(synthetic.Config{Clips: 3, Difficulty: 0.5})
	const seed = 11
	l, err := NewLoader(ctx, src, spec, LoaderConfig{Batch: 1, Seed: seed, Workers: 1, StartStep: 3})
	require.NoError(t, err)
	defer l.Close()
	starts := map[float64]bool{}
	for range 3 { // epoch 1
		want, err := l.Next()
		require.NoError(t, err)
		got, err := Of(ctx, src, want.Indices[0], spec, seed, 1)
		require.NoError(t, err)
		want.Step = 0
		require.Equal(t, want, got.Batch)
		require.Len(t, got.Plain.VideoGlobal, len(want.VideoGlobal))
		require.NotEqual(t, want.VideoGlobal, got.Plain.VideoGlobal)
		require.Len(t, got.VideoLocalStart, 2)
		require.Len(t, got.AudioLocalStart, 2)
		for _, s := range append(got.VideoLocalStart, got.AudioLocalStart...) {
			require.True(t, s >= 0 && s <= 0.75, "a quarter of a second fits")
		}
		require.True(t, got.Start >= 0 && got.Start <= 2)
		starts[got.Start] = true
	}
	require.Greater(t, len(starts), 1)
	_, err = Of(ctx, src, 3, spec, seed, 1)
	require.ErrorContains(t, err, "there are 3")
}

// 1000 Hz is 15 mel of 45.2456 up to 8 kHz (Slaney's scale), 81 steps for 80 bands: 81*15/45.2456-1.
func TestBand(t *testing.T) {
	require.InDelta(t, 25.8535, DefaultSpec().Band(1000), 1e-3)
	require.InDelta(t, 80, DefaultSpec().Band(8000), 1e-9)
	require.InDelta(t, -1, DefaultSpec().Band(0), 1e-9)
}
