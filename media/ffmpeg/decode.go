package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
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

// shape is the size of decoded frames: the shorter side as shown is size, the longer keeps the aspect.
func (v *videoStream) shape(size int) (w, h int) {
	sw, sh := v.w, v.h
	aspect := v.aspect
	if v.turned {
		sw, sh, aspect = sh, sw, 1/aspect
	}
	shownW, shownH := float64(sw)*aspect, float64(sh)
	if shownW <= shownH {
		return size, longer(size, shownH/shownW)
	}
	return longer(size, shownW/shownH), size
}

// longer is the longer side.
func longer(size int, aspect float64) int {
	return min(max(int(math.Round(float64(size)*aspect)), size), maxAspect*size)
}

// Bytes is the memory of so many seconds, decoded.
func (p *Choice) Bytes(seconds float64, f Format) int64 {
	n := int64(0)
	if p.video != nil {
		w, h := p.video.shape(f.Size)
		n += 3 * int64(w) * int64(h) * int64(media.Span{Seconds: seconds}.Frames(f.FPS))
	}
	if p.audio != nil {
		n += 4 * int64(seconds*float64(f.Rate)+0.5)
	}
	return n
}

// ErrEmpty marks a span without frames or samples.
var ErrEmpty = errors.New("nothing decoded")

// Job is a span to decode of a file's chosen streams. The span's start counts from the file's beginning, as Choice.Begin does.
type Job struct {
	In   Place
	Of   *Choice
	Span media.Span
}

// Decode decodes one job.
func Decode(ctx context.Context, in Place, p *Choice, span media.Span, f Format) (*media.Clip, error) {
	r := DecodeAll(ctx, []Job{{in, p, span}}, f)[0]
	return r.Clip, r.Err
}

// DecodeAll reads the wanted streams of each job's span, and answers in their order. Frame k is what is on display at k/FPS
// seconds of the span, and sound lies where the file's times put it, whatever changes in mid-stream. A damaged file serves as
// far as it yields a frame and a sample of each wanted stream; nothing stands in for a span that has none.
//
// Where there are several, and a child may have as many outputs, one process tries them all, since to start ffmpeg takes longer than to decode a few seconds. What
// does not succeed there at once is decoded again by a process of its own, so that no job depends on another.
func DecodeAll(ctx context.Context, jobs []Job, f Format) []media.Loaded {
	out := make([]media.Loaded, len(jobs))
	var group []*decoding
	var at []int
	for i, j := range jobs {
		if manyOutputs && len(jobs) > 1 && !j.Of.fromStart {
			group, at = append(group, newDecoding(j, j.Of.lookbacks(j.Span)[0], f)), append(at, i)
		}
	}
	if len(group) > 1 && run(ctx, group, f.Limit) == nil {
		for k, d := range group {
			if !d.late() {
				out[at[k]].Clip, _ = d.clip(nil)
			}
		}
	}
	for i, j := range jobs {
		if out[i].Clip == nil {
			out[i].Clip, out[i].Err = j.decode(ctx, f)
		}
	}
	return out
}

// decode decodes one job alone.
func (j Job) decode(ctx context.Context, f Format) (*media.Clip, error) {
	var clip *media.Clip
	var err error
	for _, back := range j.Of.lookbacks(j.Span) {
		d := newDecoding(j, back, f)
		if err = run(ctx, []*decoding{d}, f.Limit); errors.Is(err, media.ErrTool) || errors.Is(err, ErrLate) || ctx.Err() != nil {
			return nil, err
		}
		// A seek that came down too late has lost the beginning: further back there is one that does not.
		clip, err = d.clip(err)
		if !d.late() || back < 0 {
			break
		}
	}
	return clip, err
}

// preroll is how long before a span decoding begins at least, in seconds: decoders of sound need some packets to settle.
const preroll = 0.5

