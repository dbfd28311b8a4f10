package tests

import (
	"context"
	"errors"
	"testing"

	"goxkd/check"
	"goxkd/gpu"
	"goxkd/graph"
)

// openGPU takes the best adapter, or skips.
func openGPU(t *testing.T) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open("gpu")
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("the kernels need an adapter: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dev.Close(); err != nil {
			t.Error(err)
		}
	})
	return dev
}

// Every operation on the GPU against its reference, with guard words round every tensor. Kernels that go over rows run both
// with a thread and with a workgroup for each row.
func TestOpsOnGPU(t *testing.T) {
	for _, rows := range []string{"serial", "shared"} {
		t.Run(rows, func(t *testing.T) {
			dev := openGPU(t)
			dev.Guard = true
			dev.Variants = map[string]string{}
			for _, op := range graph.Ops() {
				if op.Name != "matmul" {
					dev.Variants[op.Name] = rows
				}
			}
			results, err := check.Ops(context.Background(), dev, check.OpsOptions{Small: testing.Short()})
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
