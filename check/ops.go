package check

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"goxkd/graph"
	_ "goxkd/graph/op" // the operations that are checked
)

// Directions of an OpResult.
const (
	Forward  = "forward"
	Backward = "backward"
)

// opLimit is the greatest normalised mean square error where a case names none.
const opLimit = 1e-7

// OpsOptions choose what Ops runs. Variants of kernels are forced on the device, by its own settings.
type OpsOptions struct {
	// Only names the operations to check; none means all.
	Only []string
	// Small leaves out the large cases.
	Small bool
	// Seed makes the inputs.
	Seed uint64
	// Defaults leaves out variants but the default ones.
	Defaults bool
	// Class, where set, checks the kernels for another class of adapter, too.
	Class *graph.Class
}

// OpResult is one case of one operation on a device, compared with the operation's reference.
type OpResult struct {
	Op, Case  string
	Direction string // Forward or Backward
	Variant   string // of the operation; empty where there is but one, and for Backward, which takes the defaults
	Shapes    []graph.Shape
	// Error is the greatest normalised mean square error of the tensors compared, Σ(got-want)²/Σ want²; it is infinite where
	// a figure is not finite.
	Error float64
	// Tensor names the tensor of the worst element, at Index in it.
	Tensor    string
	Index     int
	Got, Want float32
	Limit     float64
	Pass      bool
	// Err is what kept the case from running, or nil.
	Err error
}

func (r OpResult) String() string {
	s := fmt.Sprintf("%s/%s %s %v: ", r.Op, r.Case, r.Direction, r.Shapes)
	if r.Variant != "" {
		s = fmt.Sprintf("%s/%s (%s) %s %v: ", r.Op, r.Case, r.Variant, r.Direction, r.Shapes)
	}
	if r.Err != nil {
		return s + r.Err.Error()
	}
	verdict := "ok"
	if !r.Pass {
		verdict = "FAIL"
	}
	return s + fmt.Sprintf("%s, error %.2g of %.2g, worst %s[%d] = %g, expected %g", verdict, r.Error, r.Limit, r.Tensor, r.Index, r.Got, r.Want)
}

// Ops runs every case of every operation with a kernel on dev, forward and through its gradient, and compares with the
// references. A case that fails, in whatever way, is a result; the error is for a cancelled context alone. Results are in
// the order of operations, cases and directions.
func Ops(ctx context.Context, dev graph.Device, opt OpsOptions) ([]OpResult, error) {
	var out []OpResult
	for _, op := range graph.Ops() {
		if op.View || len(opt.Only) > 0 && !slices.Contains(opt.Only, op.Name) {
			continue
		}
		for _, c := range op.Cases {
			if c.Large && opt.Small {
				continue
			}
			directions := []string{Forward}
			if op.Grad != nil {
				directions = append(directions, Backward)
			}
			for _, direction := range directions {
				if err := ctx.Err(); err != nil {
					return out, err
				}
				out = append(out, checkCase(ctx, dev, op, c, direction, opt)...)
			}
		}
	}
	return out, ctx.Err()
}

// checkCase runs a case by every variant of its operation.
func checkCase(ctx context.Context, dev graph.Device, op *graph.Op, c graph.Case, direction string, opt OpsOptions) (out []OpResult) {
	variants := []string{""}
	s, err := buildCase(op, c, direction)
	if err == nil && direction == Forward {
		if target, ok := targetOf(dev, opt); ok {
			if variants = op.VariantsOf(s.y, target); opt.Defaults {
				variants = variants[:1]
			}
		}
	}
	var given, want map[*graph.Node][]float32
	if err == nil {
		given = s.inputs(c, rand.New(rand.NewPCG(opt.Seed, 11)))
	}
	for _, v := range variants {
		r := OpResult{Op: op.Name, Case: c.Name, Direction: direction, Shapes: c.Shapes, Limit: c.Tolerance, Err: err}
		r.Variant = v
		if r.Limit == 0 {
			r.Limit = opLimit
		}
		if err == nil {
			r.run(func() error {
				got, err := s.onDevice(ctx, dev, r.plan(opt), given)
				if err != nil {
					return err
				}
				if want == nil { // once for all variants: it takes longer than they do
					want = s.onReference(given)
				}
				r.Pass = true
				for i, n := range s.results {
					r.compare(s.labels[i], got[i], want[n.Root()])
				}
				return nil
			})
		}
		out = append(out, r)
	}
	return out
}

