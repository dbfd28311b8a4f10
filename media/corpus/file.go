package corpus

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
)

// OpenFile opens one media file as a Source of one clip. With neither NeedVideo nor NeedAudio it takes
// what the file has of both. The error names the file and what to do.
func OpenFile(ctx context.Context, path string, opt media.FolderOptions) (*Folder, error) {
	whatever := !opt.NeedVideo && !opt.NeedAudio
	opt = opt.WithDefaults()
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch info, err := os.Stat(abs); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w: name an existing media file", path, files.Cause(err))
	case info.IsDir():
		return nil, fmt.Errorf("%s: this is a folder: name one media file of it", path)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file: name a media file", path)
	case info.Size() == 0:
		return nil, fmt.Errorf("%s: the file is empty: name a media file", path)
	}
	clip := listed{name: filepath.Base(abs), in: ffmpeg.Place{Path: abs}}
	f := newFolder(&listing{what: path, root: filepath.Dir(abs), clips: []listed{clip}}, opt)
	err = f.examine(ctx, &f.files[0])
	if err != nil && whatever && ctx.Err() == nil {
		// The answer is remembered, so these are no further questions to the file.
		for _, need := range [][2]bool{{true, false}, {false, true}} {
			f.opt.NeedVideo, f.opt.NeedAudio = need[0], need[1]
			if f.examine(ctx, &f.files[0]) == nil {
				return f, nil
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: name a file with video or sound", path, err)
	}
	return f, nil
}
