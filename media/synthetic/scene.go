package synthetic

import (
	"math"
	"math/rand/v2"

	"github.com/go-gl/mathgl/mgl64"

	"goxkd/internal/rng"
)

// scene is the sight of a synthetic clip. Lengths are fractions of the frame's side.
type scene struct {
	kind, motion  int
	centre        mgl64.Vec2
	radius, swing float64
	angle, turn   float64 // turn is -1 or 1
	colour        mgl64.Vec3
	second        mgl64.Vec3
	back          backdrop
	others        []sprite
	noise         float64 // amplitude of the pixel noise, 0..255
	jumps         uint64
}

// sprite is a distractor: a shape that stands or drifts and keeps its size.
type sprite struct {
	kind       int
	at, drift  mgl64.Vec2
	radius     float64
	angle      float64
	colour     mgl64.Vec3
	second     mgl64.Vec3 // the other colour of a surface with a pattern
	patterned  bool       // the surface has the pattern that goes with the kind
	foreground bool
}

// backdrop is a drifting texture: two gratings and smooth noise about a base colour.
type backdrop struct {
	base, tint [3]float64
	wave       [2]grating
	cells      [8 * 8]float64
	drift      mgl64.Vec2
	amount     float64
}

type grating struct{ x, y, phase, weight float64 }

func drawScene(r *rand.Rand, shape, motion int, pose, clutter float64) scene {
	s := scene{
		kind: shape, motion: motion,
		centre: mgl64.Vec2{0.5 + pose*rng.Uniform(r, -0.18, 0.18), 0.5 + pose*rng.Uniform(r, -0.18, 0.18)},
		radius: vary(r, pose, 0.3, 0.2, 0.4),
		swing:  vary(r, pose, 0.2, 0.13, 0.26),
		angle:  pose * rng.Uniform(r, 0, 2*math.Pi),
		turn:   1,
		noise:  clutter * 28,
		jumps:  r.Uint64(),
	}
	if r.Float64() < pose/2 {
		s.turn = -1
	}
	// Neighbouring colours differ enough to be seen, with either of them the brighter.
	ground := drawColour(r)
	figure := drawUnlike(r, ground)
	s.colour = lerp3(mgl64.Vec3{225, 225, 225}, figure, pose)
	s.second = lerp3(mgl64.Vec3{120, 120, 120}, drawUnlike(r, figure), pose)
	s.back = drawBackdrop(r, lerp3(mgl64.Vec3{50, 50, 50}, ground, pose), clutter)
	for range int(clutter*4 + 0.5) {
		kind := len(shapeNames) + r.IntN(neutralShapes)
		if r.Float64() < clutter*clutter {
			kind = r.IntN(len(shapeNames))
		}
		s.others = append(s.others, sprite{
			kind:       kind,
			at:         mgl64.Vec2{r.Float64(), r.Float64()},
			drift:      mgl64.Vec2{rng.Uniform(r, -0.2, 0.2), rng.Uniform(r, -0.2, 0.2)},
			radius:     rng.Uniform(r, 0.06, 0.16),
			angle:      rng.Uniform(r, 0, 2*math.Pi),
			colour:     drawColour(r),
			foreground: r.Float64() < clutter*clutter,
		})
	}
	return s
}

func drawColour(r *rand.Rand) mgl64.Vec3 {
	return mgl64.Vec3{rng.Uniform(r, 20, 235), rng.Uniform(r, 20, 235), rng.Uniform(r, 20, 235)}
}

// drawUnlike draws a colour that can be told from another.
func drawUnlike(r *rand.Rand, other mgl64.Vec3) mgl64.Vec3 {
	c := drawColour(r)
	for range 16 {
		if c.Sub(other).Len() > 110 {
			break
		}
		c = drawColour(r)
	}
	return c
}

func lerp3(a, b mgl64.Vec3, t float64) mgl64.Vec3 { return a.Add(b.Sub(a).Mul(t)) }

