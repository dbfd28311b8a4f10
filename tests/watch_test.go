package tests

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"goxkd/record"
	"goxkd/watch"
	"goxkd/xkd"
)

// appendSteps adds lines of metrics to a run's folder.
func appendSteps(t *testing.T, folder string, from, to int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, xkd.MetricsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	for s := from; s <= to; s++ {
		require.NoError(t, json.NewEncoder(w).Encode(xkd.Metric{Step: s, Losses: map[string]float32{"loss": 1 + 1/float32(s)}, LR: 1e-3}))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
}

// appendFull adds lines with all figures that a run writes, as often as it writes them.
func appendFull(t *testing.T, folder string, from, to int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(folder, xkd.MetricsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	for s := from; s <= to; s++ {
		m := xkd.Metric{Step: s, LR: 1e-3, Losses: map[string]float32{}, Values: map[string]float64{"weight_decay": 0.3, "clips_per_second": 80, "steps_per_second": 5, "waiting": 0.01}}
		noisy := func(k int) float64 { return 1 + math.Exp(-float64(s)/2000) + 0.1*math.Sin(float64(s*(k+7))) }
		for k, name := range xkd.LossNames {
			m.Losses[name] = float32(noisy(k))
		}
		for k, modality := range []string{"_video", "_audio"} {
			for _, name := range []string{"gradient", "ema", "temperature"} {
				m.Values[name+modality] = noisy(k)
			}
			if s%10 == 0 {
				for _, name := range []string{"entropy", "information", "divergence", "rank", "deviation", "centre", "centre_drift"} {
					m.Values[name+modality] = noisy(k)
				}
			}
			if s%500 == 0 {
				m.Values[xkd.HeldPrefix+"knn"+modality] = noisy(k) / 3
			}
		}
		require.NoError(t, json.NewEncoder(w).Encode(m))
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
}

// serveRuns serves runs by the command and gives the page's address.
func serveRuns(t *testing.T, dir string, runs ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"watch", "--address", "127.0.0.1:0"}, runs...)...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, address, found := strings.Cut(strings.TrimSpace(line), "http://")
	require.True(t, found, line)
	return "http://" + address
}

// What a user does with the page of runs, in a browser: all of it comes from the program itself, and nothing is complained about.
func TestPageInBrowser(t *testing.T) {
	b := openTab(t, 5*time.Minute, chromedp.WindowSize(1200, 900))
	dir := t.TempDir()
	tiny := []string{"--config", narrow(t, dir), "--set", "data.synthetic.clips=4", "--look-every"}
	xkdIn(t, dir, small(6, "a", append(tiny, "3")...)...).good(t)
	xkdIn(t, dir, small(4, "b", append(tiny, "4", "--lr", "2e-3")...)...).good(t)
	long := filepath.Join(dir, "long")
	require.NoError(t, os.Mkdir(long, 0o755))
	appendSteps(t, long, 1, 25_000)
	address := serveRuns(t, dir, "a", "b", "long")
	b.do(chromedp.Navigate(address))
	b.useCurves(3)
	b.usePictures()
	b.useSettings()
	b.useTheme()
	b.usePhone()

	// Runs go on: the page asks for what is new alone, and nothing stands twice.
	b.click(`button[data-tab="curves"]`)
	points := in[int](b, `charts.get('Loss').plot.data[0].length`)
	require.Less(t, points, record.MaxPoints+10)
	require.Greater(t, points, record.MaxPoints/2)
	at := in[[]float64](b, `(r => [r.x, r.y + r.height / 2, r.width])(charts.get('Loss').box.querySelector('.u-over').getBoundingClientRect())`)
	b.do(chromedp.MouseEvent(chromedp.MousePressed, at[0]+at[2]/4, at[1], chromedp.ButtonLeft), chromedp.MouseEvent(chromedp.MouseMoved, at[0]+at[2]/2, at[1], chromedp.ButtonLeft),
		chromedp.MouseEvent(chromedp.MouseReleased, at[0]+at[2]/2, at[1], chromedp.ButtonLeft))
	chosen := `(x => [x.min, x.max].join())(charts.get('Loss').plot.scales.x)`
	b.until(`charts.get('Loss').plot.scales.x.max < 20000`)
	part := in[string](b, chosen)
	appendSteps(t, long, 25_001, 25_400)
	b.until(`charts.get('Loss').plot.data[0].at(-1) === 25400`)
	require.Equal(t, points+100, in[int](b, `charts.get('Loss').plot.data[0].length`), "a point is the mean of four steps")
	require.Equal(t, part, in[string](b, chosen), "the part of a curve that was chosen stays")
	rising := `charts.get('Loss').plot.data[0].every((s, i, all) => !i || s > all[i - 1])`
	require.True(t, in[bool](b, rising))
	requests, complaints := b.asked()
	require.Empty(t, complaints)
	require.Regexp(t, `run=2&generation=\d+&after=25000`, fmt.Sprint(requests))
	for _, u := range requests {
		require.Contains(t, address, u.Host, "it asks others: %s", u)
	}

	// The run goes on from an earlier step, as after a kill.
	text, err := os.ReadFile(filepath.Join(long, xkd.MetricsFile))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(long, xkd.MetricsFile), []byte(strings.Join(strings.SplitAfter(string(text), "\n")[:20_000], "")), 0o644))
	b.until(`charts.get('Loss').plot.data[0].at(-1) === 20000`)
	appendSteps(t, long, 20_001, 20_400)
	b.until(`charts.get('Loss').plot.data[0].at(-1) === 20400`)
	require.True(t, in[bool](b, rising))

	// The same as one file, which asks for nothing.
	report := filepath.Join(dir, "report.html")
	xkdIn(t, dir, "report", "a", "b", "--out", report).good(t)
	b.do(chromedp.Navigate("about:blank"))
	b.asked()
	b.do(chromedp.Navigate("file://" + report))
	b.useCurves(2)
	b.usePictures()
	b.useSettings()
	b.usePhone()
	requests, complaints = b.asked()
	require.Empty(t, complaints)
	for _, u := range requests {
		require.True(t, u.Scheme == "data" || u.Path == report, "%.100s", u)
	}
}

