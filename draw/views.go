package draw

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"

	"goxkd/media/views"
)

// Views is what a network sees of one clip.
type Views struct {
	Title string
	Note  string // a line below the title
	Spec  views.Spec
	Clip  *views.Set // its video or audio may be nil
	// Patches of a token: frames, rows and columns of video; bands and frames of a log-mel.
	VideoPatch [3]int
	AudioPatch [2]int
	// Whether each patch of the global view is visible to the student, in the order of the tokens.
	VideoVisible []bool
	AudioVisible []bool
	// Short leaves out the global video view without its mask, and the local views.
	Short bool
}

// Layout in pixels.
const (
	margin     = 28
	axisLeft   = 74 // room for an axis' labels
	pageWidth  = 1280
	frameGap   = 10
	framesMost = 8 // frames shown of one view
	melWidth   = 1000
	melHeight  = 170
)

// Write draws the views as a PNG.
func (v Views) Write(w io.Writer) error {
	if err := v.check(); err != nil {
		return fmt.Errorf("picture of views: %w", err)
	}
	// The height follows from what is drawn: a first pass on a narrow strip finds it.
	height := v.draw(newPage(8, 8), newMelColours(v))
	p := newPage(pageWidth, height)
	v.draw(p, newMelColours(v))
	return p.png(w)
}

func (v Views) check() error {
	b, s := v.Clip.Batch, v.Spec
	switch {
	case b.B != 1:
		return fmt.Errorf("a batch of %d clips: give one", b.B)
	case b.VideoGlobal == nil && b.AudioGlobal == nil:
		return errors.New("neither video nor audio")
	case min(v.VideoPatch[0], v.VideoPatch[1], v.VideoPatch[2], v.AudioPatch[0], v.AudioPatch[1]) < 1:
		return errors.New("patches of no size")
	}
	tokens := func(grid []int) int {
		n := 1
		for _, g := range grid {
			n *= g
		}
		return n
	}
	if n := tokens(v.videoGrid()); b.VideoGlobal != nil && (len(v.VideoVisible) != n || len(b.VideoGlobal) != 3*s.Frames*s.Size*s.Size) {
		return fmt.Errorf("%d values of video and a mask of %d patches: the specification has %d patches", len(b.VideoGlobal), len(v.VideoVisible), n)
	}
	if n := tokens(v.audioGrid()); b.AudioGlobal != nil && (len(v.AudioVisible) != n || len(b.AudioGlobal) != s.Mels*s.SpecFrames) {
		return fmt.Errorf("%d values of audio and a mask of %d patches: the specification has %d patches", len(b.AudioGlobal), len(v.AudioVisible), n)
	}
	return nil
}

func (v Views) videoGrid() []int {
	return []int{v.Spec.Frames / v.VideoPatch[0], v.Spec.Size / v.VideoPatch[1], v.Spec.Size / v.VideoPatch[2]}
}

func (v Views) audioGrid() []int {
	return []int{v.Spec.Mels / v.AudioPatch[0], v.Spec.SpecFrames / v.AudioPatch[1]}
}

// draw draws everything and returns the height it took.
func (v Views) draw(p *page, colours *melColours) int {
	p.write(margin, 20, v.Title, style(titleSize, true, ink), topLeft)
	p.write(margin, 48, v.Note, style(labelSize, false, faint), topLeft)
	y := 80
	if v.Clip.Batch.VideoGlobal != nil {
		y = v.drawVideo(p, y)
	}
	if v.Clip.Batch.AudioGlobal != nil {
		y = v.drawAudio(p, y, colours)
	}
	return y + 4
}

