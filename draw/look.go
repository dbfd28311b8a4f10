package draw

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"

	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
)

// Look is a view as a network's target, what its student sees, what it rebuilds, and where the teacher attends: four rows of
// equal height, without text.
type Look struct {
	Frames int // of video; 0 for a log-mel
	Height int // pixels of a frame, or bands
	Width  int // pixels of a frame, or frames of a log-mel
	Patch  [3]int
	// Target and Rebuilt are RGB from 0 to 255 [3,Frames,Height,Width], or a log-mel [Height,Width].
	Target, Rebuilt []float32
	Visible         []bool // by token
	Attention       []float32
}

// rowGap separates rows and frames.
const rowGap = 4

// Write draws the look as a PNG.
func (l Look) Write(w io.Writer) error {
	if err := l.check(); err != nil {
		return fmt.Errorf("picture of a look: %w", err)
	}
	return png.Encode(w, l.image())
}

func (l Look) check() error {
	frames, channels := max(l.Frames, 1), 3
	if l.Frames == 0 {
		channels, l.Patch[0] = 1, 1
	}
	n := channels * frames * l.Height * l.Width
	switch {
	case min(l.Height, l.Width, l.Patch[0], l.Patch[1], l.Patch[2]) < 1:
		return errors.New("a view or patches of no size")
	case len(l.Target) != n || len(l.Rebuilt) != n:
		return fmt.Errorf("%d and %d values for a view of %d", len(l.Target), len(l.Rebuilt), n)
	}
	tokens := frames / l.Patch[0] * (l.Height / l.Patch[1]) * (l.Width / l.Patch[2])
	if len(l.Visible) != tokens || len(l.Attention) != tokens {
		return fmt.Errorf("a mask of %d and attention to %d of %d patches", len(l.Visible), len(l.Attention), tokens)
	}
	return nil
}

// token is the patch of a place.
func (l Look) token(t, y, x int) int {
	if l.Frames == 0 {
		return y/l.Patch[1]*(l.Width/l.Patch[2]) + x/l.Patch[2]
	}
	return (t/l.Patch[0]*(l.Height/l.Patch[1])+y/l.Patch[1])*(l.Width/l.Patch[2]) + x/l.Patch[2]
}

// image lays out rows, and in them frames side by side.
func (l Look) image() image.Image {
	shown, columns := 1, 1
	scaleX, scaleY := max(1, 896/l.Width), max(1, 120/l.Height)
	if l.Frames > 0 {
		shown = min(l.Frames, framesMost)
		columns = shown
		scaleX = max(1, 96/l.Width)
		scaleY = scaleX
	}
	w, h := l.Width*scaleX, l.Height*scaleY
	img := image.NewRGBA(image.Rect(0, 0, columns*(w+rowGap)-rowGap, 4*(h+rowGap)-rowGap))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{}), image.Point{}, draw.Src)
	low, high := bounds(l.Target)
	least, most := bounds(l.Attention)
	heat := tableOf(moreland.Kindlmann())
	colour := func(data []float32, t, y, x int) color.RGBA {
		if l.Frames == 0 {
			return heat.at((float64(data[y*l.Width+x]) - low) / (high - low))
		}
		of := func(ch int) uint8 { return uint8(data[((ch*l.Frames+t)*l.Height+y)*l.Width+x] + 0.5) }
		return color.RGBA{of(0), of(1), of(2), 255}
	}
	rows := []func(t, y, x int) color.RGBA{
		func(t, y, x int) color.RGBA { return colour(l.Target, t, y, x) },
		func(t, y, x int) color.RGBA {
			if l.Visible[l.token(t, y, x)] {
				return colour(l.Target, t, y, x)
			}
			return color.RGBA{128, 130, 134, 255}
		},
		func(t, y, x int) color.RGBA { return colour(l.Rebuilt, t, y, x) },
		func(t, y, x int) color.RGBA {
			c, a := colour(l.Target, t, y, x), heat.at((float64(l.Attention[l.token(t, y, x)])-least)/(most-least))
			grey := (int(c.R)*3 + int(c.G)*6 + int(c.B)) / 10
			mix := func(v uint8) uint8 { return uint8((grey*35 + int(v)*65) / 100) }
			return color.RGBA{mix(a.R), mix(a.G), mix(a.B), 255}
		},
	}
	for r, row := range rows {
		for i := range shown {
			t := i * max(l.Frames, 1) / shown
			for y := range h {
				yy := y / scaleY
				if l.Frames == 0 { // low frequencies below
					yy = l.Height - 1 - yy
				}
				for x := range w {
					img.SetRGBA(i*(w+rowGap)+x, r*(h+rowGap)+y, row(t, yy, x/scaleX))
				}
			}
		}
	}
	return img
}

func bounds(x []float32) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range x {
		low, high = min(low, float64(v)), max(high, float64(v))
	}
	if !(high > low) {
		return low - 1, low + 1
	}
	return low, high
}

// colourTable maps 0 to 1 to colours.
type colourTable [256]color.RGBA

func tableOf(m palette.ColorMap) *colourTable {
	t := &colourTable{}
	m.SetMin(0)
	m.SetMax(1)
	for i := range t {
		if c, err := m.At(float64(i) / 255 * 0.999999); err == nil {
			t[i] = color.RGBAModel.Convert(c).(color.RGBA)
		}
	}
	return t
}

func (t *colourTable) at(v float64) color.RGBA {
	if !(v >= 0) {
		v = 0
	}
	return t[int(math.Round(min(v, 1)*255))]
}