// The page holds as many points as a curve can have, in all its panels, and answers: hovering, choosing a part and going back to the whole, while
// lines arrive. How long frames take is logged (docs/watch.md), and not asked for: it is the machine's.
func TestPageHoldsManyPoints(t *testing.T) {
	if !long() {
		t.Skip("a page of 10,000 points a curve takes a minute: make test-all looks at it")
	}
	b := openTab(t, 5*time.Minute, chromedp.WindowSize(1200, 900))
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	require.NoError(t, os.Mkdir(run, 0o755))
	appendFull(t, run, 1, record.MaxPoints)
	address := serveRuns(t, dir, "run")
	b.do(chromedp.Navigate(address))
	b.until(`charts.size > 20 && charts.get('Loss').plot`)
	in[bool](b, `(() => { window.frames_ = []; window.long_ = []; let last = performance.now();
		const tick = () => { const now = performance.now(); frames_.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick);
		new PerformanceObserver(l => l.getEntries().forEach(e => long_.push(e.duration))).observe({type: 'longtask'}); return true; })()`)
	begin := func() { in[bool](b, `(frames_.length = long_.length = 0, true)`) }
	end := func(what string) {
		f := in[[]float64](b, `(f => [f.length, f[f.length >> 1], f[Math.floor(f.length * .95)], f.at(-1), f.filter(v => v > 50).length])(frames_.slice(1).sort((a, b) => a - b))`)
		t.Logf("%s: %.0f frames; median %.0f ms, 95 %% within %.0f, longest %.0f; %.0f above 50 ms; tasks above 50 ms: %.0f", what, f[0], f[1], f[2], f[3], f[4], in[[]float64](b, `long_`))
	}
	box := in[[]float64](b, `(r => [r.x, r.y + r.height / 2, r.width])(charts.get('Loss').box.querySelector('.u-over').getBoundingClientRect())`)
	mouse := func(kind input.DispatchMouseEventType, share float64) {
		b.do(chromedp.MouseEvent(kind, box[0]+share*box[2], box[1], chromedp.ButtonLeft))
	}
	step := `charts.get('Reconstruction').box.querySelector('.u-value').textContent`

	begin()
	for _, title := range in[[]string](b, `[...charts.keys()]`) {
		b.until(fmt.Sprintf(`(c => (c.box.scrollIntoView({block: 'end'}), c.plot))(charts.get(%q))`, title))
		every := fmt.Sprintf(`charts.get(%q).plot.data[1].length`, title)
		require.Contains(t, []int{record.MaxPoints, record.MaxPoints / 10, record.MaxPoints / 500}, in[int](b, every), title)
	}
	in[bool](b, `(scrollTo(0, 0), true)`)
	end("going down the page")
	require.Equal(t, record.MaxPoints, in[int](b, `charts.get('Gradient norms').plot.data[2].length`))

	begin()
	for i := range 100 {
		b.do(chromedp.MouseEvent(chromedp.MouseMoved, box[0]+float64(i)/100*box[2], box[1]))
	}
	require.Regexp(t, `^9,\d{3}$`, in[string](b, step), "other panels show the step under the cursor")
	end("hovering")

	begin()
	for i := range 10 {
		mouse(chromedp.MousePressed, 0.2)
		for k := range 10 {
			mouse(chromedp.MouseMoved, 0.2+0.05*float64(k))
		}
		mouse(chromedp.MouseReleased, 0.65)
		b.until(`charts.get('Loss').plot.scales.x.max < 8000`)
		if i < 9 {
			b.do(chromedp.MouseClickXY(box[0]+box[2]/2, box[1], chromedp.ClickCount(2)))
			b.until(`charts.get('Loss').plot.scales.x.max > 9000`)
		}
	}
	end("choosing a part and going back, 10 times")

	begin()
	last := record.MaxPoints
	for range 20 {
		appendFull(t, run, last+1, last+5)
		last += 5
		mouse(chromedp.MouseMoved, 0.4)
		time.Sleep(500 * time.Millisecond)
	}
	b.until(fmt.Sprintf(`charts.get('Loss').plot.data[0].at(-1) === %d`, last))
	require.Less(t, in[float64](b, `charts.get('Loss').plot.scales.x.max`), 8000.0, "the part that was chosen stays")
	end("lines arriving")
	_, complaints := b.asked()
	require.Empty(t, complaints)
}

