package xkd

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/layers"
	"goxkd/media/views"
)

// How tokens become a sample's features, and what lies on these.
const (
	PoolMean       = "pool"       // mean of the patch tokens
	PoolCls        = "cls"        // the class token
	HeadClassifier = "classifier" // [L2] → [BatchNorm] → [dropout] → linear
	HeadLinear     = "linear"     // a linear layer alone
)

// Tune is what fine-tuning, or a linear probe, needs besides the rest of a configuration; without a modality the run
// pretrains. The views of the configuration are those that the classifier sees.
type Tune struct {
	Modality   string  `json:"modality"` // video, audio, or empty
	Classes    int     `json:"classes"`
	MultiLabel bool    `json:"multi_label"`
	Pool       string  `json:"pool"`
	Head       string  `json:"head"`
	L2         bool    `json:"l2"`
	BatchNorm  bool    `json:"batch_norm"`
	Dropout    float64 `json:"dropout"`
	Frozen     bool    `json:"frozen"` // the encoder: a linear probe
	LayerDecay float64 `json:"layer_decay"`
	Mixup      float64 `json:"mixup"`
	Cutmix     float64 `json:"cutmix"`
	Smoothing  float64 `json:"smoothing"`
	VideoGrid  [3]int  `json:"video_grid"` // tokens in pretraining: time, height, width; zeros: as the views here
	AudioGrid  [2]int  `json:"audio_grid"` // frequency, time
	TestClips  int     `json:"test_clips"` // spans of a test clip, evenly spaced
	TestCrops  int     `json:"test_crops"` // crops of each, along the frame's longer side
	TestMean   string  `json:"test_mean"`  // over them: softmax, logits
	Label      string  `json:"label"`      // column of labels
	Clips      int     `json:"clips"`      // labelled clips to train on; 0: all
	FoldName   string  `json:"fold_name"`  // expression whose first group is a clip's fold, in its file's name
}

// defaultTune is no fine-tuning.
var defaultTune = Tune{Pool: PoolMean, Head: HeadLinear, LayerDecay: 1, Classes: 2, TestClips: 1, TestCrops: 1, TestMean: MeanSoftmax}

// tunes tells that the run fine-tunes.
func (c Config) tunes() bool { return c.Tune.Modality != "" }

// modality is that of a run that fine-tunes.
func (t Tune) modality() Modality {
	if t.Modality == Audio.String() {
		return Audio
	}
	return Video
}

// grid is the table of positions of an encoder: the pretraining's where that is known.
func (t Tune) grid(m Modality, views []int) []int {
	pre := [][]int{t.VideoGrid[:], t.AudioGrid[:]}[m]
	if t.Modality == m.String() && pre[0] > 0 {
		return pre
	}
	return views
}

func (v *validator) tune(t Tune) {
	if t.Modality == "" {
		return
	}
	v.oneOf("tune.modality", t.Modality, Video.String(), Audio.String())
	v.oneOf("tune.pool", t.Pool, PoolMean, PoolCls)
	v.oneOf("tune.head", t.Head, HeadClassifier, HeadLinear)
	v.oneOf("tune.test_mean", t.TestMean, MeanSoftmax, MeanLogits, "")
	v.within("tune.test_clips", t.TestClips, 0, 1000)
	v.within("tune.test_crops", t.TestCrops, 0, 1000)
	v.within("tune.classes", t.Classes, 2, maxWidth)
	v.check(t.Dropout >= 0 && t.Dropout < 1, "tune.dropout", "is %g: must be in [0,1)", t.Dropout)
	v.check(t.LayerDecay > 0 && t.LayerDecay <= 1, "tune.layer_decay", "is %g: must be above 0 and at most 1", t.LayerDecay)
	v.check(t.Smoothing >= 0 && t.Smoothing < 1, "tune.smoothing", "is %g: must be in [0,1)", t.Smoothing)
	for path, a := range map[string]float64{"tune.mixup": t.Mixup, "tune.cutmix": t.Cutmix} {
		v.check(a >= 0 && a <= 100, path, "is %g: must be in 0..100", a)
	}
	for path, grid := range map[string][]int{"tune.video_grid": t.VideoGrid[:], "tune.audio_grid": t.AudioGrid[:]} {
		n := 1.0
		for _, k := range grid {
			v.check(k >= 0 && (k > 0) == (grid[0] > 0), path, "is %v: give whole numbers above 0, or only zeros", grid)
			n *= float64(k)
		}
		v.check(n <= maxTokens, path, "is %v, that is %.0f tokens: at most %d", grid, n, maxTokens)
	}
}

