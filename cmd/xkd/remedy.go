package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"goxkd/ablate"
	"goxkd/graph"
	"goxkd/media/views"
	"goxkd/xkd"
)

// remedies are the flags and commands that mend what the library refuses; its own messages name none.
var remedies = []struct {
	err  error
	flag string // only where the command has this flag
	text string
}{
	{xkd.ErrLocked, "out", "wait for it, or give another --out"},
	{xkd.ErrCheckpointExists, "resume", "give --resume to go on from it, or another --out"},
	{xkd.ErrOutputExists, "out", "remove it, or give another --out"},
	{xkd.ErrNoCheckpoint, "resume", "leave out --resume to start anew"},
	{xkd.ErrNoCheckpoint, "", "`xkd train` writes one into its output folder"},
	{ablate.ErrOther, "out", "give another --out, or remove that folder"},
	{xkd.ErrFolder, "out", "free some space or choose another --out"},
	{graph.ErrTooLarge, "batch", "give a smaller --batch or --preset"},
}

// remedied adds to an error what the user of a command can do about it.
func remedied(cmd *cobra.Command, err error) string {
	text := oneLine(err)
	if damaged := (xkd.DamagedError{}); errors.As(err, &damaged) {
		return fmt.Sprintf("%s: to use it: mv %s %s", text, damaged.Previous, damaged.Path)
	}
	if d := (*xkd.DivergedError)(nil); errors.As(err, &d) {
		if d.Checkpoint == "" {
			return fmt.Sprintf("%s: --lr %.3g", text, d.LR/10)
		}
		return fmt.Sprintf("%s: xkd train --resume --out %s --set optimizer.lr=%.3g", text, filepath.Dir(d.Checkpoint), d.LR/10)
	}
	if out := cmd.Flags().Lookup("out"); errors.Is(err, xkd.ErrFolder) && out != nil && cmd.Flags().Lookup("resume") != nil {
		// Only what is there can be resumed.
		if _, err := os.Lstat(filepath.Join(out.Value.String(), xkd.CheckpointFile)); err == nil {
			return fmt.Sprintf("%s: free some space, then: xkd train --resume --out %s", text, out.Value)
		}
	}
	if lost := (views.LostError{}); errors.As(err, &lost) && cmd.Flags().Lookup("resume") != nil {
		text += fmt.Sprintf(": see to the files, then: xkd train --resume --out %s", cmd.Flags().Lookup("out").Value)
		if lost.Failed < lost.Asked {
			text += "; --set data.most_lost=0.9 bears more losses"
		}
		return text
	}
	for _, r := range remedies {
		if errors.Is(err, r.err) && (r.flag == "" || cmd.Flags().Lookup(r.flag) != nil) {
			return text + ": " + r.text
		}
	}
	return text
}
