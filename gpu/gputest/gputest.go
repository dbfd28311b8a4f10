package gputest

import (
	"errors"
	"testing"

	"goxkd/gpu"
)

// Open opens the best adapter, which the caller closes, and skips the test where there is none.
func Open(t testing.TB) *gpu.Device {
	t.Helper()
	d, err := gpu.Open("gpu")
	if errors.Is(err, gpu.ErrNoAdapter) {
		t.Skipf("the kernels need an adapter: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}