// lookbacks are how long before the span to seek to, in seconds, in the order to try; -1 is not to seek at all.
func (p *Choice) lookbacks(span media.Span) []float64 {
	if p.fromStart {
		return []float64{-1}
	}
	var out []float64
	near, far := preroll, 2*preroll
	if p.video != nil {
		near += p.video.gap + p.video.delay
		far += p.video.gap + p.video.keyGap + p.video.delay
	}
	for _, back := range []float64{near, far} {
		if p.video != nil && back == near && !p.seeksKeys {
			continue
		}
		if from := span.Start - back; from > 0 && p.zero+from > 0 {
			out = append(out, back)
		}
	}
	return append(out, -1)
}

// decoding is one job's part in a run of ffmpeg.
type decoding struct {
	in   Place
	p    *Choice
	f    Format
	span media.Span
	back float64 // as lookbacks has it

	w, h   int
	frames []uint8
	filled []bool // which frames have come
	last   float64
	wave   wave
}

// early is by how much a frame may come after its instant: times are rounded to milliseconds in many containers.
const early = 0.002

func newDecoding(j Job, back float64, f Format) *decoding {
	return &decoding{in: j.In, p: j.Of, f: f, span: j.Span, back: back}
}

// command is a run of ffmpeg as it grows.
type command struct {
	ins    []string
	inputs int
	outs   [][]string // the arguments of each output, but for its name
	sinks  []func(io.Reader)
}

// manyOutputs tells whether a child may have more pipes than the standard ones; Windows lets it inherit no others.
var manyOutputs = runtime.GOOS != "windows"

// run decodes what the spans need into each one's frames and wave, in one process, or in one for each output.
func run(ctx context.Context, all []*decoding, limit time.Duration) error {
	args := []string{"-nostdin", "-hide_banner", "-loglevel", "error", "-filter_threads", "1", "-filter_complex_threads", "1"}
	if !all[0].p.fromStart {
		args = append(args, "-copyts")
	}
	var c command
	for _, d := range all {
		d.add(&c)
	}
	args = append(args, c.ins...)
	if manyOutputs {
		for i, out := range c.outs {
			args = append(append(args, out...), pipe(i))
		}
		_, err := process{name: "ffmpeg", args: args, limit: limit}.stream(ctx, c.sinks)
		return err
	}
	var first error
	for i, out := range c.outs {
		started, err := process{name: "ffmpeg", args: slices.Concat(args, out, []string{pipe(0)}), limit: limit}.stream(ctx, c.sinks[i:i+1])
		if first == nil {
			first = err
		}
		if !started {
			break
		}
	}
	return first
}

// pipe names a child's output: standard output, then descriptor 3 and on.
func pipe(i int) string {
	if i == 0 {
		return "pipe:1"
	}
	return fmt.Sprintf("pipe:%d", i+2)
}

// add adds the inputs and outputs that the decoding needs.
func (d *decoding) add(c *command) {
	decimal := func(x float64) string { return strconv.FormatFloat(x, 'f', 6, 64) }
	// The span begins at pad seconds of what ffmpeg writes, so that all of its times are above 0. The shift is made on a
	// clock that is fine enough: a file's own may tick once a frame.
	pad := 1.0
	if d.p.video != nil {
		pad += math.Ceil(d.p.video.gap)
	}
	input := func(in Place, zero float64, past bool) (shift float64, number int) {
		if d.p.fromStart {
			zero = 0 // ffmpeg counts from the beginning and puts the parts behind each other
		}
		if d.back >= 0 && zero+d.span.Start-d.back > 0 {
			c.ins = append(c.ins, "-seek_timestamp", "1", "-noaccurate_seek", "-ss", decimal(zero+d.span.Start-d.back))
		}
		c.ins = append(append(c.ins, "-threads", "1"), in.args(past)...)
		c.inputs++
		return pad - zero - d.span.Start, c.inputs - 1
	}
	shift, first := input(d.in, d.p.zero, d.p.audio != nil && d.p.audio.in == nil && d.p.audio.past)
	soundShift, soundInput := shift, first
	if a := d.p.audio; a != nil && a.in != nil {
		soundShift, soundInput = input(*a.in, a.zero, a.past)
	}
	if v := d.p.video; v != nil {
		d.w, d.h = v.shape(d.f.Size)
		n := d.span.Frames(d.f.FPS)
		d.frames, d.filled = make([]uint8, n*d.w*d.h*3), make([]bool, n)
		filter := fmt.Sprintf("[%d:%d]settb=1/90000,setpts=PTS+(%s)/TB,trim=start=%s:end=%s", first, v.index, decimal(shift-v.delay), decimal(pad-v.gap-0.1), decimal(pad+float64(n-1)/float64(d.f.FPS)+min(v.gap, 1)+0.1))
		if most := v.gap + 2*early; v.gap > 0 && most*float64(d.f.FPS) < 1 {
			// A frame that no instant of the grid falls to is not needed.
			filter += fmt.Sprintf(",select='lt(ceil((t-%s)*%d),(t-%s)*%d)'", decimal(pad+early), d.f.FPS, decimal(pad-most), d.f.FPS)
		}
		// What changes its shape in mid-stream is cropped to the first one's; the colours are named within the filters, so that they
		// are made alike before and after.
		shape := fmt.Sprintf("(%d/%d)", d.w, d.h)
		const pixel = "if(between(sar,1/16,16),sar,1)"
		filter += fmt.Sprintf(",crop=w='max(1,if(gt(iw*%[1]s/ih,1.04*%[2]s),ih*%[2]s/%[1]s,iw))':h='max(1,if(lt(iw*%[1]s/ih,%[2]s/1.04),iw*%[1]s/%[2]s,ih))':exact=1,scale=%[3]d:%[4]d:flags=bilinear,format=rgb24[v%[5]d]",
			pixel, shape, d.w, d.h, len(c.sinks))
		c.outs = append(c.outs, []string{"-filter_complex", filter, "-map", fmt.Sprintf("[v%d]", len(c.sinks)), "-enc_time_base", "1:90000", "-c:v", "rawvideo", "-pix_fmt", "rgb24", "-f", "nut", "-threads", "1"})
		c.sinks = append(c.sinks, func(r io.Reader) { eachFrame(r, func(at float64, data []byte) { d.see(at-pad, data) }) })
	}
	if a := d.p.audio; a != nil {
		d.wave = wave{rate: d.f.Rate, samples: int(d.span.Seconds*float64(d.f.Rate) + 0.5)}
		filter := fmt.Sprintf("[%d:%d]asetpts='%s',aformat=sample_fmts=fltp,%s,aresample=%d,asetpts='round(PTS+(%s)/TB)',atrim=start=%s:end=%s[a%d]", soundInput, a.index, a.mended(pad+d.span.Seconds-soundShift), downmix, d.f.Rate, decimal(soundShift), decimal(pad), decimal(pad+d.span.Seconds), len(c.sinks))
		c.outs = append(c.outs, []string{"-filter_complex", filter, "-map", fmt.Sprintf("[a%d]", len(c.sinks)), "-c:a", "pcm_f32le", "-f", "nut"})
		c.sinks = append(c.sinks, func(r io.Reader) {
			eachFrame(r, func(at float64, data []byte) { d.wave.add(at-pad, a.level(media.SamplesOf(data))) })
		})
	}
}

// level brings samples into -1..1.
func (a *audioStream) level(wave []float32) []float32 {
	for i, v := range wave {
		if a.scale != 0 {
			v = float32(float64(v) * a.scale)
		}
		wave[i] = min(max(v, -1), 1)
	}
	return wave
}

// downmix is the mean of all channels, however many there are and whatever they are called: the same sound in each is as
// loud as in one, and no sound is louder than its loudest channel. Gains of channels that are not there do not count.
var downmix = func() string {
	text := "pan=mono|c0<c0"
	for i := 1; i < 64; i++ {
		text += "+c" + strconv.Itoa(i)
	}
	return text
}()

// mended is the time of a block of samples, in a span that ends at the time given. A single block that is out of line, backwards
// or past the end, is left out, so that it does not end the sound; any other step is a hole, behind which sound stays where it is.
//
// Where the rate of MPEG audio changes, ffmpeg counts the last block before in ticks of the new rate and reads them as those of
// the old: minutes off, in a long file. Such a block is put behind the one before it. It is one, and fits to a container's rounding.
//
// Of the variables 0 is the block's own time, 1 when it is due, 2 the answer, and 3 when it is due if the one before was right.
func (a *audioStream) mended(end float64) string {
	text := fmt.Sprintf("if(lt(ld(0),ld(1))+gt(ld(0),%f),%g,ld(0))", end, leftOut)
	if a.mpeg {
		for _, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000} {
			text = fmt.Sprintf("if(lt(abs(ld(0)*SR/%d-ld(1)),%g),ld(1),%s)", rate, early, text)
		}
	}
	return fmt.Sprintf("st(0,PTS*TB);st(2,if(eq(N,0)+lt(abs(ld(0)-ld(1)),%[1]g)+lt(abs(ld(0)-ld(3)),%[1]g),ld(0),%[2]s));", holeSeconds, text) +
		fmt.Sprintf("st(3,ld(0)+NB_SAMPLES/SR);st(1,if(eq(ld(2),%g),ld(1),ld(2))+NB_SAMPLES/SR);round(ld(2)/TB)", leftOut)
}

// leftOut is a time in seconds before that of any span.
const leftOut = -media.MaxSeconds

// eachFrame reads all frames of ffmpeg's output; their bytes are valid until the next. What is not understood ends it; the child's own end decides about errors.
func eachFrame(r io.Reader, do func(at float64, data []byte)) {
	in, err := newNutReader(r)
	for err == nil {
		var at float64
		var data []byte
		if at, data, err = in.next(); err == nil {
			do(at, data)
		}
	}
	_, _ = io.Copy(io.Discard, r)
}

// see takes a frame that is shown from so many seconds of the span on.
func (d *decoding) see(at float64, data []byte) {
	n := d.w * d.h * 3
	k := max(int(math.Ceil((at-early)*float64(d.f.FPS)-1e-9)), 0)
	if k >= len(d.filled) && !slices.Contains(d.filled, true) {
		k = len(d.filled) - 1 // the first of all comes late, in a file of a moment
	}
	if k >= len(d.filled) || len(data) != n {
		return
	}
	copy(d.frames[k*n:], data)
	d.filled[k], d.last = true, at
}

// late tells whether the span's beginning is missing.
func (d *decoding) late() bool {
	return d.p.video != nil && !d.filled[0] || d.p.audio != nil && d.wave.first() > preroll/10
}

// clip puts together what was decoded.
func (d *decoding) clip(err error) (*media.Clip, error) {
	why := ErrEmpty
	if err != nil {
		why = fmt.Errorf("%w: %w", ErrEmpty, d.in.unnamed(err))
	}
	clip := &media.Clip{FPS: d.f.FPS, Rate: d.f.Rate}
	if v := d.p.video; v != nil {
		first := slices.Index(d.filled, true)
		if first < 0 {
			return nil, fmt.Errorf("no video frame: %w", why)
		}
		n := d.w * d.h * 3
		for k := range d.filled {
			switch {
			case d.filled[k]:
			case k < first:
				copy(d.frames[k*n:(k+1)*n], d.frames[first*n:])
			default: // still the one before
				copy(d.frames[k*n:(k+1)*n], d.frames[(k-1)*n:])
			}
		}
		// A frame is not shown for longer than any other: then the file has ended.
		shown := int((d.last+v.gap+0.25)*float64(d.f.FPS)) + 1
		clip.T, clip.W, clip.H = min(len(d.filled), max(shown, first+1)), d.w, d.h
		clip.Frames = d.frames[:clip.T*n]
	}
	if d.p.audio != nil {
		if clip.Wave = d.wave.render(); len(clip.Wave) == 0 {
			return nil, fmt.Errorf("no audio sample: %w", why)
		}
	}
	return clip, nil
}
