package xkd

import (
	"fmt"
	"strings"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
)

// ModalityInputs are the tensors of one modality that the caller writes before each step.
type ModalityInputs struct {
	Global  *graph.Node // [B,C,...]
	Locals  *graph.Node // [V·B,C,...] view-major, nil without local views
	IDs     *graph.Node // [B,K] visible patches
	Inverse *graph.Node // [B,N] place of each patch among the visible, or -1
	Mask    *graph.Node // [B,N] 1 where hidden
}

// Schedule is what changes from step to step besides the data.
type Schedule struct {
	LR, WeightDecay float64
	// Step counts the updates so far plus one, for Adam's bias corrections; LastLayerStep counts those of the heads' last
	// layers, which may be frozen at first (0: frozen now).
	Step, LastLayerStep int
	// TeacherTemp and EMA are by modality; Centre is the momentum of the video teacher's centre, then the audio teacher's.
	TeacherTemp, EMA, Centre [2]float64
}

// scheduleInputs are its tensors.
type scheduleInputs struct {
	optim, optimLast *graph.Node // op.HyperSize
	temp, ema        [2]*graph.Node
	centre           [2]*graph.Node
}

// LossNames are the parts of the loss as the released code names them, in the order of Step.Losses. vt2as reads "video
// teacher to audio student".
var LossNames = []string{
	"loss", "alignment_loss", "cmkd_loss", "recon_loss", "as2vs_align_loss", "vt2at_align_loss",
	"vt2as_kd_loss", "at2vs_kd_loss", "vid_recon_loss", "aud_recon_loss",
}

// Step is the graph of one training step and its handles.
type Step struct {
	Config Config
	Graph  *graph.Graph
	In     [2]ModalityInputs
	sched  scheduleInputs
	// Losses [len(LossNames)] holds all losses.
	Losses *graph.Node
	// Params are the model's parameters: students, teachers, decoders.
	Params []layers.Param
	// Moments are AdamW's states by parameter.
	Moments map[*graph.Node][2]*graph.Node
	// Centres of the teachers' outputs, by modality.
	Centres [2]*graph.Node
	// Grads are the gradients before clipping, by parameter.
	Grads map[*graph.Node]*graph.Node
	// Clipped are the students' tensors in the order in which they are clipped, and Norms [len(Clipped)] the norms of
	// their gradients before that.
	Clipped []*graph.Node
	Norms   *graph.Node
	// Outputs of the heads, by role and modality: teachers [B,K], students [V·B,K].
	Outputs [2][2]*graph.Node
}

// BuildStep builds the graph of one training step (method, section 1). With grads, every gradient and norm is kept for
// reading; otherwise only the losses are.
func BuildStep(c Config, grads bool) (*Step, error) {
	if err := c.validateNetwork(); err != nil {
		return nil, err
	}
	s := &Step{Config: c, Moments: map[*graph.Node][2]*graph.Node{}, Grads: map[*graph.Node]*graph.Node{}}
	g, err := graph.Build(func(g *graph.Graph) { s.build(g) })
	if err != nil {
		return nil, err
	}
	s.Graph = g
	g.Keep(s.Losses)
	if grads {
		g.Keep(s.Norms)
		for _, d := range s.Grads {
			g.Keep(d)
		}
	}
	return s, nil
}

