package ablate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"goxkd/graph"
	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/xkd"
)

// Options say what is trained and judged, and where it is kept.
type Options struct {
	Config xkd.Config // what all rows share; Train.Seed is the first seed
	Rows   []Row
	Seeds  int // trainings of each row, with seeds that follow each other; at least 1
	Folder string
	// Parallel is the number of trainings at a time; below 1, ParallelOn the device.
	Parallel  int
	SaveEvery int // steps between checkpoints; 0 means 500

	Clips media.Source // for training
	Test  media.Source // labelled, for judging
	// TestName tells these clips from others, such as by their path or seed.
	TestName  string
	TestClips int // judged at most; 0 means 768
	Splits    int // of the test clips into those that fit classifiers and those that judge them; 0 means 3

	// Watch, if given, is called before a training begins or goes on after done steps, with its folder; it may add to the
	// options of the run what watches it, which end ends. Several trainings call it at a time.
	Watch func(folder string, c xkd.Config, done int, opt *xkd.RunOptions) (end func() error, err error)
	// Event is called on what happens, never twice at a time.
	Event func(Event)
}

// EventKind is what an Event tells.
type EventKind int

// The kinds of events.
const (
	Reused  EventKind = iota // a finished run was found
	Started                  // a run begins, or goes on after Progress.Step steps
	Stepped                  // a step was done
	Judging                  // trained; its features are judged
	Done                     // finished
	Noted                    // something its user should know
)

// Event is news of one of the runs.
type Event struct {
	Kind     EventKind
	Run      string
	Done, Of int // runs finished, of all
	Steps    int // done in all runs, those found finished included
	OfSteps  int
	Progress xkd.Progress
	Result   *Result // where it is finished
	Note     string
}

// ErrOther means that a folder holds a run of other settings than those asked for.
var ErrOther = errors.New("it was made with other settings")

// ParallelOn is the number of trainings that a device does well to run at a time: one per core on the CPU path, which
// keeps cores busier than one training with all of them, and one elsewhere.
func ParallelOn(onCPU bool) int {
	if onCPU {
		return runtime.GOMAXPROCS(0)
	}
	return 1
}

