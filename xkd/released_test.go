package xkd

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// recipeValues is what the released files of a variant say, key by key; a star stands for global and local alike.
func recipeValues(variant string) map[string]any {
	facts := map[string]any{
		"num_node": 2, "num_workers": 64, "apex": true, "apex_opt_level": "O1", "sync_bn": true, "name": "a run",
		"progress.print_freq": 100, "progress.log2tb": true, "progress.wandb": false, "progress.wandb_all": false,

		"dataset.name": "kinetics400", "dataset.fold": 1, "dataset.batch_size": 128,
		"dataset.clip_duration": 4.0, "dataset.audio_clip_duration": 4.0, "dataset.video_fps": 8.0, "dataset.audio_fps": 16000.0,
		"dataset.crop_size": 112, "dataset.hop_length": 143, "dataset.n_fft": 1024, "dataset.n_mels": 80, "dataset.audio_fps_out": 112,
		"dataset.return_video": true, "dataset.return_audio": true, "dataset.vid_transform": "global_local", "dataset.aud_transform": "global_local",
		"dataset.train.split": "train", "dataset.train.mode": "clip", "dataset.train.aug_mode": "train",
		"dataset.train.clips_per_video": 1, "dataset.train.use_shuffle": true, "dataset.train.drop_last": true,

		"model.fwd_kwargs.global_views_number": 1, "model.fwd_kwargs.align_mode": 1, "model.fwd_kwargs.cm_attn_mode": "mean",
		"model.fwd_kwargs.vid_mask_ratio": 0.85, "model.fwd_kwargs.aud_mask_ratio": 0.8, "model.fwd_kwargs.freeze_last_layer": 0,
		"model.fwd_kwargs.align_coeff": 1, "model.fwd_kwargs.cmkd_coeff": 1, "model.fwd_kwargs.recon_coeff": 5, "model.fwd_kwargs.clip_grad": 0.3,
		"model.kwargs.student_cfg": "base_encoder", "model.kwargs.teacher_cfg": "base_encoder", "model.kwargs.decoder_cfg": "base_decoder",
		"model.kwargs.projector_cfg": "2048-gelu-3-256-8192-norm3", "model.kwargs.apply_cls_token": true, "model.kwargs.center_momentum": []any{0.9, 0.9},
		"model.kwargs.frame_size": []any{3, 112, 112}, "model.kwargs.num_frames": 32, "model.kwargs.vid_patch_temporal": 4,
		"model.kwargs.vid_patch_spatial": []any{16, 16}, "model.kwargs.spec_size": []any{80, 448}, "model.kwargs.spec_patch_spatial": []any{4, 16},
		"model.kwargs.norm_pix_loss": true, "model.kwargs.masking_fn": "random_masking", "model.kwargs.align_loss": "mmd",

		"hyperparams.num_epochs": 800, "hyperparams.optimizer.name": "adamw", "hyperparams.optimizer.betas": []any{0.9, 0.95},
		"hyperparams.lr.name": "cosine", "hyperparams.lr.warmup_epochs": 30, "hyperparams.lr.warmup_lr": 0, "hyperparams.lr.base_lr": 0.0001, "hyperparams.lr.final_lr": 0.0,
		"hyperparams.weight_decay.name": "cosine", "hyperparams.weight_decay.warmup_epochs": 0, "hyperparams.weight_decay.warmup": 0,
		"hyperparams.weight_decay.base": 0.3, "hyperparams.weight_decay.final": 0.3,
	}
	locals := map[string]int{XKD: 1, MAS: 3, MATS: 3}[variant]
	for kind, n := range map[string]int{"vid": locals, "aud": 1} {
		p := "dataset.train." + kind + "_aug_kwargs."
		facts[p+"num_local_views"], facts[p+"temporal_ratio"] = n, 4
		p = "hyperparams." + kind + "_ema."
		facts[p+"name"], facts[p+"warmup_epochs"], facts[p+"warmup"], facts[p+"base"], facts[p+"final"] = "cosine", 0, 0, 0.997, 1
	}
	facts["dataset.train.vid_aug_kwargs.spatial_ratio"] = 1.16
	for _, view := range []string{"global", "local"} {
		v, a := "dataset.train.vid_aug_kwargs."+view+".", "dataset.train.aud_aug_kwargs."+view+"."
		facts[v+"p_flip"], facts[v+"color"] = 0.5, []any{0.4, 0.4, 0.4, 0.2}
		facts[v+"pad_missing"], facts[v+"normalize"], facts[v+"totensor"] = false, true, true
		facts[a+"wrap_window"], facts[a+"voljitter"], facts[a+"timewarp"], facts[a+"normalize"], facts[a+"trim_pad"] = 0, true, false, true, false
		facts[a+"randcrop"] = view == "local"
	}
	v, a := "dataset.train.vid_aug_kwargs.", "dataset.train.aud_aug_kwargs."
	facts[v+"global.crop_scale"], facts[v+"global.p_gray"], facts[v+"global.p_blur"], facts[a+"global.vol"] = []any{0.2, 1.0}, 0.0, 0.0, 0.1
	facts[v+"local.crop_scale"], facts[v+"local.p_gray"], facts[v+"local.p_blur"], facts[a+"local.vol"] = []any{0.08, 0.4}, 0.2, 0.5, 0.2
	facts[a+"local.virtual_crop_scale"], facts[a+"local.freq_scale"], facts[a+"local.time_scale"] = []any{1.0, 1.5}, []any{0.6, 1.5}, []any{0.6, 1.5}
	facts["model.name"] = map[string]string{XKD: "XKD", MAS: "XKD_MAS", MATS: "XKD_MATS"}[variant]
	temperatures := [2][2]float64{{0.1, 0.1}, {0.07, 0.07}}
	if variant == MAS {
		temperatures = [2][2]float64{{0.09, 0.11}, {0.04, 0.06}}
	}
	for i, kind := range []string{"video", "audio"} {
		p := "model." + kind + "_temp_kwargs."
		facts[p+"warmup_teacher_temp_epochs"], facts[p+"student_temp"] = 30, 0.1
		facts[p+"warmup_teacher_temp"], facts[p+"teacher_temp"] = temperatures[i][0], temperatures[i][1]
	}
	return facts
}

