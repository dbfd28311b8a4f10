package gpu

import (
	"fmt"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// Attention at shapes that its cases lack: widths that do not fit vectors, tokens round the size of a workgroup.
func TestAttentionShapes(t *testing.T) {
	for _, shape := range []graph.Shape{{2, 5, 24}, {2, 130, 96}, {1, 64, 384}, {3, 17, 54}, {1, 31, 192}, {2, 33, 216}, {1, 65, 768}} {
		attrs, y, rows := op.AttentionAttrs{Heads: 2}, graph.Shape{shape[0], shape[1], shape[2] / 3}, graph.Shape{shape[0], 2, shape[1]}
		attrsOf := map[string]any{"attention": attrs, "attention_grad": attrs, "attention_probs": op.ProbsAttrs{AttentionAttrs: attrs, Queries: shape[1] - 1}}
		for name, shapes := range map[string][]graph.Shape{"attention": {shape}, "attention_probs": {shape}, "attention_grad": {shape, y, rows, y}} {
			for _, variant := range []string{"flash", "flash64", "fused", "thread", "group"} {
				t.Run(fmt.Sprint(name, shape, variant), func(t *testing.T) {
					check(t, shared(t), force(variant), find(t, name), attrsOf[name], shapes, 0)
				})
			}
		}
	}
}

// Attention whose scores exceed one scratch buffer goes by parts of the batch, and of the heads.
func TestAttentionInParts(t *testing.T) {
	if testing.Short() {
		t.Skip("it computes large matrices")
	}
	for _, shape := range []graph.Shape{{3, 2200, 24}, {2, 3000, 24}} { // two clips of two heads fit, or one head
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			check(t, shared(t), force("thread"), find(t, "attention"), op.AttentionAttrs{Heads: 2}, []graph.Shape{shape}, 0)
		})
	}
}

func find(t testing.TB, name string) *graph.Op {
	t.Helper()
	for _, op := range graph.Ops() {
		if op.Name == name {
			return op
		}
	}
	t.Fatalf("there is no operation %q", name)
	return nil
}