func (s *Step) build(g *graph.Graph) {
	c := s.Config
	p := &layers.Params{G: g, Trainable: true}
	s.inputs(g)
	var nets [2][2]network // role, modality
	for _, r := range []Role{Student, Teacher} {
		for _, m := range []Modality{Video, Audio} {
			nets[r][m] = newNetwork(c, p, m, r)
		}
	}
	s.Centres = [2]*graph.Node{
		g.State("vt2as_ce_loss.center", false, 1, c.Model.Head.Out),
		g.State("at2vs_ce_loss.center", false, 1, c.Model.Head.Out),
	}

	var recon [2]*graph.Node
	for _, m := range []Modality{Video, Audio} {
		g.Scope(netName(m, Student), func() {
			s.Outputs[Student][m], recon[m] = s.student(g, p, m, nets[Student][m])
		})
	}
	s.teachers(g, nets[Teacher])

	// The losses (steps 5 to 7 of the method).
	out := s.Outputs
	var align, kd [2]*graph.Node
	g.Scope("align", func() {
		for _, r := range []Role{Student, Teacher} {
			align[r] = layers.MMD(g, out[r][Video], out[r][Audio])
		}
	})
	g.Scope("kd", func() {
		for _, m := range []Modality{Video, Audio} {
			kd[m] = layers.Distillation(g, out[Teacher][m], s.Centres[m], s.sched.temp[m], out[Student][1-m], c.Loss.StudentTemperature)
		}
	})
	half := []float64{0.5, 0.5}
	aligned := op.LinComb(g, half, align[Student], align[Teacher])
	distilled := op.LinComb(g, half, kd[Video], kd[Audio])
	rebuilt := op.LinComb(g, half, recon[Video], recon[Audio])
	w := c.Loss
	sum := w.Align + w.KD + w.Recon
	total := op.LinComb(g, []float64{w.Align / sum, w.KD / sum, w.Recon / sum}, aligned, distilled, rebuilt)
	s.Losses = stack(g, []*graph.Node{
		total, aligned, distilled, rebuilt, align[Student], align[Teacher], kd[Video], kd[Audio], recon[Video], recon[Audio],
	})

	s.Params = append(s.Params, p.List...)
	s.update(g, p, nets[Student], total)
	s.moveTeachers(g)
	for m, centre := range s.Centres {
		t := out[Teacher][m]
		op.EMA(g, centre, g.Reshape(op.MeanAxis(g, t, 0), 1, c.Model.Head.Out), s.sched.centre[m])
	}
}

// stack joins scalars into one vector.
func stack(g *graph.Graph, xs []*graph.Node) *graph.Node {
	for len(xs) > 1 {
		var next []*graph.Node
		for len(xs) > 0 {
			n := min(len(xs), op.MaxTerms)
			next = append(next, op.Concat(g, 0, xs[:n]...))
			xs = xs[n:]
		}
		xs = next
	}
	return xs[0]
}

func (s *Step) inputs(g *graph.Graph) {
	c := s.Config
	for _, m := range []Modality{Video, Audio} {
		n, k := c.tokens(m), Kept(c.tokens(m), c.mask(m))
		in := ModalityInputs{
			Global:  g.Input(m.String()+"_global", c.viewShape(m, false, c.Train.Batch)...),
			IDs:     g.Input(m.String()+"_visible", c.Train.Batch, k),
			Inverse: g.Input(m.String()+"_inverse", c.Train.Batch, n),
			Mask:    g.Input(m.String()+"_mask", c.Train.Batch, n),
		}
		if v := c.locals(m); v > 0 {
			in.Locals = g.Input(m.String()+"_locals", c.viewShape(m, true, v*c.Train.Batch)...)
		}
		s.In[m] = in
		s.sched.temp[m] = g.Input(m.String()+"_teacher_temp", 1)
		s.sched.ema[m] = g.Input(m.String()+"_ema", 1)
		s.sched.centre[m] = g.Input(m.String()+"_centre_momentum", 1)
	}
	s.sched.optim = g.Input("optimizer", op.HyperSize)
	s.sched.optimLast = g.Input("optimizer_last_layer", op.HyperSize)
}

