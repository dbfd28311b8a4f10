package xkd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// Losses are one step's loss parts, in the order of LossNames; fine-tuning and the training of one modality alone have the first only.
type Losses []float32

// Map gives the losses by name.
func (l Losses) Map() map[string]float32 {
	out := make(map[string]float32, len(l))
	for i, v := range l {
		out[LossNames[i]] = v
	}
	return out
}

// Trainer runs training steps on one device.
type Trainer struct {
	Config Config
	Step   *Step
	dev    graph.Device
	device string
	driver string
	store  graph.Store
	exec   graph.Executor
	done   int    // steps so far
	clips  int    // in the data set, once it is known
	digest string // of the data set
	labels media.Source
	norms  []float32 // of the last step's gradients
	ahead  *underway // the step that the device has begun, if any
	first  float64   // size of the first loss, 0 before it is known
}

// New builds a configuration's step, allocates it on the device and draws the first weights. Errors are FieldErrors for
// settings that cannot be, and graph.ErrTooLarge for what does not fit.
func New(c Config, dev graph.Device) (*Trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	step, err := BuildStep(c, StepOptions{Binding: dev.Binding(), Accumulate: c.Train.Accumulate})
	if err != nil {
		return nil, err
	}
	t := &Trainer{Config: c, Step: step, dev: dev, device: dev.Name(), driver: dev.Driver(), store: dev.NewStore()}
	if t.exec, err = dev.Compile(step.Graph, graph.PlanOptions{Store: t.store}); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the training step on %s: %w", dev.Name(), err), t.store.Close())
	}
	if err := step.Initialize(t.exec, c.Train.Seed); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// Store keeps the trainer's states: other graphs compiled against it see the weights as they train.
func (t *Trainer) Store() graph.Store { return t.store }

// Bytes is the device memory held.
func (t *Trainer) Bytes() int64 { return t.exec.Bytes() + t.store.Bytes() }

// Close frees the device's memory.
func (t *Trainer) Close() error { return errors.Join(t.exec.Close(), t.store.Close()) }

// MicroBatches is the number of batches that a step takes.
func (t *Trainer) MicroBatches() int { return t.Step.MicroBatches() }

// Train runs one step on its micro-batches, one after the other, and gives the means of their losses. The masks depend on
// the seed and the number of the micro-batch alone. What is not finite, or has left all
// bounds, is a DivergedError. An error leaves the trainer unusable: go back to a checkpoint.
func (t *Trainer) Train(ctx context.Context, batches ...*views.Batch) (Losses, error) {
	return t.TrainAhead(ctx, batches, nil)
}

// TrainAhead is Train that has the device begin the step after it, on the batches that follow, as soon as this one's are
// done with: the host checks this one's figures meanwhile. If the next step is given others, what was begun is dropped. The figures
// are those of Train; what the device holds besides its states is the next step's when it returns.
func (t *Trainer) TrainAhead(ctx context.Context, batches, following []*views.Batch) (Losses, error) {
	n := t.MicroBatches()
	none := make(Losses, len(t.Step.LossNames))
	if len(batches) != n || following != nil && len(following) != n {
		return none, fmt.Errorf("%d batches for a step of %d micro-batches", len(batches), n)
	}
	s := t.ahead
	t.ahead = nil
	if s == nil || s.at != t.done || !slices.Equal(s.batches, batches) {
		s = &underway{at: t.done, batches: batches}
		if err := t.begin(ctx, s); err != nil {
			return none, err
		}
	}
	if err := t.update(ctx, s); err != nil {
		return s.mean, err
	}
	if following != nil {
		t.ahead = &underway{at: t.done + 1, batches: following}
		if err := t.begin(ctx, t.ahead); err != nil {
			return s.mean, err
		}
	}
	if err := s.takeNorms(); err != nil {
		return s.mean, err
	}
	if err := t.checkNorms(s.norms); err != nil {
		return s.mean, err
	}
	if err := t.checkLoss(s.mean[0]); err != nil {
		return s.mean, err
	}
	t.norms = s.norms
	t.done++
	return s.mean, nil
}

// Overlaps tells whether TrainAhead gains anything over Train on the trainer's device.
func (t *Trainer) Overlaps() bool { return t.dev.Overlaps() }

