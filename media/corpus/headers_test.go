package corpus

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// put writes what is big- or little-endian at so many bytes behind each place of a word.
func put(t *testing.T, raw []byte, word string, behind int, order binary.ByteOrder, v any) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, binary.Write(&out, order, v))
	found := false
	for at := 0; ; at += len(word) {
		next := bytes.Index(raw[at:], []byte(word))
		if next < 0 {
			break
		}
		at, found = at+next, true
		copy(raw[at+behind:], out.Bytes())
	}
	require.True(t, found, word)
}

// endEarlier lets the last page of an Ogg file end so many samples earlier.
func endEarlier(raw []byte, samples uint64) {
	page := raw[bytes.LastIndex(raw, []byte("OggS")):]
	binary.LittleEndian.PutUint64(page[6:], binary.LittleEndian.Uint64(page[6:])-samples)
	sum := uint32(0) // CRC-32 of the polynomial 0x04c11db7, from the highest bit on, the sum itself taken as 0
	clear(page[22:26])
	for _, b := range page {
		sum ^= uint32(b) << 24
		for range 8 {
			sum = sum<<1 ^ 0x04c11db7*(sum>>31)
		}
	}
	binary.LittleEndian.PutUint32(page[22:], sum)
}

// What headers and indexes say of lengths is not believed, whatever it is: a clip is as long as what is there, and in step.
func TestHeadersThatAreWrong(t *testing.T) {
	mediatest.NeedTools(t)
	base := filepath.Join(t.TempDir(), "base.mp4")
	const seconds = 4
	mediatest.Seconds(t, base, seconds, h264...)
	big, little := binary.BigEndian, binary.LittleEndian
	const huge = uint32(math.MaxInt32)
	at := func(word string, behind int, order binary.ByteOrder, v any) func([]byte) []byte {
		return func(raw []byte) []byte { put(t, raw, word, behind, order, v); return raw }
	}
	as := func(raw []byte) []byte { return raw }
	type made struct {
		name   string
		args   []string
		change func(raw []byte) []byte
	}
	for sound, all := range map[bool][]made{
		true: {
			{"long.wav", []string{"-bitexact"}, at("data", 4, little, huge)},
			{"short.wav", []string{"-bitexact"}, at("data", 4, little, uint32(30000))},
			{"zero.wav", []string{"-bitexact"}, at("data", 4, little, uint32(0))},
			{"zero.flac", []string{"-sample_fmt", "s16"}, at("fLaC", 21, big, [5]byte{0xf0})}, // the number of bits stays
			{"long.au", nil, at(".snd", 8, big, uint32(math.MaxUint32))},
			{"long.aiff", nil, at("COMM", 10, big, huge)},
			{"long.caf", []string{"-c:a", "pcm_s16le"}, at("data", 4, big, int64(-1))},
			{"long.mp3", []string{"-b:a", "64k"}, at("Info", 8, big, uint32(1e6))},
			{"early.ogg", []string{"-c:a", "libvorbis"}, func(raw []byte) []byte { endEarlier(raw, 5000); return raw }},
			{"layout.mkv", []string{"-af", "pan=6c|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", "-c:a", "pcm_s16le"}, as},
			{"last.m4a", []string{"-c", "copy"}, at("stts", 20, big, huge)},
		},
		false: {
			{"head.mp4", []string{"-c", "copy"}, func(raw []byte) []byte {
				put(t, raw, "mvhd", 20, big, huge)
				put(t, raw, "tkhd", 24, big, huge)
				put(t, raw, "mdhd", 20, big, huge)
				return raw
			}},
			{"head.flv", []string{"-c", "copy"}, at("duration", 9, big, 9999.0)},
			{"noindex.avi", []string{"-c:v", "mjpeg", "-c:a", "pcm_s16le"}, func(raw []byte) []byte { return raw[:bytes.Index(raw, []byte("idx1"))] }},
		},
	} {
		dir := t.TempDir()
		args := []string{"-i", "file:" + base}
		for _, m := range all {
			if args = append(args, m.args...); sound {
				args = append(args, "-vn")
			}
			args = append(args, "file:"+filepath.Join(dir, m.name))
		}
		mediatest.FFmpeg(t, args...)
		for _, m := range all {
			raw, err := os.ReadFile(filepath.Join(dir, m.name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(dir, m.name), m.change(raw), 0o644))
		}
		f, report, err := openFolder(context.Background(), dir, mediatest.Small(media.FolderOptions{NeedAudio: sound, WholeSeconds: 0.5}))
		require.NoError(t, err)
		require.Equal(t, len(all), f.Len(), "%v", mediatest.Reasons(report))
		var requests []media.Request
		for i := range f.Len() {
			require.InDelta(t, seconds, f.Duration(i), 0.08, f.Name(i))
			requests = append(requests, media.Request{Index: i, Span: media.Span{Start: 0.5, Seconds: 3.375}})
		}
		for i, c := range f.LoadAll(context.Background(), requests) {
			require.NoError(t, c.Err, f.Name(i))
			require.Len(t, c.Clip.Wave, 54000, f.Name(i))
			require.Empty(t, mediatest.OutOfStep(c.Clip, 0.5), f.Name(i))
		}
	}
}
