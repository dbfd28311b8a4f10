// Package xkd is the method: cross-modal knowledge distillation with domain alignment (Sarkar and Etemad, AAAI 2024), as
// one static graph per training step, with its schedules, trainer, checkpoints and features.
package xkd

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"

	"goxkd/layers"
	"goxkd/media/views"
)

// The variants: separate backbones; one backbone for both students (MAS); one for both teachers too (MATS).
const (
	XKD  = "xkd"
	MAS  = "xkd_mas"
	MATS = "xkd_mats"
)

// How cross-modal attention becomes weights, and which view the teachers see.
const (
	AttentionMean    = "mean"
	AttentionSoftmax = "softmax"
	TeacherGlobal    = "global"
	TeacherLocal0    = "local0"
)

// VideoShape holds the shapes of the video views.
type VideoShape struct {
	Global [4]int  `json:"global"` // C, T, H, W
	Local  [4]int  `json:"local"`  // C, T, H, W
	Locals int     `json:"locals"` // local views per clip
	Patch  [3]int  `json:"patch"`  // T, H, W
	Mask   float64 `json:"mask"`   // share of hidden patches
}

// AudioShape holds the shapes of the log-mel views.
type AudioShape struct {
	Global [3]int  `json:"global"` // C, F, S
	Local  [3]int  `json:"local"`  // C, F, S
	Locals int     `json:"locals"` // local views per clip
	Patch  [2]int  `json:"patch"`  // F, S
	Mask   float64 `json:"mask"`   // share of hidden patches
}

// Coefficients weight the parts of the loss: L = (Align·L_align + KD·L_kd + Recon·L_recon) / (Align+KD+Recon).
type Coefficients struct {
	Align float64 `json:"align"`
	KD    float64 `json:"kd"`
	Recon float64 `json:"recon"`
}

// Config fixes the graph of one training step.
type Config struct {
	Variant     string          `json:"variant"`
	Cls         bool            `json:"cls"`
	Attention   string          `json:"attention"`
	TeacherView string          `json:"teacher_view"`
	Batch       int             `json:"batch"`
	Encoder     layers.Size     `json:"encoder"`
	Decoder     layers.Size     `json:"decoder"`
	Head        layers.HeadSize `json:"head"`
	Video       VideoShape      `json:"video"`
	Audio       AudioShape      `json:"audio"`
	Loss        Coefficients    `json:"loss"`
	Clip        float64         `json:"clip"`         // greatest norm of a student's gradient tensor
	Betas       [2]float64      `json:"betas"`        // AdamW
	StudentTemp float64         `json:"student_temp"` // divisor of the students' logits
}

// encoderSizes and decoderSizes are the named sizes (docs/method.md, section 2.7), and nano.
var encoderSizes = map[string]layers.Size{
	"nano": {Dim: 96, Depth: 4, Heads: 3}, "tiny": {Dim: 192, Depth: 12, Heads: 3}, "tiny_h6": {Dim: 192, Depth: 12, Heads: 6},
	"small": {Dim: 384, Depth: 12, Heads: 6}, "small_h12": {Dim: 384, Depth: 12, Heads: 12},
	"base": {Dim: 768, Depth: 12, Heads: 12}, "large": {Dim: 1024, Depth: 24, Heads: 16},
}

var decoderSizes = map[string]layers.Size{
	"nano": {Dim: 64, Depth: 2, Heads: 2}, "tiny": {Dim: 96, Depth: 4, Heads: 3}, "small": {Dim: 192, Depth: 4, Heads: 6},
	"base": {Dim: 384, Depth: 4, Heads: 12}, "large": {Dim: 512, Depth: 8, Heads: 16},
}

// EncoderSize finds a named encoder.
func EncoderSize(name string) (layers.Size, error) {
	if s, ok := encoderSizes[name]; ok {
		return s, nil
	}
	return layers.Size{}, fmt.Errorf("no encoder %q: choose one of %s", name, names(encoderSizes))
}

