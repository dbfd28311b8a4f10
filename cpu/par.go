package cpu

import (
	"runtime"
	"sync"
)

// Par shares out [0,n) over the cores in contiguous pieces of at least grain items, and waits for all of them.
func Par(n, grain int, f func(lo, hi int)) {
	pieces := min(runtime.GOMAXPROCS(0), n/max(grain, 1))
	if pieces <= 1 {
		f(0, n)
		return
	}
	var wg sync.WaitGroup
	for p := 1; p < pieces; p++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			f(p*n/pieces, (p+1)*n/pieces)
		}()
	}
	f(0, n/pieces)
	wg.Wait()
}
