package corpus

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
)

// IndexFile is the name of the index of a folder's files: one JSON object per line and file.
const IndexFile = ".xkd-index.jsonl"

// indexEntry is what an index knows of one file, valid as long as size and time of change agree.
type indexEntry struct {
	V      int    `json:"v"`                // indexVersion
	Path   string `json:"path"`             // below the folder, with slashes; absolute when outside it
	Size   int64  `json:"size"`             // bytes
	Time   int64  `json:"mtime"`            // nanoseconds since 1970
	Offset int64  `json:"offset,omitempty"` // bytes, of a member within its shard
	ffmpeg.Contents
	Label  string `json:"label,omitempty"`
	Split  string `json:"split,omitempty"`
	Reason string `json:"reason,omitempty"` // why it cannot be read as media
}

// indexVersion is that of the entries: those of another are asked about again.
const indexVersion = 5

// autoIndex is the number of files asked about from which the answers are kept without being told:
// asking about a thousand takes most of a minute on a small machine.
const autoIndex = 50

// maxIndexLine bounds one line of an index; longer ones are not ours. maxIndexBytes bounds what is read of all.
const (
	maxIndexLine  = 1 << 20
	maxIndexBytes = 2 << 30
)

// inRange tells whether an entry is one that could have been written: whoever can write into the folder can write its index.
func (e *indexEntry) inRange() bool {
	return e.Path != "" && e.V == indexVersion && e.Size >= 0 && e.Offset >= 0 && e.Offset <= math.MaxInt64-e.Size &&
		len(e.Reason) <= maxReason && e.Contents.InRange()
}

// maxReason bounds the reason for a refusal.
const maxReason = 4 << 10

// fileIndex remembers ffprobe's answers between runs, refusals included. What failed for want of
// time or of the tool is not remembered.
type fileIndex struct {
	root    string
	file    string // where it is kept
	always  bool   // it is kept however small
	mu      sync.Mutex
	fresh   int
	kept    int       // fresh when it was kept last
	when    time.Time // from when on it is worth keeping again
	entries map[string]indexEntry
	asked   map[string]bool
	read    map[string]bool // whose entries were read, and not asked of the file by this process
	wrong   map[string]wrongEntry
	swept   bool // what killed processes have left beside it
}

// openIndex reads what is known of the files below root: from the file named, or else from the
// folder's own index and the one in the user's cache. Absent or broken lines are asked about again.
func openIndex(root, file string) *fileIndex {
	x := &fileIndex{root: root, file: file, always: file != "", entries: map[string]indexEntry{}, asked: map[string]bool{}, read: map[string]bool{}, wrong: map[string]wrongEntry{}, when: time.Now().Add(keepEvery)}
	if x.always {
		x.load(file)
		return x
	}
	// The one that is written is read last, for it is the newer.
	own, cached := filepath.Join(root, IndexFile), cachedIndex(root)
	if writable(own) {
		own, cached = cached, own
	}
	x.load(own)
	x.load(cached)
	x.file = cached
	return x
}

// cachedIndex is the place in the user's cache for a folder's index, empty when there is no cache.
func cachedIndex(root string) string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(root))
	return filepath.Join(cache, "xkd", "index", hex.EncodeToString(sum[:8])+".jsonl")
}

// writable tells whether the file can be written, as a user other than its owner may not.
func writable(file string) bool {
	info, err := os.Stat(file)
	if err != nil || files.Regular(file, info) != nil {
		return false // to open a pipe would wait for its reader
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

func (x *fileIndex) load(file string) bool {
	f, err := files.OpenRegular(file)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, e := range readIndex(io.LimitReader(f, maxIndexBytes)) {
		x.entries[e.Path] = e
		x.read[e.Path] = true
	}
	return true
}

// readIndex reads the lines that are understood.
func readIndex(r io.Reader) []indexEntry {
	var out []indexEntry
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxIndexLine)
	for lines.Scan() {
		var e indexEntry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.inRange() {
			out = append(out, e)
		}
	}
	return out
}

// key is how a file is called in the index; what JSON cannot hold has none.
func (x *fileIndex) key(in ffmpeg.Place, name string) string {
	key := in.Path
	if rel, err := filepath.Rel(x.root, in.Path); err == nil && filepath.IsLocal(rel) {
		key = filepath.ToSlash(rel)
	}
	if in.Size > 0 {
		key = name
	}
	if !utf8.ValidString(key) {
		return ""
	}
	return key
}

// ask returns what the place holds, remembered or fresh. The name is that of a shard's member.
func (x *fileIndex) ask(ctx context.Context, in ffmpeg.Place, name string) (ffmpeg.Contents, stamp, error) {
	s, err := stampOf(in.Path)
	if err != nil {
		return ffmpeg.Contents{}, s, files.Missing(err)
	}
	key := x.key(in, name)
	size := s.size
	if in.Size > 0 {
		size = in.Size
	}
	x.mu.Lock()
	known, ok := x.entries[key]
	x.mu.Unlock()
	if !ok || known.Size != size || known.Time != s.time || known.Offset != in.At {
		contents, err := ffmpeg.Probe(ctx, in)
		var no ffmpeg.Refusal
		if err != nil && !errors.As(err, &no) {
			return ffmpeg.Contents{}, s, err
		}
		known = indexEntry{V: indexVersion, Path: key, Size: size, Time: s.time, Offset: in.At, Contents: contents, Reason: string(no)}
		// A file that changes while it is looked at is asked about again next time.
		if now, err := stampOf(in.Path); key != "" && err == nil && now == s {
			x.mu.Lock()
			x.entries[key] = known
			delete(x.read, key)
			x.fresh++
			x.mu.Unlock()
		}
	}
	x.mu.Lock()
	x.asked[key] = true
	x.mu.Unlock()
	if known.Reason != "" {
		return ffmpeg.Contents{}, s, ffmpeg.Refusal(known.Reason)
	}
	return known.Contents, s, nil
}

// stamp tells whether a file has changed.
type stamp struct{ size, time int64 }

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	if !info.Mode().IsRegular() {
		return stamp{}, errIrregular
	}
	return stamp{info.Size(), info.ModTime().UnixNano()}, nil
}