// DecoderSize finds a named decoder; the suffix _d1 gives depth 1.
func DecoderSize(name string) (layers.Size, error) {
	base, shallow := strings.CutSuffix(name, "_d1")
	s, ok := decoderSizes[base]
	if !ok {
		return layers.Size{}, fmt.Errorf("no decoder %q: choose one of %s, each with _d1 for depth 1", name, names(decoderSizes))
	}
	if shallow {
		s.Depth = 1
	}
	return s, nil
}

func names(m map[string]layers.Size) string {
	var list []string
	for name := range m {
		list = append(list, name)
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

// Preset gives a named configuration with the media specification that fits it: nano for laptops and tests, the others
// with the recipe's shapes.
func Preset(name string) (Config, views.Spec, error) {
	enc, err := EncoderSize(name)
	if err != nil {
		return Config{}, views.Spec{}, fmt.Errorf("no preset %q: choose one of %s", name, names(encoderSizes))
	}
	dec, _ := DecoderSize(strings.Split(name, "_")[0])
	c := Config{
		Variant: XKD, Cls: true, Attention: AttentionMean, TeacherView: TeacherGlobal, Batch: 16,
		Encoder: enc, Decoder: dec,
		Head:  layers.HeadSize{Hidden: 2048, Layers: 3, Bottleneck: 256, Out: 8192},
		Video: VideoShape{Patch: [3]int{4, 16, 16}, Mask: 0.85},
		Audio: AudioShape{Patch: [2]int{4, 16}, Mask: 0.8},
		Loss:  Coefficients{Align: 1, KD: 1, Recon: 5},
		Clip:  0.3, Betas: [2]float64{0.9, 0.95}, StudentTemp: 0.1,
	}
	spec := views.DefaultSpec()
	if name == "nano" {
		spec = views.NanoSpec()
		c.Head = layers.HeadSize{Hidden: 256, Layers: 3, Bottleneck: 64, Out: 512}
		// Minutes of training instead of days: more weight on distillation, and students soft enough to follow teachers that
		// change quickly. With the recipe's values (1, 1, 5 and 0.1) video learns nothing in so few steps.
		c.Loss, c.StudentTemp = Coefficients{Align: 1, KD: 4, Recon: 4}, 0.3
		c.Video.Patch, c.Audio.Patch = [3]int{2, 8, 8}, [2]int{8, 8}
	}
	c.Fit(spec)
	return c, spec, nil
}

// Fit takes the shapes of the views from a media specification.
func (c *Config) Fit(s views.Spec) {
	c.Video.Global = [4]int{3, s.Frames, s.Size, s.Size}
	c.Video.Local = [4]int{3, s.LocalFrames, s.LocalSize, s.LocalSize}
	c.Video.Locals = s.VideoLocals
	c.Audio.Global = [3]int{1, s.Mels, s.SpecFrames}
	c.Audio.Local = [3]int{1, s.Mels, s.LocalSpecFrames}
	c.Audio.Locals = s.AudioLocals
}

// SetVariant chooses the variant; the modality-agnostic ones take three local video views in the released recipe.
func SetVariant(c *Config, s *views.Spec, variant string) error {
	switch variant {
	case XKD:
	case MAS, MATS:
		s.VideoLocals = 3
	default:
		return fmt.Errorf("no variant %q: choose %s, %s or %s", variant, XKD, MAS, MATS)
	}
	c.Variant = variant
	c.Fit(*s)
	return nil
}

// VideoTokens is the number of patches of a global video view.
func (c Config) VideoTokens() int {
	g, p := c.Video.Global, c.Video.Patch
	return g[1] / p[0] * (g[2] / p[1]) * (g[3] / p[2])
}

// AudioTokens is the number of patches of a global log-mel.
func (c Config) AudioTokens() int {
	return c.Audio.Global[1] / c.Audio.Patch[0] * (c.Audio.Global[2] / c.Audio.Patch[1])
}

// Kept is the number of visible tokens of n: round half to even of n·(1-ratio).
func Kept(n int, ratio float64) int { return int(math.RoundToEven(float64(n) * (1 - ratio))) }

// Bounds far beyond what trains, so that a slip of the pen is refused before anything is built.
const (
	maxWidth  = 1 << 16
	maxDepth  = 256
	maxTokens = 1 << 14
	maxLocals = 64
)

// Validate returns one error that names every field that does not fit.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	oneOf := func(field, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		check(false, "%s is %q: choose one of %s", field, value, strings.Join(allowed, ", "))
	}
	oneOf("variant", c.Variant, XKD, MAS, MATS)
	oneOf("attention", c.Attention, AttentionMean, AttentionSoftmax)
	oneOf("teacher_view", c.TeacherView, TeacherGlobal, TeacherLocal0)
	check(c.Batch >= 1 && c.Batch <= 1<<16, "batch is %d: must be in 1..65536", c.Batch)
	for _, t := range []struct {
		name string
		s    layers.Size
	}{{"encoder", c.Encoder}, {"decoder", c.Decoder}} {
		check(t.s.Dim >= 1 && t.s.Dim <= maxWidth && t.s.Depth >= 1 && t.s.Depth <= maxDepth && t.s.Heads >= 1 && t.s.Dim%max(t.s.Heads, 1) == 0,
			"%s is %+v: sizes must be positive (width up to %d, depth up to %d) and the heads divide the width", t.name, t.s, maxWidth, maxDepth)
	}
	h := c.Head
	check(h.Layers >= 2 && h.Layers <= maxDepth && min(h.Hidden, h.Bottleneck) >= 1 && h.Out >= 2 && max(h.Hidden, h.Bottleneck, h.Out) <= maxWidth,
		"head is %+v: needs two layers or more (up to %d) and positive sizes (up to %d)", h, maxDepth, maxWidth)
	divides := func(name string, view, patch []int) {
		tokens := 1.0
		for i := range patch {
			tokens *= float64(view[i+1]) / float64(max(patch[i], 1))
		}
		check(tokens <= maxTokens, "%s %v has %.0f patches of %v: at most %d", name, view, tokens, patch, maxTokens)
		for i := range patch {
			check(patch[i] >= 1 && view[i+1] >= 1 && view[i+1]%max(patch[i], 1) == 0,
				"%s %v does not divide into patches of %v", name, view, patch)
		}
		check(view[0] >= 1, "%s %v has no channel", name, view)
	}
	divides("video.global", c.Video.Global[:], c.Video.Patch[:])
	divides("audio.global", c.Audio.Global[:], c.Audio.Patch[:])
	if c.Video.Locals > 0 {
		divides("video.local", c.Video.Local[:], c.Video.Patch[:])
	}
	if c.Audio.Locals > 0 {
		divides("audio.local", c.Audio.Local[:], c.Audio.Patch[:])
		check(c.Audio.Local[1] == c.Audio.Global[1], "audio.local has %d mels, audio.global %d: they must agree", c.Audio.Local[1], c.Audio.Global[1])
	}
	check(min(c.Video.Locals, c.Audio.Locals) >= 0 && max(c.Video.Locals, c.Audio.Locals) <= maxLocals, "the number of local views must be in 0..%d", maxLocals)
	check(c.TeacherView != TeacherLocal0 || c.Video.Locals > 0 && c.Audio.Locals > 0, "teacher_view local0 needs a local view of each modality")
	if len(errs) == 0 {
		for _, m := range []struct {
			name   string
			tokens int
			mask   float64
		}{{"video", c.VideoTokens(), c.Video.Mask}, {"audio", c.AudioTokens(), c.Audio.Mask}} {
			k := Kept(m.tokens, m.mask)
			check(k >= 1 && k < m.tokens, "%s.mask %g leaves %d of %d patches visible: must leave some and hide some", m.name, m.mask, k, m.tokens)
		}
	}
	check(c.Loss.Align >= 0 && c.Loss.KD >= 0 && c.Loss.Recon >= 0 && c.Loss.Align+c.Loss.KD+c.Loss.Recon > 0,
		"loss coefficients %+v: must not be negative, nor all zero", c.Loss)
	check(c.Clip > 0, "clip is %g: must be above 0", c.Clip)
	check(c.StudentTemp > 0, "student_temp is %g: must be above 0", c.StudentTemp)
	for _, b := range c.Betas {
		check(b >= 0 && b < 1, "betas are %v: must be in [0,1)", c.Betas)
	}
	return errors.Join(errs...)
}
