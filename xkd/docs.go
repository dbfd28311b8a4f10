package xkd

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
)

//go:generate go test goxkd/xkd -run TestConfigurationPage -update

// doc says what a setting, or a section, is.
type doc struct {
	Text   string // what it is
	Unit   string // empty where there is none
	Range  string // what is allowed; empty for sections
	Source string // where the default comes from; empty for sections
}

// Sources of defaults: the paper, the released code, the method's description that follows both, or this project.
const (
	paper    = "paper"
	released = "released code"
	recipe   = "released code (docs/method.md, section 4)"
	here     = "this project"
)

// docs holds what is known of every setting. A star stands for one name: global and local views, video and audio, and so on.
var docs = map[string]doc{
	"preset":  {"Named set of defaults that the other settings start from.", "", "nano, tiny, tiny_h6, small, small_h12, base, large", "paper (base; the others from the released code, nano from this project)"},
	"variant": {"xkd: separate networks; xkd_mas: the students share their blocks; xkd_mats: the teachers too.", "", "xkd, xkd_mas, xkd_mats", paper},

	"data":                            {Text: "The clips."},
	"data.path":                       {"Folder, list of files, shards or packed corpus; synthetic stands for generated clips.", "", "a path, or synthetic", here},
	"data.split":                      {"Take the clips of this split alone; empty takes all.", "", "a name, such as train", here},
	"data.fold":                       {"Split of UCF101 and HMDB51, test fold of ESC-50.", "", "1 to 65536", here},
	"data.root":                       {"Folder that the paths of a list are below; empty for the list's own, or near it.", "", "a path", here},
	"data.most_lost":                  {"Share of the clips asked for last (64, or four batches) that may fail before a run stops and saves; 1 for never.", "", "above 0, at most 1", here},
	"data.synthetic":                  {Text: "Generated clips, used where the path says so. Their length and size follow from the views."},
	"data.synthetic.clips":            {"Number of clips.", "clips", "1 or more", here},
	"data.synthetic.classes":          {"Number of classes.", "classes", "1 to 64", here},
	"data.synthetic.difficulty":       {"Share of the nuisances: colours, places, clutter, noise.", "", "0 to 1", here},
	"data.synthetic.clutter":          {"Difficulty of texture, noise and other shapes and tones alone; -1 for that of the rest.", "", "0 to 1, or -1", here},
	"data.synthetic.sound_difficulty": {"Difficulty of the sound alone, clutter included: clear sound can go with a hard picture; -1 for that of the rest.", "", "0 to 1, or -1", here},
	"data.synthetic.seed":             {"Another seed is another set of clips.", "", "0 or more", here},

	"views":                                 {Text: "What the networks see of a clip: the shapes, and how views are cut and changed."},
	"views.seconds":                         {"Length of a clip.", "s", "above 0, at most 600; video.global.frames / fps", paper},
	"views.video":                           {Text: "Views of the video, RGB."},
	"views.video.fps":                       {"Frames per second.", "1/s", "1 to 240", paper},
	"views.video.patch":                     {"Size of a patch: time, height, width.", "frames, pixels, pixels", "divides the views", paper},
	"views.*.mask":                          {"Share of the global view's patches that the student does not see.", "", "above 0, below 1; some must stay", paper},
	"views.video.locals":                    {"Local views per clip.", "views", "0 to 64", recipe},
	"views.video.global":                    {Text: "The global view: masked for the student, whole for the teacher."},
	"views.video.local":                     {Text: "The local views, which the student alone sees."},
	"views.video.*.frames":                  {"Frames of a view.", "frames", "1 to 4096; local at most global; at most 134217728 pixels in all", recipe},
	"views.video.*.size":                    {"Height and width of a view.", "pixels", "1 to 4096, both equal", recipe},
	"views.*.*.augment":                     {Text: "How a view is changed at random, once for the whole of it."},
	"views.video.*.augment.scale":           {"Area of the crop as a share of the frame, lowest and highest.", "", "rising, in (0,1]", recipe},
	"views.video.*.augment.ratio":           {"Width over height of the crop, lowest and highest.", "", "rising, in (0,100]", recipe},
	"views.video.*.augment.flip":            {"Probability of a horizontal flip.", "", "0 to 1", recipe},
	"views.video.*.augment.jitter":          {"Probability of the change of colours by the four figures that follow.", "", "0 to 1", recipe},
	"views.video.*.augment.brightness":      {"Factor in [1-x,1+x].", "", "0 to 1", recipe},
	"views.video.*.augment.contrast":        {"Factor in [1-x,1+x].", "", "0 to 1", recipe},
	"views.video.*.augment.saturation":      {"Factor in [1-x,1+x].", "", "0 to 1", recipe},
	"views.video.*.augment.hue":             {"Shift in [-x,x].", "turns of the colour circle", "0 to 0.5", recipe},
	"views.video.*.augment.grey":            {"Probability of dropping the colour.", "", "0 to 1", recipe},
	"views.video.*.augment.blur":            {"Probability of a Gaussian blur.", "", "0 to 1", recipe},
	"views.video.*.augment.blur_sigma":      {"Deviation of the blur, lowest and highest.", "pixels", "rising, above 0", recipe},
	"views.video.*.augment.blur_kernel":     {"Width of the blur's kernel.", "pixels", "odd, 1 to 4096", recipe},
	"views.video.*.augment.blur_pair":       {"Read blur_sigma as the figures along x and y, as the released code does by mistake.", "", "true, false", here},
	"views.video.*.augment.rand_augment":    {"Four operations of RandAugment at strength 7 ± 0.5 of 10 (for fine-tuning).", "", "true, false", released},
	"views.video.*.augment.erase":           {"Probability of a box of noise, of 0.02 to 1/3 of the area (for fine-tuning).", "", "0 to 1", released},
	"views.audio":                           {Text: "Views of the sound, log-mel spectrograms."},
	"views.audio.rate":                      {"Sample rate.", "Hz", "100 to 384000", paper},
	"views.audio.n_fft":                     {"Length of a frame of the short-time Fourier transform.", "samples", "4 to 1048576; times global frames at most 33554432", recipe},
	"views.audio.hop":                       {"Distance of the frames of the transform.", "samples", "1 to 1048576", recipe},
	"views.audio.mels":                      {"Mel bands, the height of all log-mels.", "bands", "1 to 4096; times frames, and times half of n_fft, at most 33554432", paper},
	"views.audio.log_mean":                  {"Subtracted from the log-mel.", "ln(power)", "a number", released},
	"views.audio.log_std":                   {"The log-mel is divided by it.", "ln(power)", "above 0", released},
	"views.audio.patch":                     {"Size of a patch: bands, frames.", "bands, frames", "divides the views", paper},
	"views.audio.locals":                    {"Local views per clip.", "views", "0 to 64", recipe},
	"views.audio.global":                    {Text: "The global view: masked for the student, whole for the teacher."},
	"views.audio.local":                     {Text: "The local views, which the student alone sees."},
	"views.audio.*.frames":                  {"Frames of a log-mel.", "frames", "1 + samples/hop; local at most global", recipe},
	"views.audio.*.augment.gain":            {"The waveform is multiplied by a factor in [1-x,1+x].", "", "0 to 1", recipe},
	"views.audio.*.augment.start_step":      {"A local view starts at a multiple of it.", "samples", "0 or more", recipe},
	"views.audio.*.augment.resize_crop":     {"Whether the log-mel is cropped from a virtual canvas and resized, by the four figures that follow.", "", "true, false", recipe},
	"views.audio.*.augment.canvas_freq":     {"Height of the canvas over the log-mel's.", "", "1 to 16", recipe},
	"views.audio.*.augment.canvas_time":     {"Width of the canvas over the log-mel's.", "", "1 to 16", recipe},
	"views.audio.*.augment.freq_scale":      {"Height of the crop over the log-mel's, lowest and highest.", "", "rising, in (0,16]", recipe},
	"views.audio.*.augment.time_scale":      {"Width of the crop over the log-mel's, lowest and highest.", "", "rising, in (0,16]", recipe},
	"views.audio.*.augment.time_warp":       {"A frame moves by at most so many (SpecAugment; for fine-tuning).", "frames", "0 to (frames-3)/2", paper},
	"views.audio.*.augment.freq_masks":      {"Masks across all frames.", "masks", "0 to 64", paper},
	"views.audio.*.augment.freq_mask_width": {"Width of one such mask at most.", "bands", "0 to mels", paper},
	"views.audio.*.augment.time_masks":      {"Masks across all bands.", "masks", "0 to 64", paper},
	"views.audio.*.augment.time_mask_width": {"Width of one such mask at most.", "frames", "0 to frames", paper},
	"views.audio.*.augment.time_mask_share": {"Share of the frames that one such mask takes at most; 0 for no bound.", "", "0 to 1", here},

	"model":                 {Text: "The networks, the same sizes for video and audio."},
	"model.cls":             {"Whether networks have a class token.", "", "true, false", released},
	"model.refine":          {"How the other modality's attention refines a teacher's features: mean divides by the mean, softmax takes a softmax over tokens, none leaves it out (an ablation).", "", "mean, softmax, none", released},
	"model.teacher_view":    {"View that the teachers see: the global one, or the first local one as in the released code.", "", "global, local0", paper},
	"model.encoder":         {Text: "Transformers of students and teachers."},
	"model.decoder":         {Text: "Transformers that rebuild what is hidden."},
	"model.*.dim":           {"Width of a token.", "elements", "1 to 65536; times patches at most 67108864", paper},
	"model.*.depth":         {"Number of blocks.", "blocks", "1 to 256", paper},
	"model.*.heads":         {"Attention heads.", "heads", "divides dim", paper},
	"model.head":            {Text: "Projection heads of students and teachers."},
	"model.head.hidden":     {"Width of the hidden layers.", "elements", "1 to 65536", released},
	"model.head.layers":     {"Linear layers up to the bottleneck.", "layers", "2 to 256", released},
	"model.head.bottleneck": {"Width before the last layer.", "elements", "1 to 65536", released},
	"model.head.out":        {"Width of the output.", "elements", "2 to 65536", released},

	"tune":             {Text: "Fine-tuning and linear probes (xkd finetune): a classifier on one encoder. Pretraining leaves it as it is."},
	"tune.modality":    {"Modality that is classified; empty for pretraining.", "", "video, audio, or empty", here},
	"tune.classes":     {"Number of classes; follows from the clips.", "classes", "2 to 65536", here},
	"tune.multi_label": {"Clips may have several labels: binary cross-entropy and mean average precision.", "", "true, false", released},
	"tune.pool":        {"Features of a sample: the mean of its patch tokens, or the class token.", "", "pool, cls", released},
	"tune.head":        {"classifier: normalisation and dropout as set below, then linear; linear: that alone.", "", "classifier, linear", released},
	"tune.l2":          {"Whether the classifier begins by dividing features by their norm.", "", "true, false", released},
	"tune.batch_norm":  {"Whether batch normalisation follows.", "", "true, false", released},
	"tune.dropout":     {"Share of the features that are left out before the linear layer.", "", "0 to below 1", released},
	"tune.frozen":      {"The encoder stays as it is: a linear probe.", "", "true, false", released},
	"tune.layer_decay": {"Each layer's learning rate over that of the layer above.", "", "above 0, at most 1", released},
	"tune.mixup":       {"Parameter of the Beta distribution of mixup; 0 for none.", "", "0 to 100", released},
	"tune.cutmix":      {"Parameter of the Beta distribution of cutmix; 0 for none. With both, each has half of the batches.", "", "0 to 100", released},
	"tune.smoothing":   {"Share of a target that goes to all classes alike.", "", "0 to below 1", released},
	"tune.video_grid":  {"Tokens of the pretraining's video: time, height, width. Views of another size sample its positions.", "tokens", "above 0; zeros for those of the views", here},
	"tune.audio_grid":  {"Tokens of the pretraining's log-mels: frequency, time.", "tokens", "above 0; zeros for those of the views", here},
	"tune.test_clips":  {"Spans of a test clip, evenly spaced.", "spans", "1 to 1000", released},
	"tune.test_crops":  {"Crops of each span along the frame's longer side.", "crops", "1 to 1000", released},
	"tune.test_mean":   {"What is averaged over spans and crops: softmax or logits.", "", "softmax, logits", released},
	"tune.label":       {"Column of labels; empty for the first.", "", "a name", here},
	"tune.clips":       {"Labelled clips to train on at most; 0 for all.", "clips", "0 or more", here},
	"tune.fold_name":   {"Expression whose first group is a clip's fold, in its file's name; data.fold is tested.", "", "a regular expression, or empty", here},

	"loss":                           {Text: "Parts of the loss, (align·L_align + kd·L_kd + recon·L_recon) / (align + kd + recon)."},
	"loss.align":                     {"Weight of the domains' alignment (MMD).", "", "0 or more, not all three 0", paper},
	"loss.kd":                        {"Weight of the cross-modal distillation.", "", "0 or more, not all three 0", paper},
	"loss.recon":                     {"Weight of the masked reconstruction.", "", "0 or more, not all three 0", paper},
	"loss.student_temperature":       {"Divisor of the students' logits.", "", "above 0", paper},
	"loss.teacher_temperature":       {Text: "Divisors of the teachers' logits over the steps: a number, or {start, base, final, warm_up}: linear from start to base in that share of the steps, then by a cosine to final."},
	"loss.teacher_temperature.video": {"Of the video teacher.", "", "above 0", recipe},
	"loss.teacher_temperature.audio": {"Of the audio teacher.", "", "above 0", recipe},
	"loss.centre_momentum":           {Text: "How slowly the centres of the teachers' outputs move."},
	"loss.centre_momentum.video":     {"Of the video teacher.", "", "0 to 1", released},
	"loss.centre_momentum.audio":     {"Of the audio teacher.", "", "0 to 1", released},

	"optimizer":              {Text: "AdamW, with every gradient tensor of the students clipped by itself."},
	"optimizer.lr":           {"Highest learning rate; schedule.lr tells its course.", "", "above 0, at most 1", recipe},
	"optimizer.betas":        {"Decay of the moments.", "", "0 to below 1", released},
	"optimizer.weight_decay": {"Decoupled decay of tensors with two dimensions or more; schedule.weight_decay tells its course.", "", "0 or more", recipe},
	"optimizer.grad_clip":    {"Greatest 2-norm of one gradient tensor.", "", "above 0", recipe},

	"schedule":              {Text: "Courses of the optimiser's figures, in multiples of them: linear from start to 1 in the share warm_up of the steps, then by a cosine to final."},
	"schedule.epochs":       {"Passes over the clips that the steps stand for: the teachers' temperatures then change from epoch to epoch, not from step to step. 0 for none.", "epochs", "0 to 1073741824", here},
	"schedule.lr":           {"Of the learning rate.", "multiple of optimizer.lr; warm_up in steps / train.steps", "0 or more; warm_up 0 to 1", recipe},
	"schedule.weight_decay": {"Of the weight decay.", "multiple of optimizer.weight_decay; warm_up in steps / train.steps", "0 or more; warm_up 0 to 1", recipe},

	"ema":       {Text: "Momentum by which each teacher follows its student, over the steps: a number, or {start, base, final, warm_up} as for the temperatures."},
	"ema.video": {"Of the video teacher.", "per step", "0 to 1", recipe},
	"ema.audio": {"Of the audio teacher.", "per step", "0 to 1", recipe},

	"train":                    {Text: "The run."},
	"train.modality":           {"Modality that is pretrained alone, by masked reconstruction, where clips have no other; empty for both. loss.align, loss.kd and the local views are 0 then.", "", "video, audio, or empty", here},
	"train.steps":              {"Steps of the optimiser; 0 for schedule.epochs passes over the clips.", "steps", "1 or more; 0 or more with schedule.epochs", "this project (released code: 800 epochs)"},
	"train.batch":              {"Clips that go through the networks together, of one micro-batch.", "clips", "1 to 65536", "this project (released code: 256)"},
	"train.accumulate":         {"Micro-batches per step: their gradients are averaged.", "micro-batches", "1 to 65536", here},
	"train.recompute":          {"What the students' and decoders' blocks leave for the gradient is computed again instead of kept: less memory, the same results, about a quarter more work.", "", "true or false", here},
	"train.seed":               {"Of the weights, the order of the clips, the views and the masks.", "", "0 or more", here},
	"train.freeze_last_epochs": {"The same in epochs, of schedule.epochs.", "epochs", "0 to schedule.epochs; 0 with freeze_last_layer", released},
	"train.freeze_last_layer":  {"Steps at the beginning without update of the heads' last layers.", "steps", "0 to 1073741824", released},
}

