package media

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// probeLimit bounds the time that ffprobe may take for one file, and probeBytes its answer.
const (
	probeLimit = 20 * time.Second
	probeBytes = 1 << 20
)

// maxPixels is the largest frame that is decoded; a header can claim any size.
const maxPixels = 1 << 26

// probed is what ffprobe tells of one file.
type probed struct {
	duration float64 // seconds over which the wanted streams have samples; 0 when unknown
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

// inputArgs are the arguments that name an input file safely: never an option, a protocol other than
// file, or a playlist that names other files.
func inputArgs(path string) []string {
	return []string{"-protocol_whitelist", "file", "-format_whitelist", formats, "-i", "file:" + path}
}

// formats are the containers that are opened. Playlists, image sequences, devices and text that is
// drawn as video are not among them.
var formats = strings.Join([]string{
	"mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "live_flv", "asf", "ogg",
	"wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "aiff", "au", "caf", "amr", "mxf", "mxf_opatom",
	"h264", "hevc", "m4v", "yuv4mpegpipe", "gif", "rm", "dv", "ivf", "nut", "h263", "h261", "swf", "gxf",
}, ",")

// askProbe runs ffprobe on the file at the absolute path and returns its answer as JSON. The error
// says in one line, without the path, why it has none.
func askProbe(ctx context.Context, path string) ([]byte, error) {
	args := append([]string{"-v", "error", "-of", "json", "-show_entries",
		"format=duration:stream=index,codec_type,width,height,sample_rate,duration,sample_aspect_ratio:" +
			"stream_tags=rotate:stream_disposition=attached_pic:stream_side_data=rotation"}, inputArgs(path)...)
	outs, err := process{"ffprobe", args, probeLimit, []int{probeBytes}}.run(ctx)
	if err != nil {
		if errors.Is(err, errTool) || ctx.Err() != nil {
			return nil, err
		}
		return nil, errors.New("not readable as media: " + strings.TrimPrefix(err.Error(), "file:"+path+": "))
	}
	return outs[0], nil
}

// probeAnswer mirrors the part of ffprobe's JSON that matters.
type probeAnswer struct {
	Streams []struct {
		Index       int
		CodecType   string `json:"codec_type"`
		Width       int
		Height      int
		SampleRate  string `json:"sample_rate"`
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

// parseProbe picks the first usable stream of each wanted kind. The error says in one line why the
// file cannot serve.
func parseProbe(raw []byte, needVideo, needAudio bool) (*probed, error) {
	var answer probeAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, fmt.Errorf("ffprobe's answer is not understood: %w", err)
	}
	p := &probed{duration: seconds(answer.Format.Duration)}
	for _, s := range answer.Streams {
		switch {
		case s.CodecType == "video" && p.video == nil && s.Disposition.AttachedPic == 0 && needVideo:
			if s.Width < 1 || s.Height < 1 {
				continue
			}
			p.video = &videoStream{index: s.Index, w: s.Width, h: s.Height, aspect: pixelAspect(s.Aspect)}
			turn, _ := strconv.ParseFloat(s.Tags.Rotate, 64)
			for _, d := range s.SideData {
				if d.Rotation != 0 {
					turn = d.Rotation
				}
			}
			p.video.turned = int(math.Abs(math.Round(turn/90)))%2 == 1
			p.duration = shorter(p.duration, seconds(s.Duration))
		case s.CodecType == "audio" && p.audio == nil && needAudio:
			if rate, _ := strconv.Atoi(s.SampleRate); rate < 1 {
				continue
			}
			p.audio = &audioStream{index: s.Index}
			p.duration = shorter(p.duration, seconds(s.Duration))
		}
	}
	switch {
	case needVideo && p.video == nil && needAudio && p.audio == nil:
		return nil, errors.New("no usable video or audio stream")
	case needVideo && p.video == nil:
		return nil, errors.New("no usable video stream")
	case needAudio && p.audio == nil:
		return nil, errors.New("no usable audio stream")
	case p.video != nil && p.video.w > maxPixels/p.video.h:
		return nil, fmt.Errorf("frames of %dx%d pixels are too large: at most %d Mpixel are decoded", p.video.w, p.video.h, maxPixels>>20)
	}
	return p, nil
}

// maxSeconds is the longest duration that is believed: four months.
const maxSeconds = 1e7

// seconds reads a duration; what ffprobe does not know is 0.
func seconds(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0 && v < maxSeconds) {
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
	if !ok || errX != nil || errY != nil || x <= 0 || y <= 0 || x/y > 16 || y/x > 16 {
		return 1
	}
	return x / y
}
