package xkd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"goxkd/internal/files"
)

// Provenance says what made a run's weights, besides the configuration. Every checkpoint carries it.
type Provenance struct {
	Version  string `json:"version"`  // revision of the program
	Go       string `json:"go"`       // version of the compiler
	Platform string `json:"platform"` // such as linux/amd64
	Device   string `json:"device"`
	Driver   string `json:"driver,omitempty"` // of the device; empty on the CPU
	Seed     uint64 `json:"seed"`
	Clips    int    `json:"clips,omitempty"`
	Data     string `json:"data,omitempty"` // media.Digest of the clips; empty before they are known
}

// RunFile is the file in a run's folder that says what the run is: a RunRecord.
const RunFile = "run.json"

// RunRecord is what a run's folder says of the run.
type RunRecord struct {
	Format   int       `json:"format"` // 1
	Config   Config    `json:"config"` // effective, every setting
	Sessions []Session `json:"sessions"`
}

// Session is one start of a run, the first or a later one that goes on.
type Session struct {
	Provenance
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"`
	From    int       `json:"from"`    // steps done when it began
	To      int       `json:"to"`      // and when it ended
	Outcome string    `json:"outcome"` // one of the Outcomes; empty while it runs, and where it was killed
	Reason  string    `json:"reason,omitempty"`
}

// Outcomes of a session.
const (
	OutcomeFinished = "finished"
	OutcomeStopped  = "stopped" // by its user, before the last step
	OutcomeDiverged = "diverged"
	OutcomeFailed   = "failed"
)

// maxRunFile bounds what is read of a run's record.
const maxRunFile = 4 << 20

// ReadRun reads the record of a run's folder; os.ErrNotExist where there is none, as in those of earlier versions.
func ReadRun(folder string) (*RunRecord, error) {
	path := filepath.Join(folder, RunFile)
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRunFile))
	if err != nil {
		return nil, err
	}
	var parts struct {
		RunRecord
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("%s is no record of a run: %w", path, err)
	}
	if err := parts.RunRecord.Config.unmarshal(string(parts.Config)); err != nil {
		return nil, fmt.Errorf("%s: its configuration cannot be used: %w", path, err)
	}
	return &parts.RunRecord, nil
}

// Running tells whether a run goes on in the folder.
func Running(folder string) bool { return files.Held(filepath.Join(folder, LockFile)) }

func (r *RunRecord) write(folder string) error {
	return files.WriteAtomic(filepath.Join(folder, RunFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(r)
	})
}

// Provenance is that of the weights that the trainer holds.
func (t *Trainer) Provenance() Provenance {
	return Provenance{
		Version: Revision(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Device: t.device, Driver: t.driver, Seed: t.Config.Train.Seed, Clips: t.clips, Data: t.digest,
	}
}

// beginSession enters a session into the folder's record, behind those before. What cannot be read of an earlier record is
// left out, and said.
func (t *Trainer) beginSession(folder string, resume bool) (r *RunRecord, notes []string, err error) {
	r = &RunRecord{}
	if resume {
		before, err := ReadRun(folder)
		switch {
		case err == nil:
			r = before
		case !errors.Is(err, os.ErrNotExist):
			notes = append(notes, fmt.Sprintf("the record of the run's earlier sessions cannot be read and begins anew: %v", err))
		}
	}
	r.Format, r.Config = 1, t.Config
	r.Sessions = append(r.Sessions, Session{Provenance: t.Provenance(), Began: time.Now().UTC().Truncate(time.Second), From: t.done, To: t.done})
	return r, notes, r.write(folder)
}

// endSession writes how the last session ended.
func (r *RunRecord) endSession(folder string, done int, stopped bool, err error) error {
	s := &r.Sessions[len(r.Sessions)-1]
	s.Ended, s.To = time.Now().UTC().Truncate(time.Second), done
	switch {
	case errors.Is(err, ErrDiverged):
		s.Outcome, s.Reason = OutcomeDiverged, err.Error()
	case err != nil:
		s.Outcome, s.Reason = OutcomeFailed, err.Error()
	case stopped:
		s.Outcome = OutcomeStopped
	default:
		s.Outcome = OutcomeFinished
	}
	return r.write(folder)
}
