package gpu

import (
	"errors"
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
	// stagingMax is the size of the buffer through which results are read, in pieces where they are larger.
	stagingMax = 16 << 20
)

// layout is what an executor will hold, known before anything is allocated.
type layout struct {
	plan     *graph.Plan
	opt      graph.PlanOptions
	launches map[*graph.Node]graph.Launch
	// tenants names the tensors of each slot, the largest first.
	tenants [][]string
	// last is the node that wrote each slot last, nil for scratch: only its elements can be read after a run.
	last   []*graph.Node
	guard  int64 // bytes after every buffer
	params int64 // bytes of all parameters
	bytes  int64 // held by the executor itself
	states int64 // held by the store
}

// plan launches every node and assigns its memory. It refuses what does not fit.
func (d *Device) plan(g *graph.Graph, opt graph.PlanOptions) (*layout, error) {
	class := d.adapter.Kernels
	if opt.Class != nil {
		class = *opt.Class
	}
	l, err := layOut(g, opt, class)
	if err != nil {
		return nil, err
	}
	return l, l.fit(d)
}

// layOut launches every node for a class of adapters and assigns its memory.
func layOut(g *graph.Graph, opt graph.PlanOptions, class graph.Class) (*layout, error) {
	l := &layout{launches: map[*graph.Node]graph.Launch{}}
	target := graph.Target{Class: class}
	if opt.Guard {
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
		t := target
		var choice error
		if t.Variant, choice = opt.Variant(n, t); choice != nil {
			err = errors.Join(err, choice)
			return nil
		}
		launch := n.Op.Launch(n, t)
		launch.Variant = t.Variant
		l.launches[n] = launch
		return launch.Scratch
	}
	l.opt = opt
	plan, planErr := graph.NewPlan(g, opt)
	if err != nil {
		return nil, err
	}
	if planErr != nil {
		return nil, planErr
	}
	l.plan = plan
	l.name()
	l.measure()
	return l, nil
}

// name finds each slot's tenants and last writer.
func (l *layout) name() {
	l.tenants = make([][]string, len(l.plan.Slots))
	l.last = make([]*graph.Node, len(l.plan.Slots))
	add := func(slot int, size int64, label string, n *graph.Node) {
		t := l.tenants[slot]
		if size == l.plan.Slots[slot] {
			t = append([]string{label}, t...)
		} else {
			t = append(t, label)
		}
		l.tenants[slot], l.last[slot] = t, n
	}
	for _, it := range l.plan.Items {
		for i, s := range it.Scratch {
			add(s, int64(l.launches[it.Node].Scratch[i])*wordBytes, fmt.Sprintf("scratch %d of %s", i, it.Node.Label()), nil)
		}
		for _, r := range it.Node.All() {
			base := r.Base()
			if s, ok := l.plan.Slot[base]; ok && (base != r || len(it.Node.Op.Updates) == 0 || it.Node.Op.More != nil) {
				add(s, base.Type.Bytes(base.Shape.Size()), base.Label(), base)
			}
		}
		for _, i := range it.Node.Op.Updates {
			base := it.Node.Inputs[i].Base()
			if s, ok := l.plan.Slot[base]; ok {
				add(s, base.Type.Bytes(base.Shape.Size()), base.Label(), base)
			}
		}
	}
}

// buffers calls visit with every buffer's bytes, the name of its largest tensor, and whether the store holds it.
func (l *layout) buffers(visit func(bytes int64, label string, state bool)) {
	for _, n := range l.plan.Persistent {
		if n.Bank == nil {
			visit(n.Type.Bytes(n.Shape.Size())+l.guard, n.Label(), n.Kind == graph.KindState)
		}
	}
	for s, bytes := range l.plan.Slots {
		visit(bytes+l.guard, l.tenants[s][0], false)
	}
}

// measure sums the bytes.
func (l *layout) measure() {
	l.buffers(func(bytes int64, _ string, state bool) {
		if state {
			l.states += bytes
		} else {
			l.bytes += bytes
		}
	})
	for _, st := range l.plan.Items {
		for _, s := range l.launches[st.Node].Dispatches {
			if s.Params != nil {
				l.params += paramAlign
			}
		}
	}
	l.bytes += l.params
}

// fit compares the bytes with the adapter's limits and the budget.
func (l *layout) fit(d *Device) (err error) {
	limit := d.Binding()
	l.buffers(func(bytes int64, label string, _ bool) {
		if bytes > limit && err == nil {
			err = fmt.Errorf("gpu: %s has %s, %v binds at most %s: %w", label, size(bytes), d.adapter, size(limit), graph.ErrTooLarge)
		}
	})
	if err != nil {
		return err
	}
	if d.Budget > 0 && l.bytes+l.states > d.Budget {
		largest, label := l.largest()
		return fmt.Errorf("gpu: the plan holds %s, the budget is %s; the largest tensor is %s with %s: %w",
			size(l.bytes+l.states), size(d.Budget), label, size(largest), graph.ErrTooLarge)
	}
	return nil
}

func (l *layout) largest() (bytes int64, label string) {
	for _, n := range l.plan.Persistent {
		if b := n.Type.Bytes(n.Shape.Size()); b > bytes {
			bytes, label = b, n.Label()
		}
	}
	for s, b := range l.plan.Slots {
		if b > bytes {
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
			bytes = l.bytes + l.states
		}
		return err
	})
	return bytes, err
}
