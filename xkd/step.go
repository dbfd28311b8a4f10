package xkd

import (
	"fmt"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
)

// The stages of a step: the gradients of a micro-batch are added to the gradients' banks, then all states are updated.
const (
	StageGradients graph.Stage = iota
	StageUpdate
)

// ModalityInputs are the tensors of one modality that the caller writes before each step.
type ModalityInputs struct {
	Global  *graph.Node // [B,C,...]; video may be kept as bytes
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
	// Micro is the number of micro-batches whose gradients are averaged; 0 means one.
	Micro int
}

// scheduleInputs are its tensors.
type scheduleInputs struct {
	optim  *graph.Node // [2,op.HyperSize]: the heads' last layers in the second row
	ema    *graph.Node // [2], by modality
	temp   [2]*graph.Node
	centre [2]*graph.Node
	share  *graph.Node // of a micro-batch in the step, [1]
	fresh  *graph.Node // 1 at a step's first micro-batch, [1]; nil where there is but one
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
	Losses    *graph.Node
	LossNames []string
	// Tune are further inputs of a step that fine-tunes, else nil.
	Tune *TuneInputs
	// Params are the model's parameters: students, teachers, decoders.
	Params []*layers.Param
	// Centres of the teachers' outputs, by modality.
	Centres [2]*graph.Node
	// Gradients are the banks that hold the sums over micro-batches of all that has to be averaged between stages: the
	// gradients before clipping and the means of the teachers' outputs. Who exchanges them between machines reads and writes
	// them between the stages, with Schedule.Micro counting the micro-batches of all.
	Gradients []*graph.Node
	// Grads are the sums of gradients in those banks, by parameter.
	Grads map[*layers.Param]*graph.Node
	// Clipped are the students' tensors in the order in which they are clipped, and Norms [len(Clipped)] the norms of
	// their gradients before that.
	Clipped []*layers.Param
	Norms   *graph.Node
	// Outputs of the heads, by role and modality: teachers [B,K], students [V·B,K].
	Outputs [2][2]*graph.Node
	// Pooled are the students' features of the masked global views, by modality [B,D].
	Pooled [2]*graph.Node
	opt    StepOptions
	means  [2]*graph.Node // of the teachers' outputs, by modality
	// norms [len(normed)] are those of the gradients of all that is trained, decoders too, before clipping.
	norms  *graph.Node
	normed []*layers.Param
}

// StepOptions shape the graph of a step.
type StepOptions struct {
	// Keep has every gradient and clipped norm kept for reading after a run; otherwise only the losses and the gradients' norms are.
	Keep bool
	// Accumulate is the number of micro-batches of a step, at least 1; with more than one, gradients are summed in banks of
	// their own.
	Accumulate int
	// Binding is the greatest number of bytes of one bank, as graph.Device has it.
	Binding int64
	// Floats has video views written as normalised float32 instead of bytes, to replay recorded steps.
	Floats bool
}

// Parameters lie in about a dozen banks, of bankBytes at least: memory for gradients is held from a bank's first gradient on,
// so that fewer banks take more memory, and more take more dispatches.
const (
	bankCount = 12
	bankBytes = 4 << 20
)

// bankLimit is the greatest size of a bank, where the device allows binding bytes.
func bankLimit(params []*layers.Param, binding int64) int64 {
	var total int64
	for _, q := range params {
		total += int64(q.Shape.Size()) * 4
	}
	limit := max(total/bankCount, bankBytes)
	if binding > 0 {
		limit = min(limit, binding)
	}
	return limit
}

// BuildStep builds the graph of one training step (docs/method.md, section 1), of one modality alone where the configuration
// says so, or of a step that fine-tunes (section 8.3).
func BuildStep(c Config, opt StepOptions) (*Step, error) {
	if err := c.validateNetwork(); err != nil {
		return nil, err
	}
	opt.Accumulate = max(opt.Accumulate, 1)
	s := &Step{Config: c, Grads: map[*layers.Param]*graph.Node{}, opt: opt}
	build := s.build
	if _, alone := c.alone(); alone {
		build = s.buildAlone
	}
	if c.tunes() {
		build = s.buildTune
	}
	g, err := graph.Build(build)
	if err != nil {
		return nil, err
	}
	s.Graph = g
	g.Keep(s.Losses)
	g.Keep(s.norms)
	for m := range s.Pooled { // small, and what Health is computed of
		for _, n := range []*graph.Node{s.Pooled[m], s.Outputs[Teacher][m]} {
			if n != nil {
				g.Keep(n)
			}
		}
	}
	if opt.Keep {
		g.Keep(s.Norms)
		for _, b := range s.Gradients {
			g.Keep(b)
		}
	}
	return s, nil
}

