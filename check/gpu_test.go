package check

import (
	"context"
	"os"
	"testing"

	"goxkd/gpu/gputest"
	"goxkd/graph"
)

// Every operation on the GPU against its reference, with guard words round every buffer: by all its variants for the
// adapter's own class, and as the other classes would run it. Large cases run for the adapter's own class, since on software
// adapters kernels of others are slow, and so is compiling all of them again, which is left to long runs.
func TestOpsOnGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles hundreds of kernels")
	}
	dev := gputest.Open(t)
	defer dev.Close()
	long := os.Getenv("XKD_TESTS") == "all"
	for _, class := range []graph.Class{graph.Discrete, graph.Integrated, graph.Software} {
		t.Run(class.String(), func(t *testing.T) {
			other := class != dev.Target().Class
			results, err := Ops(context.Background(), dev, OpsOptions{
				Small: other, Defaults: other && !long, Class: &class,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				switch {
				case !r.Pass:
					t.Error(r)
				case testing.Verbose():
					t.Log(r)
				}
			}
		})
	}
}
