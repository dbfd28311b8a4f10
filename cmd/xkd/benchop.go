package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"goxkd/bench"
	"goxkd/graph"
)

func newBenchOp() *cobra.Command {
	var device, which, dir, compare string
	var shapes []string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "op OPERATION",
		Short: "Time one operation by each of its variants",
		Long: `Op times an operation on a device, by each variant of its kernels, at the shapes of one of its test cases or at given
ones. It also measures what the device reaches at best: a copy of 64 MiB, and multiply-adds in registers. GB/s count the inputs
and the results once each, whatever a kernel reads again; tensors that fit into caches may move faster than the copy. The best of a
few timings counts.`,
		Example: `  xkd bench op matmul --shape 2320,96 --shape 96,384
  xkd bench op layernorm --case large --device cpu
  xkd bench op matmul --case large --json > before.json
  xkd bench op matmul --case large --compare before.json`,
		Args:              someArgs("an operation, such as matmul; `xkd check` lists them"),
		ValidArgsFunction: firstOf(kernelOps),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("give one operation, not %d", len(args))
			}
			op, c, err := operationCase(args[0], which, shapes)
			if err != nil {
				return err
			}
			var old opBench
			if compare != "" {
				if err := readReport(compare, &old); err != nil {
					return err
				}
			}
			ctx := cmd.Context()
			dev, err := openWith(ctx, device, dir, nil, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			defer dev.Close()
			r := opBench{Device: dev.Name()}
			if r.Peaks, err = bench.MeasurePeaks(ctx, dev); err != nil {
				return err
			}
			if r.Times, err = bench.TimeOp(ctx, dev, op, c, r.Peaks); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), r)
			}
			return r.print(cmd.OutOrStdout(), old)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringArrayVar(&shapes, "shape", nil, "for inputs of these `shapes`, one flag for each, such as 16,96, with the attributes of the case")
	fl.StringVar(&which, "case", "", "for this test `case`; the first where none is given")
	fl.StringVar(&device, "device", "auto", deviceUsage)
	fl.StringVar(&dir, "shaders", "", shadersUsage)
	fl.StringVar(&compare, "compare", "", "print how many times as long the document in this `file`, of --json, took")
	fl.BoolVar(&asJSON, "json", false, "print one JSON document")
	offer(cmd, "case", casesOf)
	return cmd
}

// opBench is the JSON form of `xkd bench op`.
type opBench struct {
	Device string         `json:"device"`
	Peaks  bench.Peaks    `json:"peaks"`
	Times  []bench.OpTime `json:"times"`
}

// before is the time of the same in an older document, 0 where it has none.
func (r opBench) before(t bench.OpTime) float64 {
	i := slices.IndexFunc(r.Times, func(o bench.OpTime) bool {
		return o.Op == t.Op && o.Variant == t.Variant && slices.EqualFunc(o.Shapes, t.Shapes, func(a, b graph.Shape) bool { return slices.Equal(a, b) })
	})
	if i < 0 {
		return 0
	}
	return r.Times[i].Seconds
}

func (r opBench) print(w io.Writer, old opBench) error {
	fmt.Fprintf(w, "%s %v on %s\n%s\n\n", r.Times[0].Op, r.Times[0].Shapes, r.Device, peaksLine(r.Peaks))
	head := []string{"variant", ">ms", ">GB/s", ">of copy", ">GFLOP/s", ">of FMA"}
	if old.Times != nil {
		head = append(head, ">before / now")
	}
	t := newTable(head...)
	for _, o := range r.Times {
		name := orNone([]string{o.Variant})
		if o.Default && len(r.Times) > 1 {
			name += " (default)"
		}
		row := []string{name, strconv.FormatFloat(1e3*o.Seconds, 'f', 3, 64), fmt.Sprintf("%.1f", o.GB), fmt.Sprintf("%.0f %%", 100*o.CopyPart), "", ""}
		if o.FLOPs > 0 {
			row[4], row[5] = fmt.Sprintf("%.0f", o.GFLOPs), fmt.Sprintf("%.0f %%", 100*o.FMAPart)
		}
		if old.Times != nil {
			row = append(row, ratio(old.before(o), o.Seconds))
		}
		t.add(row...)
	}
	return t.print(w)
}

func peaksLine(p bench.Peaks) string {
	return fmt.Sprintf("peaks measured here: copy %.1f GB/s, multiply-adds %.0f GFLOP/s", p.Copy, p.FMA)
}

// ratio is before over now, above 1 for faster.
func ratio(before, now float64) string {
	if before == 0 || now == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", before/now)
}

// readReport reads a document that --json has written.
func readReport(file string, v any) error {
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		return fmt.Errorf("--compare %s: %w: name a file that the same command has written with --json", file, err)
	}
	return nil
}
