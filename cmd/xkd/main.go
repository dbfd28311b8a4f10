// Command xkd trains, probes and checks cross-modal knowledge distillation with domain alignment on any GPU.
//
// It is thin: flags in, one call of the library, printing. Results go to standard output; progress and notes to standard
// error. The exit code is 0 on success, 1 on failure, 2 where the command line is wrong, 3
// where training has diverged, 130 where it was interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"goxkd/xkd"
)

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitDiverged    = 3
	exitInterrupted = 130
)

func main() {
	// Go ends a program that writes to an output nobody reads, unless it asks for the signal. Ignored outright, children would
	// ignore it too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], &output{File: os.Stdout}, &output{File: os.Stderr}))
}

// run is the whole command; it returns the exit code. No panic leaves it.
func run(args []string, stdout, stderr io.Writer) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(stderr, "xkd: internal error: %v; please report this with the command line and `xkd version`\n", p)
			code = exitFailure
		}
	}()
	ctx, stop := interruptible(stderr)
	defer stop()
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errVerdict):
		return exitFailure // the table has said it
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "xkd: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "xkd: %s\n", oneLine(err))
		return exitUsage
	case errors.Is(err, xkd.ErrDiverged):
		fmt.Fprintf(stderr, "xkd: %s\n", clean(remedied(cmd, err)))
		return exitDiverged
	default:
		fmt.Fprintf(stderr, "xkd: %s\n", clean(remedied(cmd, err)))
		return exitFailure
	}
}

// errVerdict ends a command with exit code 1 whose output has already said what failed.
var errVerdict = errors.New("failed")

// usageError is a command line that cannot be obeyed.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// oneLine joins the lines of an error, such as errors.Join makes.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return clean(strings.Join(parts, "; "))
}

// clean writes what would move a terminal's cursor, such as a name from a file may hold, as Go's quotes do; the rest stays.
func clean(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case strconv.IsPrint(r) && r != utf8.RuneError:
			b.WriteRune(r)
		default:
			_, n := utf8.DecodeRuneInString(text[i:])
			q := strconv.Quote(text[i : i+n])
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// interruptible gives a context that the first SIGINT, SIGTERM or SIGHUP cancels; the second ends the process at once. A
// hang-up that nohup has ignored stays so.
func interruptible(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		if _, ok := <-signals; !ok {
			return
		}
		said := make(chan struct{})
		go func() {
			fmt.Fprintln(stderr, "\nxkd: stopping; once more to end at once")
			close(said)
		}()
		select { // what nobody reads may never be written
		case <-said:
		case <-time.After(time.Second / 10):
		}
		cancel()
		if _, ok := <-signals; ok {
			os.Exit(exitInterrupted)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "xkd",
		Short: "Train and probe audio-visual networks without labels, on any GPU",
		Long: `xkd trains a video and an audio network together, without labels: each rebuilds what is hidden of its own input and
learns from the other's teacher (XKD: cross-modal knowledge distillation with domain alignment, AAAI 2024). It runs on
any GPU that WebGPU reaches (Vulkan, Metal, Direct3D 12), and without one on the CPU.`,
		Example: `  xkd devices                                    # which GPUs there are
  xkd train --data videos/ --preset tiny         # train on a folder of videos with sound
  xkd probe runs/latest/checkpoint.safetensors   # what the features are worth`,
		Version:           xkd.Revision(),
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true, // pages of the same revision are the same
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return noCommand(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		text := err.Error()
		// What strconv adds to a bad value is for programmers.
		if bad := (*strconv.NumError)(nil); errors.As(err, &bad) {
			text = strings.TrimSuffix(text, ": "+bad.Error())
		}
		return usagef("%s; see `%s --help`", text, cmd.CommandPath())
	})
	bench := newBench()
	bench.AddCommand(newBenchData(), newBenchOp())
	root.AddCommand(newTrain(), newProbe(), newRetrieve(), newEmbed(), newExport(), newAblate(), newFinetune(), newEval(), newConfig(), newIndex(), newPack(), newDevices(), newCheck(), newShader(), newPlan(), newTune(), bench, newViews(), newPlot(), newRuns(), newWatch(), newReport(), newCompare(), newVersion(), newMan())
	root.SetHelpCommand(newHelp())
	addCompletion(root)
	complete(root)
	return root
}

// noCommand refuses the name of a command that there is not.
func noCommand(root *cobra.Command, name string) error {
	hint := "see `xkd --help`"
	if near := root.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `xkd %s`?", near[0])
	}
	return usagef("there is no command %q; %s", name, hint)
}

// newHelp is cobra's help command, but that it fails for a command that there is not.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Print the help of a command",
		Long:    "Help prints what a command does, with examples and all its flags, as COMMAND --help does.",
		Example: "  xkd help train\n  xkd help config show",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			of, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) == 0 {
				for _, c := range of.Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return usageError{err}
			case len(rest) > 0 && of == cmd.Root():
				return noCommand(of, rest[0])
			case len(rest) > 0:
				return usagef("`%s` has no command %q; see `%[1]s --help`", of.CommandPath(), rest[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// noArgs refuses arguments where a command takes flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("`%s` takes no argument, got %q; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return nil
}

// someArgs asks for one argument or more.
func someArgs(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("`%s` needs %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}
