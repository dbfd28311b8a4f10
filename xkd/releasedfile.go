package xkd

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"goxkd/media/views"
)

// ReleasedConfig is a configuration file of the method's released PyTorch code, read as it is.
type ReleasedConfig struct {
	File string
	// Config is what follows from the file, with the defaults of its encoder and variant where it says nothing.
	Config Config
	// Keys are the file's own, in its order.
	Keys []ReleasedKey
}

// ReleasedKey is one key of a released file and what becomes of it.
type ReleasedKey struct {
	Path     string // such as hyperparams.lr.base_lr
	Line     int
	Settings []string // that follow from it; none for a key without effect
	How      string   // how they follow, or why it has no effect: "there", in the released code, or "here"; may be empty
	Checked  bool     // the value is the only one that there is here
}

// Idle reports whether the key has no effect.
func (k ReleasedKey) Idle() bool { return len(k.Settings) == 0 && !k.Checked }

// String says in one line what becomes of the key.
func (k ReleasedKey) String() string {
	text := k.Path + ": "
	switch {
	case k.Idle():
		return text + "no effect " + k.How
	case k.Checked:
		text += "as here"
	default:
		text += strings.Join(k.Settings, ", ")
	}
	if k.How != "" {
		text += " (" + k.How + ")"
	}
	return text
}

// ReadReleased reads a file of the released code. Keys that it does not have there, values that do not fit and what has no
// counterpart here are refused with FieldErrors.
func ReadReleased(path string) (*ReleasedConfig, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return parseReleased(path, text)
}

