package pack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"goxkd/internal/files"
	"goxkd/media"
)

// Source is a Source of clips that `xkd pack` has decoded. Any clip, or a part of it, is read by one
// seek, and what is read is verified against its checksums. It keeps no file open.
type Source struct {
	dir          string
	info         manifest
	video, audio bool
	shards       []string
	clips        []packedClip
	classes      []string
}

type packedClip struct {
	sample
	shard int
	label int
}

// Open opens a packed folder. Clips in shards that are gone or cut short are left out and named in
// the report, which comes back with an error too.
func Open(dir string, opt media.FolderOptions) (*Source, *media.Report, error) {
	report := &media.Report{}
	p, err := read(dir, opt.WithDefaults(), report)
	return p, report, err
}

func read(dir string, opt media.FolderOptions, report *media.Report) (*Source, error) {
	p := &Source{dir: dir, video: opt.NeedVideo, audio: opt.NeedAudio}
	if err := readJSON(filepath.Join(dir, infoFile), &p.info); err != nil {
		return nil, fmt.Errorf("packed folder %s: %s: %w: pack the clips again", dir, infoFile, err)
	}
	if err := p.info.serves(opt); err != nil {
		return nil, fmt.Errorf("packed folder %s: %w", dir, err)
	}
	indices := make([]*shardIndex, p.info.Shards)
	errs := make([]error, p.info.Shards)
	for k := range indices {
		p.shards = append(p.shards, filepath.Join(dir, shardName(k)))
	}
	files.Parallel(opt.Workers, len(indices), func(k int) {
		if _, err := os.Stat(p.shards[k]); err != nil {
			errs[k] = files.Missing(err)
			return
		}
		indices[k], errs[k] = loadShardIndex(p.shards[k])
	})
	for k, x := range indices {
		if err := errs[k]; err != nil {
			if errors.Is(err, files.ErrMissing) {
				report.Missing++
			}
			report.Bad = append(report.Bad, media.NewBadFile(shardName(k), err))
		}
		if x != nil {
			p.add(k, x, opt, report)
		}
	}
	if len(p.clips) == 0 {
		if len(report.Bad) > 0 && report.Split == 0 {
			return nil, fmt.Errorf("packed folder %s: no clip can be used; the first is %s: %s: pack the clips again", dir, report.Bad[0].Path, report.Bad[0].Reason)
		}
		return nil, fmt.Errorf("packed folder %s: no clip belongs to split %q", dir, opt.Split)
	}
	labels := make([]string, len(p.clips))
	for i := range p.clips {
		labels[i] = p.clips[i].Label
	}
	p.classes = media.ClassesOf(labels)
	at := map[string]int{}
	for i, c := range p.classes {
		at[c] = i
	}
	for i := range p.clips {
		p.clips[i].label = -1
		if name := p.clips[i].Label; name != "" {
			p.clips[i].label = at[name]
		} else {
			report.Unlabeled++
		}
	}
	report.Good = len(p.clips)
	return p, nil
}

// serves refuses a pack that was made for other clips than are wanted.
func (p manifest) serves(opt media.FolderOptions) error {
	switch {
	case p.Version != version:
		return fmt.Errorf("it has version %d, this program reads %d: pack the clips again", p.Version, version)
	case !p.Complete:
		return errors.New("packing has not finished: run the same `xkd pack` again and it goes on")
	case p.Shards < 0 || p.Shards > 1<<24:
		return fmt.Errorf("%s is damaged: %d shards", infoFile, p.Shards)
	case opt.NeedVideo && !p.Video:
		return errors.New("it was packed without video: ask for audio alone, or pack the clips again")
	case opt.NeedAudio && !p.Audio:
		return errors.New("it was packed without sound: ask for video alone, or pack the clips again")
	case opt.NeedVideo && p.FPS != opt.FPS:
		return fmt.Errorf("it has %d frames per second, %d are wanted: pack the clips again with the preset that is trained", p.FPS, opt.FPS)
	case opt.NeedVideo && p.Size < opt.Size:
		return fmt.Errorf("its frames have %d pixels, %d are wanted: pack the clips again with the preset that is trained", p.Size, opt.Size)
	case opt.NeedAudio && p.Rate != opt.Rate:
		return fmt.Errorf("its sound has %d Hz, %d are wanted: pack the clips again with the preset that is trained", p.Rate, opt.Rate)
	case opt.LabelColumn != "" && opt.LabelColumn != p.Column:
		return fmt.Errorf("it was packed with labels of column %q, not %q: pack the clips again with that column", p.Column, opt.LabelColumn)
	}
	return nil
}

