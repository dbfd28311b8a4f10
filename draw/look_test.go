package draw

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

// paintLook gives the look's picture, and the colour of a row at a place of the view, in frame f.
func paintLook(t *testing.T, l Look) (img image.Image, at func(row, f, y, x int) color.RGBA) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, l.Write(&out))
	img, err := png.Decode(&out)
	require.NoError(t, err)
	frames := max(l.Frames, 1)
	w, h := (img.Bounds().Dx()+rowGap)/frames-rowGap, (img.Bounds().Dy()+rowGap)/len(lookRows)-rowGap
	require.Zero(t, w%l.Width)
	require.Zero(t, h%l.Height)
	return img, func(row, f, y, x int) color.RGBA {
		px, py := f*(w+rowGap)+x*w/l.Width, row*(h+rowGap)+y*h/l.Height
		return color.RGBAModel.Convert(img.At(px, py)).(color.RGBA)
	}
}

// The rows from above, as those who show the picture name them.
var lookRows = []string{"target", "seen", "rebuilt", "attention"}

func light(c color.RGBA) int { return int(c.R) + int(c.G) + int(c.B) }

func TestLookOfVideoIsPainted(t *testing.T) {
	const frames, size = 4, 16
	l := Look{Frames: frames, Height: size, Width: size, Patch: [3]int{2, 8, 8}, Visible: make([]bool, 8), Attention: make([]float32, 8)}
	for ch, v := range []float32{200, 100, 50} {
		for i := range frames * size * size {
			l.Target, l.Rebuilt = append(l.Target, v+float32(i/(size*size))), append(l.Rebuilt, float32(10*(ch+1)))
		}
	}
	l.Visible[1] = true    // first two frames, above, right
	l.Attention[4+2] = 0.5 // last two, below, left
	img, at := paintLook(t, l)
	require.Greater(t, img.Bounds().Dx(), 4*90)
	for f := range frames {
		for y := 0; y < size; y += 4 {
			for x := 0; x < size; x += 4 {
				target := color.RGBA{200 + uint8(f), 100 + uint8(f), 50 + uint8(f), 255}
				require.Equal(t, target, at(0, f, y, x))
				if f < 2 && y < 8 && x >= 8 {
					require.Equal(t, target, at(1, f, y, x))
				} else {
					require.Equal(t, color.RGBA{128, 130, 134, 255}, at(1, f, y, x), "hidden is grey")
				}
				require.Equal(t, color.RGBA{10, 20, 30, 255}, at(2, f, y, x))
				if f >= 2 && y >= 8 && x < 8 {
					require.Greater(t, light(at(3, f, y, x)), light(at(3, 0, 0, 0))+200)
				} else {
					require.Less(t, light(at(3, f, y, x)), light(at(3, 3, 8, 0))-200)
				}
			}
		}
	}
	_, _, _, alpha := img.At(img.Bounds().Dx()/2, 0).RGBA()
	require.Zero(t, alpha, "what is between frames shows the page behind")
}

func TestLookOfSoundIsPainted(t *testing.T) {
	const bands, width = 8, 12
	l := Look{Height: bands, Width: width, Patch: [3]int{1, 4, 4}, Target: make([]float32, bands*width), Visible: make([]bool, 6), Attention: make([]float32, 6)}
	l.Target[0] = 1 // the lowest band, at the beginning
	l.Rebuilt = l.Target
	l.Visible[5] = true // the highest bands, at the end
	_, at := paintLook(t, l)
	low, dark := at(0, 0, bands-1, 0), at(0, 0, 0, 0)
	require.Greater(t, light(low), light(dark)+300, "low frequencies are below")
	require.Equal(t, dark, at(0, 0, bands-1, 1))
	require.Equal(t, color.RGBA{128, 130, 134, 255}, at(1, 0, bands-1, 0))
	require.Equal(t, dark, at(1, 0, 0, width-1))
	require.Equal(t, low, at(2, 0, bands-1, 0))
	require.Equal(t, at(3, 0, 0, 0), at(3, 0, 0, width-1), "attention to all alike")
}

func TestLooksThatCannotBe(t *testing.T) {
	whole := Look{Height: 8, Width: 8, Patch: [3]int{1, 4, 4}, Target: make([]float32, 64), Rebuilt: make([]float32, 64), Visible: make([]bool, 4), Attention: make([]float32, 4)}
	require.NoError(t, whole.Write(&bytes.Buffer{}))
	for problem, change := range map[string]func(*Look){
		"of no size":           func(l *Look) { l.Patch[2] = 0 },
		"for a view of 64":     func(l *Look) { l.Rebuilt = l.Rebuilt[1:] },
		"for a view of 192":    func(l *Look) { l.Frames = 1 },
		"a mask of 3":          func(l *Look) { l.Visible = l.Visible[1:] },
		"attention to 3 of 4 ": func(l *Look) { l.Attention = l.Attention[1:] },
	} {
		l := whole
		change(&l)
		require.ErrorContains(t, l.Write(&bytes.Buffer{}), problem)
	}
}