// Run trains and judges what is not finished yet and gives the table of all. Each run has a folder of its own below
// Options.Folder. When ctx is cancelled, the runs under way finish their step and save, and the error is the context's; the
// same call goes on. That error, and those of runs that diverge, come back beside the table of what is finished.
func Run(ctx context.Context, dev graph.Device, opt Options) (*Table, error) {
	opt.Seeds, opt.Parallel = max(opt.Seeds, 1), max(opt.Parallel, 1)
	if opt.TestClips <= 0 {
		opt.TestClips = 768
	}
	if opt.Splits <= 0 {
		opt.Splits = 3
	}
	if err := opt.Check(); err != nil {
		return nil, err
	}
	runs, err := opt.runs()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(opt.Folder, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", xkd.ErrFolder, err)
	}
	unlock, err := files.Lock(filepath.Join(opt.Folder, xkd.LockFile))
	switch {
	case errors.Is(err, files.ErrLocked):
		return nil, fmt.Errorf("%s: %w: %w", opt.Folder, xkd.ErrLocked, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", xkd.ErrFolder, err)
	}
	defer unlock()
	w := &worker{dev: dev, opt: opt, of: len(runs)}
	for _, r := range runs {
		w.ofSteps += r.steps()
	}
	results := make([]*Result, len(runs))
	// What is there is looked at first: settings that differ show before anything is trained.
	for i, r := range runs {
		if results[i], err = w.finished(r); err != nil {
			return nil, err
		}
		if results[i] != nil {
			w.tell(Event{Kind: Reused, Run: r.Name(), Result: results[i]})
		}
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var mu sync.Mutex
	var failed error
	files.Parallel(opt.Parallel, len(runs), func(i int) {
		if results[i] != nil || working.Err() != nil {
			return
		}
		result, err := w.do(working, runs[i])
		if err == nil {
			results[i] = result
			return
		}
		err = fmt.Errorf("%s: %w", runs[i].Name(), err)
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(err, xkd.ErrDiverged) {
			stop() // the others save
			if errors.Is(err, context.Canceled) {
				return
			}
		}
		failed = errors.Join(failed, err)
	})
	if failed != nil && !errors.Is(failed, xkd.ErrDiverged) {
		return nil, failed
	}
	return tabulate(opt, runs, results), errors.Join(failed, ctx.Err())
}

// worker does runs.
type worker struct {
	dev graph.Device
	opt Options
	of  int
	// ofSteps are the steps of all runs.
	ofSteps int

	mu          sync.Mutex
	done, steps int // so far
}

func (w *worker) tell(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case Reused:
		w.done++
		w.steps += e.Result.Steps
	case Started:
		w.steps += e.Progress.Step
	case Stepped:
		w.steps++
	case Done:
		w.done++
	}
	e.Done, e.Of, e.Steps, e.OfSteps = w.done, w.of, w.steps, w.ofSteps
	if w.opt.Event != nil {
		w.opt.Event(e)
	}
}

// finished gives the result of a run that needs nothing more, or nil.
func (w *worker) finished(r run) (*Result, error) {
	dir := filepath.Join(w.opt.Folder, r.folder)
	l, err := xkd.LoadCheckpoint(filepath.Join(dir, xkd.CheckpointFile))
	if errors.Is(err, xkd.ErrNoCheckpoint) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if d := xkd.Diff(l.Config, r.config); len(d) > 0 {
		return nil, fmt.Errorf("%s: %w: %s is %s there and %s here", dir, ErrOther, d[0].Path, d[0].A.Text(), d[0].B.Text())
	}
	if l.Done < r.steps() {
		return nil, nil
	}
	result, err := readResult(dir)
	if err != nil || result == nil || result.Judged != w.opt.judged() {
		return nil, err
	}
	return result, nil
}

// steps is the number of steps after which a run's features are judged.
func (r run) steps() int {
	if r.bare {
		return 0
	}
	return r.config.Train.Steps
}

// do trains a run from where it is, judges it and keeps the result.
func (w *worker) do(ctx context.Context, r run) (*Result, error) {
	dir := filepath.Join(w.opt.Folder, r.folder)
	result := &Result{Row: r.row.Name, Settings: r.row.Settings, Seed: r.config.Train.Seed, Steps: r.steps(), Device: w.dev.Name(), Judged: w.opt.judged()}
	checkpoint := filepath.Join(dir, xkd.CheckpointFile)
	if err := w.train(ctx, r, dir, checkpoint, result); err != nil {
		return nil, err
	}
	w.tell(Event{Kind: Judging, Run: r.Name()})
	if err := w.judge(ctx, checkpoint, result); err != nil {
		return nil, err
	}
	if err := result.write(dir); err != nil {
		return nil, err
	}
	w.tell(Event{Kind: Done, Run: r.Name(), Result: result})
	return result, nil
}

// train leaves a checkpoint with all steps.
func (w *worker) train(ctx context.Context, r run, dir, checkpoint string, result *Result) error {
	done := -1
	l, err := xkd.LoadCheckpoint(checkpoint)
	switch {
	case err == nil:
		done = l.Done
		l.Close()
	case !errors.Is(err, xkd.ErrNoCheckpoint):
		return err
	}
	if done >= r.steps() {
		w.mu.Lock()
		w.steps += r.steps()
		w.mu.Unlock()
		return result.readLosses(dir)
	}
	t, err := xkd.New(r.config, w.dev)
	if err != nil {
		return err
	}
	defer t.Close()
	if r.bare {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("%w: %w", xkd.ErrFolder, err)
		}
		return t.Save(checkpoint)
	}
	opt := xkd.RunOptions{
		Folder: dir, Resume: done >= 0, SaveEvery: w.opt.SaveEvery,
		Note: func(text string) { w.tell(Event{Kind: Noted, Run: r.Name(), Note: text}) },
		Start: func(s xkd.Start) {
			w.tell(Event{Kind: Started, Run: r.Name(), Progress: xkd.Progress{Step: s.First, Steps: s.Steps}})
		},
		Progress: func(p xkd.Progress) { w.tell(Event{Kind: Stepped, Run: r.Name(), Progress: p}) },
	}
	if w.opt.Watch != nil {
		end, err := w.opt.Watch(dir, r.config, max(done, 0), &opt)
		if err != nil {
			return err
		}
		defer end()
	}
	s, err := t.Run(ctx, w.opt.Clips, opt)
	if err != nil {
		return err
	}
	if s.Stopped {
		return ctx.Err()
	}
	return result.readLosses(dir)
}

// judge reads the features of students and teachers.
func (w *worker) judge(ctx context.Context, checkpoint string, result *Result) error {
	l, err := xkd.LoadCheckpoint(checkpoint)
	if err != nil {
		return err
	}
	defer l.Close()
	for _, role := range []xkd.Role{xkd.Student, xkd.Teacher} {
		p, err := xkd.Probe(ctx, w.dev, w.opt.Test, []*xkd.Loaded{l}, xkd.ProbeOptions{
			Clips: w.opt.TestClips, Seeds: w.opt.Splits, Role: role, TrainedOnly: true,
		})
		if err != nil {
			return err
		}
		result.Fit, result.Tested, result.Chance = p.Train, p.Test, p.Chance
		for _, row := range p.Rows {
			result.Scores = append(result.Scores, Score{Column{role.String(), row.Modality, row.Classifier}, row.Trained.Values})
		}
		if video, audio := media.Modalities(w.opt.Test); !video || !audio {
			continue
		}
		found, err := xkd.Retrieve(ctx, w.dev, w.opt.Test, l, xkd.RetrieveOptions{Role: role, Clips: w.opt.TestClips, TrainedOnly: true})
		if err != nil {
			return err
		}
		result.Searched = found.Clips
		for _, row := range found.Rows {
			if row.Features == "heads" {
				result.Scores = append(result.Scores, Score{Column{role.String(), row.From + " to " + row.To, Retrieval}, []float64{row.Recall10}})
			}
		}
	}
	return nil
}