func parseReleased(path string, text []byte) (*ReleasedConfig, error) {
	root, err := parse(text)
	if err != nil {
		return nil, FieldError{File: path, Problem: strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	r := &releasedReader{nodes: map[string]*yaml.Node{}}
	if root != nil {
		r.collect(root, "")
	}
	if len(r.errs) == 0 && len(r.keys) == 0 {
		r.errs = FieldErrors{{Problem: "has no key of the released code's configurations"}}
	}
	var c Config
	if len(r.errs) == 0 {
		c = r.config()
	}
	for i := range r.errs {
		r.errs[i].File = path
	}
	return &ReleasedConfig{path, c, r.keys}, r.errs.or()
}

// over lays what the file decides over a configuration.
func (r *ReleasedConfig) over(c *Config) {
	to, from := reflect.ValueOf(c).Elem(), reflect.ValueOf(r.Config)
	decided := []string{"preset", "variant", "schedule.epochs", "train.steps"}
	for _, k := range r.Keys {
		decided = append(decided, k.Settings...)
	}
	for _, path := range decided {
		dst, err := field(to, path)
		src, err2 := field(from, path)
		if err == nil && err2 == nil {
			dst.Set(src)
		}
	}
}

// releasedReader reads one file.
type releasedReader struct {
	nodes map[string]*yaml.Node // values by their keys
	keys  []ReleasedKey
	errs  FieldErrors
}

// fail notes that a key's value does not hold.
func (r *releasedReader) fail(key, format string, args ...any) {
	e := FieldError{Path: key, Problem: fmt.Sprintf(format, args...)}
	if n := r.nodes[key]; n != nil {
		e.Line = n.Line
	}
	r.errs = append(r.errs, e)
}

// releasedRowOf is the table's row of a key.
func releasedRowOf(key string) (releasedRow, bool) {
	names := strings.Split(key, ".")
	for _, row := range releasedTable {
		pattern := strings.Split(row.key, ".")
		if matches(pattern, names) && (!slices.Contains(pattern, "*") || slices.Contains(names, "global") || slices.Contains(names, "local")) {
			return row.at(key), true
		}
	}
	return releasedRow{}, false
}

// releasedNames are the names that may stand in a section of the files.
func releasedNames(section string) []string {
	names := map[string]bool{}
	for _, row := range releasedTable {
		for _, view := range []string{"global", "local"} {
			if rest, ok := strings.CutPrefix(strings.ReplaceAll(row.key, "*", view), join(section, "")); ok {
				name, _, _ := strings.Cut(rest, ".")
				names[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// collect finds the values below a section; what is unknown, stands twice or is no value is noted.
func (r *releasedReader) collect(n *yaml.Node, section string) {
	if n.Kind != yaml.MappingNode {
		r.errs = append(r.errs, FieldError{Line: n.Line, Path: section, Problem: fmt.Sprintf("is %s: must be a section with keys of its own", excerpt(n))})
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		path := join(section, key.Value)
		problem := ""
		row, known := releasedRowOf(path)
		line, twice := seen[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode:
			path, problem = section, "has a key that is no name"
		case twice:
			problem = fmt.Sprintf("stands twice, first in line %d: keep one", line)
		case value.Kind == yaml.AliasNode || key.Anchor != "" || value.Anchor != "":
			problem = "has an anchor or an alias: write the value out"
		case known && value.Kind == yaml.MappingNode:
			problem = "is a section: must be a value"
		case known:
			r.nodes[path] = value
			r.keys = append(r.keys, ReleasedKey{path, key.Line, strings.Fields(row.settings), row.how, row.must != nil})
		case len(releasedNames(path)) > 0:
			r.collect(value, path)
		default:
			problem = unknownReleased(section, key.Value)
		}
		seen[key.Value] = key.Line
		if problem != "" {
			r.errs = append(r.errs, FieldError{Line: key.Line, Path: path[:min(len(path), 100)], Problem: problem})
		}
		if len(r.errs) >= 20 {
			return // of a file that is something else
		}
	}
}

// unknownReleased says that a name is no key of a section, and which may have been meant.
func unknownReleased(section, name string) string {
	names := releasedNames(section)
	if len(name) <= 100 {
		for _, n := range names {
			if distance(strings.ToLower(name), n) <= max(2, len(name)/3) {
				return fmt.Sprintf("is no key of the released code's configurations: did you mean %s?", join(section, n))
			}
		}
	}
	return "is no key of the released code's configurations: there are " + strings.Join(names, ", ")
}

// config makes the configuration that follows from the values.
func (r *releasedReader) config() Config {
	c, err := Default(r.preset(), r.variant())
	if err != nil || len(r.errs) > 0 {
		return c
	}
	f := newReleasedValues(c)
	for _, k := range r.keys {
		r.read(f, k.Path)
	}
	if len(r.errs) == 0 {
		r.derive(f)
	}
	if len(r.errs) == 0 {
		r.validate(f.config)
	}
	return f.config
}

// read puts a key's value where it goes.
func (r *releasedReader) read(f *releasedValues, key string) {
	row, n := first(releasedRowOf(key)), r.nodes[key]
	if row.must != nil {
		want := reflect.ValueOf(row.must)
		have := reflect.New(want.Type()).Elem()
		if !decode(have, n) || !have.Equal(want) {
			r.fail(key, "is %s: must be %v, there is nothing else here", excerpt(n), row.must)
		}
		return
	}
	var to reflect.Value
	switch {
	case row.to != nil:
		view := 0
		if slices.Contains(strings.Split(key, "."), "local") {
			view = 1
		}
		to = reflect.ValueOf(row.to(f, view)).Elem()
	case row.settings != "":
		var err error
		if to, err = field(reflect.ValueOf(&f.config).Elem(), row.settings); err != nil {
			r.fail(key, "decides %s, which is no setting", row.settings)
			return
		}
	default:
		return
	}
	var errs FieldErrors
	if overlay(to, n, key, &errs); len(errs) > 0 {
		r.errs = append(r.errs, errs...)
		return
	}
	if !allFinite(to) {
		r.fail(key, "is %s: must be a number that is finite", excerpt(n))
	}
}

// first drops whether a value was found.
func first[T any](v T, _ bool) T { return v }

// allFinite reports whether a value is, or consists of, finite numbers, if any.
func allFinite(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Float64:
		return !math.IsNaN(v.Float()) && !math.IsInf(v.Float(), 0)
	case reflect.Array:
		for i := range v.Len() {
			if !allFinite(v.Index(i)) {
				return false
			}
		}
	}
	return true
}

// text is a key's value, or what holds without it.
func (r *releasedReader) text(key, without string) string {
	n := r.nodes[key]
	switch {
	case n == nil:
		return without
	case n.Kind != yaml.ScalarNode:
		return ""
	}
	return n.Value
}

// preset is the preset that has the file's encoder.
func (r *releasedReader) preset() string {
	const key = "model.kwargs.student_cfg"
	return r.size(key, r.text(key, "base_encoder"), "_encoder", Presets())
}

// size is the name of a size that ends with what it is a size of.
func (r *releasedReader) size(key, name, of string, sizes []string) string {
	sizes = slices.DeleteFunc(sizes, func(s string) bool { return s == "nano" }) // which the released code has not
	size, ok := strings.CutSuffix(name, of)
	if !ok || !slices.Contains(sizes, size) {
		r.fail(key, "is %s: choose one of %s%s", strconv.Quote(name[:min(40, len(name))]), strings.Join(sizes, of+", "), of)
		return "base"
	}
	return size
}

func (r *releasedReader) variant() string {
	const key = "model.name"
	variants := map[string]string{"XKD": XKD, "XKD_MAS": MAS, "XKD_MATS": MATS}
	name := r.text(key, "XKD")
	if variants[name] == "" {
		r.fail(key, "is %s: choose one of %s", strconv.Quote(name[:min(40, len(name))]), strings.Join(slices.Sorted(maps.Keys(variants)), ", "))
		return XKD
	}
	return variants[name]
}

// derive sets what follows from several values, or from one in another form.
func (r *releasedReader) derive(f *releasedValues) {
	r.deriveViews(f)
	if len(r.errs) > 0 {
		return
	}
	r.deriveModel(f)
	r.deriveCourses(f)
}

// bounded refuses a value outside of its bounds.
func (r *releasedReader) bounded(key string, value, low, high float64) bool {
	if value >= low && value <= high {
		return true
	}
	r.fail(key, "is %g: must be in %g..%g", value, low, high)
	return false
}

func (r *releasedReader) deriveViews(f *releasedValues) {
	const video, audio = "dataset.train.vid_aug_kwargs.", "dataset.train.aud_aug_kwargs."
	c := &f.config
	v, a := &c.Views.Video, &c.Views.Audio
	if r.nodes["dataset.audio_clip_duration"] != nil && f.audioSeconds != c.Views.Seconds {
		r.fail("dataset.audio_clip_duration", "is %g and clip_duration %g: video and sound are of one span here", f.audioSeconds, c.Views.Seconds)
	}
	ok := r.bounded("dataset.clip_duration", c.Views.Seconds, tiny, 600) && r.bounded("dataset.crop_size", float64(f.crop), 1, 4096) &&
		r.bounded(video+"temporal_ratio", float64(f.videoTemporal), 1, 4096) && r.bounded(video+"spatial_ratio", f.spatial, 1, 4096) &&
		r.bounded(audio+"temporal_ratio", float64(f.audioTemporal), 1, 4096) && r.bounded("dataset.hop_length", float64(a.Hop), 1, 1<<20) &&
		r.bounded("dataset.audio_fps", float64(a.Rate), 100, 384000) && r.bounded("dataset.video_fps", float64(v.FPS), 1, 240)
	if !ok {
		return
	}
	if r.nodes["model.kwargs.num_frames"] == nil {
		v.Global.Frames = int(math.Round(c.Views.Seconds * float64(v.FPS)))
	}
	local := int(float64(f.crop) / f.spatial)
	v.Global.Size, v.Local.Size = [2]int{f.crop, f.crop}, [2]int{local, local}
	v.Local.Frames = v.Global.Frames / f.videoTemporal
	v.Patch[1], v.Patch[2] = f.patch[0], f.patch[1]
	if want := [3]int{3, f.crop, f.crop}; r.nodes["model.kwargs.frame_size"] != nil && f.frame != want {
		r.fail("model.kwargs.frame_size", "is %v: must be %v, of RGB and dataset.crop_size", f.frame, want)
	}
	for i, w := range []*VideoView{&v.Global, &v.Local} {
		g := &w.Augment
		g.Brightness, g.Contrast, g.Saturation, g.Hue = f.colour[i][0], f.colour[i][1], f.colour[i][2], f.colour[i][3]
		if g.Jitter = 1; f.colour[i] == [4]float64{} {
			g.Jitter = 0
		}
		g.BlurKernel = views.BlurKernel(w.Size[0])
	}
	samples := int(math.Round(c.Views.Seconds * float64(a.Rate)))
	a.Global.Frames, a.Local.Frames = 1+samples/a.Hop, 1+samples/f.audioTemporal/a.Hop
	if want := [2]int{a.Mels, a.Global.Frames}; r.nodes["model.kwargs.spec_size"] != nil && f.spectrogram != want {
		r.fail("model.kwargs.spec_size", "is %v: must be %v, of dataset.n_mels and the frames of %d samples with hop %d", f.spectrogram, want, samples, a.Hop)
	}
	for i, g := range []*views.AudioAug{&a.Global.Augment, &a.Local.Augment} {
		if g.Gain = f.audio[i].gain; !f.audio[i].jitter {
			g.Gain = 0
		}
		if f.audio[i].warp {
			g.TimeWarp = f.audio[i].window
		}
		if g.ResizeCrop {
			g.CanvasFreq, g.CanvasTime = f.audio[i].canvas[0], f.audio[i].canvas[1]
		}
	}
}

func (r *releasedReader) deriveModel(f *releasedValues) {
	c := &f.config
	if f.teacher != "" && f.teacher != r.text("model.kwargs.student_cfg", "base_encoder") {
		r.fail("model.kwargs.teacher_cfg", "is %q: must be student_cfg, since teachers are averages of their students", f.teacher)
	}
	if f.decoder != "" {
		const key = "model.kwargs.decoder_cfg"
		c.Model.Decoder = decoderSizes[r.size(key, f.decoder, "_decoder", slices.Sorted(maps.Keys(decoderSizes)))]
	}
	if f.projector != "" {
		h := &c.Model.Head
		n, err := fmt.Sscanf(f.projector, "%d-gelu-%d-%d-%d-norm3", &h.Hidden, &h.Layers, &h.Bottleneck, &h.Out)
		if err != nil || n != 4 || f.projector != fmt.Sprintf("%d-gelu-%d-%d-%d-norm3", h.Hidden, h.Layers, h.Bottleneck, h.Out) {
			r.fail("model.kwargs.projector_cfg", "is %q: must be as 2048-gelu-3-256-8192-norm3", f.projector[:min(40, len(f.projector))])
		}
	}
	c.Loss.CentreMomentum = ByModality[float64]{f.centre[0], f.centre[1]}
	if c.Optimizer.GradClip = f.clip; f.clip == 0 {
		c.Optimizer.GradClip = math.MaxFloat32
	}
}

func (r *releasedReader) deriveCourses(f *releasedValues) {
	c := &f.config
	if !r.bounded("hyperparams.num_epochs", float64(c.Schedule.Epochs), 1, maxSteps) {
		return
	}
	ramp := func(key string, w releasedRamp) Ramp {
		if r.nodes[key] != nil && r.bounded(key, float64(w.warm), 0, float64(c.Schedule.Epochs)) {
			w.WarmUp = float64(w.warm) / float64(c.Schedule.Epochs)
		}
		return w.Ramp
	}
	course := func(section, base string, w releasedRamp) (float64, Course) {
		v := ramp(section+".warmup_epochs", w)
		if v.Base == 0 {
			if v.Final != 0 || v.WarmUp > 0 && v.Start != 0 {
				r.fail(section+"."+base, "is 0, and the values before or after are not: courses are multiples of it here")
			}
			return 0, Course{Start: 1, Final: 1}
		}
		k := Course{Start: v.Start / v.Base, Final: v.Final / v.Base, WarmUp: v.WarmUp}
		if v.WarmUp == 0 {
			k.Start = 1 // it never counts
		}
		return v.Base, k
	}
	c.Optimizer.LR, c.Schedule.LR = course("hyperparams.lr", "base_lr", f.lr)
	c.Optimizer.WeightDecay, c.Schedule.WeightDecay = course("hyperparams.weight_decay", "base", f.decay)
	c.EMA = ByModality[Ramp]{ramp("hyperparams.vid_ema.warmup_epochs", f.ema[Video]), ramp("hyperparams.aud_ema.warmup_epochs", f.ema[Audio])}
	temperature := func(section string, w releasedRamp) Ramp {
		v := ramp(section+".warmup_teacher_temp_epochs", w)
		if v.Final = v.Base; v.WarmUp == 0 || v.Start == v.Base {
			return Constant(v.Base)
		}
		return v
	}
	c.Loss.TeacherTemperature = ByModality[Ramp]{
		temperature("model.video_temp_kwargs", f.temperature[Video]), temperature("model.audio_temp_kwargs", f.temperature[Audio]),
	}
}

// validate refuses what the configuration cannot be, by the keys that decide it.
func (r *releasedReader) validate(c Config) {
	errs, _ := c.Validate().(FieldErrors)
	for _, e := range errs {
		for _, k := range r.keys {
			if slices.ContainsFunc(k.Settings, func(s string) bool { return e.Path == s || strings.HasPrefix(e.Path, s+".") }) {
				e.Line, e.Path = k.Line, k.Path+" ("+e.Path+")"
				break
			}
		}
		r.errs = append(r.errs, e)
	}
}