// useCurves hovers a curve, and hides and shows a run of so many.
func (b *tab) useCurves(runs int) {
	t := b.t
	t.Helper()
	b.until(`document.querySelectorAll('#curves .panel').length > 10 && charts.get('Loss').plot && charts.get('Reconstruction').plot`)
	require.Zero(t, in[float64](b, `scrollY`), "it begins at its top")
	require.Equal(t, runs, in[int](b, `document.querySelectorAll('#runs .run').length`))
	legend := `[...charts.get('Loss').box.querySelectorAll('.u-label')].map(e => e.textContent).join()`
	require.Contains(t, in[string](b, legend), "b")

	value := `charts.get('Loss').box.querySelector('.u-series:nth-child(2) .u-value').textContent`
	before := in[string](b, value)
	at := in[[]float64](b, `(r => [r.x + r.width / 4, r.y + r.height / 2])(charts.get('Loss').box.querySelector('.u-over').getBoundingClientRect())`)
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, at[0], at[1]))
	b.until(value + ` !== ` + fmt.Sprintf("%q", before))
	require.Regexp(t, `^\d`, in[string](b, `charts.get('Reconstruction').box.querySelector('.u-series .u-value').textContent`), "other curves show the same step")
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, 1, 1))
	require.Equal(t, in[[]string](b, `panels.map(p => p[0]).filter(p => charts.has(p))`), in[[]string](b, `[...document.querySelectorAll('.panel h2')].map(e => e.textContent)`), "panels are in order, and none is without a title")

	b.click(`#runs .run:nth-child(2)`)
	b.until(`document.querySelector('#runs .run:nth-child(2)').classList.contains('off') && charts.get('Loss').plot`)
	shown := in[int](b, `charts.get('Loss').plot.series.length`)
	b.click(`#runs .run:nth-child(2)`)
	b.until(`!document.querySelector('#runs .run:nth-child(2)').classList.contains('off') && charts.get('Loss').plot`)
	require.Equal(t, shown+1, in[int](b, `charts.get('Loss').plot.series.length`))
}

