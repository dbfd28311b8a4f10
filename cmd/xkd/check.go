package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/check"
	"goxkd/graph"
)

func newCheck() *cobra.Command {
	var device, shaders string
	var names []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Compare a device with the reference, operation by operation",
		Long: `Check runs every operation on the device, forward by each of its variants and backward, on shapes that are easy to get
wrong, and compares with the reference in plain Go. The error is the normalised mean square error of the worst tensor. On a GPU, guard words round
every tensor show whether a kernel has written outside its own. The exit code is 1 if anything fails.`,
		Example: `  xkd check                  # the best adapter
  xkd check --op matmul --op softmax --device 1
  xkd check --op softmax --shaders kernels/   # with kernels/softmax.wgsl in place of the built-in one
  xkd check step             # a whole training step, node by node
  xkd check golden tests/testdata/*.safetensors`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("`xkd check` has no %q; there are `xkd check`, `xkd check step` and `xkd check golden`", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return checkOps(cmd, device, shaders, names, asJSON) },
	}
	cmd.Flags().StringVar(&device, "device", "gpu", deviceUsage)
	cmd.Flags().StringArrayVar(&names, "op", nil, "check this `operation` alone; may be given again")
	cmd.Flags().StringVar(&shaders, "shaders", "", shadersUsage)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	cmd.AddCommand(newCheckStep(), newCheckGolden())
	return cmd
}

// opReport is the JSON form of one check.OpResult.
type opReport struct {
	Op        string        `json:"op"`
	Case      string        `json:"case"`
	Direction string        `json:"direction"`
	Variant   string        `json:"variant,omitempty"`
	Shapes    []graph.Shape `json:"shapes"`
	Error     *float64      `json:"error"` // null where a figure is not finite or the case did not run
	Limit     float64       `json:"limit"`
	Tensor    string        `json:"tensor,omitempty"`
	Index     int           `json:"index"`
	Got       string        `json:"got"`
	Want      string        `json:"want"`
	Pass      bool          `json:"pass"`
	Failure   string        `json:"failure,omitempty"`
}

// checkedOps names the operations that have cases to be checked.
func checkedOps() (names []string) {
	for _, o := range graph.Ops() {
		if !o.View && len(o.Cases) > 0 {
			names = append(names, o.Name)
		}
	}
	return names
}

