package ablate

import (
	"goxkd/xkd"
)

// Table holds the accuracies of all rows. Cells lie as [row][column].
type Table struct {
	Columns []Column `json:"columns"`
	Rows    []Line   `json:"rows"`
	Device  string   `json:"device"` // of the last run
	Steps   int      `json:"steps"`
	Judged  Judged   `json:"judged"`
	Fit     int      `json:"fit"`
	Tested  int      `json:"tested"`
	Chance  float64  `json:"chance"`
	// Searched is the number of clips among which retrieval looks.
	Searched int       `json:"searched,omitempty"`
	Results  []*Result `json:"results"` // of every run that is finished
	// Compared is the row that the others are compared with: the whole method, or the first one.
	Compared string `json:"compared"`
}

// Line is one row of a table.
type Line struct {
	Row
	Seeds []uint64 `json:"seeds"` // of the runs that are finished
	Cells []Cell   `json:"cells"` // by column
}

// Cell is the accuracy of a row by one column, over seeds; each seed's is the mean over the splits of the test clips.
type Cell struct {
	xkd.Score
	// Gain is over untrained networks, Lead that of the compared row over this one.
	Gain Difference `json:"gain"`
	Lead Difference `json:"lead"`
}

// Difference of two accuracies. It counts where it exceeds the noise, two standard errors (docs/method.md, E24).
type Difference struct {
	By    float64 `json:"by"`
	Noise float64 `json:"noise"`
}

// Sign is 1 or -1 where the difference exceeds the noise, else 0.
func (d Difference) Sign() int {
	switch {
	case d.By > d.Noise:
		return 1
	case d.By < -d.Noise:
		return -1
	default:
		return 0
	}
}

// tabulate makes the table of the results that are there.
func tabulate(opt Options, runs []run, results []*Result) *Table {
	t := &Table{Judged: opt.judged(), Steps: opt.Config.Train.Steps, Compared: opt.Rows[0].Name}
	for _, r := range opt.Rows {
		if r.Name == Whole {
			t.Compared = Whole
		}
	}
	by := map[string][]*Result{}
	for i, r := range results {
		if r == nil {
			continue
		}
		name := runs[i].row.Name
		by[name] = append(by[name], r)
		t.Results = append(t.Results, r)
		t.Device, t.Fit, t.Tested, t.Chance, t.Searched = r.Device, r.Fit, r.Tested, r.Chance, r.Searched
		if t.Columns == nil {
			for _, s := range r.Scores {
				t.Columns = append(t.Columns, s.Column)
			}
		}
	}
	for _, row := range opt.lines() {
		line := Line{Row: row}
		for _, r := range by[row.Name] {
			line.Seeds = append(line.Seeds, r.Seed)
		}
		if len(line.Seeds) > 0 {
			for _, c := range t.Columns {
				line.Cells = append(line.Cells, Cell{Score: over(by[row.Name], c)})
			}
		}
		t.Rows = append(t.Rows, line)
	}
	t.compare()
	return t
}

// over is the score of a row by a column.
func over(results []*Result, c Column) xkd.Score {
	var values []float64
	for _, r := range results {
		for _, s := range r.Scores {
			if s.Column == c {
				values = append(values, xkd.NewScore(s.Values).Mean)
			}
		}
	}
	return xkd.NewScore(values)
}

// compare fills in the differences.
func (t *Table) compare() {
	untrained, whole := t.Row(Untrained), t.Row(t.Compared)
	for i := range t.Rows {
		for k := range t.Rows[i].Cells {
			c := &t.Rows[i].Cells[k]
			if len(untrained.Cells) > 0 {
				c.Gain = t.difference(k, c.Score, untrained.Cells[k].Score)
			}
			if len(whole.Cells) > 0 {
				c.Lead = t.difference(k, whole.Cells[k].Score, c.Score)
			}
		}
	}
}

// difference of a and b by a column.
func (t *Table) difference(column int, a, b xkd.Score) Difference {
	tested := t.Tested
	if t.Columns[column].Classifier == Retrieval {
		tested = t.Searched
	}
	by, noise := (&xkd.ProbeResult{Test: tested}).Gain(xkd.ProbeRow{Trained: a, Untrained: b})
	return Difference{by, noise}
}

// ChanceOf is what a column has by chance.
func (t *Table) ChanceOf(c Column) float64 {
	if c.Classifier == Retrieval {
		return min(1, retrieved/float64(t.Searched))
	}
	return t.Chance
}

// Row is the line of a name, the zero value where there is none.
func (t *Table) Row(name string) Line {
	for _, l := range t.Rows {
		if l.Name == name {
			return l
		}
	}
	return Line{}
}

// Order is what a column shows of the compared row, of the untrained networks and of the rows between.
type Order struct {
	Column
	// Leads: the compared row exceeds every other one, and Gains: every other trained row exceeds the untrained networks, both
	// by more than noise.
	Leads bool `json:"leads"`
	Gains bool `json:"gains"`
	// Behind are the rows that the compared one does not exceed, Below those that do not exceed the untrained networks.
	Behind []string `json:"behind,omitempty"`
	Below  []string `json:"below,omitempty"`
}

// Orders tells of every column whether the compared row > the others > untrained networks.
func (t *Table) Orders() []Order {
	var out []Order
	for k, column := range t.Columns {
		o := Order{Column: column}
		for _, l := range t.Rows {
			if l.Name == t.Compared || len(l.Cells) == 0 {
				continue
			}
			if l.Cells[k].Lead.Sign() <= 0 {
				o.Behind = append(o.Behind, l.Name)
			}
			if l.Name != Untrained && l.Cells[k].Gain.Sign() <= 0 {
				o.Below = append(o.Below, l.Name)
			}
		}
		o.Leads, o.Gains = len(o.Behind) == 0, len(o.Below) == 0
		out = append(out, o)
	}
	return out
}
