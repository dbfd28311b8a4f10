package ablate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"goxkd/internal/files"
	"goxkd/xkd"
)

// ResultFile is what a finished run has beside its checkpoint.
const ResultFile = "result.json"

// Result is what one run came to.
type Result struct {
	Row      string             `json:"row"`
	Settings []string           `json:"settings"`
	Seed     uint64             `json:"seed"`
	Steps    int                `json:"steps"`
	Device   string             `json:"device"`
	Losses   map[string]float64 `json:"losses,omitempty"` // means of the last tenth of the steps
	Judged   Judged             `json:"judged"`
	Fit      int                `json:"fit"`                // clips that a classifier learns from
	Tested   int                `json:"tested"`             // clips that it is judged by
	Chance   float64            `json:"chance"`             // accuracy of always naming the commonest class
	Searched int                `json:"searched,omitempty"` // clips among which one's counterpart is looked for
	Scores   []Score            `json:"scores"`
}

// Judged says on what features were judged; other clips are another result.
type Judged struct {
	Clips  string `json:"clips"`
	Most   int    `json:"most"`
	Splits int    `json:"splits"`
	// Ways names what has been added to the ways of judging: results of earlier versions are judged again.
	Ways string `json:"ways"`
}

func (o Options) judged() Judged { return Judged{o.TestName, o.TestClips, o.Splits, Retrieval} }

// Retrieval is the Classifier of columns that say how often the other modality of a clip is among the retrieved most like it,
// by the heads' outputs. Their Modality is such as "video to audio".
const Retrieval = "retrieval (R@10)"

// retrieved is the number of clips that count as found.
const retrieved = 10

// Column is a way to judge a network.
type Column struct {
	Network    string `json:"network"` // student or teacher
	Modality   string `json:"modality"`
	Classifier string `json:"classifier"`
}

// Score holds a run's accuracies by one column, one per split of the test clips.
type Score struct {
	Column
	Values []float64 `json:"values"`
}

// readResult gives nil where there is none.
func readResult(dir string) (*Result, error) {
	path := filepath.Join(dir, ResultFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w: remove it, and the run is judged again", path, err)
	}
	return r, nil
}

func (r *Result) write(dir string) error {
	err := files.WriteAtomic(filepath.Join(dir, ResultFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", xkd.ErrFolder, err)
	}
	return nil
}

// readLosses takes the means over the last tenth of the steps from a run's metrics.
func (r *Result) readLosses(dir string) error {
	if r.Steps == 0 {
		return nil
	}
	m, err := xkd.LoadMetrics(filepath.Join(dir, xkd.MetricsFile))
	if err != nil {
		return err
	}
	r.Losses = map[string]float64{}
	for name, values := range m.Losses {
		last := values[len(values)-max(1, len(values)/10):]
		for _, v := range last {
			r.Losses[name] += v / float64(len(last))
		}
	}
	return nil
}
