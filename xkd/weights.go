package xkd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"goxkd/internal/files"
	"goxkd/layers"
	"goxkd/pth"
	"goxkd/safetensors"
)

// tensors is a file of weights: this program's checkpoints, other safetensors, PyTorch's formats.
type tensors interface {
	Names() []string
	Shape(name string) ([]int, bool)
	Read(name string) (safetensors.Tensor, error)
	Close() error
}

// isPyTorch looks at a file's first bytes.
func isPyTorch(path string) bool {
	f, err := files.OpenRegular(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [8]byte
	n, _ := f.ReadAt(head[:], 0)
	// A safetensors file begins with the length of its header, and then a brace.
	return pth.Recognises(head[:n]) && !(n == 8 && head[7] == 0 && head[6] == 0 && head[5] == 0 && head[4] == 0 && head[0] != 'P')
}

// releasedName gives a tensor's name as training names it, and whether it was changed: `module.` of data-parallel wrappers and
// `backbone.` go, and the evaluation code's names become those of pretraining.
func releasedName(name string, video bool) string {
	if network, rest, ok := cutNetwork(name); ok {
		if rest, ok := strings.CutPrefix(rest, "backbone."); ok {
			return network + ".backbone." + releasedName(rest, strings.HasPrefix(network, "vid"))
		}
		return network + "." + rest
	}
	name = strings.TrimPrefix(name, "backbone.")
	for _, r := range [][2]string{{"blocks.", "encoder.blocks."}, {"norm.", "encoder_norm."}, {"patch_embed.", "patch_embed."}} {
		if rest, ok := strings.CutPrefix(name, r[0]); ok {
			if r[0] == "patch_embed." && video {
				return "cuboid_embed." + rest
			}
			return r[1] + rest
		}
	}
	if name == "pos_embed" {
		return "enc_pos_embed"
	}
	return name
}

// cutNetwork splits the prefix of one of the four networks off.
func cutNetwork(name string) (network, rest string, ok bool) {
	for _, m := range []Modality{Video, Audio} {
		for _, r := range []Role{Student, Teacher} {
			if rest, ok := strings.CutPrefix(name, netName(m, r)+"."); ok {
				return netName(m, r), rest, true
			}
		}
	}
	return "", name, false
}

// loadWeights opens weights that this program did not write: the released backbones and checkpoints, in PyTorch's formats or
// as safetensors. Sizes are taken from the tensors; settings, such as model.encoder.heads=2, say what these cannot.
// Of an exported encoder the configuration is given, and whether it is of video.
func loadWeights(path string, file tensors, given *Config, video bool, settings []string) (*Loaded, error) {
	l := &Loaded{Path: path, file: file, keys: map[string]string{}, stale: errors.New("it holds weights alone, without the settings and the state of a run: it can be started from, not resumed")}
	fail := func(err error) (*Loaded, error) { return nil, fmt.Errorf("%w: %s: %w", ErrWeights, path, err) }
	// Bare backbones first, for their modality.
	bare := map[string]string{}
	for _, name := range file.Names() {
		plain := strings.TrimPrefix(name, "module.")
		if strings.HasSuffix(plain, "cuboid_embed.proj.weight") {
			video = true
		}
		// The evaluation code calls both patch embeddings the same; three colours tell them apart.
		if shape, _ := file.Shape(name); given == nil && strings.TrimPrefix(plain, "backbone.") == "patch_embed.proj.weight" && len(shape) == 2 && shape[1]%videoChannels == 0 {
			video = true
		}
	}
	for _, name := range file.Names() {
		plain := releasedName(strings.TrimPrefix(name, "module."), video)
		if _, _, ok := cutNetwork(plain); ok {
			l.keys[plain] = name
			continue
		}
		bare[plain] = name
	}
	for _, m := range []Modality{Video, Audio} {
		for _, r := range []Role{Student, Teacher} {
			_, l.holds[m][r] = l.keys[netName(m, r)+".backbone.enc_pos_embed"]
		}
	}
	if _, ok := bare["enc_pos_embed"]; ok && len(l.keys) == 0 {
		m := Audio
		if video {
			m = Video
		}
		for _, r := range []Role{Student, Teacher} { // it is one network, whichever was kept
			l.holds[m][r] = true
			for plain, name := range bare {
				l.keys[netName(m, r)+".backbone."+plain] = name
			}
		}
	}
	c, err := Default("base", XKD)
	if err != nil {
		return nil, err
	}
	said := Layers{Settings: settings}
	if c, err = said.over(c); err != nil { // what is said is looked for first
		return nil, err
	}
	if l.told = given != nil; l.told {
		c = *given
	} else if err := l.infer(&c); err != nil {
		return fail(err)
	}
	if c, err = said.over(c); err != nil {
		return nil, err
	}
	if c.Model.Encoder.Heads == 0 {
		return fail(fmt.Errorf("the number of heads does not show in weights, and a width of %d has no usual one: set model.encoder.heads", c.Model.Encoder.Dim))
	}
	if err := c.validateNetwork(); err != nil {
		return fail(err)
	}
	l.Config = c
	if err := l.account(); err != nil {
		return fail(err)
	}
	return l, nil
}

// infer gives a configuration's encoders the sizes of the tensors.
func (l *Loaded) infer(c *Config) error {
	found := false
	for _, m := range []Modality{Video, Audio} {
		for _, r := range []Role{Student, Teacher} {
			if !l.holds[m][r] || found && m == Audio && r == Teacher && l.holds[Audio][Student] {
				continue
			}
			if err := l.inferNetwork(c, m, r); err != nil {
				return err
			}
			found = true
			break // students and teachers are of one size
		}
	}
	if !found {
		return fmt.Errorf("it holds none of the encoders' tensors: there is no enc_pos_embed or pos_embed, and no vid_student.… or the like")
	}
	c.Views.Video.Locals, c.Views.Audio.Locals = 0, 0
	c.Views.Video.Local = VideoView{Frames: 1, Size: c.Views.Video.Global.Size, Augment: c.Views.Video.Local.Augment}
	c.Views.Audio.Local.Frames = min(c.Views.Audio.Local.Frames, c.Views.Audio.Global.Frames)
	for m, mask := range map[Modality]*float64{Video: &c.Views.Video.Mask, Audio: &c.Views.Audio.Mask} {
		if c.tokens(m) < 8 {
			*mask = 0.5 // of no use here, but it has to hide some and leave some
		}
	}
	return nil
}

func (l *Loaded) inferNetwork(c *Config, m Modality, r Role) error {
	prefix := netName(m, r) + ".backbone."
	shape := func(name string, dims int) ([]int, error) {
		s, ok := l.file.Shape(l.keys[prefix+name])
		if !ok || len(s) != dims {
			return nil, fmt.Errorf("%s is missing or no tensor of %d dimensions", prefix+name, dims)
		}
		return s, nil
	}
	pos, err := shape("enc_pos_embed", 3)
	if err != nil {
		return err
	}
	embed := "patch_embed"
	if m == Video {
		embed = "cuboid_embed"
	}
	patch, err := shape(embed+".proj.weight", 2)
	if err != nil {
		return err
	}
	depth := 0
	for {
		if _, ok := l.keys[fmt.Sprintf("%sencoder.blocks.%d.norm1.weight", prefix, depth)]; !ok || depth > maxDepth {
			break
		}
		depth++
	}
	_, c.Model.Cls = l.keys[prefix+"cls_token"]
	tokens := pos[1]
	if c.Model.Cls {
		tokens--
	}
	c.Model.Encoder = Size{Dim: pos[2], Depth: depth, Heads: usualHeads(pos[2])}
	for _, name := range Presets() {
		if encoderSizes[name] == c.Model.Encoder {
			c.Preset = name
			break
		}
	}
	if tokens < 1 || tokens > maxTokens || patch[1] < 1 || patch[1] > maxWidth {
		return fmt.Errorf("%s has %d positions of patches, patches %d elements: both must be above 0, and at most %d and %d", prefix+"enc_pos_embed", tokens, patch[1], maxTokens, maxWidth)
	}
	if m == Video {
		return inferVideo(c, tokens, patch[1])
	}
	return inferAudio(c, tokens, patch[1])
}

// usualHeads is the number of heads of the presets, else one for every 64 of the width; 0 where neither is known.
func usualHeads(dim int) int {
	for _, name := range []string{"nano", "tiny", "small", "base", "large"} {
		if encoderSizes[name].Dim == dim {
			return encoderSizes[name].Heads
		}
	}
	if dim%64 == 0 {
		return dim / 64
	}
	return 0
}

// inferVideo finds a patch and a square view with the given numbers of elements and positions: the released sizes where they
// fit, else the largest squares that leave two frames.
func inferVideo(c *Config, tokens, elements int) error {
	v := &c.Views.Video
	released := *v
	same := func(p [3]int, f int, s int) bool {
		return videoChannels*p[0]*p[1]*p[2] == elements && f/p[0]*(s/p[1])*(s/p[2]) == tokens
	}
	if same(v.Patch, v.Global.Frames, v.Global.Size[0]) {
		return nil
	}
	if elements%videoChannels != 0 {
		return fmt.Errorf("video patches of %d elements are no whole number of pixels", elements)
	}
	pt, p := square(elements/videoChannels, released.Patch[1])
	t, s := square(tokens, released.Global.Size[0]/released.Patch[1])
	v.Patch = [3]int{pt, p, p}
	v.Global.Frames, v.Global.Size = pt*t, [2]int{p * s, p * s}
	if v.FPS = v.Global.Frames / int(max(c.Views.Seconds, 1)); float64(v.FPS)*c.Views.Seconds != float64(v.Global.Frames) {
		v.FPS = released.FPS
		c.Views.Seconds = float64(v.Global.Frames) / float64(v.FPS)
	}
	return nil
}

// square splits n into deep x side x side: the usual side if it divides, else the largest that leaves a depth of two or more.
func square(n, usual int) (deep, side int) {
	if n%(usual*usual) == 0 {
		return n / usual / usual, usual
	}
	for s := n; s > 1; s-- {
		if s <= n/s && n%(s*s) == 0 && n/s/s >= 2 {
			return n / s / s, s
		}
	}
	for s := n; s > 1; s-- {
		if s <= n/s && s*s == n {
			return 1, s
		}
	}
	return n, 1
}

// inferAudio finds a patch and a log-mel: the released sizes where they fit, else patches of four mels, and as few rows of
// them as the released ones allow.
func inferAudio(c *Config, tokens, elements int) error {
	a := &c.Views.Audio
	rows := a.Mels / a.Patch[0]
	if a.Patch[0]*a.Patch[1] != elements {
		f := 1
		for _, n := range []int{a.Patch[0], 8, 2} {
			if elements%n == 0 {
				f = n
				break
			}
		}
		a.Patch = [2]int{f, elements / f}
		rows = max(1, a.Mels/f)
	}
	for tokens%rows != 0 {
		rows--
	}
	a.Mels, a.Global.Frames = rows*a.Patch[0], tokens/rows*a.Patch[1]
	if n := int(c.Views.Seconds * float64(a.Rate)); a.Global.Frames > 1 && 1+n/a.Hop != a.Global.Frames {
		a.Hop = max(1, n/(a.Global.Frames-1)) // as many columns of the same time
	}
	return nil
}

// account names the tensors that an encoder lacks, and those that no encoder uses.
func (l *Loaded) account() error {
	used := map[string]bool{}
	for _, m := range []Modality{Video, Audio} {
		for _, r := range []Role{Student, Teacher} {
			if !l.holds[m][r] {
				continue
			}
			f, err := BuildFeatures(l.Config, m, r, 1, FeatureOptions{})
			if err != nil {
				return err
			}
			for _, q := range f.Params {
				key, ok := l.keys[q.Name]
				if !ok {
					l.Missing = append(l.Missing, q.Name)
					continue
				}
				used[key] = true
			}
		}
	}
	for _, name := range l.file.Names() {
		if !used[name] {
			l.Unused = append(l.Unused, name)
		}
	}
	if len(l.Missing) > 0 {
		slices.Sort(l.Missing)
		return fmt.Errorf("it lacks %s", strings.Join(l.Missing, ", "))
	}
	return nil
}

// Has tells whether the file has an encoder.
func (l *Loaded) Has(m Modality, r Role) bool {
	switch {
	case l.keys != nil:
		return l.holds[m][r]
	case l.Config.tunes():
		return m == l.Config.Tune.modality() && r == Student
	}
	return slices.Contains(l.Config.modalities(), m)
}

// lacks is an ErrNoEncoder where the file has no such encoder.
func (l *Loaded) lacks(m Modality, r Role) error {
	if l.Has(m, r) {
		return nil
	}
	return fmt.Errorf("%s: %w: it holds no encoder of the %v %v, but of %s", l.Path, ErrNoEncoder, m, r, strings.Join(l.Encoders(), ", "))
}

// Released tells that the file is no checkpoint of a run of this program.
func (l *Loaded) Released() bool { return l.keys != nil }

// Told tells that the configuration stands in the file, and nothing was taken for granted.
func (l *Loaded) Told() bool { return l.keys == nil || l.told }

// Encoders names the encoders in the file.
func (l *Loaded) Encoders() (names []string) {
	for _, m := range []Modality{Video, Audio} {
		for _, r := range []Role{Student, Teacher} {
			if l.Has(m, r) {
				names = append(names, layers.Modality(m).String()+" "+r.String())
			}
		}
	}
	return names
}

func openWeights(path string, settings []string) (*Loaded, error) {
	file, err := pth.Open(path)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, ErrIrregular) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWeights, err)
	}
	l, err := loadWeights(path, file, nil, false, settings)
	if err != nil {
		file.Close()
		return nil, err
	}
	l.Skipped = file.Skipped
	return l, nil
}

// EvaluationName gives the name under which the released evaluation code keeps a backbone's tensor.
func EvaluationName(name string) string {
	name = encoderPart(name)
	for _, r := range [][2]string{{"encoder.", ""}, {"encoder_norm.", "norm."}, {"enc_pos_embed", "pos_embed"}, {"cuboid_embed.", "patch_embed."}} {
		if rest, ok := strings.CutPrefix(name, r[0]); ok {
			return r[1] + rest
		}
	}
	return name
}
