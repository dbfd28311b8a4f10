package xkd

import (
	"context"
	"errors"
	"fmt"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// HeldPrefix begins the names of figures on held-out clips.
const HeldPrefix = "held_"

// Observe has a run look at its networks every so often, on clips that it is not trained on and on its own weights: nothing
// is copied, and nothing that is trained changes.
type Observe struct {
	Every int // steps between two looks
	// Held are the clips; with labels of two classes or more, the students' features are judged by k nearest neighbours.
	Held  media.Source
	Clips int // judged at most; 0 means 256
	// Look is called after each look, where there is one. An error ends the run, saved.
	Look func(Look) error
}

const (
	heldClips  = 256
	heldBytes  = 256 << 20 // of views that are held at most
	heldBatch  = 32
	lookClips  = 2
	neighbours = 5
)

// observer does what Observe asks.
type observer struct {
	opt      Observe
	config   Config
	features [2]*Features // nil where a modality is not judged
	execs    [2]graph.Executor
	batch    *views.Batch
	split    split
	judge    judge
	look     *lookGraph
	lookExec graph.Executor
	lookOn   *views.Batch
}

// newObserver reads the held-out clips and prepares the graphs against the trainer's store.
func newObserver(ctx context.Context, t *Trainer, opt Observe) (o *observer, err error) {
	o = &observer{opt: opt, config: t.Config}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.close())
		}
	}()
	if opt.Clips <= 0 {
		opt.Clips = heldClips
	}
	v, a := o.config.Views.Video.Global, o.config.Views.Audio
	opt.Clips = max(lookClips, min(opt.Clips, heldBytes/(videoChannels*v.Frames*v.Size[0]*v.Size[1]+4*a.Mels*a.Global.Frames)))
	some := make([]int, min(lookClips, opt.Held.Len()))
	for i := range some {
		some[i] = i
	}
	if o.lookOn, _, err = views.Centre(ctx, opt.Held, o.config.Spec(), some, views.CentreOptions{}); err != nil {
		return nil, fmt.Errorf("clips to look at: %w", err)
	}
	if o.look, err = buildLook(o.config, lookClips); err != nil {
		return nil, err
	}
	compile := func(g *graph.Graph) (graph.Executor, error) {
		e, err := t.dev.Compile(g, graph.PlanOptions{Store: t.store})
		if err != nil {
			return nil, fmt.Errorf("preparing to look at the networks on %s: %w", t.device, err)
		}
		return e, nil
	}
	if o.lookExec, err = compile(o.look.graph); err != nil {
		return nil, err
	}
	if len(opt.Held.Classes()) < 2 {
		return o, nil
	}
	clips, err := joinFolds(opt.Held, nil, opt.Clips)
	if err != nil {
		return nil, fmt.Errorf("held-out clips: %w", err)
	}
	if clips.Len() < 3 {
		return o, nil
	}
	indices := make([]int, clips.Len())
	for i := range indices {
		indices[i] = i
	}
	if o.batch, _, err = views.Centre(ctx, clips, o.config.Spec(), indices, views.CentreOptions{}); err != nil {
		return nil, fmt.Errorf("held-out clips: %w", err)
	}
	splits, _, err := clips.divide(o.batch.Indices, 1)
	if err != nil {
		return nil, fmt.Errorf("held-out clips: %w", err)
	}
	o.split = splits[0]
	o.judge = judge{src: clips, used: o.batch.Indices, opt: ProbeOptions{Spans: 1}}
	has := [2]bool{o.batch.VideoGlobal != nil, o.batch.AudioGlobal != nil}
	for _, m := range o.config.modalities() {
		if !has[m] {
			continue
		}
		if o.features[m], err = BuildFeatures(o.config, m, Student, heldBatch, FeatureOptions{}); err != nil {
			return nil, err
		}
		if o.execs[m], err = compile(o.features[m].Graph); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (o *observer) close() error {
	var errs []error
	for _, e := range []graph.Executor{o.execs[Video], o.execs[Audio], o.lookExec} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(errs...)
}

// due tells whether to look after a step of so many.
func (o *observer) due(step, steps int) bool {
	return o != nil && (step%o.opt.Every == 0 || step == steps)
}

// observe adds the accuracies to a step's values and calls with the look.
func (o *observer) observe(ctx context.Context, step int, values map[string]float64) error {
	for m, f := range o.features {
		if f == nil {
			continue
		}
		in := [2]View{{Bytes: o.batch.VideoGlobal}, {Floats: o.batch.AudioGlobal}}[m]
		pooled, err := f.Extract(ctx, o.execs[m], in)
		if err != nil {
			return err
		}
		rows, dim := [][]float64{}, f.Pooled.Shape[1]
		for at := 0; at < len(pooled); at += dim {
			rows = append(rows, wideOf(pooled[at:at+dim]))
		}
		train, test := standardize(o.judge.pick(rows, o.split.train), o.judge.pick(rows, o.split.test))
		values[HeldPrefix+"knn_"+Modality(m).String()] = nearest(train, test, neighbours)
	}
	if o.opt.Look == nil {
		return nil
	}
	clips, err := o.look.look(ctx, o.config, o.lookExec, o.lookOn, o.opt.Held.Classes())
	if err != nil {
		return err
	}
	return o.opt.Look(Look{Step: step, Clips: clips})
}
