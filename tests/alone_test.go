package tests

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/check"
	"goxkd/cpu"
	"goxkd/media"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// only hides one modality of a source's clips, as of files that lack it.
type only struct {
	media.Source
	m xkd.Modality
}

func (o only) Modalities() (video, audio bool) { return o.m == xkd.Video, o.m == xkd.Audio }

func (o only) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	c, err := o.Source.Load(ctx, i, span)
	if err == nil && o.m == xkd.Audio {
		c.Frames = nil
	} else if err == nil {
		c.Wave = nil
	}
	return c, err
}

// alone is a small configuration that pretrains one modality.
func alone(t *testing.T, m xkd.Modality, steps int) xkd.Config {
	t.Helper()
	c, err := smallConfig(t, xkd.XKD, steps).With("", xkd.AloneSettings(m.String())...)
	require.NoError(t, err)
	return c
}

// read is a file's contents.
func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

// One modality is trained on clips that have no other: its loss falls, the bytes are the same whether the run was stopped or
// not, the networks are looked at, and the file serves as what was trained and as nothing else.
func TestAlone(t *testing.T) {
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		c := alone(t, m, 12)
		c.Optimizer.LR = 3e-3
		src := only{synthetic.New(c.Generated()), m}
		train := func(dir string, resume bool, stop int) {
			trainer, err := xkd.New(c, cpu.Device{})
			require.NoError(t, err)
			defer trainer.Close()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			looks := 0
			_, err = trainer.Run(ctx, src, xkd.RunOptions{
				Folder: dir, Resume: resume,
				Progress: func(p xkd.Progress) {
					if p.Step == stop {
						cancel()
					}
				},
				Observe: &xkd.Observe{Every: 6, Held: src, Clips: 8, Look: func(l xkd.Look) error {
					looks++
					require.Equal(t, m == xkd.Video, l.Clips[0].Video != nil)
					require.Equal(t, m == xkd.Audio, l.Clips[0].Audio != nil)
					return nil
				}},
			})
			require.NoError(t, err)
			require.Equal(t, stop == 0, looks > 0)
		}
		whole, parts := t.TempDir(), t.TempDir()
		train(whole, false, 0)
		train(parts, false, 5)
		train(parts, true, 0)
		path := filepath.Join(whole, xkd.CheckpointFile)
		require.Equal(t, read(t, path), read(t, filepath.Join(parts, xkd.CheckpointFile)), "%v", m)
		metrics, err := xkd.LoadMetrics(filepath.Join(parts, xkd.MetricsFile))
		require.NoError(t, err)
		losses := metrics.Losses["loss"]
		require.Len(t, losses, 12)
		require.Less(t, losses[11], 0.95*losses[0])
		line, _, _ := strings.Cut(string(read(t, filepath.Join(parts, xkd.MetricsFile))), "\n")
		first, err := xkd.ParseMetric([]byte(line))
		require.NoError(t, err)
		require.GreaterOrEqual(t, first.Values["rank_"+m.String()], 1.0)
		require.NotContains(t, first.Values, "rank_"+(1-m).String())
		require.NotContains(t, first.Values, "entropy_"+m.String())

		l, err := xkd.LoadCheckpoint(path)
		require.NoError(t, err)
		defer l.Close()
		require.Equal(t, []string{m.String() + " student", m.String() + " teacher"}, l.Encoders())
		_, err = xkd.OpenEncoder(path, 1-m, cpu.Device{}, xkd.EncoderOptions{})
		require.ErrorIs(t, err, xkd.ErrNoEncoder)
		for _, r := range []xkd.Role{xkd.Student, xkd.Teacher} {
			e, err := xkd.OpenEncoder(path, m, cpu.Device{}, xkd.EncoderOptions{Role: r})
			require.NoError(t, err)
			rows, bad, err := e.Features(context.Background(), media.Subset{Of: src, Indices: []int{0, 1}})
			require.NoError(t, err)
			require.Empty(t, bad)
			require.NotEqual(t, rows[0], rows[1])
			require.NoError(t, e.Close())
		}
		pre := l.Config
		pre.Data.Split, pre.Data.Root = "train", "elsewhere"
		tune := pre.TuneFrom(m, 4)
		require.Equal(t, l.Config.Data, tune.Data, "a part of the clips of pretraining is none of others")
		tuner, err := xkd.New(tune, cpu.Device{})
		require.NoError(t, err)
		require.NoError(t, tuner.Begin(l, xkd.Student))
		require.NoError(t, tuner.Close())
		_, err = xkd.Retrieve(context.Background(), cpu.Device{}, src.Source, l, xkd.RetrieveOptions{Clips: 8, Batch: 4})
		require.ErrorIs(t, err, xkd.ErrNoEncoder)
	}
}

// What needs both modalities is refused where one is trained alone.
func TestAloneRefuses(t *testing.T) {
	c := alone(t, xkd.Audio, 1)
	for setting, problem := range map[string]string{
		"loss.kd=1": "loss.kd is 1", "loss.align=2": "loss.align is 2", "views.audio.locals=1": "views.audio.locals is 1",
		"variant=" + xkd.MAS: "variant is xkd_mas", "train.modality=sound": "train.modality is \"sound\"",
	} {
		_, err := c.With("", setting)
		require.ErrorContains(t, err, problem)
	}
}

// The step of one modality agrees node by node.
func TestAloneOnGPU(t *testing.T) {
	dev := openGPU(t)
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		r, err := check.Step(context.Background(), dev, alone(t, m, 1), check.StepOptions{Seed: 1, Plain: true})
		require.NoError(t, err)
		require.Nil(t, r.First)
		require.True(t, r.Pass)
		require.Greater(t, r.Nodes, 100)
	}
}
