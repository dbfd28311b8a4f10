package xkd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/graph"
	"goxkd/layers"
	"goxkd/media/views"
	"goxkd/safetensors"
)

// BadBatchFile gets the views of the micro-batches with which a step diverged, as float32; pixels are 0 to 255.
const BadBatchFile = "bad-batch.safetensors"

// DivergedError is an ErrDiverged with what is known of it.
type DivergedError struct {
	Step  int     // counted from 1, as in the metrics
	What  string  // a loss by its name, a gradient or a weight
	Value float32 // what it is
	Micro int     // number of the micro-batch whose loss it is, -1 where it is the whole step's
	LR    float64 // the run's optimizer.lr
	Limit float64 // which a finite value has passed; 0 where it is not finite
	// What Run adds. First is the first tensor of the step that is not finite, on the reference device; Views the file with
	// the views; Checkpoint the last one, of Done steps. Each is empty where there is none.
	First, Views, Checkpoint string
	Done                     int
}

func (e *DivergedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s of step %d is %v", ErrDiverged, e.What, e.Step, e.Value)
	if e.Limit > 0 {
		fmt.Fprintf(&b, ", beyond %.3g", e.Limit)
	}
	if e.First != "" {
		fmt.Fprintf(&b, "; %s is the first tensor that is not finite", e.First)
	}
	if e.Views != "" {
		fmt.Fprintf(&b, "; the views are in %s", e.Views)
	}
	if e.Checkpoint != "" {
		fmt.Fprintf(&b, "; go on from %s with its %d steps and a lower optimizer.lr than %g", e.Checkpoint, e.Done, e.LR)
	} else {
		fmt.Fprintf(&b, "; train anew with a lower optimizer.lr than %g", e.LR)
	}
	return b.String()
}

func (e *DivergedError) Unwrap() error { return ErrDiverged }

// notFinite is the place of the first element that is infinite or no number, or -1.
func notFinite(list []float32) int {
	for i, v := range list {
		if v-v != 0 { // Inf-Inf and NaN-NaN are NaN
			return i
		}
	}
	return -1
}

// Beyond these a run has diverged though its figures are finite. A healthy loss is a few units, whatever the weights of its
// parts, since it is their mean, and falls; weights are of the order of 1.
const (
	maxLoss   = 1e6 // of any step
	maxGrowth = 1e4 // over the loss of the run's first step
	maxWeight = 1e6 // of a network's tensors when they are saved
)

// checkLoss looks at a step's loss, which is finite.
func (t *Trainer) checkLoss(loss float32) error {
	size := math.Abs(float64(loss))
	if t.first == 0 {
		t.first = size
	}
	if limit := min(maxLoss, maxGrowth*max(t.first, 1e-2)); size > limit {
		return &DivergedError{Step: t.done + 1, What: LossNames[0], Value: loss, Micro: -1, LR: t.Config.Optimizer.LR, Limit: limit}
	}
	return nil
}

// checkNorms looks at the norms of a step's gradients: one that is not finite has spoilt the weights, and one whose square is
// not, the second moment.
func (t *Trainer) checkNorms(norms []float32) error {
	for i, v := range norms {
		if square := v * v; square-square != 0 {
			what := "the gradient's norm of " + t.Step.normed[i].Name
			return &DivergedError{Step: t.done + 1, What: what, Value: v, Micro: -1, LR: t.Config.Optimizer.LR}
		}
	}
	return nil
}

// checkTensor looks at a state that is about to be saved.
func (t *Trainer) checkTensor(n *graph.Node, data []float32) error {
	d := &DivergedError{Step: t.done, What: n.Name, Micro: -1, LR: t.Config.Optimizer.LR}
	if i := notFinite(data); i >= 0 {
		d.Value = data[i]
		return d
	}
	if !slices.ContainsFunc(t.Step.Params, func(q *layers.Param) bool { return q.Name == n.Name }) {
		return nil
	}
	for _, v := range data {
		if math.Abs(float64(v)) > maxWeight {
			d.Value, d.Limit = v, maxWeight
			return d
		}
	}
	return nil
}

// worst names the first bad state in the step's order, weights before moments, and what is not finite before what is large.
// found is one of them.
func (t *Trainer) worst(found *DivergedError) error {
	var large error
	for _, n := range t.Step.Kept() {
		data := make([]float32, n.Shape.Size())
		if err := t.exec.Read(n, data); err != nil {
			return errors.Join(found, err)
		}
		d := (*DivergedError)(nil)
		if err := t.checkTensor(n, data); errors.As(err, &d) && d.Limit == 0 {
			return err
		} else if large == nil {
			large = err
		}
	}
	return cmp.Or(large, error(found))
}

