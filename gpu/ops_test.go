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
			d.Guard = true
			if variant != "" {
				d.Variants = map[string]string{"matmul": variant}
			}
			for _, op := range graph.Ops() {
				if !launches[op.Name] {
					continue
				}
				for _, c := range op.Cases {
					if variant != "" && c.Large && (testing.Short() || variant[0] == 'T' && c.Shapes[0].Size() > 50_000) {
						continue // barriers are slow on software adapters
					}
					t.Run(op.Name+"/"+c.Name, func(t *testing.T) { check(t, d, op, c.Attrs, c.Shapes, c.Tolerance) })
				}
			}
		})
	}
}
