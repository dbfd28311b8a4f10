package xkd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// RunOptions say where a run writes, and hold the hooks by which it is watched.
type RunOptions struct {
	Folder    string // for the checkpoint and the metrics; made if missing. "" writes nothing
	Resume    bool   // go on from the folder's checkpoint
	SaveEvery int    // steps between checkpoints; 0 means 500
	Workers   int    // goroutines that prepare clips; 0 means one per core
	// HealthEvery is the number of steps between two looks at the networks' health; 0 means 10, below 0 none.
	HealthEvery int
	// Observe, if given, has the networks judged on held-out clips every so often, and looked at.
	Observe *Observe
	// Reference, if there is one, names the first tensor that is not finite where a loss is not.
	Reference graph.Device
	// Note is called, before Start, with what the run's user should know: a sentence without a full stop.
	Note func(string)
	// Warn is called during the run, once for each sign of collapse that lasts: a sentence without a full stop.
	Warn func(string)
	// Start is called once, before the first step.
	Start func(Start)
	// Progress is called after every step.
	Progress func(Progress)
}

func (o RunOptions) note(notes ...string) {
	for _, n := range notes {
		if o.Note != nil {
			o.Note(n)
		}
	}
}

// Start describes a run that is about to begin.
type Start struct {
	Device     string
	Bytes      int64 // device memory
	Parameters int   // elements trained
	Clips      int
	First      int // first step
	Steps      int
}

// Progress is the state after a step.
type Progress struct {
	Step, Steps    int // steps done, of all
	Losses         Losses
	LR             float64
	StepsPerSecond float64 // over the last steps
	ClipsPerSecond float64
	Waiting        float64 // share of the time spent waiting for data
	Left           time.Duration
	Skipped        int // clips that could not be read and were replaced by the next
	// Values are the further figures of the step's line of metrics.
	Values map[string]float64
}

// Summary is what a run came to.
type Summary struct {
	Steps      int             `json:"steps"` // done in all
	Losses     Losses          `json:"losses"`
	Skipped    int             `json:"skipped"`
	Bad        []media.BadFile `json:"bad,omitempty"`
	Seconds    float64         `json:"seconds"`
	Checkpoint string          `json:"checkpoint"`
	Stopped    bool            `json:"stopped"` // before the last step, by the caller
}