// diverged completes an error of a step, if it is one that diverged, and leaves the step's views in the run's folder.
func (t *Trainer) diverged(ctx context.Context, err error, batches []*views.Batch, keep *record, opt RunOptions) error {
	var d *DivergedError
	if !errors.As(err, &d) {
		return err
	}
	var more []error
	if keep.saved >= 0 {
		d.Checkpoint, d.Done = keep.checkpoint, keep.saved
	}
	first := max(d.Micro, 0)
	if d.Micro >= 0 {
		batches = batches[d.Micro : d.Micro+1]
	}
	if opt.Folder != "" && len(batches) > 0 {
		path := filepath.Join(opt.Folder, BadBatchFile)
		if err := t.saveViews(path, d, first, batches); err != nil {
			more = append(more, err)
		} else {
			d.Views = path
		}
	}
	// Only a loss is found before the weights have changed.
	if opt.Reference != nil && d.Micro >= 0 {
		var err error
		if d.First, err = t.firstBad(ctx, opt.Reference, batches[0], d.Micro); err != nil && ctx.Err() == nil {
			more = append(more, fmt.Errorf("replaying the step on %s: %w", opt.Reference.Name(), err))
		}
	}
	return errors.Join(append([]error{d}, more...)...)
}

// saveViews writes the views of micro-batches under their numbers, from first on.
func (t *Trainer) saveViews(path string, d *DivergedError, first int, batches []*views.Batch) error {
	f := &safetensors.File{Tensors: map[string]safetensors.Tensor{}, Metadata: map[string]string{"step": strconv.Itoa(d.Step), "what": d.What}}
	for i, b := range batches {
		prefix := fmt.Sprintf("micro%d.", first+i)
		clips, err := json.Marshal(b.Names)
		if err != nil {
			return err
		}
		f.Metadata[prefix+"clips"] = string(clips)
		global, locals := viewsOfBatch(b)
		for _, m := range []Modality{Video, Audio} {
			in := t.Step.In[m]
			if in.Global == nil {
				continue
			}
			f.Tensors[prefix+m.String()+".global"] = tensorOf(in.Global.Shape, global[m])
			if in.Locals != nil {
				f.Tensors[prefix+m.String()+".locals"] = tensorOf(in.Locals.Shape, locals[m]...)
			}
		}
	}
	return f.Save(path)
}

func tensorOf(shape graph.Shape, list ...View) safetensors.Tensor {
	data := make([]float32, 0, shape.Size())
	for _, v := range list {
		data = append(data, v.Floats...)
		for _, b := range v.Bytes {
			data = append(data, float32(b))
		}
	}
	return safetensors.Tensor{Shape: shape, Data: data}
}

// maxReplay bounds the memory that a replay may take: every tensor of the step is kept.
const maxReplay = 4 << 30

// firstBad computes the gradients of a micro-batch once more on another device and names the first tensor, in the order of
// computation, that is not finite; "" where all are, or where the step is too large. The weights must be those of before.
func (t *Trainer) firstBad(ctx context.Context, dev graph.Device, b *views.Batch, i int) (string, error) {
	step, err := BuildStep(t.Config, StepOptions{Binding: dev.Binding(), Accumulate: t.MicroBatches()})
	if err != nil {
		return "", err
	}
	step.Graph.KeepAll()
	opt := graph.PlanOptions{Unshared: true}
	if bytes, err := dev.Announce(step.Graph, opt); err != nil || bytes > maxReplay {
		return "", err
	}
	e, err := dev.Compile(step.Graph, opt)
	if err != nil {
		return "", err
	}
	defer e.Close()
	here := map[string]*graph.Node{}
	for _, n := range t.Step.Kept() {
		here[n.Name] = n
	}
	for _, n := range step.Kept() {
		data := make([]float32, n.Shape.Size())
		if err := t.exec.Read(here[n.Name], data); err != nil {
			return "", err
		}
		if k := notFinite(data); k >= 0 {
			return n.Name, nil
		}
		if err := e.Write(n, data); err != nil {
			return "", err
		}
	}
	schedule := t.Config.At(t.done)
	schedule.Micro = t.MicroBatches()
	if err := step.WriteSchedule(e, schedule); err != nil {
		return "", err
	}
	if err := t.write(step, e, b, t.done, i); err != nil {
		return "", err
	}
	if err := e.Run(ctx, StageGradients); err != nil {
		return "", err
	}
	for _, n := range step.Graph.Nodes {
		if n.Stage != StageGradients || !n.Computed() && n.Kind != graph.KindInput {
			continue
		}
		data := make([]float32, n.Shape.Size())
		if e.Read(n, data) != nil {
			continue // nothing needs it
		}
		if k := notFinite(data); k >= 0 {
			return n.Label(), nil
		}
	}
	return "", nil
}

// checkLoaded sees that a tensor of a checkpoint can be gone on from.
func (l *Loaded) checkLoaded(name string, data []float32) error {
	if i := notFinite(data); i >= 0 {
		return fmt.Errorf("%w: %s: element %d of %s is %v", ErrNotFinite, l.Path, i, name, data[i])
	}
	if strings.HasPrefix(name, "adam_v/") {
		for i, v := range data {
			if v < 0 {
				return fmt.Errorf("%w: %s: element %d of %s is %v, and a mean of squares is not negative", ErrDamaged, l.Path, i, name, v)
			}
		}
	}
	return nil
}
