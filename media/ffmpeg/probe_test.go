package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// Whatever ffprobe answers, what is picked from it can be decoded: frames of a bounded size, a
// duration that is a number, streams of the file.
func FuzzProbe(f *testing.F) {
	for _, text := range []string{
		`{"packets":[{"stream_index":1,"pts_time":"0","flags":"K_"},{"stream_index":0,"dts_time":"-1"}],"streams":[{"index":1,"codec_type":"video","width":1,"height":67108864,"sample_aspect_ratio":"16:1"},{"codec_type":"audio","sample_rate":"8000"}],"format":{"duration":"N/A"}}`,
		`{"streams":[{"index":-3,"codec_type":"video","width":3,"height":4,"tags":{"rotate":"NaN"},"side_data_list":[{"rotation":1e308},{"rotation":-270}]}]}`,
		`{"streams":[{"codec_type":"audio","sample_rate":"99999999999999999999","duration":"-1"}],"format":{"duration":"1e400"}}`,
		`{"streams":[{"codec_type":"video","width":9223372036854775807,"height":2}]}`,
		`{"packets":[{"pts_time":"1e6","duration_time":"1e99","flags":"K_"},{"pts_time":"-1e6","duration_time":"3"}],"streams":[{"index":0,"codec_type":"video","width":3,"height":4,"sample_aspect_ratio":"4:3","side_data_list":[{"rotation":-90}]}],"format":{"duration":"1e99"}}`,
		`{"streams":[{"codec_type":"audio","sample_rate":"-1"}]}`,
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
			require.True(t, p.Duration >= 0 && p.Duration <= media.MaxSeconds, "%g", p.Duration)
			if p.audio != nil {
				require.GreaterOrEqual(t, p.audio.index, 0)
			}
			if p.video == nil {
				continue
			}
			require.GreaterOrEqual(t, p.video.index, 0)
			w, h := p.video.shape(48)
			require.True(t, min(w, h) == 48 && max(w, h) <= 48*(maxAspect+1), "%d x %d", w, h)
		}
	})
}

// Durations and aspects are numbers in range, whatever the text.
func FuzzFigures(f *testing.F) {
	for _, text := range []string{"", "1.5", "N/A", "inf", "-0", "1e7", "4:3", "0:1", "1:0", "1:1:1", "NaN:1", "25/1", "1/0", "inf/inf"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, q := pixelAspect(text), quotient(text)
		s, _ := instant(text)
		require.True(t, s > -media.MaxSeconds && s < media.MaxSeconds, "%g", s)
		require.True(t, a >= 1.0/16 && a <= 16, "%g", a)
		require.True(t, q >= 0 && !math.IsInf(q, 0), "%g", q)
	})
}

// An index may say of a file what ffprobe never would.
func FuzzContents(f *testing.F) {
	f.Add([]byte(`{"streams":[{"kind":"video","packets":1,"gap":1e300,"width":1,"height":2,"aspect":-1,"rotation":1e300}]}`))
	f.Add([]byte(`{"streams":[{"kind":"video","packets":2,"begin":-1e6,"end":3,"width":1,"height":1,"aspect":10}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var c Contents
		if json.Unmarshal(raw, &c) != nil {
			return
		}
		if p, err := c.Pick(true, false); err == nil {
			w, h := p.video.shape(48)
			require.True(t, min(w, h) == 48 && max(w, h) <= 48*maxAspect+48, "%d x %d", w, h)
			require.GreaterOrEqual(t, p.Duration, 0.0)
		}
	})
}

// parseProbe reads ffprobe's JSON and picks from it.
func parseProbe(raw []byte, needVideo, needAudio bool) (*Choice, error) {
	c, err := readProbe(bytes.NewReader(raw), nil)
	if err != nil {
		return nil, err
	}
	return c.Pick(needVideo, needAudio)
}

// What is wrong with a file is told by types: what it lacks, that it is no media at all, that a tool is missing.
func TestRefusalsAreTyped(t *testing.T) {
	sound := Contents{Streams: []Stream{{Kind: "audio", Rate: 8000, Packets: 3, End: 1}}}
	_, err := sound.Pick(true, true)
	require.Equal(t, media.LackError{Video: true}, err)
	_, err = Contents{}.Pick(true, true)
	require.Equal(t, media.LackError{Video: true, Audio: true}, err)
	_, err = Contents{}.Pick(false, true)
	require.Equal(t, media.LackError{Audio: true}, err)
	_, err = sound.Pick(false, true)
	require.NoError(t, err)

	mediatest.NeedTools(t)
	text := Place{Path: filepath.Join(t.TempDir(), "text.mp4")}
	require.NoError(t, os.WriteFile(text.Path, []byte("text"), 0o644))
	_, err = Probe(context.Background(), text)
	var no Refusal
	require.ErrorAs(t, err, &no)
	require.NotContains(t, string(no), text.Path)
	picture := Place{Path: filepath.Join(t.TempDir(), "picture.mp4")}
	require.NoError(t, os.WriteFile(picture.Path, mediatest.PNGBomb(4), 0o644))
	_, err = Probe(context.Background(), picture)
	require.ErrorAs(t, err, &no)
	require.Equal(t, `not readable as media: it holds "png", which is none of the containers that are read`, string(no))
	t.Setenv("PATH", "")
	_, err = Probe(context.Background(), text)
	require.ErrorIs(t, err, media.ErrTool)
}
