package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"goxkd/media"
)

// Format is what clips are decoded to.
type Format struct {
	FPS, Size, Rate int           // frames per second, shorter side in pixels, Hz
	Limit           time.Duration // for one child process
}

// maxAspect bounds the longer side of a decoded frame in units of the shorter: the ends of a longer
// frame are cut off.
const maxAspect = 4

// shape is the size of decoded frames: the shorter side as shown is size, the longer keeps the
// aspect. crop is the part of the shown frame that is used, in its own pixels, or zero for all.
func (v *videoStream) shape(size int) (w, h, cropW, cropH int) {
	sw, sh := v.w, v.h
	aspect := v.aspect
	if v.turned {
		sw, sh, aspect = sh, sw, 1/aspect
	}
	shownW, shownH := float64(sw)*aspect, float64(sh)
	if shownW > maxAspect*shownH {
		cropW, cropH = max(int(maxAspect*shownH/aspect), 1), sh
		shownW = float64(cropW) * aspect
	} else if shownH > maxAspect*shownW {
		cropW, cropH = sw, max(int(maxAspect*shownW), 1)
		shownH = float64(cropH)
	}
	if shownW <= shownH {
		return size, longer(size, shownH/shownW), cropW, cropH
	}
	return longer(size, shownW/shownH), size, cropW, cropH
}

// longer is the longer side. The bound holds where a crop cannot: for a single oblong pixel.
func longer(size int, aspect float64) int {
	return min(max(int(math.Round(float64(size)*aspect)), size), maxAspect*size)
}

// Decode reads the wanted streams of a span in one process: frames on standard output, samples on
// descriptor 3. A damaged file serves as far as it yields a frame and a sample of each wanted stream;
// where the streams have an end before the span's start, the span is taken from the file's start.
func Decode(ctx context.Context, in Place, p *Choice, span media.Span, f Format) (*media.Clip, error) {
	clip, err := DecodeSpan(ctx, in, p, span, f)
	if err == nil || ctx.Err() != nil || span.Start <= 0 || !errors.Is(err, ErrEmpty) {
		return clip, err
	}
	return DecodeSpan(ctx, in, p, media.Span{Start: 0, Seconds: span.Seconds}, f)
}

// ErrEmpty marks a span without frames or samples.
var ErrEmpty = errors.New("nothing decoded")

// DecodeSpan is Decode for a span that nothing else may stand in for: it is not taken from the file's start instead.
func DecodeSpan(ctx context.Context, in Place, p *Choice, span media.Span, f Format) (*media.Clip, error) {
	decimal := func(x float64) string { return strconv.FormatFloat(x, 'f', 6, 64) }
	args := []string{"-nostdin", "-hide_banner", "-loglevel", "error", "-threads", "1", "-filter_threads", "1"}
	if span.Start > 0 {
		args = append(args, "-ss", decimal(span.Start))
	}
	args = append(args, in.args()...)
	var outs []int
	clip := &media.Clip{FPS: f.FPS, Rate: f.Rate}
	if p.video != nil {
		w, h, cropW, cropH := p.video.shape(f.Size)
		frames := span.Frames(f.FPS)
		// eof_action keeps the one frame of a clip shorter than the time between two.
		filter := fmt.Sprintf("fps=%d:start_time=0:eof_action=pass", f.FPS)
		if cropW > 0 {
			filter += fmt.Sprintf(",crop=%d:%d", cropW, cropH)
		}
		filter += fmt.Sprintf(",scale=%d:%d:flags=bilinear", w, h)
		args = append(args, "-map", "0:"+strconv.Itoa(p.video.index), "-t", decimal(span.Seconds+1/float64(f.FPS)), "-vf", filter,
			"-frames:v", strconv.Itoa(frames), "-pix_fmt", "rgb24", "-f", "rawvideo", "-threads", "1", "pipe:1")
		clip.W, clip.H = w, h
		outs = append(outs, frames*w*h*3)
	}
	if p.audio != nil {
		samples := int(span.Seconds*float64(f.Rate) + 0.5)
		args = append(args, "-map", "0:"+strconv.Itoa(p.audio.index), "-t", decimal(span.Seconds), "-ac", "1", "-af", fmt.Sprintf("aresample=%d:async=1:first_pts=0", f.Rate),
			"-ar", strconv.Itoa(f.Rate), "-f", "f32le", fmt.Sprintf("pipe:%d", pipeOf(len(outs))))
		outs = append(outs, 4*samples)
	}
	data, err := process{"ffmpeg", args, f.Limit, outs}.run(ctx)
	if errors.Is(err, media.ErrTool) || ctx.Err() != nil || data == nil {
		return nil, err
	}
	why := ErrEmpty
	if err != nil {
		why = fmt.Errorf("%w: %w", ErrEmpty, in.unnamed(err))
	}
	if p.video != nil {
		n := clip.W * clip.H * 3
		clip.T = len(data[0]) / n
		clip.Frames = data[0][:clip.T*n]
		if clip.T == 0 {
			return nil, fmt.Errorf("no video frame: %w", why)
		}
	}
	if p.audio != nil {
		clip.Wave = media.SamplesOf(data[len(data)-1])
		if len(clip.Wave) == 0 {
			return nil, fmt.Errorf("no audio sample: %w", why)
		}
	}
	return clip, nil
}

// pipeOf is the descriptor of output i: standard output, then 3 and on.
func pipeOf(i int) int {
	if i == 0 {
		return 1
	}
	return i + 2
}
