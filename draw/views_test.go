package draw

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"goxkd/media/synthetic"
	"goxkd/media/views"
)

// picture is of a generated clip, with one patch of each modality visible.
func picture(t *testing.T, change func(*views.Spec)) Views {
	t.Helper()
	spec := views.NanoSpec()
	if change != nil {
		change(&spec)
	}
	clip, err := views.Of(context.Background(), synthetic.New(synthetic.Config{}), 3, spec, 1, 2)
	require.NoError(t, err)
	v := Views{Title: "a\nclip \x00", Note: "note", Spec: spec, Clip: clip, VideoPatch: [3]int{2, 8, 8}, AudioPatch: [2]int{8, 8}}
	v.VideoVisible, v.AudioVisible = make([]bool, 4*6*6), make([]bool, 6*12)
	v.VideoVisible[7], v.AudioVisible[13] = true, true // first frames, second row and column; bands 8-15, frames 8-15
	return v
}

func paint(t *testing.T, v Views) image.Image {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, v.Write(&out))
	img, err := png.Decode(&out)
	require.NoError(t, err)
	return img
}

func TestViewsArePainted(t *testing.T) {
	v := picture(t, nil)
	img := paint(t, v)
	require.Equal(t, pageWidth, img.Bounds().Dx())
	inked := 0
	for y := 20; y < 40; y++ { // the title's lines
		for x := range 300 {
			if r, _, _, _ := img.At(x, y).RGBA(); r < 0x8000 {
				inked++
			}
		}
	}
	require.Greater(t, inked, 50)
	// Silence, a missing modality, several local views.
	v = picture(t, func(s *views.Spec) { s.VideoLocals, s.AudioLocals = 3, 0 })
	clear(v.Clip.Batch.AudioGlobal)
	tall := paint(t, v)
	v.Clip.Batch.AudioGlobal = nil
	require.Less(t, paint(t, v).Bounds().Dy(), tall.Bounds().Dy())
	v = picture(t, nil)
	whole := paint(t, v).Bounds().Dy()
	v.Short = true
	require.Less(t, paint(t, v).Bounds().Dy(), whole*2/3)
	v = picture(t, nil)
	v.Clip.Batch.VideoGlobal = nil
	paint(t, v)
}

// Frames are shown pixel by pixel, scaled by whole numbers; the veil lies on what is hidden.
func TestStripShowsTheMask(t *testing.T) {
	v := picture(t, nil)
	p := newPage(pageWidth, 300)
	c := clipVideo{v.Clip.Batch.VideoGlobal, 8, 48}
	v.strip(p, 10, c, 0, func(_, y, x int) bool { return y/8 == 1 && x/8 == 1 })
	at := func(x, y int) color.RGBA { // the middle of a pixel of the first frame, at threefold size
		return color.RGBAModel.Convert(p.pixels.At(margin+3*x+1, 10+3*y+1)).(color.RGBA)
	}
	require.Equal(t, c.at(0, 12, 12), at(12, 12))
	require.Equal(t, veil(c.at(0, 12, 20)), at(20, 12))
	require.Equal(t, veil(c.at(0, 20, 12)), at(12, 20))
	// Planes are red, green, blue, each of two frames of 2x2 pixels here: pixel (1, 0) of the second frame.
	planes := make([]uint8, 24)
	planes[6], planes[14], planes[22] = 124, 173, 104
	require.Equal(t, color.RGBA{124, 173, 104, 255}, clipVideo{planes, 2, 2}.at(1, 1, 0))
	require.Equal(t, color.RGBA{199, 203, 211, 255}, veil(color.RGBA{104, 115, 138, 255}), "22 parts of a hundred show through")
}

// Low frequencies lie below, and a mask's patches count from there.
func TestMelIsUpright(t *testing.T) {
	v := picture(t, nil)
	data := make([]float32, 48*96)
	data[8*96+10] = 1 // band 8, frame 10
	v.Clip.Batch.AudioGlobal, v.Clip.Batch.AudioLocal = data, nil
	colours := newMelColours(v)
	m := mel{spec: v.Spec, data: data, frames: 96, sx: 4, sy: 3, colours: colours}
	p := newPage(pageWidth, 300)
	box := m.draw(p, 20)
	require.Equal(t, image.Rect(margin+axisLeft, 20, margin+axisLeft+4*96, 20+3*48), box)
	at := func(band, frame int) color.RGBA {
		return color.RGBAModel.Convert(p.pixels.At(box.Min.X+4*frame+2, box.Max.Y-3*band-2)).(color.RGBA)
	}
	require.Equal(t, colours.of(1), at(8, 10))
	require.Equal(t, colours.of(0), at(8, 11))
	require.NotEqual(t, colours.of(0), colours.of(1))
	m.patch = [2]int{8, 8}
	m.visible = func(band, frame int) bool { return band/8 == 1 && frame/8 == 1 }
	m.draw(p, 20)
	require.Equal(t, colours.of(1), at(8, 10))
	require.Equal(t, veil(colours.of(0)), at(20, 10))
	// From dark to light, and what is out of range takes an end.
	light := func(c color.RGBA) int { return int(c.R) + int(c.G) + int(c.B) }
	require.Less(t, light(colours.of(0)), light(colours.of(0.5)))
	require.Less(t, light(colours.of(0.5)), light(colours.of(1)))
	require.Equal(t, colours.of(1), colours.of(7))
	require.Equal(t, colours.of(0), colours.of(float32(math.NaN())))
}

func TestViewsThatDoNotFit(t *testing.T) {
	for name, spoil := range map[string]func(*Views){
		"give one":         func(v *Views) { v.Clip.Batch.B = 2 },
		"neither video":    func(v *Views) { v.Clip.Batch.VideoGlobal, v.Clip.Batch.AudioGlobal = nil, nil },
		"mask of 3":        func(v *Views) { v.VideoVisible = v.VideoVisible[:3] },
		"mask of 5":        func(v *Views) { v.AudioVisible = v.AudioVisible[:5] },
		"17 values of aud": func(v *Views) { v.Clip.Batch.AudioGlobal = v.Clip.Batch.AudioGlobal[:17] },
		"9 values of vid":  func(v *Views) { v.Clip.Batch.VideoGlobal = v.Clip.Batch.VideoGlobal[:9] },
		"patches of no":    func(v *Views) { v.VideoPatch[0] = 0 },
	} {
		v := picture(t, nil)
		spoil(&v)
		assert.ErrorContains(t, v.Write(&bytes.Buffer{}), name)
	}
}

func TestTickStep(t *testing.T) {
	for perSecond, want := range map[float64]float64{6000: 0.01, 960: 0.1, 224: 0.5, 60: 1, 1: 100} {
		require.Equal(t, want, tickStep(perSecond), "%g pixels per second", perSecond)
	}
}
