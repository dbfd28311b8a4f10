package gpu

import (
	"testing"

	"goxkd/graph"
	_ "goxkd/graph/op"
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
