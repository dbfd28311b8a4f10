package tune

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"goxkd/cpu"
	"goxkd/gpu"
	"goxkd/graph"
)

// ErrNoVariants is returned for a device that has no kernels to choose from.
var ErrNoVariants = errors.New("it has no kernels to choose from")

const (
	// limit is the greatest normalised mean square error of a variant against the CPU path, as for checks of operations.
	limit = 1e-7
	// rounds is how often each variant is timed; hopeless is how many times the best it may take in the first.
	rounds, hopeless = 4, 3
	// worthwhile is the part of the default's time above which the default stays: timings are not exact.
	worthwhile = 0.95
	// warmUp is how long variants run before the first is timed.
	warmUp = 60 * time.Millisecond
)

// Task is one operation at one shape, as a graph has it, with the variants that are offered for it.
type Task struct {
	Key      string // operation, attributes, shapes and types
	Nodes    int    // of the graph
	Variants []string
	node     *graph.Node
}

// Tried is what the variants of a task came to.
type Tried struct {
	Task
	Best    string
	Seconds map[string]float64 // of those that were right
	Wrong   map[string]string  // reason by variant
}

// Gain is the time saved over the default in one run of the graph, in seconds.
func (t Tried) Gain() float64 {
	return float64(t.Nodes) * (t.Seconds[t.Variants[0]] - t.Seconds[t.Best])
}

// Tasks lists what there is to choose in a graph on a device, in the order of the graph.
func Tasks(dev graph.Device, g *graph.Graph) ([]*Task, error) {
	var tasks []*Task
	by, banks := map[string]*Task{}, map[*graph.Node]bool{}
	for _, n := range g.Nodes {
		banks[n.Bank] = true
	}
	isBank := func(n *graph.Node) bool { return banks[n] }
	_, err := dev.Announce(g, graph.PlanOptions{Choose: func(n *graph.Node, variants []string) string {
		// What works on banks is hardly any of a step, and cannot stand alone.
		if len(variants) > 1 && len(n.Op.Updates) == 0 && !slices.ContainsFunc(n.Inputs, isBank) {
			k := Key(n)
			if by[k] == nil {
				by[k] = &Task{Key: k, Variants: slices.Clone(variants), node: n}
				tasks = append(tasks, by[k])
			}
			by[k].Nodes++
		}
		return variants[0]
	}})
	return tasks, err
}

// Key names what decides about a node's kernels besides the adapter.
func Key(n *graph.Node) string {
	k := fmt.Sprintf("%s %+v", n.Op.Name, n.Attrs)
	for _, in := range n.Inputs {
		k += " " + in.Shape.String()
		if in.Type != graph.Float32 {
			k += in.Type.String()
		}
	}
	return k
}

// Try checks and times the variants of a task. Those that are wrong, or do not run, are in Wrong; the error is for a device on
// which none is right, or a cancelled context.
func Try(ctx context.Context, dev *gpu.Device, t *Task) (*Tried, error) {
	r := &Tried{Task: *t, Seconds: map[string]float64{}, Wrong: map[string]string{}}
	one, err := alone(t.node)
	if err != nil {
		return nil, err
	}
	if err := one.compute(ctx); err != nil {
		return nil, err
	}
	// All are ready before the first is timed: an adapter that waits for a compiler lowers its clocks.
	right := map[string]graph.Profiler{}
	for _, v := range t.Variants {
		e, err := one.prepare(ctx, dev, v)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.Wrong[v] = err.Error()
			continue
		}
		defer e.Close()
		right[v] = e.(graph.Profiler)
	}
	if err := r.race(ctx, right); err != nil {
		return nil, err
	}
	if r.Best == "" {
		return nil, fmt.Errorf("tune: %s: no variant is right: %s: %s", t.Key, t.Variants[0], r.Wrong[t.Variants[0]])
	}
	return r, nil
}

// race times the variants in turn, a few rounds, and takes the best time of each, so that a moment in which the adapter is slow does not
// decide. What takes far longer than the best leaves after the first round.
func (t *Tried) race(ctx context.Context, right map[string]graph.Profiler) error {
	best := math.Inf(1)
	for round := -1; round < rounds; round++ {
		for _, v := range t.Variants {
			p := right[v]
			if p == nil || round > 0 && t.Seconds[v] > hopeless*best {
				continue
			}
			for began := time.Now(); ; {
				took, err := seconds(ctx, p)
				if err != nil {
					return err
				}
				if round >= 0 {
					if s, ok := t.Seconds[v]; !ok || took < s {
						t.Seconds[v] = took
					}
					best = min(best, took)
					break
				}
				// The round before the first brings the adapter to its speed.
				if time.Since(began) > warmUp/time.Duration(len(right)) {
					break
				}
			}
		}
	}
	for _, v := range t.Variants {
		if s, ok := t.Seconds[v]; ok && s == best {
			t.Best = v
		}
	}
	if usual, ok := t.Seconds[t.Variants[0]]; ok && best > worthwhile*usual {
		t.Best = t.Variants[0]
	}
	return nil
}