func drawBackdrop(r *rand.Rand, base mgl64.Vec3, clutter float64) backdrop {
	b := backdrop{base: base, amount: clutter * 64}
	for i := range b.tint {
		b.tint[i] = rng.Uniform(r, 0.4, 1)
	}
	for i := range b.wave {
		// Whole numbers of waves, so that the drifting texture joins at its edges.
		b.wave[i] = grating{
			x: float64(r.IntN(13) - 6), y: float64(r.IntN(13) - 6),
			phase: r.Float64(), weight: rng.Uniform(r, 0, 0.6),
		}
	}
	for i := range b.cells {
		b.cells[i] = rng.Uniform(r, -1, 1)
	}
	b.drift = mgl64.Vec2{rng.Uniform(r, -0.3, 0.3), rng.Uniform(r, -0.3, 0.3)}
	return b
}

// paint draws count frames from frame first on, [count,Size,Size,3].
func (d *choices) paint(cfg Config, first, count int) []uint8 {
	size := cfg.Size
	tile := d.scene.back.tile(size)
	frames := make([]uint8, count*size*size*3)
	for t := range count {
		at := float64(first+t) / float64(cfg.FPS)
		frame := frames[t*size*size*3:][:size*size*3]
		d.scene.back.lay(frame, tile, size, at)
		for _, o := range d.scene.others {
			if !o.foreground {
				o.paint(frame, size, at)
			}
		}
		d.figure(at).paint(frame, size, 0)
		for _, o := range d.scene.others {
			if o.foreground {
				o.paint(frame, size, at)
			}
		}
		if d.scene.noise > 0 {
			speckle(frame, d.scene.noise, rng.Hash(d.noise, 0, uint64(first+t)))
		}
	}
	return frames
}

// tile renders the texture once; frames are cyclic shifts of it.
func (b *backdrop) tile(size int) []uint8 {
	out := make([]uint8, size*size*3)
	// A grating is separable by the addition theorem, so sines are needed per row and column only.
	var sx, cx, sy, cy [2][]float64
	for i, w := range b.wave {
		sx[i], cx[i] = make([]float64, size), make([]float64, size)
		sy[i], cy[i] = make([]float64, size), make([]float64, size)
		for p := range size {
			at := float64(p) / float64(size)
			sx[i][p], cx[i][p] = math.Sincos(2 * math.Pi * (w.x*at + w.phase))
			sy[i][p], cy[i][p] = math.Sincos(2 * math.Pi * w.y * at)
		}
	}
	for y := range size {
		gy := float64(y) * 8 / float64(size)
		y0 := int(gy)
		fy := gy - float64(y0)
		top, bottom := b.cells[y0%8*8:][:8], b.cells[(y0+1)%8*8:][:8]
		for x := range size {
			v := 0.0
			for i, w := range b.wave {
				v += w.weight * (sx[i][x]*cy[i][y] + cx[i][x]*sy[i][y])
			}
			gx := float64(x) * 8 / float64(size)
			x0 := int(gx)
			fx := gx - float64(x0)
			l, r := x0%8, (x0+1)%8
			v += (top[l]*(1-fx)+top[r]*fx)*(1-fy) + (bottom[l]*(1-fx)+bottom[r]*fx)*fy
			v *= b.amount
			for c := range 3 {
				out[(y*size+x)*3+c] = clamp8(b.base[c] + v*b.tint[c])
			}
		}
	}
	return out
}

// lay copies the tile, shifted by whole pixels, into the frame.
func (b *backdrop) lay(frame, tile []uint8, size int, t float64) {
	dx := int(frac(b.drift.X()*t) * float64(size))
	dy := int(frac(b.drift.Y()*t) * float64(size))
	row := size * 3
	for y := range size {
		src := tile[(y+dy)%size*row:][:row]
		n := copy(frame[y*row:(y+1)*row], src[dx*3:])
		copy(frame[y*row+n:(y+1)*row], src[:dx*3])
	}
}

