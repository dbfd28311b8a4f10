package xkd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzReleased reads files of the released code: none crashes; what is refused is named, briefly; and what is accepted is a
// configuration that holds, whose schedules can be had at every length.
func FuzzReleased(f *testing.F) {
	for _, variant := range Variants() {
		f.Add(releasedYAML(f, recipeValues(variant)))
	}
	for _, text := range []string{
		"model: {name: XKD_MAS}", "model: {kwargs: {projector_cfg: 1-gelu-2-3-4-norm3, frame_size: [3, 1e9, .nan]}}",
		"hyperparams: {num_epochs: 1e9, lr: {warmup_epochs: 999999999}}", "dataset: {crop_size: 1, hop_length: 1}",
		"a: &a [*a]", "? {a: b}\n: c", "name: !!binary aGk=", "dataset: {train: {vid_aug_kwargs: {spatial_ratio: 1e-300}}}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseReleased("xkd.yaml", text)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "xkd.yaml"), err)
			require.Less(t, len(err.Error()), 1<<14)
			return
		}
		require.NoError(t, r.Config.Validate())
		again, err := Layers{Released: r}.Config()
		require.NoError(t, err)
		require.Equal(t, r.Config, again)
		for _, k := range r.Keys {
			require.NotEmpty(t, k.String())
		}
		for _, clips := range []int{1, 1 << 20} {
			c := r.Config.Planned(clips)
			if c.Validate() != nil {
				continue // more steps than there may be
			}
			for _, k := range []int{0, 1, c.Train.Steps / 2, c.Train.Steps - 1} {
				s := c.At(k)
				for _, v := range []float64{s.LR, s.WeightDecay, s.EMA[Video], s.EMA[Audio], s.TeacherTemp[Video], s.TeacherTemp[Audio]} {
					require.False(t, v != v || v < 0, "%+v at step %d of %d", s, k, c.Train.Steps)
				}
			}
		}
	})
}