// seconds profiles a graph of one node.
func seconds(ctx context.Context, p graph.Profiler) (sum float64, err error) {
	times, err := p.Profile(ctx)
	for _, t := range times {
		sum += t.Time.Seconds()
	}
	return sum, err
}

// single is a graph of one node, with inputs and the results that they should give.
type single struct {
	g       *graph.Graph
	in      []*graph.Node
	results []*graph.Node
	values  [][]float32
	want    [][]float32
}

// alone builds a graph of a node like n.
func alone(n *graph.Node) (*single, error) {
	s := &single{}
	c := n.Op.Cases[0]
	for _, other := range n.Op.Cases {
		if c.Follow == nil {
			c.Follow = other.Follow
		}
	}
	c.Attrs, c.Shapes, c.Types = n.Attrs, nil, nil
	for _, in := range n.Inputs {
		c.Shapes, c.Types = append(c.Shapes, in.Shape), append(c.Types, in.Type)
	}
	var err error
	s.g, err = graph.Build(func(g *graph.Graph) {
		y := g.ApplyCase(n.Op, c)
		s.in = y.Inputs
		for _, r := range y.All() {
			s.results = append(s.results, g.Keep(r))
		}
	})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	drawn := make([][]float64, len(s.in))
	for i, in := range s.in {
		drawn[i] = make([]float64, in.Shape.Size())
		for k := range drawn[i] {
			drawn[i][k] = in.Type.Round(2*rng.Float64() - 1)
		}
	}
	if c.Follow != nil {
		c.Follow(c, drawn)
	}
	for _, d := range drawn {
		data := make([]float32, len(d))
		for k, v := range d {
			data[k] = float32(v)
		}
		s.values = append(s.values, data)
	}
	return s, nil
}

// compute runs the node on the CPU path.
func (s *single) compute(ctx context.Context) error {
	e, err := cpu.Device{}.Compile(s.g, graph.PlanOptions{})
	if err != nil {
		return err
	}
	defer e.Close()
	if err := s.run(ctx, e); err != nil {
		return err
	}
	s.want, err = s.read(e)
	return err
}

func (s *single) run(ctx context.Context, e graph.Executor) error {
	for i, in := range s.in {
		if err := e.Write(in, s.values[i]); err != nil {
			return err
		}
	}
	return e.Run(ctx)
}

func (s *single) read(e graph.Executor) (out [][]float32, err error) {
	for _, n := range s.results {
		data := make([]float32, n.Shape.Size())
		if err := e.Read(n, data); err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

// prepare compiles the node by a variant, runs it and compares its results.
func (s *single) prepare(ctx context.Context, dev *gpu.Device, variant string) (graph.Executor, error) {
	choose := graph.ForceVariants(map[string]string{s.results[0].Op.Name: variant})
	e, err := dev.Compile(s.g, graph.PlanOptions{Choose: choose})
	if err != nil {
		return nil, err
	}
	if err := s.compare(ctx, e); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// compare runs the node and compares its results with those of the CPU path.
func (s *single) compare(ctx context.Context, e graph.Executor) error {
	if err := s.run(ctx, e); err != nil {
		return err
	}
	got, err := s.read(e)
	if err != nil {
		return err
	}
	for i, want := range s.want {
		if off := distance(got[i], want); !(off <= limit) {
			return fmt.Errorf("error %.1e, %.0e is allowed", off, limit)
		}
	}
	return nil
}

// distance is Σ(got-want)²/Σ want².
func distance(got, want []float32) float64 {
	var off, all float64
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		off, all = off+d*d, all+float64(w)*float64(w)
	}
	if off == 0 {
		return 0
	}
	return off / all
}

// stamp is a digest of the texts of all variants of a task: a choice holds for these kernels alone.
func stamp(t *Task, class graph.Class) (string, error) {
	h := sha256.New()
	for _, v := range t.Variants {
		kernels, err := gpu.Kernels(t.node, graph.Target{Class: class, Variant: v}, "")
		if err != nil {
			return "", err
		}
		for _, k := range kernels {
			fmt.Fprintln(h, v, k.Entry, k.Groups, k.Text)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), nil
}