// docOf says what a setting or section is, the zero value where nothing is known; a star in the table stands for one name of the path.
func docOf(path string) doc {
	if d, ok := docs[path]; ok {
		return d
	}
	names := strings.Split(path, ".")
	for pattern, d := range docs {
		if matches(strings.Split(pattern, "."), names) {
			return d
		}
	}
	return doc{}
}

func matches(pattern, names []string) bool {
	if len(pattern) != len(names) {
		return false
	}
	for i, p := range pattern {
		if p != "*" && p != names[i] {
			return false
		}
	}
	return true
}

// comment is the documentation in one text.
func (d doc) comment(path string) string {
	text := d.Text
	if d.Range == "" {
		return text
	}
	if d.Unit != "" {
		text += " Unit: " + d.Unit + "."
	}
	return fmt.Sprintf("%s Range: %s. Default: %s. Source: %s.", text, d.Range, defaultText(path), d.Source)
}

// defaultText is a setting's default: that of preset base and variant xkd, and where others differ.
func defaultText(path string) string {
	of := func(preset, variant string) string {
		c, err := Default(preset, variant)
		if err != nil {
			return ""
		}
		v, err := field(reflect.ValueOf(c), path)
		if err != nil {
			return ""
		}
		return flow(v)
	}
	base := of("base", XKD)
	var others []string
	for _, p := range Presets() {
		if t := of(p, XKD); t != base {
			others = append(others, p+" "+t)
		}
	}
	for _, v := range Variants() {
		if t := of("base", v); t != base {
			others = append(others, v+" "+t)
		}
	}
	if path == "preset" || path == "variant" {
		return map[string]string{"preset": "nano", "variant": XKD}[path]
	}
	if len(others) > 0 {
		return fmt.Sprintf("%s (%s)", base, strings.Join(others, ", "))
	}
	return base
}

