package xkd

import (
	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
)

// alone is the one modality that a run pretrains; false where it trains both, or fine-tunes.
func (c Config) alone() (Modality, bool) {
	switch c.Train.Modality {
	case Video.String():
		return Video, true
	case Audio.String():
		return Audio, true
	}
	return 0, false
}

// modalities are those that a run pretrains, in the released code's order.
func (c Config) modalities() []Modality {
	if m, ok := c.alone(); ok {
		return []Modality{m}
	}
	return []Modality{Video, Audio}
}

// AloneSettings are the settings of a run that pretrains one modality, video or audio, by masked reconstruction alone: what
// brings the modalities together is off, and so are the local views, which serve that alone.
func AloneSettings(modality string) []string {
	return []string{"train.modality=" + modality, "loss.align=0", "loss.kd=0", "views.video.locals=0", "views.audio.locals=0"}
}

// alone checks a configuration that pretrains one modality.
func (v *validator) alone(c Config) {
	m, ok := c.alone()
	v.check(ok || c.Train.Modality == "", "train.modality", "is %q: give video or audio for one alone, or leave it empty for both", c.Train.Modality)
	if !ok {
		return
	}
	v.check(!c.tunes(), "train.modality", "is %v beside tune.modality: pretraining and fine-tuning are two runs", m)
	v.check(c.Variant == XKD, "variant", "is %s, which shares blocks between modalities: must be %s where train.modality is %v", c.Variant, XKD, m)
	for _, w := range []struct {
		path  string
		value float64
	}{
		{"loss.align", c.Loss.Align}, {"loss.kd", c.Loss.KD},
		{"views.video.locals", float64(c.Views.Video.Locals)}, {"views.audio.locals", float64(c.Views.Audio.Locals)},
	} {
		v.check(w.value == 0, w.path, "is %g, of use to both modalities together: must be 0 where train.modality is %v", w.value, m)
	}
}

// buildAlone builds the graph of a step that pretrains one modality: masked reconstruction (docs/method.md, E2), and a teacher
// that is the student's moving average and teaches nobody. Without distillation there are no heads and no centres.
func (s *Step) buildAlone(g *graph.Graph) {
	c := s.Config
	m, _ := c.alone()
	p := &layers.Params{G: g}
	s.inputs(g)
	student := newNetwork(c, p, m, Student)
	decoder := newDecoder(c, p, m, student)
	trained := len(p.List)
	teacher := newNetwork(c, p, m, Teacher)
	teacher.follow(student, m)
	s.Params = p.List
	limit := bankLimit(p.List[:trained], s.opt.Binding)
	weights := p.PlaceInBanks("parameters", p.List[:trained], limit)
	teachers := p.PlaceInBanks("teachers", p.List[trained:], limit)
	view := layers.Patchify(g, s.In[m].Global, student.Patch, pixels)
	var loss *graph.Node
	g.Scope(netName(m, Student), func() { _, loss = s.student(g, m, student, decoder, patched{global: view}) })
	s.Losses, s.LossNames = op.Scale(g, 1, loss), LossNames[:1]
	grads := s.gradients(g, weights, loss)
	g.Begin(StageUpdate)
	s.update(g, weights, grads, student.params, c.Optimizer.GradClip, func(*layers.Param) int { return 0 })
	s.moveTeachers(g, teachers, weights)
}
