package tests

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One operation on the CPU path: the figures agree with each other, and an older document is compared with.
func TestBenchOp(t *testing.T) {
	dir := t.TempDir()
	args := []string{"bench", "op", "matmul", "--device", "cpu", "--shape", "120,64", "--shape", "64,96"}
	r := xkdIn(t, dir, append(args, "--json")...)
	r.succeeds(t)
	var report struct {
		Peaks map[string]float64
		Times []struct {
			Op             string
			Shapes         [][]int
			Seconds, Flops float64
			Bytes          int
			GB             float64 `json:"gb_s"`
			GFLOPs         float64 `json:"gflop_s"`
			CopyPart       float64 `json:"copy_share"`
			FMAPart        float64 `json:"fma_share"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &report))
	require.Len(t, report.Times, 1)
	o := report.Times[0]
	assert.Equal(t, [][]int{{120, 64}, {64, 96}}, o.Shapes)
	assert.Equal(t, 4*(120*64+64*96+120*96), o.Bytes)
	assert.Equal(t, 2.*120*64*96, o.Flops)
	assert.InEpsilon(t, o.Flops/o.Seconds/1e9, o.GFLOPs, 1e-6)
	assert.InEpsilon(t, float64(o.Bytes)/o.Seconds/1e9, o.GB, 1e-6)
	assert.InEpsilon(t, o.GFLOPs/report.Peaks["fma_gflop_s"], o.FMAPart, 1e-6)
	assert.InEpsilon(t, o.GB/report.Peaks["copy_gb_s"], o.CopyPart, 1e-6)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "old.json"), []byte(r.stdout), 0o600))
	r = xkdIn(t, dir, append(args, "--compare", "old.json")...)
	r.succeeds(t)
	assert.Contains(t, r.stdout, "before / now")
	assert.NotContains(t, r.stdout, " -\n", "it has what it is compared with")
	xkdIn(t, dir, append(args, "--compare", "gone.json")...).fails(t, 1, "gone.json")
}
