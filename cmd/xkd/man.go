package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan is for whoever makes packages: hidden, since nobody else needs it.
func newMan() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:     "man",
		Short:   "Write a manual page for each command",
		Long:    "Man writes a page in man's format for each command into a folder, which it makes. They bear the date of the revision.",
		Example: "  xkd man --out man1 && man ./man1/xkd-train.1",
		Hidden:  true,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usagef("`xkd man` needs --out, such as --out man1")
			}
			if err := os.MkdirAll(out, 0o755); err != nil {
				return fmt.Errorf("--out: %w", err)
			}
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Section: "1", Source: "xkd", Manual: "xkd", Date: revisionTime()}, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`folder` to write into")
	return cmd
}

// revisionTime is when the revision was made; nil where the program does not know.
func revisionTime() *time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, s := range info.Settings {
		if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
			return &t
		}
	}
	return nil
}
