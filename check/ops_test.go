package check

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"goxkd/cpu"
	"goxkd/graph"
)

func TestOpsOnCPU(t *testing.T) {
	results, err := Ops(context.Background(), cpu.Device{}, OpsOptions{Small: testing.Short()})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range results {
		seen[r.Op+" "+r.Direction] = true
		if !r.Pass {
			t.Error(r)
		}
	}
	for _, op := range graph.Ops() {
		if !op.View && (!seen[op.Name+" "+Forward] || seen[op.Name+" "+Backward] != (op.Grad != nil)) {
			t.Errorf("%s was not checked in every direction", op.Name)
		}
	}
}

// faulty is a device that spoils what is read, or does worse.
type faulty struct {
	cpu.Device
	spoil   func(data []float32)
	compile func() error
}

type faultyExecutor struct {
	graph.Executor
	spoil func(data []float32)
}

func (f faulty) Compile(g *graph.Graph, opt graph.PlanOptions) (graph.Executor, error) {
	if f.compile != nil {
		if err := f.compile(); err != nil {
			return nil, err
		}
	}
	e, err := f.Device.Compile(g, opt)
	return faultyExecutor{e, f.spoil}, err
}

func (e faultyExecutor) Read(n *graph.Node, dst []float32) error {
	err := e.Executor.Read(n, dst)
	if e.spoil != nil {
		e.spoil(dst)
	}
	return err
}

func TestOpsFindFaults(t *testing.T) {
	for name, c := range map[string]struct {
		dev  faulty
		want string
	}{
		"wrong element": {faulty{spoil: func(d []float32) { d[len(d)/2] += 0.01 }}, "FAIL"},
		"not a number":  {faulty{spoil: func(d []float32) { d[0] = float32(math.NaN()) }}, "+Inf"},
		"infinite":      {faulty{spoil: func(d []float32) { d[0] = float32(math.Inf(-1)) }}, "+Inf"},
		"does not run":  {faulty{compile: func() error { return errors.New("no such kernel") }}, "no such kernel"},
		"panics":        {faulty{compile: func() error { panic("out of range") }}, "out of range"},
	} {
		results, err := Ops(context.Background(), c.dev, OpsOptions{Only: []string{"softmax"}, Small: true})
		if err != nil || len(results) != 4 {
			t.Fatalf("%s: %d results, %v", name, len(results), err)
		}
		for _, r := range results {
			if r.Pass || !strings.Contains(r.String(), c.want) {
				t.Errorf("%s: %v", name, r)
			}
		}
	}
}

func TestOpsStop(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if results, err := Ops(ctx, cpu.Device{}, OpsOptions{}); !errors.Is(err, context.Canceled) || len(results) > 0 {
		t.Errorf("%d results, %v", len(results), err)
	}
}
