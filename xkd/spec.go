package xkd

import (
	"goxkd/media/synthetic"
	"goxkd/media/views"
)

// Spec gives the loader's description of the views. The loader cuts squares: of a view that is oblong, the height counts, and
// Validate refuses it.
func (c Config) Spec() views.Spec {
	v, a := c.Views.Video, c.Views.Audio
	return views.Spec{
		Seconds: c.Views.Seconds, FPS: v.FPS,
		Frames: v.Global.Frames, Size: v.Global.Size[0], LocalFrames: v.Local.Frames, LocalSize: v.Local.Size[0],
		VideoLocals: v.Locals, AudioLocals: a.Locals,
		Rate: a.Rate, NFFT: a.NFFT, Hop: a.Hop, Mels: a.Mels, SpecFrames: a.Global.Frames, LocalSpecFrames: a.Local.Frames,
		LogMean: a.LogMean, LogStd: a.LogStd,
		Video: v.Global.Augment, VideoLocal: v.Local.Augment, Audio: a.Global.Augment, AudioLocal: a.Local.Augment,
	}
}

// viewsOf is the reverse of Config.Spec; patches and masks, which the loader does not know, stay empty.
func viewsOf(s views.Spec) Views {
	return Views{
		Seconds: s.Seconds,
		Video: VideoViews{
			FPS: s.FPS, Locals: s.VideoLocals,
			Global: VideoView{Frames: s.Frames, Size: [2]int{s.Size, s.Size}, Augment: s.Video},
			Local:  VideoView{Frames: s.LocalFrames, Size: [2]int{s.LocalSize, s.LocalSize}, Augment: s.VideoLocal},
		},
		Audio: AudioViews{
			Rate: s.Rate, NFFT: s.NFFT, Hop: s.Hop, Mels: s.Mels, LogMean: s.LogMean, LogStd: s.LogStd, Locals: s.AudioLocals,
			Global: AudioView{Frames: s.SpecFrames, Augment: s.Audio},
			Local:  AudioView{Frames: s.LocalSpecFrames, Augment: s.AudioLocal},
		},
	}
}

// Generated describes generated clips that are long and large enough for the views.
func (c Config) Generated() synthetic.Config {
	s, d := c.Spec(), c.Data.Synthetic
	own := func(difficulty float64) *float64 {
		if difficulty == SameDifficulty {
			return nil
		}
		return &difficulty
	}
	return synthetic.Config{
		Clutter: own(d.Clutter), Sound: own(d.Sound), Clips: d.Clips, Classes: d.Classes, Difficulty: d.Difficulty, Seed: d.Seed,
		Seconds: max(3, s.Seconds+1), FPS: s.FPS, Size: max(64, s.Size), Rate: s.Rate,
	}
}
