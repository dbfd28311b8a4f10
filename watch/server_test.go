package watch

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/record"
	"goxkd/xkd"
)

func get(t *testing.T, h http.Handler, method, host, path string) (int, string, http.Header) {
	r := httptest.NewRequest(method, "http://127.0.0.1"+path, nil)
	if host != "" {
		r.Host = host
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	return w.Code, string(text), w.Header()
}

func TestPageAnswersNoOtherName(t *testing.T) {
	s, err := New(t.TempDir())
	require.NoError(t, err)
	h := s.Handler()
	for host, code := range map[string]int{
		"127.0.0.1:8765": 200, "localhost": 200, "[::1]:8765": 200, "192.168.1.2:1": 200,
		"evil.example": 421, "evil.example:8765": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example:80": 421,
	} {
		for _, path := range []string{"/", "/api/runs"} {
			got, _, header := get(t, h, "GET", host, path)
			require.Equal(t, code, got, host)
			require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		code, _, _ := get(t, h, method, "", "/api/runs")
		require.Equal(t, 405, code)
	}
	for _, path := range []string{"/uplot-LICENSE.txt", "/uplot.js", "/page.js", "/page.css"} {
		code, text, _ := get(t, h, "GET", "", path)
		require.Equal(t, 200, code)
		require.NotEmpty(t, text)
	}
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{"8080": "127.0.0.1:8080", ":8080": "127.0.0.1:8080", "0.0.0.0:80": "0.0.0.0:80", "[::1]:5": "[::1]:5"} {
		got, err := Address(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "host", "host:port", "1.2.3.4:70000"} {
		_, err := Address(text)
		require.Error(t, err, text)
	}
}

// The page gets what is new, and all of it again where a run has gone on from an earlier step; pictures are those that looks name.
func TestPageFollowsARun(t *testing.T) {
	dir := t.TempDir()
	s, err := New(dir)
	require.NoError(t, err)
	h := s.Handler()
	steps := func(from, to int) {
		f, err := os.OpenFile(filepath.Join(dir, xkd.MetricsFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		require.NoError(t, err)
		for k := from; k <= to; k++ {
			require.NoError(t, json.NewEncoder(f).Encode(xkd.Metric{Step: k, Losses: map[string]float32{"loss": 1}}))
		}
		require.NoError(t, f.Close())
	}
	curves := func(query string) (c Curves) {
		code, text, _ := get(t, h, "GET", "", "/api/curves?run=0&"+query)
		require.Equal(t, 200, code, text)
		require.NoError(t, json.Unmarshal([]byte(text), &c))
		return c
	}
	state := func() string {
		var list []Info
		_, text, _ := get(t, h, "GET", "", "/api/runs")
		require.NoError(t, json.Unmarshal([]byte(text), &list))
		return list[0].State
	}
	require.Empty(t, curves("generation=-1&after=0").Curves)
	require.Equal(t, record.StateAwaited, state())
	steps(1, 10)
	require.Equal(t, record.StateUnknown, state(), "nothing says how it came about")
	c := curves("generation=0&after=0")
	require.True(t, c.Whole)
	require.Len(t, c.Curves["loss"].Steps, 10)
	steps(11, 12)
	c = curves("generation=0&after=10")
	require.False(t, c.Whole)
	require.Equal(t, []int{11, 12}, c.Curves["loss"].Steps)
	require.NoError(t, os.Remove(filepath.Join(dir, xkd.MetricsFile)))
	steps(1, 8)
	c = curves("generation=0&after=12")
	require.True(t, c.Whole)
	require.Equal(t, 8, c.Last)

	config, err := xkd.Default("nano", xkd.XKD)
	require.NoError(t, err)
	tokens := config.AudioTokens()
	view := &xkd.LookView{Target: make([]float32, config.Views.Audio.Mels*config.Views.Audio.Global.Frames), Visible: make([]bool, tokens), Attention: make([]float32, tokens)}
	view.Rebuilt = view.Target
	r := NewRecorder(dir, config)
	require.NoError(t, r.Look(xkd.Look{Step: 7, Clips: []xkd.LookClip{{Name: "<b>", Audio: view}}}))
	var list []Info
	_, text, _ := get(t, h, "GET", "", "/api/runs")
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	require.Equal(t, []record.Look{{Step: 7, Clips: []record.LookClip{{Name: "<b>", Audio: "000007-audio-0.png"}}}}, list[0].Looks)
	code, text, header := get(t, h, "GET", "", "/api/picture?run=0&name=000007-audio-0.png")
	require.Equal(t, 200, code)
	require.Equal(t, "image/png", header.Get("Content-Type"))
	require.Contains(t, text, "PNG")
	for _, name := range []string{"", "000007.json", "..%2f" + xkd.MetricsFile, "%2fetc%2fpasswd", "000008-audio-0.png"} {
		code, _, _ := get(t, h, "GET", "", "/api/picture?run=0&name="+name)
		require.Equal(t, 404, code, name)
	}
	for _, run := range []string{"1", "-1", "x"} {
		code, _, _ := get(t, h, "GET", "", "/api/curves?run="+run)
		require.Equal(t, 404, code)
	}
}

func TestServerEnds(t *testing.T) {
	s, err := New(t.TempDir())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	url, err := s.Start(ctx, "127.0.0.1:0")
	require.NoError(t, err)
	answer, err := http.Get(url)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
	cancel()
	require.Eventually(t, func() bool { _, err := http.Get(url); return err != nil }, 5e9, 1e7)
}
