package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"goxkd/xkd"
)

// Difference is something in which two runs differ, or a figure of both.
type Difference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// Result is a figure that both runs have.
type Result struct {
	Name       string  `json:"name"`
	A          float64 `json:"a"`
	B          float64 `json:"b"`
	Difference float64 `json:"difference"`
}

// Comparison says in what two runs differ.
type Comparison struct {
	A          string       `json:"a"` // folders
	B          string       `json:"b"`
	Settings   []Difference `json:"settings"`
	Provenance []Difference `json:"provenance"`
	Results    []Result     `json:"results"`
}

// Compare says in what two runs differ, which Update has read.
func Compare(a, b *Run) Comparison {
	c := Comparison{A: a.Folder, B: b.Folder, Settings: []Difference{}, Provenance: []Difference{}, Results: []Result{}}
	if a.Config != nil && b.Config != nil {
		for _, d := range xkd.Diff(*a.Config, *b.Config) {
			c.Settings = append(c.Settings, Difference{d.Path, d.A.Text(), d.B.Text()})
		}
	}
	pa, pb := facts(a), facts(b)
	for i := range pa {
		if pa[i][1] != pb[i][1] {
			c.Provenance = append(c.Provenance, Difference{pa[i][0], pa[i][1], pb[i][1]})
		}
	}
	sa, sb := a.Scores(), b.Scores()
	for _, name := range slices.SortedFunc(maps.Keys(sa), byScore) {
		if v, ok := sb[name]; ok {
			c.Results = append(c.Results, Result{name, sa[name], v, v - sa[name]})
		}
	}
	return c
}

// byScore orders losses as the method does, then the rest by name.
func byScore(a, b string) int {
	at := func(name string) int {
		if i := slices.Index(xkd.LossNames, name); i >= 0 {
			return i
		}
		return len(xkd.LossNames)
	}
	return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a, b))
}

// facts are what made a run, by name.
func facts(r *Run) [][2]string {
	var p xkd.Provenance
	sessions := 0
	if s := r.Session(); s != nil {
		p, sessions = s.Provenance, len(r.Record.Sessions)
	}
	return [][2]string{
		{"version", p.Version}, {"go", p.Go}, {"platform", p.Platform}, {"device", p.Device}, {"driver", p.Driver},
		{"seed", fmt.Sprint(p.Seed)}, {"clips", fmt.Sprint(p.Clips)}, {"data", p.Data},
		{"sessions", fmt.Sprint(sessions)}, {"state", r.State}, {"steps", fmt.Sprint(r.Log.Last.Step)},
	}
}
