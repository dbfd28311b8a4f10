package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"goxkd/gpu"
	"goxkd/graph"
)

func newShader() *cobra.Command {
	var class, variant, which, dir string
	var shapes []string
	var list bool
	cmd := &cobra.Command{
		Use:   "shader OPERATION",
		Short: "Print the kernels of an operation",
		Long: `Shader prints the WGSL text that an operation runs, with the constants filled in, for one of its test cases or for given
shapes, and before each text how it is dispatched. No device is needed. A changed copy, under the file name shown, can be
tried by xkd check --shaders and xkd bench --shaders.`,
		Example: `  xkd shader softmax
  xkd shader matmul --class discrete --variant T64
  xkd shader matmul --shape 2320,96 --shape 96,384
  xkd shader matmul --list     # its variants and cases`,
		Args:              someArgs("an operation, such as matmul; `xkd check` lists them"),
		ValidArgsFunction: firstOf(kernelOps),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("give one operation, not %d", len(args))
			}
			of, err := parseClass(class)
			if err != nil {
				return err
			}
			target := graph.Target{Class: of}
			n, op, err := shaderNode(args[0], which, shapes)
			if err != nil {
				return err
			}
			variants := op.VariantsOf(n, target)
			if list {
				return listVariants(cmd.OutOrStdout(), op, variants, target)
			}
			target.Variant = variants[0]
			if variant != "" {
				target.Variant = variant
			}
			if !slices.Contains(variants, target.Variant) {
				return usagef("--variant %q: %s of this shape has %s on %s adapters", variant, op.Name, orNone(variants), class)
			}
			kernels, err := gpu.Kernels(n, target, dir)
			if err != nil {
				return err
			}
			return printKernels(cmd.OutOrStdout(), n, target, kernels)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&class, "class", "discrete", "for this `class` of adapters: discrete, integrated or software")
	fl.StringVar(&variant, "variant", "", "by this `variant`; the default for the shape where none is given")
	fl.StringVar(&which, "case", "", "for this test `case`; the first where none is given")
	fl.StringArrayVar(&shapes, "shape", nil, "for inputs of these `shapes`, one flag for each, such as 16,96, with the attributes of the case")
	fl.StringVar(&dir, "shaders", "", shadersUsage)
	fl.BoolVar(&list, "list", false, "print the operation's variants and cases instead")
	offer(cmd, "variant", func(args []string) []string {
		of, err := parseClass(class)
		if err != nil || len(args) != 1 {
			return nil
		}
		n, op, err := shaderNode(args[0], which, shapes)
		if err != nil {
			return nil
		}
		return op.VariantsOf(n, graph.Target{Class: of})
	})
	offer(cmd, "case", casesOf)
	return cmd
}

// casesOf names the test cases of the operation that a command is given.
func casesOf(args []string) (names []string) {
	if len(args) != 1 {
		return nil
	}
	op, _, err := operationCase(args[0], "", nil)
	if err != nil {
		return nil
	}
	for _, c := range op.Cases {
		names = append(names, c.Name)
	}
	return names
}

func orNone(variants []string) string {
	if len(variants) == 1 && variants[0] == "" {
		return "one way only"
	}
	return strings.Join(variants, ", ")
}

// shaderNode builds a node of an operation, for a test case or for shapes.
func shaderNode(name, which string, shapes []string) (n *graph.Node, op *graph.Op, err error) {
	op, c, err := operationCase(name, which, shapes)
	if err != nil {
		return nil, nil, err
	}
	_, err = graph.Build(func(g *graph.Graph) { n = g.ApplyCase(op, c) })
	return n, op, err
}

// kernelOps names the operations that have kernels.
func kernelOps() (names []string) {
	for _, o := range graph.Ops() {
		if o.Launch != nil {
			names = append(names, o.Name)
		}
	}
	return names
}

// operationCase finds an operation with kernels, and one of its test cases, with other shapes where they are given.
func operationCase(name, which string, shapes []string) (op *graph.Op, c graph.Case, err error) {
	if !slices.Contains(kernelOps(), name) {
		return nil, c, usagef("there is no operation %q with kernels; there are %s", name, strings.Join(kernelOps(), ", "))
	}
	op = graph.Ops()[slices.IndexFunc(graph.Ops(), func(o *graph.Op) bool { return o.Name == name })]
	c = op.Cases[0]
	if which != "" {
		i := slices.IndexFunc(op.Cases, func(c graph.Case) bool { return c.Name == which })
		if i < 0 {
			return nil, c, usagef("--case %q: %s has %s", which, name, caseNames(op))
		}
		c = op.Cases[i]
	}
	if shapes != nil {
		if c.Shapes, err = parseShapes(shapes); err != nil {
			return nil, c, err
		}
		if c.Types != nil && len(c.Types) != len(c.Shapes) {
			return nil, c, usagef("--shape: %s takes %d inputs, not %d", name, len(c.Types), len(c.Shapes))
		}
	}
	return op, c, nil
}

func parseShapes(list []string) (out []graph.Shape, err error) {
	for _, text := range list {
		var s graph.Shape
		for _, part := range strings.Split(text, ",") {
			d, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil || d < 1 {
				return nil, usagef("--shape %q: give whole numbers above 0, such as 16,96", text)
			}
			s = append(s, d)
		}
		out = append(out, s)
	}
	return out, nil
}

func caseNames(op *graph.Op) string {
	var names []string
	for _, c := range op.Cases {
		names = append(names, strconv.Quote(c.Name))
	}
	return strings.Join(names, ", ")
}

func listVariants(w io.Writer, op *graph.Op, variants []string, t graph.Target) error {
	_, err := fmt.Fprintf(w, "%s: %s\nvariants on %v adapters, the default first: %s\ncases: %s\n",
		op.Name, op.Formula, t.Class, orNone(variants), caseNames(op))
	return err
}

func printKernels(w io.Writer, n *graph.Node, t graph.Target, kernels []gpu.Kernel) error {
	variant := ""
	if t.Variant != "" {
		variant = ", variant " + t.Variant
	}
	inputs := make([]graph.Shape, len(n.Inputs))
	for i, in := range n.Inputs {
		inputs[i] = in.Shape
	}
	fmt.Fprintf(w, "// %s: %s\n// inputs %v, result %v, for %v adapters%s\n", n.Op.Name, n.Op.Formula, inputs, n.Shape, t.Class, variant)
	shown := map[string]bool{}
	for i, k := range kernels {
		fmt.Fprintf(w, "//\n// dispatch %d of %d: %s, entry point %s, %v workgroups, at most %d loop turns a thread\n", i+1, len(kernels), k.File, k.Entry, k.Groups, k.Trips)
		if k.Params != nil {
			fmt.Fprintf(w, "// parameters %+v\n", k.Params)
		}
		if shown[k.Text] {
			fmt.Fprintln(w, "// the text is that of an earlier dispatch")
			continue
		}
		shown[k.Text] = true
		if _, err := fmt.Fprintln(w, strings.TrimRight(k.Text, "\n")); err != nil {
			return err
		}
	}
	return nil
}