// student runs one student: the masked global pass with its reconstruction, and the local views; it returns the head's
// outputs [V·B,K], view-major, and the reconstruction loss.
func (s *Step) student(g *graph.Graph, p *layers.Params, m Modality, net network) (out, recon *graph.Node) {
	c, in := s.Config, s.In[m]
	visible := layers.Visible{IDs: in.IDs, Inverse: in.Inverse}
	var pooled *graph.Node
	g.Scope("global", func() {
		encoded := net.Encode(in.Global, &visible)
		pooled = encoded.Pooled(g)
		g.Scope("decoder", func() {
			dec := newDecoder(c, p, m, net)
			patches, _ := layers.Patchify(g, in.Global, net.Patch)
			hidden := c.Train.Batch * (c.tokens(m) - Kept(c.tokens(m), c.mask(m)))
			recon = layers.Reconstruction(g, dec.Decode(encoded.Tokens, visible, in.Mask), patches, in.Mask, hidden)
		})
	})
	if in.Locals != nil {
		g.Scope("locals", func() {
			pooled = op.Concat(g, 0, pooled, net.Encode(in.Locals, nil).Pooled(g))
		})
	}
	g.Scope("head", func() { out = layers.Head(p, net.head, pooled, layers.HeadSize(c.Model.Head)) })
	return out, recon
}

// teachers runs both teachers and refines their features by each other's attention.
func (s *Step) teachers(g *graph.Graph, nets [2]network) {
	c := s.Config
	var features, attention [2]*graph.Node
	for m := range nets {
		net := &nets[m]
		g.Scope(netName(Modality(m), Teacher), func() {
			view := s.In[m].Global
			if c.Model.TeacherView == TeacherLocal0 {
				view = op.Slice(g, s.In[m].Locals, 0, 0, c.Train.Batch)
			}
			encoded := net.Encode(view, nil)
			features[m] = encoded.PatchTokens(g)
			attention[m] = net.TokenAttention(encoded)
		})
	}
	for m := range nets {
		g.Scope(netName(Modality(m), Teacher)+"/refine", func() {
			f := layers.Refine(g, features[m], attention[m], attention[1-m], c.Model.Refine == RefineSoftmax)
			s.Outputs[Teacher][m] = layers.Head(nets[m].P, nets[m].head, f, layers.HeadSize(c.Model.Head))
		})
	}
}

// update clips the students' gradients tensor by tensor and runs AdamW (steps 8 and 9).
func (s *Step) update(g *graph.Graph, p *layers.Params, students [2]network, loss *graph.Node) {
	c := s.Config
	var trained []*graph.Node
	for _, q := range p.List {
		if q.Node.NeedsGrad {
			trained = append(trained, q.Node)
		}
	}
	one := g.Const("one", []float32{1}, 1)
	for i, d := range g.Gradients(loss, one, trained) {
		if d == nil {
			graph.Failf("%s has no part in the loss", trained[i].Name)
		}
		s.Grads[trained[i]] = d
	}
	factors := map[*graph.Node]*graph.Node{}
	g.Scope("clip", func() {
		var norms []*graph.Node
		for _, net := range students {
			for _, q := range net.params {
				if !q.NeedsGrad {
					continue
				}
				// A tensor shared by both students is visited twice; the second visit sees what the first left.
				var norm *graph.Node
				if f := factors[q]; f != nil {
					norm = op.Mul(g, norms[indexOf(s.Clipped, q)], f)
					factors[q] = op.Mul(g, f, op.ClipFactor(g, norm, c.Optimizer.GradClip))
				} else {
					norm = op.Norm(g, s.Grads[q])
					factors[q] = op.ClipFactor(g, norm, c.Optimizer.GradClip)
				}
				s.Clipped = append(s.Clipped, q)
				norms = append(norms, norm)
			}
		}
		s.Norms = stack(g, norms)
	})
	g.Scope("adamw", func() {
		for _, q := range trained {
			m := g.State("adam_m/"+q.Name, false, q.Shape...)
			v := g.State("adam_v/"+q.Name, false, q.Shape...)
			s.Moments[q] = [2]*graph.Node{m, v}
			factor, hyper := factors[q], s.sched.optim
			if factor == nil {
				factor = one
			}
			if strings.HasSuffix(q.Name, "last_layer.weight_v") {
				hyper = s.sched.optimLast
			}
			op.AdamW(g, q, m, v, s.Grads[q], factor, hyper, op.AdamWAttrs{
				Beta1: c.Optimizer.Betas[0], Beta2: c.Optimizer.Betas[1], Eps: 1e-8,
				Decay: len(q.Shape) > 1 && !strings.HasSuffix(q.Name, ".bias"),
			})
		}
	})
}

