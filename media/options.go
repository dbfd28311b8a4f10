package media

import (
	"runtime"
	"time"
)

// FolderOptions say what is wanted of a folder or a list of clips. Zero fields take the defaults named; with
// neither NeedVideo nor NeedAudio both are needed, as for training.
type FolderOptions struct {
	NeedVideo bool // clips must have video; with NeedVideo alone, sound is not decoded
	NeedAudio bool // clips must have audio; with NeedAudio alone, frames are not decoded

	LabelColumn string // column of labels.csv (default its first), or of a manifest (default label)
	Split       string // keep only clips of this split (default all)
	Fold        int    // split of UCF101 and HMDB51, test fold of ESC-50 (default 1)
	Root        string // folder that the paths of a list are below (default the list's own, or near it)

	FPS  int // frames per second (default 8)
	Size int // shorter side of the frames in pixels (default 112)
	Rate int // Hz (default 16000)

	Workers      int           // files looked at side by side (default GOMAXPROCS)
	MaxDuration  float64       // seconds; longer files are refused (default: no limit)
	Check        bool          // decode the beginning of each file too, so that damage shows at once
	Timeout      time.Duration // for each child process (default 60 s); a clip that takes longer counts as failed
	WholeSeconds float64       // files up to this length are decoded whole, longer ones by seeking (default 10)
	Index        string        // file that keeps what is known of the clips' files (default IndexFile in the folder, or in the user's cache)
	// Progress is called as files have been looked at, never twice at once, and last when all have or the work has ended.
	Progress   func(done, total int)
	CacheBytes int64 // memory for clips decoded whole (default 256 MiB; negative for none)
}

func (o FolderOptions) WithDefaults() FolderOptions {
	if !o.NeedVideo && !o.NeedAudio {
		o.NeedVideo, o.NeedAudio = true, true
	}
	defaults := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defaults(&o.FPS, 8)
	defaults(&o.Size, 112)
	defaults(&o.Rate, 16000)
	defaults(&o.Fold, 1)
	defaults(&o.Workers, runtime.GOMAXPROCS(0))
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.WholeSeconds == 0 {
		o.WholeSeconds = 10
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 256 << 20
	}
	return o
}