// referencePage is the documentation of all settings in Markdown.
func referencePage() string {
	var b bytes.Buffer
	b.WriteString(`# Configuration

Generated by ` + "`go generate ./xkd`" + ` from xkd/docs.go. A configuration is made of a preset, then of a file in YAML or JSON,
then of settings given by themselves; ` + "`xkd config show`" + ` prints a whole one with these explanations. Defaults are those of
the preset base and the variant xkd, and in brackets those of others that differ.
`)
	walk(reflect.ValueOf(Config{}), "", func(path string, _ reflect.Value, leaf bool) {
		d := docOf(path)
		if !leaf {
			fmt.Fprintf(&b, "\n## `%s`\n\n%s\n", path, d.Text)
			if hasLeaves(path) {
				b.WriteString("\n| setting | what it is | unit | range | default | source |\n|---|---|---|---|---|---|\n")
			}
			return
		}
		if b.Len() > 0 && !strings.Contains(path, ".") && (path == "preset") {
			b.WriteString("\n| setting | what it is | unit | range | default | source |\n|---|---|---|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", path, d.Text, d.Unit, d.Range, defaultText(path), d.Source)
	})
	b.WriteString(releasedSection())
	return b.String()
}

// releasedSection is the part of the page on files of the released code.
func releasedSection() string {
	var b strings.Builder
	b.WriteString(`
## Files of the released code

The method's authors train from YAML files of their own: xkd.yaml, xkd_mas.yaml and xkd_mats.yaml. ` + "`--released FILE`" + ` reads one
as it is, in place of a preset; ` + "`--config`, `--set`" + ` and the other flags lie over it. ` + "`xkd config show --released FILE`" + ` prints what
follows, and what becomes of each key; ` + "`xkd config plot --released FILE`" + ` draws the schedules. What a file does not say
has the default of its variant and encoder. Keys that are not in this table are refused, with their line.

The files count epochs. ` + "`train.steps`" + ` is 0 then, and becomes ` + "`schedule.epochs`" + ` passes over the clips when those are known, of
⌊⌈clips / accumulate⌉ / batch⌋ steps each; ` + "`--steps`" + ` gives another length, over which the schedules are stretched. Every value of
every step is that of the released code: rates, decay and momenta change from step to step, the teachers' temperatures from
epoch to epoch. Slips of the released code, which are no keys of its files, stay away unless a setting copies them
([method](method.md), section 7): ` + "`model.teacher_view`, `views.video.local.augment.blur_pair`" + `.

| key | settings | remarks |
|---|---|---|
`)
	for _, r := range releasedTable {
		var to []string
		for _, s := range strings.Fields(r.settings) {
			to = append(to, "`"+s+"`")
		}
		how := r.how
		switch {
		case r.must != nil:
			how = fmt.Sprintf("must be %v", r.must)
			if r.how != "" {
				how += ": " + r.how
			}
		case len(to) == 0:
			how = "no effect " + how
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", r.key, strings.Join(to, ", "), how)
	}
	return b.String()
}

func hasLeaves(path string) bool {
	v, err := field(reflect.ValueOf(Config{}), path)
	if err != nil {
		return false
	}
	for _, m := range members(v) {
		if isLeaf(m.value) {
			return true
		}
	}
	return false
}
