package synthetic

import (
	"math"
	"math/rand/v2"

	"goxkd/internal/rng"
)

// tone is the sound of a synthetic clip.
type tone struct {
	timbre, motion int
	pitch          float64 // Hz
	level          float64
	partials       []partial
	rough          float64 // Hz of the roughness, timbres 4 and 5
	hiss           float64 // level of the noise
	hissPole       float64 // its colour: one pole, 0 is white
	others         []hum
	jumps          uint64
}

// partial is one sine at ratio times the pitch.
type partial struct{ ratio, level, phase float64 }

// hum is a distractor: a steady tone that swells in a beat of its own, sharply or softly.
type hum struct {
	hz, level, phase float64
	beat, sharp      float64
}

// loud is the hum's loudness at time t.
func (h hum) loud(t float64) float64 {
	return h.level * math.Exp(h.sharp*(math.Sin(2*math.Pi*(h.beat*t+h.phase))-1))
}

// timbreRatios are the partials of each class, as multiples of the pitch.
var timbreRatios = [...][]float64{
	{1},                     // pure
	{1, 3, 5, 7, 9},         // odd harmonics
	{1, 2, 3, 4, 5, 6, 7},   // all harmonics
	{1, 2.76, 5.4, 8.93},    // bell
	{1, 1.5, 2.24, 3.1},     // growl: inharmonic, frequency modulated
	{1, 2, 3},               // rough: fast amplitude modulation
	{1, 1.07, 1.93, 2.9, 3}, // breath: partials smeared by noise
	{1, 2, 4, 8},            // octaves
}

func drawTone(r *rand.Rand, shape, motion int, pose, clutter float64) tone {
	s := tone{
		timbre: shape, motion: motion,
		pitch:    330 * math.Pow(2, pose*rng.Uniform(r, -1.2, 1.6)),
		level:    vary(r, pose, 0.3, 0.08, 0.45),
		rough:    vary(r, pose, 45, 30, 70),
		hiss:     clutter * math.Exp(rng.Uniform(r, math.Log(0.04), math.Log(1.6))),
		hissPole: pose * rng.Uniform(r, 0, 0.9),
		jumps:    r.Uint64(),
	}
	// A random tilt and one random resonance colour every timbre alike.
	tilt := pose * rng.Uniform(r, -7, 3) // dB per octave
	peak := math.Exp(rng.Uniform(r, math.Log(250), math.Log(4000)))
	boost := pose * rng.Uniform(r, 0, 15) // dB
	power := 0.0
	for _, ratio := range timbreRatios[s.timbre] {
		octave := math.Log2(ratio)
		near := math.Log2(s.pitch * ratio / peak)
		db := (tilt-2)*octave + boost*math.Exp(-near*near*4)
		p := partial{ratio: ratio, level: math.Pow(10, db/20), phase: r.Float64()}
		s.partials = append(s.partials, p)
		power += p.level * p.level
	}
	for i := range s.partials {
		s.partials[i].level *= s.level / math.Sqrt(power)
	}
	for range int(clutter*8 + 0.5) {
		s.others = append(s.others, hum{
			hz:    math.Exp(rng.Uniform(r, math.Log(120), math.Log(6000))),
			level: s.level * rng.Uniform(r, 0.2, 1), phase: r.Float64(),
			beat: rng.Uniform(r, 0.5, 7), sharp: rng.Uniform(r, 0, 4),
		})
	}
	s.hiss *= s.level
	return s
}

// rhythm gives loudness and pitch factor at cycle u of the motion.
func (s *tone) rhythm(u float64) (loud, bend float64) {
	w := frac(u)
	switch s.motion {
	case 0: // struck at each impact of the bounce
		return 1.5 * math.Exp(-5*w), 1
	case 1: // swells with the pulse
		return 0.55 + 0.45*math.Sin(2*math.Pi*u), 1
	case 2: // trembles with the spin
		return 0.8, 1 + 0.08*math.Sin(8*math.Pi*u)
	case 3: // glides with the sway
		return 0.8, math.Exp(0.3 * math.Sin(2*math.Pi*u))
	case 4: // struck twice a turn, the second time softer
		if w < 0.5 {
			return 1.5 * math.Exp(-6*w), 1
		}
		return 0.7 * math.Exp(-6*(w-0.5)), 1
	case 5: // one short note per jump
		h := rng.Hash(s.jumps, uint64(int64(math.Floor(2*u))))
		if frac(2*u) > 0.5 {
			return 0.03, 1
		}
		return 1, math.Exp(0.5 * (float64(h>>32&0xffff)/0x8000 - 1))
	case 6: // rises and starts again
		return 1 - 0.7*w, math.Exp(0.6 * (w - 0.5))
	default: // two notes in turn
		if w < 0.5 {
			return 0.8, 1
		}
		return 0.8, 1.335
	}
}

