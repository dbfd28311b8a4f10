package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/xkd"
)

// A drawn line that is wider than the terminal would wrap and could not be redrawn.
func TestBarFits(t *testing.T) {
	p := xkd.Progress{
		Step: 12345, Steps: 200000, Losses: xkd.Losses{12.3456, 7.1, 38.25, 1.6}, StepsPerSecond: 0.123, ClipsPerSecond: 3.9,
		Waiting: 0.42, Left: 427 * time.Hour, Skipped: 17,
	}
	for width := 19; width < 220; width++ {
		assert.LessOrEqual(t, utf8.RuneCountInString(bar(p, width)), width)
	}
	assert.Contains(t, bar(p, 200), "align 7.100, kd 38.250, recon 1.600")
	assert.Contains(t, bar(p, 200), "17 clips skipped")
	assert.Contains(t, bar(p, 19), "12345/200000")
	assert.NotPanics(t, func() { bar(xkd.Progress{}, 80) })
}

func TestTableAligns(t *testing.T) {
	table := newTable("name", ">figure", "note")
	table.add("a", "1", "ok")
	table.add("längst", "10.5 ± 2", "")
	var out bytes.Buffer
	require.NoError(t, table.print(&out))
	assert.Equal(t, "name      figure  note\na              1  ok\nlängst  10.5 ± 2\n", out.String())
}

func TestFormats(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0s", 59 * time.Second: "59s", 185 * time.Second: "3m05s", 7800 * time.Second: "2h10m",
	} {
		assert.Equal(t, want, clock(d))
	}
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1,000", 206346560: "206,346,560"} {
		assert.Equal(t, want, thousands(n))
	}
	assert.Equal(t, "1 clip", count(1, "clip"))
	assert.Equal(t, "0 clips", count(0, "clip"))
	assert.Equal(t, "one; two; three", oneLine(errors.Join(errors.New("one"), fmt.Errorf("two\n  three\n"))))
}

// The closing sentence claims no more than the figures show.
func TestVerdict(t *testing.T) {
	row := func(modality string, trained, untrained float64) xkd.ProbeRow {
		s := func(p float64) xkd.Score {
			return xkd.Score{Mean: p, Std: 0.02, Values: []float64{p - 0.02, p, p + 0.02}}
		}
		return xkd.ProbeRow{Modality: modality, Classifier: "linear", Trained: s(trained), Untrained: s(untrained)}
	}
	r := &xkd.ProbeResult{Test: 256, Rows: []xkd.ProbeRow{row("video", 0.5, 0.3), row("audio", 0.31, 0.3)}}
	assert.Equal(t, "Training improved video linear by 20.0 points; no clear gain for audio linear (the difference is within noise).", verdict(r))
	r.Rows = []xkd.ProbeRow{row("video", 0.2, 0.4)}
	assert.Equal(t, "Training made worse video linear by 20.0 points.", verdict(r))
}

func TestUnseenSeed(t *testing.T) {
	var list []*xkd.Loaded
	for _, seed := range []uint64{5, 5 + 1_000_003, 9} {
		l := &xkd.Loaded{}
		l.Config.Data.Synthetic.Seed = seed
		list = append(list, l)
	}
	assert.EqualValues(t, 5+2*1_000_003, unseenSeed(list))
}
