package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"goxkd/internal/files"
	"goxkd/xkd"
)

// States of a run, besides the outcomes of its last session.
const (
	StateRunning = "running"
	StateKilled  = "killed"  // its process is gone and has not said why
	StateUnknown = "unknown" // of an earlier version, whose runs say nothing
	StateAwaited = "not begun"
)

// Run is what a folder says of a run.
type Run struct {
	Folder string
	State  string
	Config *xkd.Config    // nil where it is not known
	Record *xkd.RunRecord // nil in folders of earlier versions
	Log    *Log
}

// Is tells whether a folder is that of a run.
func Is(folder string) bool {
	for _, name := range []string{xkd.RunFile, xkd.MetricsFile, xkd.CheckpointFile} {
		if info, err := os.Stat(filepath.Join(folder, name)); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// depth is how many folders deep runs are looked for.
const depth = 3

// Find lists the folders of runs that paths name: each itself, or those below it, sorted by name. A path without any is an error.
func Find(paths ...string) ([]string, error) {
	var out []string
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%s: %w: name the folder that `xkd train` wrote to, or one that holds such folders", path, files.Cause(err))
		} else if !info.IsDir() {
			return nil, fmt.Errorf("%s: this is a file: name the folder of a run", path)
		}
		found := below(path, depth)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: there is no run: name the folder that `xkd train` wrote to, or one that holds such folders", path)
		}
		for _, f := range found {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

func below(dir string, deep int) (out []string) {
	if Is(dir) {
		return []string{filepath.Clean(dir)}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || deep == 0 {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			out = append(out, below(filepath.Join(dir, e.Name()), deep-1)...)
		}
	}
	return out
}

// Open reads a run's record, without its figures: Update has these.
func Open(folder string) (*Run, error) {
	r := &Run{Folder: folder, Log: NewLog(filepath.Join(folder, xkd.MetricsFile))}
	return r, r.reread()
}

// Update reads what has changed since.
func (r *Run) Update() error { return errors.Join(r.reread(), r.Log.Update()) }

func (r *Run) reread() error {
	record, err := xkd.ReadRun(r.Folder)
	switch {
	case err == nil:
		r.Record, r.Config = record, &record.Config
	case !errors.Is(err, os.ErrNotExist):
		return err
	case r.Config == nil && r.Record == nil:
		// Earlier versions left the configuration in the checkpoint alone.
		if l, err := xkd.LoadCheckpoint(filepath.Join(r.Folder, xkd.CheckpointFile)); err == nil {
			c := l.Config
			r.Config = &c
			l.Close()
		}
	}
	r.State = r.state()
	return nil
}

func (r *Run) state() string {
	if xkd.Running(r.Folder) {
		return StateRunning
	}
	s := r.Session()
	switch {
	case s == nil && !Is(r.Folder):
		return StateAwaited
	case s == nil:
		return StateUnknown
	case s.Outcome == "":
		return StateKilled
	}
	return s.Outcome
}

// Session is the last one, nil where none is known.
func (r *Run) Session() *xkd.Session {
	if r.Record == nil || len(r.Record.Sessions) == 0 {
		return nil
	}
	return &r.Record.Sessions[len(r.Record.Sessions)-1]
}

// Planned is the number of steps that the run is to have, 0 where it is not known.
func (r *Run) Planned() int {
	if r.Config == nil {
		return 0
	}
	return r.Config.Train.Steps
}

// finalPoints are the points of a curve whose mean stands for its end: single steps scatter.
const finalPoints = 20

// Scores are the figures by which runs are judged, where they were taken: the losses at the end, and accuracies on held-out
// clips, the last ones.
func (r *Run) Scores() map[string]float64 {
	out := map[string]float64{}
	for _, name := range xkd.LossNames {
		if v, ok := r.Log.Final(name, finalPoints); ok {
			out[name] = v
		}
	}
	for name := range r.Log.Curves {
		if strings.HasPrefix(name, xkd.HeldPrefix) {
			out[name], _ = r.Log.Final(name, 1)
		}
	}
	return out
}

// Look is one look at what the networks make of a few clips.
type Look struct {
	Step  int        `json:"step"`
	Clips []LookClip `json:"clips"`
}

// LookClip are the pictures of one clip, names of files beside the look's; each has rows from above: the target, what the
// student sees of it, what it rebuilds, and the teacher's attention.
type LookClip struct {
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	Video string `json:"video,omitempty"`
	Audio string `json:"audio,omitempty"`
}

// LooksFolder holds the looks of a run: STEP.json and the pictures that it names.
const LooksFolder = "looks"

// LookRows are the rows of a look's pictures, from above.
var LookRows = []string{"target", "seen", "rebuilt", "attention"}

// Looks lists the looks of a run by step. What is no look is left out.
func (r *Run) Looks() (out []Look) {
	names, _ := filepath.Glob(filepath.Join(r.Folder, LooksFolder, "*.json"))
	for _, name := range names {
		text, err := readSmall(name)
		var l Look
		if err != nil || json.Unmarshal(text, &l) != nil {
			continue
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b Look) int { return a.Step - b.Step })
	return out
}