// releasedYAML nests values by their keys.
func releasedYAML(t testing.TB, values map[string]any) []byte {
	root := map[string]any{}
	for key, value := range values {
		at, names := root, strings.Split(key, ".")
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[names[len(names)-1]] = value
	}
	text, err := yaml.Marshal(root)
	require.NoError(t, err)
	return text
}

// readRecipe reads a variant's recipe with other values for some keys.
func readRecipe(t testing.TB, variant string, but map[string]any) (*ReleasedConfig, error) {
	values := recipeValues(variant)
	maps.Copy(values, but)
	return parseReleased("xkd.yaml", releasedYAML(t, values))
}

// The released recipes are the presets, but for the length and the batch, which presets have for laptops.
func TestReleasedRecipes(t *testing.T) {
	for _, variant := range Variants() {
		r, err := readRecipe(t, variant, nil)
		require.NoError(t, err)
		want, err := Default("base", variant)
		require.NoError(t, err)
		want.Schedule.Epochs, want.Train.Steps, want.Train.Batch, want.Train.Accumulate = 800, 0, 128, 2
		require.Empty(t, Diff(want, r.Config))

		// A file that names the variant alone has the defaults.
		short, err := parseReleased("xkd.yaml", []byte("model: {name: "+strings.ToUpper(variant)+"}"))
		require.NoError(t, err)
		want.Train.Batch, want.Train.Accumulate = 16, 1
		require.Empty(t, Diff(want, short.Config))
	}
}

