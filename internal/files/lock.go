package files

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Owner is the process that holds a lock file.
type Owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
}

func (o Owner) String() string {
	if o.PID == 0 {
		return "a process that has not said who it is"
	}
	return fmt.Sprintf("process %d on %s, since %s", o.PID, o.Host, o.Since.Local().Format(time.DateTime))
}

// LockedError is an ErrLocked that names the owner.
type LockedError struct {
	Owner Owner
	// File is to be removed by hand if the owner is gone, where the file system knows no locks; else "".
	File string
}

func (e LockedError) Error() string {
	if e.File != "" {
		return fmt.Sprintf("%v; if that process is gone, remove %s", e.Owner, e.File)
	}
	return e.Owner.String()
}

func (e LockedError) Is(target error) bool { return target == ErrLocked }

// Lock takes the lock file at path for this process, until unlock is called or the process ends, however it ends: the system
// holds the lock, and the file only says by whom. The error is a LockedError where another has it, be it in this process.
func Lock(path string) (unlock func(), err error) {
	for {
		f, err := OpenOwn(path)
		if err != nil {
			return nil, err
		}
		err = flock(f)
		if errors.Is(err, ErrLocked) {
			defer f.Close()
			o := readOwner(f)
			if o.PID == 0 { // it is about to say
				time.Sleep(50 * time.Millisecond)
				o = readOwner(f)
			}
			return nil, LockedError{Owner: o}
		}
		if err != nil {
			return lockByName(f)
		}
		// Whoever had it may have removed the file since it was opened; then this lock is on a file that nobody else will find.
		mine, err := f.Stat()
		now, err2 := os.Lstat(path)
		if err != nil || err2 != nil || !os.SameFile(mine, now) {
			f.Close()
			continue
		}
		return own(f)
	}
}

// Held tells whether a process holds the lock file at path, without taking it.
func Held(path string) bool {
	f, err := OpenRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	switch err := flockShared(f); {
	case err == nil:
		return false
	case errors.Is(err, ErrLocked):
		return true
	}
	o := readOwner(f)
	return o.PID != 0 && !o.gone()
}

// lockByName is for file systems without locks: the file's content is the lock, and it is stale if its process is gone.
func lockByName(f *os.File) (unlock func(), err error) {
	if o := readOwner(f); o.PID != 0 && !o.gone() {
		f.Close()
		return nil, LockedError{Owner: o, File: filepath.Clean(f.Name())}
	}
	unlock, err = own(f)
	if err != nil {
		return nil, err
	}
	// Of two that write at once the later one has it.
	wrote := readOwner(f)
	time.Sleep(50 * time.Millisecond)
	if o := readOwner(f); o != wrote {
		f.Close()
		return nil, LockedError{Owner: o, File: filepath.Clean(f.Name())}
	}
	return unlock, nil
}

// own writes this process into a lock file that it has.
func own(f *os.File) (unlock func(), err error) {
	host, _ := os.Hostname()
	line, err := json.Marshal(Owner{os.Getpid(), host, time.Now().UTC()})
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(append(line, '\n'), 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() {
		// It is removed before the lock goes, so that none is removed that another has taken. Windows removes no file that is
		// open, here or elsewhere.
		if runtime.GOOS == "windows" {
			f.Close()
		}
		os.Remove(f.Name())
		f.Close()
	}, nil
}

// readOwner reads who has a lock file; the zero Owner where it does not say.
func readOwner(f *os.File) (o Owner) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	if err != nil || json.Unmarshal(text, &o) != nil {
		return Owner{}
	}
	return o
}

// gone reports that the process certainly runs no more.
func (o Owner) gone() bool {
	host, err := os.Hostname()
	if err != nil || host != o.Host {
		return false
	}
	p, err := os.FindProcess(o.PID)
	if err != nil {
		return true
	}
	defer p.Release()
	if runtime.GOOS == "windows" {
		return false // finding it has opened it
	}
	err = p.Signal(syscall.Signal(0))
	return errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH)
}
