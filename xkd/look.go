package xkd

import (
	"context"
	"math"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
	"goxkd/media/views"
)

// Look is what the networks make of a few clips after a step.
type Look struct {
	Step  int
	Clips []LookClip
}

// LookClip is one clip of a Look; a modality that it lacks is nil.
type LookClip struct {
	Name, Label  string
	Video, Audio *LookView
}

// LookView is the centre view of a clip in one modality.
type LookView struct {
	// Target and Rebuilt are RGB from 0 to 255 [3,T,H,W], or a log-mel [F,S]. Visible patches are rebuilt as they are, hidden
	// ones as the student's decoder predicts them, with the mean and deviation of the target's patch, which it does not predict.
	Target, Rebuilt []float32
	Visible         []bool    // by token
	Attention       []float32 // of the teacher's last block on its tokens, mean over heads [N]
}

// lookGraph rebuilds masked views by the students and reads the teachers' attention, forward alone.
type lookGraph struct {
	graph     *graph.Graph
	in        [2]ModalityInputs
	rebuilt   [2]*graph.Node // normalised patches [B,N,P]
	attention [2]*graph.Node // [B,N]
}

// buildLook builds the graph for so many clips. Compiled against a trainer's store it sees its weights.
func buildLook(c Config, batch int) (*lookGraph, error) {
	l := &lookGraph{}
	g, err := graph.Build(func(g *graph.Graph) {
		p := &layers.Params{G: g}
		var nets [2][2]network
		var decoders [2]layers.Decoder
		for _, m := range c.modalities() {
			nets[Student][m] = newNetwork(c, p, m, Student)
			decoders[m] = newDecoder(c, p, m, nets[Student][m])
			nets[Teacher][m] = newNetwork(c, p, m, Teacher)
			n, k := c.tokens(m), Kept(c.tokens(m), c.mask(m))
			l.in[m] = ModalityInputs{
				Global:  g.InputAs(m.String()+"_global", keptAs(m, false), c.viewShape(m, false, batch)...),
				IDs:     g.Input(m.String()+"_visible", batch, k),
				Inverse: g.Input(m.String()+"_inverse", batch, n),
				Mask:    g.Input(m.String()+"_mask", batch, n),
			}
		}
		p.PlaceAlone()
		for _, m := range c.modalities() {
			in := l.in[m]
			patches := layers.Patchify(g, in.Global, nets[Student][m].Patch, pixels)
			visible := layers.Visible{IDs: in.IDs, Inverse: in.Inverse}
			encoded := nets[Student][m].Encode(patches, &visible)
			l.rebuilt[m] = g.Keep(decoders[m].Decode(encoded.Tokens, visible, in.Mask))
			teacher := &nets[Teacher][m]
			l.attention[m] = g.Keep(op.MeanAxis(g, teacher.TokenAttention(teacher.Encode(patches, nil)), 1))
		}
	})
	l.graph = g
	return l, err
}

