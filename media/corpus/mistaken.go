package corpus

import (
	"context"
	"fmt"
	"reflect"

	"goxkd/media/ffmpeg"
)

// Whoever can write into a folder can write its index, and an index may be of a file that was changed within one tick of
// the clock. What it says of streams and lengths is believed until a span turns out empty: then the file is asked.

// wrongEntry is an index's entry that does not fit its file.
type wrongEntry struct {
	said, end float64 // last instants of picture and sound from the file's beginning: the index's, and what there is
}

func (w wrongEntry) Error() string {
	if w.said == w.end {
		return "the index does not fit the file: it will be looked at anew by the next run"
	}
	return fmt.Sprintf("the index says that the file ends at %.1f s, and it ends at %.1f s: it will be looked at anew by the next run", w.said, w.end)
}

// mistaken asks a file whether what was read of it in the index is so, once, and gives the difference, or nil. The index is
// mended on the disk; this run goes on with what it had, of which it cannot tell what was drawn from it already.
func (x *fileIndex) mistaken(ctx context.Context, in ffmpeg.Place, name string) error {
	key := x.key(in, name)
	x.mu.Lock()
	known, have := x.entries[key]
	doubted := have && x.read[key]
	wrong, is := x.wrong[key]
	delete(x.read, key)
	x.mu.Unlock()
	if is {
		return wrong
	}
	if !doubted || key == "" {
		return nil
	}
	contents, err := ffmpeg.Probe(ctx, in)
	if err != nil || reflect.DeepEqual(contents, known.Contents) {
		return nil
	}
	wrong = wrongEntry{lastOf(known.Contents), lastOf(contents)}
	x.mu.Lock()
	known.Contents = contents
	x.entries[key], x.wrong[key] = known, wrong
	x.fresh++
	x.always = true // one that is wrong may not stay
	x.mu.Unlock()
	x.keep()
	return wrong
}

// Confirm asks clip i's file whether the index is right about it, and goes by what the file says. It is not for clips of which
// spans were drawn already. The error is that of ctx alone: what else is wrong shows in decoding.
func (f *Folder) Confirm(ctx context.Context, i int) error {
	file := &f.files[i]
	_ = f.index.mistaken(ctx, file.in, file.name)
	if file.sound.Size > 0 {
		_ = f.index.mistaken(ctx, file.sound, file.beside)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	known := func(in ffmpeg.Place, name string) (ffmpeg.Contents, error) {
		contents, _, err := f.index.ask(ctx, in, name)
		return contents, err
	}
	contents, err := known(file.in, file.name)
	if err != nil {
		return nil
	}
	if info, err := f.choose(file, contents, known); err == nil {
		file.info = info
	}
	return nil
}

// beyond refuses a span that begins behind the end of a file whose entry has turned out wrong, without a look at it.
func (x *fileIndex) beyond(in ffmpeg.Place, name string, start float64) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.wrong) == 0 {
		return nil
	}
	if w, is := x.wrong[x.key(in, name)]; is && start >= w.end {
		return fmt.Errorf("%w from %.3f s on: %w", ffmpeg.ErrEmpty, start, w)
	}
	return nil
}

// lastOf is the last instant of picture or sound, in seconds from the file's beginning.
func lastOf(c ffmpeg.Contents) float64 {
	end := 0.0
	for _, s := range c.Streams {
		if s.Kind == "video" || s.Kind == "audio" {
			end = max(end, s.End-c.Start)
		}
	}
	return end
}
