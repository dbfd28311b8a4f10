package draw

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
)

// Dots compare rows by what several measurements of each gave, in panels of two a row: a dot per measurement, a line from
// the mean less to the mean plus a deviation.
type Dots struct {
	Title  string
	Note   string   // a line below the title
	Rows   []string // from the top
	Kinds  []string // such as student and teacher: one colour each
	Panels []DotPanel
}

// DotPanel is one axis from 0 to 100.
type DotPanel struct {
	Title  string
	Values [][][]float64 // by kind and row, in %
	Line   float64       // a dashed line, such as of chance; 0 for none
}

const (
	dotRow    = 34 // height of a row
	dotNames  = 150
	dotTop    = 40 // from a panel's top to its first row
	dotBottom = 52
)

// Write draws the comparison as a PNG.
func (d Dots) Write(w io.Writer) error {
	if err := d.check(); err != nil {
		return fmt.Errorf("picture of dots: %w", err)
	}
	const top = 82
	height := dotTop + len(d.Rows)*dotRow + dotBottom
	p := newPage(pageWidth, top+(len(d.Panels)+1)/2*height)
	p.write(margin, 20, d.Title, style(titleSize, true, ink), topLeft)
	p.write(margin, 48, d.Note, style(labelSize, false, faint), topLeft)
	x := pageWidth - margin
	for i := len(d.Kinds) - 1; i >= 0; i-- {
		x -= 90
		p.disc(x, 30, 5, lineColours[i%len(lineColours)])
		p.write(x+12, 30, d.Kinds[i], style(labelSize, false, ink), middleLeft)
	}
	width := (pageWidth - 2*margin - panelGap) / 2
	for i, panel := range d.Panels {
		at := image.Pt(margin+i%2*(width+panelGap), top+i/2*height)
		d.panel(p, panel, image.Rect(at.X+dotNames, at.Y+dotTop, at.X+width-12, at.Y+dotTop+len(d.Rows)*dotRow))
	}
	return p.png(w)
}

func (d Dots) check() error {
	if len(d.Rows) == 0 || len(d.Panels) == 0 || len(d.Kinds) == 0 {
		return errors.New("there are no rows, kinds or panels")
	}
	for _, p := range d.Panels {
		if len(p.Values) != len(d.Kinds) {
			return fmt.Errorf("%s has %d kinds of values, not %d", p.Title, len(p.Values), len(d.Kinds))
		}
		for _, rows := range p.Values {
			if len(rows) != len(d.Rows) {
				return fmt.Errorf("%s has values of %d rows, not %d", p.Title, len(rows), len(d.Rows))
			}
			for i, values := range rows {
				for _, v := range values {
					if !(v >= 0 && v <= 100) {
						return fmt.Errorf("%s: %s has %v, which is no share in %%", p.Title, d.Rows[i], v)
					}
				}
			}
		}
	}
	return nil
}

// panel draws one axis into a box.
func (d Dots) panel(p *page, panel DotPanel, box image.Rectangle) {
	at := func(v float64) int { return box.Min.X + int(math.Round(v/100*float64(box.Dx()))) }
	p.write(box.Min.X, box.Min.Y-dotTop+8, panel.Title, style(headingSize, true, ink), topLeft)
	for v := 0; v <= 100; v += 20 {
		p.fill(image.Rect(at(float64(v)), box.Min.Y, at(float64(v))+1, box.Max.Y), hidden)
		p.write(at(float64(v)), box.Max.Y+6, fmt.Sprint(v), style(labelSize, false, ink), topCentre)
	}
	p.write((box.Min.X+box.Max.X)/2, box.Max.Y+24, "accuracy in %", style(labelSize, false, faint), topCentre)
	if panel.Line > 0 {
		for y := box.Min.Y; y < box.Max.Y; y += 8 {
			p.fill(image.Rect(at(panel.Line), y, at(panel.Line)+1, min(y+4, box.Max.Y)), faint)
		}
	}
	for r, name := range d.Rows {
		middle := box.Min.Y + r*dotRow + dotRow/2
		p.write(box.Min.X-10, middle, name, style(labelSize, false, ink), middleRight)
		for k := range d.Kinds {
			values := panel.Values[k][r]
			if len(values) == 0 {
				continue
			}
			colour := lineColours[k%len(lineColours)]
			y := middle + (2*k-len(d.Kinds)+1)*dotRow/(2*len(d.Kinds)+2)
			mean, deviation := spread(values)
			low, high := at(max(mean-deviation, 0)), at(min(mean+deviation, 100))
			p.fill(image.Rect(low, y-1, high+1, y+1), colour)
			p.fill(image.Rect(at(mean)-1, y-6, at(mean)+1, y+6), colour)
			for _, v := range values {
				p.disc(at(v), y, 3.5, colour)
			}
		}
	}
}

// spread is the mean and the deviation of values.
func spread(values []float64) (mean, deviation float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		deviation += (v - mean) * (v - mean)
	}
	if len(values) > 1 {
		deviation = math.Sqrt(deviation / float64(len(values)-1))
	}
	return mean, deviation
}

// disc fills a circle with soft edges about the middle of a pixel.
func (p *page) disc(x, y int, radius float64, c color.RGBA) {
	reach := int(radius) + 1
	for dy := -reach; dy <= reach; dy++ {
		for dx := -reach; dx <= reach; dx++ {
			if cover := radius + 0.5 - math.Hypot(float64(dx), float64(dy)); cover > 0 {
				p.fill(image.Rect(x+dx, y+dy, x+dx+1, y+dy+1), color.NRGBA{c.R, c.G, c.B, uint8(255 * min(cover, 1))})
			}
		}
	}
}
