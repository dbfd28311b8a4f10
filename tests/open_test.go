package tests

import (
	"os"
	"testing"

	"goxkd/gpu"
	"goxkd/gpu/gputest"
)

// common is the device of all tests that leave it as it is: kernels are compiled once.
var common *gpu.Device

// openGPU takes the best adapter, or skips; the test must not change the device.
func openGPU(t *testing.T) *gpu.Device {
	t.Helper()
	if common == nil {
		common = gputest.Open(t)
	}
	return common
}

// long says whether tests may take minutes: XKD_TESTS=all, as make test-all sets it.
func long() bool { return os.Getenv("XKD_TESTS") == "all" }
