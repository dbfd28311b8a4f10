package graph

import (
	"fmt"
	"sort"
)

// Step is one node of the schedule with the scratch its executor asked for.
type Step struct {
	Node    *Node
	Scratch []int // slots of the launch's scratch buffers
}

// Plan is a schedule and the place of every tensor.
type Plan struct {
	Graph *Graph
	Steps []Step
	// Slot gives the slot of each temporary (views and persistent tensors are absent).
	Slot map[*Node]int
	// Slots are the sizes in elements.
	Slots []int
	// Persistent lists inputs, states and constants that the schedule uses, in building order.
	Persistent []*Node
	// Frees lists, per step, the slots whose last reader it is.
	Frees [][]int
}

// PlanOptions shape a plan.
type PlanOptions struct {
	// Scratch gives the sizes in elements of the scratch buffers that a node needs on this executor; may be nil.
	Scratch func(n *Node) []int
	// Unshared gives every temporary a slot of its own, to compare executors node by node.
	Unshared bool
}

// lifetime is the first and last step at which a slot's content matters.
type lifetime struct {
	node        *Node // nil for scratch
	step, index int   // of scratch
	from, to    int
	size        int
}

// NewPlan orders the nodes that results and updates need, and assigns slots by lifetime: largest first, each into the first
// slot that is free throughout (greedy by size, after Pisarchyk and Lee, 2020).
func NewPlan(g *Graph, opt PlanOptions) (*Plan, error) {
	p := &Plan{Graph: g, Slot: map[*Node]int{}}
	needed := map[*Node]bool{}
	var need func(n *Node)
	need = func(n *Node) {
		if needed[n] {
			return
		}
		needed[n] = true
		for _, in := range n.Inputs {
			need(in)
		}
	}
	for _, n := range g.Nodes {
		if n.output || n.Op != nil && len(n.Op.Updates) > 0 {
			need(n)
		}
	}
	for _, n := range g.Nodes {
		switch {
		case n.Persistent() && (needed[n] || n.Kind == KindState || n.Kind == KindInput):
			p.Persistent = append(p.Persistent, n)
		case needed[n] && n.Kind == KindOp && !n.Op.View:
			p.Steps = append(p.Steps, Step{Node: n})
		}
	}

	lives := map[*Node]*lifetime{}
	var all []*lifetime
	for i := range p.Steps {
		n := p.Steps[i].Node
		for _, in := range n.Inputs {
			if l := lives[in.Root()]; l != nil {
				l.to = max(l.to, i)
			}
		}
		if len(n.Op.Updates) == 0 {
			l := &lifetime{node: n, from: i, to: i, size: n.Shape.Size()}
			if n.output || opt.Unshared {
				l.to = len(p.Steps)
			}
			lives[n] = l
			all = append(all, l)
		}
		if opt.Scratch != nil {
			sizes := opt.Scratch(n)
			p.Steps[i].Scratch = make([]int, len(sizes))
			for k, size := range sizes {
				all = append(all, &lifetime{step: i, index: k, from: i, to: i, size: size})
			}
		}
	}

	sort.SliceStable(all, func(i, j int) bool { return all[i].size > all[j].size })
	var taken [][]*lifetime
	for _, l := range all {
		slot := -1
		for s := range taken {
			if free(taken[s], l) {
				slot = s
				break
			}
		}
		if slot < 0 || opt.Unshared {
			slot = len(taken)
			taken = append(taken, nil)
			p.Slots = append(p.Slots, l.size)
		}
		taken[slot] = append(taken[slot], l)
		if l.node != nil {
			p.Slot[l.node] = slot
		} else {
			p.Steps[l.step].Scratch[l.index] = slot
		}
	}
	p.Frees = make([][]int, len(p.Steps))
	for _, l := range all {
		if l.node != nil && l.to < len(p.Steps) {
			p.Frees[l.to] = append(p.Frees[l.to], p.Slot[l.node])
		}
	}
	return p, p.Check()
}

func free(taken []*lifetime, l *lifetime) bool {
	for _, t := range taken {
		if l.from <= t.to && t.from <= l.to {
			return false
		}
	}
	return true
}

// Elements is the number of elements of persistent tensors and of slots.
func (p *Plan) Elements() (persistent, slots int64) {
	for _, n := range p.Persistent {
		persistent += int64(n.Shape.Size())
	}
	for _, s := range p.Slots {
		slots += int64(s)
	}
	return persistent, slots
}

// Check replays the schedule over the slots alone and proves that every read finds its own producer as the last writer,
// that nothing reads a state built before an update but scheduled after it, and that results survive to the end. It shares
// no code with the planner.
func (p *Plan) Check() error {
	writer := make([]*Node, len(p.Slots))
	version := map[*Node]int{} // updates of each state so far
	done := map[*Node]bool{}
	// want counts the updates that stand before each node in program order.
	updates := map[*Node][]int{}
	for _, n := range p.Graph.Nodes {
		if n.Op != nil {
			for _, i := range n.Op.Updates {
				updates[n.Inputs[i]] = append(updates[n.Inputs[i]], n.ID)
			}
		}
	}
	for i, st := range p.Steps {
		n := st.Node
		busy := map[int]string{}
		for k, in := range n.Inputs {
			root := in.Root()
			if root.Persistent() {
				want := sort.SearchInts(updates[root], n.ID)
				if version[root] != want {
					return fmt.Errorf("plan: step %d, %s: input %d, %s, is at version %d, expected %d", i, n.Label(), k, root.Label(), version[root], want)
				}
				continue
			}
			s, ok := p.Slot[root]
			if !ok || !done[root] || writer[s] != root {
				return fmt.Errorf("plan: step %d, %s: input %d, %s, is not in its slot", i, n.Label(), k, root.Label())
			}
			if p.Slots[s] < root.Shape.Size() {
				return fmt.Errorf("plan: %s needs %d elements, its slot has %d", root.Label(), root.Shape.Size(), p.Slots[s])
			}
			busy[s] = root.Label()
		}
		for _, s := range st.Scratch {
			if by, ok := busy[s]; ok {
				return fmt.Errorf("plan: step %d, %s: scratch overwrites %s", i, n.Label(), by)
			}
			busy[s] = "scratch"
			writer[s] = nil
		}
		if len(n.Op.Updates) > 0 {
			for _, k := range n.Op.Updates {
				version[n.Inputs[k]]++
			}
			continue
		}
		s, ok := p.Slot[n]
		if !ok {
			return fmt.Errorf("plan: %s has no slot", n.Label())
		}
		if by, ok := busy[s]; ok {
			return fmt.Errorf("plan: step %d, %s: its result would overwrite %s", i, n.Label(), by)
		}
		writer[s], done[n] = n, true
	}
	for _, n := range p.Graph.Nodes {
		if r := n.Root(); n.output && !r.Persistent() {
			if s, ok := p.Slot[r]; !ok || writer[s] != r {
				return fmt.Errorf("plan: the result %s is overwritten before the end", n.Label())
			}
		}
	}
	return nil
}
