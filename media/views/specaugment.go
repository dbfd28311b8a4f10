package views

import "math/rand/v2"

// SpecAugment holds the parameters of masks and time warp on log-mels (Park et al., SpecAugment: A
// Simple Data Augmentation Method for Automatic Speech Recognition, Interspeech 2019). Its zero value
// does nothing, as pretraining wants; it is for fine-tuning.
type SpecAugment struct {
	TimeWarp      int     `json:"time_warp,omitempty"`       // W: a frame moves by at most so many frames
	FreqMasks     int     `json:"freq_masks,omitempty"`      // masks across all frames
	FreqMaskWidth int     `json:"freq_mask_width,omitempty"` // F: bands of one mask at most
	TimeMasks     int     `json:"time_masks,omitempty"`      // masks across all bands
	TimeMaskWidth int     `json:"time_mask_width,omitempty"` // T: frames of one mask at most
	TimeMaskShare float64 `json:"time_mask_share,omitempty"` // p: one mask's share of the frames at most (0 for no bound)
}

// apply warps and masks a log-mel [mels,frames] in the paper's order. A mask's width is uniform in
// 0..its most, its place uniform among those that fit, and its value zero, which is the mean of
// normalised log-mels.
func (s SpecAugment) apply(mel []float32, frames int, r *rand.Rand, scratch []float32) {
	mels := len(mel) / frames
	if w := s.TimeWarp; w > 0 {
		from := w + 1 + r.IntN(frames-2*w-2)
		warpTime(mel, frames, from, from-w+r.IntN(2*w+1), scratch)
	}
	for range s.FreqMasks {
		first, count := drawMask(r, mels, s.FreqMaskWidth)
		clear(mel[first*frames : (first+count)*frames])
	}
	most := s.TimeMaskWidth
	if s.TimeMaskShare > 0 {
		most = min(most, int(s.TimeMaskShare*float64(frames)))
	}
	for range s.TimeMasks {
		first, count := drawMask(r, frames, most)
		for y := range mels {
			clear(mel[y*frames+first:][:count])
		}
	}
}

// drawMask draws a run of at most the given length within 0..n-1.
func drawMask(r *rand.Rand, n, most int) (first, count int) {
	count = r.IntN(min(most, n) + 1)
	return r.IntN(n - count + 1), count
}

// warpTime stretches the frames on one side of a point and squeezes those on the other: frame from
// comes to stand at frame to, the first and the last stay, and what lies between is interpolated
// linearly. Both points lie between the first and the last frame.
func warpTime(mel []float32, frames, from, to int, scratch []float32) {
	last := frames - 1
	row := scratch[:frames]
	for at := 0; at < len(mel); at += frames {
		line := mel[at : at+frames]
		copy(row, line)
		for t := range line {
			x := float64(t) * float64(from) / float64(to)
			if t > to {
				x = float64(from) + float64(t-to)*float64(last-from)/float64(last-to)
			}
			i := min(int(x), last-1)
			w := float32(x - float64(i))
			line[t] = row[i]*(1-w) + row[i+1]*w
		}
	}
}
