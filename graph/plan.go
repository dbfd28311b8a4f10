package graph

import (
	"fmt"
	"slices"
	"sort"
)

// Item is one node of the schedule with the scratch its executor asked for.
type Item struct {
	Node    *Node
	Scratch []int // slots of the launch's scratch buffers
}

// Plan is a schedule and the place of every tensor.
type Plan struct {
	Graph *Graph
	Items []Item
	// Slot gives the slot of each temporary: results that are kept nowhere else, and transient banks.
	Slot map[*Node]int
	// Slots are the sizes in bytes.
	Slots []int64
	// Persistent lists inputs, states and constants that the schedule uses, in building order, banks before what they hold.
	Persistent []*Node
	// Frees lists, per item, the slots whose last reader it is.
	Frees [][]int

	persistent map[*Node]bool
}

// PlanOptions shape a plan and what an executor makes of it.
type PlanOptions struct {
	// Store keeps the states; without one the executor has a store of its own.
	Store Store
	// Choose picks the variant of a node among those that its operation declares, the default first; nil takes the default.
	// A name that was not offered is refused.
	Choose func(n *Node, variants []string) string
	// Class, where set, has nodes computed as for another class of adapter, to test and read its kernels.
	Class *Class
	// Scratch gives the sizes in elements of the scratch buffers that a node needs on this executor; may be nil.
	Scratch func(n *Node) []int
	// Unshared gives every temporary a slot of its own, to compare executors node by node.
	Unshared bool
	// Guard has executors that can put a pattern after every buffer, to find writes past its end; every temporary then has a
	// buffer of its own.
	Guard bool
	// Unpacked counts four bytes for every element, whatever its type, for executors that keep them so.
	Unpacked bool
}

// ForceVariants makes a Choose that takes named variants by operation ("matmul" → "R16") and defaults elsewhere.
func ForceVariants(byOp map[string]string) func(*Node, []string) string {
	return func(n *Node, variants []string) string {
		if v, ok := byOp[n.Op.Name]; ok {
			return v
		}
		return variants[0]
	}
}

// Variant resolves the choice for a node on a target, and refuses a name that the operation does not declare for it.
func (opt PlanOptions) Variant(n *Node, t Target) (string, error) {
	list := n.Op.VariantsOf(n, t)
	if opt.Choose == nil {
		return list[0], nil
	}
	v := opt.Choose(n, list)
	if !slices.Contains(list, v) {
		return "", fmt.Errorf("graph: %s %v has no variant %q for %v adapters: choose one of %q", n.Op.Name, n.Shape, v, t.Class, list)
	}
	return v, nil
}

func (opt PlanOptions) bytes(n *Node) int64 {
	if opt.Unpacked {
		return int64(n.Shape.Size()) * 4
	}
	return n.Type.Bytes(n.Shape.Size())
}

// lifetime is the first and last item at which a slot's content matters.
type lifetime struct {
	node        *Node // nil for scratch
	item, index int   // of scratch
	from, to    int
	size        int64
}

