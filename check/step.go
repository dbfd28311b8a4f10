package check

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"goxkd/cpu"
	"goxkd/graph"
	"goxkd/xkd"
)

// stepLimit is the relative error, in the 2-norm, from which a node of a whole step counts as diverged. Rounding grows along
// a step of some thousand nodes; a wrong kernel shows at once, orders of magnitude above.
const stepLimit = 1e-3

// StepOptions choose what Step compares.
type StepOptions struct {
	Seed uint64
	// Accumulate is the number of micro-batches of the step; one is run.
	Accumulate int
	// Plain runs the reference by the operations' declared references alone, without a BLAS: slower, and independent of it.
	Plain bool
	// Progress is called as nodes are compared.
	Progress func(done, of int)
}

// NodeDiff is one tensor on which two executors were compared.
type NodeDiff struct {
	Node  string      `json:"node"`
	Op    string      `json:"op"`
	Shape graph.Shape `json:"shape"`
	Where string      `json:"where"` // the line that built it
	Error float64     `json:"error"`
	Limit float64     `json:"limit"`
}

// StepResult compares one whole training step.
type StepResult struct {
	Device string    `json:"device"`
	Nodes  int       `json:"nodes"`            // tensors compared
	Worst  *NodeDiff `json:"worst"`            // the greatest error
	First  *NodeDiff `json:"first,omitempty"`  // the first that diverges, in the order of the schedule
	Failed int       `json:"failed,omitempty"` // how many diverge
	Pass   bool      `json:"pass"`
}

// Step runs one training step on random views on dev and on the reference, and compares every node.
func Step(ctx context.Context, dev graph.Device, c xkd.Config, opt StepOptions) (*StepResult, error) {
	step, err := xkd.BuildStep(c, xkd.StepOptions{Keep: true, Binding: dev.Binding(), Accumulate: opt.Accumulate})
	if err != nil {
		return nil, err
	}
	step.Graph.KeepAll()
	ref, err := cpu.New[float32](step.Graph, graph.PlanOptions{Unshared: true}, cpu.Options{Plain: opt.Plain})
	if err != nil {
		return nil, err
	}
	e, err := dev.Compile(step.Graph, graph.PlanOptions{Unshared: true})
	if err != nil {
		return nil, err
	}
	defer e.Close()
	for _, x := range []graph.Executor{ref, e} {
		if err := randomStep(x, step, opt.Seed); err != nil {
			return nil, err
		}
		if err := x.Run(ctx); err != nil {
			return nil, err
		}
	}
	return compareNodes(dev, e, ref, step.Graph, opt)
}

// randomStep writes random weights, moments, views and masks: no tensor is zero, so that no error hides in one.
func randomStep(e graph.Executor, step *xkd.Step, seed uint64) error {
	banks := map[*graph.Node]bool{}
	for _, n := range step.Graph.Nodes {
		banks[n.Bank] = true
	}
	for _, n := range step.Graph.Nodes {
		// A bank's elements are those of its tensors.
		if n.Kind != graph.KindState && n.Kind != graph.KindInput || !n.Persistent() || banks[n] {
			continue
		}
		rng := rand.New(rand.NewPCG(seed, uint64(n.ID)))
		data := make([]float32, n.Shape.Size())
		if n.Type == graph.Uint8 {
			for i := range data {
				data[i] = float32(rng.IntN(256))
			}
			if err := e.Write(n, data); err != nil {
				return err
			}
			continue
		}
		scale := 1.0
		gain := 0.0
		if n.Kind == graph.KindState {
			scale = 0.05
			// Gains near zero would make all outputs alike, and distances between them nothing but rounding.
			if strings.HasSuffix(n.Name, ".weight") && !strings.HasPrefix(n.Name, "adam_") && len(n.Shape) == 1 || strings.HasSuffix(n.Name, ".weight_g") {
				gain = 1
			}
		}
		for i := range data {
			data[i] = float32(gain + scale*rng.NormFloat64())
			if strings.HasPrefix(n.Name, "adam_v/") {
				data[i] = float32(math.Abs(float64(data[i])))
			}
		}
		if err := e.Write(n, data); err != nil {
			return err
		}
	}
	for _, m := range []xkd.Modality{xkd.Video, xkd.Audio} {
		if step.In[m].Mask == nil {
			continue // the other is trained alone
		}
		noise := make([]float32, step.In[m].Mask.Shape.Size())
		rng := rand.New(rand.NewPCG(seed, uint64(1_000_000+int(m))))
		for i := range noise {
			noise[i] = rng.Float32()
		}
		if err := step.WriteMask(e, m, noise); err != nil {
			return err
		}
	}
	if err := step.WriteMicro(e, 1); err != nil {
		return err
	}
	return step.WriteSchedule(e, xkd.Schedule{
		LR: 1e-3, WeightDecay: 0.3, Step: 3, LastLayerStep: 2,
		TeacherTemp: [2]float64{0.1, 0.07}, EMA: [2]float64{0.97, 0.98}, Centre: [2]float64{0.9, 0.8}, Micro: step.MicroBatches(),
	})
}

func compareNodes(dev graph.Device, e graph.Executor, ref *cpu.Executor[float32], g *graph.Graph, opt StepOptions) (*StepResult, error) {
	r := &StepResult{Device: dev.Name(), Pass: true}
	banks := map[*graph.Node]bool{} // compared by their tensors, without what lies between them
	for _, n := range g.Nodes {
		banks[n.Bank] = true
	}
	for i, n := range g.Nodes {
		updates := n.Op != nil && len(n.Op.Updates) > 0
		if n.Kind == graph.KindInput || n.Kind == graph.KindConst || updates || n.Op != nil && n.Op.View || banks[n] {
			continue
		}
		want := ref.Data(n)
		if want == nil {
			continue // nothing needs it
		}
		got := make([]float32, len(want))
		if err := e.Read(n, got); err != nil {
			return nil, fmt.Errorf("reading %s: %w", n.Label(), err)
		}
		d := &NodeDiff{Node: n.Label(), Op: n.Kind.String(), Shape: n.Shape, Where: n.Where, Error: RelativeError(got, want), Limit: stepLimit}
		if n.Op != nil {
			d.Op = n.Op.Name
		}
		r.Nodes++
		if r.Worst == nil || d.Error > r.Worst.Error {
			r.Worst = d
		}
		if d.Error > d.Limit {
			r.Pass = false
			r.Failed++
			// States come first in the list of nodes, but change last in a step.
			if r.First == nil || r.First.Op == graph.KindState.String() && n.Kind == graph.KindOp {
				r.First = d
			}
		}
		if opt.Progress != nil {
			opt.Progress(i+1, len(g.Nodes))
		}
	}
	return r, nil
}
