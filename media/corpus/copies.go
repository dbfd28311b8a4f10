package corpus

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"goxkd/internal/files"
)

// copiesFolder holds copies of compressed archives, below the user's cache. Beside each lies a note of the archive's path,
// whose time is that of the last use.
var copiesFolder = filepath.Join("xkd", "shards")

const noteEnding = ".from"

// keepCopies is how long a copy stays after its last use; keepHalves the same of one that is half written, which a killed
// process has left.
const (
	keepCopies = 30 * 24 * time.Hour
	keepHalves = 24 * time.Hour
)

func noteOf(copied string) string { return strings.TrimSuffix(copied, ".tar") + noteEnding }

// claimCopy notes that a copy is used now.
func claimCopy(copied, archive string) error {
	note := noteOf(copied)
	now := time.Now()
	if from, ok := readNote(note); ok && from == archive && os.Chtimes(note, now, now) == nil {
		return nil
	}
	return files.WriteAtomic(note, func(w io.Writer) error {
		_, err := io.WriteString(w, archive)
		return err
	})
}

// maxNote bounds a path.
const maxNote = 64 << 10

func readNote(note string) (archive string, ok bool) {
	f, err := files.OpenRegular(note)
	if err != nil {
		return "", false
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxNote))
	return string(raw), err == nil
}

var sweepOnce sync.Once

// sweepCopies removes the copies that nobody has used for long, once in a process.
func sweepCopies() {
	sweepOnce.Do(func() {
		if cache, err := os.UserCacheDir(); err == nil {
			sweepCopiesIn(filepath.Join(cache, copiesFolder), time.Now())
		}
	})
}

// sweepCopiesIn looks at the folder of copies alone: an archive may lie where to ask would take for ever. What cannot be
// removed stays for another time.
func sweepCopiesIn(dir string, now time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	old := func(name string, keep time.Duration) bool {
		info, err := os.Lstat(filepath.Join(dir, name))
		return err == nil && now.Sub(info.ModTime()) > keep
	}
	for _, e := range entries {
		name := e.Name()
		key, isCopy := strings.CutSuffix(name, ".tar")
		switch {
		case strings.HasPrefix(name, "."):
			if strings.HasSuffix(name, ".part") && old(name, keepHalves) {
				os.Remove(filepath.Join(dir, name))
			}
		case isCopy:
			// One without a note is of an earlier build, which wrote none.
			if _, err := os.Lstat(filepath.Join(dir, key+noteEnding)); err != nil || old(key+noteEnding, keepCopies) {
				os.Remove(filepath.Join(dir, name))
			}
		}
	}
	for _, e := range entries {
		if key, ok := strings.CutSuffix(e.Name(), noteEnding); ok && old(e.Name(), keepHalves) {
			if _, err := os.Lstat(filepath.Join(dir, key+".tar")); os.IsNotExist(err) {
				os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// dropOlder removes the copies of what an archive was before it changed.
func dropOlder(copied, archive string) {
	notes, _ := filepath.Glob(filepath.Join(filepath.Dir(copied), "*"+noteEnding))
	for _, note := range notes {
		if from, ok := readNote(note); ok && from == archive && note != noteOf(copied) {
			os.Remove(strings.TrimSuffix(note, noteEnding) + ".tar")
			os.Remove(note)
		}
	}
}
