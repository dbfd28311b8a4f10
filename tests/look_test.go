package tests

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/device"
	"goxkd/graph"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// A run that is looked at trains the same bits as one that is not; the accuracies it finds are those of a probe of the weights
// that it has, and its looks follow them.
func TestObservedRunIsTheSame(t *testing.T) {
	devices(t, func(t *testing.T, dev graph.Device) {
		if dev.Name() != device.CPU() && !long() {
			t.Skip("a software adapter compiles five graphs for minutes: make test-all does")
		}
		ctx, c, dir := context.Background(), smallConfig(t, xkd.XKD, 5), t.TempDir()
		alone := run(t, dev, c, filepath.Join(dir, "alone"), xkd.RunOptions{})
		g := c.Generated()
		g.Clips, g.Seed = 48, 99
		held := synthetic.New(g)
		var looks []xkd.Look
		observed := run(t, dev, c, filepath.Join(dir, "observed"), xkd.RunOptions{Observe: &xkd.Observe{
			Every: 2, Held: held, Look: func(l xkd.Look) error { looks = append(looks, l); return nil },
		}})
		want, err := os.ReadFile(alone.Checkpoint)
		require.NoError(t, err)
		got, err := os.ReadFile(observed.Checkpoint)
		require.NoError(t, err)
		require.Equal(t, want, got)

		accuracies := map[int]map[string]float64{}
		require.NoError(t, xkd.EachMetric(filepath.Join(dir, "observed", xkd.MetricsFile), func(m xkd.Metric) error {
			for name, v := range m.Values {
				if name == xkd.HeldPrefix+"knn_video" || name == xkd.HeldPrefix+"knn_audio" {
					if accuracies[m.Step] == nil {
						accuracies[m.Step] = map[string]float64{}
					}
					accuracies[m.Step][name[len(xkd.HeldPrefix)+len("knn_"):]] = v
				}
			}
			return nil
		}))
		require.Len(t, accuracies, 3)
		l, err := xkd.LoadCheckpoint(observed.Checkpoint)
		require.NoError(t, err)
		defer l.Close()
		probe, err := xkd.Probe(ctx, dev, held, []*xkd.Loaded{l}, xkd.ProbeOptions{Clips: 48, Seeds: 1, TrainedOnly: true})
		require.NoError(t, err)
		judged := 0
		for _, row := range probe.Rows {
			if a, ok := accuracies[5][row.Modality]; ok && row.Classifier == "k-NN (k=5)" {
				require.Equal(t, []float64{a}, row.Trained.Values, row.Modality)
				judged++
			}
		}
		require.Equal(t, 2, judged)

		var steps []int
		for i, l := range looks {
			steps = append(steps, l.Step)
			require.Len(t, l.Clips, 2)
			for k, clip := range l.Clips {
				require.Equal(t, held.Name(k), clip.Name)
				for m, v := range []*xkd.LookView{clip.Video, clip.Audio} {
					first := []*xkd.LookView{looks[0].Clips[k].Video, looks[0].Clips[k].Audio}[m]
					require.Equal(t, first.Target, v.Target)
					require.Equal(t, first.Visible, v.Visible)
					if i > 0 {
						require.NotEqual(t, first.Rebuilt, v.Rebuilt, "the weights have changed")
						require.NotEqual(t, first.Attention, v.Attention)
					}
				}
			}
		}
		require.Equal(t, []int{2, 4, 5}, steps)
	})
}
