package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/device"
)

// The released code's figures by the attention that never stores its scores, forward and backward, which software adapters
// do not take by themselves.
func TestGoldenFlash(t *testing.T) {
	d, err := device.Prefer(openGPU(t), map[string]string{"attention": "flash", "attention_grad": "flash"})
	require.NoError(t, err)
	replay(t, d)
}