func (s *Step) build(g *graph.Graph) {
	c := s.Config
	p := &layers.Params{G: g}
	s.inputs(g)
	var nets [2][2]network // role, modality
	var decoders [2]layers.Decoder
	for _, m := range []Modality{Video, Audio} {
		nets[Student][m] = newNetwork(c, p, m, Student)
	}
	for _, m := range []Modality{Video, Audio} {
		decoders[m] = newDecoder(c, p, m, nets[Student][m])
	}
	trained := len(p.List)
	for _, m := range []Modality{Video, Audio} {
		nets[Teacher][m] = newNetwork(c, p, m, Teacher)
		nets[Teacher][m].follow(nets[Student][m], m)
	}
	s.Params = p.List
	limit := bankLimit(p.List[:trained], s.opt.Binding)
	weights := p.PlaceInBanks("parameters", p.List[:trained], limit)
	teachers := p.PlaceInBanks("teachers", p.List[trained:], limit)
	s.Centres = [2]*graph.Node{
		g.State("vt2as_ce_loss.center", false, 1, c.Model.Head.Out),
		g.State("at2vs_ce_loss.center", false, 1, c.Model.Head.Out),
	}

	views := s.views(g, nets[Student])
	// Teachers first: what they leave behind is small, and the students' activations are not there yet.
	s.teachers(g, nets[Teacher], views)
	var recon [2]*graph.Node
	for _, m := range []Modality{Video, Audio} {
		g.Scope(netName(m, Student), func() {
			s.Outputs[Student][m], recon[m] = s.student(g, m, nets[Student][m], decoders[m], views[m])
		})
	}

	// The losses (docs/method.md, steps 5 to 7).
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
	w := c.Loss
	sum := w.Align + w.KD + w.Recon
	parts := []*graph.Node{align[Student], align[Teacher], kd[Video], kd[Audio], recon[Video], recon[Audio]}
	shares := []float64{w.Align / sum / 2, w.Align / sum / 2, w.KD / sum / 2, w.KD / sum / 2, w.Recon / sum / 2, w.Recon / sum / 2}
	total := op.LinComb(g, shares, parts...)
	s.Losses = allLosses(g, shares, parts)

	s.LossNames = LossNames
	for m := range s.means {
		s.means[m] = op.MeanAxis(g, out[Teacher][m], 0)
	}
	grads := s.gradients(g, weights, total)
	g.Begin(StageUpdate)
	var clipped []*layers.Param
	for _, net := range nets[Student] {
		for _, q := range net.params {
			// A tensor shared by both students is visited twice; the second visit sees what the first left.
			if q.Trained {
				clipped = append(clipped, q)
			}
		}
	}
	s.update(g, weights, grads, clipped, c.Optimizer.GradClip, func(q *layers.Param) int {
		if q.FrozenFirst {
			return 1
		}
		return 0
	})
	s.moveTeachers(g, teachers, weights)
	for m, centre := range s.Centres {
		mean := op.Mul(g, s.means[m], s.sched.share)
		op.EMA(g, centre, g.Reshape(mean, 1, c.Model.Head.Out), s.sched.centre[m])
	}
}

// patched are the patches of one modality's views; each view is cut once.
type patched struct{ global, locals layers.Patches }

func (s *Step) views(g *graph.Graph, nets [2]network) (out [2]patched) {
	for m := range out {
		g.Scope(Modality(m).String()+"_views", func() {
			out[m].global = layers.Patchify(g, s.In[m].Global, nets[m].Patch, pixels)
			if s.In[m].Locals != nil {
				out[m].locals = layers.Patchify(g, s.In[m].Locals, nets[m].Patch, pixels)
			}
		})
	}
	return out
}

// allLosses are the total, the means of the three pairs of parts, and the parts themselves, as LossNames has them.
func allLosses(g *graph.Graph, shares []float64, parts []*graph.Node) *graph.Node {
	n := len(parts)
	m := make([]float32, len(LossNames)*n)
	for i, w := range shares {
		m[i] = float32(w)
		m[(1+i/2)*n+i] = 0.5
		m[(1+n/2+i)*n+i] = 1
	}
	mix := g.Const("mix of losses", m, len(LossNames), n)
	return g.Reshape(op.MatMul(g, mix, g.Reshape(op.Concat(g, 0, parts...), n, 1), nil, false, false), len(LossNames))
}

