package draw

import (
	"bytes"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"
)

func dots() Dots {
	return Dots{
		Title: "title", Note: "note", Rows: []string{"low", "high", "none"}, Kinds: []string{"a", "b"},
		Panels: []DotPanel{{Title: "panel", Line: 12.5, Values: [][][]float64{{{10, 20}, {90}, nil}, {nil, {0, 100}, nil}}}},
	}
}

func TestDotsArePainted(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, dots().Write(&out))
	img, err := png.Decode(&out)
	require.NoError(t, err)
	// Below the legend the first kind's marks are left of the middle in the first row and right of it in the second.
	middle := margin + dotNames + ((pageWidth-2*margin-panelGap)/2-dotNames-12)/2
	for row, right := range []bool{false, true} {
		top := 82 + dotTop + row*dotRow
		found := [2]int{}
		for y := top; y < top+dotRow; y++ {
			for x := margin + dotNames; x < pageWidth/2; x++ {
				if r, g, b, _ := img.At(x, y).RGBA(); r>>8 == 0 && g>>8 == 114 && b>>8 == 178 {
					side := 0
					if x > middle {
						side = 1
					}
					found[side]++
				}
			}
		}
		require.Equal(t, right, found[1] > 0, "row %d", row)
		require.Equal(t, !right, found[0] > 0, "row %d", row)
	}
}

func TestDotsThatDoNotFit(t *testing.T) {
	d := dots()
	d.Panels[0].Values[0][1][0] = 101
	require.ErrorContains(t, d.Write(&bytes.Buffer{}), "high has 101")
	d = dots()
	d.Panels[0].Values[1] = d.Panels[0].Values[1][:2]
	require.ErrorContains(t, d.Write(&bytes.Buffer{}), "values of 2 rows, not 3")
	require.ErrorContains(t, Dots{}.Write(&bytes.Buffer{}), "no rows")
}
