package main

import (
	"fmt"
	"io"
	"strings"

	"goxkd/ablate"
	"goxkd/draw"
	"goxkd/xkd"
)

// ablateReport is the JSON form of `xkd ablate`.
type ablateReport struct {
	*ablate.Table
	Orders []ablate.Order `json:"orders"` // by column
}

// printAblation writes the tables, one for each network and one of what the compared row has over the others.
func printAblation(w io.Writer, t *ablate.Table, write func(*table, io.Writer) error) error {
	fmt.Fprintf(w, "%d steps on %s. Accuracy in %%, mean and deviation over seeds; %d clips to fit, %d to test, %d splits; chance %.1f.\n",
		t.Steps, clean(t.Device), t.Fit, t.Tested, t.Judged.Splits, 100*t.Chance)
	if t.Searched > 0 {
		fmt.Fprintf(w, "Retrieval: of how many clips the other modality is among the 10 most like it of %d; chance %.1f.\n", t.Searched, 100*t.ChanceOf(ablate.Column{Classifier: ablate.Retrieval}))
	}
	fmt.Fprintf(w, "↑ and ↓ differ from untrained networks by more than the noise, two standard errors.\n")
	for _, network := range networksOf(t) {
		fmt.Fprintf(w, "\n%s networks:\n\n", network)
		if err := write(scoresTable(t, network), w); err != nil {
			return err
		}
	}
	fmt.Fprintf(w, "\nWhat %q has over the others, in points; in brackets what is within noise:\n\n", t.Compared)
	return write(leadsTable(t), w)
}

// networksOf lists student and teacher, as far as they were judged.
func networksOf(t *ablate.Table) []string {
	var out []string
	for _, c := range t.Columns {
		if len(out) == 0 || out[len(out)-1] != c.Network {
			out = append(out, c.Network)
		}
	}
	return out
}

// scoresTable has the rows of one network, with the paper's figures where a row has some.
func scoresTable(t *ablate.Table, network string) *table {
	head := []string{"row", ">seeds"}
	for _, c := range t.Columns {
		if c.Network == network {
			head = append(head, ">"+c.Modality+" "+c.Classifier)
		}
	}
	paper := false
	for _, l := range t.Rows {
		paper = paper || len(l.Paper) > 0
	}
	if paper {
		for _, set := range ablate.PaperSets {
			head = append(head, ">paper: "+set)
		}
	}
	out := newTable(head...)
	for _, l := range t.Rows {
		cells := []string{l.Name, fmt.Sprint(len(l.Seeds))}
		for k, c := range t.Columns {
			if c.Network != network {
				continue
			}
			text := ""
			if len(l.Cells) > 0 {
				text = percent(l.Cells[k].Score) + [...]string{" ↓", "  ", " ↑"}[1+l.Cells[k].Gain.Sign()]
			}
			cells = append(cells, text)
		}
		for i := range ablate.PaperSets {
			switch {
			case paper && i < len(l.Paper):
				cells = append(cells, fmt.Sprintf("%.1f", l.Paper[i].Accuracy))
			case paper:
				cells = append(cells, "")
			}
		}
		out.add(cells...)
	}
	return out
}

// leadsTable has the differences of the compared row to the others, by column, and which others exceed untrained networks.
func leadsTable(t *ablate.Table) *table {
	head := []string{"features"}
	for _, l := range t.Rows {
		if l.Name != t.Compared {
			head = append(head, ">over "+l.Name)
		}
	}
	out := newTable(append(head, "the others over untrained")...)
	orders := t.Orders()
	for k, c := range t.Columns {
		cells := []string{fmt.Sprintf("%s %s, %s", c.Modality, c.Network, c.Classifier)}
		for _, l := range t.Rows {
			if l.Name == t.Compared {
				continue
			}
			text := ""
			if len(l.Cells) > 0 {
				d := l.Cells[k].Lead
				text = fmt.Sprintf("%+.1f", 100*d.By)
				if d.Sign() == 0 {
					text = "(" + text + ")"
				}
			}
			cells = append(cells, text)
		}
		out.add(append(cells, othersText(t, orders[k]))...)
	}
	return out
}

// othersText says which rows besides the compared one exceed untrained networks.
func othersText(t *ablate.Table, o ablate.Order) string {
	switch others := len(t.Rows) - 2; {
	case others == 0:
		return ""
	case o.Gains:
		return "all"
	case len(o.Below) == others:
		return "none"
	default:
		return "all but " + list(o.Below)
	}
}

// ablationPicture has a panel for each modality and classifier.
func ablationPicture(t *ablate.Table) draw.Dots {
	d := draw.Dots{
		Title: "What the parts of the loss are worth",
		Note: fmt.Sprintf("%d steps; frozen features judged on %d clips; a dot is a seed, a line the deviation about the mean; dashed: chance",
			t.Steps, t.Fit+t.Tested),
		Kinds: networksOf(t),
	}
	for _, l := range t.Rows {
		d.Rows = append(d.Rows, l.Name)
	}
	at := map[string]int{}
	for k, c := range t.Columns {
		title := c.Modality + ", " + c.Classifier
		i, there := at[title]
		if !there {
			i = len(d.Panels)
			at[title] = i
			d.Panels = append(d.Panels, draw.DotPanel{Title: strings.ToUpper(title[:1]) + title[1:], Line: 100 * t.ChanceOf(c), Values: make([][][]float64, len(d.Kinds))})
			for kind := range d.Panels[i].Values {
				d.Panels[i].Values[kind] = make([][]float64, len(t.Rows))
			}
		}
		for kind, network := range d.Kinds {
			for row, l := range t.Rows {
				if c.Network == network && len(l.Cells) > 0 {
					d.Panels[i].Values[kind][row] = percents(l.Cells[k].Score)
				}
			}
		}
	}
	return d
}

func percents(s xkd.Score) []float64 {
	var out []float64
	for _, v := range s.Values {
		out = append(out, 100*v)
	}
	return out
}