// otherValues are other values for each key that decides a setting, with what must change beside them; the key's star stands in
// them too.
var otherValues = map[string]map[string]any{
	"num_node": nil, "dataset.batch_size": nil,
	"dataset.clip_duration":       {"dataset.clip_duration": 8, "dataset.audio_clip_duration": 8, "model.kwargs.num_frames": 64, "model.kwargs.spec_size": []any{80, 896}},
	"dataset.audio_clip_duration": {"dataset.clip_duration": 8, "dataset.audio_clip_duration": 8, "model.kwargs.num_frames": 64, "model.kwargs.spec_size": []any{80, 896}},
	"dataset.video_fps":           {"dataset.video_fps": 16, "model.kwargs.num_frames": 64},
	"dataset.crop_size":           {"dataset.crop_size": 224, "model.kwargs.frame_size": []any{3, 224, 224}, "dataset.train.vid_aug_kwargs.spatial_ratio": 2},
	"dataset.audio_fps":           {"dataset.audio_fps": 8000, "model.kwargs.spec_size": []any{80, 224}, "model.kwargs.spec_patch_spatial": []any{4, 8}},
	"dataset.hop_length":          {"dataset.hop_length": 286, "model.kwargs.spec_size": []any{80, 224}, "model.kwargs.spec_patch_spatial": []any{4, 8}},
	"dataset.n_mels":              {"dataset.n_mels": 64, "model.kwargs.spec_size": []any{64, 448}},
	"dataset.n_fft":               {"dataset.n_fft": 512},

	"dataset.train.vid_aug_kwargs.temporal_ratio":  {"dataset.train.vid_aug_kwargs.temporal_ratio": 2},
	"dataset.train.vid_aug_kwargs.spatial_ratio":   {"dataset.train.vid_aug_kwargs.spatial_ratio": 1.4},
	"dataset.train.vid_aug_kwargs.num_local_views": nil,
	"dataset.train.vid_aug_kwargs.*.color":         {"dataset.train.vid_aug_kwargs.*.color": []any{0, 0, 0, 0}},
	"dataset.train.vid_aug_kwargs.*.crop_scale":    {"dataset.train.vid_aug_kwargs.*.crop_scale": []any{0.3, 0.5}},
	"dataset.train.vid_aug_kwargs.*.p_flip":        nil,
	"dataset.train.vid_aug_kwargs.*.p_gray":        nil,
	"dataset.train.vid_aug_kwargs.*.p_blur":        nil,

	"dataset.train.aud_aug_kwargs.temporal_ratio":       {"dataset.train.aud_aug_kwargs.temporal_ratio": 2},
	"dataset.train.aud_aug_kwargs.num_local_views":      nil,
	"dataset.train.aud_aug_kwargs.*.vol":                nil,
	"dataset.train.aud_aug_kwargs.*.voljitter":          {"dataset.train.aud_aug_kwargs.*.voljitter": false},
	"dataset.train.aud_aug_kwargs.*.wrap_window":        {"dataset.train.aud_aug_kwargs.*.wrap_window": 5, "dataset.train.aud_aug_kwargs.*.timewarp": true},
	"dataset.train.aud_aug_kwargs.*.timewarp":           {"dataset.train.aud_aug_kwargs.*.wrap_window": 5, "dataset.train.aud_aug_kwargs.*.timewarp": true},
	"dataset.train.aud_aug_kwargs.local.randcrop":       {"dataset.train.aud_aug_kwargs.local.randcrop": false},
	"dataset.train.aud_aug_kwargs.*.randcrop":           cropped,
	"dataset.train.aud_aug_kwargs.*.virtual_crop_scale": cropped,
	"dataset.train.aud_aug_kwargs.*.freq_scale":         cropped,
	"dataset.train.aud_aug_kwargs.*.time_scale":         cropped,

	"hyperparams.num_epochs":       {"hyperparams.num_epochs": 400},
	"hyperparams.optimizer.betas":  {"hyperparams.optimizer.betas": []any{0.8, 0.99}},
	"hyperparams.lr.warmup_epochs": {"hyperparams.lr.warmup_epochs": 10}, "hyperparams.lr.warmup_lr": {"hyperparams.lr.warmup_lr": 1e-6},
	"hyperparams.lr.base_lr": {"hyperparams.lr.base_lr": 1e-3}, "hyperparams.lr.final_lr": {"hyperparams.lr.final_lr": 1e-6},
	"hyperparams.weight_decay.warmup_epochs": {"hyperparams.weight_decay.warmup_epochs": 10},
	"hyperparams.weight_decay.warmup":        {"hyperparams.weight_decay.warmup_epochs": 10, "hyperparams.weight_decay.warmup": 0.1},
	"hyperparams.weight_decay.base":          nil, "hyperparams.weight_decay.final": nil,
	"hyperparams.vid_ema.warmup_epochs": {"hyperparams.vid_ema.warmup_epochs": 10}, "hyperparams.vid_ema.warmup": nil,
	"hyperparams.vid_ema.base": nil, "hyperparams.vid_ema.final": {"hyperparams.vid_ema.final": 0.9},
	"hyperparams.aud_ema.warmup_epochs": {"hyperparams.aud_ema.warmup_epochs": 10}, "hyperparams.aud_ema.warmup": nil,
	"hyperparams.aud_ema.base": nil, "hyperparams.aud_ema.final": {"hyperparams.aud_ema.final": 0.9},

	"model.name":                      {"model.name": "XKD_MATS"},
	"model.kwargs.frame_size":         {"model.kwargs.frame_size": []any{3, 224, 224}, "dataset.crop_size": 224, "dataset.train.vid_aug_kwargs.spatial_ratio": 2},
	"model.kwargs.num_frames":         {"model.kwargs.num_frames": 64, "dataset.video_fps": 16},
	"model.kwargs.vid_patch_spatial":  {"model.kwargs.vid_patch_spatial": []any{8, 8}},
	"model.kwargs.vid_patch_temporal": {"model.kwargs.vid_patch_temporal": 2},
	"model.kwargs.spec_size":          {"model.kwargs.spec_size": []any{64, 448}, "dataset.n_mels": 64},
	"model.kwargs.spec_patch_spatial": {"model.kwargs.spec_patch_spatial": []any{8, 16}},
	"model.kwargs.apply_cls_token":    {"model.kwargs.apply_cls_token": false},
	"model.kwargs.teacher_cfg":        {"model.kwargs.teacher_cfg": "large_encoder", "model.kwargs.student_cfg": "large_encoder"},
	"model.kwargs.student_cfg":        {"model.kwargs.teacher_cfg": "small_encoder", "model.kwargs.student_cfg": "small_encoder"},
	"model.kwargs.decoder_cfg":        {"model.kwargs.decoder_cfg": "large_decoder"},
	"model.kwargs.projector_cfg":      {"model.kwargs.projector_cfg": "512-gelu-4-128-1024-norm3"},
	"model.kwargs.center_momentum":    {"model.kwargs.center_momentum": []any{0.8, 0.7}},

	"model.video_temp_kwargs.warmup_teacher_temp": nil, "model.video_temp_kwargs.teacher_temp": nil,
	"model.video_temp_kwargs.warmup_teacher_temp_epochs": {"model.video_temp_kwargs.warmup_teacher_temp_epochs": 10, "model.video_temp_kwargs.warmup_teacher_temp": 0.04},
	"model.audio_temp_kwargs.warmup_teacher_temp":        nil, "model.audio_temp_kwargs.teacher_temp": nil,
	"model.audio_temp_kwargs.warmup_teacher_temp_epochs": {"model.audio_temp_kwargs.warmup_teacher_temp_epochs": 10, "model.audio_temp_kwargs.warmup_teacher_temp": 0.04},
	"model.audio_temp_kwargs.student_temp":               nil,

	"model.fwd_kwargs.vid_mask_ratio": nil, "model.fwd_kwargs.aud_mask_ratio": nil,
	"model.fwd_kwargs.cm_attn_mode": {"model.fwd_kwargs.cm_attn_mode": "softmax"},
	"model.fwd_kwargs.align_coeff":  nil, "model.fwd_kwargs.cmkd_coeff": nil, "model.fwd_kwargs.recon_coeff": nil,
	"model.fwd_kwargs.clip_grad": {"model.fwd_kwargs.clip_grad": 0}, "model.fwd_kwargs.freeze_last_layer": nil,
}