func (v Views) drawVideo(p *page, y int) int {
	s, b := v.Spec, v.Clip.Batch
	if v.Clip.Plain != nil {
		y = heading(p, y, "The clip", "the largest square in its middle, nothing drawn at random")
		y = v.strip(p, y, clipVideo{v.Clip.Plain.VideoGlobal, s.Frames, s.Size}, v.Clip.Start, nil)
	}
	title := "What the video student sees of a crop"
	if !v.Short {
		title = "What the video student sees of it"
		y = heading(p, y, "Video, global view", fmt.Sprintf("%s of %d x %d pixels at %d per second: crop, flip and colours are drawn once for all frames",
			count(s.Frames, "frame"), s.Size, s.Size, s.FPS))
		y = v.strip(p, y, clipVideo{b.VideoGlobal, s.Frames, s.Size}, v.Clip.Start, nil)
	}
	grid := v.videoGrid()
	y = heading(p, y, title, shares(v.VideoVisible, fmt.Sprintf("patches of %d frames x %d x %d pixels", v.VideoPatch[0], v.VideoPatch[1], v.VideoPatch[2])))
	y = v.strip(p, y, clipVideo{b.VideoGlobal, s.Frames, s.Size}, v.Clip.Start, func(t, yy, x int) bool {
		return v.VideoVisible[(t/v.VideoPatch[0]*grid[1]+yy/v.VideoPatch[1])*grid[2]+x/v.VideoPatch[2]]
	})
	if v.Short {
		return y
	}
	for k, local := range b.VideoLocal {
		start := v.Clip.VideoLocalStart[k]
		y = heading(p, y, fmt.Sprintf("Video, local view %d of %d", k+1, len(b.VideoLocal)), fmt.Sprintf("%s of %d x %d pixels from %.3f s of the global view on",
			count(s.LocalFrames, "frame"), s.LocalSize, s.LocalSize, start))
		y = v.strip(p, y, clipVideo{local, s.LocalFrames, s.LocalSize}, v.Clip.Start+start, nil)
	}
	return y
}

func (v Views) drawAudio(p *page, y int, colours *melColours) int {
	s, b := v.Spec, v.Clip.Batch
	sx, sy := max(melWidth/s.SpecFrames, 1), max(melHeight/s.Mels, 1)
	m := mel{spec: s, data: b.AudioGlobal, frames: s.SpecFrames, sx: sx, sy: sy, start: v.Clip.Start, colours: colours}
	title := "Audio, global view"
	if v.Short {
		title = "The sound"
	}
	y = heading(p, y, title, fmt.Sprintf("log-mel spectrogram of %d bands x %d frames, normalised: 0 is the recipe's mean, 1 its deviation", s.Mels, s.SpecFrames))
	box := m.draw(p, y)
	colours.bar(p, image.Rect(box.Max.X+34, box.Min.Y, box.Max.X+52, box.Max.Y))
	y = box.Max.Y + 58
	grid := v.audioGrid()
	y = heading(p, y, "What the audio student sees of it", shares(v.AudioVisible, fmt.Sprintf("patches of %d bands x %d frames", v.AudioPatch[0], v.AudioPatch[1])))
	m.visible = func(band, frame int) bool {
		return v.AudioVisible[band/v.AudioPatch[0]*grid[1]+frame/v.AudioPatch[1]]
	}
	m.patch = v.AudioPatch
	y = m.draw(p, y).Max.Y + 58
	if v.Short {
		return y
	}
	for k, local := range b.AudioLocal {
		start := v.Clip.AudioLocalStart[k]
		more := ""
		if s.AudioLocal.ResizeCrop {
			more = ", then cropped and resized at random; the axes are those before that"
		}
		seconds := float64(s.LocalSamples()) / float64(s.Rate)
		y = heading(p, y, fmt.Sprintf("Audio, local view %d of %d", k+1, len(b.AudioLocal)), fmt.Sprintf("%.3g s from %.3f s of the global view on%s", seconds, start, more))
		// Short, so each frame is drawn wider.
		wide := min(2*sx, max(melWidth/s.LocalSpecFrames, 1))
		l := mel{spec: s, data: local, frames: s.LocalSpecFrames, sx: wide, sy: sy, start: v.Clip.Start + start, colours: colours}
		y = l.draw(p, y).Max.Y + 58
	}
	return y
}