// underway is a step between its beginning and its end.
type underway struct {
	at         int // steps before it
	batches    []*views.Batch
	mean       Losses // of its micro-batches
	micro      Losses // of the micro-batch that was started last
	takeLosses func() error
	norms      []float32
	takeNorms  func() error
}

// begin has the device start on the step's first micro-batch.
func (t *Trainer) begin(ctx context.Context, s *underway) error {
	schedule := t.Config.At(s.at)
	schedule.Micro = t.MicroBatches()
	s.mean = make(Losses, len(t.Step.LossNames))
	if err := t.Step.WriteSchedule(t.exec, schedule); err != nil {
		return err
	}
	return t.start(ctx, s, 0)
}

// start has it start on micro-batch i.
func (t *Trainer) start(ctx context.Context, s *underway, i int) (err error) {
	if err := t.write(t.Step, t.exec, s.batches[i], s.at, i); err != nil {
		return err
	}
	if err := graph.StartOn(ctx, t.exec, StageGradients); err != nil {
		return err
	}
	s.micro = make(Losses, len(t.Step.LossNames))
	s.takeLosses, err = graph.FetchFrom(t.exec, t.Step.Losses, s.micro)
	return err
}

// update has the device go through the rest of the micro-batches, sees that all losses are finite, and has it start on the update.
func (t *Trainer) update(ctx context.Context, s *underway) error {
	n := t.MicroBatches()
	for i := range n {
		losses, take := s.micro, s.takeLosses
		if i+1 < n {
			if err := t.start(ctx, s, i+1); err != nil {
				return err
			}
		}
		if err := take(); err != nil {
			return err
		}
		if k := notFinite(losses); k >= 0 {
			s.mean = losses
			return &DivergedError{Step: s.at + 1, What: LossNames[k], Value: losses[k], Micro: i, LR: t.Config.Optimizer.LR}
		}
		for k, v := range losses {
			s.mean[k] += v / float32(n)
		}
	}
	if err := graph.StartOn(ctx, t.exec, StageUpdate); err != nil {
		return err
	}
	s.norms = make([]float32, t.Step.norms.Shape.Size())
	var err error
	s.takeNorms, err = graph.FetchFrom(t.exec, t.Step.norms, s.norms)
	return err
}

// HostTimes are what the host has spent on the step's device since the trainer was made; false where it keeps no account.
func (t *Trainer) HostTimes() (graph.HostTimes, bool) {
	h, ok := t.exec.(graph.HostTimer)
	if !ok {
		return graph.HostTimes{}, false
	}
	return h.HostTimes(), true
}

// Profile runs both stages of a step once more, on the views that were written last, and gives the time of each node. It is
// for measuring: the step is not counted. Where the device cannot, the error is errors.ErrUnsupported.
func (t *Trainer) Profile(ctx context.Context) ([]graph.NodeTime, error) {
	p, ok := t.exec.(graph.Profiler)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return p.Profile(ctx)
}

// write writes what micro-batch i of the step after at others needs, for the trainer's step or another of the same configuration.
func (t *Trainer) write(step *Step, exec graph.Executor, b *views.Batch, at, i int) error {
	c, n := t.Config, step.MicroBatches()
	if b.B != c.Train.Batch {
		return fmt.Errorf("a batch of %d clips, expected %d", b.B, c.Train.Batch)
	}
	if step.Tune != nil {
		if err := step.feed(exec, b, t.labels, at*n+i); err != nil {
			return err
		}
		return step.WriteMicro(exec, i)
	}
	global, locals := viewsOfBatch(b)
	for _, m := range c.modalities() {
		if err := step.WriteViews(exec, m, global[m], locals[m]); err != nil {
			return err
		}
		if err := step.WriteMask(exec, m, c.maskNoise(m, c.Train.Seed, at*n+i, c.Train.Batch)); err != nil {
			return err
		}
	}
	return step.WriteMicro(exec, i)
}

// viewsOfBatch are a batch's views by modality.
func viewsOfBatch(b *views.Batch) (global [2]View, locals [2][]View) {
	global = [2]View{{Bytes: b.VideoGlobal}, {Floats: b.AudioGlobal}}
	for _, l := range b.VideoLocal {
		locals[Video] = append(locals[Video], View{Bytes: l})
	}
	for _, l := range b.AudioLocal {
		locals[Audio] = append(locals[Audio], View{Floats: l})
	}
	return global, locals
}