// cropped turns the resized crop of a view's sound on, with scales of its own.
var cropped = map[string]any{
	"dataset.train.aud_aug_kwargs.*.randcrop": true, "dataset.train.aud_aug_kwargs.*.virtual_crop_scale": []any{1.2, 2},
	"dataset.train.aud_aug_kwargs.*.freq_scale": []any{0.7, 1.2}, "dataset.train.aud_aug_kwargs.*.time_scale": []any{0.7, 1.2},
}

// otherValue is a key's value and one more, or half of it where it is none or a share.
func otherValue(v any) any {
	if n, ok := v.(int); ok {
		return n + 1
	}
	if f := v.(float64); f > 0 {
		return f / 2
	}
	return 0.25
}

// Each key of the table does what the table says: another value changes settings that the row names, and no others; what must
// be as here is refused with another value; what has no effect changes nothing, whatever it is.
func TestReleasedKeysDoWhatTheTableSays(t *testing.T) {
	base, err := readRecipe(t, XKD, nil)
	require.NoError(t, err)
	read := map[string]bool{}
	for _, k := range base.Keys {
		read[k.Path] = true
	}
	for _, row := range releasedTable {
		for _, view := range []string{"global", "local"} {
			at := func(key string) string { return strings.ReplaceAll(key, "*", view) }
			key, row := at(row.key), row.at(at(row.key))
			starred := slices.ContainsFunc([]string{"virtual_crop_scale", "freq_scale", "time_scale"}, func(s string) bool { return strings.HasSuffix(key, s) })
			assert.True(t, read[key] || starred, "the released files have %s", key)
			changes := map[string]any{}
			for _, pattern := range []string{key, strings.ReplaceAll(key, view, "*")} {
				if values, ok := otherValues[pattern]; ok {
					for k, v := range values {
						changes[at(k)] = v
					}
					if values == nil {
						changes[key] = otherValue(recipeValues(XKD)[key])
					}
					break
				}
			}
			if row.settings == "" {
				require.Empty(t, changes, key)
				changes[key] = "something else"
			}
			require.NotEmpty(t, changes, "%s: another value for this test", key)
			changed, err := readRecipe(t, XKD, changes)
			if row.must != nil {
				require.ErrorContains(t, err, key+fmt.Sprintf(" is \"something else\": must be %v", row.must))
				continue
			}
			require.NoError(t, err, key)
			var named []string
			for _, k := range changed.Keys {
				if _, ok := changes[k.Path]; ok {
					named = append(named, k.Settings...)
				}
			}
			covers := func(settings []string, path string) bool {
				return slices.ContainsFunc(settings, func(s string) bool {
					return path == s || strings.HasPrefix(path, s+".") || strings.HasPrefix(s, path+".")
				})
			}
			own := 0
			for _, d := range Diff(base.Config, changed.Config) {
				// Warm-ups are shares of num_epochs.
				relative := key == "hyperparams.num_epochs" && slices.Contains([]string{"schedule.lr", "loss.teacher_temperature.video", "loss.teacher_temperature.audio"}, d.Path)
				assert.True(t, relative || covers(named, d.Path), "%s changes %s from %s to %s, and does not say so", key, d.Path, d.A.Text(), d.B.Text())
				if covers(strings.Fields(row.settings), d.Path) {
					own++
				}
			}
			assert.Equal(t, row.settings != "", own > 0, "%s: %d of %q change", key, own, row.settings)
		}
	}
}

