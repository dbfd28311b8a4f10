package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"

	"goxkd/internal/files"
	"goxkd/xkd"
)

// MaxPoints bounds the points of a curve. Where there are more steps, a point is the mean of several.
const MaxPoints = 10_000

// Curve is one figure over the steps at which it was taken.
type Curve struct {
	Steps  []int     `json:"steps"`
	Values []float64 `json:"values"`
	stride int       // figures of a point
	sum    float64
	count  int
}

// MarshalJSON writes six digits of each value, which is what is drawn; all curves of a long run are megabytes.
func (c Curve) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 32+16*len(c.Steps))
	b = append(b, `{"steps":[`...)
	for i, s := range c.Steps {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(s), 10)
	}
	b = append(b, `],"values":[`...)
	for i, v := range c.Values {
		if i > 0 {
			b = append(b, ',')
		}
		if v-v != 0 {
			b = append(b, "null"...) // JSON has no such number, and a curve a gap
		} else {
			b = strconv.AppendFloat(b, v, 'g', 6, 64)
		}
	}
	return append(b, "]}"...), nil
}

func (c *Curve) add(step int, v float64) (thinned bool) {
	c.stride = max(c.stride, 1)
	c.sum += v
	if c.count++; c.count < c.stride {
		return false
	}
	if len(c.Steps) == MaxPoints {
		for i := range MaxPoints / 2 {
			c.Steps[i], c.Values[i] = c.Steps[2*i+1], (c.Values[2*i]+c.Values[2*i+1])/2
		}
		c.Steps, c.Values, c.stride = c.Steps[:MaxPoints/2], c.Values[:MaxPoints/2], 2*c.stride
		return true // what has been summed up is half of the next point
	}
	c.Steps, c.Values = append(c.Steps, step), append(c.Values, c.sum/float64(c.count))
	c.sum, c.count = 0, 0
	return false
}

// after are the points of later steps.
func (c *Curve) after(step int) Curve {
	i := sort.SearchInts(c.Steps, step+1)
	return Curve{Steps: slices.Clone(c.Steps[i:]), Values: slices.Clone(c.Values[i:])}
}

// Log follows a metrics file. It is for one goroutine.
type Log struct {
	path   string
	offset int64
	Curves map[string]*Curve
	Last   xkd.Metric // the last line
	// Generation changes when points that were there have changed.
	Generation int
}

// NewLog follows the file at a path, which need not be there yet.
func NewLog(path string) *Log { return &Log{path: path, Curves: map[string]*Curve{}} }

// maxLine bounds a line of metrics.
const maxLine = 1 << 20

// Update reads what has been written since. Where a run has gone on from an earlier step, all is read anew. A line that is no
// line of metrics is an error that names it; the last one may be cut short, as in a run that goes on.
func (l *Log) Update() error {
	f, err := files.OpenRegular(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return err
	} else if info.Size() < l.offset {
		l.forget()
	}
	again, err := l.read(f)
	if again { // the file is not the one that was followed, or was cut and has grown again
		l.forget()
		_, err = l.read(f)
	}
	return err
}

func (l *Log) forget() {
	l.offset, l.Curves, l.Last = 0, map[string]*Curve{}, xkd.Metric{}
	l.Generation++
}

// read takes the lines from the offset on; again tells that they do not follow those before.
func (l *Log) read(f io.ReadSeeker) (again bool, err error) {
	from := l.offset
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return false, err
	}
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", l.path, err)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			m, err := xkd.ParseMetric(line)
			switch {
			case (err != nil || m.Step <= l.Last.Step) && from > 0:
				return true, nil
			case err != nil:
				return false, fmt.Errorf("%s: what stands at byte %d is no line of a metrics file: %w", l.path, l.offset, err)
			case m.Step > l.Last.Step: // a step that stands twice counts once
				l.add(m)
			}
		}
		l.offset += int64(len(line))
	}
}

// readLine gives a whole line, or io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxLine {
			return nil, fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
}

func (l *Log) add(m xkd.Metric) {
	for name, v := range m.Series() {
		c := l.Curves[name]
		if c == nil {
			c = &Curve{}
			l.Curves[name] = c
		}
		if c.add(m.Step, v) {
			l.Generation++
		}
	}
	l.Last = m
}

// After are the points of steps after the given one.
func (l *Log) After(step int) map[string]Curve {
	out := map[string]Curve{}
	for name, c := range l.Curves {
		if p := c.after(step); len(p.Steps) > 0 {
			out[name] = p
		}
	}
	return out
}

// Final is the mean of a figure's last points, at most so many; false where it was never taken.
func (l *Log) Final(name string, over int) (float64, bool) {
	c := l.Curves[name]
	if c == nil || len(c.Values) == 0 {
		return 0, false
	}
	last := c.Values[max(0, len(c.Values)-over):]
	sum := 0.0
	for _, v := range last {
		sum += v
	}
	return sum / float64(len(last)), true
}