// heading sets a section's heading and returns where the section goes on.
func heading(p *page, y int, title, note string) int {
	st := style(headingSize, true, ink)
	p.write(margin, y, title, st, topLeft)
	x := margin + int(math.Ceil(float64(st.Width(title)))) + 14
	p.write(x, y+1, note, style(labelSize, false, faint), topLeft)
	return y + 28
}

// shares says how much a mask hides.
func shares(visible []bool, of string) string {
	n := 0
	for _, v := range visible {
		if v {
			n++
		}
	}
	return fmt.Sprintf("%d of %d %s; the other %d (%.0f %%) are hidden, shown here under a grey veil",
		n, len(visible), of, len(visible)-n, 100*float64(len(visible)-n)/float64(len(visible)))
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// clipVideo is one view [3,frames,size,size] in pixels.
type clipVideo struct {
	data   []uint8
	frames int
	size   int
}

// at is the colour of a pixel.
func (c clipVideo) at(t, y, x int) color.RGBA {
	channel := func(ch int) uint8 { return c.data[((ch*c.frames+t)*c.size+y)*c.size+x] }
	return color.RGBA{channel(0), channel(1), channel(2), 255}
}

// strip draws frames of a view that are evenly spaced, with their times below.
func (v Views) strip(p *page, y int, c clipVideo, start float64, visible func(t, y, x int) bool) int {
	shown := min(c.frames, framesMost)
	side := (pageWidth-2*margin+frameGap)/framesMost - frameGap
	scale := max(side/c.size, 1)
	for i := range shown {
		t := i * c.frames / shown
		box := p.cells(image.Pt(margin+i*(scale*c.size+frameGap), y), c.size, c.size, scale, scale, func(x, yy int) color.RGBA {
			pixel := c.at(t, yy, x)
			if visible != nil && !visible(t, yy, x) {
				return veil(pixel)
			}
			return pixel
		})
		if visible != nil {
			lines(p, box, v.VideoPatch[2]*scale, v.VideoPatch[1]*scale)
		}
		p.frame(box, faint)
		p.write((box.Min.X+box.Max.X)/2, box.Max.Y+5, fmt.Sprintf("%.3f s", start+float64(t)/float64(v.Spec.FPS)), style(labelSize, false, faint), topCentre)
	}
	return y + scale*c.size + 40
}

// veil is a colour under the grey that stands for hidden.
func veil(c color.RGBA) color.RGBA {
	mix := func(a, b uint8) uint8 { return uint8((int(a)*22 + int(b)*78) / 100) }
	return color.RGBA{mix(c.R, hidden.R), mix(c.G, hidden.G), mix(c.B, hidden.B), 255}
}

// lines draws the borders of patches.
func lines(p *page, box image.Rectangle, dx, dy int) {
	c := color.NRGBA{255, 255, 255, 110}
	for x := box.Min.X + dx; x < box.Max.X; x += dx {
		p.fill(image.Rect(x, box.Min.Y, x+1, box.Max.Y), c)
	}
	for y := box.Max.Y - dy; y > box.Min.Y; y -= dy {
		p.fill(image.Rect(box.Min.X, y, box.Max.X, y+1), c)
	}
}

// melColours maps values to colours, the same for all log-mels of a picture.
type melColours struct {
	palette.ColorMap
	table [256]color.RGBA
}

func newMelColours(v Views) *melColours {
	low, high := math.Inf(1), math.Inf(-1)
	for _, data := range append([][]float32{v.Clip.Batch.AudioGlobal}, v.Clip.Batch.AudioLocal...) {
		for _, x := range data {
			low, high = min(low, float64(x)), max(high, float64(x))
		}
	}
	if !(high > low) { // nothing, or silence
		low, high = -2.5, 2.5
	}
	m := &melColours{ColorMap: moreland.Kindlmann()}
	m.SetMin(low)
	m.SetMax(high)
	for i := range m.table {
		c, err := m.At(low + (high-low)*float64(i)/255*0.999999)
		if err == nil {
			m.table[i] = color.RGBAModel.Convert(c).(color.RGBA)
		}
	}
	return m
}

func (m *melColours) of(x float32) color.RGBA {
	at := (float64(x) - m.Min()) / (m.Max() - m.Min()) * 255
	if !(at >= 0) {
		at = 0
	}
	return m.table[int(math.Round(min(at, 255)))]
}

// bar draws the colour bar with its figures.
func (m *melColours) bar(p *page, box image.Rectangle) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		at := float64(box.Max.Y-1-y) / float64(box.Dy()-1)
		p.fill(image.Rect(box.Min.X, y, box.Max.X, y+1), m.of(float32(m.Min()+at*(m.Max()-m.Min()))))
	}
	p.frame(box, faint)
	st := style(labelSize, false, ink)
	for v := math.Ceil(m.Min()); v <= m.Max(); v++ {
		y := box.Max.Y - 1 - int(math.Round((v-m.Min())/(m.Max()-m.Min())*float64(box.Dy()-1)))
		p.fill(image.Rect(box.Max.X, y, box.Max.X+5, y+1), ink)
		p.write(box.Max.X+9, y, fmt.Sprintf("%.0f", v+0), st, middleLeft)
	}
	p.upright(box.Max.X+48, (box.Min.Y+box.Max.Y)/2, "log-mel, normalised", style(labelSize, false, faint))
}

