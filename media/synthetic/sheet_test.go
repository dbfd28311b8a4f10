package synthetic

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
)

// writeSheet writes one row of frames per clip as a PNG.
func writeSheet(t *testing.T, dir string, difficulty float64, rows []*media.Clip) {
	t.Helper()
	h, w := rows[0].H, rows[0].W
	img := image.NewRGBA(image.Rect(0, 0, rows[0].T*w, len(rows)*h))
	for r, c := range rows {
		for f := range c.T {
			for y := range h {
				for x := range w {
					p := c.Frame(f)[(y*w+x)*3:]
					img.Set(f*w+x, r*h+y, color.RGBA{p[0], p[1], p[2], 255})
				}
			}
		}
	}
	out, err := os.Create(filepath.Join(dir, fmt.Sprintf("sheet-%.1f.png", difficulty)))
	require.NoError(t, err)
	require.NoError(t, png.Encode(out, img))
	require.NoError(t, out.Close())
}
