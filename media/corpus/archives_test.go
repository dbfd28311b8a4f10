package corpus

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"goxkd/media"
	"goxkd/media/mediatest"
)

// tarMember is one to write: contents, or a link of a kind.
type tarMember struct {
	name string
	data []byte
	kind byte
	link string
}

func archive(t testing.TB, members ...tarMember) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Mode: 0o644, Size: int64(len(m.data)), Typeflag: m.kind, Linkname: m.link}
		require.NoError(t, w.WriteHeader(h))
		_, err := w.Write(m.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// Every media member of an archive is a clip, the sound of one, or is named with the reason.
func TestArchives(t *testing.T) {
	if testing.Short() {
		t.Skip("it encodes files")
	}
	mediatest.NeedTools(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	read := func(name string) []byte {
		raw, err := os.ReadFile(at(name))
		require.NoError(t, err)
		return raw
	}
	mediatest.Seconds(t, at("both.mkv"), 2, h264...)
	mediatest.FFmpeg(t, "-i", "file:"+at("both.mkv"), "-an", "-c", "copy", "file:"+at("mute.mp4"))
	mediatest.FFmpeg(t, "-i", "file:"+at("both.mkv"), "-vn", "-c:a", "pcm_s16le", "-ar", "16000", "file:"+at("sound.wav"))
	both, mute, sound := read("both.mkv"), read("mute.mp4"), read("sound.wav")
	file := func(name string, data []byte) tarMember { return tarMember{name, data, tar.TypeReg, ""} }
	text := func(name, data string) tarMember { return file(name, []byte(data)) }
	for _, x := range []struct {
		name    string
		members []tarMember
		clips   map[string]string // with their labels
		bad     map[string]string
		ignored int
	}{
		{"dots", []tarMember{file("m.00.01.mkv", both), text("m.00.01.cls", "goal"), file("m.00.05.mkv", both), text("m.00.05.cls", "foul"), text("m.json", `{"label":"any","split":"test"}`), file("m.01.mkv", both)},
			map[string]string{"m.00.01.mkv": "goal", "m.00.05.mkv": "foul", "m.01.mkv": "any"}, nil, 0},
		{"links", []tarMember{{"b/v1.mkv", nil, tar.TypeLink, "a/v0.mkv"}, file("a/v0.mkv", both), {"b/v2.mkv", nil, tar.TypeSymlink, "../a/v0.mkv"}, {"c/v3.mkv", nil, tar.TypeSymlink, "/data/v3.mkv"},
			{"r1.mkv", nil, tar.TypeSymlink, "r2.mkv"}, {"r2.mkv", nil, tar.TypeSymlink, "r1.mkv"}, {"p.mkv", nil, tar.TypeFifo, ""}},
			map[string]string{"a/v0.mkv": "", "b/v1.mkv": "", "b/v2.mkv": ""}, map[string]string{"c/v3.mkv": "not in the archive", "r1.mkv": "circle", "r2.mkv": "circle", "p.mkv": "not a regular file"}, 0},
		{"empty", []tarMember{file("v.mkv", both), file("e.mp4", nil)}, map[string]string{"v.mkv": ""}, map[string]string{"e.mp4": "empty"}, 0},
		{"kinds", []tarMember{file("k.audio.wav", sound), text("k.cls", "7"), file("k.video.mp4", mute), file("l.mp4", both), file("l.mkv", both), file("./._l.mp4", both), file("blind.wav", sound)},
			map[string]string{"k.video.mp4": "7", "l.mp4": ""}, map[string]string{"l.mkv": "l.mp4 is taken", "blind.wav": "no usable video"}, 1},
		{"again", []tarMember{file("v.mkv", both), text("w.cls", "3"), text("v.cls", "1"), file("w.mkv", both), text("v.cls", "2"), file("v.mkv", both)},
			map[string]string{"v.mkv": "2", "w.mkv": "3"}, map[string]string{"v.mkv": "the same name"}, 0},
	} {
		raw := archive(t, x.members...)
		var gz, zst bytes.Buffer
		g := gzip.NewWriter(&gz)
		_, err := g.Write(raw)
		require.NoError(t, err)
		require.NoError(t, g.Close())
		z, err := zstd.NewWriter(&zst)
		require.NoError(t, err)
		_, err = z.Write(raw)
		require.NoError(t, err)
		require.NoError(t, z.Close())
		for ending, data := range map[string][]byte{".tar": raw, ".tar.gz": gz.Bytes(), ".tgz": gz.Bytes(), ".tar.zst": zst.Bytes()} {
			name := x.name + ending
			if ending != ".tar" && x.name != "kinds" && x.name != "links" {
				continue
			}
			require.NoError(t, os.WriteFile(at(name), data, 0o644))
			src, report, err := Open(context.Background(), at(name), mediatest.Small(media.FolderOptions{}))
			require.NoError(t, err, name)
			clips := map[string]string{}
			for i := range src.Len() {
				label := ""
				if l := src.Label(i); l >= 0 {
					label = src.Classes()[l]
				}
				clips[src.Name(i)[len(name)+1:]] = label
				c, err := src.Load(context.Background(), i, media.Span{Seconds: 1.5})
				require.NoError(t, err, name)
				require.Empty(t, mediatest.OutOfStep(c, 0), src.Name(i))
			}
			require.Equal(t, x.clips, clips, name)
			bad := mediatest.Reasons(report)
			require.Len(t, bad, len(x.bad), "%s: %v", name, bad)
			for member, why := range x.bad {
				require.Contains(t, bad[name+"/"+member], why, name)
			}
			require.Equal(t, x.ignored, report.Ignored, name)
		}
	}
	// One that is damaged serves as far as it goes, and one that grows without bounds is refused.
	noise := make([]byte, 300<<10)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	var half bytes.Buffer
	g := gzip.NewWriter(&half)
	_, err := g.Write(archive(t, file("a.mkv", both), file("a.bin", noise), file("b.mkv", both)))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(at("half.tar.gz"), half.Bytes()[:half.Len()*7/10], 0o644))
	src, report, err := Open(context.Background(), at("half.tar.gz"), mediatest.Small(media.FolderOptions{}))
	require.NoError(t, err)
	require.Equal(t, 1, src.Len())
	require.NotEmpty(t, report.Bad)
	require.NoError(t, os.WriteFile(at("text.tar.zst"), []byte("text"), 0o644))
	_, _, err = Open(context.Background(), at("text.tar.zst"), mediatest.Small(media.FolderOptions{}))
	require.ErrorContains(t, err, "it cannot be unpacked")
	var bomb bytes.Buffer
	z, err := zstd.NewWriter(&bomb)
	require.NoError(t, err)
	_, err = z.Write(make([]byte, 100<<20))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.WriteFile(at("bomb.tar.zst"), bomb.Bytes(), 0o644))
	_, _, err = Open(context.Background(), at("bomb.tar.zst"), mediatest.Small(media.FolderOptions{}))
	require.ErrorContains(t, err, "sixteen times its size")
}