// NewPlan orders the nodes that results and updates need, and assigns slots by lifetime: largest first, each into the first
// slot that is free throughout (greedy by size, after Pisarchyk and Lee, 2020). A transient bank lives from its first write
// to its last read.
func NewPlan(g *Graph, opt PlanOptions) (*Plan, error) {
	p := &Plan{Graph: g, Slot: map[*Node]int{}, persistent: map[*Node]bool{}}
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
		for _, r := range n.Results {
			need(r)
		}
	}
	for _, n := range g.Nodes {
		if n.output || n.into != nil || n.Kind == KindOp && len(n.Op.Updates) > 0 {
			need(n)
		}
	}
	for _, n := range g.Nodes {
		switch {
		case n.Persistent() && (needed[n] || n.Kind == KindState || n.Kind == KindInput):
			p.Persistent = append(p.Persistent, n)
			p.persistent[n] = true
		case needed[n] && n.Kind == KindOp && !n.Op.View:
			p.Items = append(p.Items, Item{Node: n})
		}
	}

	lives := map[*Node]*lifetime{}
	var all []*lifetime
	begin := func(n *Node, i int, kept bool) {
		l := lives[n]
		if l == nil {
			l = &lifetime{node: n, from: i, size: opt.bytes(n)}
			lives[n] = l
			all = append(all, l)
		}
		l.to = max(l.to, i)
		if kept || opt.Unshared {
			l.to = len(p.Items)
		}
	}
	for i := range p.Items {
		n := p.Items[i].Node
		for k, in := range n.Inputs {
			base := in.Base()
			if l := lives[base]; l != nil {
				l.to = max(l.to, i)
			} else if base.Transient && slices.Contains(n.Op.Updates, k) {
				begin(base, i, base.output)
			}
		}
		if n.Op.results() {
			for _, r := range n.All() {
				if b := r.Base(); !b.Persistent() {
					begin(b, i, r.output || b.output)
				}
			}
		}
		if opt.Scratch != nil {
			sizes := opt.Scratch(n)
			p.Items[i].Scratch = make([]int, len(sizes))
			for k, size := range sizes {
				all = append(all, &lifetime{item: i, index: k, from: i, to: i, size: int64(size) * 4})
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
			p.Items[l.item].Scratch[l.index] = slot
		}
	}
	p.Frees = make([][]int, len(p.Items))
	for _, l := range all {
		if l.node != nil && l.to < len(p.Items) {
			p.Frees[l.to] = append(p.Frees[l.to], p.Slot[l.node])
		}
	}
	return p, p.Check()
}

// misread tells what is wrong with input k of n, given the places in program order at which its base is updated.
func misread(n *Node, k int, inPlace []int) string {
	in := n.Inputs[k]
	for _, u := range n.Op.Updates {
		if u != k && n.Inputs[u].Base() == in.Base() {
			return fmt.Sprintf("lies in %s, which it updates as input %d", in.Base().Label(), u)
		}
	}
	if r := in.Root(); r.into != nil && sort.SearchInts(inPlace, n.ID) > sort.SearchInts(inPlace, r.ID) {
		return fmt.Sprintf("was updated in %s since: read its place there", in.Base().Label())
	}
	return ""
}

func free(taken []*lifetime, l *lifetime) bool {
	for _, t := range taken {
		if l.from <= t.to && t.from <= l.to {
			return false
		}
	}
	return true
}

// Place is where a tensor lies: in a slot of the plan, or in the memory of a persistent tensor, from element Offset on.
type Place struct {
	Slot   int   // -1 in persistent memory
	Owner  *Node // the persistent tensor, a bank where there is one
	Offset int   // in elements
}

// Place finds a node's elements; ok is false where the plan has no place for it.
func (p *Plan) Place(n *Node) (at Place, ok bool) {
	n = n.Root()
	if n.into != nil {
		n = n.into
	}
	base := n
	if n.Bank != nil {
		base, at.Offset = n.Bank, n.Offset
	}
	if base.Persistent() {
		at.Slot, at.Owner = -1, base
		return at, p.persistent[base]
	}
	at.Slot, ok = p.Slot[base]
	return at, ok
}

// Bytes is the memory of persistent tensors that are no states, of states, and of slots.
func (p *Plan) Bytes(opt PlanOptions) (inputs, states, slots int64) {
	for _, n := range p.Persistent {
		switch {
		case n.Bank != nil:
		case n.Kind == KindState:
			states += opt.bytes(n)
		default:
			inputs += opt.bytes(n)
		}
	}
	for _, s := range p.Slots {
		slots += s
	}
	return inputs, states, slots
}

