package main

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"goxkd/media/corpus"
)

// classesDrawn bounds the bars of a picture.
const classesDrawn = 40

// plotIndex draws the clips by length, and by class where there are any, side by side.
func plotIndex(x *corpus.Index, file string) error {
	var lengths plotter.Values
	var names []string
	for _, b := range durations(x.Lengths) {
		lengths = append(lengths, float64(b.Clips))
		names = append(names, edges(b))
	}
	var plots []*plot.Plot
	if len(lengths) > 0 {
		p, err := bars(fmt.Sprintf("%s, %.2f hours", count(x.Clips, "clip"), x.Seconds/3600), "seconds", names, lengths)
		if err != nil {
			return err
		}
		plots = append(plots, p)
	}
	if len(x.Classes) > 0 {
		order := byCount(x.Classes)
		order = order[:min(classesDrawn, len(order))]
		var counts plotter.Values
		for _, name := range order {
			counts = append(counts, float64(x.Classes[name]))
		}
		title := classes(len(x.Classes))
		if len(order) < len(x.Classes) {
			title = fmt.Sprintf("the %d largest of %s", len(order), title)
		}
		p, err := bars(title, "", order, counts)
		if err != nil {
			return err
		}
		plots = append(plots, p)
	}
	if len(plots) == 0 {
		return fmt.Errorf("there is nothing to draw: no clip has a known length or a class")
	}
	img := vgimg.New(vg.Length(len(plots))*5*vg.Inch, 4*vg.Inch)
	grid := draw.Tiles{Rows: 1, Cols: len(plots), PadX: vg.Millimeter * 4, PadTop: vg.Millimeter * 2, PadRight: vg.Millimeter * 4}
	canvas := draw.New(img)
	for i, c := range plot.Align([][]*plot.Plot{plots}, grid, canvas)[0] {
		plots[i].Draw(c)
	}
	return writePNG(img, file)
}

// bars is a chart of one bar per name.
func bars(title, axis string, names []string, values plotter.Values) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, axis, "clips"
	p.Y.Min = 0
	chart, err := plotter.NewBarChart(values, vg.Points(min(30, 240/float64(len(values)))))
	if err != nil {
		return nil, err
	}
	chart.Color = color.RGBA{R: 0x33, G: 0x66, B: 0x99, A: 0xff}
	chart.LineStyle.Width = 0
	p.Add(chart)
	p.NominalX(names...)
	p.Y.Max *= 1.05
	if len(names) > 6 {
		p.X.Tick.Label.Rotation = 1.2
		p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YCenter
	}
	return p, nil
}

// writePNG writes a picture beside its place and moves it there.
func writePNG(img *vgimg.Canvas, file string) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".plot-*.part")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone by then where all went well
	_, err = vgimg.PngCanvas{Canvas: img}.WriteTo(tmp)
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}