// classifier is a graph's encoder of one modality with the head of fine-tuning on it.
type classifier struct {
	layers.Classifier
	encoder layers.Encoder
	pool    string
}

// newClassifier declares the parameters; without training, all are frozen.
func newClassifier(c Config, p *layers.Params) classifier {
	m := c.Tune.modality()
	k := classifier{encoder: newBackbone(c, p, m, Student), pool: c.Tune.Pool}
	for _, q := range p.List {
		if c.Tune.Frozen {
			q.Trained = false
		}
		switch encoderPart(q.Name) {
		case "cls_token", "enc_pos_embed":
			q.Decay = false
		}
	}
	p.Trained = true
	k.Classifier = layers.Classifier{
		P: p, Name: "head", Plain: c.Tune.Head == HeadLinear, L2: c.Tune.L2, Norm: c.Tune.BatchNorm,
		Dim: c.Model.Encoder.Dim, Classes: c.Tune.Classes,
	}
	k.Declare()
	return k
}

// features pools an encoded view [B,D].
func (k classifier) features(g *graph.Graph, view layers.Patches) *graph.Node {
	encoded := k.encoder.Encode(view, nil)
	if k.pool == PoolMean {
		return encoded.Pooled(g)
	}
	if !k.encoder.Cls {
		graph.Failf("tune.pool is cls, and the encoder has no class token")
	}
	s := encoded.Tokens.Shape
	return g.Reshape(op.Slice(g, encoded.Tokens, 1, 0, 1), s[0], s[2])
}

// encoderPart is a parameter's name without that of its network.
func encoderPart(name string) string {
	if _, rest, ok := cutNetwork(name); ok {
		return strings.TrimPrefix(rest, "backbone.")
	}
	return name
}

// LayerID counts layers for layer-wise decay (docs/method.md, section 8.3): 0 for class token, positions and patch embedding,
// i+1 for block i, depth+1 for the final norm and the head.
func LayerID(name string, depth int) int {
	part := encoderPart(name)
	if rest, ok := strings.CutPrefix(part, "encoder.blocks."); ok {
		number, _, _ := strings.Cut(rest, ".")
		if i, err := strconv.Atoi(number); err == nil {
			return i + 1
		}
	}
	for _, first := range []string{"cls_token", "enc_pos_embed", "cuboid_embed.", "patch_embed."} {
		if strings.HasPrefix(part, first) {
			return 0
		}
	}
	return depth + 1
}

// LayerScale is what the learning rate of a layer is multiplied by: decay^(depth+1-id).
func (c Config) LayerScale(id int) float64 {
	return math.Pow(c.Tune.LayerDecay, float64(c.Model.Encoder.Depth+1-id))
}

// TuneInputs are the tensors of a step of fine-tuning that the caller writes, and its logits.
type TuneInputs struct {
	View    *graph.Node // [B,C,...], as In has it
	Targets *graph.Node // [B,Classes], shares or, with several labels, zeros and ones
	Keep    *graph.Node // [B,D], what dropout multiplies by; nil without dropout
	Weight  *graph.Node // [N,P], the partner's share of each element of the patches; nil without mixing
	Logits  *graph.Node // [B,Classes]
}

// mixes tells that samples are mixed with others of the batch.
func (c Config) mixes() bool { return c.Tune.Mixup > 0 || c.Tune.Cutmix > 0 }

