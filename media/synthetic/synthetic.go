package synthetic

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"goxkd/internal/rng"
	"goxkd/media"
)

// Config describes a generated data set. Zero fields take the defaults named.
type Config struct {
	Clips      int      // number of clips (default 1024)
	Classes    int      // number of classes, 1..64 (default 8)
	Difficulty float64  // from 0, nearly clean, to 1, heavy clutter and noise; see DefaultDifficulty
	Clutter    *float64 // difficulty of texture, noise and other shapes and tones alone; nil for the same
	Sound      *float64 // difficulty of the sound alone, its clutter too; nil for the same
	Seed       uint64   // another seed is another data set

	Seconds float64 // length of a clip (default 3)
	FPS     int     // frames per second (default 8)
	Size    int     // height and width in pixels (default 64)
	Rate    int     // Hz (default 16000)
}

// DefaultDifficulty is what a small network learns within minutes. From 0.5 on, untrained features are
// hardly better than chance, and to learn takes far longer. It is no zero field's default: a zero
// Difficulty is zero.
const DefaultDifficulty = 0.1

// Source is a Source of labelled audio-visual clips that are made, not stored. In each a shape
// moves over a textured background while a sound goes with the motion. The kind of shape, the kind
// of motion, the timbre and the rhythm go together by class. Colours, textures, place, size, speed,
// orientation, pitch, loudness, tone colour, phase, noise and the other shapes and tones in the clip
// tell nothing of the class. The same (seed, index, time) gives the same pixels and samples whatever
// span is asked for.
type Source struct {
	cfg     Config
	classes []string
}

// shapeNames and motionNames name the parts of a class; class c of the first eight joins equals.
var (
	shapeNames  = [...]string{"disc", "ring", "square", "triangle", "cross", "star", "bar", "crescent"}
	motionNames = [...]string{"bounce", "pulse", "spin", "sway", "orbit", "jump", "rock", "eight"}
)

// New makes the source. Figures out of range are brought into range.
func New(cfg Config) *Source {
	if cfg.Clips <= 0 {
		cfg.Clips = 1024
	}
	if cfg.Classes <= 0 {
		cfg.Classes = 8
	}
	cfg.Classes = min(cfg.Classes, len(shapeNames)*len(motionNames))
	if !(cfg.Difficulty >= 0) {
		cfg.Difficulty = 0
	}
	cfg.Difficulty = min(cfg.Difficulty, 1)
	if !(cfg.Seconds > 0) {
		cfg.Seconds = 3
	}
	if cfg.FPS <= 0 {
		cfg.FPS = 8
	}
	if cfg.Size <= 0 {
		cfg.Size = 64
	}
	if cfg.Rate <= 0 {
		cfg.Rate = 16000
	}
	s := &Source{cfg: cfg}
	for c := range cfg.Classes {
		shape, motion := classParts(c)
		s.classes = append(s.classes, shapeNames[shape]+"-"+motionNames[motion])
	}
	return s
}

// classParts gives the shape and the motion of a class; every class has its own pair.
func classParts(class int) (shape, motion int) {
	shape = class % len(shapeNames)
	return shape, (shape + class/len(shapeNames)*3) % len(motionNames)
}

// Len is the number of clips.
func (s *Source) Len() int { return s.cfg.Clips }

// Digest implements media.Digested: clips are the same where what they are drawn from is.
func (s *Source) Digest() string {
	of := func(own *float64) float64 {
		if own == nil {
			return s.cfg.Difficulty
		}
		return *own
	}
	c := s.cfg
	d := media.NewDigester()
	d.Add(fmt.Sprint(c.Clips, c.Classes, c.Difficulty, of(c.Clutter), of(c.Sound), c.Seed, c.FPS, c.Size, c.Rate), 0, c.Seconds)
	return d.Text()
}

// Name is the clip's class and number.
func (s *Source) Name(i int) string {
	return fmt.Sprintf("synthetic/%s/%06d", s.classes[s.Label(i)], i)
}

// Label is the clip's class: the classes take turns, so any run of clips is balanced.
func (s *Source) Label(i int) int { return i % s.cfg.Classes }

// Classes names shape and motion of each class.
func (s *Source) Classes() []string { return s.classes }

// Duration is the same for all clips.
func (s *Source) Duration(int) float64 { return s.cfg.Seconds }

// Load draws the span of clip i.
func (s *Source) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i < 0 || i >= s.cfg.Clips {
		return nil, fmt.Errorf("synthetic clip %d: there are %d", i, s.cfg.Clips)
	}
	cfg := s.cfg
	total := media.Span{Seconds: cfg.Seconds}.Frames(cfg.FPS)
	first := min(max(int(span.Start*float64(cfg.FPS)+1e-6), 0), total-1)
	frames := min(span.Frames(cfg.FPS), total-first)

	samples := int(cfg.Seconds * float64(cfg.Rate))
	start := min(max(int(span.Start*float64(cfg.Rate)+0.5), 0), samples)
	count := min(int(span.Seconds*float64(cfg.Rate)+0.5), samples-start)

	d := s.draw(i)
	c := &media.Clip{
		Name: s.Name(i), Label: s.Label(i),
		T: frames, H: cfg.Size, W: cfg.Size, FPS: cfg.FPS, Rate: cfg.Rate,
	}
	c.Frames = d.paint(cfg, first, frames)
	c.Wave = d.sound(cfg, start, count)
	return c, nil
}

// choices is everything drawn once per clip.
type choices struct {
	noise uint64 // key of the per-pixel and per-sample noise
	rate  float64
	phase float64
	scene scene
	tone  tone
}

// cycles is how many periods of the motion have passed at time t; sight and sound both follow it.
func (d *choices) cycles(t float64) float64 { return d.rate*t + d.phase }

// draw makes clip i's choices. Nuisances of pose, colour and pitch reach their full range at
// difficulty 0.5; clutter and noise grow slowly at first and are full at 1.
func (s *Source) draw(i int) *choices {
	r := rng.New(s.cfg.Seed, rng.StreamSynthetic, uint64(i))
	shape, motion := classParts(s.Label(i))
	pose, clutter := nuisances(s.cfg.Difficulty, s.cfg.Clutter)
	d := &choices{
		noise: rng.Hash(s.cfg.Seed, rng.StreamSyntheticNoise, uint64(i)),
		rate:  vary(r, pose, 1.5, 1.0, 2.4),
		phase: pose * r.Float64(),
	}
	d.scene = drawScene(r, shape, motion, pose, clutter)
	if s.cfg.Sound != nil {
		pose, clutter = nuisances(*s.cfg.Sound, nil)
	}
	d.tone = drawTone(r, shape, motion, pose, clutter)
	return d
}

func nuisances(difficulty float64, clutter *float64) (pose, amount float64) {
	d := min(max(difficulty, 0), 1)
	pose = min(1, 2*d)
	if clutter != nil {
		d = min(max(*clutter, 0), 1)
	}
	return pose, d * (0.4 + 0.6*d)
}

// vary moves from the fixed figure towards a draw from [low,high) as amount goes from 0 to 1. It
// always draws once, so that one nuisance does not shift the others' draws.
func vary(r *rand.Rand, amount, fixed, low, high float64) float64 {
	return fixed + amount*(rng.Uniform(r, low, high)-fixed)
}

func frac(x float64) float64 { return x - math.Floor(x) }
