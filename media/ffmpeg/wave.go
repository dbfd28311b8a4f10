package ffmpeg

import (
	"math"
)

// wave puts blocks of samples where their times say.
type wave struct {
	rate    int
	samples int // of the span
	blocks  []block
}

// block is samples from an instant on, which is a position on the grid of samples and need not be whole.
type block struct {
	at   float64
	data []float32
}

const (
	// slackSeconds is how far sound may be from its time before it is put there; below, blocks follow each other without
	// a seam, for many containers round times.
	slackSeconds = 0.01
	// holeSeconds is a step between blocks from which on it is a hole, which stays silent. A smaller one is a clock that
	// does not keep its rate, or a packet lost.
	holeSeconds = 0.1
)

func (w *wave) add(at float64, data []float32) {
	if len(data) > 0 {
		w.blocks = append(w.blocks, block{at * float64(w.rate), data})
	}
}

// first is when sound begins, in seconds of the span.
func (w *wave) first() float64 {
	if len(w.blocks) == 0 {
		return math.Inf(1)
	}
	return w.blocks[0].at / float64(w.rate)
}

// render gives the span's samples. Holes are silent, small gaps are filled with what was before them, and of what overlaps
// the later counts; a clip that ends earlier comes back shorter.
func (w *wave) render() []float32 {
	out := make([]float32, w.samples)
	slack, hole := slackSeconds*float64(w.rate), holeSeconds*float64(w.rate)
	cursor, end := 0, 0
	for i, b := range w.blocks {
		at, off := int(math.Round(b.at)), b.at-float64(cursor)
		switch {
		case i == 0:
		case math.Abs(off) <= slack:
			at = cursor
		case off > 0 && off < hole:
			for k := max(cursor, 0); k < min(at, len(out)); k++ {
				if from := 2*cursor - 1 - k; from >= 0 && from < len(out) {
					out[k] = out[from]
				}
			}
		}
		cursor = at + len(b.data)
		if from := max(-at, 0); from < len(b.data) && at < len(out) {
			copy(out[at+from:], b.data[from:])
			end = max(end, min(cursor, len(out)))
		}
	}
	if end == 0 {
		return nil
	}
	// The end of the last packet may be cut off by the codec.
	if float64(len(out)-end) > hole {
		return out[:end]
	}
	return out
}