// Every setting that the table names is one.
func TestReleasedTableNamesSettings(t *testing.T) {
	for _, row := range releasedTable {
		for _, view := range []string{"global", "local"} {
			for _, s := range strings.Fields(row.at(strings.ReplaceAll(row.key, "*", view)).settings) {
				_, err := field(reflect.ValueOf(Config{}), s)
				require.NoError(t, err, row.key)
			}
		}
		idle := row.settings == "" && row.must == nil
		require.Equal(t, idle, strings.HasPrefix(row.how, "there: ") || strings.HasPrefix(row.how, "here: "), "%s: why it has no effect, if so", row.key)
	}
}

// What does not fit is refused with the file's name, the line and the key.
func TestReleasedNamesMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"hyperparams:\n  lr:\n    base_lrr: 1", "xkd.yaml:3: hyperparams.lr.base_lrr is no key of the released code's configurations: did you mean hyperparams.lr.base_lr?"},
		{"optimizer: {lr: 1}", "xkd.yaml:1: optimizer is no key of the released code's configurations: there are apex"},
		{"name: a\nname: b", "xkd.yaml:2: name stands twice, first in line 1"},
		{"model: {name: XKD, name: XKD}", "model.name stands twice"},
		{"model: {name: VICReg}", `model.name is "VICReg": choose one of XKD, XKD_MAS, XKD_MATS`},
		{"model: {kwargs: {student_cfg: nano_encoder}}", `model.kwargs.student_cfg is "nano_encoder": choose one of base_encoder, large_encoder`},
		{"model: {kwargs: {student_cfg: [a]}}", "model.kwargs.student_cfg"},
		{"model: {kwargs: {teacher_cfg: large_encoder}}", "must be student_cfg"},
		{"model: {kwargs: {projector_cfg: none}}", "must be as 2048-gelu-3-256-8192-norm3"},
		{"model: {kwargs: {projector_cfg: 99999999999999999999-gelu-3-256-8192-norm3}}", "must be as 2048-gelu-3-256-8192-norm3"},
		{"model: {kwargs: {projector_cfg: 0-gelu-3-256-8192-norm3}}", "xkd.yaml:1: model.kwargs.projector_cfg (model.head.hidden) is 0: must be in 1..65536"},
		{"model: {kwargs: {frame_size: [3, 224, 224]}}", "model.kwargs.frame_size is [3 224 224]: must be [3 112 112]"},
		{"model: {kwargs: {spec_size: [80, 449]}}", "model.kwargs.spec_size is [80 449]: must be [80 448]"},
		{"model: 3", `xkd.yaml:1: model is "3": must be a section with keys of its own`},
		{"name: {a: 1}", "name is a section: must be a value"},
		{"name: &a x\nnum_workers: *a", "anchor or an alias"},
		{"<<: {name: a}", "<< is no key"},
		{"? [a, b]\n: c", "has a key that is no name"},
		{"dataset: {batch_size: many}", `dataset.batch_size is "many": must be a whole number`},
		{"dataset: {batch_size: 1.5}", `dataset.batch_size is "1.5": must be a whole number`},
		{"dataset: {batch_size: 0}", "xkd.yaml:1: dataset.batch_size (train.batch) is 0: must be in 1..65536"},
		{"dataset: {batch_size: }", "dataset.batch_size has no value"},
		{"dataset: {crop_size: 1e9}", "dataset.crop_size is 1e+09: must be in 1..4096"},
		{"dataset: {audio_clip_duration: 2.0}", "dataset.audio_clip_duration is 2 and clip_duration 4"},
		{"dataset: {hop_length: 0}", "dataset.hop_length is 0: must be in 1"},
		{"dataset: {return_audio: false}", `dataset.return_audio is "false": must be true`},
		{"dataset: {train: {vid_aug_kwargs: {temporal_ratio: 0}}}", "temporal_ratio is 0: must be in 1..4096"},
		{"dataset: {train: {vid_aug_kwargs: {spatial_ratio: .nan}}}", "must be a number that is finite"},
		{"dataset: {train: {vid_aug_kwargs: {spatial_ratio: -1}}}", "spatial_ratio is -1: must be in 1..4096"},
		{"dataset: {train: {vid_aug_kwargs: {local: {color: [1, 2]}}}}", "color is a list of 2: must be a list of 4"},
		{"dataset: {train: {vid_aug_kwargs: {middle: {color: [1, 1, 1, 1]}}}}", "vid_aug_kwargs.middle is no key"},
		{"hyperparams: {lr: {base_lr: .inf}}", "hyperparams.lr.base_lr is \".inf\": must be a number that is finite"},
		{"model: {kwargs: {num_frames: 16}}", "model.kwargs.num_frames (views.video.global.frames) is 16"},
		{"hyperparams: {lr: {base_lr: -1}}", "xkd.yaml:1: hyperparams.lr.base_lr (optimizer.lr) is -1: must be above 0"},
		{"hyperparams: {lr: {base_lr: 0, final_lr: 1}}", "hyperparams.lr.base_lr is 0, and the values before or after are not"},
		{"hyperparams: {lr: {warmup_epochs: 801}}", "hyperparams.lr.warmup_epochs is 801: must be in 0..800"},
		{"hyperparams: {lr: {name: linear}}", `hyperparams.lr.name is "linear": must be cosine`},
		{"hyperparams: {num_epochs: 0}", "hyperparams.num_epochs is 0: must be in 1"},
		{"hyperparams: {vid_ema: {base: 0.5, final: 2}}", "hyperparams.vid_ema.final (ema.video.final) is 2: must be in [0,1]"},
		{"hyperparams: {vid_ema: {base: 2}}", "hyperparams.vid_ema.base (ema.video.base) is 2: must be in [0,1]"},
		{"model: {fwd_kwargs: {freeze_last_layer: -1}}", "model.fwd_kwargs.freeze_last_layer (train.freeze_last_epochs) is -1"},
		{"", "xkd.yaml: has no key"},
		{"[1, 2]", "must be a section"},
		{"a: 1\n--- \nb: 2", "second document"},
		{strings.Repeat("[", 20000), "xkd.yaml"},
		{"a: " + strings.Repeat("{a: ", 5000), "xkd.yaml"},
	} {
		_, err := parseReleased("xkd.yaml", []byte(c.text))
		require.ErrorContains(t, err, c.want, c.text[:min(len(c.text), 100)])
		require.Less(t, len(err.Error()), 4000)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	require.NoError(t, os.WriteFile(big, []byte(strings.Repeat("# much\n", 1<<18)), 0o644))
	_, err := ReadReleased(big)
	require.ErrorContains(t, err, "is larger than")
}

