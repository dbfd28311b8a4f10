package files

import (
	"sync"
	"sync/atomic"
)

// Parallel calls do for 0..n-1 from several goroutines and returns when all are done.
func Parallel(workers, n int, do func(i int)) {
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(workers, n) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	work.Wait()
}
