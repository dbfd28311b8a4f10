package xkd

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
	"goxkd/media/views"
)

// narrow is nano with networks that take milliseconds.
func narrow(t *testing.T) Config {
	t.Helper()
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	c.Model.Encoder, c.Model.Decoder = Size{Dim: 16, Depth: 1, Heads: 2}, Size{Dim: 8, Depth: 1, Heads: 2}
	c.Model.Head = Head{Hidden: 16, Layers: 3, Bottleneck: 8, Out: 24}
	c.Train.Batch = 2
	require.NoError(t, c.Validate())
	return c
}

// randomViews are two clips of noise.
func randomViews(c Config, seed uint64) *views.Batch {
	r := rand.New(rand.NewPCG(seed, 0))
	b := &views.Batch{B: 2, Names: []string{"one", "two"}, Labels: []int{0, -1}}
	b.VideoGlobal = make([]uint8, graph.Shape(c.viewShape(Video, false, 2)).Size())
	for i := range b.VideoGlobal {
		b.VideoGlobal[i] = uint8(r.IntN(256))
	}
	b.AudioGlobal = make([]float32, graph.Shape(c.viewShape(Audio, false, 2)).Size())
	for i := range b.AudioGlobal {
		b.AudioGlobal[i] = float32(r.NormFloat64()*4 - 5)
	}
	return b
}

// A decoder that predicts what the loss asks of it is drawn as the view itself, for each patch in its place.
func TestPerfectPredictionIsTheTarget(t *testing.T) {
	c := narrow(t)
	b := randomViews(c, 1)
	for _, m := range []Modality{Video, Audio} {
		t.Run(m.String(), func(t *testing.T) {
			var view, want *graph.Node
			g, err := graph.Build(func(g *graph.Graph) {
				view = g.InputAs("view", keptAs(m, false), c.viewShape(m, false, 1)...)
				patch := layers.Patch{H: c.Views.Audio.Patch[0], W: c.Views.Audio.Patch[1]}
				if m == Video {
					p := c.Views.Video.Patch
					patch = layers.Patch{T: p[0], H: p[1], W: p[2]}
				}
				want = g.Keep(op.NormalizePatches(g, layers.Patchify(g, view, patch, pixels).Tokens))
			})
			require.NoError(t, err)
			e, err := cpu.Device{}.Compile(g, graph.PlanOptions{})
			require.NoError(t, err)
			defer e.Close()
			size := view.Shape.Size()
			v := &LookView{Target: make([]float32, size), Visible: make([]bool, c.tokens(m))}
			var in View
			if m == Video {
				in.Bytes = b.VideoGlobal[:size]
				for i, x := range in.Bytes {
					v.Target[i] = float32(x)
				}
			} else {
				in.Floats = b.AudioGlobal[:size]
				copy(v.Target, in.Floats)
			}
			require.NoError(t, writeViews(e, view, in))
			require.NoError(t, e.Run(context.Background()))
			predicted := make([]float32, want.Shape.Size())
			require.NoError(t, e.Read(want, predicted))

			v.Visible[3] = true
			clear(predicted[3*want.Shape[2] : 4*want.Shape[2]]) // what is visible does not hang on it
			require.InDeltaSlice(t, v.Target, c.unpatch(m, v, predicted), 1e-2)
			// Another prediction is seen, in its patch alone.
			predicted[5*want.Shape[2]] += 1
			changed := 0
			for i, x := range c.unpatch(m, v, predicted) {
				if d := x - v.Target[i]; d > 1e-2 || d < -1e-2 {
					changed++
				}
			}
			require.Equal(t, 1, changed)
		})
	}
}

// A look shows the student what is visible alone and the teacher everything.
func TestLookHidesFromTheStudent(t *testing.T) {
	ctx, c := context.Background(), narrow(t)
	trainer, err := New(c, cpu.Device{})
	require.NoError(t, err)
	defer trainer.Close()
	l, err := buildLook(c, 2)
	require.NoError(t, err)
	e, err := cpu.Device{}.Compile(l.graph, graph.PlanOptions{Store: trainer.Store()})
	require.NoError(t, err)
	defer e.Close()
	type seen struct {
		clips     []LookClip
		rebuilt   [2][]float32
		attention [2][]float32
	}
	look := func(b *views.Batch) (s seen) {
		s.clips, err = l.look(ctx, c, e, b, []string{"first"})
		require.NoError(t, err)
		for m := range s.rebuilt {
			s.rebuilt[m], s.attention[m] = make([]float32, l.rebuilt[m].Shape.Size()), make([]float32, l.attention[m].Shape.Size())
			require.NoError(t, e.Read(l.rebuilt[m], s.rebuilt[m]))
			require.NoError(t, e.Read(l.attention[m], s.attention[m]))
		}
		return s
	}
	b := randomViews(c, 2)
	first := look(b)
	require.Equal(t, []string{"one", "first", "two", ""}, []string{first.clips[0].Name, first.clips[0].Label, first.clips[1].Name, first.clips[1].Label})
	of := func(s seen, clip int, m Modality) *LookView {
		return [2]*LookView{s.clips[clip].Video, s.clips[clip].Audio}[m]
	}
	// Noise in all that is hidden, then in one patch that is not.
	other := randomViews(c, 3)
	hidden, open := randomViews(c, 2), randomViews(c, 2)
	for m, width := range []int{len(b.VideoGlobal) / 2, len(b.AudioGlobal) / 2} {
		for clip := range 2 {
			v := of(first, clip, Modality(m))
			visible := 0
			for token, at := range c.places(Modality(m)) {
				to := hidden
				if v.Visible[token] {
					if visible++; visible > 1 {
						continue
					}
					to = open
				}
				for _, k := range at {
					if k += clip * width; m == int(Video) {
						to.VideoGlobal[k] = other.VideoGlobal[k]
					} else {
						to.AudioGlobal[k] = other.AudioGlobal[k]
					}
				}
			}
			require.Equal(t, Kept(c.tokens(Modality(m)), c.mask(Modality(m))), visible)
			require.Less(t, visible, c.tokens(Modality(m))/2)
		}
	}
	blind, told := look(hidden), look(open)
	for m := range first.rebuilt {
		require.Equal(t, first.rebuilt[m], blind.rebuilt[m], "the student sees what is hidden")
		require.NotEqual(t, first.attention[m], blind.attention[m], "the teacher does not see all")
		require.NotEqual(t, first.rebuilt[m], told.rebuilt[m], "the student does not see what is visible")
		for clip := range 2 {
			v := of(first, clip, Modality(m))
			sum := float32(0)
			for _, a := range v.Attention {
				require.GreaterOrEqual(t, a, float32(0))
				sum += a
			}
			require.Greater(t, sum, float32(0.5))
			require.Less(t, sum, float32(1), "a part is the class token's")
			for token, at := range c.places(Modality(m)) {
				for _, k := range at {
					if v.Visible[token] {
						require.Equal(t, v.Target[k], v.Rebuilt[k])
					}
				}
			}
			require.NotEqual(t, v.Target, v.Rebuilt)
		}
	}
	// A modality that the clips lack is left out.
	b.AudioGlobal = nil
	alone := look(b)
	require.Nil(t, alone.clips[0].Audio)
	require.Equal(t, first.clips[0].Video, alone.clips[0].Video)
}
