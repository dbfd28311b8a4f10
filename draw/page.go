package draw

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"strings"
	"unicode"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Colours of everything but the data.
var (
	ink    = color.RGBA{28, 30, 36, 255}
	faint  = color.RGBA{110, 114, 122, 255}
	paper  = color.RGBA{255, 255, 255, 255}
	hidden = color.RGBA{226, 228, 232, 255} // laid over what a mask hides
)

// Sizes of text in pixels.
const (
	titleSize   = 19
	headingSize = 14
	labelSize   = 12
)

// page is a picture measured in whole pixels from its top left corner.
type page struct {
	pixels draw.Image
	canvas vgdraw.Canvas
	width  int
	height int
}

func newPage(width, height int) *page {
	// At 72 dots per inch a point is a pixel.
	c := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(height)), vgimg.UseDPI(72), vgimg.UseBackgroundColor(paper))
	return &page{pixels: c.Image(), canvas: vgdraw.New(c), width: width, height: height}
}

// fill paints a rectangle.
func (p *page) fill(r image.Rectangle, c color.Color) {
	draw.Draw(p.pixels, r, image.NewUniform(c), image.Point{}, draw.Over)
}

// frame draws a line of one pixel round a rectangle, outside it.
func (p *page) frame(r image.Rectangle, c color.Color) {
	p.fill(image.Rect(r.Min.X-1, r.Min.Y-1, r.Max.X+1, r.Min.Y), c)
	p.fill(image.Rect(r.Min.X-1, r.Max.Y, r.Max.X+1, r.Max.Y+1), c)
	p.fill(image.Rect(r.Min.X-1, r.Min.Y, r.Min.X, r.Max.Y), c)
	p.fill(image.Rect(r.Max.X, r.Min.Y, r.Max.X+1, r.Max.Y), c)
}

// cells draws w x h cells of side sx by sy pixels with the top left corner at the point.
func (p *page) cells(at image.Point, w, h, sx, sy int, colour func(x, y int) color.RGBA) image.Rectangle {
	box := image.Rect(at.X, at.Y, at.X+w*sx, at.Y+h*sy)
	for y := range h {
		for x := range w {
			p.fill(image.Rect(at.X+x*sx, at.Y+y*sy, at.X+(x+1)*sx, at.Y+(y+1)*sy), colour(x, y))
		}
	}
	return box
}

// align says where a text lies about its point: the fractions of its width and height before it.
type align struct{ x, y float64 }

// Places of texts: the point is at the text's top left, top centre, middle left, middle right or middle.
var (
	topLeft     = align{0, 1}
	topCentre   = align{0.5, 1}
	middleLeft  = align{0, 0.5}
	middleRight = align{1, 0.5}
	middle      = align{0.5, 0.5}
)

func style(size float64, bold bool, c color.Color) text.Style {
	f := font.From(plot.DefaultFont, font.Length(size))
	f.Variant = "Sans"
	if bold {
		f.Weight = 3 // bold
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

// write sets one line of text.
func (p *page) write(x, y int, s string, st text.Style, a align) {
	st.XAlign, st.YAlign = text.XAlignment(-a.x), text.YAlignment(-a.y)
	p.canvas.FillText(st, vg.Point{X: vg.Length(x), Y: vg.Length(p.height - y)}, printable(s))
}

// upright sets one line of text that reads from below, its middle at the point.
func (p *page) upright(x, y int, s string, st text.Style) {
	st.Rotation = 1.5707963267948966
	p.write(x, y, s, st, middle)
}

// printable leaves out what would break a line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

func (p *page) png(w io.Writer) error { return png.Encode(w, p.pixels) }
