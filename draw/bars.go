package draw

import (
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Bars are bar charts side by side.
type Bars []BarChart

// BarChart is one bar per name.
type BarChart struct {
	Title  string
	AxisX  string
	AxisY  string
	Names  []string
	Values []float64 // one per name, 0 or more
}

// Write draws the charts as a PNG.
func (b Bars) Write(w io.Writer) error {
	if len(b) == 0 {
		return errors.New("picture of bars: there is nothing to draw")
	}
	var plots []*plot.Plot
	for _, c := range b {
		p, err := c.axes()
		if err != nil {
			return fmt.Errorf("picture of bars: %s: %w", c.Title, err)
		}
		plots = append(plots, p)
	}
	img := vgimg.New(vg.Length(len(plots))*5*vg.Inch, 4*vg.Inch)
	grid := vgdraw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Millimeter * 4, PadTop: vg.Millimeter * 2, PadRight: vg.Millimeter * 4}
	for i, c := range plot.Align([][]*plot.Plot{plots}, grid, vgdraw.New(img))[0] {
		plots[i].Draw(c)
	}
	return png.Encode(w, img.Image())
}

// axes is the chart of one.
func (c BarChart) axes() (*plot.Plot, error) {
	if len(c.Names) != len(c.Values) {
		return nil, fmt.Errorf("%d values for %d names", len(c.Values), len(c.Names))
	}
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.AxisX, c.AxisY
	p.Y.Min = 0
	bars, err := plotter.NewBarChart(plotter.Values(c.Values), vg.Points(min(30, 240/float64(len(c.Values)))))
	if err != nil {
		return nil, err
	}
	bars.Color = color.RGBA{R: 0x33, G: 0x66, B: 0x99, A: 0xff}
	bars.LineStyle.Width = 0
	p.Add(bars)
	p.NominalX(c.Names...)
	p.Y.Max *= 1.05
	if len(c.Names) > 6 {
		p.X.Tick.Label.Rotation = 1.2
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = vgdraw.XRight, vgdraw.YCenter
	}
	return p, nil
}
