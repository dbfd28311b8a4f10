package gpu

import (
	"fmt"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// launches names the operations whose kernels are tested here with every variant.
var launches = map[string]bool{"matmul": true, "attention": true, "attention_grad": true, "attention_probs": true}

func TestMatmulFamily(t *testing.T) {
	for _, variant := range []string{"", "R8", "R16", "R32", "T64", "T128"} {
		t.Run("variant "+variant, func(t *testing.T) {
			d := open(t)
			d.Variants = map[string]string{"matmul": variant}
			family(t, d, variant != "" && (testing.Short() || variant[0] == 'T'))
		})
	}
}

// What is chosen for other classes of adapters is right, too.
func TestMatmulFamilyByClass(t *testing.T) {
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		t.Run(class.String(), func(t *testing.T) {
			d := open(t)
			real := d.adapter.Class
			d.adapter.Class = class
			family(t, d, testing.Short() || real == graph.Software && class != real)
		})
	}
}

func TestAttentionVariants(t *testing.T) {
	for _, variant := range []string{"fused", "thread", "group"} {
		t.Run(variant, func(t *testing.T) {
			d := open(t)
			d.Guard = true
			d.Variants = map[string]string{"attention": variant}
			for _, shape := range []graph.Shape{{2, 5, 24}, {2, 130, 96}, {1, 64, 384}, {3, 17, 54}} {
				heads := 2
				grad := graph.Shape{shape[0], shape[1], shape[2] / 3}
				for name, shapes := range map[string][]graph.Shape{"attention": {shape}, "attention_probs": {shape}, "attention_grad": {shape, grad}} {
					t.Run(fmt.Sprint(name, shape), func(t *testing.T) {
						check(t, d, find(t, name), op.AttentionAttrs{Heads: heads}, shapes, 0)
					})
				}
			}
		})
	}
}

// Attention whose scores exceed one scratch buffer goes by parts of the batch, and of the heads.
func TestAttentionInParts(t *testing.T) {
	if testing.Short() {
		t.Skip("it computes large matrices")
	}
	for _, shape := range []graph.Shape{{3, 2200, 24}, {2, 3000, 24}} { // two clips of two heads fit, or one head
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			d := open(t)
			d.Variants = map[string]string{"attention": "thread"}
			check(t, d, find(t, "attention"), op.AttentionAttrs{Heads: 2}, []graph.Shape{shape}, 0)
		})
	}
}

func find(t *testing.T, name string) *graph.Op {
	t.Helper()
	for _, op := range graph.Ops() {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("there is no operation %q", name)
	return nil
}

// family checks every case, less the slowest where barriers are slow.
func family(t *testing.T, d *Device, slow bool) {
	d.Guard = true
	for _, op := range graph.Ops() {
		if !launches[op.Name] {
			continue
		}
		for _, c := range op.Cases {
			if c.Large && slow && c.Shapes[0].Size() > 130_000 {
				continue
			}
			t.Run(op.Name+"/"+c.Name, func(t *testing.T) { check(t, d, op, c.Attrs, c.Shapes, c.Tolerance) })
		}
	}
}
