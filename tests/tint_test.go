package tests

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"goxkd/graph"
	"goxkd/shaders"
)

// tintPage runs jobs in a browser and posts their results.
//
//go:embed testdata/tint.html
var tintPage []byte

// tintJob is one case of an operation, in the words of the browser's WebGPU.
type tintJob struct {
	Name       string
	Buffers    []tintBuffer
	Dispatches []tintDispatch
	Read       []int // buffers to send back

	want  [][]float32
	types []graph.Type // of what is read
	limit float64
}

// tintBuffer has words to start with, or only a number of them.
type tintBuffer struct {
	Words []uint32
	Size  int
}

type tintDispatch struct {
	Text, Entry string
	Params      []uint32
	Uniform     int // the binding of Params
	Binds       []tintBind
	Groups      [3]int
}

type tintBind struct {
	Binding, Buffer int
	Write           bool
}

type tintResult struct {
	Job   int
	Error string
	Words [][]uint32
	Done  bool   // after the last job
	Skip  string // why there can be no results
	Fatal string // what went wrong outside the jobs
}

// Tint is the other WGSL compiler, in Chromium; it is stricter than the one in use here. Every kernel runs in it, on a
// software adapter, and gives the figures of the references.
func TestOpsUnderTint(t *testing.T) {
	if !long() {
		t.Skip("a browser takes its time: make test-all starts one")
	}
	browser := openTab(t, 20*time.Minute, chromedp.Flag("enable-unsafe-webgpu", true), chromedp.Flag("use-webgpu-adapter", "swiftshader"))
	ctx, cancel := context.WithCancel(browser.ctx)
	var jobs []*tintJob
	for _, class := range []graph.Class{graph.Software, graph.Integrated, graph.Discrete} {
		for _, o := range graph.Ops() {
			for _, c := range o.Cases {
				if !c.Large && !o.View {
					jobs = append(jobs, tintCases(t, o, c, graph.Target{Class: class})...)
				}
			}
		}
	}
	results := make(chan tintResult, 16)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(tintPage) })
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(jobs) })
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		var res tintResult
		if err := json.NewDecoder(r.Body).Decode(&res); err != nil {
			res = tintResult{Fatal: "an unreadable result: " + err.Error()}
		}
		select {
		case results <- res:
		case <-ctx.Done():
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer cancel() // first: what it serves may wait for this test
	browser.do(chromedp.Navigate(server.URL + "/"))
	ran := 0
	for {
		select {
		case <-ctx.Done():
			t.Fatalf("no answer from Chromium after %d of %d kernels: %v", ran, len(jobs), context.Cause(ctx))
		case r := <-results:
			switch {
			case r.Skip != "":
				t.Skip(r.Skip)
			case r.Fatal != "":
				t.Fatalf("after %d of %d kernels: %s", ran, len(jobs), r.Fatal)
			case r.Done:
				if ran != len(jobs) {
					t.Errorf("%d of %d kernels ran", ran, len(jobs))
				}
				t.Logf("%d cases ran", ran)
				return
			case r.Error != "":
				t.Errorf("%s: %s", jobs[r.Job].Name, r.Error)
			default:
				jobs[r.Job].compare(t, r.Words)
			}
			ran++
		}
	}
}

func (j *tintJob) compare(t *testing.T, words [][]uint32) {
	t.Helper()
	for k, want := range j.want {
		var diff, size float64
		got := make([]float32, len(want))
		if err := j.types[k].Decode(got, bytesOf(words[k])); err != nil {
			t.Errorf("%s: result %d: %v", j.Name, k, err)
			continue
		}
		for i, w := range want {
			d := float64(got[i]) - float64(w)
			diff += d * d
			size += float64(w) * float64(w)
		}
		if size == 0 {
			size = 1
		}
		if !(diff/size <= j.limit) {
			t.Errorf("%s: result %d: normalised mean square error %.2g", j.Name, k, diff/size)
		}
	}
}

// tintCases are the jobs of a case, one for each variant.
func tintCases(t *testing.T, o *graph.Op, c graph.Case, target graph.Target) (jobs []*tintJob) {
	t.Helper()
	var y *graph.Node
	if _, err := graph.Build(func(g *graph.Graph) { y = g.ApplyCase(o, c) }); err != nil {
		t.Fatal(err)
	}
	for _, target.Variant = range o.VariantsOf(y, target) {
		jobs = append(jobs, tintCase(t, o, c, y, target))
	}
	return jobs
}