func indexOf(list []*graph.Node, n *graph.Node) int {
	for i, q := range list {
		if q == n {
			return i
		}
	}
	return -1
}

// moveTeachers updates every teacher tensor towards its own modality's student (step 10). With shared teachers the blocks
// move twice, by the video momentum and then by the audio one.
func (s *Step) moveTeachers(g *graph.Graph) {
	g.Scope("ema", func() {
		for _, m := range []Modality{Video, Audio} {
			for _, q := range s.Params {
				rest, ok := strings.CutPrefix(q.Node.Name, netName(m, Teacher)+".")
				blocks := s.Config.blocksName(m, Teacher) + "."
				if strings.HasPrefix(q.Node.Name, blocks) {
					rest, ok = "backbone.encoder.blocks."+strings.TrimPrefix(q.Node.Name, blocks), true
				}
				if !ok {
					continue
				}
				op.EMA(g, q.Node, s.studentOf(g, m, rest), s.sched.ema[m])
			}
		}
	})
}

// studentOf finds a modality's student tensor by the rest of its name.
func (s *Step) studentOf(g *graph.Graph, m Modality, rest string) *graph.Node {
	name := netName(m, Student) + "." + rest
	if block, ok := strings.CutPrefix(rest, "backbone.encoder.blocks."); ok {
		name = s.Config.blocksName(m, Student) + "." + block
	}
	n := g.Lookup(name)
	if n == nil {
		graph.Failf("no student tensor %s", name)
	}
	return n
}

// teacherSource is the student tensor that a teacher tensor starts from, or nil.
func (s *Step) teacherSource(name string) *graph.Node {
	for _, m := range []Modality{Video, Audio} {
		if rest, ok := strings.CutPrefix(name, netName(m, Teacher)+"."); ok {
			return s.studentOf(s.Graph, m, rest)
		}
	}
	return nil
}

// Trainable counts the elements that AdamW updates.
func (s *Step) Trainable() int {
	n := 0
	for q := range s.Moments {
		n += q.Shape.Size()
	}
	return n
}

// WriteViews sets the data of one step: locals are joined view-major.
func (s *Step) WriteViews(e graph.Executor, m Modality, global []float32, locals [][]float32) error {
	if err := e.Write(s.In[m].Global, global); err != nil {
		return err
	}
	if len(locals) != s.Config.locals(m) {
		return fmt.Errorf("%d local %s views given, %d configured", len(locals), m, s.Config.locals(m))
	}
	if len(locals) == 0 {
		return nil
	}
	joined := locals[0]
	if len(locals) > 1 {
		joined = make([]float32, 0, s.In[m].Locals.Shape.Size())
		for _, l := range locals {
			joined = append(joined, l...)
		}
	}
	return e.Write(s.In[m].Locals, joined)
}

// WriteMask hides patches by noise [B,N]: per sample those with the least noise stay visible.
func (s *Step) WriteMask(e graph.Executor, m Modality, noise []float32) error {
	in := s.In[m]
	b, n, k := in.IDs.Shape[0], in.Mask.Shape[1], in.IDs.Shape[1]
	ids, inverse, mask := make([]float32, b*k), make([]float32, b*n), make([]float32, b*n)
	for i := 0; i < b; i++ {
		order := argsort(noise[i*n : (i+1)*n])
		for place, id := range order {
			inverse[i*n+id], mask[i*n+id] = -1, 1
			if place < k {
				ids[i*k+place] = float32(id)
				inverse[i*n+id], mask[i*n+id] = float32(place), 0
			}
		}
	}
	for _, w := range []struct {
		n *graph.Node
		v []float32
	}{{in.IDs, ids}, {in.Inverse, inverse}, {in.Mask, mask}} {
		if err := e.Write(w.n, w.v); err != nil {
			return err
		}
	}
	return nil
}
