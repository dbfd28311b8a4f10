package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/record"
	"goxkd/xkd"
)

func newRuns() *cobra.Command {
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "runs [FOLDER...]",
		Short: "List training runs with their settings, states and scores",
		Long: `Runs lists the runs in the folders named, each itself or all below it, without FOLDER those below runs. Settings are those
that differ from the preset's. Losses are means of the last 20 steps, scores the last accuracies on held-out clips.

With --csv it prints the figures of one run instead, a row per step; a cell is empty where a figure was not taken. The
same as JSON lines is the run's metrics.jsonl.`,
		Example: `  xkd runs
  xkd runs experiments/ --json
  xkd runs runs/latest --csv > latest.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"runs"}
			}
			if asCSV && asJSON {
				return usagef("--csv and --json: keep one")
			}
			list, err := openRuns(args)
			if err != nil {
				return err
			}
			switch {
			case asCSV && len(list) != 1:
				return usagef("--csv prints one run, and here are %d: name its folder, such as %s", len(list), media.Printable(list[0].Folder))
			case asCSV:
				return printCSV(cmd.OutOrStdout(), list[0])
			case asJSON:
				return printJSON(cmd.OutOrStdout(), summaries(list))
			}
			return printRuns(cmd.OutOrStdout(), list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print the figures of one run, comma-separated")
	return cmd
}

// openRuns reads the runs that paths name.
func openRuns(paths []string) (list []*record.Run, err error) {
	folders, err := record.Find(paths...)
	if err != nil {
		return nil, err
	}
	for _, folder := range folders {
		r, err := record.Open(folder)
		if err == nil {
			err = r.Log.Update()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// runSummary is the JSON form of a run in a list.
type runSummary struct {
	Folder   string             `json:"folder"`
	State    string             `json:"state"`
	Step     int                `json:"step"`
	Steps    int                `json:"steps"`
	Settings map[string]string  `json:"settings"` // that differ from the preset's
	Scores   map[string]float64 `json:"scores"`
	Config   *xkd.Config        `json:"config,omitempty"`
	Sessions []xkd.Session      `json:"sessions,omitempty"`
}

func summaries(list []*record.Run) []runSummary {
	out := []runSummary{}
	for _, r := range list {
		s := runSummary{Folder: r.Folder, State: r.State, Step: r.Log.Last.Step, Steps: r.Planned(), Settings: map[string]string{}, Scores: r.Scores(), Config: r.Config}
		for _, d := range unusual(r) {
			s.Settings[d.Path] = d.B.Text()
		}
		if r.Record != nil {
			s.Sessions = r.Record.Sessions
		}
		out = append(out, s)
	}
	return out
}

// unusual are the settings of a run that differ from those of its preset and variant, but for what other columns show.
func unusual(r *record.Run) []xkd.Change {
	if r.Config == nil {
		return nil
	}
	d, err := xkd.Default(r.Config.Preset, r.Config.Variant)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(xkd.Diff(d, *r.Config), func(c xkd.Change) bool { return c.Path == "train.steps" })
}

func printRuns(w io.Writer, list []*record.Run) error {
	t := newTable("run", "state", ">steps", "network", ">loss", ">kd", ">video k-NN", ">audio k-NN", "settings")
	for _, r := range list {
		network, steps := "", strconv.Itoa(r.Log.Last.Step)
		var changes []string
		if r.Config != nil {
			network, steps = r.Config.Preset+" "+r.Config.Variant, fmt.Sprintf("%d/%d", r.Log.Last.Step, r.Planned())
			for _, d := range unusual(r) {
				changes = append(changes, d.Path+"="+d.B.Text())
			}
		}
		scores := r.Scores()
		cell := func(name string, scale float64, digits int) string {
			v, ok := scores[name]
			if !ok {
				return ""
			}
			return strconv.FormatFloat(scale*v, 'f', digits, 64)
		}
		t.add(media.Printable(filepath.ToSlash(r.Folder)), r.State, steps, network, cell("loss", 1, 3), cell("cmkd_loss", 1, 3),
			cell(xkd.HeldPrefix+"knn_video", 100, 1), cell(xkd.HeldPrefix+"knn_audio", 100, 1), strings.Join(changes, " "))
	}
	return t.print(w)
}

// printCSV writes all figures of a run, a row per step, as they stand in its metrics.
func printCSV(w io.Writer, r *record.Run) error {
	names := slices.Sorted(maps.Keys(r.Log.Curves))
	out := csv.NewWriter(w)
	if err := out.Write(append([]string{"step", "seconds"}, names...)); err != nil {
		return err
	}
	err := xkd.EachMetric(filepath.Join(r.Folder, xkd.MetricsFile), func(m xkd.Metric) error {
		values := m.Series()
		row := []string{strconv.Itoa(m.Step), number(m.Seconds)}
		for _, name := range names {
			cell := ""
			if v, ok := values[name]; ok {
				cell = number(v)
			}
			row = append(row, cell)
		}
		return out.Write(row)
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

func number(v float64) string {
	if f := float32(v); float64(f) == v {
		return strconv.FormatFloat(v, 'g', -1, 32)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func newCompare() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compare RUN RUN",
		Short: "Say in what two training runs differ",
		Long: `Compare lists the settings in which two runs differ, what else made them otherwise (version, device, driver, seed, clips),
and the figures of both: losses as means of the last 20 steps, and accuracies on held-out clips where they were taken.
A RUN is the output folder of xkd train; it may be under way.`,
		Example: `  xkd compare runs/a runs/b
  xkd compare runs/a runs/b --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("`%s` needs two folders of runs, and got %d; see `%s --help`", cmd.CommandPath(), len(args), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			list := make([]*record.Run, 2)
			for i, arg := range args {
				found, err := openRuns([]string{arg})
				if err != nil {
					return err
				}
				if len(found) != 1 {
					return usagef("%s holds %d runs: name one, such as %s", media.Printable(arg), len(found), media.Printable(found[0].Folder))
				}
				list[i] = found[0]
			}
			c := record.Compare(list[0], list[1])
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			return printComparison(cmd.OutOrStdout(), c)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

func printComparison(w io.Writer, c record.Comparison) error {
	for _, part := range []struct {
		what, none string
		list       []record.Difference
	}{{"setting", "no setting differs", c.Settings}, {"made by", "nothing else differs", c.Provenance}} {
		if len(part.list) == 0 {
			fmt.Fprintf(w, "%s\n\n", part.none)
			continue
		}
		t := newTable(part.what, c.A, c.B)
		for _, d := range part.list {
			t.add(d.Name, d.A, d.B)
		}
		if err := t.print(w); err != nil {
			return err
		}
		fmt.Fprintln(w)
	}
	if len(c.Results) == 0 {
		_, err := fmt.Fprintln(w, "the two runs have no figure in common yet")
		return err
	}
	t := newTable("figure", ">"+c.A, ">"+c.B, ">difference")
	for _, r := range c.Results {
		t.add(r.Name, short(r.A), short(r.B), signed(r.Difference))
	}
	return t.print(w)
}

func short(v float64) string { return strconv.FormatFloat(v, 'f', 4, 64) }

func signed(v float64) string {
	if math.Abs(v) < 5e-5 {
		return "0"
	}
	return fmt.Sprintf("%+.4f", v)
}