// usePictures goes through the looks.
func (b *tab) usePictures() {
	t := b.t
	t.Helper()
	b.click(`button[data-tab="pictures"]`)
	b.until(`!document.getElementById('pictures').hidden && document.getElementById('curves').hidden`)
	whole := `document.querySelectorAll('#pictures img').length === %d && [...document.querySelectorAll('#pictures img')].every(i => i.complete && i.naturalWidth > 100)`
	b.until(fmt.Sprintf(whole, 8)) // two runs, two clips, two modalities
	require.Equal(t, "6", in[string](b, `document.querySelector('.slide span').textContent`))
	b.do(chromedp.Focus(chromedp.CSS(`.slide input`)), chromedp.KeyEvent(kb.ArrowLeft))
	b.until(`document.querySelector('.slide span').textContent === '4'`)
	require.Equal(t, []string{"a, step 3", "b, step 4"}, in[[]string](b, `[...document.querySelectorAll('#pictures h2')].map(e => e.textContent)`))
	b.until(fmt.Sprintf(whole, 8))
	b.do(chromedp.KeyEvent(kb.ArrowRight))
	b.until(`document.querySelector('.slide span').textContent === '6'`)
}

// useSettings compares what runs were made with.
func (b *tab) useSettings() {
	t := b.t
	t.Helper()
	b.click(`button[data-tab="settings"]`)
	b.until(`!document.getElementById('settings').hidden && document.getElementById('pictures').hidden`)
	rows := `document.querySelectorAll('#settings .wide:last-child tr').length - 1`
	require.Contains(t, in[string](b, `document.getElementById('settings').innerText`), "optimizer.lr")
	few := in[int](b, rows)
	b.click(`#settings input[type="checkbox"]`)
	b.until(rows + fmt.Sprintf(" > %d", few+50))
	b.click(`#settings input[type="checkbox"]`)
	b.until(rows + fmt.Sprintf(" === %d", few))
	require.Contains(t, in[string](b, `[...document.querySelectorAll('#settings tr.differs')].map(e => e.innerText).join()`), "0.002")
}

// useTheme makes the page dark, and light again.
func (b *tab) useTheme() {
	const paper, ink = `getComputedStyle(document.body).backgroundColor`, `charts.get('Loss').plot.axes[0].stroke()`
	b.t.Helper()
	b.click(`button[data-tab="curves"]`)
	b.until(`charts.get('Loss') && charts.get('Loss').plot`)
	before, axes := in[string](b, paper), in[string](b, ink)
	b.click("#theme")
	require.NotEqual(b.t, before, in[string](b, paper))
	b.until(`charts.get('Loss').plot`) // which is drawn anew
	require.NotEqual(b.t, axes, in[string](b, ink))
	b.click("#theme")
	require.Equal(b.t, before, in[string](b, paper))
}

// usePhone looks at all tabs on a narrow screen: nothing stands beyond its edge.
func (b *tab) usePhone() {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile))
	for _, name := range []string{"curves", "pictures", "settings"} {
		b.click(`button[data-tab="` + name + `"]`)
		b.until(`!document.getElementById('` + name + `').hidden && document.getElementById('` + name + `').innerText`)
		b.until(`document.documentElement.scrollWidth <= 390`)
	}
	b.do(chromedp.ResetViewport())
}

