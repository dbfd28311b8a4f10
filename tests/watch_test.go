package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"goxkd/record"
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
	require.True(t, in[bool](b, `charts.get('Loss').plot.data[0].every((s, i, all) => !i || s > all[i - 1])`))
	requests, complaints := b.asked()
	require.Empty(t, complaints)
	require.Regexp(t, `run=2&generation=\d+&after=25000`, fmt.Sprint(requests))
	for _, u := range requests {
		require.Contains(t, address, u.Host, "it asks others: %s", u)
	}

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

// useCurves hovers a curve, and hides and shows a run of so many.
func (b *tab) useCurves(runs int) {
	t := b.t
	t.Helper()
	b.until(`document.querySelectorAll('#curves .panel canvas').length > 10`)
	require.Equal(t, runs, in[int](b, `document.querySelectorAll('#runs .run').length`))
	legend := `[...charts.get('Loss').box.querySelectorAll('.u-label')].map(e => e.textContent).join()`
	require.Contains(t, in[string](b, legend), "b")

	value := `charts.get('Loss').box.querySelector('.u-series:nth-child(2) .u-value').textContent`
	before := in[string](b, value)
	at := in[[]float64](b, `(r => [r.x + r.width / 4, r.y + r.height / 2])(charts.get('Loss').box.querySelector('.u-over').getBoundingClientRect())`)
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, at[0], at[1]))
	b.until(value + ` !== ` + fmt.Sprintf("%q", before))
	require.Regexp(t, `^\d`, in[string](b, `charts.get('Learning rate').box.querySelector('.u-series .u-value').textContent`), "other curves show the same step")
	b.do(chromedp.MouseEvent(chromedp.MouseMoved, 1, 1))
	require.Equal(t, in[[]string](b, `panels.map(p => p[0]).filter(p => charts.has(p))`), in[[]string](b, `[...document.querySelectorAll('.panel h2')].map(e => e.textContent)`), "panels are in order, and none is without a title")

	b.click(`#runs .run:nth-child(2)`)
	b.until(`document.querySelector('#runs .run:nth-child(2)').classList.contains('off')`)
	shown := in[int](b, `charts.get('Loss').plot.series.length`)
	b.click(`#runs .run:nth-child(2)`)
	b.until(`!document.querySelector('#runs .run:nth-child(2)').classList.contains('off')`)
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
	b.until(`charts.size > 0`)
	before, axes := in[string](b, paper), in[string](b, ink)
	b.click("#theme")
	require.NotEqual(b.t, before, in[string](b, paper))
	require.NotEqual(b.t, axes, in[string](b, ink), "the curves are not drawn anew")
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