// buildTune builds the graph of a step of fine-tuning (docs/method.md, section 8.3).
func (s *Step) buildTune(g *graph.Graph) {
	c := s.Config
	m, b := c.Tune.modality(), c.Train.Batch
	p := &layers.Params{G: g}
	k := newClassifier(c, p)
	s.Params = p.List
	var trained []*layers.Param
	for _, q := range p.List {
		if q.Trained {
			trained = append(trained, q)
		}
	}
	weights := p.PlaceInBanks("parameters", trained, bankLimit(trained, s.opt.Binding))
	p.PlaceAlone()
	in := &TuneInputs{
		View:    g.InputAs(m.String()+"_global", keptAs(m, s.opt.Floats), c.viewShape(m, false, b)...),
		Targets: g.Input("targets", b, c.Tune.Classes),
	}
	s.Tune, s.In[m].Global = in, in.View
	s.sched.optim = g.Input("optimizer", c.Model.Encoder.Depth+2, op.HyperSize)
	s.sched.share = g.Input("share", 1)
	if s.opt.Accumulate > 1 {
		s.sched.fresh = g.Input("fresh", 1)
	}
	if c.Tune.Dropout > 0 && c.Tune.Head == HeadClassifier {
		in.Keep = g.Input("keep", b, c.Model.Encoder.Dim)
	}
	view := layers.Patchify(g, in.View, k.encoder.Patch, pixels)
	if c.mixes() {
		view.Tokens = s.mixed(g, view.Tokens)
	}
	var after func()
	in.Logits, after = k.Train(k.features(g, view), in.Keep)
	var losses *graph.Node
	if c.Tune.MultiLabel {
		losses = op.LogisticLoss(g, in.Logits, in.Targets)
	} else {
		losses = op.SoftCrossEntropy(g, in.Targets, in.Logits, 1)
	}
	loss := op.Mean(g, losses)
	after()
	s.Losses = op.Scale(g, 1, loss)
	s.LossNames = []string{"loss"}
	grads := s.gradients(g, weights, loss)
	g.Begin(StageUpdate)
	// The gradients are not clipped: their norms tell whether they are finite.
	s.update(g, weights, grads, trained, math.MaxFloat32, func(q *layers.Param) int { return LayerID(q.Name, c.Model.Encoder.Depth) })
}

// mixed lays the reversed batch over the patches [B,N,P].
func (s *Step) mixed(g *graph.Graph, x *graph.Node) *graph.Node {
	b, n, width := x.Shape[0], x.Shape[1], x.Shape[2]
	s.Tune.Weight = g.Input("mix", n, width)
	back := make([]float32, b)
	for i := range back {
		back[i] = float32(b - 1 - i)
	}
	order := g.Const("reversed batch", back, 1, b)
	partner := g.Reshape(op.Gather(g, g.Reshape(x, 1, b, n*width), order, order), b, n, width)
	return op.Add(g, x, op.Mul(g, op.Sub(g, partner, x), s.Tune.Weight))
}

// writeRates writes the optimiser's rows, one for each layer.
func (s *Step) writeRates(e graph.Executor, v Schedule) error {
	c := s.Config
	var rows []float32
	for id := range c.Model.Encoder.Depth + 2 {
		scaled := v
		scaled.LR *= c.LayerScale(id)
		rows = append(rows, s.hyper(scaled, v.Step)...)
	}
	if err := e.Write(s.sched.optim, rows); err != nil {
		return err
	}
	return e.Write(s.sched.share, []float32{float32(1 / float64(max(v.Micro, 1)))})
}

// WriteTargets sets the targets [B,Classes] and, with dropout, the elements that stay [B,D], zeros and ones.
func (s *Step) WriteTargets(e graph.Executor, targets, keep []float32) error {
	if err := e.Write(s.Tune.Targets, targets); err != nil {
		return err
	}
	if s.Tune.Keep == nil {
		return nil
	}
	scaled := make([]float32, len(keep))
	for i, v := range keep {
		scaled[i] = float32(float64(v) / (1 - s.Config.Tune.Dropout))
	}
	return e.Write(s.Tune.Keep, scaled)
}

// Classifier is the graph of a fine-tuned network on test views.
type Classifier struct {
	Graph  *graph.Graph
	Params []*layers.Param
	View   *graph.Node // [B,C,...]
	Logits *graph.Node // [B,Classes]
}

// BuildClassifier builds the test graph of a configuration that fine-tunes, for so many views at a time. Compiled against the
// store of a trainer, it sees that trainer's weights.
func BuildClassifier(c Config, batch int, opt FeatureOptions) (*Classifier, error) {
	if !c.tunes() {
		return nil, fmt.Errorf("the configuration does not fine-tune: tune.modality is empty")
	}
	if err := c.validateNetwork(); err != nil {
		return nil, err
	}
	m, k := c.Tune.modality(), &Classifier{}
	g, err := graph.Build(func(g *graph.Graph) {
		p := &layers.Params{G: g}
		net := newClassifier(c, p)
		p.PlaceAlone()
		k.View = g.InputAs(m.String()+"_global", keptAs(m, opt.Floats), c.viewShape(m, false, batch)...)
		k.Logits = g.Keep(net.Test(net.features(g, layers.Patchify(g, k.View, net.encoder.Patch, pixels))))
		k.Params = p.List
	})
	k.Graph = g
	return k, err
}