func (s *Step) inputs(g *graph.Graph) {
	c := s.Config
	_, alone := c.alone()
	for _, m := range c.modalities() {
		n, k := c.tokens(m), Kept(c.tokens(m), c.mask(m))
		kept := keptAs(m, s.opt.Floats)
		in := ModalityInputs{
			Global:  g.InputAs(m.String()+"_global", kept, c.viewShape(m, false, c.Train.Batch)...),
			IDs:     g.Input(m.String()+"_visible", c.Train.Batch, k),
			Inverse: g.Input(m.String()+"_inverse", c.Train.Batch, n),
			Mask:    g.Input(m.String()+"_mask", c.Train.Batch, n),
		}
		if v := c.locals(m); v > 0 {
			in.Locals = g.InputAs(m.String()+"_locals", kept, c.viewShape(m, true, v*c.Train.Batch)...)
		}
		s.In[m] = in
		if !alone {
			s.sched.temp[m] = g.Input(m.String()+"_teacher_temp", 1)
			s.sched.centre[m] = g.Input(m.String()+"_centre_momentum", 1)
		}
	}
	s.sched.ema = g.Input("ema", 2)
	s.sched.optim = g.Input("optimizer", 2, op.HyperSize)
	s.sched.share = g.Input("share", 1)
	if s.opt.Accumulate > 1 {
		s.sched.fresh = g.Input("fresh", 1)
	}
}

// student runs one student: the masked global pass with its reconstruction, and the local views; it returns the head's
// outputs [V·B,K], view-major, nil where the modality is trained alone, and the reconstruction loss.
func (s *Step) student(g *graph.Graph, m Modality, net network, dec layers.Decoder, views patched) (out, recon *graph.Node) {
	c, in := s.Config, s.In[m]
	visible := layers.Visible{IDs: in.IDs, Inverse: in.Inverse}
	var pooled *graph.Node
	g.Scope("views", func() {
		var encoded layers.Encoded
		if in.Locals != nil {
			var locals layers.Encoded
			encoded, locals = net.EncodeBoth(views.global, &visible, views.locals)
			s.Pooled[m] = encoded.Pooled(g)
			pooled = op.Concat(g, 0, s.Pooled[m], locals.Pooled(g))
		} else {
			encoded = net.Encode(views.global, &visible)
			s.Pooled[m] = encoded.Pooled(g)
			pooled = s.Pooled[m]
		}
		g.Scope("decoder", func() {
			hidden := c.Train.Batch * (c.tokens(m) - Kept(c.tokens(m), c.mask(m)))
			recon = layers.Reconstruction(g, dec.Decode(encoded.Tokens, visible, in.Mask), views.global.Tokens, in.Mask, hidden)
		})
	})
	if _, alone := c.alone(); alone {
		return nil, recon
	}
	g.Scope("head", func() { out = layers.Head(net.P, net.head, pooled, layers.HeadSize(c.Model.Head)) })
	return out, recon
}

// teachers runs both teachers and refines their features by each other's attention, unless that is left out.
func (s *Step) teachers(g *graph.Graph, nets [2]network, views [2]patched) {
	c := s.Config
	var features, attention [2]*graph.Node
	for m := range nets {
		net := &nets[m]
		g.Scope(netName(Modality(m), Teacher), func() {
			view := views[m].global
			if c.Model.TeacherView == TeacherLocal0 {
				view = views[m].locals.First(g, c.Train.Batch)
			}
			encoded := net.Encode(view, nil)
			features[m] = encoded.PatchTokens(g)
			if c.Model.Refine != RefineNone {
				attention[m] = net.TokenAttention(encoded)
			}
		})
	}
	for m := range nets {
		g.Scope(netName(Modality(m), Teacher)+"/refine", func() {
			var f *graph.Node
			if c.Model.Refine == RefineNone {
				f = op.MeanAxis(g, features[m], 1)
			} else {
				f = layers.Refine(g, features[m], attention[m], attention[1-m], c.Model.Refine == RefineSoftmax)
			}
			s.Outputs[Teacher][m] = layers.Head(nets[m].P, nets[m].head, f, layers.HeadSize(c.Model.Head))
		})
	}
}

