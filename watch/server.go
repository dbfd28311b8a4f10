package watch

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"goxkd/record"
	"goxkd/xkd"
)

//go:embed page
var page embed.FS

// DefaultAddress is where runs are served unless another is named.
const DefaultAddress = "127.0.0.1:8765"

// Address completes what a user has named: a port, :port or host:port; without a host it is this machine's own.
func Address(text string) (string, error) {
	if _, err := strconv.Atoi(text); err == nil {
		text = ":" + text
	}
	host, port, err := net.SplitHostPort(text)
	if n, err2 := strconv.Atoi(port); err != nil || err2 != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%q is no address: give a port, or host:port such as %s", text, DefaultAddress)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Server serves runs. Its methods are safe for concurrent use.
type Server struct {
	mu   sync.Mutex
	list []*record.Run
}

// New serves the runs in the folders, in their order; a folder need not hold anything yet.
func New(folders ...string) (*Server, error) {
	s := &Server{}
	for _, f := range folders {
		r, err := record.Open(f)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, r)
	}
	return s, nil
}

// Start serves at an address until ctx ends, and gives the page's address.
func (s *Server) Start(ctx context.Context, address string) (url string, err error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	context.AfterFunc(ctx, func() { server.Close() })
	go server.Serve(l) // ends with the listener
	return "http://" + l.Addr().String() + "/", nil
}

// policy lets the page load what the program holds and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler is the page and what it asks for.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // it is embedded
	}
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /api/runs", s.runs)
	mux.HandleFunc("GET /api/curves", s.curves)
	mux.HandleFunc("GET /api/picture", s.picture)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !ours(r.Host):
			http.Error(w, "this page is served under the machine's address alone, not under "+strconv.Quote(r.Host), http.StatusMisdirectedRequest)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "this page is for reading", http.StatusMethodNotAllowed)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// ours tells whether a Host is one that no other page can have been loaded from: an address, localhost or the machine's name.
// A name that somebody lets point here (DNS rebinding) is none.
func ours(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	own, err := os.Hostname()
	return net.ParseIP(host) != nil || host == "localhost" || err == nil && own != "" && host == strings.ToLower(own)
}

// Info is what the page is told of a run.
type Info struct {
	Name     string             `json:"name"`
	State    string             `json:"state"`
	Error    string             `json:"error,omitempty"`
	Step     int                `json:"step"`
	Steps    int                `json:"steps"`
	LnDim    int                `json:"dim,omitempty"` // of the heads' outputs
	Settings map[string]string  `json:"settings"`
	Sessions []xkd.Session      `json:"sessions"`
	Scores   map[string]float64 `json:"scores"`
	Looks    []record.Look      `json:"looks"`
	Rows     []string           `json:"rows"` // of the looks' pictures
}

func info(r *record.Run) Info {
	i := Info{
		Name: filepath.ToSlash(r.Folder), State: r.State, Step: r.Log.Last.Step, Steps: r.Planned(),
		Settings: map[string]string{}, Sessions: []xkd.Session{}, Scores: r.Scores(), Looks: r.Looks(), Rows: record.LookRows,
	}
	if r.Config != nil {
		i.LnDim = r.Config.Model.Head.Out
		for _, s := range r.Config.Settings() {
			i.Settings[s.Path] = s.Text()
		}
	}
	if r.Record != nil {
		i.Sessions = r.Record.Sessions
	}
	return i
}

func (s *Server) runs(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	out := []Info{}
	for _, r := range s.list {
		err := r.Update()
		i := info(r)
		if err != nil {
			i.Error = err.Error()
		}
		out = append(out, i)
	}
	s.mu.Unlock()
	answer(w, out)
}

// Curves are what the page is told of a run's figures.
type Curves struct {
	Generation int                     `json:"generation"`
	Whole      bool                    `json:"whole"` // not only what is new
	Last       int                     `json:"last"`  // step
	Curves     map[string]record.Curve `json:"curves"`
}

func (s *Server) curves(w http.ResponseWriter, r *http.Request) {
	run, ok := s.named(w, r)
	if !ok {
		return
	}
	generation, after := number(r, "generation"), number(r, "after")
	s.mu.Lock()
	err := run.Log.Update()
	c := Curves{Generation: run.Log.Generation, Last: run.Log.Last.Step}
	if c.Whole = generation != c.Generation || after <= 0; c.Whole {
		after = 0
	}
	c.Curves = run.Log.After(after)
	s.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, c)
}

// picture serves one that a look names, and no other file.
func (s *Server) picture(w http.ResponseWriter, r *http.Request) {
	run, ok := s.named(w, r)
	if !ok {
		return
	}
	name := r.URL.Query().Get("name")
	s.mu.Lock()
	named := slices.ContainsFunc(run.Looks(), func(l record.Look) bool {
		return slices.ContainsFunc(l.Clips, func(c record.LookClip) bool { return name == c.Video || name == c.Audio })
	})
	s.mu.Unlock()
	if !named || name == "" || name != filepath.Base(name) || filepath.Ext(name) != ".png" {
		http.NotFound(w, r)
		return
	}
	data, err := record.Picture(run.Folder, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	w.Write(data)
}

func (s *Server) named(w http.ResponseWriter, r *http.Request) (*record.Run, bool) {
	n := number(r, "run")
	if n < 0 || n >= len(s.list) {
		http.NotFound(w, r)
		return nil, false
	}
	return s.list[n], true
}

func number(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return -1
	}
	return n
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	// The page has gone where it cannot be written.
	_ = json.NewEncoder(w).Encode(v)
}

// InUse tells whether an address is taken by another program.
func InUse(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && strings.Contains(err.Error(), "in use")
}
