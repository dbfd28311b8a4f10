package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/xkd"
)

// hostMemory is what a run takes of the host's memory beside the device's and what its driver takes for itself, in bytes.
type hostMemory struct {
	clips   int64 // that stay decoded
	batches int64 // made ahead and in use
	work    int64 // of the workers: clips while they are decoded and cut
	program int64 // code, tables, lists of files, and what waits for the collector
}

const (
	// heapSlack is what may wait for the collector. What is allocated is few large pieces without pointers, so that to
	// collect often costs little: a percent of the time at a few hundred MB/s.
	heapSlack = 64 << 20
	// codeBytes are the program's own pages and the runtime's tables.
	codeBytes = 24 << 20
	// decodeCopies is how often a clip is in memory while it is decoded: as it comes, and in place.
	decodeCopies = 3
)

// needed reckons what a run takes. Call it before the device has its memory.
func needed(src media.Source, c xkd.Config, workers int, dev graph.Device) hostMemory {
	var m hostMemory
	spec := c.Spec()
	if f, ok := src.(interface{ CacheBytes() int64 }); ok {
		m.clips = f.CacheBytes()
	}
	video, audio := media.Modalities(src)
	used := max(c.Train.Accumulate, 1)
	if dev.Overlaps() {
		used *= 2 // those of the step that follows too
	}
	m.batches = spec.AheadBytes(c.Train.Batch, used, video, audio)
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	one := spec.ViewerBytes()
	if f, ok := src.(interface{ LoadBytes(seconds float64) int64 }); ok {
		one += decodeCopies * f.LoadBytes(spec.Seconds)
	}
	m.work = int64(workers) * one
	m.program = live() + heapSlack + codeBytes
	return m
}

func (m hostMemory) total() int64 { return m.clips + m.batches + m.work + m.program }

func (m hostMemory) String() string {
	return fmt.Sprintf("%s beside the device's: %s clips that stay decoded, %s batches, %s decoding, %s the program",
		megabytes(m.total()), megabytes(m.clips), megabytes(m.batches), megabytes(m.work), megabytes(m.program))
}

// bound keeps the run to it: the collector runs before more than the slack waits for it, where it would wait for as much
// again as is in use. Call it when the device has its memory, which may be of the same heap. A user's own bound holds.
func (m hostMemory) bound() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(live() + m.clips + m.batches + m.work + heapSlack)
	}
}

// live is what the program's heap holds, once collected.
func live() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
