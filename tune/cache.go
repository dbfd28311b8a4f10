package tune

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"goxkd/gpu"
	"goxkd/graph"
	"goxkd/internal/files"
)

// Cache is what is known of one adapter, kept in a file.
type Cache struct {
	Adapter string            `json:"adapter"`
	Backend string            `json:"backend"`
	Driver  string            `json:"driver"`
	Choices map[string]Choice `json:"choices"` // by Task.Key
	file    string
}

// Choice is the best variant of one task.
type Choice struct {
	Variant string             `json:"variant"`
	Kernels string             `json:"kernels"` // digest of the variants' texts
	Seconds map[string]float64 `json:"seconds"`
	// Use is whether a whole graph was faster with it, and those chosen with it: a node alone finds its inputs in caches.
	Use bool `json:"use"`
}

// Folder is where choices are kept: a folder of the user's cache.
func Folder() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "xkd", "tuned"), nil
}

// OpenCache reads what is known of an adapter from a folder; a file that is missing or damaged is an empty cache.
func OpenCache(folder string, a gpu.Adapter) (*Cache, error) {
	id := sha256.Sum256([]byte(a.Name + "\n" + a.Backend + "\n" + a.Driver))
	c := &Cache{file: filepath.Join(folder, fmt.Sprintf("%x.json", id[:8]))}
	data, err := readFile(c.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil || json.Unmarshal(data, c) != nil || c.Adapter != a.Name || c.Backend != a.Backend || c.Driver != a.Driver || c.Choices == nil {
		*c = Cache{Adapter: a.Name, Backend: a.Backend, Driver: a.Driver, Choices: map[string]Choice{}, file: c.file}
	}
	return c, nil
}

// maxCache bounds what is read of a cache.
const maxCache = 64 << 20

// readFile reads a regular file; one that is longer is cut, and so damaged.
func readFile(path string) ([]byte, error) {
	f, err := files.OpenRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxCache))
}

// File is where the cache is kept.
func (c *Cache) File() string { return c.file }

// Save writes the cache.
func (c *Cache) Save() error {
	if err := os.MkdirAll(filepath.Dir(c.file), 0o755); err != nil {
		return err
	}
	files.SweepHalves(c.file)
	return files.WriteAtomic(c.file, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(c)
	})
}

// Known tells whether a task's choice is in the cache, for the kernels as they are.
func (c *Cache) Known(t *Task, class graph.Class) (bool, error) {
	s, err := stamp(t, class)
	return err == nil && c.Choices[t.Key].Kernels == s, err
}

// Report is what tuning a graph came to.
type Report struct {
	Known int     // tasks whose choice was in the cache
	Tried []Tried // the others
}

// Gain is the time saved over the defaults in one run of the graph, in seconds, as far as it was timed now.
func (r *Report) Gain() (sum float64) {
	for _, t := range r.Tried {
		sum += t.Gain()
	}
	return sum
}

// Graph tries what the cache does not know of a graph, and saves the cache: when ctx is cancelled, what was tried by then.
func (c *Cache) Graph(ctx context.Context, dev *gpu.Device, g *graph.Graph, again bool, progress func(done, of int)) (*Report, error) {
	tasks, err := Tasks(dev, g)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	for i, t := range tasks {
		if progress != nil {
			progress(i, len(tasks))
		}
		kernels, err := stamp(t, dev.Adapter().Kernels)
		if err != nil {
			return r, err
		}
		if !again && c.Choices[t.Key].Kernels == kernels {
			r.Known++
			continue
		}
		tried, err := Try(ctx, dev, t)
		if err != nil {
			return r, errors.Join(err, c.Save())
		}
		c.Choices[t.Key] = Choice{Variant: tried.Best, Kernels: kernels, Seconds: tried.Seconds}
		r.Tried = append(r.Tried, *tried)
	}
	if progress != nil {
		progress(len(tasks), len(tasks))
	}
	return r, c.Save()
}

// Use says of all that is known of a graph's tasks whether it is used, and saves the cache.
func (c *Cache) Use(dev *gpu.Device, g *graph.Graph, yes bool) error {
	tasks, err := Tasks(dev, g)
	if err != nil {
		return err
	}
	for _, t := range tasks {
		if choice, ok := c.Choices[t.Key]; ok {
			choice.Use = yes
			c.Choices[t.Key] = choice
		}
	}
	return c.Save()
}

// Device gives a device that compiles with the choices in use, where they are for its kernels, and with the defaults elsewhere.
func (c *Cache) Device(dev *gpu.Device) graph.Device {
	return &tuned{Device: dev, cache: c, known: map[string]string{}}
}

type tuned struct {
	*gpu.Device
	cache *Cache
	known map[string]string // variant by key, "" for the default
}

func (t *tuned) choose(n *graph.Node, variants []string) string {
	if len(variants) == 1 {
		return variants[0]
	}
	k := Key(n)
	v, seen := t.known[k]
	if !seen {
		task := &Task{Key: k, Variants: variants, node: n}
		if ok, err := t.cache.Known(task, t.Adapter().Kernels); ok && err == nil && t.cache.Choices[k].Use {
			v = t.cache.Choices[k].Variant
		}
		t.known[k] = v
	}
	for _, offered := range variants {
		if offered == v {
			return v
		}
	}
	return variants[0]
}

// Compile implements graph.Device.
func (t *tuned) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	return t.Device.Compile(g, t.with(opt))
}

// Announce implements graph.Device.
func (t *tuned) Announce(g *graph.Graph, opt graph.PlanOptions) (int64, error) {
	return t.Device.Announce(g, t.with(opt))
}

func (t *tuned) with(opt graph.PlanOptions) graph.PlanOptions {
	if opt.Choose == nil && opt.Class == nil {
		opt.Choose = t.choose
	}
	return opt
}