// Run trains on a source to the configuration's last step. When ctx is cancelled it finishes the step, saves and returns a
// summary with Stopped set. A new run saves its first weights before it trains, with 0 steps. A run that was stopped and resumed gives the same bits as one that was not. Errors are
// ErrFolder, ErrLocked, ErrCheckpointExists, ErrNoCheckpoint, ErrDamaged, ErrNotFinite, ErrContradiction, ErrDiverged, or the source's.
func (t *Trainer) Run(ctx context.Context, src media.Source, opt RunOptions) (s *Summary, err error) {
	if opt.SaveEvery <= 0 {
		opt.SaveEvery = 500
	}
	if opt.HealthEvery == 0 {
		opt.HealthEvery = 10
	}
	t.Config = t.Config.Planned(src.Len())
	if err := t.Config.Validate(); err != nil {
		return nil, err
	}
	keep := &record{saved: -1}
	var was *Loaded // what this run goes on from
	if opt.Folder != "" {
		leave, err := enter(opt.Folder, opt.Resume)
		if err != nil {
			return nil, err
		}
		defer leave()
		keep.checkpoint = filepath.Join(opt.Folder, CheckpointFile)
		if opt.Resume {
			l, err := LoadCheckpoint(keep.checkpoint)
			if err != nil {
				return nil, err
			}
			// Closed at once: Windows puts nothing in the place of an open file.
			if err := errors.Join(t.Resume(l), l.Close()); err != nil {
				return nil, err
			}
			keep.saved, was = t.done, l
			if lr, now := l.Config.Optimizer.LR, t.Config.Optimizer.LR; lr != now {
				opt.note(fmt.Sprintf("optimizer.lr is %g from step %d on; it was %g", now, t.done+1, lr))
			}
		}
		var notes []string
		if keep.metrics, notes, err = openMetrics(filepath.Join(opt.Folder, MetricsFile), t.done); err != nil {
			return nil, err
		}
		opt.note(notes...)
		defer keep.metrics.Close()
		if err := checkRoom(opt.Folder, t.checkpointBytes()); err != nil {
			return nil, err
		}
	}
	t.labels = src
	t.clips, t.digest = src.Len(), media.Digest(src)
	switch {
	case was == nil || was.Clips == 0:
	case was.Clips != t.clips:
		opt.note(fmt.Sprintf("the checkpoint was trained on %d clips, and here are %d: the run goes on, but not as it would have with the same ones", was.Clips, t.clips))
	case was.digest() != "" && was.digest() != t.digest:
		opt.note(fmt.Sprintf("the checkpoint was trained on other clips than these %d: names, sizes or lengths have changed; the run goes on, but not as it would have with the same ones", t.clips))
	}
	loading, stopLoading := context.WithCancel(ctx)
	defer stopLoading()
	loader, err := views.NewLoader(loading, src, t.Config.Spec(), views.LoaderConfig{
		Batch: t.Config.Train.Batch, Seed: t.Config.Train.Seed, Workers: opt.Workers, StartStep: t.done * t.MicroBatches(),
		MostLost: t.Config.Data.MostLost,
	})
	if err != nil {
		return nil, err
	}
	defer loader.Close()
	if opt.Folder != "" {
		run, notes, failed := t.beginSession(opt.Folder, opt.Resume)
		if failed != nil {
			return nil, fmt.Errorf("%w: %w", ErrFolder, failed)
		}
		opt.note(notes...)
		defer func() {
			if err2 := run.endSession(opt.Folder, t.done, s != nil && s.Stopped, err); err == nil && err2 != nil {
				err = fmt.Errorf("%w: %w", ErrFolder, err2)
			}
		}()
	}
	// The first weights: what keeps a checkpoint from being written shows before training, and there is always one to go back to.
	if err := keep.save(t); err != nil {
		return nil, err
	}
	if opt.Start != nil {
		opt.Start(Start{t.device, t.Bytes(), t.Step.Trainable(), src.Len(), t.done, t.Config.Train.Steps})
	}
	var watch *observer
	if opt.Observe != nil && opt.Observe.Every > 0 {
		if watch, err = newObserver(ctx, t, *opt.Observe); err != nil {
			return nil, err
		}
		defer watch.close()
	}
	return t.loop(ctx, loader, watch, keep, opt)
}

// record is what a run leaves in its folder; the zero value leaves nothing.
type record struct {
	checkpoint string
	metrics    *os.File
	saved      int // steps in the checkpoint, -1 for none
}

// step appends a line of metrics.
func (r *record) step(m Metric) error {
	if r.metrics == nil {
		return nil
	}
	line, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := r.metrics.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return nil
}

// save writes the checkpoint, after the metrics that belong to it, unless it is there already. The one before stays.
func (r *record) save(t *Trainer) error {
	if r.metrics == nil || r.saved == t.done {
		return nil
	}
	err := r.metrics.Sync()
	if err == nil {
		err = t.saveKeeping(r.checkpoint, filepath.Join(filepath.Dir(r.checkpoint), PreviousFile))
	}
	if d := (*DivergedError)(nil); errors.As(err, &d) {
		if r.saved >= 0 {
			d.Checkpoint, d.Done = r.checkpoint, r.saved
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFolder, err)
	}
	r.saved = t.done
	return nil
}