// freeAddress is an address of this machine at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer free.Close()
	return free.Addr().String()
}

// follower keeps a run's loss as the page does: it asks for what is new.
type follower struct {
	t       *testing.T
	address string
	loss    record.Curve
	last    watch.Curves
}

// update gives the run's state and step.
func (f *follower) update() (state string, step int) {
	f.t.Helper()
	var list []watch.Info
	f.ask("api/runs", &list)
	require.Len(f.t, list, 1)
	query := fmt.Sprintf("api/curves?run=0&generation=%d&after=%d", f.last.Generation, f.last.Last)
	f.last = watch.Curves{}
	f.ask(query, &f.last)
	if f.last.Whole {
		f.loss = record.Curve{}
	}
	news := f.last.Curves["loss"]
	f.loss.Steps, f.loss.Values = append(f.loss.Steps, news.Steps...), append(f.loss.Values, news.Values...)
	return list[0].State, list[0].Step
}

func (f *follower) ask(path string, into any) {
	f.t.Helper()
	answer, err := http.Get(f.address + path)
	require.NoError(f.t, err)
	defer answer.Body.Close()
	require.Equal(f.t, http.StatusOK, answer.StatusCode)
	require.NoError(f.t, json.NewDecoder(answer.Body).Decode(into))
}

// A run is watched, killed, resumed and compared with one that was left alone: it comes to the same, its looks are the same
// pictures, and what watches it follows without a step twice.
func TestWatchedKilledResumedCompared(t *testing.T) {
	const steps, every = 60, 12 // so many that it is killed before its end
	dir := t.TempDir()
	more := []string{"--config", narrow(t, dir), "--set", "data.synthetic.clips=4", "--look-every", fmt.Sprint(every), "--save-every", "5"}
	xkdIn(t, dir, small(steps, "alone", more...)...).good(t)
	own := freeAddress(t)
	s := start(t, dir, small(steps, "run", append(more, "--watch="+own, "--tensorboard", "--json")...)...)
	s.until(t, 3)
	others := &follower{t: t, address: serveRuns(t, dir, "run")}
	itself := &follower{t: t, address: "http://" + own + "/"}
	for _, f := range []*follower{others, itself} {
		state, step := f.update()
		require.Equal(t, record.StateRunning, state)
		require.GreaterOrEqual(t, step, 3)
	}
	s.until(t, every+2)
	require.NoError(t, s.cmd.Process.Kill())
	require.Error(t, s.cmd.Wait())
	state, done := others.update()
	require.Equal(t, record.StateKilled, state)
	require.Less(t, done, steps)
	_, err := http.Get(itself.address)
	require.Error(t, err, "the page ends with its run")

	r := start(t, dir, "train", "--resume", "--device", "cpu", "--workers", "1", "--out", "run", "--look-every", fmt.Sprint(every), "--tensorboard", "--json")
	r.until(t, every)
	others.update()
	for r.lines.Scan() {
	}
	require.NoError(t, r.cmd.Wait(), "%s", &r.stderr)
	state, done = others.update()
	require.Equal(t, xkd.OutcomeFinished, state)
	require.Equal(t, steps, done)
	require.Len(t, others.loss.Steps, steps)
	for i, step := range others.loss.Steps {
		require.Equal(t, i+1, step)
	}

	var c record.Comparison
	require.NoError(t, json.Unmarshal([]byte(xkdIn(t, dir, "compare", "alone", "run", "--json").good(t).stdout), &c))
	require.Empty(t, c.Settings)
	require.Equal(t, []record.Difference{{Name: "sessions", A: "1", B: "2"}}, c.Provenance)
	require.Greater(t, len(c.Results), len(xkd.LossNames))
	for _, result := range c.Results {
		require.Zero(t, result.Difference, result.Name)
	}
	said := xkdIn(t, dir, "compare", "alone", "run").good(t).stdout
	require.Contains(t, said, "sessions")
	require.NotContains(t, said, "optimizer")
	same := func(name string) {
		want, err := os.ReadFile(filepath.Join(dir, "alone", name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(dir, "run", name))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), name)
	}
	same(xkd.CheckpointFile)
	looks, err := filepath.Glob(filepath.Join(dir, "alone", record.LooksFolder, "*"))
	require.NoError(t, err)
	require.Len(t, looks, steps/every*5)
	for _, path := range looks {
		same(filepath.Join(record.LooksFolder, filepath.Base(path)))
	}
	events, err := filepath.Glob(filepath.Join(dir, "run", watch.TensorBoardFolder, "*"))
	require.NoError(t, err)
	require.Len(t, events, 2)

	var list []struct {
		Folder, State string
		Step, Steps   int
		Sessions      []xkd.Session
		Scores        map[string]float64
	}
	require.NoError(t, json.Unmarshal([]byte(xkdIn(t, dir, "runs", ".", "--json").good(t).stdout), &list))
	require.Len(t, list, 2)
	require.Equal(t, list[0].Scores, list[1].Scores)
	require.Contains(t, list[0].Scores, xkd.HeldPrefix+"knn_audio")
	require.Equal(t, []string{"", xkd.OutcomeFinished}, []string{list[1].Sessions[0].Outcome, list[1].Sessions[1].Outcome})
	require.GreaterOrEqual(t, list[1].Sessions[1].From, 10)
}

