package draw

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
)

// Curves are lines over training steps, in panels of two a row.
type Curves struct {
	Title  string
	Note   string // a line below the title
	Steps  []int  // rising
	Panels []Panel
	Exact  bool // values are drawn as they are, without a running mean
}

// Panel is one pair of axes. Its vertical axis starts at 0 unless a value lies below.
type Panel struct {
	Title  string
	Lines  []Line
	Close  bool // the vertical axis starts near the lowest value instead
	Bottom bool // the legend stands at the bottom
}

// Line is one value per step; without a name it has no place in the legend.
type Line struct {
	Name   string
	Values []float64
}

// lineColours tell lines apart for most kinds of colour vision (Okabe and Ito).
var lineColours = []color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}}

const (
	panelHeight = 268
	panelGap    = 26
	// pointsMost bounds the points of a line: a panel has fewer pixels.
	pointsMost = 1200
)

// Write draws the curves as a PNG: every value faintly and a running mean over them, or exact values alone.
func (c Curves) Write(w io.Writer) error {
	if err := c.check(); err != nil {
		return fmt.Errorf("picture of curves: %w", err)
	}
	const top = 84
	rows := (len(c.Panels) + 1) / 2
	p := newPage(pageWidth, top+rows*(panelHeight+panelGap))
	p.write(margin, 20, c.Title, style(titleSize, true, ink), topLeft)
	p.write(margin, 48, c.Note, style(labelSize, false, faint), topLeft)
	width := (pageWidth - 2*margin - panelGap) / 2
	for i, panel := range c.Panels {
		axes, err := c.axes(panel)
		if err != nil {
			return err
		}
		x, y := margin+i%2*(width+panelGap), top+i/2*(panelHeight+panelGap)
		axes.Draw(vgdraw.Crop(p.canvas, vg.Length(x), vg.Length(x+width-pageWidth), vg.Length(p.height-y-panelHeight), -vg.Length(y)))
	}
	return p.png(w)
}

func (c Curves) check() error {
	if len(c.Steps) == 0 || len(c.Panels) == 0 {
		return errors.New("there are no steps or no panels")
	}
	for i, s := range c.Steps {
		if i > 0 && s <= c.Steps[i-1] {
			return fmt.Errorf("step %d follows step %d", s, c.Steps[i-1])
		}
	}
	for _, p := range c.Panels {
		for _, l := range p.Lines {
			if len(l.Values) != len(c.Steps) {
				return fmt.Errorf("%s has %d values for %d steps", l.Name, len(l.Values), len(c.Steps))
			}
			for i, v := range l.Values {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					return fmt.Errorf("%s is %v at step %d", l.Name, v, c.Steps[i])
				}
			}
		}
	}
	return nil
}

// axes lays out one panel.
func (c Curves) axes(panel Panel) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.Title.Text, p.X.Label.Text = printable(panel.Title), "step"
	p.Title.TextStyle = style(headingSize, true, ink)
	p.Title.TextStyle.XAlign, p.Title.TextStyle.YAlign = vgdraw.XCenter, vgdraw.YTop
	p.Title.Padding = 8
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Label.TextStyle = style(labelSize, false, faint)
		axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = vgdraw.XCenter, vgdraw.YBottom
		align := axis.Tick.Label
		axis.Tick.Label = style(labelSize, false, ink)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = align.XAlign, align.YAlign
		axis.Color, axis.Tick.Color, axis.Tick.Marker = faint, faint, roundTicks{}
	}
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, hidden
	p.Add(grid)
	p.Legend.TextStyle = style(labelSize, false, ink)
	p.Legend.Top, p.Legend.Padding, p.Legend.ThumbnailWidth = !panel.Bottom, 3, 20
	p.X.Min = 0
	if !panel.Close {
		p.Y.Min = 0
	}
	for i, l := range panel.Lines {
		colour := lineColours[i%len(lineColours)]
		strong := 0
		if !c.Exact {
			raw, err := plotter.NewLine(c.points(l.Values, 1))
			if err != nil {
				return nil, err
			}
			raw.Color, raw.Width = color.NRGBA{colour.R, colour.G, colour.B, 110}, 1
			p.Add(raw)
			strong = span(len(l.Values))
		}
		line, err := plotter.NewLine(c.points(l.Values, strong))
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = colour, 2
		p.Add(line)
		if l.Name != "" {
			p.Legend.Add(printable(l.Name), line)
		}
	}
	if c.Exact {
		// A line along the frame would not be seen.
		room := 0.06 * (p.Y.Max - p.Y.Min)
		if room == 0 {
			room = max(0.06*math.Abs(p.Y.Max), 1e-12)
		}
		if p.Y.Max += room; panel.Close {
			p.Y.Min -= room
		}
	}
	return p, nil
}

// roundTicks labels multiples of 1, 2 or 5 times a power of ten, four to ten of them.
type roundTicks struct{}

// Ticks implements plot.Ticker.
func (roundTicks) Ticks(low, high float64) []plot.Tick {
	if !(high > low) {
		return []plot.Tick{{Value: low, Label: fmt.Sprintf("%.6g", low)}}
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, by := range []float64{5, 2} {
		if by*step <= (high-low)/4 {
			step *= by
			break
		}
	}
	var ticks []plot.Tick
	for k := math.Ceil(low/step - 1e-9); k*step <= high*(1+1e-9); k++ {
		ticks = append(ticks, plot.Tick{Value: k * step, Label: fmt.Sprintf("%.6g", k*step+0)})
	}
	return ticks
}

// span is the number of values of which a running mean is taken, odd.
func span(n int) int { return n/50*2 + 1 }

// points gives the running mean over so many values, centred and shorter at both ends, at no more than pointsMost steps; over 0
// values, the values themselves.
func (c Curves) points(values []float64, over int) plotter.XYs {
	sums := make([]float64, len(values)+1)
	for i, v := range values {
		sums[i+1] = sums[i] + v
	}
	stride := (len(values) + pointsMost - 1) / pointsMost
	half := max(over, stride) / 2
	var out plotter.XYs
	add := func(i int) {
		if over == 0 {
			out = append(out, plotter.XY{X: float64(c.Steps[i]), Y: values[i]})
			return
		}
		// At the start, where losses fall quickly, the span is symmetric, so that the mean starts at the first value.
		lo, hi := max(i-half, 0), min(i+min(half, i)+1, len(values))
		out = append(out, plotter.XY{X: float64(c.Steps[i]), Y: (sums[hi] - sums[lo]) / float64(hi-lo)})
	}
	for i := 0; i < len(values); i += stride {
		add(i)
	}
	if last := len(values) - 1; last%stride != 0 {
		add(last)
	}
	return out
}
