package ffmpeg

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"goxkd/media"
)

// Level is the size of samples that are stored as floating point and so can be anything.
type Level struct {
	Peak float64 `json:"peak"`           // the size that all but one sample in a thousand keep within
	Over int     `json:"over,omitempty"` // samples beyond -1..1
	Odd  int     `json:"odd,omitempty"`  // samples that are no number, or infinite
}

// loudest is the size up to which samples beyond full scale are the overshoot of a hot recording, which is clipped.
// Beyond, they are whole numbers of some width that were stored as they were.
const loudest = 8

// scale is what brings the samples into -1..1: the full scale of whole numbers where they are those.
func (l *Level) scale() float64 {
	if !(l.Peak > loudest) {
		return 0
	}
	for _, bits := range []int{7, 15, 23, 31} {
		if full := math.Ldexp(1, bits); l.Peak <= full {
			return 1 / full
		}
	}
	if math.IsInf(l.Peak, 0) {
		return 0
	}
	return 1 / l.Peak
}

// remark says what is done with samples out of range.
func (l *Level) remark() string {
	var parts []string
	if scale := l.scale(); scale > 0 {
		parts = append(parts, fmt.Sprintf("its samples reach %.6g where 1 is full scale: they are divided by %.10g", l.Peak, 1/scale))
	} else if l.Over > 0 {
		parts = append(parts, fmt.Sprintf("%d samples beyond full scale are clipped", l.Over))
	}
	if l.Odd > 0 {
		parts = append(parts, fmt.Sprintf("%d samples that are no finite number are silenced", l.Odd))
	}
	return strings.Join(parts, "; ")
}

// listen tries the tracks where there are several of a kind, and measures the level of sound that is stored as floating
// point. Only a missing tool, a time limit or the end of ctx is an error.
func (c *Contents) listen(ctx context.Context, in Place) error {
	for _, kind := range []string{"video", "audio"} {
		for {
			s, others, _ := c.track(kind)
			if s == nil || others == 0 {
				break
			}
			why, err := in.try(ctx, s, c.Past)
			if err != nil {
				return err
			}
			if why == "" {
				break
			}
			s.Broken = why
		}
	}
	if s, _, _ := c.track("audio"); s != nil && strings.HasPrefix(s.Codec, "pcm_f") {
		level, err := in.measure(ctx, s, c.Past)
		if err != nil {
			return err
		}
		s.Level = level
	}
	return nil
}

// try decodes the beginning of a stream and says why it cannot, empty where it can.
func (p Place) try(ctx context.Context, s *Stream, past bool) (why string, err error) {
	args := append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"}, p.args(past)...)
	args = append(args, "-map", "0:"+strconv.Itoa(s.Index))
	if s.Kind == "video" {
		args = append(args, "-frames:v", "1", "-vf", "scale=8:8", "-pix_fmt", "gray", "-f", "rawvideo")
	} else {
		args = append(args, "-frames:a", "1", "-f", "f32le")
	}
	outs, err := process{"ffmpeg", append(args, "pipe:1"), p.timeLimit(), []int{64}}.run(ctx)
	switch {
	case errors.Is(err, media.ErrTool) || errors.Is(err, ErrLate) || ctx.Err() != nil:
		return "", err
	case len(outs[0]) > 0:
		return "", nil
	case err != nil:
		return p.unnamed(err).Error(), nil
	}
	return ErrEmpty.Error(), nil
}

// measure reads all of a stream's samples.
func (p Place) measure(ctx context.Context, s *Stream, past bool) (*Level, error) {
	args := append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1"}, p.args(past)...)
	args = append(args, "-map", "0:"+strconv.Itoa(s.Index), "-f", "f32le", "-c:a", "pcm_f32le", "pipe:1")
	level := &Level{}
	_, err := process{name: "ffmpeg", args: args, limit: p.timeLimit()}.stream(ctx, []func(io.Reader){func(r io.Reader) { level.read(r) }})
	if errors.Is(err, media.ErrTool) || errors.Is(err, ErrLate) || ctx.Err() != nil {
		return nil, err
	}
	return level, nil // as far as it could be read
}

// read counts sizes by their power of two, of which the largest within a thousandth is refined to the largest in it.
func (l *Level) read(r io.Reader) {
	var counts [512]int
	var most [512]float64
	total := 0
	in := bufio.NewReaderSize(r, 64<<10)
	var raw [4]byte
	for {
		if _, err := io.ReadFull(in, raw[:]); err != nil {
			break
		}
		v := math.Abs(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[:]))))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			l.Odd++
			continue
		}
		if v > 1 {
			l.Over++
		}
		_, exp := math.Frexp(v)
		at := min(max(exp+256, 0), len(counts)-1)
		counts[at]++
		most[at] = max(most[at], v)
		total++
	}
	beyond := 0
	for at := len(counts) - 1; at >= 0; at-- {
		if beyond += counts[at]; beyond > total/1000 {
			l.Peak = most[at]
			return
		}
	}
}