// targetOf is what launches on a device know of it; the reference path launches nothing.
func targetOf(dev graph.Device, opt OpsOptions) (t graph.Target, ok bool) {
	d, ok := dev.(interface{ Target() graph.Target })
	if !ok {
		return t, false
	}
	t = d.Target()
	if opt.Class != nil {
		t.Class = *opt.Class
	}
	return t, true
}

// plan forces the result's variant.
func (r *OpResult) plan(opt OpsOptions) graph.PlanOptions {
	plan := graph.PlanOptions{Class: opt.Class, Guard: true}
	if r.Variant != "" {
		plan.Choose = graph.ForceVariants(map[string]string{r.Op: r.Variant})
	}
	return plan
}

// run makes a panic an error of the result.
func (r *OpResult) run(f func() error) {
	defer func() {
		if p := recover(); p != nil {
			r.Err, r.Pass = fmt.Errorf("panic: %v", p), false
		}
	}()
	r.Err = f()
}

// opCase is the graph of one case.
type opCase struct {
	g       *graph.Graph
	in      []*graph.Node // of the operation, in order
	y       *graph.Node   // the operation's node
	seed    *graph.Node   // gradient of the result, for Backward
	results []*graph.Node
	labels  []string
}

// buildCase makes the graph of a case; Backward keeps the gradient of every input that has one.
func buildCase(op *graph.Op, c graph.Case, direction string) (*opCase, error) {
	if direction == Forward {
		return buildWith(op, c, nil)
	}
	var trainable []int
	var last error
	for i := range c.Shapes {
		s, err := buildWith(op, c, []int{i})
		switch {
		case err != nil:
			last = err // the operation says that it has no gradient there
		case len(s.results) > 0:
			trainable = append(trainable, i)
		}
	}
	if len(trainable) == 0 {
		return nil, errors.Join(errors.New("no input has a gradient"), last)
	}
	return buildWith(op, c, trainable)
}

func buildWith(op *graph.Op, c graph.Case, trainable []int) (*opCase, error) {
	s := &opCase{}
	g, err := graph.Build(func(g *graph.Graph) {
		for i, shape := range c.Shapes {
			name := fmt.Sprintf("input %d", i)
			kept := graph.Float32
			if c.Types != nil {
				kept = c.Types[i]
			}
			switch {
			case slices.Contains(trainable, i) && kept == graph.Float32:
				s.in = append(s.in, g.State(name, true, shape...))
			case slices.Contains(trainable, i): // states are float32
				in := g.InputAs(name, kept, shape...)
				in.NeedsGrad = true
				s.in = append(s.in, in)
			case slices.Contains(op.Updates, i):
				s.in = append(s.in, g.State(name, false, shape...))
			default:
				s.in = append(s.in, g.InputAs(name, kept, shape...))
			}
		}
		y := g.Apply(op, c.Attrs, s.in...)
		s.y = y
		switch {
		case trainable != nil:
			s.seed = g.Input("upstream gradient", y.Shape...)
			for i, d := range g.Gradients(y, s.seed, s.in) {
				if d != nil && slices.Contains(trainable, i) {
					s.results = append(s.results, g.Keep(d))
					s.labels = append(s.labels, fmt.Sprintf("gradient of input %d", i))
				}
			}
		case len(op.Updates) > 0:
			for _, i := range op.Updates {
				s.results = append(s.results, s.in[i])
				s.labels = append(s.labels, s.in[i].Label())
			}
		default:
			for i, r := range y.All() {
				s.results, s.labels = append(s.results, g.Keep(r)), append(s.labels, fmt.Sprintf("result %d", i))
			}
		}
	})
	s.g = g
	return s, err
}