// A released file is the lowest layer: a file and settings lie over it, and what it does not name stays.
func TestReleasedIsTheLowestLayer(t *testing.T) {
	r, err := readRecipe(t, MAS, nil)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	require.NoError(t, os.WriteFile(file, []byte("optimizer: {lr: 0.5}\ntrain: {batch: 8, steps: 100}\n"), 0o644))
	c, err := Layers{r, file, []string{"train.batch=4"}}.Config()
	require.NoError(t, err)
	want := r.Config
	want.Optimizer.LR, want.Train.Batch, want.Train.Steps = 0.5, 4, 100
	require.Empty(t, Diff(want, c))

	_, err = Layers{Released: r, Settings: []string{"preset=tiny"}}.Config()
	require.ErrorContains(t, err, "makes the preset base, and tiny is asked for")
	c, err = Layers{Released: r, Settings: []string{"variant=xkd"}}.Config()
	require.NoError(t, err)
	require.Equal(t, XKD, c.Variant)

	part, err := parseReleased("xkd.yaml", []byte("hyperparams: {lr: {base_lr: 0.25}}"))
	require.NoError(t, err)
	was := want
	was.Preset, was.Train.Seed = "base", 7
	c, err = Layers{Released: part}.Over(was)
	require.NoError(t, err)
	was.Optimizer.LR, was.Variant, was.Schedule.Epochs = 0.25, XKD, 800
	require.Empty(t, Diff(was, c), "its steps stay")
}