// add takes a shard's clips in.
func (p *Source) add(k int, x *shardIndex, opt media.FolderOptions, report *media.Report) {
	bytes := int64(0)
	if info, err := os.Stat(p.shards[k]); err == nil {
		bytes = info.Size()
	}
	for _, s := range x.Samples {
		err := s.valid(bytes)
		switch {
		case err == nil && p.video && s.Shape[0] == 0:
			err = errors.New("damaged: no frames")
		case err == nil && p.audio && s.Wave.Size == 0:
			err = errors.New("damaged: no sound")
		case err == nil && (p.video && s.FPS != p.info.FPS || p.audio && s.Rate != p.info.Rate):
			err = fmt.Errorf("damaged: %d frames per second and %d Hz", s.FPS, s.Rate)
		}
		if err != nil {
			report.Bad = append(report.Bad, media.NewBadFile(shardName(k)+": "+s.Key, err))
			continue
		}
		if opt.Split != "" && s.Split != opt.Split {
			report.Split++
			continue
		}
		p.clips = append(p.clips, packedClip{s, k, -1})
	}
}

// Len is the number of clips.
func (p *Source) Len() int { return len(p.clips) }

// Name is the clip's name in the source that was packed.
func (p *Source) Name(i int) string { return p.clips[i].Name }

// Label is the clip's class, -1 when it has none.
func (p *Source) Label(i int) int { return p.clips[i].label }

// Split is the clip's split, empty without one.
func (p *Source) Split(i int) string { return p.clips[i].Split }

// Classes are the labels in order.
func (p *Source) Classes() []string { return p.classes }

// Duration is the length that the clip's file told, in seconds.
func (p *Source) Duration(i int) float64 { return p.clips[i].Duration }

// Modalities tells which streams are read.
func (p *Source) Modalities() (video, audio bool) { return p.video, p.audio }

// Digest implements media.Digested.
func (p *Source) Digest() string {
	d := media.NewDigester()
	for i := range p.clips {
		c := &p.clips[i]
		d.Add(c.Name, c.Frames.Size+c.Wave.Size, c.Duration)
	}
	return d.Text()
}

// LoadBytes is the most memory that so many seconds of a clip take.
func (p *Source) LoadBytes(seconds float64) int64 {
	most := int64(0)
	for i := range p.clips {
		n, c := int64(0), &p.clips[i]
		if p.video {
			n = int64(min(c.Shape[0], media.Span{Seconds: seconds}.Frames(p.info.FPS))) * int64(c.Shape[1]) * int64(c.Shape[2]) * 3
		}
		if p.audio {
			n += 4 * min(c.Wave.Size/int64(waveWidth(c.Form)), int64(seconds*float64(p.info.Rate)+0.5))
		}
		most = max(most, n)
	}
	return most
}

// Load reads the span of clip i. The error names the shard and the clip's key in it.
func (p *Source) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if i < 0 || i >= len(p.clips) {
		return nil, fmt.Errorf("packed folder %s: no clip %d: it has %d", p.dir, i, len(p.clips))
	}
	c := &p.clips[i]
	f, err := files.OpenRegular(p.shards[c.shard])
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", p.shards[c.shard], c.Key, files.Missing(err))
	}
	defer f.Close()
	clip, err := p.read(f, c, span)
	if err != nil {
		return nil, fmt.Errorf("%s: %s (%s): %w", p.shards[c.shard], c.Key, c.Name, err)
	}
	return clip, nil
}

func (p *Source) read(f *os.File, c *packedClip, span media.Span) (*media.Clip, error) {
	out := &media.Clip{Name: c.Name, Label: c.label, FPS: p.info.FPS, Rate: p.info.Rate}
	t, samples, width := 0, 0, waveWidth(c.Form)
	if p.video {
		t = c.Shape[0]
	}
	if p.audio {
		samples = int(c.Wave.Size) / width
	}
	frames, sound := span.Within(t, p.info.FPS, samples, p.info.Rate)
	if p.video {
		out.T, out.H, out.W = frames[1]-frames[0], c.Shape[1], c.Shape[2]
		n := int64(out.H) * int64(out.W) * 3
		raw, err := c.Frames.read(f, int64(frames[0])*n, int64(frames[1])*n)
		if err != nil {
			return nil, fmt.Errorf("frames: %w", err)
		}
		out.Frames = raw
	}
	if p.audio {
		raw, err := c.Wave.read(f, int64(sound[0]*width), int64(sound[1]*width))
		if err != nil {
			return nil, fmt.Errorf("sound: %w", err)
		}
		out.Wave = unpackWave(raw, c.Form)
	}
	return out, nil
}
