package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/xkd"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show, draw, check and compare configurations",
		Long: `A configuration is every setting of a run in one tree. It is made in this order, later over earlier: the preset, or a file of
the released PyTorch code (--released), the file that --config names, the settings that --set gives, the flags.`,
		Example: `  xkd config show --preset base > mine.yaml
  xkd config plot --released xkd.yaml
  xkd config check mine.yaml
  xkd config diff mine.yaml runs/latest`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("`xkd config` has no %q; there are `xkd config show`, `xkd config plot`, `xkd config check` and `xkd config diff`", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShow(), newConfigPlot(), newConfigCheck(), newConfigDiff())
	return cmd
}

func newConfigShow() *cobra.Command {
	var s settings
	var asJSON, bare bool
	cmd := &cobra.Command{
		Use:   "show [FILE|CHECKPOINT]",
		Short: "Print a whole configuration, with what each setting means",
		Long: `Show prints the configuration that the flags of train describe, or that of a file or of a checkpoint, as YAML. Comments tell
each setting's meaning, unit, range, default and source. The output is a configuration again. With --released, comments tell
what becomes of each key of that file, or why it has no effect.`,
		Example: `  xkd config show --preset base --variant xkd_mas > mine.yaml
  xkd config show --released xkd.yaml > mine.yaml
  xkd config show runs/latest --plain`,
		Args: s.oneShown,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && bare {
				return usagef("--plain is for YAML: --json has no comments")
			}
			s.told = !asJSON && !bare
			c, err := s.shown(args)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			if s.released != "" && s.told {
				l, err := s.layers(nil)
				if err == nil {
					err = writeReleased(cmd.OutOrStdout(), l.Released)
				}
				if err != nil {
					return err
				}
			}
			return c.WriteYAML(cmd.OutOrStdout(), !bare)
		},
	}
	cmd.Flags().SortFlags = false
	s.addRun(cmd)
	s.addAlone(cmd)
	cmd.Flags().BoolVar(&bare, "plain", false, "without comments")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// writeReleased says, as comments, what becomes of each key of a released file, those without effect last.
func writeReleased(w io.Writer, r *xkd.ReleasedConfig) error {
	var used, idle strings.Builder
	for _, k := range r.Keys {
		to := &used
		if k.Idle() {
			to = &idle
		}
		fmt.Fprintf(to, "#   line %d: %s\n", k.Line, k)
	}
	fmt.Fprintf(&used, "# Without effect:\n%s\n", idle.String())
	_, err := fmt.Fprintf(w, "# From %s of the released code:\n%s", media.Printable(r.File), used.String())
	return err
}

// oneShown refuses more than one configuration to show.
func (s *settings) oneShown(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && s.file != "" {
		return usagef("`%s` takes one file or checkpoint; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// shown is the configuration of the flags, or of a file or checkpoint with the flags over it.
func (s *settings) shown(args []string) (xkd.Config, error) {
	if len(args) == 0 {
		return s.config()
	}
	if l, err := openCheckpoint(args[0]); l != nil || err != nil {
		if err != nil {
			return xkd.Config{}, err
		}
		defer l.Close()
		given, err := s.layers(nil)
		if err != nil {
			return l.Config, err
		}
		c, err := given.Over(l.Config)
		if err != nil {
			return c, s.explain(err)
		}
		return c, nil
	}
	s.file = args[0]
	return s.config()
}

func newConfigCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check FILE...",
		Short:   "Look for mistakes in configuration files",
		Long:    "Check reads configuration files and names every setting that is unknown, stands twice or does not hold, with its line.",
		Example: "  xkd config check mine.yaml",
		Args:    someArgs("a configuration file, such as mine.yaml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, file := range args {
				c, err := xkd.ReadConfig(file)
				if err != nil {
					return (&settings{cmd: cmd}).explain(err)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s: all settings hold\n", media.Printable(file), c.Preset, c.Variant); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return cmd
}

func newConfigDiff() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff A [B]",
		Short: "List the settings in which two configurations differ",
		Long: `Diff compares two configurations: files, checkpoints or folders of runs. Without B it compares A with the preset and variant
that A names.`,
		Example: `  xkd config diff mine.yaml
  xkd config diff runs/a runs/b`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("`%s` needs one or two files or checkpoints; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := (&settings{cmd: cmd}).shown(args[:1])
			if err != nil {
				return err
			}
			b, name := a, args[0]
			from := fmt.Sprintf("preset %s, %s", a.Preset, a.Variant)
			if len(args) == 2 {
				from, name = args[0], args[1]
				b, err = (&settings{cmd: cmd}).shown(args[1:])
			} else {
				a, err = xkd.Default(a.Preset, a.Variant)
			}
			if err != nil {
				return err
			}
			changes := xkd.Diff(a, b)
			if len(changes) == 0 {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "no setting differs")
				return err
			}
			t := newTable("setting", from, name)
			for _, d := range changes {
				t.add(d.Path, d.A.Text(), d.B.Text())
			}
			return t.print(cmd.OutOrStdout())
		},
	}
	return cmd
}
