package files

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// WriteAtomic writes a file so that whoever opens it sees the old one or the whole new one, also
// after a crash: beside it first, onto the disk, then renamed.
func WriteAtomic(path string, write func(w io.Writer) error) error { return Replace(path, "", write) }

// Replace is WriteAtomic, and keeps the old file as previous, unless that is empty. Where the file system has no hard links
// there is a moment when the old file is at previous alone.
func Replace(path, previous string, write func(w io.Writer) error) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	w := bufio.NewWriterSize(tmp, 1<<20)
	if err = write(w); err != nil {
		return err
	}
	if err = w.Flush(); err != nil {
		return err
	}
	if err = tmp.Chmod(0o644); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if previous != "" {
		if err = keep(path, previous); err != nil {
			return err
		}
	}
	if err = rename(tmp.Name(), path); err != nil {
		return err
	}
	SyncDir(filepath.Dir(path))
	return nil
}

// halfAge is how long a half-written file may be being written.
const halfAge = time.Hour

// SweepHalves removes what writers of path that were killed have left beside it. What is younger than an hour may be being
// written now and stays.
func SweepHalves(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // what matters is tried by whoever writes
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), ".part") {
			continue
		}
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > halfAge {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// keep gives the file at path, if there is one, a second name in place of the file that has it; without hard links its only one.
func keep(path, previous string) error {
	link := previous + ".part"
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := os.Link(path, link)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return rename(path, previous)
	}
	return rename(link, previous)
}

// patience is how long rename waits for readers.
const patience = 5 * time.Second

// rename gives a file the name of another, whose place it takes. Windows does not while a process has either open, as who
// reads a checkpoint or looks for viruses has for a moment: then it is tried again.
func rename(from, to string) error {
	for until := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := os.Rename(from, to)
		if err == nil || runtime.GOOS != "windows" || time.Now().After(until) {
			return err
		}
	}
}

// SyncDir puts a folder's new names onto the disk. Not every file system can; the files stand anyway.
func SyncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}