// note keeps a clip's label and split beside what is known of its file.
func (x *fileIndex) note(in ffmpeg.Place, name, label, split string) {
	key := x.key(in, name)
	x.mu.Lock()
	defer x.mu.Unlock()
	if e, ok := x.entries[key]; ok && utf8.ValidString(label) && utf8.ValidString(split) {
		e.Label, e.Split = label, split
		x.entries[key] = e
	}
}

// keep writes the index where it is worth it. That it cannot be written costs time in the next run
// only, so it is no error.
func (x *fileIndex) keep() {
	x.mu.Lock()
	fresh := x.fresh
	x.mu.Unlock()
	if x.file == "" || fresh == 0 || !x.always && fresh < autoIndex {
		return
	}
	if os.MkdirAll(filepath.Dir(x.file), 0o755) == nil {
		_ = x.write(x.file, false)
	}
}

// keepEvery is the time between two keepings while files are looked at; of a large index that takes longer to write it is
// more, so that writing takes a small part of the time.
var keepEvery = 5 * time.Second

// keepShare is the time between two keepings in units of what one takes.
const keepShare = 20

// keepNow keeps the index if that was long ago.
func (x *fileIndex) keepNow() {
	x.mu.Lock()
	began := time.Now()
	due := x.fresh > x.kept && began.After(x.when)
	if due {
		x.kept, x.when = x.fresh, began.Add(time.Hour) // one at a time
	}
	x.mu.Unlock()
	if !due {
		return
	}
	x.keep()
	x.mu.Lock()
	x.when = time.Now().Add(max(keepEvery, keepShare*time.Since(began)))
	x.mu.Unlock()
}

// write writes the entries by path; with pruned, without those of files that have gone.
func (x *fileIndex) write(file string, pruned bool) error {
	x.mu.Lock()
	entries, asked := maps.Clone(x.entries), maps.Clone(x.asked)
	swept := x.swept
	x.swept = true
	x.mu.Unlock()
	if !swept {
		files.SweepHalves(file)
	}
	return files.WriteAtomic(file, func(w io.Writer) error {
		lines := json.NewEncoder(w)
		lines.SetEscapeHTML(false)
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			if pruned && !asked[key] && x.gone(key) {
				continue
			}
			if err := lines.Encode(entries[key]); err != nil {
				return err
			}
		}
		return nil
	})
}

// gone tells whether the entry's file does not exist any more; a shard's member that nobody asked
// about is taken to be.
func (x *fileIndex) gone(key string) bool {
	path := filepath.FromSlash(key)
	if !filepath.IsAbs(path) {
		path = filepath.Join(x.root, path)
	}
	_, err := os.Stat(path)
	return err != nil
}

// Index is the outcome of IndexClips.
type Index struct {
	File    string         // where it was written
	Probed  int            // files asked about anew; the others had not changed
	Clips   int            // clips that can be used
	Seconds float64        // of all their lengths
	Unknown int            // clips whose length the file does not tell
	Lengths []float64      // seconds, of each clip whose length is known
	Classes map[string]int // clips by label
	Reasons map[string]int // refused files by reason
	Report  *media.Report
	Why     string // where there are no clips: why, and what to do
}

// IndexClips looks at all clips that Open would, writes what it finds to the file named, or by
// default to IndexFile in the folder or, where that cannot be written, to the user's cache, and sums
// it up. Files that have not changed since the last index are not looked at again.
func IndexClips(ctx context.Context, path string, opt media.FolderOptions, out string) (*Index, error) {
	opt = opt.WithDefaults()
	report := &media.Report{}
	list, err := gather(path, opt, report)
	if err != nil {
		return nil, err
	}
	f := newFolder(list, opt)
	f.index.always = true // however few answers there are when the work is stopped
	if out != "" {
		f.index.load(out)
		f.index.file = out
	} else if own := filepath.Join(list.root, IndexFile); f.index.write(own, false) == nil {
		f.index.file = own
	}
	if err := f.probeAll(ctx, report); err != nil {
		return nil, err
	}
	f.number(report)
	report.Good = len(f.files)
	x := &Index{
		File: out, Probed: f.index.fresh, Clips: len(f.files),
		Classes: map[string]int{}, Reasons: map[string]int{}, Report: report,
	}
	for i, file := range f.files {
		if d := f.Duration(i); d > 0 {
			x.Lengths = append(x.Lengths, d)
			x.Seconds += d
		} else {
			x.Unknown++
		}
		for _, label := range file.labels {
			x.Classes[f.classes[label]]++
		}
	}
	if x.Clips == 0 {
		x.Why = fmt.Sprintf("%s: %s", list.what, hopeless(report, opt))
	}
	for _, b := range report.Bad {
		reason := b.Reason
		if at := (lineOf{}); errors.As(b.Err, &at) { // one reason, whatever the lines
			reason = at.error.Error()
		}
		x.Reasons[reason]++
	}
	if out != "" {
		return x, f.index.write(out, true)
	}
	x.File = filepath.Join(list.root, IndexFile)
	err = f.index.write(x.File, true)
	if err == nil {
		return x, nil
	}
	if x.File = cachedIndex(list.root); x.File == "" {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(x.File), 0o755); err != nil {
		return nil, err
	}
	return x, f.index.write(x.File, true)
}
