package media

import (
	"encoding/csv"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever ffprobe answers, what is picked from it can be decoded: frames of a bounded size, a
// duration that is a number, streams of the file.
func FuzzProbe(f *testing.F) {
	for _, text := range []string{
		`{"streams":[{"index":1,"codec_type":"video","width":1,"height":67108864,"sample_aspect_ratio":"16:1"},{"codec_type":"audio","sample_rate":"8000"}],"format":{"duration":"N/A"}}`,
		`{"streams":[{"index":-3,"codec_type":"video","width":3,"height":4,"tags":{"rotate":"NaN"},"side_data_list":[{"rotation":1e308},{"rotation":-270}]}]}`,
		`{"streams":[{"codec_type":"audio","sample_rate":"99999999999999999999","duration":"-1"}],"format":{"duration":"1e400"}}`,
		`{"streams":[{"codec_type":"video","width":9223372036854775807,"height":2}]}`,
		`{"streams":null,"format":null}`, `[]`, `{"streams":[{"width":"3"}]}`, ``,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, need := range [][2]bool{{true, true}, {true, false}, {false, true}} {
			p, err := parseProbe([]byte(text), need[0], need[1])
			if err != nil {
				require.NotContains(t, err.Error(), "\n")
				continue
			}
			require.Equal(t, need, [2]bool{p.video != nil, p.audio != nil})
			require.True(t, p.duration >= 0 && p.duration <= maxSeconds, "%g", p.duration)
			if p.audio != nil {
				require.GreaterOrEqual(t, p.audio.index, 0)
			}
			if p.video == nil {
				continue
			}
			require.GreaterOrEqual(t, p.video.index, 0)
			w, h, cropW, cropH := p.video.shape(48)
			require.True(t, min(w, h) == 48 && max(w, h) <= 48*(maxAspect+1), "%d x %d", w, h)
			shownW, shownH := p.video.w, p.video.h
			if p.video.turned {
				shownW, shownH = shownH, shownW
			}
			require.True(t, cropW >= 0 && cropW <= shownW && cropH >= 0 && cropH <= shownH, "crop of %d x %d in %d x %d", cropW, cropH, shownW, shownH)
		}
	})
}

// A table of labels that is read holds what its rows say, the last of equal clips counting.
func FuzzLabels(f *testing.F) {
	for _, text := range []string{
		"clip,a,split\nx,1,train\ny.mp4,2,\nx,3,test\n", "\ufeffclip, a \nx,\"quo\"\"te\"\n", "clip,split,a\r\nx,train,1\r\n", "clip,a\n\"multi\nline\",b\n",
		"clip\n", "clip,clip\nx,y\n", "clip,split\n", ",\n", "clip,a\nx,y,z\n", "\"", "clip,a\n" + strings.Repeat("x,y\n", 50),
	} {
		f.Add(text, "")
		f.Add(text, "a")
	}
	f.Fuzz(func(t *testing.T, text, column string) {
		table, err := readLabels(strings.NewReader(text), column)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		at := slices.IndexFunc(rows[0], func(name string) bool { return strings.TrimSpace(name) == table.column })
		require.Greater(t, at, -1)
		want := map[string]string{}
		for _, row := range rows[1:] {
			want[row[0]] = row[max(at, 1)]
		}
		require.Equal(t, want, table.label)
		for clip := range want {
			if clip != "" && !strings.ContainsAny(clip, "/.") {
				label, _, ok := table.of("sub/" + clip + ".mp4")
				require.True(t, ok)
				require.Equal(t, want[clip], label)
			}
		}
		table.of("")
	})
}

// Durations and aspects are numbers in range, whatever the text.
func FuzzFigures(f *testing.F) {
	for _, text := range []string{"", "1.5", "N/A", "inf", "-0", "1e7", "4:3", "0:1", "1:0", "1:1:1", "NaN:1", "25/1", "1/0", "inf/inf"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, a, q := seconds(text), pixelAspect(text), quotient(text)
		require.True(t, s >= 0 && s < maxSeconds, "%g", s)
		require.True(t, a >= 1.0/16 && a <= 16, "%g", a)
		require.True(t, q >= 0 && !math.IsInf(q, 0), "%g", q)
	})
}
