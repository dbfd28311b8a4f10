package xkd

import (
	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
	"goxkd/media/views"
)

// Modality is video or audio.
type Modality = layers.Modality

// The modalities, in the released code's order.
const (
	Video = layers.Video
	Audio = layers.Audio
)

// short is the modality in state-dict names.
func short(m Modality) string { return [...]string{"vid", "aud"}[m] }

// pixels is what video is normalised by.
var pixels = op.Normalization{Mean: wide(views.VideoMean), Std: wide(views.VideoStd)}

func wide(v [3]float32) (out [3]float64) {
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// Role is student or teacher.
type Role int

// The roles.
const (
	Student Role = iota
	Teacher
)

func (r Role) String() string { return [...]string{"student", "teacher"}[r] }

// network is one of the four: a ViT with its head; without one where a modality is trained alone.
type network struct {
	layers.Encoder
	head   string          // state-dict prefix
	params []*layers.Param // in the released code's order, shared ones included
}

// netName is the state-dict prefix: vid_student, aud_teacher, ...
func netName(m Modality, r Role) string { return short(m) + "_" + r.String() }

// shared reports whether the role's transformer blocks serve both modalities.
func (c Config) shared(r Role) bool {
	return c.Variant == MATS || c.Variant == MAS && r == Student
}

// blocksName is the prefix of a network's blocks; shared ones stand under the video's.
func (c Config) blocksName(m Modality, r Role) string {
	if c.shared(r) {
		m = Video
	}
	return netName(m, r) + ".backbone.encoder.blocks"
}

// newNetwork declares a network's parameters.
func newNetwork(c Config, p *layers.Params, m Modality, r Role) network {
	p.Declared = nil
	e := newBackbone(c, p, m, r)
	head := netName(m, r) + ".head"
	if _, alone := c.alone(); !alone {
		layers.DeclareHead(p, head, c.Model.Encoder.Dim, layers.HeadSize(c.Model.Head))
	}
	return network{e, head, unique(p.Declared)}
}

// newBackbone declares the parameters of a network without its head.
func newBackbone(c Config, p *layers.Params, m Modality, r Role) layers.Encoder {
	name := netName(m, r)
	e := layers.Encoder{P: p, Size: layers.Size(c.Model.Encoder), Name: name + ".backbone", Blocks: c.blocksName(m, r), Cls: c.Model.Cls, Recompute: c.Train.Recompute}
	v, a := c.Views.Video, c.Views.Audio
	if m == Video {
		e.Embed = "cuboid_embed"
		e.Patch = layers.Patch{T: v.Patch[0], H: v.Patch[1], W: v.Patch[2]}
		e.Grid = c.Tune.grid(m, []int{v.Global.Frames / v.Patch[0], v.Global.Size[0] / v.Patch[1], v.Global.Size[1] / v.Patch[2]})
		e.PatchDim = videoChannels * v.Patch[0] * v.Patch[1] * v.Patch[2]
	} else {
		e.Embed = "patch_embed"
		e.Patch = layers.Patch{H: a.Patch[0], W: a.Patch[1]}
		e.Grid = c.Tune.grid(m, []int{a.Mels / a.Patch[0], a.Global.Frames / a.Patch[1]})
		e.PatchDim = a.Patch[0] * a.Patch[1]
	}
	p.Trained, p.Modality = r == Student, m
	e.Declare()
	return e
}

// follow makes a teacher the moving average of its own modality's student, tensor by tensor. A tensor shared by both
// teachers follows both; its first student is the one it starts from.
func (n network) follow(student network, m Modality) {
	for i, q := range n.params {
		if q.Student == nil {
			q.Student = student.params[i]
		}
		if q.Student != student.params[i] || !q.Shape.Equal(q.Student.Shape) {
			graph.Failf("%s cannot follow both %s and %s", q.Name, q.Student.Name, student.params[i].Name)
		}
		q.Follows[m] = true
	}
}

// unique drops repetitions, keeping the order.
func unique(list []*layers.Param) []*layers.Param {
	seen := map[*layers.Param]bool{}
	var out []*layers.Param
	for _, n := range list {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// newDecoder declares a modality's decoder.
func newDecoder(c Config, p *layers.Params, m Modality, e network) layers.Decoder {
	p.Trained, p.Modality = true, m
	d := layers.Decoder{
		P: p, Size: layers.Size(c.Model.Decoder), Name: short(m) + "_ae", Cls: c.Model.Cls,
		Tokens: graph.Shape(e.Grid).Size(), PatchDim: e.PatchDim, From: c.Model.Encoder.Dim, Recompute: c.Train.Recompute,
	}
	d.Declare()
	return d
}

// videoChannels are red, green and blue.
const videoChannels = 3

// viewShape is the shape of a view with the batch in front.
func (c Config) viewShape(m Modality, local bool, batch int) []int {
	if m == Video {
		v := c.Views.Video.Global
		if local {
			v = c.Views.Video.Local
		}
		return []int{batch, videoChannels, v.Frames, v.Size[0], v.Size[1]}
	}
	a := c.Views.Audio.Global
	if local {
		a = c.Views.Audio.Local
	}
	return []int{batch, 1, c.Views.Audio.Mels, a.Frames}
}

// locals is the number of local views.
func (c Config) locals(m Modality) int {
	if m == Video {
		return c.Views.Video.Locals
	}
	return c.Views.Audio.Locals
}

// tokens is the number of patches of the global view.
func (c Config) tokens(m Modality) int {
	if m == Video {
		return c.VideoTokens()
	}
	return c.AudioTokens()
}

// mask is the share of hidden patches.
func (c Config) mask(m Modality) float64 {
	if m == Video {
		return c.Views.Video.Mask
	}
	return c.Views.Audio.Mask
}
