package media

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
)

// probeCache remembers ffprobe's answers between runs, by path, size and time of change. Asking about
// a thousand files takes most of a minute on a small machine. Failures are not remembered.
type probeCache struct {
	file    string
	mu      sync.Mutex
	changed bool
	answers map[string]cachedAnswer
}

type cachedAnswer struct {
	Size   int64           `json:"size"`
	Time   int64           `json:"time"` // nanoseconds
	Answer json.RawMessage `json:"answer"`
}

// openProbeCache reads the file; one that is absent or not understood is an empty cache.
func openProbeCache(file string) *probeCache {
	c := &probeCache{file: file, answers: map[string]cachedAnswer{}}
	if file == "" {
		return c
	}
	if raw, err := os.ReadFile(file); err == nil && json.Unmarshal(raw, &c.answers) != nil || c.answers == nil {
		c.answers = map[string]cachedAnswer{}
	}
	return c
}

// ask returns ffprobe's answer about the file at the absolute path, remembered or fresh.
func (c *probeCache) ask(ctx context.Context, path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil || c.file == "" {
		return askProbe(ctx, path)
	}
	c.mu.Lock()
	known, ok := c.answers[path]
	c.mu.Unlock()
	if ok && known.Size == info.Size() && known.Time == info.ModTime().UnixNano() {
		return known.Answer, nil
	}
	answer, err := askProbe(ctx, path)
	if err == nil && json.Valid(answer) {
		c.mu.Lock()
		c.answers[path] = cachedAnswer{info.Size(), info.ModTime().UnixNano(), answer}
		c.changed = true
		c.mu.Unlock()
	}
	return answer, err
}

// save writes the file anew, by way of another so that a reader never sees half of it. That it
// cannot be written costs time in the next run only, so it is no error.
func (c *probeCache) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == "" || !c.changed {
		return
	}
	raw, err := json.Marshal(c.answers)
	if err != nil || os.MkdirAll(filepath.Dir(c.file), 0o755) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.file), ".probe-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(raw)
	if closed := tmp.Close(); err != nil || closed != nil || os.Rename(tmp.Name(), c.file) != nil {
		os.Remove(tmp.Name())
	}
}
