package tests

import (
	"context"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// tab is a page in a headless Chromium of its own.
type tab struct {
	t   *testing.T
	ctx context.Context // ends with the browser

	mu       sync.Mutex
	requests []*url.URL
	problems []string // what the console says but for notes, and exceptions
}

// openTab starts Chromium, and skips the test where there is none. It ends with the test, or after the time given.
func openTab(t *testing.T, most time.Duration, more ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	var browser string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("there is no Chromium here: XKD_BROWSER=1 make setup installs one")
	}
	// What Chromium does of itself needs a network and is no part of a test.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WSURLReadTimeout(2*time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(t.Context(), most)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(options, more...)...)
	t.Cleanup(cancel) // which waits for the browser's end and removes its profile
	b := &tab{t: t}
	b.ctx, cancel = chromedp.NewContext(ctx, chromedp.WithListener(b.event))
	t.Cleanup(cancel)
	b.do()
	return b
}

// event keeps what the page asks for and complains about.
func (b *tab) event(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil {
			b.problems = append(b.problems, err.Error())
		} else {
			b.requests = append(b.requests, u)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			b.problems = append(b.problems, "console: "+description(e.Args...))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, fmt.Sprintf("%s: %s", e.ExceptionDetails.Text, description(e.ExceptionDetails.Exception)))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL))
		}
	}
}

// description is what the console would show of values.
func description(values ...*runtime.RemoteObject) string {
	var parts []string
	for _, v := range values {
		if v == nil {
			continue
		}
		parts = append(parts, v.Description+string(v.Value))
	}
	return strings.Join(parts, " ")
}

// asked are the addresses that have been asked for since the last call, and complaints the complaints.
func (b *tab) asked() (requests []*url.URL, complaints []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	requests, complaints = b.requests, b.problems
	b.requests, b.problems = nil, nil
	return requests, complaints
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, steps...))
}

// click clicks the first element that a selector finds, where it is.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// in evaluates an expression in the page.
func in[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, "%s", expression)
	return v
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for began := time.Now(); !in[bool](b, "!!("+expression+")"); time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			_, complaints := b.asked()
			b.t.Fatalf("it never came to %s: the page says %.2000q and complains %s", expression, in[string](b, "document.body.innerText"), strings.Join(complaints, "; "))
		}
	}
}