// checkOps checks the operations of these names, or all where there are none.
func checkOps(cmd *cobra.Command, device, shaders string, names []string, asJSON bool) error {
	ctx, stdout := cmd.Context(), cmd.OutOrStdout()
	ops := checkedOps()
	for _, name := range names {
		if !slices.Contains(ops, name) {
			return usagef("--op %q: there are %s", name, strings.Join(ops, ", "))
		}
	}
	if len(names) > 0 {
		ops = slices.DeleteFunc(ops, func(o string) bool { return !slices.Contains(names, o) })
	}
	dev, err := openWith(ctx, device, shaders, nil, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer dev.Close()
	if !asJSON {
		fmt.Fprintf(stdout, "device: %s\n", dev.Name())
		if len(names) > 0 {
			for _, o := range ops {
				fmt.Fprintf(stdout, "%s: %s\n", o, formula(o))
			}
		}
		fmt.Fprintln(stdout)
	}
	t := newOpTable(ops)
	reports := []opReport{}
	ran, failed := 0, 0
	for _, o := range ops {
		results, err := check.Ops(ctx, dev, check.OpsOptions{Only: []string{o}})
		if err != nil {
			return err
		}
		for _, r := range results {
			ran++
			if !r.Pass {
				failed++
			}
			if asJSON {
				reports = append(reports, reportOp(r))
			} else {
				t.print(stdout, r)
			}
		}
	}
	if asJSON {
		err = printJSON(stdout, struct {
			Device  string     `json:"device"`
			Results []opReport `json:"results"`
			Failed  int        `json:"failed"`
		}{dev.Name(), reports, failed})
	} else {
		_, err = fmt.Fprintf(stdout, "\n%s of %s: %s\n", count(ran, "case"), count(len(ops), "operation"), failures(failed))
	}
	if err == nil && failed > 0 {
		err = errVerdict
	}
	return err
}

func formula(name string) string {
	for _, o := range graph.Ops() {
		if o.Name == name {
			return o.Formula
		}
	}
	return ""
}

func failures(n int) string {
	if n == 0 {
		return "all within their limits"
	}
	return fmt.Sprintf("%d FAILED", n)
}

func reportOp(r check.OpResult) opReport {
	out := opReport{
		Op: r.Op, Case: r.Case, Direction: r.Direction, Variant: r.Variant, Shapes: r.Shapes, Limit: r.Limit, Tensor: r.Tensor, Index: r.Index,
		Got: fmt.Sprint(r.Got), Want: fmt.Sprint(r.Want), Pass: r.Pass,
	}
	if r.Err != nil {
		out.Failure = oneLine(r.Err)
	} else {
		out.Error = finite(r.Error)
	}
	return out
}

// finite gives nil for what JSON has no number for.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// opTable prints results as they come, so its widths are taken from the cases beforehand.
type opTable struct {
	widths []int
	headed bool
}

var (
	opColumns = []string{"operation", "case", "variant", "direction", "shapes", "error", "limit", "verdict"}
	opRight   = []bool{false, false, false, false, false, true, true, false}
)

// widestShapes bounds the column of shapes.
const widestShapes = 40

func newOpTable(ops []string) *opTable {
	t := &opTable{}
	for _, c := range opColumns {
		t.widths = append(t.widths, len(c))
	}
	t.widths[5], t.widths[6] = 7, 7
	for _, o := range graph.Ops() {
		if !slices.Contains(ops, o.Name) {
			continue
		}
		t.widths[0] = max(t.widths[0], len(o.Name))
		for _, c := range o.Cases {
			t.widths[1] = max(t.widths[1], len(c.Name))
			t.widths[4] = min(widestShapes, max(t.widths[4], len(shapes(c.Shapes))))
		}
	}
	return t
}

func shapes(list []graph.Shape) string {
	var parts []string
	for _, s := range list {
		parts = append(parts, s.String())
	}
	s := strings.Join(parts, " ")
	if len(s) > widestShapes {
		s = s[:widestShapes-3] + "..."
	}
	return s
}

func (t *opTable) print(w io.Writer, r check.OpResult) {
	if !t.headed {
		t.headed = true
		fmt.Fprintln(w, alignRow(opColumns, t.widths, opRight))
	}
	row := []string{r.Op, r.Case, r.Variant, r.Direction, shapes(r.Shapes), fmt.Sprintf("%.1e", r.Error), fmt.Sprintf("%.0e", r.Limit), "ok"}
	switch {
	case r.Err != nil:
		row[5], row[7] = "-", "FAILED: "+oneLine(r.Err)
	case !r.Pass:
		row[7] = fmt.Sprintf("FAILED: %s[%d] is %g, expected %g", r.Tensor, r.Index, r.Got, r.Want)
	}
	fmt.Fprintln(w, alignRow(row, t.widths, opRight))
}

func newCheckGolden() *cobra.Command {
	var device string
	var use []string
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "golden FILE...",
		Short: "Replay recorded training steps of the released PyTorch code",
		Long: `Golden replays cases that hold weights, inputs and results of the released PyTorch code in float64, and compares every
loss, gradient, clip norm, feature and final tensor, each with its limit on the relative error in the 2-norm. The worst of
each group is shown, and whatever misses its limit. The exit code is 1 on any miss.`,
		Example: `  xkd check golden tests/testdata/*.safetensors
  xkd check golden --device cpu --all tests/testdata/mini_xkd.safetensors`,
		Args: someArgs("a golden case, such as tests/testdata/mini_xkd.safetensors"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dev, err := openWith(cmd.Context(), device, "", use, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			pass := true
			results := []*goldenReport{}
			for _, path := range args {
				r, err := check.Golden(cmd.Context(), dev, path)
				if err != nil {
					return err
				}
				pass = pass && r.Pass
				if asJSON {
					results = append(results, reportGolden(r))
				} else if err := printGolden(cmd.OutOrStdout(), r, all); err != nil {
					return err
				}
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), results); err != nil {
					return err
				}
			}
			if !pass {
				return errVerdict
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&device, "device", "gpu", deviceUsage)
	cmd.Flags().StringArrayVar(&use, "use", nil, useUsage)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document with every figure")
	cmd.Flags().BoolVar(&all, "all", false, "print every figure")
	return cmd
}

// goldenReport is the JSON form of a check.GoldenResult; a figure that is not finite has a null error.
type goldenReport struct {
	File    string         `json:"file"`
	Case    string         `json:"case"`
	Device  string         `json:"device"`
	Figures []figureReport `json:"figures"`
	Pass    bool           `json:"pass"`
}

type figureReport struct {
	Name  string   `json:"name"`
	What  string   `json:"what"`
	Error *float64 `json:"error"`
	Limit float64  `json:"limit"`
	Pass  bool     `json:"pass"`
}

func reportGolden(r *check.GoldenResult) *goldenReport {
	out := &goldenReport{File: r.File, Case: r.Case, Device: r.Device, Figures: []figureReport{}, Pass: r.Pass}
	for _, f := range r.Figures {
		out.Figures = append(out.Figures, figureReport{f.Name, f.What, finite(f.Error), f.Limit, f.Pass})
	}
	return out
}

// printGolden prints the worst figure of each group and all that miss their limits, or every figure.
func printGolden(w io.Writer, r *check.GoldenResult, all bool) error {
	type group struct {
		figures []check.Figure
		missed  int
	}
	groups := map[string]*group{}
	var order []string
	missed := 0
	for _, f := range r.Figures {
		g := groups[f.What]
		if g == nil {
			g = &group{}
			groups[f.What] = g
			order = append(order, f.What)
		}
		g.figures = append(g.figures, f)
		if !f.Pass {
			g.missed++
			missed++
		}
	}
	fmt.Fprintf(w, "%s on %s\n", r.File, r.Device)
	t := newTable("group", ">figures", "worst", ">error", ">limit", "verdict")
	for _, what := range order {
		g := groups[what]
		// The worst is the one that comes closest to its own limit.
		sort.SliceStable(g.figures, func(i, j int) bool {
			return g.figures[i].Error/g.figures[i].Limit > g.figures[j].Error/g.figures[j].Limit
		})
		for i, f := range g.figures {
			if i > 0 && f.Pass && !all {
				break // sorted: the misses come first
			}
			row := []string{"", "", f.Name, fmt.Sprintf("%.1e", f.Error), fmt.Sprintf("%.0e", f.Limit), "ok"}
			if i == 0 {
				row[0], row[1] = what, fmt.Sprint(len(g.figures))
			}
			if !f.Pass {
				row[5] = "MISSED"
			}
			t.add(row...)
		}
	}
	if err := t.print(w); err != nil {
		return err
	}
	verdict := "all within their limits"
	if missed > 0 {
		verdict = fmt.Sprintf("%d MISSED", missed)
	}
	_, err := fmt.Fprintf(w, "%s: %s\n\n", count(len(r.Figures), "figure"), verdict)
	return err
}