// A report is one file in which nothing leads elsewhere and no name is markup.
func TestCLIReport(t *testing.T) {
	dir := t.TempDir()
	name := "a<b>&"
	xkdIn(t, dir, small(2, name, "--config", narrow(t, dir), "--set", "data.synthetic.clips=4", "--look-every", "2")...).good(t)
	require.Equal(t, "report.html\n", xkdIn(t, dir, "report", ".").good(t).stdout)
	text, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	page := string(text)
	require.NotContains(t, page, "a<b>")
	require.Empty(t, regexp.MustCompile(`(src|href)=|url\(|@import`).FindAllString(page, -1))
	require.Contains(t, page, "Permission is hereby granted", "the licence of what draws the curves")
	_, data, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var held struct {
		Runs     []watch.Info
		Curves   []watch.Curves
		Pictures []map[string]string
	}
	require.NoError(t, json.Unmarshal([]byte(data), &held))
	require.Equal(t, name, held.Runs[0].Name)
	require.Equal(t, []int{1, 2}, held.Curves[0].Curves["loss"].Steps)
	require.Len(t, held.Pictures[0], 4)
	for _, c := range held.Runs[0].Looks[0].Clips {
		want, err := record.Picture(filepath.Join(dir, name), c.Video)
		require.NoError(t, err)
		require.Equal(t, "data:image/png;base64,"+base64.StdEncoding.EncodeToString(want), held.Pictures[0][c.Video])
	}

	for _, c := range []struct {
		args string
		code int
		part string
	}{
		{"report", 2, "runs/latest"},
		{"report absent", 1, "xkd train"},
		{"report report.html", 1, "name the folder"},
		{"report . --out no/x.html", 1, "--out"},
		{"watch", 2, "runs/latest"},
		{"watch absent", 1, "xkd train"},
		{"watch . --address nonsense", 2, "8765"},
		{"watch . --address 192.0.2.1:80", 1, "another address"},
		{"train --watch=nonsense", 2, "--watch"},
		{"ablate --watch=nonsense", 2, "--watch"},
		{"finetune x --data synthetic --modality video --watch=nonsense", 2, "--watch"},
		{"train --look-every -1", 2, "--look-every"},
	} {
		xkdIn(t, dir, strings.Fields(c.args)...).fails(t, c.code, c.part)
	}
	require.NoDirExists(t, filepath.Join(dir, "runs"), "nothing has begun")
}