// TuneFrom is the configuration that fine-tunes the encoder of another: its sizes and views, with the method's settings for
// the modality (docs/method.md, section 8.3).
func (c Config) TuneFrom(m Modality, classes int) Config {
	v, a := &c.Views.Video, &c.Views.Audio
	t := defaultTune
	t.Modality, t.Classes = m.String(), classes
	t.VideoGrid = [3]int{v.Global.Frames / v.Patch[0], v.Global.Size[0] / v.Patch[1], v.Global.Size[1] / v.Patch[2]}
	t.AudioGrid = [2]int{a.Mels / a.Patch[0], a.Global.Frames / a.Patch[1]}
	v.Locals, a.Locals = 0, 0
	c.Optimizer.Betas = [2]float64{0.9, 0.999}
	c.Optimizer.LR = 1e-3
	t.TestClips = 3
	if m == Video {
		t.Head, t.Dropout, t.LayerDecay, t.Smoothing, t.Mixup, t.Cutmix = HeadClassifier, 0.5, 0.75, 0.1, 0.6, 0.5
		t.TestCrops = 3
		c.Optimizer.WeightDecay = 0.05
		if c.Preset != "nano" { // it keeps those of its pretraining: in small frames, crops of a fifth and boxes of noise hide what moves
			v.Global.Augment = views.VideoAug{Scale: [2]float64{0.2, 0.766}, Ratio: [2]float64{3.0 / 4, 4.0 / 3}, Flip: 0.5, RandAugment: true, Erase: 0.25}
		}
	} else {
		t.LayerDecay = 0.65
		c.Optimizer.WeightDecay = 0.005
		canvas := a.Global.Augment
		share := func(n, of, recipe int) int { return max(1, n*of/recipe) } // the recipe's masks, of the same share of smaller log-mels
		a.Global.Augment = views.AudioAug{
			Gain: 0.2, ResizeCrop: true, CanvasFreq: 1, CanvasTime: 1.5, FreqScale: [2]float64{0.6, 1.5}, TimeScale: [2]float64{0.6, 1.5},
			StartStep: canvas.StartStep,
			SpecAugment: views.SpecAugment{
				TimeWarp:  min(share(20, a.Global.Frames, 448), (a.Global.Frames-3)/2),
				FreqMasks: 2, FreqMaskWidth: min(share(10, a.Mels, 80), a.Mels),
				TimeMasks: 2, TimeMaskWidth: min(share(20, a.Global.Frames, 448), a.Global.Frames),
			},
		}
	}
	c.Schedule = Courses{LR: Course{WarmUp: 0.1}, WeightDecay: Course{Start: 1, Final: 1}}
	c.Train.FreezeLastLayer, c.Train.Accumulate, c.Train.Modality = 0, 1, ""
	c.Data.Split, c.Data.Fold, c.Data.Root = "", 1, "" // of other clips than these
	c.Tune = t
	return c
}

// Begin takes the encoder's first weights from a file; the head's are drawn.
func (t *Trainer) Begin(l *Loaded, r Role) error {
	m := t.Config.Tune.modality()
	if err := l.lacks(m, r); err != nil {
		return err
	}
	theirs := layers.Params{}
	from := newBackbone(l.Config, &theirs, m, r)
	ours := layers.Params{}
	to := newBackbone(t.Config, &ours, m, Student)
	if from.Size != to.Size || from.Cls != to.Cls {
		return fmt.Errorf("%s: %w: its encoder has width, depth, heads and class token %v, %v, the run's %v, %v", l.Path, ErrContradiction, from.Size, from.Cls, to.Size, to.Cls)
	}
	states := t.Step.States()
	for i, q := range ours.List {
		node := states[q.Name]
		data, err := l.tensorAs(node, theirs.List[i].Name)
		if err != nil {
			return err
		}
		if err := t.exec.Write(node, data); err != nil {
			return err
		}
	}
	return nil
}
