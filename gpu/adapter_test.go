package gpu

import (
	"math"
	"testing"

	"github.com/rajveermalviya/go-webgpu/wgpu"
	"github.com/stretchr/testify/assert"
)

// Drivers answer with all bits set where they know no limit, which asked for means WebGPU's default.
func TestLimitsThatCanBeAsked(t *testing.T) {
	l := wgpu.Limits{MaxBufferSize: math.MaxUint64, MaxStorageBuffersPerShaderStage: math.MaxUint32, MaxStorageBufferBindingSize: 1 << 31, MaxBindGroups: 8}
	askable(&l)
	assert.Equal(t, wgpu.Limits{MaxBufferSize: NoLimit, MaxStorageBuffersPerShaderStage: 1 << 31, MaxStorageBufferBindingSize: 1 << 31, MaxBindGroups: 8}, l)
}
