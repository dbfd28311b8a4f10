package xkd

import (
	"strings"

	"goxkd/media/views"
)

// releasedRow is one key of the released code's configuration files and what becomes of it: the settings that its value
// decides here, the only value that it may have, or neither, where it has no effect.
type releasedRow struct {
	key      string // a star stands for global and local
	settings string // of ours, apart by spaces; stars are the key's
	must     any    // the only value that there is here
	how      string // how the settings follow where they are not the value itself; "there: " or "here: " and why it has no effect
	// to is where the value goes, by view (0 global, 1 local); nil for the one setting itself.
	to func(f *releasedValues, view int) any
}

// The frames that follow from a clip's length and rates.
const (
	videoFrames = "views.video.global.frames views.video.local.frames"
	audioFrames = "views.audio.global.frames views.audio.local.frames"
)

// releasedTable declares every key of the released files. All else is refused.
var releasedTable = []releasedRow{
	{key: "name", how: "there: printed, and no more"},
	{key: "num_workers", how: "here: xkd train --workers"},
	{key: "num_node", settings: "train.accumulate", how: "nodes become micro-batches: each has a loss of its own, and gradients are averaged"},
	{key: "apex", how: "here: float32 throughout"},
	{key: "apex_opt_level", how: "there: never read"},
	{key: "sync_bn", how: "there: no network has batch normalisation"},
	{key: "progress.print_freq", how: "here: metrics.jsonl has every step"},
	{key: "progress.log2tb", how: "here: xkd train --tensorboard"},
	{key: "progress.wandb", how: "here: xkd train --watch"},
	{key: "progress.wandb_all", how: "here: xkd train --watch"},

	{key: "dataset.name", how: "here: data.path names the clips"},
	{key: "dataset.fold", how: "there: never read"},
	{key: "dataset.batch_size", settings: "train.batch", how: "clips of one node, which there are shared among its GPUs"},
	{key: "dataset.clip_duration", settings: "views.seconds " + videoFrames + " " + audioFrames, how: "frames follow from it",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Seconds }},
	{key: "dataset.video_fps", settings: "views.video.fps " + videoFrames, how: "frames follow from it",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Video.FPS }},
	{key: "dataset.crop_size", how: "the kernel is 2·⌊size/20⌋ + 1; local views follow by spatial_ratio",
		settings: "views.video.global.size views.video.global.augment.blur_kernel views.video.local.size views.video.local.augment.blur_kernel",

		to: func(f *releasedValues, _ int) any { return &f.crop }},
	{key: "dataset.return_video", must: true},
	{key: "dataset.return_audio", must: true},
	{key: "dataset.audio_clip_duration", settings: "views.seconds", how: "must be clip_duration: video and sound are of one span",
		to: func(f *releasedValues, _ int) any { return &f.audioSeconds }},
	{key: "dataset.audio_fps", settings: "views.audio.rate " + audioFrames, how: "frames follow from it",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Audio.Rate }},
	{key: "dataset.hop_length", settings: "views.audio.hop " + audioFrames, how: "frames are 1 + ⌊samples/hop⌋",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Audio.Hop }},
	{key: "dataset.audio_fps_out", how: "there: read where whole files are tested alone"},
	{key: "dataset.n_mels", settings: "views.audio.mels"},
	{key: "dataset.n_fft", settings: "views.audio.n_fft"},
	{key: "dataset.vid_transform", must: "global_local"},
	{key: "dataset.aud_transform", must: "global_local"},
	{key: "dataset.train.split", how: "here: data.path, or data.split where a list names splits"},
	{key: "dataset.train.mode", must: "clip"},
	{key: "dataset.train.clips_per_video", must: 1},
	{key: "dataset.train.aug_mode", must: "train"},
	{key: "dataset.train.use_shuffle", must: true},
	{key: "dataset.train.drop_last", must: true, how: "the steps of an epoch are rounded down; what is left begins the next epoch here"},

	{key: "dataset.train.vid_aug_kwargs.temporal_ratio", settings: "views.video.local.frames", how: "the global view's frames over it, rounded down",
		to: func(f *releasedValues, _ int) any { return &f.videoTemporal }},
	{key: "dataset.train.vid_aug_kwargs.spatial_ratio", settings: "views.video.local.size views.video.local.augment.blur_kernel", how: "crop_size over it, rounded down; and the kernel as for crop_size",
		to: func(f *releasedValues, _ int) any { return &f.spatial }},
	{key: "dataset.train.vid_aug_kwargs.num_local_views", settings: "views.video.locals"},
	{key: "dataset.train.vid_aug_kwargs.*.color", how: "in this order; four zeros are no jitter",
		settings: "views.video.*.augment.brightness views.video.*.augment.contrast views.video.*.augment.saturation views.video.*.augment.hue views.video.*.augment.jitter",
		to:       func(f *releasedValues, view int) any { return &f.colour[view] }},
	{key: "dataset.train.vid_aug_kwargs.*.crop_scale", settings: "views.video.*.augment.scale"},
	{key: "dataset.train.vid_aug_kwargs.*.p_flip", settings: "views.video.*.augment.flip"},
	{key: "dataset.train.vid_aug_kwargs.*.p_gray", settings: "views.video.*.augment.grey"},
	{key: "dataset.train.vid_aug_kwargs.*.p_blur", settings: "views.video.*.augment.blur"},
	{key: "dataset.train.vid_aug_kwargs.*.pad_missing", how: "there: no frame is missing by then"},
	{key: "dataset.train.vid_aug_kwargs.*.normalize", must: true},
	{key: "dataset.train.vid_aug_kwargs.*.totensor", must: true},

	{key: "dataset.train.aud_aug_kwargs.temporal_ratio", settings: "views.audio.local.frames", how: "frames of the waveform's length over it",
		to: func(f *releasedValues, _ int) any { return &f.audioTemporal }},
	{key: "dataset.train.aud_aug_kwargs.num_local_views", settings: "views.audio.locals"},
	{key: "dataset.train.aud_aug_kwargs.*.vol", settings: "views.audio.*.augment.gain", how: "0 without voljitter",
		to: func(f *releasedValues, view int) any { return &f.audio[view].gain }},
	{key: "dataset.train.aud_aug_kwargs.*.voljitter", settings: "views.audio.*.augment.gain", how: "whether vol counts",
		to: func(f *releasedValues, view int) any { return &f.audio[view].jitter }},
	{key: "dataset.train.aud_aug_kwargs.*.wrap_window", settings: "views.audio.*.augment.time_warp", how: "0 without timewarp",
		to: func(f *releasedValues, view int) any { return &f.audio[view].window }},
	{key: "dataset.train.aud_aug_kwargs.*.timewarp", settings: "views.audio.*.augment.time_warp", how: "whether wrap_window counts",
		to: func(f *releasedValues, view int) any { return &f.audio[view].warp }},
	{key: "dataset.train.aud_aug_kwargs.*.randcrop", settings: "views.audio.*.augment.resize_crop"},
	{key: "dataset.train.aud_aug_kwargs.*.virtual_crop_scale", settings: "views.audio.*.augment.canvas_freq views.audio.*.augment.canvas_time",
		how: "in this order", to: func(f *releasedValues, view int) any { return &f.audio[view].canvas }},
	{key: "dataset.train.aud_aug_kwargs.*.freq_scale", settings: "views.audio.*.augment.freq_scale"},
	{key: "dataset.train.aud_aug_kwargs.*.time_scale", settings: "views.audio.*.augment.time_scale"},
	{key: "dataset.train.aud_aug_kwargs.*.normalize", must: true},
	{key: "dataset.train.aud_aug_kwargs.*.trim_pad", how: "there: never read"},

	{key: "hyperparams.num_epochs", settings: "schedule.epochs train.steps", how: "train.steps is 0: so many passes over the clips",
		to: func(f *releasedValues, _ int) any { return &f.config.Schedule.Epochs }},
	{key: "hyperparams.optimizer.name", must: "adamw"},
	{key: "hyperparams.optimizer.betas", settings: "optimizer.betas"},
	{key: "hyperparams.lr.name", must: "cosine"},
	{key: "hyperparams.lr.warmup_epochs", settings: "schedule.lr.warm_up", how: "as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.lr.warm }},
	{key: "hyperparams.lr.warmup_lr", settings: "schedule.lr.start", how: "in multiples of base_lr",
		to: func(f *releasedValues, _ int) any { return &f.lr.Start }},
	{key: "hyperparams.lr.base_lr", settings: "optimizer.lr schedule.lr", how: "the course is in multiples of it",
		to: func(f *releasedValues, _ int) any { return &f.lr.Base }},
	{key: "hyperparams.lr.final_lr", settings: "schedule.lr.final", how: "in multiples of base_lr",
		to: func(f *releasedValues, _ int) any { return &f.lr.Final }},
	{key: "hyperparams.weight_decay.name", must: "cosine"},
	{key: "hyperparams.weight_decay.warmup_epochs", settings: "schedule.weight_decay.warm_up", how: "as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.decay.warm }},
	{key: "hyperparams.weight_decay.warmup", settings: "schedule.weight_decay.start", how: "in multiples of base",
		to: func(f *releasedValues, _ int) any { return &f.decay.Start }},
	{key: "hyperparams.weight_decay.base", settings: "optimizer.weight_decay schedule.weight_decay", how: "the course is in multiples of it",
		to: func(f *releasedValues, _ int) any { return &f.decay.Base }},
	{key: "hyperparams.weight_decay.final", settings: "schedule.weight_decay.final", how: "in multiples of base",
		to: func(f *releasedValues, _ int) any { return &f.decay.Final }},
	{key: "hyperparams.vid_ema.name", must: "cosine"},
	{key: "hyperparams.vid_ema.warmup_epochs", settings: "ema.video.warm_up", how: "as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.ema[Video].warm }},
	{key: "hyperparams.vid_ema.warmup", settings: "ema.video.start", to: func(f *releasedValues, _ int) any { return &f.ema[Video].Start }},
	{key: "hyperparams.vid_ema.base", settings: "ema.video.base", to: func(f *releasedValues, _ int) any { return &f.ema[Video].Base }},
	{key: "hyperparams.vid_ema.final", settings: "ema.video.final", to: func(f *releasedValues, _ int) any { return &f.ema[Video].Final }},
	{key: "hyperparams.aud_ema.name", must: "cosine"},
	{key: "hyperparams.aud_ema.warmup_epochs", settings: "ema.audio.warm_up", how: "as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.ema[Audio].warm }},
	{key: "hyperparams.aud_ema.warmup", settings: "ema.audio.start", to: func(f *releasedValues, _ int) any { return &f.ema[Audio].Start }},
	{key: "hyperparams.aud_ema.base", settings: "ema.audio.base", to: func(f *releasedValues, _ int) any { return &f.ema[Audio].Base }},
	{key: "hyperparams.aud_ema.final", settings: "ema.audio.final", to: func(f *releasedValues, _ int) any { return &f.ema[Audio].Final }},

	{key: "model.name", settings: "variant", how: "XKD, XKD_MAS or XKD_MATS", to: func(f *releasedValues, _ int) any { return &f.name }},
	{key: "model.kwargs.frame_size", settings: "views.video.global.size", how: "must be [3, crop_size, crop_size]",
		to: func(f *releasedValues, _ int) any { return &f.frame }},
	{key: "model.kwargs.num_frames", settings: videoFrames, how: "must be clip_duration times video_fps; local views follow by temporal_ratio",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Video.Global.Frames }},
	{key: "model.kwargs.vid_patch_spatial", settings: "views.video.patch", how: "height and width",
		to: func(f *releasedValues, _ int) any { return &f.patch }},
	{key: "model.kwargs.vid_patch_temporal", settings: "views.video.patch", how: "time",
		to: func(f *releasedValues, _ int) any { return &f.config.Views.Video.Patch[0] }},
	{key: "model.kwargs.spec_size", settings: "views.audio.mels views.audio.global.frames", how: "must be [n_mels, frames of hop_length]",
		to: func(f *releasedValues, _ int) any { return &f.spectrogram }},
	{key: "model.kwargs.spec_patch_spatial", settings: "views.audio.patch"},
	{key: "model.kwargs.apply_cls_token", settings: "model.cls"},
	{key: "model.kwargs.teacher_cfg", settings: "model.encoder", how: "must be student_cfg", to: func(f *releasedValues, _ int) any { return &f.teacher }},
	{key: "model.kwargs.student_cfg", settings: "preset model.encoder", how: "base_encoder, large_encoder and so on",
		to: func(f *releasedValues, _ int) any { return &f.student }},
	{key: "model.kwargs.decoder_cfg", settings: "model.decoder", how: "base_decoder, large_decoder and so on",
		to: func(f *releasedValues, _ int) any { return &f.decoder }},
	{key: "model.kwargs.projector_cfg", settings: "model.head", how: "hidden-gelu-layers-bottleneck-out-norm3, such as 2048-gelu-3-256-8192-norm3",
		to: func(f *releasedValues, _ int) any { return &f.projector }},
	{key: "model.kwargs.center_momentum", settings: "loss.centre_momentum", how: "video, audio", to: func(f *releasedValues, _ int) any { return &f.centre }},
	{key: "model.kwargs.norm_pix_loss", must: true},
	{key: "model.kwargs.masking_fn", must: "random_masking"},
	{key: "model.kwargs.align_loss", must: "mmd"},
	{key: "model.video_temp_kwargs.warmup_teacher_temp", settings: "loss.teacher_temperature.video", how: "start",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Video].Start }},
	{key: "model.video_temp_kwargs.warmup_teacher_temp_epochs", settings: "loss.teacher_temperature.video", how: "warm_up, as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Video].warm }},
	{key: "model.video_temp_kwargs.teacher_temp", settings: "loss.teacher_temperature.video", how: "base and final",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Video].Base }},
	{key: "model.video_temp_kwargs.student_temp", how: "there: both students get the temperature of audio_temp_kwargs"},
	{key: "model.audio_temp_kwargs.warmup_teacher_temp", settings: "loss.teacher_temperature.audio", how: "start",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Audio].Start }},
	{key: "model.audio_temp_kwargs.warmup_teacher_temp_epochs", settings: "loss.teacher_temperature.audio", how: "warm_up, as a share of num_epochs",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Audio].warm }},
	{key: "model.audio_temp_kwargs.teacher_temp", settings: "loss.teacher_temperature.audio", how: "base and final",
		to: func(f *releasedValues, _ int) any { return &f.temperature[Audio].Base }},
	{key: "model.audio_temp_kwargs.student_temp", settings: "loss.student_temperature"},
	{key: "model.fwd_kwargs.global_views_number", must: 1},
	{key: "model.fwd_kwargs.vid_mask_ratio", settings: "views.video.mask"},
	{key: "model.fwd_kwargs.aud_mask_ratio", settings: "views.audio.mask"},
	{key: "model.fwd_kwargs.cm_attn_mode", settings: "model.refine"},
	{key: "model.fwd_kwargs.align_mode", how: "there: handed on and never read"},
	{key: "model.fwd_kwargs.align_coeff", settings: "loss.align"},
	{key: "model.fwd_kwargs.cmkd_coeff", settings: "loss.kd"},
	{key: "model.fwd_kwargs.recon_coeff", settings: "loss.recon"},
	{key: "model.fwd_kwargs.clip_grad", settings: "optimizer.grad_clip", how: "0, for none, becomes the greatest number",
		to: func(f *releasedValues, _ int) any { return &f.clip }},
	{key: "model.fwd_kwargs.freeze_last_layer", settings: "train.freeze_last_epochs"},
}

