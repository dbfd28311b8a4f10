package xkd

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/media/synthetic"
)

// Features of both modalities are judged alone and joined, from as many views as are asked for, and twice alike.
func TestSVM(t *testing.T) {
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	c.Model.Encoder = Size{Dim: 16, Depth: 1, Heads: 2}
	c.Train.Batch = 8
	clips := func(n int, seed uint64) *synthetic.Source {
		g := c.Generated()
		g.Clips, g.Classes, g.Seed = n, 2, seed
		return synthetic.New(g)
	}
	opt := SVMOptions{Modalities: []Modality{Video, Audio}, TrainClips: 2, TestClips: 2, Cs: []float64{1e-2, 1}}
	run := func() []SVMRow {
		rows, bad, err := SVM(context.Background(), cpu.Device{}, c, nil, clips(12, 1), clips(6, 2), opt)
		require.NoError(t, err)
		require.Empty(t, bad)
		return rows
	}
	rows := run()
	require.Equal(t, rows, run())
	require.Len(t, rows, 3)
	for i, name := range []string{"video", "audio", BothModalities} {
		require.Equal(t, name, rows[i].Modality)
		require.Equal(t, 12, rows[i].Train)
		require.Equal(t, 6, rows[i].Test)
		require.GreaterOrEqual(t, rows[i].OnTest, rows[i].Top1)
	}
	require.Greater(t, rows[1].Top1, 0.6, "chance is a half")
}
