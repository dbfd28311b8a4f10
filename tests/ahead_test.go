package tests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/synthetic"
	"goxkd/xkd"
)

// Steps that the device begins while the host still checks the one before give the bytes of steps one after the other; so does
// a run that is stopped when the next step has begun, and goes on.
func TestStepsAheadAreExact(t *testing.T) {
	d := openGPU(t)
	usual := d.InFlight
	t.Cleanup(func() { d.InFlight = usual })
	for _, accumulate := range []int{1, 2} {
		t.Run(fmt.Sprintf("accumulate %d", accumulate), func(t *testing.T) {
			ended := map[string][]byte{}
			other := map[int]string{1: "ahead", 2: "ahead, stopped"}[accumulate]
			for name, inFlight := range map[string]int{"in turn": 0, other: 1} {
				d.InFlight = inFlight
				c := smallConfig(t, xkd.XKD, 5)
				c.Train.Accumulate = accumulate
				dir := t.TempDir()
				opt := xkd.RunOptions{Folder: dir, HealthEvery: 4}
				stop := 0
				if name == "ahead, stopped" {
					stop = 2
				}
				for range 2 {
					trainer, err := xkd.New(c, d)
					require.NoError(t, err)
					require.Equal(t, inFlight > 0, trainer.Overlaps())
					ctx, cancel := context.WithCancel(t.Context())
					opt.Progress = func(p xkd.Progress) {
						if p.Step == stop {
							cancel()
						}
					}
					s, err := trainer.Run(ctx, synthetic.New(c.Generated()), opt)
					cancel()
					require.NoError(t, err)
					require.NoError(t, trainer.Close())
					opt.Resume = true
					if !s.Stopped {
						break
					}
					require.Equal(t, stop, s.Steps)
				}
				raw, err := os.ReadFile(filepath.Join(dir, xkd.CheckpointFile))
				require.NoError(t, err)
				requireMetrics(t, dir, 5)
				ended[name] = raw
			}
			require.Len(t, ended[other], len(ended["in turn"]))
			require.True(t, bytes.Equal(ended["in turn"], ended[other]), "the checkpoint's bytes")
		})
	}
}