// releasedCosine is the released code's schedule of rates, decay and momenta: a value for every step.
func releasedCosine(base, final float64, epochs, perEpoch, warmUpEpochs int, start float64) []float64 {
	var out []float64
	warm := warmUpEpochs * perEpoch
	for i := range warm {
		if warm == 1 {
			out = append(out, start)
			continue
		}
		out = append(out, start+float64(i)*(base-start)/float64(warm-1))
	}
	rest := epochs*perEpoch - warm
	for i := range rest {
		out = append(out, final+0.5*(base-final)*(1+math.Cos(math.Pi*float64(i)/float64(rest))))
	}
	return out
}

// releasedTemperature is its schedule of a teacher's temperature: a value for every epoch.
func releasedTemperature(warm, base float64, warmEpochs, epochs int) []float64 {
	var out []float64
	for e := range epochs {
		switch {
		case e >= warmEpochs:
			out = append(out, base)
		case warmEpochs == 1:
			out = append(out, warm)
		default:
			out = append(out, warm+float64(e)*(base-warm)/float64(warmEpochs-1))
		}
	}
	return out
}

// Every value of every step is the released code's: those of the recipes, and of files with warm-ups everywhere.
func TestReleasedSchedules(t *testing.T) {
	for name, but := range map[string]map[string]any{
		XKD: nil, MAS: nil, MATS: nil,
		"warm": {
			"hyperparams.num_epochs": 37, "hyperparams.lr.warmup_epochs": 7, "hyperparams.lr.warmup_lr": 1e-6, "hyperparams.lr.final_lr": 2e-6,
			"hyperparams.weight_decay.warmup_epochs": 3, "hyperparams.weight_decay.warmup": 0.04, "hyperparams.weight_decay.final": 0.4,
			"hyperparams.vid_ema.warmup_epochs": 1, "hyperparams.vid_ema.warmup": 0.9, "hyperparams.aud_ema.warmup_epochs": 37, "hyperparams.aud_ema.warmup": 0.5,
			"model.video_temp_kwargs.warmup_teacher_temp": 0.04, "model.video_temp_kwargs.warmup_teacher_temp_epochs": 1,
			"model.audio_temp_kwargs.warmup_teacher_temp": 0.03, "model.audio_temp_kwargs.warmup_teacher_temp_epochs": 5,
			"model.fwd_kwargs.freeze_last_layer": 2,
		},
	} {
		variant := name
		if name == "warm" {
			variant = XKD
		}
		r, err := readRecipe(t, variant, but)
		require.NoError(t, err)
		values := recipeValues(variant)
		maps.Copy(values, but)
		number := func(key string) float64 {
			switch v := values[key].(type) {
			case int:
				return float64(v)
			default:
				return v.(float64)
			}
		}
		whole := func(key string) int { return int(number(key)) }
		for _, perEpoch := range []int{1, 3, 16} {
			clips := perEpoch*128*2 + 200 // what is left of an epoch is dropped
			c := r.Config.Planned(clips)
			epochs := whole("hyperparams.num_epochs")
			require.Equal(t, epochs*perEpoch, c.Train.Steps)
			cosine := func(section, start, base, final string) []float64 {
				return releasedCosine(number(section+base), number(section+final), epochs, perEpoch, whole(section+"warmup_epochs"), number(section+start))
			}
			lr := cosine("hyperparams.lr.", "warmup_lr", "base_lr", "final_lr")
			decay := cosine("hyperparams.weight_decay.", "warmup", "base", "final")
			ema := [2][]float64{cosine("hyperparams.vid_ema.", "warmup", "base", "final"), cosine("hyperparams.aud_ema.", "warmup", "base", "final")}
			var temperatures [2][]float64
			for i, section := range []string{"model.video_temp_kwargs.", "model.audio_temp_kwargs."} {
				temperatures[i] = releasedTemperature(number(section+"warmup_teacher_temp"), number(section+"teacher_temp"), whole(section+"warmup_teacher_temp_epochs"), epochs)
			}
			require.Len(t, lr, c.Train.Steps)
			for k := range c.Train.Steps {
				s := c.At(k)
				same := func(what string, want, have float64) {
					require.InDelta(t, want, have, 1e-15+1e-14*math.Abs(want), "%s: %s at step %d of %d, %d an epoch", name, what, k, c.Train.Steps, perEpoch)
				}
				same("learning rate", lr[k], s.LR)
				same("weight decay", decay[k], s.WeightDecay)
				for _, m := range []Modality{Video, Audio} {
					same("momentum of "+m.String(), ema[m][k], s.EMA[m])
					same("temperature of "+m.String(), temperatures[m][k/perEpoch], s.TeacherTemp[m])
				}
				frozen := k/perEpoch < whole("model.fwd_kwargs.freeze_last_layer")
				require.Equal(t, frozen, s.LastLayerStep == 0, "the heads' last layers at step %d", k)
			}
		}
	}
}

// Steps are counted in epochs where they are 0, and stay as they are where they are not.
func TestPlannedSteps(t *testing.T) {
	c, err := Default("nano", XKD)
	require.NoError(t, err)
	require.Equal(t, 800, c.Planned(5).Train.Steps)
	c.Train.Steps = 0
	require.ErrorContains(t, c.Validate(), "train.steps is 0")
	c.Schedule.Epochs, c.Train.Batch, c.Train.Accumulate = 10, 4, 3
	require.NoError(t, c.Validate())
	for clips, steps := range map[int]int{1: 10, 12: 10, 23: 20, 24: 20, 36: 30} {
		require.Equal(t, steps, c.Planned(clips).Train.Steps, "%d clips", clips)
	}
	c.Train.FreezeEpochs = 11
	require.ErrorContains(t, c.Validate(), "train.freeze_last_epochs is 11: must be in 0..10")
	c.Train.FreezeEpochs, c.Train.FreezeLastLayer = 1, 1
	require.ErrorContains(t, c.Validate(), "keep one")
}
