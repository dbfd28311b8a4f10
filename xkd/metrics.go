package xkd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/internal/files"
)

// Metric is one line of the metrics file.
type Metric struct {
	Step    int                `json:"step"`
	Losses  map[string]float32 `json:"losses"` // by the names of LossNames
	LR      float64            `json:"lr"`
	Seconds float64            `json:"seconds"` // since this session of the run began
	Skipped int                `json:"skipped"` // clips that could not be read, so far
	// Values are further figures by name, all finite: those of the schedule, of the gradients and of the speed at every step,
	// of health and of held-out clips now and then (docs/health.md, docs/watch.md).
	Values map[string]float64 `json:"values,omitempty"`
}

// ParseMetric reads one line of a metrics file.
func ParseMetric(line []byte) (Metric, error) {
	var m Metric
	err := json.Unmarshal(line, &m)
	if err == nil && (m.Step < 1 || m.Losses == nil) {
		err = errors.New("it has no step or no losses")
	}
	return m, err
}

// Series are all figures of the line by name.
func (m Metric) Series() map[string]float64 {
	out := map[string]float64{"lr": m.LR, "skipped": float64(m.Skipped)}
	for name, v := range m.Losses {
		out[name] = float64(v)
	}
	maps.Copy(out, m.Values)
	return out
}

// finite leaves out what JSON cannot hold, and keeps six digits of the rest.
func finite(values map[string]float64) map[string]float64 {
	for name, v := range values {
		if v-v != 0 {
			delete(values, name)
		} else if short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64); err == nil {
			values[name] = short
		}
	}
	return values
}

// Metrics are the losses of a run, read from its metrics file.
type Metrics struct {
	Steps  []int
	Losses map[string][]float64 // by the names of LossNames, one value per step
}

// EachMetric calls with every line of a metrics file, in order. The last line may be cut short, as in a run that goes on.
func EachMetric(path string, each func(Metric) error) error {
	f, err := files.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		m, err := ParseMetric(line)
		if err != nil {
			return fmt.Errorf("%s: line %d is no line of a metrics file: %w", path, n, err)
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

// LoadMetrics reads the losses of a metrics file. The last line may be cut short, as in a run that goes on.
func LoadMetrics(path string) (*Metrics, error) {
	m := &Metrics{Losses: map[string][]float64{}}
	err := EachMetric(path, func(one Metric) error {
		for _, name := range LossNames {
			v, ok := one.Losses[name]
			if !ok && len(one.Losses) == 1 && name != LossNames[0] {
				continue // fine-tuning has one
			}
			if !ok {
				return fmt.Errorf("%s: step %d has no %s", path, one.Step, name)
			}
			m.Losses[name] = append(m.Losses[name], float64(v))
		}
		m.Steps = append(m.Steps, one.Step)
		return nil
	})
	if err == nil && len(m.Steps) == 0 {
		err = fmt.Errorf("%s has no step yet", path)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// DamagedMetricsFile gets the lines of a metrics file that are no lines of it, or stand twice, when a run goes on.
const DamagedMetricsFile = "metrics.damaged.jsonl"

// openMetrics opens the metrics file for appending after the lines of the steps up to done, each once; later ones, of a run
// that was cut short after its last checkpoint, are dropped. What is wrong with it comes back as notes.
func openMetrics(path string, done int) (f *os.File, notes []string, err error) {
	fail := func(err error) (*os.File, []string, error) {
		if errors.Is(err, ErrIrregular) {
			return nil, nil, fmt.Errorf("%w: %w", ErrFolder, err) // it names the file
		}
		return nil, nil, fmt.Errorf("%w: %s: %w", ErrFolder, path, files.Cause(err))
	}
	if f, err = files.OpenOwn(path); err != nil {
		return fail(err)
	}
	last, end, err := tidyMetrics(f, done)
	if err == nil && last < done {
		f.Close()
		if notes, err = mendMetrics(path, done); err != nil {
			return fail(err)
		}
		if f, err = files.OpenOwn(path); err != nil {
			return fail(err)
		}
		end, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return fail(err)
	}
	return f, notes, nil
}

// tidyMetrics follows the lines while they are those of steps 1, 2, ... up to done; end is where the last of them ends.
func tidyMetrics(r io.Reader, done int) (last int, end int64, err error) {
	lines := bufio.NewReader(r)
	for last < done {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, err
		}
		if step, ok := stepOf(line); !ok || step != last+1 {
			break
		}
		last++
		end += int64(len(line))
	}
	return last, end, nil
}

// stepOf is the step of a line of metrics.
func stepOf(line []byte) (int, bool) {
	m, err := ParseMetric(line)
	return m.Step, err == nil
}

// mendMetrics writes the file anew with the good lines of steps up to done, in order, and puts the others aside.
func mendMetrics(path string, done int) (notes []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	good := map[int][]byte{} // done is what the checkpoint claims: no room is made for so many
	var aside []byte
	damaged := 0
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		step, ok := stepOf(line)
		switch {
		case ok && step > done, len(bytes.TrimSpace(line)) == 0:
		case ok && good[step] == nil:
			good[step] = line
		default:
			aside = append(append(aside, line...), '\n')
			damaged++
		}
	}
	if damaged > 0 {
		where := filepath.Join(filepath.Dir(path), DamagedMetricsFile)
		if err := appendTo(where, aside); err != nil {
			return nil, err
		}
		notes = append(notes, fmt.Sprintf("%s: %d damaged or double lines are now in %s", path, damaged, where))
	}
	steps := slices.Sorted(maps.Keys(good))
	var missing [][2]int
	next := 1
	for _, step := range append(slices.Clip(steps), done+1) {
		if step > next {
			missing = append(missing, [2]int{next, step - 1})
		}
		next = step + 1
	}
	if len(missing) > 0 {
		notes = append(notes, fmt.Sprintf("%s lacks steps that are done: %s", path, spans(missing)))
	}
	return notes, files.WriteAtomic(path, func(w io.Writer) error {
		for _, step := range steps {
			if _, err := w.Write(append(slices.Clip(good[step]), '\n')); err != nil {
				return err
			}
		}
		return nil
	})
}

func appendTo(path string, text []byte) error {
	f, err := files.OpenOwn(path)
	if err != nil {
		return err
	}
	if _, err = f.Seek(0, io.SeekEnd); err == nil {
		_, err = f.Write(text)
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// spans writes ascending spans as 1-3, 5 and counts the numbers in what is too much for a line.
func spans(list [][2]int) string {
	const most = 5
	var parts []string
	for _, span := range list[:min(most, len(list))] {
		if span[0] == span[1] {
			parts = append(parts, fmt.Sprint(span[0]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", span[0], span[1]))
		}
	}
	more := 0
	for _, span := range list[len(parts):] {
		more += span[1] - span[0] + 1
	}
	if more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(parts, ", "), more)
	}
	return strings.Join(parts, ", ")
}