// inputs draws the elements of everything that is written before the run.
func (s *opCase) inputs(c graph.Case, rng *rand.Rand) map[*graph.Node][]float32 {
	lo, hi := c.Range[0], c.Range[1]
	if lo == 0 && hi == 0 {
		lo, hi = -1, 1
	}
	values := map[*graph.Node][]float32{}
	var drawn [][]float64
	for i, n := range s.in {
		data := make([]float64, n.Shape.Size())
		if c.Fill == nil || !c.Fill(i, rng, data) {
			for k := range data {
				data[k] = lo + (hi-lo)*rng.Float64()
			}
		}
		for k, v := range data {
			data[k] = n.Type.Round(v)
		}
		drawn = append(drawn, data)
	}
	if c.Follow != nil {
		c.Follow(c, drawn)
	}
	for i, n := range s.in {
		values[n] = narrow(drawn[i])
	}
	if s.seed != nil {
		data := make([]float64, s.seed.Shape.Size())
		for k := range data {
			data[k] = 2*rng.Float64() - 1
		}
		values[s.seed] = narrow(data)
	}
	return values
}

func narrow(data []float64) []float32 {
	out := make([]float32, len(data))
	for i, v := range data {
		out[i] = float32(v)
	}
	return out
}

// onDevice runs the graph on dev and reads the results. Executors that guard their memory are asked whether it held.
func (s *opCase) onDevice(ctx context.Context, dev graph.Device, plan graph.PlanOptions, values map[*graph.Node][]float32) (got [][]float32, err error) {
	e, err := dev.Compile(s.g, plan)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	for n, data := range values {
		if err := e.Write(n, data); err != nil {
			return nil, err
		}
	}
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	for _, n := range s.results {
		data := make([]float32, n.Shape.Size())
		if err := e.Read(n, data); err != nil {
			return nil, err
		}
		got = append(got, data)
	}
	if guarded, ok := e.(interface{ CheckGuards() error }); ok {
		return got, guarded.CheckGuards()
	}
	return got, nil
}

// onReference evaluates every node by its reference, in building order.
func (s *opCase) onReference(given map[*graph.Node][]float32) map[*graph.Node][]float32 {
	values := map[*graph.Node][]float32{}
	for n, data := range given {
		values[n] = slices.Clone(data) // operations may update them
	}
	for _, n := range s.g.Nodes {
		if n.Kind == graph.KindConst {
			values[n] = n.Value
		}
		if n.Kind != graph.KindOp || n.Op.View {
			continue
		}
		call := graph.Call[float32]{Node: n, Par: func(k, _ int, f func(lo, hi int)) { f(0, k) }}
		for _, in := range n.Inputs {
			call.In = append(call.In, values[in.Root()])
		}
		for _, r := range n.All() {
			if len(n.Op.Updates) == 0 {
				values[r] = make([]float32, r.Shape.Size())
				call.Outs = append(call.Outs, values[r])
				call.Out = call.Outs[0]
			}
		}
		n.Op.Ref32(&call)
		if n.Type != graph.Float32 {
			for i, v := range call.Out {
				call.Out[i] = float32(n.Type.Round(float64(v)))
			}
		}
	}
	return values
}

// compare adds one tensor to the result.
func (r *OpResult) compare(label string, got, want []float32) {
	var diff, size, worst float64
	at := 0
	for i := range want {
		d := math.Abs(float64(got[i]) - float64(want[i]))
		if math.IsNaN(d) || math.IsInf(d, 0) {
			d = math.Inf(1)
		}
		if d > worst {
			worst, at = d, i
		}
		diff += d * d
		size += float64(want[i]) * float64(want[i])
	}
	e := diff
	if size > 0 && !math.IsInf(diff, 0) {
		e = diff / size
	}
	if r.Tensor == "" || e > r.Error {
		r.Error, r.Tensor, r.Index, r.Got, r.Want = e, label, at, got[at], want[at]
	}
	r.Pass = r.Pass && e <= r.Limit
}
