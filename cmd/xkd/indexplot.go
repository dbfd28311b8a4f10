package main

import (
	"errors"
	"fmt"

	"goxkd/draw"
	"goxkd/media/corpus"
)

// classesDrawn bounds the bars of a picture.
const classesDrawn = 40

// plotIndex draws the clips by length, and by class where there are any, side by side.
func plotIndex(x *corpus.Index, file string) error {
	var charts draw.Bars
	lengths := draw.BarChart{Title: fmt.Sprintf("%s, %.2f hours", count(x.Clips, "clip"), x.Seconds/3600), AxisX: "seconds", AxisY: "clips"}
	for _, b := range durations(x.Lengths) {
		lengths.Names, lengths.Values = append(lengths.Names, edges(b)), append(lengths.Values, float64(b.Clips))
	}
	if len(lengths.Names) > 0 {
		charts = append(charts, lengths)
	}
	if len(x.Classes) > 0 {
		order := byCount(x.Classes)
		order = order[:min(classesDrawn, len(order))]
		of := draw.BarChart{Title: classes(len(x.Classes)), AxisY: "clips", Names: order}
		if len(order) < len(x.Classes) {
			of.Title = fmt.Sprintf("the %d largest of %s", len(order), of.Title)
		}
		for _, name := range order {
			of.Values = append(of.Values, float64(x.Classes[name]))
		}
		charts = append(charts, of)
	}
	if len(charts) == 0 {
		return errors.New("there is nothing to draw: no clip has a known length or a class")
	}
	return writePicture(file, charts)
}
