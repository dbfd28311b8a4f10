package ffmpeg

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media/mediatest"
)

// ones is a block of so many samples of a value.
func ones(n int, v float32) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// Blocks lie where their times are: rounded times leave no seam, small gaps are filled, holes are silent.
func TestWave(t *testing.T) {
	w := wave{rate: 1000, samples: 1000}
	w.add(-0.05, ones(100, 0.1)) // begins before the span
	w.add(0.056, ones(100, 0.2)) // 6 ms late: follows at once
	w.add(0.18, ones(100, 0.3))  // 30 ms late: is put there
	w.add(0.5, ones(100, 0.4))   // behind a hole
	w.add(0.55, ones(350, 0.5))  // overlaps
	out := w.render()
	require.Len(t, out, 1000, "an end that is cut off by 0.1 s at most is silent")
	for at, want := range map[int]float32{0: 0.1, 49: 0.1, 50: 0.2, 149: 0.2, 150: 0.2, 179: 0.2, 180: 0.3, 279: 0.3, 280: 0, 499: 0, 500: 0.4, 549: 0.4, 550: 0.5, 899: 0.5, 900: 0} {
		require.Equal(t, want, out[at], "sample %d", at)
	}
	w = wave{rate: 1000, samples: 1000}
	require.Nil(t, w.render())
	require.True(t, math.IsInf(w.first(), 1))
	w.add(0.1, ones(200, 1))
	require.Len(t, w.render(), 300, "what ends early comes back shorter")
	w = wave{rate: 1000, samples: 100}
	w.add(5, ones(10, 1))
	w.add(-5, ones(10, 1))
	require.Nil(t, w.render())
}

// A stream is as long as its packets, in whatever order these come.
func TestClock(t *testing.T) {
	tell := func(kind string, packets ...string) Stream {
		c := newClock()
		for _, text := range packets {
			var p packet
			require.NoError(t, json.Unmarshal([]byte(text), &p))
			c.add(p)
		}
		s := Stream{Kind: kind}
		c.tell(&s)
		return s
	}
	s := tell("video", `{"pts_time":"9.9","flags":"__"}`, `{"pts_time":"10","flags":"K_"}`, `{"pts_time":"10.2","flags":"__"}`, `{"pts_time":"10.1","flags":"__"}`, `{"pts_time":"10.3","flags":"K_"}`)
	require.Equal(t, []float64{10, 10.4, 0.1, 0.3}, []float64{s.Begin, s.End, s.Gap, s.KeyGap}, "from the first keyframe on")
	s = tell("audio", `{"pts_time":"-0.02","duration_time":"0.02","flags":"KD"}`, `{"dts_time":"0","duration_time":"0.5","flags":"K_"}`)
	require.Equal(t, []float64{0, 0.5, 1}, []float64{s.Begin, s.End, float64(s.Packets)})
	s = tell("video", `{"duration_time":"0.5"}`, `{"pts_time":"N/A","duration_time":"0.5"}`)
	require.True(t, s.Untimed)
	require.Equal(t, 1.0, s.End)
	// What a last packet says of its length is believed where others bear it out.
	steps := []string{`{"pts_time":"0","duration_time":"0.032"}`, `{"pts_time":"0.032","duration_time":"0.032"}`}
	for _, x := range []struct {
		kind, last string
		end        float64
	}{{"audio", "0.02", 0.084}, {"audio", "268435.4548", 0.096}, {"audio", "-0.001", 0.096}, {"audio", "2", 0.096}, {"video", "2", 2.064}, {"video", "47721", 0.096}} {
		require.Equal(t, x.end, tell(x.kind, append(steps, `{"pts_time":"0.064","duration_time":"`+x.last+`"}`)...).End, "%s of %s s", x.kind, x.last)
	}
	require.Equal(t, 10.0, tell("audio", `{"pts_time":"0","duration_time":"268435"}`).End)

	j := newJoiner()
	var at []string
	for _, dts := range []string{"1", "1.5", "100", "100.5", "0", "0.5"} {
		at = append(at, j.move(packet{DTS: dts, Duration: "0.5"}).DTS)
	}
	require.Equal(t, []string{"1.000000", "1.500000", "2.000000", "2.500000", "3.000000", "3.500000"}, at)
	j, at = newJoiner(), nil
	for _, p := range []packet{{DTS: "0", Duration: "0.5"}, {DTS: "0.5", Duration: "268435"}, {DTS: "0", Duration: "0.5"}, {DTS: "0.5", Duration: "0.5"}} {
		at = append(at, j.move(p).DTS)
	}
	require.Equal(t, []string{"0.000000", "0.500000", "0.500000", "1.000000"}, at, "a part's end does not move the next")
}

// Whatever comes in place of ffmpeg's output, reading it ends, without memory that was not sent.
func FuzzNUT(f *testing.F) {
	mediatest.NeedTools(f)
	p := process{name: "ffmpeg", args: []string{"-v", "error", "-f", "lavfi", "-i", "testsrc=s=4x2:r=5:d=1", "-pix_fmt", "rgb24", "-c:v", "rawvideo", "-f", "nut", "pipe:1"}, limit: probeLimit, outs: []int{1 << 20}}
	outs, err := p.run(f.Context())
	require.NoError(f, err)
	var times []float64
	eachFrame(bytes.NewReader(outs[0]), func(at float64, data []byte) {
		require.Len(f, data, 24)
		times = append(times, at)
	})
	require.InDeltaSlice(f, []float64{0, 0.2, 0.4, 0.6, 0.8}, times, 1e-9)
	f.Add(outs[0])
	f.Fuzz(func(t *testing.T, raw []byte) {
		eachFrame(bytes.NewReader(raw), func(_ float64, data []byte) { require.LessOrEqual(t, len(data), len(raw)+256) })
	})
}