// figure is the class's shape at time t.
func (d *choices) figure(t float64) sprite {
	s := &d.scene
	u := d.cycles(t)
	sin, cos := math.Sincos(2 * math.Pi * u)
	f := sprite{kind: s.kind, at: s.centre, radius: s.radius, angle: s.angle, colour: s.colour, second: s.second, patterned: true}
	switch s.motion {
	case 0: // bounce: the impact is where u is whole
		f.at[1] += s.swing * (1 - 2*math.Abs(math.Sin(math.Pi*u)))
	case 1: // pulse
		f.radius *= 1 + 0.4*sin
	case 2: // spin
		f.angle += s.turn * 2 * math.Pi * u / 2
	case 3: // sway
		f.at[0] += s.turn * s.swing * sin
	case 4: // orbit
		f.at = f.at.Add(mgl64.Vec2{s.turn * s.swing * cos, s.swing * sin})
	case 5: // jump, twice per cycle
		h := rng.Hash(s.jumps, uint64(int64(math.Floor(2*u))))
		f.at[0] += s.swing * (float64(h&0xffff)/0x8000 - 1)
		f.at[1] += s.swing * (float64(h>>16&0xffff)/0x8000 - 1)
	case 6: // rock
		f.angle += 0.9 * s.turn * sin
		f.at[0] += 0.3 * s.swing * s.turn * sin
	case 7: // figure of eight
		f.at[0] += s.turn * s.swing * sin
		f.at[1] += 0.7 * s.swing * math.Sin(4*math.Pi*u)
	}
	return f
}

// paint draws the sprite at time t with soft edges; what leaves the frame on one side is cut off,
// and a drifting sprite's centre comes back on the other.
func (o sprite) paint(frame []uint8, size int, t float64) {
	at := o.at
	if o.drift != (mgl64.Vec2{}) {
		at = mgl64.Vec2{frac(o.at.X() + o.drift.X()*t), frac(o.at.Y() + o.drift.Y()*t)}
	}
	side := float64(size)
	// From pixel centres to the shape's own frame, where its radius is one.
	m := mgl64.HomogRotate2D(-o.angle).Mul3(mgl64.Scale2D(1/(o.radius*side), 1/(o.radius*side))).
		Mul3(mgl64.Translate2D(0.5-at.X()*side, 0.5-at.Y()*side))
	reach := o.radius * side * 1.7
	x0, x1 := max(int(at.X()*side-reach), 0), min(int(at.X()*side+reach)+1, size)
	y0, y1 := max(int(at.Y()*side-reach), 0), min(int(at.Y()*side+reach)+1, size)
	scale := o.radius * side
	for y := y0; y < y1; y++ {
		p := m.Mul3x1(mgl64.Vec3{float64(x0), float64(y), 1})
		px, py := p[0], p[1]
		for x := x0; x < x1; x++ {
			cover := 0.5 - shapeDistance(o.kind, px, py)*scale
			inX, inY := px, py
			px += m[0]
			py += m[1]
			if cover <= 0 {
				continue
			}
			cover = min(cover, 1)
			colour := o.colour
			if o.patterned {
				colour = lerp3(colour, o.second, patternAt(o.kind, inX, inY))
			}
			pix := frame[(y*size+x)*3:][:3]
			for c := range pix {
				v := float64(pix[c])
				pix[c] = uint8(v + cover*(colour[c]-v) + 0.5)
			}
		}
	}
}

// neutralShapes is the number of kinds that belong to no class.
const neutralShapes = 3

var (
	starOuter  = mgl64.Vec2{1.35, 0}
	starInner  = mgl64.Vec2{0.62 * math.Cos(math.Pi/5), 0.62 * math.Sin(math.Pi/5)}
	starEdge   = starInner.Sub(starOuter)
	starNormal = mgl64.Vec2{starEdge.Y(), -starEdge.X()}.Normalize()
)