// gradients adds the gradients of the loss and the means of the teachers' outputs to the gradients' banks, which are laid out
// as the parameters' are with a last one for the means. They are computed in place; with several micro-batches they are then
// added to banks that are kept between runs. It gives the banks in that order.
func (s *Step) gradients(g *graph.Graph, weights []layers.Bank, loss *graph.Node) []*graph.Node {
	var trained []*layers.Param
	var nodes []*graph.Node
	for _, q := range s.Params {
		if q.Trained {
			trained, nodes = append(trained, q), append(nodes, q.Node)
		}
	}
	one := g.Const("one", []float32{1}, 1)
	fresh := map[*layers.Param]*graph.Node{}
	for i, d := range g.Gradients(loss, one, nodes) {
		if d == nil {
			graph.Failf("%s has no part in the loss", trained[i].Name)
		}
		fresh[trained[i]] = d
	}
	k := s.Config.Model.Head.Out
	meanSize := graph.Blocks(k) * graph.BlockSize
	several := s.opt.Accumulate > 1
	banks := func(prefix string, transient bool) (list []*graph.Node) {
		for i, w := range weights {
			list = append(list, g.NewBank(fmt.Sprintf("%s/%d", prefix, i), w.Node.Shape.Size(), transient))
		}
		if s.means[0] != nil {
			list = append(list, g.NewBank(prefix+"/means", 2*meanSize, transient))
		}
		return list
	}
	place := func(prefix string, list []*graph.Node, each func(q *layers.Param, at *graph.Node), mean func(m Modality, at *graph.Node)) {
		for i, w := range weights {
			for j, q := range w.Params {
				if q.Trained {
					each(q, g.InBank(list[i], prefix+"/"+q.Name, false, w.Spans[j].Offset, q.Shape...))
				}
			}
		}
		for _, m := range []Modality{Video, Audio} {
			if s.means[m] == nil {
				continue
			}
			mean(m, g.InBank(list[len(list)-1], prefix+"/"+netName(m, Teacher)+".mean", false, int(m)*meanSize, k))
		}
	}
	prefix := "gradient"
	if several {
		prefix = "micro_gradient"
	}
	list := banks(prefix, true)
	place(prefix, list,
		func(q *layers.Param, at *graph.Node) { storeIn(g, fresh[q], at); s.Grads[q] = at },
		func(m Modality, at *graph.Node) { storeIn(g, s.means[m], at); s.means[m] = at })
	if several {
		sums := banks("gradient", false)
		for i, b := range list {
			op.Accumulate(g, sums[i], b, s.sched.fresh)
		}
		list = sums
		place("gradient", list,
			func(q *layers.Param, at *graph.Node) { s.Grads[q] = at },
			func(m Modality, at *graph.Node) { s.means[m] = at })
	}
	s.Gradients = list
	return list
}

// storeIn keeps x in a place of a bank: where it is computed, or as a copy where others read it too.
func storeIn(g *graph.Graph, x, at *graph.Node) {
	if r := x.Root(); !r.Computed() || r.Into() != nil || g.Readers(r) > 0 {
		x = op.Scale(g, 1, x)
	}
	g.StoreIn(x, at)
}

// update clips the gradients of some tensors, each to a norm of most, and runs AdamW with a row of the optimiser's input for
// each tensor (docs/method.md, E13 and E14).
func (s *Step) update(g *graph.Graph, weights []layers.Bank, grads []*graph.Node, clipped []*layers.Param, most float64, row func(*layers.Param) int) {
	c := s.Config
	var tensors []op.BankTensor
	number := map[*layers.Param]int{}
	for i, w := range weights {
		for j, q := range w.Params {
			if q.Trained {
				number[q] = len(tensors)
				s.normed = append(s.normed, q)
				tensors = append(tensors, op.BankTensor{Bank: i, Span: w.Spans[j]})
			}
		}
	}
	var factors *graph.Node
	g.Scope("clip", func() {
		s.norms = op.BankNorms(g, grads[:len(weights)], s.sched.share, tensors)
		attrs := op.ClipAttrs{Max: most}
		s.Clipped = clipped
		for _, q := range clipped {
			attrs.Visits = append(attrs.Visits, number[q])
		}
		factors, s.Norms = op.Clip(g, s.norms, s.sched.share, attrs)
	})
	g.Scope("adamw", func() {
		first := s.moments(g, "adam_m", weights)
		second := s.moments(g, "adam_v", weights)
		for i, w := range weights {
			attrs := op.AdamWAttrs{Beta1: c.Optimizer.Betas[0], Beta2: c.Optimizer.Betas[1], Eps: 1e-8}
			for j, q := range w.Params {
				if !q.Trained {
					continue
				}
				attrs.Tensors = append(attrs.Tensors, op.AdamWTensor{Span: w.Spans[j], Factor: number[q], Decay: q.Decay, Row: row(q)})
			}
			op.AdamW(g, w.Node, first[i], second[i], grads[i], factors, s.sched.optim, attrs)
		}
	})
}

