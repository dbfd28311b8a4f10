package ffmpeg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"goxkd/media"
)

// probeLimit bounds the time that ffprobe may take for one file, and probeBytes its answer.
const (
	probeLimit = 20 * time.Second
	probeBytes = 1 << 20
)

// maxPixels is the largest frame that is decoded; a header can claim any size.
const maxPixels = 1 << 26

// Choice is the streams of one file that are decoded.
type Choice struct {
	Duration float64 // seconds over which the wanted streams have samples; 0 when unknown
	video    *videoStream
	audio    *audioStream
}

type videoStream struct {
	index  int
	w, h   int     // stored pixels, before rotation
	aspect float64 // of one pixel, width over height
	turned bool    // by 90 or 270 degrees when shown
}

type audioStream struct{ index int }

// formats are the containers that are opened. Playlists, image sequences, devices and text that is
// drawn as video are not among them.
var formats = strings.Join([]string{
	"mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "live_flv", "asf", "ogg",
	"wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "aiff", "au", "caf", "amr", "mxf", "mxf_opatom",
	"h264", "hevc", "m4v", "yuv4mpegpipe", "gif", "rm", "dv", "ivf", "nut", "h263", "h261", "swf", "gxf",
}, ",")

// Contents are what ffprobe tells of one file.
type Contents struct {
	Duration float64  `json:"duration,omitempty"` // seconds, of the container; 0 when unknown
	Streams  []Stream `json:"streams,omitempty"`
}

// Stream is one stream of a file.
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
	Duration float64 `json:"duration,omitempty"` // seconds; 0 when unknown
	Cover    bool    `json:"cover,omitempty"`    // a picture beside the sound, no film
}

// Probe runs ffprobe on the place. The error says in one line, without the path, why there are no
// contents; it is a Refusal when that lies in the file.
func Probe(ctx context.Context, in Place) (Contents, error) {
	args := append([]string{"-v", "error", "-of", "json", "-show_entries",
		"format=duration:stream=index,codec_type,codec_name,width,height,sample_rate,channels,avg_frame_rate,duration,sample_aspect_ratio:" +
			"stream_tags=rotate:stream_disposition=attached_pic:stream_side_data=rotation"}, in.args()...)
	outs, err := process{"ffprobe", args, probeLimit, []int{probeBytes}}.run(ctx)
	if err != nil {
		if errors.Is(err, media.ErrTool) || errors.Is(err, ErrLate) || ctx.Err() != nil {
			return Contents{}, err
		}
		return Contents{}, Refusal("not readable as media: " + in.unnamed(err).Error())
	}
	c, err := readProbe(outs[0])
	if err != nil {
		return Contents{}, Refusal(err.Error())
	}
	return c, nil
}

// Refusal is a reason that lies in a file itself, so that asking again is in vain until it changes.
type Refusal string

func (r Refusal) Error() string { return string(r) }

// readProbe reads ffprobe's JSON. Figures out of range are unknown.
func readProbe(raw []byte) (Contents, error) {
	var answer struct {
		Streams []struct {
			Index       int
			CodecType   string `json:"codec_type"`
			CodecName   string `json:"codec_name"`
			Width       int
			Height      int
			SampleRate  string `json:"sample_rate"`
			Channels    int
			FrameRate   string `json:"avg_frame_rate"`
			Duration    string
			Aspect      string `json:"sample_aspect_ratio"`
			Disposition struct {
				AttachedPic int `json:"attached_pic"`
			}
			Tags     struct{ Rotate string }
			SideData []struct{ Rotation float64 } `json:"side_data_list"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return Contents{}, fmt.Errorf("ffprobe's answer is not understood: %w", err)
	}
	c := Contents{Duration: seconds(answer.Format.Duration)}
	for _, s := range answer.Streams {
		out := Stream{
			Index: s.Index, Kind: s.CodecType, Codec: s.CodecName, Width: s.Width, Height: s.Height, Channels: s.Channels,
			Duration: seconds(s.Duration), Cover: s.Disposition.AttachedPic != 0,
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
		c.Streams = append(c.Streams, out)
	}
	return c, nil
}

// Pick takes the first usable stream of each wanted kind. The error says in one line why the file
// cannot serve; it is a media.LackError where a stream is missing.
func (c Contents) Pick(needVideo, needAudio bool) (*Choice, error) {
	p := &Choice{Duration: seconds(strconv.FormatFloat(c.Duration, 'g', -1, 64))}
	for _, s := range c.Streams {
		switch {
		case s.Index < 0:
		case s.Kind == "video" && p.video == nil && !s.Cover && needVideo:
			if s.Width < 1 || s.Height < 1 {
				continue
			}
			p.video = &videoStream{index: s.Index, w: s.Width, h: s.Height, aspect: 1}
			if s.Aspect >= 1.0/16 && s.Aspect <= 16 {
				p.video.aspect = s.Aspect
			}
			p.video.turned = int(math.Abs(math.Round(s.Rotation/90)))%2 == 1
			p.Duration = shorter(p.Duration, s.Duration)
		case s.Kind == "audio" && p.audio == nil && needAudio:
			if s.Rate < 1 {
				continue
			}
			p.audio = &audioStream{index: s.Index}
			p.Duration = shorter(p.Duration, s.Duration)
		}
	}
	switch lack := (media.LackError{Video: needVideo && p.video == nil, Audio: needAudio && p.audio == nil}); {
	case lack.Video || lack.Audio:
		return nil, lack
	case p.video != nil && p.video.w > maxPixels/p.video.h:
		return nil, fmt.Errorf("frames of %dx%d pixels are too large: at most %d Mpixel are decoded", p.video.w, p.video.h, maxPixels>>20)
	}
	return p, nil
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

// seconds reads a duration; what ffprobe does not know is 0.
func seconds(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v < media.MaxSeconds) {
		return 0
	}
	return v
}

// shorter is the shorter of two durations of which 0 is unknown.
func shorter(a, b float64) float64 {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
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
