package ffmpeg

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// packet is what ffprobe tells of one packet.
type packet struct {
	Stream   int    `json:"stream_index"`
	PTS      string `json:"pts_time"`
	DTS      string `json:"dts_time"`
	Duration string `json:"duration_time"`
	Size     string
	Pos      string // where in the file it lies
	Flags    string
}

// end is where in the file the packet ends; 0 where that is not told.
func (p packet) end() int64 {
	at, err := strconv.ParseInt(p.Pos, 10, 64)
	size, sizeErr := strconv.ParseInt(p.Size, 10, 64)
	if err != nil || sizeErr != nil || at < 0 || size < 0 || size > math.MaxInt64-at {
		return 0
	}
	return at + size
}

// clock measures a stream on its packets.
type clock struct {
	packets int
	timed   bool    // any packet has a time
	sum     float64 // of the packets' durations

	first, last   float64
	length        float64 // of the last packet, by its time
	keyed         bool
	firstKey, key float64 // the first and the last keyframe
	keyGap        float64

	// Packets come in the order of decoding: a few wait here to be put in the order of their times.
	waiting []float64
	shown   float64
	any     bool
	gap     float64

	undisplayed bool // the first keyframe has a time of decoding and none of display

	holed bool // nothing comes for so long that what follows is not believed

	joints   int     // places where the times of decoding jump
	jumped   bool    // they did at the last packet
	again    bool    // they have begun anew, as those of another recording do
	until    float64 // where they do
	decoding float64
	decoded  bool
}

func newClock() *clock { return &clock{} }

// maxHole is the longest time in seconds without a packet that is believed: by a hole a few bytes can claim months.
const maxHole = 3600

// reorder is how many packets wait to be put in order: the most that codecs move a picture.
const reorder = 32

func (c *clock) add(p packet) {
	if at, ok := instant(p.DTS); ok {
		if c.decoded && jumps(at-c.decoding) {
			c.joints++
			// One packet with a time of its own is an error that comes and goes.
			if !c.again && !c.jumped && at < c.decoding-restart && at < c.first+restart {
				c.again, c.until = true, c.decoding
			}
		}
		c.jumped = c.decoded && jumps(at-c.decoding)
		c.decoded, c.decoding = true, at
	}
	// Those that an edit list cuts away are decoded for the sake of others alone.
	if strings.Contains(p.Flags, "D") {
		if at, ok := instant(p.PTS); ok && strings.HasPrefix(p.Flags, "K") {
			if !c.keyed {
				c.keyed, c.firstKey = true, at
			}
			c.key = at
		}
		return
	}
	if at, ok := instant(p.DTS); ok && c.packets == 0 && strings.HasPrefix(p.Flags, "K") {
		_, shown := instant(p.PTS)
		c.undisplayed = !shown && !c.timed && inTime(at)
	}
	c.packets++
	length, _ := instant(p.Duration)
	length = max(length, 0)
	c.sum += length
	at, ok := instant(p.PTS)
	if !ok {
		at, ok = instant(p.DTS)
	}
	if !ok {
		return
	}
	if !c.timed {
		c.timed, c.first, c.last = true, at, at
	}
	if c.holed = c.holed || at > c.last+maxHole; c.holed {
		c.packets--
		return
	}
	c.first = min(c.first, at)
	if at >= c.last {
		c.last, c.length = at, length
	}
	if strings.HasPrefix(p.Flags, "K") {
		if c.keyed {
			c.keyGap = max(c.keyGap, at-c.key)
		} else {
			c.keyed, c.firstKey = true, at
		}
		c.key = at
	}
	i, _ := slices.BinarySearch(c.waiting, at)
	c.waiting = slices.Insert(c.waiting, i, at)
	if len(c.waiting) > reorder {
		c.show(c.waiting[0])
		c.waiting = slices.Delete(c.waiting, 0, 1)
	}
}

// show takes the next packet in the order of times.
func (c *clock) show(at float64) {
	if c.any {
		c.gap = max(c.gap, at-c.shown)
	}
	c.any, c.shown = true, at
}

// tell writes down what was measured.
func (c *clock) tell(s *Stream) {
	for _, at := range c.waiting {
		c.show(at)
	}
	c.waiting = nil
	s.Packets, s.Holed = c.packets, c.holed
	if !c.timed {
		// A bare stream without times begins at 0, and its pictures come one after the other.
		s.End, s.Untimed = micro(c.sum), true
		return
	}
	s.Begin, s.End = c.first, micro(c.last+c.lastLength(s.Kind))
	if s.Kind == "video" && c.keyed {
		s.Begin = max(s.Begin, c.firstKey)
		s.KeyGap = micro(max(c.keyGap, s.End-c.key))
	}
	s.Gap = micro(max(c.gap, s.End-c.last))
}

// longest is how long in seconds the last packet of sound may say that it is where no step between two packets is as long, and
// alone how long one without others may be.
const (
	longest = 1
	alone   = 10
)

// lastLength is how long the last packet is, in seconds. No packet behind it bears out what it says itself: that may be nothing,
// or the distance to an end that a header puts before it, which as a number without sign is days. Then it is taken to be as
// long as others are. A picture may be shown for long.
func (c *clock) lastLength(kind string) float64 {
	most := float64(maxHole)
	if kind == "audio" {
		most = longest
	}
	switch {
	case c.packets < 2 && kind == "audio":
		return min(c.length, alone)
	case c.packets < 2 || c.length > 0 && c.length <= max(c.gap, most):
		return c.length
	}
	return (c.last - c.first) / float64(c.packets-1)
}

// jumps tells whether a step between the times at which two packets of a stream are decoded is none that a recording
// makes: its parts were joined, each with its own times. ffmpeg counts the same.
func jumps(step float64) bool { return step < -0.1 || step > 10 }

// restart is by how many seconds times go back where another recording begins; a recorder's slip is less.
const restart = 1

// joinable are the containers, by the first of their names, whose parts may be joined as files are, and in which ffmpeg
// puts the parts' times behind each other.
var joinable = map[string]bool{"mpegts": true, "mpeg": true, "ogg": true}

// joiner puts the times of joined parts behind each other, as ffmpeg does when it decodes them.
type joiner struct {
	offset  float64
	streams map[int]*joined
}

// joined is where a stream of joined parts has got to, in seconds.
type joined struct {
	dts, next float64 // of the last packet, and of the next one
	step      float64 // the longest between two packets
}

func newJoiner() joiner { return joiner{streams: map[int]*joined{}} }

// move moves a packet of picture or sound to its time in the whole.
func (j *joiner) move(p packet) packet {
	dts, ok := instant(p.DTS)
	if !ok {
		return p
	}
	dts += j.offset
	s := j.streams[p.Stream]
	if s == nil {
		s = &joined{dts: dts, next: dts}
		j.streams[p.Stream] = s
	}
	if step := dts - s.next; jumps(step) {
		j.offset -= step
		dts -= step
	} else {
		s.step = max(s.step, dts-s.dts)
	}
	length, _ := instant(p.Duration)
	// A part's last packet may tell a wrong length, as lastLength has it, and its first ones may be headers, which last for nothing.
	if s.step > 0 && length > 2*s.step+0.1 {
		length = 0
	}
	s.dts, s.next = dts, dts+max(length, 0)
	p.DTS = strconv.FormatFloat(dts, 'f', 6, 64)
	if pts, ok := instant(p.PTS); ok {
		p.PTS = strconv.FormatFloat(pts+j.offset, 'f', 6, 64)
	}
	return p
}