// soundBlock is the number of samples over which loudness is linear and pitch constant. Blocks begin
// at multiples of it from the clip's start, so that spans agree where they overlap.
const soundBlock = 32

const sineBits = 12

var sineTable = func() (t [1 << sineBits]float32) {
	for i := range t {
		t[i] = float32(math.Sin(2 * math.Pi * float64(i) / float64(len(t))))
	}
	return
}()

// turns converts a phase in cycles to a fixed-point fraction of a cycle.
func turns(cycles float64) uint32 { return uint32(uint64(frac(cycles) * (1 << 32))) }

// sound renders count samples from sample start on.
func (d *choices) sound(cfg Config, start, count int) []float32 {
	s := &d.tone
	rate := float64(cfg.Rate)
	block := soundBlock / rate
	out := make([]float32, count)
	phase := 0.0 // of the pitch, in cycles
	loud, bend := s.control(d, 0)
	for b := 0; b*soundBlock < start+count; b++ {
		nextLoud, nextBend := s.control(d, float64(b+1)*block)
		hz := s.pitch * bend
		if first := b * soundBlock; first+soundBlock > start {
			from, to := max(first, start), min(first+soundBlock, start+count)
			for _, p := range s.partials {
				if p.ratio*hz < 0.47*rate {
					level := p.level
					addSine(out[from-start:to-start], phase*p.ratio+p.phase, p.ratio*hz/rate, from-first, level*loud, level*(nextLoud-loud)/soundBlock)
				}
			}
		}
		phase += hz * block
		loud, bend = nextLoud, nextBend
	}
	for _, h := range s.others {
		if h.hz < 0.47*rate {
			h.add(out, start, rate)
		}
	}
	if s.hiss > 0 {
		s.addHiss(out, d.noise, start)
	}
	return out
}

// control is the loudness and pitch factor at time t, the timbre's own fast modulation included.
func (s *tone) control(d *choices, t float64) (loud, bend float64) {
	loud, bend = s.rhythm(d.cycles(t))
	switch s.timbre {
	case 4:
		bend *= 1 + 0.12*math.Sin(2*math.Pi*s.rough*t)
	case 5:
		loud *= 1 + 0.9*math.Sin(2*math.Pi*s.rough*t)
	case 6:
		h := rng.Hash(d.noise, 1, uint64(t*500))
		bend *= 1 + 0.25*(float64(h>>40)/(1<<23)-1)
	}
	return loud, bend
}

// addSine adds a sine whose phase (cycles) and step (cycles per sample) are given at the beginning
// of its block, of which skip samples have passed; its level changes by slope per sample.
func addSine(dst []float32, phase, step float64, skip int, level, slope float64) {
	ph := turns(phase + step*float64(skip))
	inc := turns(step)
	a := float32(level + slope*float64(skip))
	da := float32(slope)
	for i := range dst {
		dst[i] += a * sineTable[ph>>(32-sineBits)]
		ph += inc
		a += da
	}
}

// add adds the hum to samples that begin at sample start, in the same blocks as the tone.
func (h hum) add(out []float32, start int, rate float64) {
	for b := start / soundBlock; b*soundBlock < start+len(out); b++ {
		first := b * soundBlock
		from, to := max(first, start), min(first+soundBlock, start+len(out))
		loud := h.loud(float64(first) / rate)
		slope := (h.loud(float64(first+soundBlock)/rate) - loud) / soundBlock
		addSine(out[from-start:to-start], h.phase+h.hz*float64(first)/rate, h.hz/rate, from-first, loud, slope)
	}
}

// addHiss adds coloured noise. The filter starts early enough to have forgotten its start.
func (s *tone) addHiss(out []float32, key uint64, start int) {
	const warm = 256
	pole := float32(s.hissPole)
	// Unit variance after the filter, whatever the pole; a uniform draw has variance 1/3.
	gain := float32(s.hiss * math.Sqrt(3*(1-s.hissPole*s.hissPole)))
	y := float32(0)
	for i := start - warm; i < start+len(out); i++ {
		h := rng.Mix(key ^ uint64(int64(i))<<1)
		y = pole*y + gain*(float32(h>>40)/(1<<23)-1)
		if i >= start {
			out[i-start] += y
		}
	}
}
