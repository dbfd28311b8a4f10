package xkd

import (
	"context"
	"errors"
	"fmt"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// Encoder gives features of clips by one trained network of one modality. Its methods are for one goroutine.
type Encoder struct {
	Config   Config // of the run that trained it
	Modality Modality
	features *Features
	exec     graph.Executor
	row      *graph.Node // what it gives of a clip: pooled features [B,D] or tokens [B,N,D]
}

// EncoderOptions choose a network; the zero value is the student.
type EncoderOptions struct {
	Role  Role // student or teacher
	Batch int  // clips at a time; 0 means 16
	// Settings change what released weights leave open, such as model.encoder.heads=6.
	Settings []string
	// Tokens has it give every token [N,D] of a clip after the final LayerNorm, the class token first where there is one,
	// instead of the mean [D] over patch tokens.
	Tokens bool
	heads  bool // the projection head is computed too
}

// OpenEncoder loads the encoder of a modality from a checkpoint and allocates it on a device. Errors are ErrNoCheckpoint,
// ErrDamaged, ErrNotFinite, and graph.ErrTooLarge for what does not fit.
func OpenEncoder(path string, m Modality, dev graph.Device, opt EncoderOptions) (*Encoder, error) {
	l, err := LoadCheckpoint(path, opt.Settings...)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if opt.Batch <= 0 {
		opt.Batch = 16
	}
	e, err := newEncoder(l.Config, m, dev, opt, l)
	if err != nil {
		return nil, err
	}
	if err := e.load(l); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// newEncoder allocates an encoder without weights, for checkpoints that must have them: what a configuration merely claims is
// not allocated.
func newEncoder(c Config, m Modality, dev graph.Device, opt EncoderOptions, checkpoints ...*Loaded) (*Encoder, error) {
	for _, l := range checkpoints {
		if err := l.lacks(m, opt.Role); err != nil {
			return nil, err
		}
	}
	f, err := BuildFeatures(c, m, opt.Role, opt.Batch, FeatureOptions{Tokens: opt.Tokens, Head: opt.heads})
	if err != nil {
		return nil, err
	}
	for _, l := range checkpoints {
		for _, q := range f.Params {
			if err := l.fits(q.Node); err != nil {
				return nil, err
			}
		}
	}
	e := &Encoder{Config: c, Modality: m, features: f, row: f.Pooled}
	if opt.Tokens {
		e.row = f.Tokens
	}
	if e.exec, err = dev.Compile(f.Graph, graph.PlanOptions{}); err != nil {
		return nil, fmt.Errorf("preparing the %v encoder on %s: %w", m, dev.Name(), err)
	}
	return e, nil
}

// load takes the weights of a checkpoint.
func (e *Encoder) load(l *Loaded) error { return e.features.Restore(e.exec, l) }

// draw takes first weights, as training begins with.
func (e *Encoder) draw(seed uint64) error { return e.features.Weights(e.exec, seed) }

// Dim is the number of features of a clip, or with EncoderOptions.Tokens of a token.
func (e *Encoder) Dim() int { return e.features.Pooled.Shape[1] }

// rowSize is the number of elements that a clip gives.
func (e *Encoder) rowSize() int { return e.row.Shape[1:].Size() }

// Close frees the device's memory.
func (e *Encoder) Close() error { return e.exec.Close() }

// Features gives the pooled features of every clip of a source, in its order: rows of Dim numbers, or with EncoderOptions.Tokens of Dim numbers a
// token, each of the span in the
// middle of a clip, without augmentation and masks. The rows of clips that cannot be read are nil, and bad says why. The
// source's sizes must be those of Options.
func (e *Encoder) Features(ctx context.Context, clips media.Source) (rows [][]float32, bad []media.BadFile, err error) {
	if video, audio := media.Modalities(clips); e.Modality == Video && !video || e.Modality == Audio && !audio {
		return nil, nil, media.LackError{Video: e.Modality == Video, Audio: e.Modality == Audio}
	}
	rows = make([][]float32, clips.Len())
	chunk := chunk(e.Config)
	for at := 0; at < len(rows); at += chunk {
		indices := make([]int, min(chunk, len(rows)-at))
		for i := range indices {
			indices[i] = at + i
		}
		batch, failed, err := views.Centre(ctx, clips, e.Config.Spec(), indices, views.CentreOptions{})
		bad = append(bad, failed...)
		if ctx.Err() != nil {
			return nil, bad, ctx.Err()
		}
		if err != nil && len(failed) < len(indices) {
			return nil, bad, err
		}
		if err != nil {
			continue // none of these clips can be read
		}
		pooled, err := e.encode(ctx, batch)
		if err != nil {
			return nil, bad, err
		}
		for i, index := range batch.Indices {
			rows[index] = pooled[i*e.rowSize() : (i+1)*e.rowSize() : (i+1)*e.rowSize()]
		}
	}
	return rows, bad, nil
}

// Options are those under which files and folders are opened for this encoder: its sizes, and its modality alone.
func (e *Encoder) Options() media.FolderOptions {
	opt := views.OptionsFor(e.Config.Spec())
	opt.NeedVideo, opt.NeedAudio = e.Modality == Video, e.Modality == Audio
	return opt
}

// encode gives the rows of a batch's global views, nil where it has none of the modality.
func (e *Encoder) encode(ctx context.Context, b *views.Batch) ([]float32, error) {
	in := [2]View{{Bytes: b.VideoGlobal}, {Floats: b.AudioGlobal}}[e.Modality]
	if in.Floats == nil && in.Bytes == nil {
		return nil, nil
	}
	rows, err := e.features.extract(ctx, e.exec, in, e.row)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}
