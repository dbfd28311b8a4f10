package xkd

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/views"
)

// Masks hide the same share of small log-mels as of the recipe's, and the recipe's own are the paper's.
func TestMasksFitTheLogMel(t *testing.T) {
	for preset, want := range map[string]views.SpecAugment{
		"base": {TimeWarp: 20, FreqMasks: 2, FreqMaskWidth: 10, TimeMasks: 2, TimeMaskWidth: 20},
		"nano": {TimeWarp: 4, FreqMasks: 2, FreqMaskWidth: 6, TimeMasks: 2, TimeMaskWidth: 4},
	} {
		c, err := Default(preset, XKD)
		require.NoError(t, err)
		c = c.TuneFrom(Audio, 4)
		require.Equal(t, want, c.Views.Audio.Global.Augment.SpecAugment)
		require.NoError(t, c.Validate())
	}
}