// mel is one log-mel [Mels,frames] to draw.
type mel struct {
	spec    views.Spec
	data    []float32
	frames  int
	sx, sy  int     // pixels of one frame and one band
	start   float64 // seconds into the clip
	colours *melColours
	visible func(band, frame int) bool // nil where all is
	patch   [2]int
}

// ticksHz are the frequencies that an axis may name.
var ticksHz = []float64{125, 250, 500, 1000, 2000, 3000, 4000, 6000, 8000, 12000, 16000, 24000}

// draw draws the log-mel with low frequencies below, and its axes.
func (m mel) draw(p *page, y int) image.Rectangle {
	bands := m.spec.Mels
	box := p.cells(image.Pt(margin+axisLeft, y), m.frames, bands, m.sx, m.sy, func(x, row int) color.RGBA {
		band := bands - 1 - row
		c := m.colours.of(m.data[band*m.frames+x])
		if m.visible != nil && !m.visible(band, x) {
			return veil(c)
		}
		return c
	})
	if m.visible != nil {
		lines(p, box, m.patch[1]*m.sx, m.patch[0]*m.sy)
	}
	p.frame(box, faint)
	label := style(labelSize, false, ink)
	last := math.Inf(1)
	for _, hz := range ticksHz {
		// Band m's middle is half a band above its lower edge.
		at := box.Max.Y - int(math.Round((m.spec.Band(hz)+0.5)*float64(m.sy)))
		if at < box.Min.Y || at > box.Max.Y || last-float64(at) < labelSize+1 {
			continue
		}
		last = float64(at)
		p.fill(image.Rect(box.Min.X-6, at, box.Min.X-1, at+1), ink)
		p.write(box.Min.X-10, at, fmt.Sprintf("%.0f", hz), label, middleRight)
	}
	p.upright(margin+10, (box.Min.Y+box.Max.Y)/2, "Hz", style(labelSize, false, faint))
	// Frame f is centred on f hops.
	perSecond := float64(m.spec.Rate) / float64(m.spec.Hop) * float64(m.sx)
	step := tickStep(perSecond)
	for k := math.Ceil(m.start/step - 1e-9); ; k++ {
		at := box.Min.X + int(math.Round((k*step-m.start)*perSecond+float64(m.sx)/2))
		if at > box.Max.X {
			break
		}
		p.fill(image.Rect(at, box.Max.Y+1, at+1, box.Max.Y+6), ink)
		p.write(at, box.Max.Y+9, fmt.Sprintf("%.4g", k*step+0), label, topCentre)
	}
	p.write(box.Max.X, box.Max.Y+26, "seconds into the clip", style(labelSize, false, faint), align{1, 1})
	return box
}

// tickStep is a round number of seconds that is at least 60 pixels wide.
func tickStep(perSecond float64) float64 {
	for _, step := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50} {
		if step*perSecond >= 60 {
			return step
		}
	}
	return 100
}
