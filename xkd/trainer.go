package xkd

import (
	"context"
	"fmt"
	"math"

	"goxkd/graph"
	"goxkd/media"
)

// Losses are one step's loss parts, in the order of LossNames.
type Losses [10]float32

// Map gives the losses by name.
func (l Losses) Map() map[string]float32 {
	out := make(map[string]float32, len(l))
	for i, name := range LossNames {
		out[name] = l[i]
	}
	return out
}

// Trainer runs training steps on one device.
type Trainer struct {
	Config Config
	Step   *Step
	exec   graph.Executor
	done   int // steps so far
}

// NewTrainer builds the step, allocates it on the device and draws the first weights.
func NewTrainer(dev graph.Device, c Config) (*Trainer, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Train.Accumulate != 1 {
		return nil, FieldError{Path: "train.accumulate", Problem: fmt.Sprintf("is %d: steps of several micro-batches are not there yet: give 1", c.Train.Accumulate)}
	}
	step, err := BuildStep(c, false)
	if err != nil {
		return nil, err
	}
	exec, err := dev.Compile(step.Graph, graph.PlanOptions{})
	if err != nil {
		return nil, fmt.Errorf("preparing the training step on %s: %w", dev.Name(), err)
	}
	t := &Trainer{Config: c, Step: step, exec: exec}
	if err := step.Initialize(exec, c.Train.Seed); err != nil {
		exec.Close()
		return nil, err
	}
	return t, nil
}

// Bytes is the device memory held.
func (t *Trainer) Bytes() int64 { return t.exec.Bytes() }

// Close frees the device's memory.
func (t *Trainer) Close() error { return t.exec.Close() }

// Train runs one step on a batch. The masks depend on the seed and the step alone. An error leaves the trainer unusable:
// go back to a checkpoint.
func (t *Trainer) Train(ctx context.Context, b *media.Batch) (Losses, error) {
	var losses Losses
	c := t.Config
	if b.B != c.Train.Batch {
		return losses, fmt.Errorf("a batch of %d clips, expected %d", b.B, c.Train.Batch)
	}
	views := [2]struct {
		global []float32
		locals [][]float32
	}{{b.VideoGlobal, b.VideoLocal}, {b.AudioGlobal, b.AudioLocal}}
	for _, m := range []Modality{Video, Audio} {
		if err := t.Step.WriteViews(t.exec, m, views[m].global, views[m].locals); err != nil {
			return losses, err
		}
		noise := make([]float32, c.Train.Batch*c.tokens(m))
		rng := source(c.Train.Seed, fmt.Sprintf("mask/%s/%d", m, t.done))
		for i := range noise {
			noise[i] = rng.Float32()
		}
		if err := t.Step.WriteMask(t.exec, m, noise); err != nil {
			return losses, err
		}
	}
	if err := t.Step.WriteSchedule(t.exec, c.At(t.done)); err != nil {
		return losses, err
	}
	if err := t.exec.Run(ctx); err != nil {
		return losses, err
	}
	if err := t.exec.Read(t.Step.Losses, losses[:]); err != nil {
		return losses, err
	}
	for i, v := range losses {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return losses, fmt.Errorf("step %d: %s is %v; training has diverged: lower optimizer.lr and start again from the last checkpoint", t.done, LossNames[i], v)
		}
	}
	t.done++
	return losses, nil
}