// tintCase draws the inputs of a case, runs its reference, and writes its launch down.
func tintCase(t *testing.T, o *graph.Op, c graph.Case, y *graph.Node, target graph.Target) *tintJob {
	t.Helper()
	j := &tintJob{Name: fmt.Sprintf("%s/%s (%s) on %v", o.Name, c.Name, target.Variant, target.Class), limit: c.Tolerance}
	if j.limit == 0 {
		j.limit = 1e-7
	}
	call := graph.Call[float32]{Node: y, Par: func(n, _ int, f func(lo, hi int)) { f(0, n) }}
	lo, hi := c.Range[0], c.Range[1]
	if lo == 0 && hi == 0 {
		lo, hi = -1, 1
	}
	rng := rand.New(rand.NewPCG(4, 2))
	var drawn [][]float64
	for i, n := range y.Inputs {
		data := make([]float64, n.Shape.Size())
		if c.Fill == nil || !c.Fill(i, rng, data) {
			for k := range data {
				data[k] = lo + (hi-lo)*rng.Float64()
			}
		}
		for k, v := range data {
			data[k] = n.Type.Round(v)
		}
		drawn = append(drawn, data)
	}
	if c.Follow != nil {
		c.Follow(c, drawn)
	}
	for i, n := range y.Inputs {
		narrow := make([]float32, len(drawn[i]))
		for k, v := range drawn[i] {
			narrow[k] = float32(v)
		}
		call.In = append(call.In, narrow)
		words := wordsOf(n.Type.Encode(narrow))
		j.Buffers = append(j.Buffers, tintBuffer{Words: words, Size: len(words)})
	}
	l := o.Launch(y, target)
	out := len(j.Buffers)
	for _, r := range y.All() {
		j.Buffers = append(j.Buffers, tintBuffer{Size: int(r.Type.Bytes(r.Shape.Size()) / 4)})
	}
	for _, s := range l.Scratch {
		j.Buffers = append(j.Buffers, tintBuffer{Size: s})
	}
	for _, d := range l.Dispatches {
		j.Dispatches = append(j.Dispatches, tintText(t, d, out, out+len(y.All())))
	}
	if len(o.Updates) == 0 {
		for i, r := range y.All() {
			call.Outs = append(call.Outs, make([]float32, r.Shape.Size()))
			j.Read, j.types = append(j.Read, out+i), append(j.types, r.Type)
		}
		call.Out, j.want = call.Outs[0], call.Outs
	}
	o.Ref32(&call)
	for i, r := range y.All() {
		if i < len(call.Outs) {
			for k, v := range call.Outs[i] {
				call.Outs[i][k] = float32(r.Type.Round(float64(v)))
			}
		}
	}
	for _, i := range o.Updates {
		j.Read = append(j.Read, i)
		j.want, j.types = append(j.want, call.In[i]), append(j.types, graph.Float32)
	}
	return j
}

func wordsOf(data []byte) []uint32 {
	words := make([]uint32, len(data)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return words
}

func bytesOf(words []uint32) (data []byte) {
	for _, w := range words {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	return data
}

// tintText specialises a dispatch; its results start at buffer out, its scratch at buffer scratch.
func tintText(t *testing.T, d graph.Dispatch, out, scratch int) tintDispatch {
	t.Helper()
	convert := func(list []graph.Const) (s []shaders.Const) {
		for _, c := range list {
			s = append(s, shaders.Const{Name: c.Name, Value: c.Value})
		}
		return s
	}
	src, err := shaders.Load(d.Shader, d.Entry, convert(d.Consts), convert(d.Includes))
	if err != nil {
		t.Fatal(err)
	}
	td := tintDispatch{Text: src.Text, Entry: d.Entry, Groups: d.Groups, Uniform: -1}
	for _, b := range d.Binds {
		v, err := src.Storage(b.Var)
		if err != nil {
			t.Fatal(err)
		}
		var k int
		if i, ok := b.Arg.Input(); ok {
			k = i
		} else if i, ok := b.Arg.Scratch(); ok {
			k = scratch + i
		} else if i, ok := b.Arg.Result(); ok {
			k = out + i
		}
		td.Binds = append(td.Binds, tintBind{v.Index, k, v.Write})
	}
	if d.Params != nil {
		u, err := src.Uniform()
		if err != nil {
			t.Fatal(err)
		}
		td.Uniform = u.Index
		p := reflect.ValueOf(d.Params)
		for i := range p.NumField() {
			switch f := p.Field(i); f.Kind() {
			case reflect.Uint32:
				td.Params = append(td.Params, uint32(f.Uint()))
			case reflect.Int32:
				td.Params = append(td.Params, uint32(int32(f.Int())))
			default:
				td.Params = append(td.Params, math.Float32bits(float32(f.Float())))
			}
		}
		td.Params = append(td.Params, slices.Repeat([]uint32{0}, 3)...)
	}
	return td
}
