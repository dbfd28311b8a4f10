package xkd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"goxkd/graph"
	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/views"
)

// EmbedOptions say what Embed writes; the zero value is the student's pooled features of the span in each clip's middle.
type EmbedOptions struct {
	Role       Role
	Modalities []Modality // none means those that the clips and the weights have
	Tokens     bool       // every token after the final LayerNorm, the class token first, instead of the mean over patch tokens
	Spans      int        // of a clip, evenly spaced; 0 means one, in the middle
	Batch      int        // clips at a time on the device; 0 means 16
	// Progress is called as clips are read.
	Progress func(done, of int)
}

// Embedding is what Embed has written.
type Embedding struct {
	Path    string           `json:"path"`
	Beside  string           `json:"beside,omitempty"` // a table of the rows, where the format has no room for it
	Clips   int              `json:"clips"`            // whose features were written
	Arrays  map[string][]int `json:"arrays"`           // shapes
	Resumed int              `json:"resumed"`          // clips that an earlier call had read
	Lost    []media.BadFile  `json:"lost,omitempty"`
}

// Embed writes features of every clip of a source, in its order, by the encoders of one checkpoint, with the clips' names and the
// times of their spans. The format is that of the path's ending: .npy (of one modality, with a .csv beside it), .npz or
// .safetensors; docs/features.md has the arrays. Clips that cannot be read are left out and named. In little memory: rows go to
// a file beside it, PATH.part, from which a later call with the same arguments goes on. Errors are ErrOutputExists, ErrLocked,
// ErrContradiction for a part of something else, and the context's.
func Embed(ctx context.Context, dev graph.Device, src media.Source, l *Loaded, path string, opt EmbedOptions) (*Embedding, error) {
	format, err := embedFormat(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrOutputExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	opt.Spans, opt.Batch = max(opt.Spans, 1), max(opt.Batch, 0)
	if opt.Batch == 0 {
		opt.Batch = 16
	}
	video, audio := media.Modalities(src)
	if len(opt.Modalities) == 0 {
		for m, has := range []bool{video, audio} {
			if has && l.Has(Modality(m), opt.Role) {
				opt.Modalities = append(opt.Modalities, Modality(m))
			}
		}
	}
	if len(opt.Modalities) == 0 {
		return nil, fmt.Errorf("%s: %w for these clips: it holds that of %s", l.Path, ErrNoEncoder, strings.Join(l.Encoders(), ", "))
	}
	for _, m := range opt.Modalities {
		if m == Video && !video || m == Audio && !audio {
			return nil, media.LackError{Video: m == Video, Audio: m == Audio}
		}
	}
	if format.one && len(opt.Modalities) > 1 {
		return nil, fmt.Errorf("%s holds one array: choose video or audio, or write .npz or .safetensors", path)
	}
	w := &embedWork{source: src, config: l.Config, opt: opt}
	for _, m := range opt.Modalities {
		en, err := newEncoder(l.Config, m, dev, EncoderOptions{Role: opt.Role, Batch: opt.Batch, Tokens: opt.Tokens}, l)
		if err != nil {
			return nil, err
		}
		defer en.Close()
		if err := en.load(l); err != nil {
			return nil, err
		}
		w.encoders = append(w.encoders, en)
	}
	unlock, err := files.Lock(path + ".lock")
	if errors.Is(err, files.ErrLocked) {
		return nil, fmt.Errorf("%s: %w: %w", path, ErrLocked, err)
	}
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := w.open(path+".part", l); err != nil {
		return nil, err
	}
	defer w.file.Close()
	out := &Embedding{Path: path, Resumed: w.done}
	if err := w.read(ctx); err != nil {
		return nil, err
	}
	if err := format.write(path, w, l, out); err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	w.file.Close()
	return out, os.Remove(path + ".part")
}

// read computes the features of the clips that are not yet in the file.
func (w *embedWork) read(ctx context.Context) error {
	chunk, n := chunk(w.config), w.source.Len()
	if w.opt.Tokens {
		chunk = min(chunk, w.opt.Batch)
	}
	for w.done < n {
		clips := make([]int, min(chunk, n-w.done))
		for i := range clips {
			clips[i] = w.done + i
		}
		records := make([]embedRecord, len(clips))
		for span := range w.opt.Spans {
			batch, failed, err := views.Centre(ctx, w.source, w.config.Spec(), clips, views.CentreOptions{Segment: span, Segments: w.opt.Spans})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil && len(failed) < len(clips) {
				return err
			}
			at := 0
			for _, clip := range clips { // the failed are in the order of the clips
				if batch != nil && at < len(batch.Indices) && batch.Indices[at] == clip {
					at++
				} else if bad := failed[0]; bad.Err != nil && errors.Is(bad.Err, media.ErrTool) {
					return bad.Err // every other clip would fail alike
				} else {
					records[clip-w.done].reason, failed = bad.Reason, failed[1:]
				}
			}
			if batch == nil {
				break
			}
			clips = batch.Indices
			for m, en := range w.encoders {
				rows, err := en.encode(ctx, batch)
				if err != nil {
					return err
				}
				size := len(rows) / len(clips)
				for i, clip := range clips {
					r := &records[clip-w.done]
					if r.rows == nil {
						r.rows = make([][]float32, len(w.encoders))
					}
					r.rows[m] = append(r.rows[m], rows[i*size:(i+1)*size]...)
				}
			}
		}
		if err := w.add(records); err != nil {
			return err
		}
		if w.opt.Progress != nil {
			w.opt.Progress(w.done, n)
		}
	}
	return nil
}