// Check replays the schedule over the places alone and proves that every read finds its own producer as the last writer,
// that nothing reads a state built before an update but scheduled after it, or a result whose bank was updated since, that
// no item writes memory which it also reads (but for states it updates in place, by one input), and that results survive to
// the end. It shares no code with the planner.
func (p *Plan) Check() error {
	writer := make([]*Node, len(p.Slots))
	version := map[*Node]int{} // updates of each base so far
	done := map[*Node]bool{}
	// updates are the places in program order at which each base changes, and inPlace those at which operations update it.
	updates, inPlace := map[*Node][]int{}, map[*Node][]int{}
	for _, n := range p.Graph.Nodes {
		if n.Kind != KindOp {
			continue
		}
		changed := map[*Node]bool{}
		for _, i := range n.Op.Updates {
			changed[n.Inputs[i].Base()] = true
		}
		for b := range changed {
			inPlace[b] = append(inPlace[b], n.ID)
		}
		for _, r := range n.All() {
			if r.into != nil {
				changed[r.Base()] = true
			}
		}
		for b := range changed {
			updates[b] = append(updates[b], n.ID)
		}
	}
	for i, it := range p.Items {
		n := it.Node
		if i > 0 && n.Stage < p.Items[i-1].Node.Stage {
			return fmt.Errorf("plan: item %d, %s, of stage %d comes after stage %d", i, n.Label(), n.Stage, p.Items[i-1].Node.Stage)
		}
		read := map[int]string{} // slots in use
		readBase := map[*Node]string{}
		updated := map[*Node]bool{}
		for _, k := range n.Op.Updates {
			updated[n.Inputs[k].Base()] = true
		}
		for k, in := range n.Inputs {
			base := in.Base()
			if why := misread(n, k, inPlace[base]); why != "" {
				return fmt.Errorf("plan: item %d, %s: input %d, %s, %s", i, n.Label(), k, in.Label(), why)
			}
			isState := base.Kind == KindState
			if base.Persistent() || isState {
				want := sort.SearchInts(updates[base], n.ID)
				if version[base] != want {
					return fmt.Errorf("plan: item %d, %s: input %d, %s, is at version %d, expected %d", i, n.Label(), k, base.Label(), version[base], want)
				}
				readBase[base] = base.Label()
			}
			if base.Persistent() {
				continue
			}
			s, ok := p.Slot[base]
			first := updated[base] && version[base] == 0 // its content does not matter yet
			if !ok || !isState && !done[base] || writer[s] != base && !first {
				return fmt.Errorf("plan: item %d, %s: input %d, %s, is not in its slot", i, n.Label(), k, base.Label())
			}
			if p.Slots[s] < base.Type.Bytes(base.Shape.Size()) {
				return fmt.Errorf("plan: %s needs %d elements of %v, its slot has %d bytes", base.Label(), base.Shape.Size(), base.Type, p.Slots[s])
			}
			read[s] = base.Label()
		}
		for _, s := range it.Scratch {
			if by, ok := read[s]; ok {
				return fmt.Errorf("plan: item %d, %s: scratch overwrites %s", i, n.Label(), by)
			}
			read[s] = "scratch"
			writer[s] = nil
		}
		for base := range updated {
			version[base]++
			if !base.Persistent() {
				writer[p.Slot[base]] = base
			}
		}
		if !n.Op.results() {
			continue
		}
		written := map[*Node]bool{}
		for _, r := range n.All() {
			base := r.Base()
			if r.into != nil {
				if by, ok := readBase[base]; ok {
					return fmt.Errorf("plan: item %d, %s: its result lies in %s, which it reads", i, n.Label(), by)
				}
				if !base.Persistent() {
					s, ok := p.Slot[base]
					if !ok || writer[s] != base && version[base] > 0 {
						return fmt.Errorf("plan: item %d, %s: the bank %s was overwritten before it was read", i, n.Label(), base.Label())
					}
					if by, ok := read[s]; ok {
						return fmt.Errorf("plan: item %d, %s: its result would overwrite %s", i, n.Label(), by)
					}
					writer[s] = base
				}
				written[base] = true
				continue
			}
			s, ok := p.Slot[base]
			if !ok {
				return fmt.Errorf("plan: %s has no slot", r.Label())
			}
			if by, ok := read[s]; ok {
				return fmt.Errorf("plan: item %d, %s: its result would overwrite %s", i, n.Label(), by)
			}
			if p.Slots[s] < base.Type.Bytes(base.Shape.Size()) {
				return fmt.Errorf("plan: %s needs %d elements of %v, its slot has %d bytes", base.Label(), base.Shape.Size(), base.Type, p.Slots[s])
			}
			read[s] = r.Label()
			writer[s], done[base] = base, true
		}
		for b := range written {
			version[b]++
		}
	}
	for _, n := range p.Graph.Nodes {
		if b := n.Base(); n.output && !b.Persistent() {
			if s, ok := p.Slot[b]; !ok || writer[s] != b {
				return fmt.Errorf("plan: the result %s is overwritten before the end", n.Label())
			}
		}
	}
	return nil
}
