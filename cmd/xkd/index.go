package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/media"
	"goxkd/media/corpus"
	"goxkd/media/views"
)

func newIndex() *cobra.Command {
	var data dataFlags
	var out, plot string
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "index DATA",
		Short: "Look at all files of a corpus once, and sum it up",
		Long: `Index asks ffprobe about every file, many at a time, and keeps the answers: streams, lengths, rates, sizes, labels, and why a
file is refused. Training and probing then start at once, and a later index looks only at what has changed.

` + dataForms + `

Of the files that are refused the first ten are named, with the reason, and of those that are used with a remark too: of tracks
to choose from, of samples out of range. Where no clip is left the command ends with 1.

The index is ` + corpus.IndexFile + ` in the folder, one JSON object per line, or a file in the user's cache where the folder cannot
be written.`,
		Example: `  xkd index videos/
  xkd index videos/ --json > summary.json
  xkd index ucfTrainTestlist/ --modality video --plot lengths.png`,
		Args: oneArg("a folder or a list of clips, such as videos/"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opt, err := data.options(views.DefaultSpec())
			if err != nil {
				return err
			}
			if plot != "" && !strings.EqualFold(filepath.Ext(plot), ".png") {
				return usagef("--plot %s: name a .png file", plot)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "looking through %s\n", media.Printable(args[0]))
			opt.Progress = lookedAt(cmd.ErrOrStderr())
			x, err := corpus.IndexClips(cmd.Context(), args[0], opt, out)
			if err != nil {
				return err
			}
			if plot != "" {
				if err := plotIndex(x, plot); err != nil {
					return fmt.Errorf("--plot %s: %w", plot, err)
				}
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), summaryOf(x))
			} else {
				err = printIndex(cmd.OutOrStdout(), x, all)
			}
			if err == nil && x.Clips == 0 {
				err = errors.New(media.Printable(x.Why))
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringVar(&out, "out", "", "index `file` (default "+corpus.IndexFile+" in the folder); another is not found by itself")
	fl.StringVar(&plot, "plot", "", "draw lengths and classes into a PNG `file`")
	data.add(cmd)
	fl.BoolVar(&all, "all", false, "name all files that are refused or have a remark, not the first ten")
	fl.BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// oneArg asks for exactly one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("`%s` needs %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}

// indexSummary is the JSON form of a corpus.Index.
type indexSummary struct {
	Index      string         `json:"index"`
	Probed     int            `json:"probed"`
	Clips      int            `json:"clips"`
	Hours      float64        `json:"hours"`
	Unknown    int            `json:"unknown_lengths"`
	Durations  []durationBin  `json:"durations"`
	Classes    map[string]int `json:"classes"`
	Unlabelled int            `json:"unlabelled"`
	OtherSplit int            `json:"other_split"`
	OtherFiles int            `json:"other_files"`
	Missing    int            `json:"missing"`
	Refused    map[string]int `json:"refused"` // by reason
	Files      []refusedFile  `json:"refused_files"`
	Remarks    []refusedFile  `json:"remarks"` // of files that are used
}

type durationBin struct {
	From  float64 `json:"from"` // seconds
	To    float64 `json:"to"`
	Clips int     `json:"clips"`
}

type refusedFile struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func summaryOf(x *corpus.Index) indexSummary {
	s := indexSummary{
		Index: x.File, Probed: x.Probed, Clips: x.Clips, Hours: x.Seconds / 3600, Unknown: x.Unknown,
		Durations: durations(x.Lengths), Classes: x.Classes, Unlabelled: x.Report.Unlabeled, OtherSplit: x.Report.Split,
		OtherFiles: x.Report.Ignored, Missing: x.Report.Missing, Refused: x.Reasons, Files: []refusedFile{}, Remarks: []refusedFile{},
	}
	for _, b := range x.Report.Bad {
		s.Files = append(s.Files, refusedFile{b.Path, b.Reason})
	}
	for _, b := range x.Report.Remarks {
		s.Remarks = append(s.Remarks, refusedFile{b.Path, b.Reason})
	}
	return s
}

// durationEdges are the bounds of the histogram's bins in seconds.
var durationEdges = []float64{0, 0.5, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 60, 120, 300, 600, 1800, 3600, 1e7}

// durations counts lengths in bins, from the first that holds any to the last.
func durations(lengths []float64) []durationBin {
	bins := make([]durationBin, len(durationEdges)-1)
	for i := range bins {
		bins[i].From, bins[i].To = durationEdges[i], durationEdges[i+1]
	}
	for _, d := range lengths {
		i := max(0, min(len(bins)-1, upper(durationEdges, d)-1))
		bins[i].Clips++
	}
	for len(bins) > 0 && bins[0].Clips == 0 {
		bins = bins[1:]
	}
	for len(bins) > 0 && bins[len(bins)-1].Clips == 0 {
		bins = bins[:len(bins)-1]
	}
	return bins
}

// upper is the number of edges that are at most v.
func upper(edges []float64, v float64) int {
	n, found := slices.BinarySearch(edges, v)
	if found {
		n++
	}
	return n
}

// rowsShown bounds the lists of a summary.
const rowsShown = 12

// barWidth is the longest bar of a histogram.
const barWidth = 40

// filesShown bounds the files that a summary names.
const filesShown = 10

func printIndex(w io.Writer, x *corpus.Index, all bool) error {
	fmt.Fprintf(w, "%s, %.2f hours", count(x.Clips, "clip"), x.Seconds/3600)
	for _, part := range []struct {
		n    int
		what string
	}{
		{x.Unknown, "of unknown length"}, {x.Report.Unlabeled, "unlabelled"}, {x.Report.Split, "of other splits"},
		{len(x.Report.Bad), "refused"}, {x.Report.Missing, "of them missing"}, {x.Report.Ignored, "files of other kinds"},
	} {
		if part.n > 0 {
			fmt.Fprintf(w, "; %d %s", part.n, part.what)
		}
	}
	fmt.Fprintf(w, "\nindex: %s (%s looked at anew)\n", media.Printable(x.File), count(x.Probed, "file"))
	if bins := durations(x.Lengths); len(bins) > 0 {
		fmt.Fprintln(w)
		most := 0
		for _, b := range bins {
			most = max(most, b.Clips)
		}
		t := newTable(">seconds", ">clips", "")
		for _, b := range bins {
			t.add(edges(b), strconv.Itoa(b.Clips), strings.Repeat("#", (b.Clips*barWidth+most-1)/most))
		}
		if err := t.print(w); err != nil {
			return err
		}
	}
	if err := printCounts(w, classes(len(x.Classes)), x.Classes); err != nil {
		return err
	}
	if err := printCounts(w, "refused", x.Reasons); err != nil {
		return err
	}
	printFiles(w, "refused files", x.Report.Bad, all)
	printFiles(w, "remarks", x.Report.Remarks, all)
	return nil
}

// printFiles names files with what is to be said of each.
func printFiles(w io.Writer, head string, files []media.BadFile, all bool) {
	if len(files) == 0 {
		return
	}
	shown := len(files)
	if !all {
		shown = min(shown, filesShown)
	}
	fmt.Fprintf(w, "\n%s\n", head)
	for _, f := range files[:shown] {
		fmt.Fprintf(w, "  %s: %s\n", media.Printable(f.Path), media.Printable(f.Reason))
	}
	if n := len(files) - shown; n > 0 {
		fmt.Fprintf(w, "  and %d more: --all names them\n", n)
	}
}

func edges(b durationBin) string {
	if b.To >= 1e7 {
		return fmt.Sprintf("%g or more", b.From)
	}
	return fmt.Sprintf("%g to %g", b.From, b.To)
}

func classes(n int) string {
	if n == 1 {
		return "1 class"
	}
	return fmt.Sprintf("%d classes", n)
}

// printCounts lists what is most frequent.
func printCounts(w io.Writer, head string, counts map[string]int) error {
	if len(counts) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(head, ">clips")
	names := byCount(counts)
	for _, name := range names[:min(rowsShown, len(names))] {
		t.add(media.Printable(name), strconv.Itoa(counts[name]))
	}
	if n := len(names) - rowsShown; n > 0 {
		t.add(fmt.Sprintf("and %d more", n), "")
	}
	return t.print(w)
}

// byCount orders names by falling count, then by letter.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
}
