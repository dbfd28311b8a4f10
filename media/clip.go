package media

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
)

// Clip is one decoded clip. It may share memory with a cache: treat it as read-only.
type Clip struct {
	Name   string    // as Source.Name
	Label  int       // class index, -1 when unlabelled
	Frames []uint8   // [T,H,W,3], RGB, FPS frames per second; empty without video
	T      int       // number of frames
	H, W   int       // pixels
	FPS    int       // frames per second
	Wave   []float32 // mono samples in [-1,1], Rate per second; empty without audio
	Rate   int       // Hz
}

// Frame returns frame t as [H,W,3], sharing the clip's memory.
func (c *Clip) Frame(t int) []uint8 {
	n := c.H * c.W * 3
	return c.Frames[t*n : (t+1)*n]
}

// Bytes is the memory that the clip's samples hold, with what their buffers have room for.
func (c *Clip) Bytes() int64 { return int64(cap(c.Frames)) + 4*int64(cap(c.Wave)) }

// Trim puts samples that fill a small part of their buffers into buffers of their own.
func (c *Clip) Trim() {
	c.Frames, c.Wave = trimmed(c.Frames), trimmed(c.Wave)
}

func trimmed[T any](s []T) []T {
	if cap(s)-len(s) <= len(s)/8 {
		return s
	}
	out := make([]T, len(s)) // append would leave room again
	copy(out, s)
	return out
}

// Cut returns the part of the clip that the span covers, or what is left of it. A span that would
// run past the end of a stream begins earlier, so that a header which promises more than the file
// holds empties no clip.
func (c *Clip) Cut(span Span) *Clip {
	out := *c
	frames, samples := span.Within(c.T, c.FPS, len(c.Wave), c.Rate)
	n := c.H * c.W * 3
	out.Frames, out.T = c.Frames[frames[0]*n:frames[1]*n], frames[1]-frames[0]
	out.Wave = c.Wave[samples[0]:samples[1]]
	return &out
}

// Within gives the first frame and sample that the span covers, and those after the last, in streams
// of so many frames and samples. It shifts the span to an earlier start where a stream ends within it.
func (s Span) Within(frames, fps, samples, rate int) (frame, sample [2]int) {
	if frames > 0 {
		s.Start = min(s.Start, float64(frames)/float64(fps)-s.Seconds)
	}
	if samples > 0 {
		s.Start = min(s.Start, float64(samples)/float64(rate)-s.Seconds)
	}
	s.Start = max(s.Start, 0)
	if frames > 0 {
		frame[0] = min(int(s.Start*float64(fps)+1e-6), frames-1)
		frame[1] = min(frame[0]+s.Frames(fps), frames)
		s.Start = float64(frame[0]) / float64(fps) // sound begins with the frame
	}
	if samples > 0 {
		sample[0] = min(int(s.Start*float64(rate)+0.5), samples)
		sample[1] = min(sample[0]+int(s.Seconds*float64(rate)+0.5), samples)
	}
	return frame, sample
}

// Frames is the number of frames in the span, at least one.
func (s Span) Frames(fps int) int {
	return max(int(s.Seconds*float64(fps)+0.5), 1)
}

// Span is a part of a clip, in seconds from its beginning.
type Span struct {
	Start, Seconds float64
}

// ErrTool marks failures to run a program that reads clips at all, which no other clip would mend.
var ErrTool = errors.New("cannot run")

// LackError refuses a clip that has no usable stream of a kind that is wanted. For another kind alone it may serve.
type LackError struct{ Video, Audio bool }

func (e LackError) Error() string {
	switch {
	case e.Video && e.Audio:
		return "no usable video or audio stream"
	case e.Video:
		return "no usable video stream"
	}
	return "no usable audio stream"
}

// Source yields clips by index. Implementations are safe for concurrent use.
type Source interface {
	// Len is the number of clips.
	Len() int
	// Name identifies clip i to a person, e.g. the file's path below its folder.
	Name(i int) string
	// Label is the class index of clip i, -1 when it has none.
	Label(i int) int
	// Classes are the names that labels index; it may be empty.
	Classes() []string
	// Duration is the length of clip i in seconds over which every wanted stream has samples;
	// 0 when the file does not tell.
	Duration(i int) float64
	// Load decodes the span of clip i, and no more than it needs. A clip that ends within the span
	// comes back shorter. The error names the clip and says what is wrong with it; it is ErrTool where
	// every other clip would fail alike.
	Load(ctx context.Context, i int, span Span) (*Clip, error)
}

// Request asks for a span of clip Index.
type Request struct {
	Index int
	Span  Span
}

// Loaded is the answer to a Request, as Load gives it.
type Loaded struct {
	Clip *Clip
	Err  error
}

// Gatherer is implemented by sources that load several clips together in less time than one by one.
type Gatherer interface {
	// Together is how many spans of so many seconds to ask for at a time at most.
	Together(seconds float64) int
	// LoadAll answers all requests in their order, each as Load would.
	LoadAll(ctx context.Context, all []Request) []Loaded
}

// Together is how many spans of so many seconds to ask a source for at a time.
func Together(src Source, seconds float64) int {
	if g, ok := src.(Gatherer); ok {
		return max(1, g.Together(seconds))
	}
	return 1
}

// LoadAll asks a source for several clips, together where it can.
func LoadAll(ctx context.Context, src Source, all []Request) []Loaded {
	if g, ok := src.(Gatherer); ok {
		return g.LoadAll(ctx, all)
	}
	out := make([]Loaded, len(all))
	for i, r := range all {
		out[i].Clip, out[i].Err = src.Load(ctx, r.Index, r.Span)
	}
	return out
}

// Modal is implemented by sources that may lack a modality. A source without it has both.
type Modal interface {
	// Modalities tells whether the source's clips carry video and audio.
	Modalities() (video, audio bool)
}

// Modalities asks the source what its clips carry.
func Modalities(src Source) (video, audio bool) {
	if m, ok := src.(Modal); ok {
		return m.Modalities()
	}
	return true, true
}

// SamplesOf reads little-endian float32. What is no finite number becomes silence.
func SamplesOf(raw []byte) []float32 {
	wave := make([]float32, len(raw)/4)
	for i := range wave {
		v := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		if !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) {
			wave[i] = v
		}
	}
	return wave
}

// Digested is implemented by sources that can tell whether they are the same as before.
type Digested interface {
	// Digest is a short text that is the same for the same clips: it goes by their names, sizes and lengths, and not by where
	// they lie.
	Digest() string
}

// Digest asks the source for its digest; empty where it has none.
func Digest(src Source) string {
	if d, ok := src.(Digested); ok {
		return d.Digest()
	}
	return ""
}

// Corpus is a Source of stored clips.
type Corpus interface {
	Source
	Modal
	// Split is the clip's split, such as train or test, empty without one.
	Split(i int) string
}

// MaxSeconds is the longest duration that is believed: four months.
const MaxSeconds = 1e7
