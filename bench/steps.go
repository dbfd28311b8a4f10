package bench

import (
	"context"
	"errors"
	"slices"
	"time"

	"goxkd/graph"
	"goxkd/graph/op"
	"goxkd/media/synthetic"
	"goxkd/media/views"
	"goxkd/xkd"
)

// ErrNoProfile is returned for a device that cannot tell its nodes' times apart.
var ErrNoProfile = errors.New("it does not time single operations")

// Steps are the times of training steps in seconds, rising.
type Steps []float64

// Median is the time in the middle.
func (s Steps) Median() float64 { return (s[(len(s)-1)/2] + s[len(s)/2]) / 2 }

// Host is the host's time in seconds a step, on the mean.
type Host struct {
	Upload float64 `json:"upload"` // handing inputs over
	Encode float64 `json:"encode"` // telling the device what to do
	Wait   float64 `json:"wait"`   // waiting for it
	Rest   float64 `json:"rest"`   // masks, schedules, reading losses back
}

// TimeSteps times steps (1 or more) on one batch of generated clips, after warm ones that do not count. Preparing clips is not
// in the times; reading the losses back is. Where the device overlaps with the host, a step is begun in the time of the one
// before it, as training does it. host is nil for a device that keeps no account of it.
func TimeSteps(ctx context.Context, t *xkd.Trainer, warm, steps int) (times Steps, host *Host, err error) {
	batches, err := generated(ctx, t)
	if err != nil {
		return nil, nil, err
	}
	var before graph.HostTimes
	for i := range warm + steps {
		if i == warm {
			before, _ = t.HostTimes()
		}
		start := time.Now()
		following := batches
		if i == warm+steps-1 || !t.Overlaps() {
			following = nil
		}
		if _, err := t.TrainAhead(ctx, batches, following); err != nil {
			return nil, nil, err
		}
		if i >= warm {
			times = append(times, time.Since(start).Seconds())
		}
	}
	if after, ok := t.HostTimes(); ok {
		n := float64(steps)
		host = &Host{Upload: (after.Upload - before.Upload).Seconds() / n, Encode: (after.Encode - before.Encode).Seconds() / n, Wait: (after.Wait - before.Wait).Seconds() / n}
		for _, s := range times {
			host.Rest += s / n
		}
		host.Rest -= host.Upload + host.Encode + host.Wait
	}
	slices.Sort(times)
	return times, host, nil
}

// generated gives the micro-batches of a step, all of the same clips.
func generated(ctx context.Context, t *xkd.Trainer) ([]*views.Batch, error) {
	l, err := views.NewLoader(ctx, synthetic.New(t.Config.Generated()), t.Config.Spec(), views.LoaderConfig{Batch: t.Config.Train.Batch, Prefetch: 1})
	if err != nil {
		return nil, err
	}
	b, err := l.Next()
	// The loader would go on to the next batch beside the steps that are timed.
	l.Close()
	if err != nil {
		return nil, err
	}
	batches := make([]*views.Batch, t.MicroBatches())
	for i := range batches {
		batches[i] = b
	}
	return batches, nil
}

// Operation is what one kind of operation takes of a step.
type Operation struct {
	Op         string  `json:"op"`
	Variant    string  `json:"variant,omitempty"`
	Nodes      int     `json:"nodes"`
	Dispatches int     `json:"dispatches"`
	Seconds    float64 `json:"seconds"`
	Part       float64 `json:"part"`             // of all seconds
	FLOPs      float64 `json:"flops,omitempty"`  // of matrix products and attention
	GFLOPs     float64 `json:"gflops,omitempty"` // per second
	Moved      int64   `json:"bytes_moved"`      // by all nodes: what each kernel reads and writes, once
	GB         float64 `json:"gb_s"`             // 1e9 bytes per second
}

// TimeOperations times the nodes of a step one by one, after a warm step, and gives the kinds of operations, the dearest first.
func TimeOperations(ctx context.Context, t *xkd.Trainer) ([]Operation, error) {
	if _, _, err := TimeSteps(ctx, t, 0, 1); err != nil {
		return nil, err
	}
	nodes, err := t.Profile(ctx)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, ErrNoProfile
	}
	if err != nil {
		return nil, err
	}
	type kind struct{ op, variant string }
	by := map[kind]*Operation{}
	total := 0.0
	var list []*Operation
	for _, n := range nodes {
		k := kind{n.Node.Op.Name, n.Variant}
		s := by[k]
		if s == nil {
			s = &Operation{Op: k.op, Variant: k.variant}
			by[k], list = s, append(list, s)
		}
		s.Nodes++
		s.Dispatches += n.Dispatches
		s.Seconds += n.Time.Seconds()
		s.FLOPs += op.FLOPs(n.Node)
		s.Moved += n.Moved
		total += n.Time.Seconds()
	}
	slices.SortStableFunc(list, func(a, b *Operation) int {
		if a.Seconds > b.Seconds {
			return -1
		}
		return 1
	})
	out := make([]Operation, len(list))
	for i, s := range list {
		s.Part, s.GFLOPs, s.GB = s.Seconds/total, s.FLOPs/s.Seconds/1e9, float64(s.Moved)/s.Seconds/1e9
		out[i] = *s
	}
	return out, nil
}