// moments makes banks for one of AdamW's moments, laid out as the parameters' are.
func (s *Step) moments(g *graph.Graph, prefix string, weights []layers.Bank) (list []*graph.Node) {
	for i, w := range weights {
		b := g.NewBank(fmt.Sprintf("%s/%d", prefix, i), w.Node.Shape.Size(), false)
		list = append(list, b)
		for j, q := range w.Params {
			if q.Trained {
				g.InBank(b, prefix+"/"+q.Name, false, w.Spans[j].Offset, q.Shape...)
			}
		}
	}
	return list
}

// moveTeachers updates every teacher tensor towards its own modality's student (docs/method.md, E15). With shared teachers the blocks
// move twice, by the video momentum and then by the audio one.
func (s *Step) moveTeachers(g *graph.Graph, teachers, weights []layers.Bank) {
	type place struct{ bank, offset int }
	student := map[*layers.Param]place{}
	for i, w := range weights {
		for j, q := range w.Params {
			student[q] = place{i, w.Spans[j].Offset}
		}
	}
	g.Scope("ema", func() {
		for _, t := range teachers {
			spans := make([][]op.EMASpan, len(weights))
			for j, q := range t.Params {
				from := student[q.Student]
				spans[from.bank] = append(spans[from.bank], op.EMASpan{
					To: t.Spans[j].Offset, From: from.offset, Size: t.Spans[j].Size,
					First: q.Follows[Video], Second: q.Follows[Audio],
				})
			}
			for i, list := range spans {
				if list != nil {
					op.BankEMA(g, t.Node, weights[i].Node, s.sched.ema, list)
				}
			}
		}
	})
}

// MicroBatches is the number of micro-batches of a step.
func (s *Step) MicroBatches() int { return s.opt.Accumulate }

// Trainable counts the elements that AdamW updates.
func (s *Step) Trainable() int {
	n := 0
	for _, q := range s.Params {
		if q.Trained {
			n += q.Shape.Size()
		}
	}
	return n
}

// View holds the elements of a view, as float32 or as bytes; one of them is nil.
type View struct {
	Floats []float32
	Bytes  []byte
}

// writeViews sets an input to views one after the other.
func writeViews(e graph.Executor, n *graph.Node, list ...View) error {
	if n.Type == graph.Uint8 {
		return e.WriteBytes(n, joinViews(list, func(v View) []byte { return v.Bytes }))
	}
	return e.Write(n, joinViews(list, func(v View) []float32 { return v.Floats }))
}

func joinViews[T any](list []View, of func(View) []T) []T {
	if len(list) == 1 {
		return of(list[0])
	}
	var all []T
	for _, v := range list {
		all = append(all, of(v)...)
	}
	return all
}

// keptAs is how a modality's views are kept on the device.
func keptAs(m Modality, floats bool) graph.Type {
	if m == Video && !floats {
		return graph.Uint8
	}
	return graph.Float32
}

// WriteViews sets the data of one step: locals are joined view-major.
func (s *Step) WriteViews(e graph.Executor, m Modality, global View, locals []View) error {
	if err := writeViews(e, s.In[m].Global, global); err != nil {
		return err
	}
	if len(locals) != s.Config.locals(m) {
		return fmt.Errorf("%d local %s views given, %d configured", len(locals), m, s.Config.locals(m))
	}
	if len(locals) == 0 {
		return nil
	}
	return writeViews(e, s.In[m].Locals, locals...)
}

// WriteMask hides patches by noise [B,N]: per sample those with the least noise stay visible.
func (s *Step) WriteMask(e graph.Executor, m Modality, noise []float32) error {
	return writeMask(e, s.In[m], noise)
}

func writeMask(e graph.Executor, in ModalityInputs, noise []float32) error {
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
