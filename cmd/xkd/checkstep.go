package main

import (
	"github.com/spf13/cobra"
)

func newCheckStep() *cobra.Command {
	return &cobra.Command{Use: "step", Hidden: true, RunE: func(*cobra.Command, []string) error { return usagef("not yet") }}
}
