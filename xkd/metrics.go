package xkd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Metrics are the losses of a run, read from its metrics file.
type Metrics struct {
	Steps  []int
	Losses map[string][]float64 // by the names of LossNames, one value per step
}

// LoadMetrics reads a metrics file. The last line may be cut short, as in a run that goes on.
func LoadMetrics(path string) (*Metrics, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &Metrics{Losses: map[string][]float64{}}
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		var one metric
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("%s: line %d is no line of a metrics file: %w", path, n, err)
		}
		for _, name := range LossNames {
			v, ok := one.Losses[name]
			if !ok {
				return nil, fmt.Errorf("%s: line %d has no %s", path, n, name)
			}
			m.Losses[name] = append(m.Losses[name], float64(v))
		}
		m.Steps = append(m.Steps, one.Step)
	}
	if len(m.Steps) == 0 {
		return nil, fmt.Errorf("%s has no step yet", path)
	}
	return m, nil
}
