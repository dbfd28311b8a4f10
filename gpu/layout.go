package gpu

import (
	"fmt"

	"goxkd/graph"
)

const (
	// wordBytes is the size of an element.
	wordBytes = 4
	// paramAlign is the distance of parameter structs in their buffer; every adapter allows it.
	paramAlign = 256
	// guardWords follow every tensor of a guarded executor.
	guardWords = 64
	// stagingMax bounds the buffer through which results are read, in pieces where they are larger.
	stagingMax = 16 << 20
)

// layout is what an executor will hold, known before anything is allocated.
type layout struct {
	plan     *graph.Plan
	launches map[*graph.Node]graph.Launch
	// tenants names the tensors of each slot, the largest first.
	tenants [][]string
	// last is the node that wrote each slot last, nil for scratch: only its elements can be read after a run.
	last    []*graph.Node
	guard   int64 // bytes after every tensor
	params  int64 // bytes of all parameters
	staging int64
	bytes   int64
}

// plan launches every node and assigns its memory. It refuses what does not fit.
func (d *Device) plan(g *graph.Graph, opt graph.PlanOptions) (*layout, error) {
	l := &layout{launches: map[*graph.Node]graph.Launch{}}
	if d.Guard {
		opt.Unshared = true
		l.guard = guardWords * wordBytes
	}
	var err error
	opt.Scratch = func(n *graph.Node) []int {
		if n.Op.Launch == nil {
			if err == nil {
				err = fmt.Errorf("gpu: %s (built at %s) has no launch", n.Label(), n.Where)
			}
			return nil
		}
		l.launches[n] = n.Op.Launch(n, d.Target())
		return l.launches[n].Scratch
	}
	plan, planErr := graph.NewPlan(g, opt)
	if err != nil {
		return nil, err
	}
	if planErr != nil {
		return nil, planErr
	}
	l.plan = plan
	l.name()
	return l, d.measure(l)
}

// name finds each slot's tenants and last writer.
func (l *layout) name() {
	l.tenants = make([][]string, len(l.plan.Slots))
	l.last = make([]*graph.Node, len(l.plan.Slots))
	add := func(slot int, size int, label string, n *graph.Node) {
		t := l.tenants[slot]
		if size == l.plan.Slots[slot] {
			t = append([]string{label}, t...)
		} else {
			t = append(t, label)
		}
		l.tenants[slot], l.last[slot] = t, n
	}
	for _, st := range l.plan.Steps {
		for i, s := range st.Scratch {
			add(s, l.launches[st.Node].Scratch[i], fmt.Sprintf("scratch %d of %s", i, st.Node.Label()), nil)
		}
		if s, ok := l.plan.Slot[st.Node]; ok {
			add(s, st.Node.Shape.Size(), st.Node.Label(), st.Node)
		}
	}
}

// measure sums the bytes and compares them with the adapter's limits and the budget.
func (d *Device) measure(l *layout) error {
	hold := func(elements int, label string) error {
		n := int64(elements)*wordBytes + l.guard
		if limit := min(d.adapter.Limits.StorageBinding, d.adapter.Limits.Buffer); n > limit {
			return fmt.Errorf("gpu: %s has %s, %v binds at most %s: %w", label, size(n), d.adapter, size(limit), graph.ErrTooLarge)
		}
		l.bytes += n
		return nil
	}
	for _, n := range l.plan.Persistent {
		if err := hold(n.Shape.Size(), n.Label()); err != nil {
			return err
		}
		l.staging = max(l.staging, int64(n.Shape.Size())*wordBytes)
	}
	for s, elements := range l.plan.Slots {
		if err := hold(elements, l.tenants[s][0]); err != nil {
			return err
		}
		if l.last[s] != nil {
			l.staging = max(l.staging, int64(elements)*wordBytes)
		}
	}
	for _, st := range l.plan.Steps {
		for _, s := range l.launches[st.Node].Dispatches {
			if s.Params != nil {
				l.params += paramAlign
			}
		}
	}
	l.staging = min(max(l.staging, guardWords*wordBytes), stagingMax)
	l.bytes += l.params + l.staging
	if d.Budget > 0 && l.bytes > d.Budget {
		largest, label := l.largest()
		return fmt.Errorf("gpu: the plan holds %s, the budget is %s; the largest tensor is %s with %s: %w",
			size(l.bytes), size(d.Budget), label, size(largest), graph.ErrTooLarge)
	}
	return nil
}

func (l *layout) largest() (bytes int64, label string) {
	for _, n := range l.plan.Persistent {
		if b := int64(n.Shape.Size()) * wordBytes; b > bytes {
			bytes, label = b, n.Label()
		}
	}
	for s, elements := range l.plan.Slots {
		if b := int64(elements) * wordBytes; b > bytes {
			bytes, label = b, l.tenants[s][0]
		}
	}
	return bytes, label
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// Announce gives the bytes that Compile would hold.
func (d *Device) Announce(g *graph.Graph, opt graph.PlanOptions) (bytes int64, err error) {
	err = d.do(func() error {
		l, err := d.plan(g, opt)
		if err == nil {
			bytes = l.bytes
		}
		return err
	})
	return bytes, err
}
