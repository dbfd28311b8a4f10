package mediatest

import (
	"fmt"
	"math"
	"testing"

	"goxkd/media"
)

// SecondsPicture and SecondsSound are ffmpeg's sources of a picture and of a sound that tell the second: second n is of grey
// level 23n and a tone of 300 + 200n Hz.
const (
	SecondsPicture = "nullsrc=s=%s:r=%d:d=%g,geq=lum=16+20*floor(T):cb=128:cr=128,format=yuv420p"
	SecondsSound   = "aevalsrc=0.5*sin(2*PI*(300+200*floor(t))*t):s=%d:d=%g"
)

// Seconds makes a clip of at most ten seconds whose picture and sound tell the second.
func Seconds(t testing.TB, path string, seconds float64, more ...string) {
	t.Helper()
	args := []string{"-f", "lavfi", "-i", fmt.Sprintf(SecondsPicture, "64x48", 25, seconds), "-f", "lavfi", "-i", fmt.Sprintf(SecondsSound, 48000, seconds)}
	FFmpeg(t, append(append(args, more...), "file:"+path)...)
}

// secondOf is the second that a piece of sound tells, -1 for silence.
func secondOf(wave []float32, rate int) int {
	best, power, sum := -1, 0.0, 0.0
	for _, v := range wave {
		sum += float64(v) * float64(v)
	}
	if sum/float64(len(wave)) < 1e-4 {
		return -1
	}
	for n := range 12 {
		w := 2 * math.Pi * float64(300+200*n) / float64(rate)
		re, im := 0.0, 0.0
		for i, v := range wave {
			re += float64(v) * math.Cos(w*float64(i))
			im += float64(v) * math.Sin(w*float64(i))
		}
		if p := re*re + im*im; p > power {
			best, power = n, p
		}
	}
	return best
}

// OutOfStep lists where a clip that begins at so many seconds of one made by Seconds shows or sounds another second than it
// should: each picture, and sound 20 ms before and after each change.
func OutOfStep(c *media.Clip, from float64) []string {
	var wrong []string
	for k := range c.T {
		at := from + float64(k)/float64(c.FPS)
		if got := int(math.Round(float64(c.Frame(k)[c.W/2*3+1]) / 23.3)); got != int(at+0.003) {
			wrong = append(wrong, fmt.Sprintf("picture %d, at %.3f s, is of second %d", k, at, got))
		}
	}
	window := c.Rate / 20
	for n := int(math.Ceil(from)); len(c.Wave) > 0; n++ {
		edge := int((float64(n) - from) * float64(c.Rate))
		slack := c.Rate / 50
		if edge-slack > len(c.Wave) {
			break
		}
		for _, side := range []struct{ at, second int }{{edge - slack - window, n - 1}, {edge + slack, n}} {
			if side.at < 0 || side.at+window > len(c.Wave) {
				continue
			}
			if got := secondOf(c.Wave[side.at:side.at+window], c.Rate); got != side.second {
				wrong = append(wrong, fmt.Sprintf("sound at %.3f s is of second %d, not %d", from+float64(side.at)/float64(c.Rate), got, side.second))
			}
		}
	}
	return wrong
}
