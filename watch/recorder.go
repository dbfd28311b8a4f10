package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"goxkd/draw"
	"goxkd/internal/files"
	"goxkd/record"
	"goxkd/tensorboard"
	"goxkd/xkd"
)

// TensorBoardFolder holds a run's event files.
const TensorBoardFolder = "tensorboard"

// Recorder keeps a run's looks as pictures, and its figures and looks as TensorBoard's event files.
type Recorder struct {
	folder string
	config xkd.Config
	events *tensorboard.Writer
	file   io.Closer
}

// NewRecorder records into a run's folder.
func NewRecorder(folder string, c xkd.Config) *Recorder { return &Recorder{folder: folder, config: c} }

// Events begins an event file for a run whose next step is given.
func (r *Recorder) Events(next int) (err error) {
	r.events, r.file, err = tensorboard.Create(filepath.Join(r.folder, TensorBoardFolder), next)
	return err
}

// Close closes the event file.
func (r *Recorder) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Progress writes a step's figures to the event file, if there is one.
func (r *Recorder) Progress(p xkd.Progress) error {
	if r.events == nil {
		return nil
	}
	m := xkd.Metric{Step: p.Step, Losses: p.Losses.Map(), LR: p.LR, Skipped: p.Skipped, Values: p.Values}
	return r.events.Scalars(p.Step, m.Series())
}

// Look writes a look's pictures, and last the file that names them.
func (r *Recorder) Look(l xkd.Look) error {
	dir := filepath.Join(r.folder, record.LooksFolder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	out := record.Look{Step: l.Step}
	for i, c := range l.Clips {
		clip := record.LookClip{Name: c.Name, Label: c.Label}
		for _, v := range []struct {
			view *xkd.LookView
			what string
			name *string
		}{{c.Video, "video", &clip.Video}, {c.Audio, "audio", &clip.Audio}} {
			if v.view == nil {
				continue
			}
			var picture bytes.Buffer
			if err := r.picture(v.what, v.view).Write(&picture); err != nil {
				return err
			}
			*v.name = fmt.Sprintf("%06d-%s-%d.png", l.Step, v.what, i)
			write := func(w io.Writer) error { _, err := w.Write(picture.Bytes()); return err }
			if err := files.WriteAtomic(filepath.Join(dir, *v.name), write); err != nil {
				return err
			}
			if err := r.event(l.Step, fmt.Sprintf("%s/%d", v.what, i), picture.Bytes()); err != nil {
				return err
			}
		}
		out.Clips = append(out.Clips, clip)
	}
	return files.WriteAtomic(filepath.Join(dir, fmt.Sprintf("%06d.json", l.Step)), func(w io.Writer) error { return json.NewEncoder(w).Encode(out) })
}

func (r *Recorder) event(step int, tag string, data []byte) error {
	if r.events == nil {
		return nil
	}
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return errors.Join(errors.New("a picture that was just drawn"), err)
	}
	return r.events.Picture(step, tag, tensorboard.Image{Width: c.Width, Height: c.Height, Encoded: data})
}

func (r *Recorder) picture(what string, v *xkd.LookView) draw.Look {
	l := draw.Look{Target: v.Target, Rebuilt: v.Rebuilt, Visible: v.Visible, Attention: v.Attention}
	if what == "video" {
		g := r.config.Views.Video.Global
		l.Frames, l.Height, l.Width, l.Patch = g.Frames, g.Size[0], g.Size[1], r.config.Views.Video.Patch
	} else {
		a := r.config.Views.Audio
		l.Height, l.Width, l.Patch = a.Mels, a.Global.Frames, [3]int{1, a.Patch[0], a.Patch[1]}
	}
	return l
}
