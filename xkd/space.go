package xkd

import (
	"fmt"
	"path/filepath"
)

// keptFiles are the checkpoints on the disk while one is written: it, the last one and the one before.
const keptFiles = 3

// checkRoom sees that a run's checkpoints, of so many bytes each, have room beside those that are there: what the disk cannot
// hold is better known before training than at its first checkpoint. Where the disk does not tell, nothing is refused.
func checkRoom(dir string, size int64) error {
	missing := int64(keptFiles)
	for _, name := range []string{CheckpointFile, PreviousFile} {
		if exists(filepath.Join(dir, name)) {
			missing--
		}
	}
	free, ok := freeSpace(dir)
	if need := missing * size; ok && free < need {
		return fmt.Errorf("%w: %s: no space left for checkpoints: they need another %d MB, and %d MB are free", ErrFolder, dir, need/1e6+1, free/1e6)
	}
	return nil
}

// checkpointBytes is about the size of the trainer's checkpoint.
func (t *Trainer) checkpointBytes() int64 {
	var n int64
	for _, s := range t.Step.Kept() {
		n += 4 * int64(s.Shape.Size()) * int64(1+len(t.Config.aliases(s.Name)))
	}
	return n
}
