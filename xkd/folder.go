package xkd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"goxkd/internal/files"
)

// Names of the files in a run's folder.
const (
	CheckpointFile = "checkpoint.safetensors"
	PreviousFile   = "checkpoint.previous.safetensors" // the one before
	MetricsFile    = "metrics.jsonl"
	LockFile       = ".lock" // there while a run goes on; says whose it is
)

// PrepareFolder makes a run's folder and sees that no other run writes to it (else ErrLocked), that it can be written (else
// ErrFolder) and that it holds a checkpoint to resume (else ErrNoCheckpoint), or else none that would be overwritten (else
// ErrCheckpointExists). Run does it too, and keeps the folder locked; callers with slow work before Run may ask earlier.
func PrepareFolder(dir string, resume bool) error {
	leave, err := enter(dir, resume)
	if err == nil {
		leave()
	}
	return err
}

// enter prepares a run's folder and locks it until leave is called or the process ends.
func enter(dir string, resume bool) (leave func(), err error) {
	checkpoint, previous := filepath.Join(dir, CheckpointFile), filepath.Join(dir, PreviousFile)
	if resume && !exists(checkpoint) { // before a folder is made in vain
		l, err := LoadCheckpoint(checkpoint)
		if err == nil { // it has come meanwhile
			l.Close()
			err = fmt.Errorf("%s: %w", dir, ErrLocked)
		}
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	unlock, err := lock(dir)
	if errors.Is(err, ErrLocked) {
		return nil, err
	}
	if err == nil {
		defer func() {
			if err != nil {
				unlock()
			}
		}()
	}
	switch there := exists(checkpoint); {
	case there && !resume:
		return nil, fmt.Errorf("%s: %w", checkpoint, ErrCheckpointExists)
	case exists(previous) && !resume:
		return nil, fmt.Errorf("%s: %w", previous, ErrCheckpointExists)
	case !there && resume:
		return nil, fmt.Errorf("%s: %w", checkpoint, ErrNoCheckpoint)
	case err != nil:
		return nil, err
	}
	sweep(dir)
	probe, err := os.CreateTemp(dir, writeProbe+"*")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return unlock, nil
}

const writeProbe = ".write-"

// lock tries a few times: another that merely looks whether it may begin holds the lock for a moment.
func lock(dir string) (unlock func(), err error) {
	for range 4 {
		unlock, err = files.Lock(filepath.Join(dir, LockFile))
		if !errors.Is(err, files.ErrLocked) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	switch {
	case errors.Is(err, files.ErrLocked):
		return nil, fmt.Errorf("%s: %w: %w", dir, ErrLocked, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrFolder, err)
	}
	return unlock, nil
}

// sweep removes the half-written files of runs that were killed; the folder is locked, so nobody is writing them.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // what matters is tried next
	}
	for _, e := range entries {
		for _, prefix := range []string{writeProbe, "." + CheckpointFile + ".", "." + MetricsFile + ".", "." + BadBatchFile + ".", "." + RunFile + "."} {
			if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) {
				os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
