package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// validated runs the command with the Vulkan validation layer's checks of a kind, and gives what the layer reports.
func validated(t *testing.T, feature string, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log.txt")
	settings := "khronos_validation.debug_action = VK_DBG_LAYER_ACTION_LOG_MSG\n" +
		"khronos_validation.log_filename = " + log + "\n" +
		"khronos_validation.report_flags = error,warn,perf\n" +
		"khronos_validation.enables = VK_VALIDATION_FEATURE_ENABLE_" + feature + "_EXT\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "vk_layer_settings.txt"), []byte(settings), 0o644))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation", "VK_LAYER_SETTINGS_PATH="+dir)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	report, err := os.ReadFile(log)
	require.NoError(t, err, "the layer keeps no log: it has not been loaded")
	return string(report)
}

// The Vulkan validation layers, with validation of synchronisation, have nothing to say on the kernels, a step and a recorded run.
func TestVulkanValidation(t *testing.T) {
	if !long() {
		t.Skip("validation takes its time: make test-all runs it")
	}
	openGPU(t)
	found, _ := filepath.Glob("/usr/share/vulkan/explicit_layer.d/*hronos_validation.json")
	if len(found) == 0 {
		t.Skip("needs the Vulkan validation layers (vulkan-validationlayers)")
	}
	// Best practices are known to be missed, which shows that reports arrive.
	require.Contains(t, validated(t, "BEST_PRACTICES", "check", "--op", "softmax", "--device", "gpu"), "BestPractices")
	golden, err := filepath.Glob("testdata/mini_*.safetensors")
	require.NoError(t, err)
	for _, args := range [][]string{{"check"}, {"check", "step"}, append([]string{"check", "golden"}, golden...)} {
		report := validated(t, "SYNCHRONIZATION_VALIDATION", append(args, "--device", "gpu")...)
		if strings.TrimSpace(report) != "" {
			t.Errorf("xkd %s:\n%.4000s", strings.Join(args, " "), report)
		}
	}
}
