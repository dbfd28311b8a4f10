package tests

import (
	"context"
	"errors"
	"testing"

	"goxkd/check"
	"goxkd/gpu"
	"goxkd/graph"
)

// common is the device of all tests that leave it as it is: kernels are compiled once.
var common *gpu.Device

// openGPU takes the best adapter, or skips; the test must not change the device.
func openGPU(t *testing.T) *gpu.Device {
	t.Helper()
	if common == nil {
		dev, err := gpu.Open("gpu")
		if errors.Is(err, gpu.ErrNoAdapter) {
			t.Skipf("the kernels need an adapter: %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		common = dev
	}
	return common
}

// Every operation on the GPU against its reference, by all its variants for every class of adapters, with guard words round
// every buffer. Large cases run for the adapter's own class: on software adapters kernels of other classes are slow.
func TestOpsOnGPU(t *testing.T) {
	dev := openGPU(t)
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		t.Run(class.String(), func(t *testing.T) {
			small := testing.Short() || class != dev.Target().Class
			results, err := check.Ops(context.Background(), dev, check.OpsOptions{Small: small, Class: &class})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				switch {
				case !r.Pass:
					t.Error(r)
				case testing.Verbose():
					t.Log(r)
				}
			}
		})
	}
}
