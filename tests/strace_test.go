package tests

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/internal/shared"
	"goxkd/media/mediatest"
)

// ffmpeg and ffprobe open no file but the one that they are given and what every process opens, and no socket, whatever the
// files are: playlists, scripts, references to other files and machines, archives with such members, names like options,
// patterns and addresses.
func TestStrace(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil || runtime.GOOS != "linux" {
		t.Skip("there is no strace")
	}
	if exec.Command(strace, "-f", "-Y", "-o", filepath.Join(t.TempDir(), "log"), "true").Run() != nil {
		t.Skip("strace cannot trace here, or not tell names of processes")
	}
	mediatest.NeedTools(t)
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	secret := filepath.Join(dir, "secret.mkv")
	mediatest.Seconds(t, secret, 2)
	hostileNames := lures(t, data, secret)
	if long() {
		link := filepath.Join(data, "odd")
		require.NoError(t, os.Symlink(shared.Path(t, "data", "odd"), link))
	}
	archives := filepath.Join(dir, "archives")
	shutIn(t, data, archives)
	tools, opened := 0, 0
	for k, args := range [][]string{
		{"index", "data", "--out", "index.jsonl"},
		{"index", "archives", "--out", "archives.jsonl"},
		{"train", "--data", "data", "--device", "cpu", "--batch", "2", "--steps", "1", "--workers", "2", "--out", "run"},
	} {
		log := filepath.Join(dir, fmt.Sprintf("log%d", k))
		cmd := exec.Command(strace, append([]string{"-f", "-Y", "-s", "4096", "-e", "trace=execve,open,openat,openat2,creat,socket,connect", "-o", log, program}, args...)...)
		cmd.Dir = dir
		text, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", text)
		require.NotContains(t, string(text), "internal error")
		calls, err := os.ReadFile(log)
		require.NoError(t, err)
		n, files := requireModest(t, string(calls))
		tools, opened = tools+n, opened+files
	}
	require.Greater(t, tools, hostileNames)
	require.Greater(t, opened, hostileNames)
	require.NoFileExists(t, filepath.Join(dir, "ran"))
	t.Logf("%d lures, %d runs of the tools, which opened %d files of ours and no other", hostileNames, tools, opened)
}

var (
	// One line of strace -f -Y: process, its name, the call and its text.
	straceLine = regexp.MustCompile(`^(\d+)<([^>]*)> +(execve|open|openat|openat2|creat|socket|connect)\((.*)$`)
	straceText = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)
	// What the loader and the C library open for every process.
	everybodys = regexp.MustCompile(`^(/usr/local|/usr)?/lib|^/etc/(ld\.so|localtime|ssl/openssl\.cnf|gcrypt/|gnutls/|crypto-policies/|OpenCL|vdpau)|^/(proc|sys)/|^/dev/(null|urandom)$|^/usr/share/(zoneinfo|locale)|/lib[^/]*\.so[^/]*$`)
)

// requireModest looks at all that the tools have called. It gives how many were run and how many files of ours were opened.
func requireModest(t *testing.T, calls string) (tools, opened int) {
	t.Helper()
	given := map[string]string{} // the arguments, by process
	var all strings.Builder
	for line := range strings.Lines(calls) {
		m := straceLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		pid, name, call, rest := m[1], m[2], m[3], m[4]
		path := ""
		if text := straceText.FindStringSubmatch(rest); text != nil {
			path = text[1]
		}
		if call == "execve" {
			if base := filepath.Base(path); base == "ffmpeg" || base == "ffprobe" {
				if strings.HasPrefix(path, "/") && given[pid] == "" {
					tools++
				}
				given[pid] = rest
				all.WriteString(rest)
			} else if base != filepath.Base(program) {
				t.Fatalf("a program is run that is none of the tools: %s", line)
			}
			continue
		}
		args, isTool := given[pid]
		if !isTool {
			if name == filepath.Base(program) || name == "strace" {
				continue
			}
			args = all.String() // a thread of a tool
		}
		require.NotContains(t, []string{"socket", "connect"}, call, "%s", line)
		switch {
		case everybodys.MatchString(path):
		case path != "" && strings.Contains(args, "file:"+path+`"`):
			opened++
		default:
			t.Fatalf("a tool opens %q: %s", path, line)
		}
	}
	return tools, opened
}

// lures writes files that would have a tool open another file or a socket, if it believed them, and gives their number.
func lures(t *testing.T, dir, secret string) int {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	n := 0
	put := func(name string, content []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o644))
		n++
	}
	film, err := os.ReadFile(secret)
	require.NoError(t, err)
	texts := map[string]string{
		"concat":    "ffconcat version 1.0\nfile '" + secret + "'\n",
		"playlist":  "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n" + secret + "\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
		"dash":      `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><BaseURL>http://127.0.0.1:9/</BaseURL></Period></MPD>`,
		"session":   "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
		"script":    "#!/bin/sh\ntouch ran\n",
		"reference": "RTSPtext\nrtsp://127.0.0.1:9/a\n",
		"avisynth":  `DirectShowSource("` + secret + `")`,
		"smil":      `<smil><body><video src="` + secret + `"/></body></smil>`,
	}
	extensions := []string{"mp4", "mkv", "ts", "avi", "mov", "webm", "flv", "wav"}
	if long() {
		extensions = append(extensions, "mp3", "aac", "ogg", "m4a", "asf", "mpg", "y4m", "gif", "h264", "flac", "mxf", "wmv")
	} else {
		extensions = extensions[:1]
	}
	for kind, text := range texts {
		for _, ext := range extensions {
			put(kind+"."+ext, []byte(text))
		}
	}
	// A film whose data lie in another file, as QuickTime allows.
	moved := filepath.Join(t.TempDir(), "a.mov")
	mediatest.Seconds(t, moved, 2, "-c:v", "mjpeg", "-c:a", "pcm_s16le")
	raw, err := os.ReadFile(moved)
	require.NoError(t, err)
	self := []byte("url \x00\x00\x00\x01")
	require.Positive(t, bytes.Count(raw, self))
	put("elsewhere.mov", bytes.ReplaceAll(raw, self, []byte("alis\x00\x00\x00\x00")))
	names := []string{"-i.mkv", "$(touch ran).mkv", "subfile,,start,0,end,9,,:x.mkv", "http:x.mkv", "a%03d.mkv", "new\nline.mkv", "-vf movie=x.mkv", "file:x.mkv",
		"concat:a|b.mkv", "`touch ran`.mkv", "a;touch ran;.mkv", "|touch ran.mkv", "*.mkv", "pipe:.mkv", "quote'\".mkv"}
	if !long() {
		names = names[:4]
	}
	for _, name := range names {
		put(strings.TrimSuffix(name, ".mkv")+".mkv", film)
	}
	return n
}

// shutIn packs a folder's files into a shard.
func shutIn(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(to, 0o755))
	entries, err := os.ReadDir(from)
	require.NoError(t, err)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			continue // a folder
		}
		require.NoError(t, w.WriteHeader(&tar.Header{Name: e.Name(), Mode: 0o644, Size: int64(len(content))}))
		_, err = w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, os.WriteFile(filepath.Join(to, "lures.tar"), b.Bytes(), 0o644))
}
