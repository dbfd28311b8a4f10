package xkd

import (
	"context"
	"errors"
	"fmt"

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
	norms  []float32
	first  float64 // size of the first loss, 0 before it is known
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
	mean := make(Losses, len(t.Step.LossNames))
	n := t.MicroBatches()
	if len(batches) != n {
		return mean, fmt.Errorf("%d batches for a step of %d micro-batches", len(batches), n)
	}
	schedule := t.Config.At(t.done)
	schedule.Micro = n
	if err := t.Step.WriteSchedule(t.exec, schedule); err != nil {
		return mean, err
	}
	for i, b := range batches {
		losses, err := t.micro(ctx, t.Step, t.exec, b, i)
		if err != nil {
			return losses, err
		}
		if k := notFinite(losses); k >= 0 {
			return losses, &DivergedError{Step: t.done + 1, What: LossNames[k], Value: losses[k], Micro: i, LR: t.Config.Optimizer.LR}
		}
		for k, v := range losses {
			mean[k] += v / float32(n)
		}
	}
	if err := t.exec.Run(ctx, StageUpdate); err != nil {
		return mean, err
	}
	if err := t.checkNorms(); err != nil {
		return mean, err
	}
	if err := t.checkLoss(mean[0]); err != nil {
		return mean, err
	}
	t.done++
	return mean, nil
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

// micro adds the gradients of one micro-batch to the step's, which is the trainer's own or another of the same configuration.
func (t *Trainer) micro(ctx context.Context, step *Step, exec graph.Executor, b *views.Batch, i int) (losses Losses, err error) {
	c, n := t.Config, step.MicroBatches()
	if b.B != c.Train.Batch {
		return losses, fmt.Errorf("a batch of %d clips, expected %d", b.B, c.Train.Batch)
	}
	if step.Tune != nil {
		if err := step.feed(exec, b, t.labels, t.done*n+i); err != nil {
			return losses, err
		}
		return t.runMicro(ctx, step, exec, i)
	}
	global, locals := viewsOfBatch(b)
	for _, m := range c.modalities() {
		if err := step.WriteViews(exec, m, global[m], locals[m]); err != nil {
			return losses, err
		}
		if err := step.WriteMask(exec, m, c.maskNoise(m, c.Train.Seed, t.done*n+i, c.Train.Batch)); err != nil {
			return losses, err
		}
	}
	return t.runMicro(ctx, step, exec, i)
}

// runMicro computes the gradients of the inputs that were written.
func (t *Trainer) runMicro(ctx context.Context, step *Step, exec graph.Executor, i int) (Losses, error) {
	losses := make(Losses, len(step.LossNames))
	if err := step.WriteMicro(exec, i); err != nil {
		return losses, err
	}
	if err := exec.Run(ctx, StageGradients); err != nil {
		return losses, err
	}
	return losses, exec.Read(step.Losses, losses)
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
