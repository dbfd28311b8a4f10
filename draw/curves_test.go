package draw

import (
	"bytes"
	"image/png"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// curves have one panel of two lines: falling values, and none but noughts.
func curves(n int) Curves {
	c := Curves{Title: "title", Note: "note", Panels: []Panel{{Title: "losses", Lines: []Line{{Name: "falling"}, {Name: "flat"}}}}}
	for i := range n {
		c.Steps = append(c.Steps, i+1)
		c.Panels[0].Lines[0].Values = append(c.Panels[0].Lines[0].Values, 10-9*float64(i)/float64(n))
		c.Panels[0].Lines[1].Values = append(c.Panels[0].Lines[1].Values, 0)
	}
	return c
}

func TestCurvesArePainted(t *testing.T) {
	c := curves(300)
	var out bytes.Buffer
	require.NoError(t, c.Write(&out))
	img, err := png.Decode(&out)
	require.NoError(t, err)
	require.Equal(t, pageWidth, img.Bounds().Dx())
	// The falling line is high on the left and low on the right, within the panel's half of the page.
	height := func(fromX, toX int) float64 {
		sum, n := 0.0, 0
		for x := fromX; x < toX; x++ {
			for y := range img.Bounds().Dy() {
				if r, g, b, _ := img.At(x, y).RGBA(); r>>8 == 0 && g>>8 == 114 && b>>8 == 178 {
					sum, n = sum+float64(y), n+1
				}
			}
		}
		require.Positive(t, n)
		return sum / float64(n)
	}
	require.Less(t, height(100, 130)+60, height(400, 430))
	// A single step, a third panel and very many steps are drawn too.
	one := curves(1)
	require.NoError(t, one.Write(&bytes.Buffer{}))
	c = curves(100_000)
	c.Panels = append(c.Panels, c.Panels[0], c.Panels[0])
	require.NoError(t, c.Write(&bytes.Buffer{}))
}

func TestRunningMean(t *testing.T) {
	c := Curves{Steps: []int{1, 2, 3, 4, 5}}
	got := c.points([]float64{0, 3, 6, 9, 30}, 3)
	require.Equal(t, []float64{0, 3, 6, 15, 19.5}, []float64{got[0].Y, got[1].Y, got[2].Y, got[3].Y, got[4].Y})
	c = curves(10 * pointsMost)
	got = c.points(c.Panels[0].Lines[0].Values, 1)
	require.LessOrEqual(t, len(got), pointsMost+1)
	require.Equal(t, float64(10*pointsMost), got[len(got)-1].X)
}

// Exact values are drawn as they are, at no more than so many steps; an axis that is close shows what changes little.
func TestExactCurves(t *testing.T) {
	c := curves(10 * pointsMost)
	got := c.points(c.Panels[0].Lines[0].Values, 0)
	for _, p := range got {
		require.Equal(t, c.Panels[0].Lines[0].Values[int(p.X)-1], p.Y)
	}
	nearly := Curves{Exact: true, Steps: []int{1, 2, 3}, Panels: []Panel{{Close: true, Lines: []Line{{Name: "rising", Values: []float64{0.997, 0.9985, 1}}}}}}
	axes, err := nearly.axes(nearly.Panels[0])
	require.NoError(t, err)
	require.Greater(t, axes.Y.Min, 0.99)
	require.Greater(t, axes.Y.Max, 1.0)
	nearly.Panels[0].Close = false
	axes, err = nearly.axes(nearly.Panels[0])
	require.NoError(t, err)
	require.Zero(t, axes.Y.Min)
	for _, v := range []float64{0, 0.3} {
		nearly.Panels[0] = Panel{Close: true, Lines: []Line{{Values: []float64{v, v, v}}}}
		require.NoError(t, nearly.Write(&bytes.Buffer{}))
	}
}

func TestCurvesThatDoNotFit(t *testing.T) {
	for name, spoil := range map[string]func(*Curves){
		"no steps":                 func(c *Curves) { c.Steps = nil },
		"step 1 follows step 1":    func(c *Curves) { c.Steps[1] = 1 },
		"falling has 2 values":     func(c *Curves) { c.Panels[0].Lines[0].Values = []float64{1, 2} },
		"falling is NaN at step 2": func(c *Curves) { c.Panels[0].Lines[0].Values[1] = math.NaN() },
	} {
		c := curves(3)
		spoil(&c)
		assert.ErrorContains(t, c.Write(&bytes.Buffer{}), name)
	}
}

func TestRoundTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      []string
	}{
		{0, 800, []string{"0", "200", "400", "600", "800"}},
		{0, 6.2, []string{"0", "1", "2", "3", "4", "5", "6"}},
		{0, 1, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{-1, 12, []string{"0", "2", "4", "6", "8", "10", "12"}},
		{3, 3, []string{"3"}},
	} {
		var got []string
		for _, tick := range (roundTicks{}).Ticks(c.low, c.high) {
			got = append(got, tick.Label)
		}
		require.Equal(t, c.want, got, "%g to %g", c.low, c.high)
	}
}