// shapeDistance is the signed distance from the edge, negative inside, in units of the shape's
// radius. The kinds have about the same area, so that area does not tell them apart.
func shapeDistance(kind int, x, y float64) float64 {
	switch kind {
	case 0: // disc
		return math.Sqrt(x*x+y*y) - 0.9
	case 1: // ring
		return math.Abs(math.Sqrt(x*x+y*y)-0.88) - 0.23
	case 2: // square
		return max(math.Abs(x), math.Abs(y)) - 0.8
	case 3: // triangle
		return max(y, math.Abs(x)*0.8660254-y*0.5) - 0.7
	case 4: // cross
		x, y = math.Abs(x), math.Abs(y)
		return min(max(x-1.05, y-0.36), max(x-0.36, y-1.05))
	case 5: // star
		r := math.Sqrt(x*x + y*y)
		if r > 1.5 {
			return r - 1.35
		}
		a := math.Atan2(y, x) / (2 * math.Pi / 5)
		a = math.Abs(a-math.Round(a)) * (2 * math.Pi / 5)
		sin, cos := math.Sincos(a)
		return (r*cos-starOuter.X())*starNormal.X() + r*sin*starNormal.Y()
	case 6: // bar
		return max(math.Abs(x)-1.6, math.Abs(y)-0.4)
	case 7: // crescent
		return max(math.Sqrt(x*x+y*y)-1.15, 1-math.Sqrt((x-0.65)*(x-0.65)+y*y))
	case 8: // ellipse
		return math.Sqrt(x*x*0.49+y*y*1.96) - 0.9
	case 9: // line
		return max(math.Abs(x)-1.6, math.Abs(y)-0.14)
	default: // two dots
		return math.Sqrt((math.Abs(x)-0.85)*(math.Abs(x)-0.85)+y*y) - 0.55
	}
}

// patternAt is the share of the second colour at a point of a shape's surface, in the shape's own coordinates.
func patternAt(kind int, x, y float64) float64 {
	// edge sharpens a wave in [-1,1] to bands in [0,1] with soft borders.
	edge := func(v float64) float64 { return 0.5 + 0.5*min(1, max(-1, 2*v)) }
	switch kind {
	case 0: // stripes
		return edge(math.Sin(2 * math.Pi * 1.4 * x))
	case 1: // spokes
		return edge(math.Sin(5 * math.Atan2(y, x)))
	case 2: // checks
		return edge(1.5 * math.Sin(2*math.Pi*0.9*x) * math.Sin(2*math.Pi*0.9*y))
	case 3: // rings
		return edge(math.Sin(2 * math.Pi * 1.6 * math.Sqrt(x*x+y*y)))
	case 4: // plain
		return 0
	case 5: // dots
		dx, dy := frac(1.5*x)-0.5, frac(1.5*y)-0.5
		return min(1, max(0, (0.3-math.Sqrt(dx*dx+dy*dy))*6))
	case 6: // fine stripes
		return edge(math.Sin(2 * math.Pi * 2.6 * x))
	default: // halves
		return min(1, max(0, 0.5+3*x))
	}
}

// speckle adds triangular noise of the given amplitude to every value.
func speckle(frame []uint8, amount float64, key uint64) {
	k := int32(amount * 256 / 255)
	state := key | 1
	for i := 0; i < len(frame); i += 4 {
		// One multiplication serves four values: xorshift* on a counter-seeded state.
		state ^= state >> 12
		state ^= state << 25
		state ^= state >> 27
		bits := state * 0x2545f4914f6cdd1d
		for j := i; j < min(i+4, len(frame)); j++ {
			n := (int32(bits&0xff) + int32(bits>>8&0xff) - 255) * k >> 8
			bits >>= 16
			frame[j] = uint8(min(max(int32(frame[j])+n, 0), 255))
		}
	}
}

func clamp8(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }
