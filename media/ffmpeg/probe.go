package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"goxkd/media"
)

// probeLimit bounds the time that ffprobe may take for a small file, and probeRate, in bytes a second, how much longer
// for a large one: it reads all packets. maxProbeLimit is the longest.
const (
	probeLimit    = 20 * time.Second
	probeRate     = 8 << 20
	maxProbeLimit = 10 * time.Minute
)

// maxPixels is the largest frame that is decoded; a header can claim any size.
const maxPixels = 1 << 26

// Choice is the streams of one file that are decoded. Times are seconds from the file's own beginning.
type Choice struct {
	Begin    float64 // from where on all wanted streams are there
	Duration float64 // seconds from Begin over which all wanted streams have samples; 0 when unknown
	// Remarks are what a person should know of the choice, in one line each.
	Remarks []string
	zero    float64 // the file's time at its beginning
	// fromStart tells that the file's own times do not run on, or are not told: it is decoded from its beginning.
	fromStart bool
	// seeksKeys tells whether a seek comes down on a keyframe.
	seeksKeys bool
	video     *videoStream
	audio     *audioStream
}

type videoStream struct {
	index  int
	w, h   int     // stored pixels, before rotation
	aspect float64 // of one pixel, width over height
	turned bool    // by 90 or 270 degrees when shown
	gap    float64 // longest time from one picture to the next, seconds
	keyGap float64 // the same of pictures that stand by themselves
	delay  float64 // by how much ffmpeg shows pictures too late, seconds
}

type audioStream struct {
	index int
	in    *Place  // where it lies, nil for beside the video
	zero  float64 // as Choice has it
	scale float64 // by which samples are multiplied to lie in -1..1; 0 is 1
	mpeg  bool    // MPEG audio, layer 1 to 3
	past  bool    // as Contents has it
}

// formats are the containers that are opened. Playlists, image sequences, devices and text that is
// drawn as video are not among them.
var formats = strings.Join([]string{
	"mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "live_flv", "asf", "ogg",
	"wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "aiff", "au", "caf", "amr", "mxf", "mxf_opatom",
	"h264", "hevc", "m4v", "yuv4mpegpipe", "gif", "rm", "dv", "ivf", "nut", "h263", "h261", "swf", "gxf",
}, ",")

// Contents are what ffprobe tells of one file.
type Contents struct {
	Format  string   `json:"format,omitempty"` // of the container, in ffprobe's word
	Start   float64  `json:"start,omitempty"`  // the file's own time at its beginning, seconds
	Streams []Stream `json:"streams,omitempty"`
	Joints  int      `json:"joints,omitempty"` // where recordings were joined, each with its own times; those of streams run on
	Past    bool     `json:"past,omitempty"`   // a WAV whose samples go on behind the length that its header tells
	Unread  int64    `json:"unread,omitempty"` // bytes behind the last packet, where they are many

	read  int64 // where the last packet ends, in bytes
	again error // the times of a stream begin again
}

// InRange tells whether all figures lie within the ranges of those that Probe gives.
func (c *Contents) InRange() bool {
	if len(c.Streams) > maxStreams || len(c.Format) > maxWord || !inTime(c.Start) || c.Unread < 0 || c.Joints < 0 || c.Joints > maxPackets {
		return false
	}
	for i := range c.Streams {
		if !c.Streams[i].inRange() {
			return false
		}
	}
	return true
}

// The most that is believed of a file.
const (
	maxPackets  = 1 << 31
	maxChannels = 1 << 16
	maxSide     = 1 << 20
	maxWord     = 1 << 10
)

func inTime(at float64) bool { return math.Abs(at) < media.MaxSeconds }

func (s *Stream) inRange() bool {
	ranges := []struct{ v, most int }{
		{s.Width, maxSide}, {s.Height, maxSide}, {s.Rate, math.MaxInt32}, {s.Channels, maxChannels}, {s.Packets, maxPackets},
	}
	for _, r := range ranges {
		if r.v < 0 || r.v > r.most {
			return false
		}
	}
	for _, v := range []float64{s.Aspect, s.FPS, s.Gap, s.KeyGap, s.Delay} {
		if !(v >= 0 && v <= 2*media.MaxSeconds) {
			return false
		}
	}
	if l := s.Level; l != nil && (!(l.Peak >= 0 && l.Peak <= math.MaxFloat32) || l.Over < 0 || l.Odd < 0) {
		return false
	}
	return s.Index >= 0 && s.Index < maxSide && math.Abs(s.Rotation) <= 3600 && len(s.Kind)+len(s.Codec)+len(s.Broken) <= maxWord &&
		inTime(s.Begin/2) && inTime(s.End/4) // whether they are usable is asked later
}

// Stream is one stream of a file. Its times are the file's own, in seconds, measured on its packets: what headers say of
// lengths is not asked.
type Stream struct {
	Index    int     `json:"index"`
	Kind     string  `json:"kind"` // video, audio or another of ffprobe's words
	Codec    string  `json:"codec,omitempty"`
	Width    int     `json:"width,omitempty"`    // stored pixels, before rotation
	Height   int     `json:"height,omitempty"`   // stored pixels, before rotation
	Aspect   float64 `json:"aspect,omitempty"`   // of one pixel, width over height; 0 for square
	Rotation float64 `json:"rotation,omitempty"` // degrees
	FPS      float64 `json:"fps,omitempty"`      // frames per second, on average
	Rate     int     `json:"rate,omitempty"`     // Hz
	Channels int     `json:"channels,omitempty"`
	Cover    bool    `json:"cover,omitempty"`   // a picture beside the sound or a preview, no film
	Default  bool    `json:"default,omitempty"` // marked as the one to play
	Untimed  bool    `json:"untimed,omitempty"` // no packet tells its time
	Packets  int     `json:"packets,omitempty"`
	Begin    float64 `json:"begin"`             // of the first packet that can be decoded
	End      float64 `json:"end"`               // of the last
	Gap      float64 `json:"gap,omitempty"`     // longest time between two packets
	KeyGap   float64 `json:"keys,omitempty"`    // longest time between two keyframes
	Delay    float64 `json:"delay,omitempty"`   // by how much ffmpeg shows pictures too late, in a file that tells times of decoding alone
	Changes  bool    `json:"changes,omitempty"` // it ends where its rate changes, for what follows has no times
	Holed    bool    `json:"holed,omitempty"`   // it ends where nothing comes for more than an hour
	Broken   string  `json:"broken,omitempty"`  // why it cannot be decoded, where that was tried
	Level    *Level  `json:"level,omitempty"`   // where samples can be of any size
}

// Probe runs ffprobe on the place and reads all its packets. The error says in one line, without the path, why there are no
// contents; it is a Refusal when that lies in the file.
func Probe(ctx context.Context, in Place) (Contents, error) {
	past, err := in.soundPastHeader()
	if err != nil {
		return Contents{}, err
	}
	args := append([]string{"-v", "error", "-of", "json=c=1", "-show_entries",
		"format=format_name,start_time:stream=index,codec_type,codec_name,width,height,sample_rate,channels,has_b_frames,avg_frame_rate,sample_aspect_ratio:" +
			"stream_tags=rotate:stream_disposition=default,attached_pic,timed_thumbnails,still_image:stream_side_data=rotation:" +
			"packet=stream_index,pts_time,dts_time,duration_time,size,pos,flags"}, in.args(past)...)
	var c Contents
	var readErr error
	_, err = process{name: "ffprobe", args: args, limit: in.timeLimit()}.stream(ctx, []func(io.Reader){func(r io.Reader) {
		c, readErr = readProbe(r, nil)
		_, _ = io.Copy(io.Discard, r)
	}})
	if first, _, _ := strings.Cut(c.Format, ","); err == nil && readErr == nil && joinable[first] && c.Joints > 0 {
		whole := map[int]bool{}
		for _, s := range c.Streams {
			whole[s.Index] = s.Kind == "video" || s.Kind == "audio"
		}
		_, err = process{name: "ffprobe", args: args, limit: in.timeLimit()}.stream(ctx, []func(io.Reader){func(r io.Reader) {
			c, readErr = readProbe(r, whole)
			_, _ = io.Copy(io.Discard, r)
		}})
	} else {
		c.Joints = 0
	}
	switch {
	case errors.Is(err, media.ErrTool) || errors.Is(err, ErrLate) || ctx.Err() != nil:
		return Contents{}, err
	// A file that is damaged further on serves as far as it goes.
	case err != nil && (readErr != nil || len(c.Streams) == 0):
		return Contents{}, Refusal("not readable as media: " + in.unnamed(err).Error())
	case readErr != nil:
		return Contents{}, Refusal(readErr.Error())
	case c.again != nil:
		return Contents{}, Refusal(c.again.Error())
	}
	if err := c.seeUnread(in); err != nil {
		return Contents{}, err
	}
	c.Past = past
	if c.Format == "aac" {
		if err := c.endAtChange(in); err != nil {
			return Contents{}, err
		}
	}
	if err := c.listen(ctx, in); err != nil {
		return Contents{}, err
	}
	return c, nil
}

// timeLimit is the longest that reading all of the place may take.
func (p Place) timeLimit() time.Duration {
	size := p.Size
	if size == 0 {
		if info, err := os.Stat(p.Path); err == nil {
			size = info.Size()
		}
	}
	return min(probeLimit+time.Duration(size/probeRate)*time.Second, maxProbeLimit)
}

// Refusal is a reason that lies in a file itself, so that asking again is in vain until it changes.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// readProbe reads ffprobe's JSON. Figures out of range are unknown. With joined, the times of these streams' joined parts are
// put behind each other.
func readProbe(r io.Reader, joined map[int]bool) (Contents, error) {
	type stream struct {
		Index       int
		CodecType   string `json:"codec_type"`
		CodecName   string `json:"codec_name"`
		Width       int
		Height      int
		SampleRate  string `json:"sample_rate"`
		Channels    int
		Reordered   int    `json:"has_b_frames"`
		FrameRate   string `json:"avg_frame_rate"`
		Aspect      string `json:"sample_aspect_ratio"`
		Disposition struct {
			Default         int
			AttachedPic     int `json:"attached_pic"`
			TimedThumbnails int `json:"timed_thumbnails"`
			StillImage      int `json:"still_image"`
		}
		Tags     struct{ Rotate string }
		SideData []struct{ Rotation float64 } `json:"side_data_list"`
	}
	var streams []stream
	var format struct {
		Name  string `json:"format_name"`
		Start string `json:"start_time"`
	}
	clocks := map[int]*clock{}
	join := newJoiner()
	read := int64(0)
	in := json.NewDecoder(r)
	err := eachField(in, func(name string) error {
		switch name {
		case "streams":
			return in.Decode(&streams)
		case "format":
			return in.Decode(&format)
		case "packets", "packets_and_frames":
			return eachElement(in, func() error {
				var p packet
				if err := in.Decode(&p); err != nil {
					return err
				}
				read = max(read, p.end())
				if joined[p.Stream] {
					p = join.move(p)
				}
				c := clocks[p.Stream]
				if c == nil {
					if len(clocks) >= maxStreams {
						return nil
					}
					c = newClock()
					clocks[p.Stream] = c
				}
				c.add(p)
				return nil
			})
		}
		var other json.RawMessage
		return in.Decode(&other)
	})
	if err != nil {
		return Contents{}, fmt.Errorf("ffprobe's answer is not understood: %w", err)
	}
	c := Contents{Format: format.Name, read: read}
	container, _, _ := strings.Cut(c.Format, ",")
	start, known := instant(format.Start)
	for _, s := range streams {
		d := s.Disposition
		out := Stream{
			Index: s.Index, Kind: s.CodecType, Codec: s.CodecName, Width: s.Width, Height: s.Height, Channels: s.Channels,
			Cover: d.AttachedPic+d.TimedThumbnails+d.StillImage != 0, Default: d.Default != 0,
		}
		if aspect := pixelAspect(s.Aspect); aspect != 1 {
			out.Aspect = aspect
		}
		out.Rate, _ = strconv.Atoi(s.SampleRate)
		out.FPS = quotient(s.FrameRate)
		out.Rotation, _ = strconv.ParseFloat(s.Tags.Rotate, 64)
		for _, d := range s.SideData {
			if d.Rotation != 0 {
				out.Rotation = d.Rotation
			}
		}
		if !(math.Abs(out.Rotation) <= 3600) {
			out.Rotation = 0
		}
		if k := clocks[s.Index]; k != nil {
			k.tell(&out)
			// Without times of display ffmpeg shows a picture when it leaves the decoder, which holds back as many.
			if k.undisplayed && s.Reordered > 0 && s.Reordered <= reorder && out.FPS > 0 {
				out.Delay = micro(float64(s.Reordered) / out.FPS)
			}
			if joined == nil && (out.Kind == "video" || out.Kind == "audio") {
				c.Joints += k.joints
				if k.again && c.again == nil && !joinable[container] {
					c.again = errAgain(k.until)
				}
			}
			if !known || out.Begin < start && !out.Cover {
				start, known = out.Begin, true
			}
		}
		c.Streams = append(c.Streams, out)
	}
	c.Start = start
	if joined != nil {
		c.Joints = 1
	}
	c.findCovers()
	return c, nil
}

// maxStreams bounds the streams that are measured.
const maxStreams = 256

// eachField calls do at the value of each field of an object, which it must read.
func eachField(in *json.Decoder, do func(name string) error) error {
	open, err := in.Token()
	if err != nil {
		return err
	}
	if open != json.Delim('{') {
		return errors.New("it is no object")
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return err
		}
		if err := do(name.(string)); err != nil {
			return err
		}
	}
	_, err = in.Token()
	return err
}

// eachElement calls do at each element of an array, which it must read.
func eachElement(in *json.Decoder, do func() error) error {
	open, err := in.Token()
	if err != nil || open == nil {
		return err
	}
	if open != json.Delim('[') {
		return errors.New("it is no array")
	}
	for in.More() {
		if err := do(); err != nil {
			return err
		}
	}
	_, err = in.Token()
	return err
}

// indexed are the containers, by the first of their names, that know where their keyframes are.
var indexed = map[string]bool{"mov": true, "matroska": true, "avi": true, "flv": true, "asf": true, "nut": true}

// stills are the codecs of single pictures.
var stills = map[string]bool{"mjpeg": true, "png": true, "bmp": true, "tiff": true, "webp": true, "gif": true}

// findCovers marks single pictures beside longer streams: not every file marks its cover as one.
func (c *Contents) findCovers() {
	longest := 0.0
	for _, s := range c.Streams {
		if (s.Kind == "video" || s.Kind == "audio") && s.Packets > 1 {
			longest = max(longest, s.End-s.Begin)
		}
	}
	for i := range c.Streams {
		s := &c.Streams[i]
		s.Cover = s.Cover || s.Kind == "video" && s.Packets == 1 && stills[s.Codec] && longest > 1
	}
}

// usable tells whether the stream can be one that is decoded.
func (s *Stream) usable(kind string) bool {
	switch {
	case s.Index < 0 || s.Kind != kind || s.Cover || s.Broken != "" || s.Packets < 1:
		return false
	case !(math.Abs(s.Begin) < media.MaxSeconds) || !(s.End >= s.Begin && s.End < s.Begin+media.MaxSeconds):
		return false
	case kind == "video":
		return s.Width > 0 && s.Height > 0
	}
	return s.Rate >= minRate && s.Rate <= maxRate
}

// minRate is the least rate of sound in Hz: at a lower one a few bytes of file would become hours of samples. maxRate is the
// most, above that of any converter.
const (
	minRate = 500
	maxRate = 4 << 20
)

// track is the stream of a kind to decode: the first that is marked as default, or else the first. others tells how many
// more there are, and marked whether it is marked.
func (c *Contents) track(kind string) (at *Stream, others int, marked bool) {
	n := 0
	for i := range c.Streams {
		s := &c.Streams[i]
		if !s.usable(kind) {
			continue
		}
		if n++; at == nil || s.Default && !at.Default {
			at = s
		}
	}
	return at, n - 1, at != nil && at.Default
}

// Pick takes a stream of each wanted kind: the one marked as default, or else the first that can be decoded. The error says
// in one line why the file cannot serve; it is a media.LackError where a stream is missing.
func (c Contents) Pick(needVideo, needAudio bool) (*Choice, error) {
	first, _, _ := strings.Cut(c.Format, ",")
	p := &Choice{zero: c.Start, seeksKeys: indexed[first], fromStart: c.Joints > 0}
	begin, end := math.Inf(-1), math.Inf(1)
	take := func(kind string) *Stream {
		s, others, marked := c.track(kind)
		if s == nil {
			return nil
		}
		for _, b := range c.Streams {
			if b.Kind == kind && b.Broken != "" {
				p.Remarks = append(p.Remarks, fmt.Sprintf("its %s track in stream %d cannot be decoded (%s): stream %d is taken", kind, b.Index, b.Broken, s.Index))
			}
		}
		if others > 0 && !marked {
			p.Remarks = append(p.Remarks, fmt.Sprintf("%d %s tracks, none marked as default: the first that decodes is taken (stream %d)", others+1, kind, s.Index))
		}
		if s.Holed {
			p.Remarks = append(p.Remarks, fmt.Sprintf("its %s has nothing for more than an hour from %.1f s on: what follows is left out", kind, s.End-c.Start))
		}
		begin, end = max(begin, s.Begin), min(end, s.End)
		return s
	}
	var video, audio *Stream
	if needVideo {
		video = take("video")
	}
	if needAudio {
		audio = take("audio")
	}
	if lack := (media.LackError{Video: needVideo && video == nil, Audio: needAudio && audio == nil}); lack.Video || lack.Audio {
		return nil, lack
	}
	if video != nil {
		if video.Width > maxPixels/video.Height {
			return nil, fmt.Errorf("frames of %dx%d pixels are too large: at most %d Mpixel are decoded", video.Width, video.Height, maxPixels>>20)
		}
		p.video = &videoStream{index: video.Index, w: video.Width, h: video.Height, aspect: 1, gap: within(video.Gap), keyGap: within(video.KeyGap), delay: within(video.Delay)}
		if video.Aspect >= 1.0/16 && video.Aspect <= 16 {
			p.video.aspect = video.Aspect
		}
		p.video.turned = int(math.Abs(math.Round(video.Rotation/90)))%2 == 1
	}
	if audio != nil {
		p.audio = &audioStream{index: audio.Index, zero: c.Start, past: c.Past, mpeg: slices.Contains([]string{"mp1", "mp2", "mp3"}, audio.Codec)}
		if audio.Changes {
			p.Remarks = append(p.Remarks, fmt.Sprintf("its sample rate changes at %.1f s, and a bare stream does not tell when what follows is heard: that is left out", audio.End-c.Start))
		}
		if audio.Level != nil {
			p.audio.scale = audio.Level.scale()
			if text := audio.Level.remark(); text != "" {
				p.Remarks = append(p.Remarks, text)
			}
		}
	}
	if c.Past {
		p.Remarks = append(p.Remarks, "its sound goes on behind the end that its header tells: all of it is read")
	}
	if c.Unread > 0 {
		p.Remarks = append(p.Remarks, c.unread())
	}
	if p.fromStart {
		p.Remarks = append(p.Remarks, "recordings joined into one, each with its own times: they follow each other, and every span is decoded from the file's beginning")
	}
	p.fromStart = p.fromStart || video != nil && video.Untimed || audio != nil && audio.Untimed
	if !(math.Abs(p.zero) < media.MaxSeconds) {
		return nil, errors.New("its times are out of range")
	}
	if video != nil && audio != nil && begin >= end {
		return nil, fmt.Errorf("video (%.1f to %.1f s) and sound (%.1f to %.1f s) are never there together: make a file of each",
			video.Begin-p.zero, video.End-p.zero, audio.Begin-p.zero, audio.End-p.zero)
	}
	p.Begin, p.Duration = micro(begin-p.zero), micro(end-begin)
	return p, nil
}

// Join picks the video of one file and the sound of another, which begin together.
func Join(video, sound Contents, soundIn Place) (*Choice, error) {
	p, err := video.Pick(true, false)
	if err != nil {
		return nil, err
	}
	a, err := sound.Pick(false, true)
	if err != nil {
		return nil, err
	}
	begin, end := max(p.Begin, a.Begin), min(p.Begin+p.Duration, a.Begin+a.Duration)
	if begin >= end {
		return nil, fmt.Errorf("video (from %.1f s, %.1f s long) and sound (from %.1f s, %.1f s long) are never there together", p.Begin, p.Duration, a.Begin, a.Duration)
	}
	p.Begin, p.Duration = begin, micro(end-begin)
	p.audio, p.fromStart = a.audio, p.fromStart || a.fromStart
	p.audio.in = &soundIn
	p.Remarks = append(p.Remarks, a.Remarks...)
	return p, nil
}

// Alone picks the sound of a file that is decoded in another's place.
func Alone(sound Contents, soundIn Place) (*Choice, error) {
	p, err := sound.Pick(false, true)
	if err == nil {
		p.audio.in = &soundIn
	}
	return p, err
}

// micro rounds to microseconds, as which ffprobe gives times.
func micro(seconds float64) float64 { return math.Round(seconds*1e6) / 1e6 }

// within is a time between packets that a file can have.
func within(seconds float64) float64 {
	if !(seconds > 0) {
		return 0
	}
	return min(seconds, media.MaxSeconds)
}

// quotient reads "25/1"; what is unknown or absurd is 0.
func quotient(text string) float64 {
	a, b, _ := strings.Cut(text, "/")
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX != nil || errY != nil || !(x > 0) || !(x/y > 0 && x/y < 1e6) {
		return 0
	}
	return x / y
}

// instant reads a time; ok is false for what ffprobe does not know.
func instant(text string) (at float64, ok bool) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(math.Abs(v) < media.MaxSeconds) {
		return 0, false
	}
	return v, true
}

// pixelAspect reads "4:3"; anything unknown or absurd is square.
func pixelAspect(text string) float64 {
	a, b, ok := strings.Cut(text, ":")
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if !ok || errX != nil || errY != nil || !(x > 0) || !(y > 0) || !(x/y <= 16 && y/x <= 16) {
		return 1
	}
	return x / y
}
