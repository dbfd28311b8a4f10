package tests

import (
	"context"
	"errors"
	"os"
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

// long says whether tests may take minutes: XKD_TESTS=all, as make test-all sets it.
func long() bool { return os.Getenv("XKD_TESTS") == "all" }

// Every operation on the GPU against its reference, with guard words round every buffer: by all its variants for the
// adapter's own class, and as the other classes would run it. Large cases run for the adapter's own class, since on software
// adapters kernels of others are slow, and so is compiling all of them again, which is left to long runs.
func TestOpsOnGPU(t *testing.T) {
	dev := openGPU(t)
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		t.Run(class.String(), func(t *testing.T) {
			other := class != dev.Target().Class
			results, err := check.Ops(context.Background(), dev, check.OpsOptions{
				Small: testing.Short() || other, Defaults: other && !long(), Class: &class,
			})
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