// look runs the graph on a batch of centre views; the same patches are hidden every time.
func (l *lookGraph) look(ctx context.Context, c Config, e graph.Executor, b *views.Batch, classes []string) ([]LookClip, error) {
	clips := make([]LookClip, b.B)
	for i := range clips {
		clips[i].Name = b.Names[i]
		if n := b.Labels[i]; n >= 0 && n < len(classes) {
			clips[i].Label = classes[n]
		}
	}
	in := [2]View{{Bytes: b.VideoGlobal}, {Floats: b.AudioGlobal}}
	has := [2]bool{b.VideoGlobal != nil && l.in[Video].Global != nil, b.AudioGlobal != nil && l.in[Audio].Global != nil}
	for _, m := range c.modalities() {
		n := l.in[m].Global.Shape
		size, batch := n[1:].Size(), n[0]
		if has[m] {
			v := View{Floats: padded(in[m].Floats, 0, len(in[m].Floats), batch*size), Bytes: padded(in[m].Bytes, 0, len(in[m].Bytes), batch*size)}
			if err := writeViews(e, l.in[m].Global, v); err != nil {
				return nil, err
			}
		}
		if err := writeMask(e, l.in[m], c.maskNoise(m, c.Train.Seed, 0, batch)); err != nil {
			return nil, err
		}
	}
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	for m := range l.in {
		if !has[m] {
			continue
		}
		rebuilt, attention := make([]float32, l.rebuilt[m].Shape.Size()), make([]float32, l.attention[m].Shape.Size())
		if err := e.Read(l.rebuilt[m], rebuilt); err != nil {
			return nil, err
		}
		if err := e.Read(l.attention[m], attention); err != nil {
			return nil, err
		}
		tokens, elements := l.rebuilt[m].Shape[1], l.rebuilt[m].Shape[2]
		noise := c.maskNoise(Modality(m), c.Train.Seed, 0, b.B)
		size := l.in[m].Global.Shape[1:].Size()
		for i := range clips {
			v := &LookView{Attention: attention[i*tokens : (i+1)*tokens], Visible: make([]bool, tokens), Target: make([]float32, size)}
			for _, patch := range argsort(noise[i*tokens : (i+1)*tokens])[:l.in[m].IDs.Shape[1]] {
				v.Visible[patch] = true
			}
			for k := range v.Target {
				if m == int(Video) {
					v.Target[k] = float32(in[m].Bytes[i*size+k])
				} else {
					v.Target[k] = in[m].Floats[i*size+k]
				}
			}
			v.Rebuilt = c.unpatch(Modality(m), v, rebuilt[i*tokens*elements:(i+1)*tokens*elements])
			if m == int(Video) {
				clips[i].Video = v
			} else {
				clips[i].Audio = v
			}
		}
	}
	return clips, nil
}

// places gives the elements of each patch of a global view, in the order of tokens and elements that layers.Patchify has.
func (c Config) places(m Modality) [][]int {
	s, p := c.viewShape(m, false, 1)[1:], [3]int{1, c.Views.Audio.Patch[0], c.Views.Audio.Patch[1]}
	if m == Video {
		p = c.Views.Video.Patch
	} else {
		s = []int{1, 1, s[1], s[2]}
	}
	channels, T, H, W := s[0], s[1], s[2], s[3]
	var out [][]int
	for t := 0; t < T; t += p[0] {
		for y := 0; y < H; y += p[1] {
			for x := 0; x < W; x += p[2] {
				var at []int
				for dt := range p[0] {
					for dy := range p[1] {
						for dx := range p[2] {
							for ch := range channels {
								at = append(at, ((ch*T+t+dt)*H+y+dy)*W+x+dx)
							}
						}
					}
				}
				out = append(out, at)
			}
		}
	}
	return out
}

// unpatch lays predicted, normalised patches over the hidden ones of a view.
func (c Config) unpatch(m Modality, v *LookView, predicted []float32) []float32 {
	out := append([]float32(nil), v.Target...)
	channel := len(out)
	if m == Video {
		channel = len(out) / videoChannels
	}
	for token, at := range c.places(m) {
		if v.Visible[token] {
			continue
		}
		// What the step normalises is the normalised view: docs/method.md, E4.
		normal := func(k int) (value, mean, std float64) {
			if m == Audio {
				return float64(v.Target[k]), 0, 1
			}
			ch := k / channel
			return float64(v.Target[k]), 255 * pixels.Mean[ch], 255 * pixels.Std[ch]
		}
		var sum, squares float64
		for _, k := range at {
			x, mean, std := normal(k)
			sum += (x - mean) / std
		}
		mean := sum / float64(len(at))
		for _, k := range at {
			x, shift, std := normal(k)
			d := (x-shift)/std - mean
			squares += d * d
		}
		deviation := math.Sqrt(squares/float64(max(len(at)-1, 1)) + 1e-6)
		for j, k := range at {
			_, shift, std := normal(k)
			x := (float64(predicted[token*len(at)+j])*deviation+mean)*std + shift
			if m == Video {
				x = min(max(x, 0), 255)
			}
			out[k] = float32(x)
		}
	}
	return out
}
