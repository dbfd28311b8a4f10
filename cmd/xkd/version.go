package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"goxkd/xkd"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Version prints the revision that the program was built from, the Go version and the platform.",
		Example: "  xkd version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "xkd %s (%s, %s/%s)\n", xkd.Revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
