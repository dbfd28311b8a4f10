package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"goxkd/device"
	"goxkd/graph"
	"goxkd/xkd"
)

// Where fine-tuning begins.
const (
	fromWeights = "weights"
	fromScratch = "scratch"
)

// flagValues are the words that flags take, by the flag's name: what oneOf allows, and what shells offer. The library allows
// the same of those that are settings.
var flagValues = map[string]func() []string{
	"preset":       xkd.Presets,
	"variant":      xkd.Variants,
	"refine":       xkd.Refinements,
	"teacher-view": xkd.TeacherViews,
	"device":       device.Names,
	"op":           checkedOps,
	"modality":     func() []string { return []string{xkd.Video.String(), xkd.Audio.String()} },
	"network":      func() []string { return []string{xkd.Student.String(), xkd.Teacher.String()} },
	"from":         func() []string { return []string{fromWeights, fromScratch} },
	"to":           func() []string { return xkd.ExportForms },
	"tune":         func() []string { return []string{tuneOff, tuneCached, tuneFull} },
	"class": func() []string {
		return []string{graph.Discrete.String(), graph.Integrated.String(), graph.Software.String()}
	},
}

// oneOf refuses a flag's value that is none of its words.
func oneOf(flag, value string) error {
	words := flagValues[flag]()
	if slices.Contains(words, value) {
		return nil
	}
	last := len(words) - 1
	return usagef("--%s %q: give %s or %s", flag, value, strings.Join(words[:last], ", "), words[last])
}

// begun are the parts of a setting that shells offer with more to be typed: "optimizer.lr=", "matmul=".
var begun = map[string]func() []string{
	"set": xkd.SettingPaths,
	"use": kernelOps,
}

// complete tells shells what may follow each flag and command below one: its words, folders, files, or nothing.
func complete(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		placeholder, _ := pflag.UnquoteUsage(f)
		var offer cobra.CompletionFunc
		switch words, parts := flagValues[f.Name], begun[f.Name]; {
		case words != nil:
			offer = cobra.FixedCompletions(words(), cobra.ShellCompDirectiveNoFileComp)
		case parts != nil:
			var list []string
			for _, p := range parts() {
				list = append(list, p+"=")
			}
			offer = cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace)
		case placeholder == "folder":
			offer = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
		case slices.Contains([]string{"file", "path", "picture"}, placeholder):
			return // shells know files
		default:
			offer = cobra.NoFileCompletions
		}
		// The error is for a flag that is not there, or has its words already.
		_ = cmd.RegisterFlagCompletionFunc(f.Name, offer)
	})
	if cmd.ValidArgsFunction == nil && cmd.Args != nil && cmd.Args(cmd, []string{"x"}) != nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, c := range cmd.Commands() {
		complete(c)
	}
}

// offer offers, as values of a flag, what follows from the command's arguments.
func offer(cmd *cobra.Command, flag string, words func(args []string) []string) {
	// The error is for a flag that is not there; tests ask for what is offered.
	_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return words(args), cobra.ShellCompDirectiveNoFileComp
	})
}

// addCompletion adds cobra's command that writes scripts for shells, but that it refuses a wrong command line as others do.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Short = "Write a script that completes commands, flags and their values in a shell"
		c.Example = "  xkd completion bash > ~/.local/share/bash-completion/completions/xkd\n  xkd completion fish > ~/.config/fish/completions/xkd.fish"
		c.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("`%s` knows no shell %q; see `%[1]s --help`", cmd.CommandPath(), args[0])
			}
			return nil
		}
		c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range c.Commands() {
			shell.Args = noArgs
		}
	}
}

// firstOf offers words as a command's only argument.
func firstOf(words func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words(), cobra.ShellCompDirectiveNoFileComp
	}
}
