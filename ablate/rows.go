package ablate

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/xkd"
)

// Row is one way to train: what differs from the configuration that all rows share.
type Row struct {
	Name     string   `json:"name"`
	Settings []string `json:"settings"` // such as loss.kd=0
	// Paper has the paper's accuracies of linear classifiers, in %, where it has such a row.
	Paper []Figure `json:"paper,omitempty"`
}

// Figure is an accuracy of the paper.
type Figure struct {
	Set      string  `json:"set"`
	Accuracy float64 `json:"accuracy"` // top-1, in %
}

// Names of the rows that others are compared with.
const (
	Untrained = "untrained" // first weights, no training
	Whole     = "all three" // the method
)

// PaperSets are the data sets of the paper's figures, in the order of Row.Paper.
var PaperSets = []string{"UCF101", "HMDB51", "Kinetics-400"}

func figures(accuracies ...float64) []Figure {
	var out []Figure
	for i, a := range accuracies {
		out = append(out, Figure{PaperSets[i], a})
	}
	return out
}

// PaperRows are the paper's ablation: the parts of the loss, and the refinement left out. Its figures for the last are of
// another comparison, in which the whole method has 82.6 on UCF101.
func PaperRows() []Row {
	return []Row{
		{"reconstruction", []string{"loss.align=0", "loss.kd=0"}, figures(76.3, 51.2, 32.2)},
		{"+ distillation", []string{"loss.align=0"}, figures(76.3, 51.2, 32.2)},
		{"+ alignment", []string{"loss.kd=0"}, figures(77.8, 51.4, 33.7)},
		{Whole, []string{}, figures(84.7, 59.3, 46.4)},
		{"without refinement", []string{"model.refine=none"}, figures(79.3)},
	}
}

// ParseRow reads a row of "name: a.b=value; c.d=value". Without a name the settings are the name; without settings the row
// is the shared configuration itself.
func ParseRow(text string) (Row, error) {
	name, rest, named := strings.Cut(text, ":")
	if !named || strings.Contains(name, "=") {
		name, rest = text, text
	}
	r := Row{Name: strings.TrimSpace(name), Settings: []string{}}
	for s := range strings.SplitSeq(rest, ";") {
		if s = strings.TrimSpace(s); s != "" {
			r.Settings = append(r.Settings, s)
		}
	}
	switch {
	case r.Name == "":
		return r, fmt.Errorf("%q has no name: write \"name: a.b=value; c.d=value\"", text)
	case r.Name == Untrained:
		return r, fmt.Errorf("%q: the row of untrained networks is always there; give another name", text)
	}
	for _, s := range r.Settings {
		if !strings.Contains(s, "=") {
			return r, fmt.Errorf("%q: %q is no setting: write a.b=value, such as optimizer.lr=3e-4", text, s)
		}
	}
	return r, nil
}

// run is one training of a row, or the untrained networks of a seed.
type run struct {
	row    Row
	config xkd.Config
	folder string // below the ablation's
	bare   bool   // not trained
}

// lines are all rows of the table: untrained networks first.
func (o Options) lines() []Row {
	return append([]Row{{Name: Untrained, Settings: []string{}}}, o.Rows...)
}

// Name tells a run from the others.
func (r run) Name() string { return fmt.Sprintf("%s, seed %d", r.row.Name, r.config.Train.Seed) }

// runs lists all trainings, one seed after the other, so that early results have all rows.
func (o Options) runs() ([]run, error) {
	var out []run
	folders := map[string]bool{}
	for seed := range uint64(o.Seeds) {
		for i, row := range o.lines() {
			c, err := o.Config.With("", row.Settings...)
			if err != nil {
				return nil, fmt.Errorf("row %s: %w", row.Name, err)
			}
			for _, d := range xkd.Diff(c, o.Config) {
				if strings.HasPrefix(d.Path, "data.") || d.Path == "train.seed" {
					return nil, fmt.Errorf("row %s: %s is the same in all rows", row.Name, d.Path)
				}
			}
			c.Train.Seed += seed
			folder := fmt.Sprintf("%s-seed%d", slug(row.Name), c.Train.Seed)
			if folders[folder] {
				folder = fmt.Sprintf("%s-row%d-seed%d", slug(row.Name), i, c.Train.Seed)
			}
			folders[folder] = true
			out = append(out, run{row, c, folder, i == 0})
		}
	}
	return out, nil
}

// Folders are those of all trainings, in the order in which they begin; none where Check fails.
func (o Options) Folders() []string {
	runs, err := o.runs()
	if err != nil {
		return nil
	}
	var out []string
	for _, r := range runs {
		if !r.bare {
			out = append(out, filepath.Join(o.Folder, r.folder))
		}
	}
	return out
}

// Check refuses rows that cannot be trained beside each other, before anything is opened.
func (o Options) Check() error {
	if len(o.Rows) == 0 {
		return errors.New("there is no row to train")
	}
	var names []string
	for _, r := range o.Rows {
		if slices.Contains(names, r.Name) {
			return fmt.Errorf("two rows are named %s", strconv.Quote(r.Name))
		}
		names = append(names, r.Name)
	}
	_, err := o.runs()
	return err
}

// slug is a name as a folder's.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if s := strings.Join(words, "-"); s != "" {
		return s[:min(len(s), 60)]
	}
	return "row"
}