// at is the row for a key: the star is replaced by what the key has in its place.
func (r releasedRow) at(key string) releasedRow {
	for i, name := range strings.Split(r.key, ".") {
		if name == "*" {
			r.settings = strings.ReplaceAll(r.settings, "*", strings.Split(key, ".")[i])
		}
	}
	r.key = key
	return r
}

// releasedValues is what a released file says, between its text and the configuration that follows.
type releasedValues struct {
	config       Config // what is copied as it is
	audioSeconds float64

	crop, videoTemporal, audioTemporal int
	spatial                            float64
	frame                              [3]int
	patch, spectrogram                 [2]int
	colour                             [2][4]float64 // by view
	audio                              [2]releasedAudio

	lr, decay        releasedRamp
	ema, temperature [2]releasedRamp

	name, teacher, student, decoder, projector string
	centre                                     [2]float64
	clip                                       float64
}

// releasedAudio are the changes of one view's sound, with the released code's own defaults where a file has none.
type releasedAudio struct {
	gain         float64
	window       int
	jitter, warp bool
	canvas       [2]float64 // height, width
}

// releasedRamp is a ramp whose warm-up, where a file gives it, is counted in epochs.
type releasedRamp struct {
	Ramp
	warm int // epochs
}

// newReleasedValues is what holds where a file says nothing: a preset's configuration.
func newReleasedValues(c Config) *releasedValues {
	f := &releasedValues{config: c, audioSeconds: c.Views.Seconds, crop: c.Views.Video.Global.Size[0], clip: c.Optimizer.GradClip}
	v, a := c.Views.Video, c.Views.Audio
	f.videoTemporal, f.audioTemporal = v.Global.Frames/v.Local.Frames, a.Global.Frames/a.Local.Frames
	f.spatial = 1.16 // the recipe's: 112 becomes 96
	f.patch = [2]int{v.Patch[1], v.Patch[2]}
	for i, w := range []views.VideoAug{v.Global.Augment, v.Local.Augment} {
		f.colour[i] = [4]float64{w.Brightness, w.Contrast, w.Saturation, w.Hue}
	}
	for i, w := range []views.AudioAug{a.Global.Augment, a.Local.Augment} {
		f.audio[i] = releasedAudio{gain: w.Gain, window: 50, jitter: true, canvas: [2]float64{1, 1.5}}
	}
	f.config.Schedule.Epochs, f.config.Train.Steps = releasedEpochs, 0
	f.lr.Ramp, f.decay.Ramp = c.Schedule.LR.of(c.Optimizer.LR), c.Schedule.WeightDecay.of(c.Optimizer.WeightDecay)
	for _, m := range []Modality{Video, Audio} {
		f.ema[m].Ramp, f.temperature[m].Ramp = c.EMA.Of(m), c.Loss.TeacherTemperature.Of(m)
	}
	f.centre = [2]float64{c.Loss.CentreMomentum.Video, c.Loss.CentreMomentum.Audio}
	return f
}

// releasedEpochs is the length of the recipe, for a file that gives none.
const releasedEpochs = 800