// loop trains until the last step or until ctx ends.
func (t *Trainer) loop(ctx context.Context, loader *views.Loader, watch *observer, keep *record, opt RunOptions) (*Summary, error) {
	began := time.Now()
	s := &Summary{Checkpoint: keep.checkpoint, Steps: t.done}
	rate, doctor := newRate(), &physician{}
	steps := t.Config.Train.Steps
	var following []*views.Batch
	var lack error // why there are none
	for t.done < steps && ctx.Err() == nil {
		batches, err := following, lack
		if following = nil; batches == nil && err == nil {
			batches, err = next(loader, t.MicroBatches())
		}
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return nil, errors.Join(err, keep.save(t))
		}
		schedule := t.Config.At(t.done)
		look := opt.HealthEvery > 0 && !t.Config.tunes() && (t.done == 0 || (t.done+1)%opt.HealthEvery == 0)
		var centres [2][]float32
		if look {
			if centres, err = t.centres(); err != nil {
				return nil, err
			}
		}
		save := (t.done+1)%opt.SaveEvery == 0 || t.done+1 == steps
		// Who looks at what the device holds after this step has it before the next one begins.
		if t.Overlaps() && !look && !save && !watch.due(t.done+1, steps) {
			following, lack = next(loader, t.MicroBatches())
		}
		// A step is finished once begun: a half-run step would leave the weights undefined.
		losses, err := t.TrainAhead(context.WithoutCancel(ctx), batches, following)
		if err != nil {
			return nil, t.diverged(ctx, err, batches, keep, opt)
		}
		for _, b := range batches {
			loader.Release(b)
		}
		stats := loader.Stats()
		rate.add(stats.WaitSeconds)
		values := t.values(schedule, rate)
		if look {
			if err := doctor.check(t, centres, schedule, losses, values, opt.Warn); err != nil {
				return nil, err
			}
		}
		s.Steps, s.Losses, s.Skipped, s.Bad = t.done, losses, stats.Skipped, stats.Reasons
		if watch.due(t.done, steps) {
			if err := watch.observe(context.WithoutCancel(ctx), t.done, values); err != nil {
				return nil, errors.Join(err, keep.save(t))
			}
		}
		if err := keep.step(Metric{t.done, losses.Map(), schedule.LR, time.Since(began).Seconds(), stats.Skipped, finite(values)}); err != nil {
			return nil, err
		}
		if opt.Progress != nil {
			p := Progress{Step: t.done, Steps: steps, Losses: losses, LR: schedule.LR, Skipped: stats.Skipped, Waiting: rate.waiting, Values: values}
			p.StepsPerSecond = rate.perSecond
			p.ClipsPerSecond = rate.perSecond * float64(t.Config.Train.Batch*t.MicroBatches())
			if rate.perSecond > 0 {
				p.Left = time.Duration(float64(steps-t.done) / rate.perSecond * float64(time.Second))
			}
			opt.Progress(p)
		}
		if save {
			if err := keep.save(t); err != nil {
				return nil, err
			}
		}
	}
	s.Stopped = t.done < steps
	s.Seconds = time.Since(began).Seconds()
	if err := keep.save(t); err != nil {
		return nil, err
	}
	return s, nil
}

// next takes the micro-batches of a step.
func next(loader *views.Loader, n int) (list []*views.Batch, err error) {
	for range n {
		b, err := loader.Next()
		if err != nil {
			return nil, err
		}
		list = append(list, b)
	}
	return list, nil
}

// rate measures steps per second over a sliding window.
type rate struct {
	times     []time.Time
	waits     []float64
	perSecond float64
	waiting   float64
	steps     int // added so far
}

const rateWindow = 20

func newRate() *rate { return &rate{times: []time.Time{time.Now()}, waits: []float64{0}} }

func (r *rate) add(waited float64) {
	r.steps++
	r.times, r.waits = append(r.times, time.Now()), append(r.waits, waited)
	if len(r.times) > rateWindow+1 {
		r.times, r.waits = r.times[1:], r.waits[1:]
	}
	last := len(r.times) - 1
	if span := r.times[last].Sub(r.times[0]).Seconds(); span > 0 {
		r.perSecond = float64(last) / span
		r.waiting = (r.waits[last] - r.waits[0]) / span
	}
}
