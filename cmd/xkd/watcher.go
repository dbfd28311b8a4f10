package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"goxkd/xkd"
)

// watcher shows a run's progress: a line that is redrawn on a terminal, lines now and then elsewhere, or JSON.
type watcher struct {
	stdout, stderr io.Writer
	asJSON, tty    bool
	first          xkd.Progress
	steps          int // seen in this run
	drawn          bool
	printed        time.Time
}

// lineEvery bounds the silence of a run that is not on a terminal.
const lineEvery = 30 * time.Second

func newWatcher(stdout, stderr io.Writer, asJSON bool) *watcher {
	_, tty := terminalWidth(stderr)
	return &watcher{stdout: stdout, stderr: stderr, asJSON: asJSON, tty: tty && !asJSON, printed: time.Now()}
}

// progressLine is the JSON form of one step.
type progressLine struct {
	Event   string             `json:"event"`
	Step    int                `json:"step"`
	Steps   int                `json:"steps"`
	Losses  map[string]float32 `json:"losses"`
	LR      float64            `json:"lr"`
	StepsPS float64            `json:"steps_per_second"`
	ClipsPS float64            `json:"clips_per_second"`
	Waiting float64            `json:"waiting_for_data"`
	Left    float64            `json:"seconds_left"`
	Skipped int                `json:"skipped"`
}

func (w *watcher) progress(p xkd.Progress) {
	if w.steps == 0 {
		w.first = p
	}
	w.steps++
	switch {
	case w.asJSON:
		line, err := json.Marshal(progressLine{"step", p.Step, p.Steps, p.Losses.Map(), p.LR,
			p.StepsPerSecond, p.ClipsPerSecond, p.Waiting, p.Left.Seconds(), p.Skipped})
		if err == nil {
			fmt.Fprintf(w.stdout, "%s\n", line)
		}
	case w.tty:
		width, _ := terminalWidth(w.stderr)
		fmt.Fprintf(w.stderr, "\r\x1b[K%s", bar(p, width-1))
		w.drawn = true
	case w.steps == 1 || p.Step == p.Steps || p.Step%max(1, p.Steps/20) == 0 || time.Since(w.printed) >= lineEvery:
		fmt.Fprintf(w.stderr, "step %d/%d  %s\n", p.Step, p.Steps, status(p))
		w.printed = time.Now()
	}
}

// clear removes the drawn line, so that what follows starts on a clean one.
func (w *watcher) clear() {
	if w.drawn {
		fmt.Fprint(w.stderr, "\r\x1b[K")
		w.drawn = false
	}
}

// losses tells a step's loss and, in pretraining, its parts.
func losses(p xkd.Progress) string {
	l := p.Losses.Map()
	if len(l) == 1 {
		return fmt.Sprintf("loss %.3f", l["loss"])
	}
	return fmt.Sprintf("loss %.3f (align %.3f, kd %.3f, recon %.3f)", l["loss"], l["alignment_loss"], l["cmkd_loss"], l["recon_loss"])
}

// status tells losses and speed in words.
func status(p xkd.Progress) string {
	s := fmt.Sprintf("%s  %s steps/s, %s clips/s, %s left, %.0f%% waiting for data", losses(p), figure(p.StepsPerSecond), figure(p.ClipsPerSecond),
		clock(p.Left), 100*min(p.Waiting, 1))
	if p.Skipped > 0 {
		s += fmt.Sprintf(", %s skipped", count(p.Skipped, "clip"))
	}
	return s
}

// bar draws progress in one line of at most width columns; what does not fit is left out, the speed first.
func bar(p xkd.Progress, width int) string {
	const cells = 16
	full := cells * p.Step / max(p.Steps, 1)
	head := fmt.Sprintf("[%s%s] %d/%d  ", strings.Repeat("=", full), strings.Repeat(" ", cells-full), p.Step, p.Steps)
	l := p.Losses.Map()
	skipped := ""
	if p.Skipped > 0 {
		skipped = fmt.Sprintf(", %d skipped", p.Skipped)
	}
	for _, text := range []string{
		head + status(p),
		head + fmt.Sprintf("%s  %s steps/s, %s left, %.0f%% waiting%s", losses(p), figure(p.StepsPerSecond), clock(p.Left), 100*min(p.Waiting, 1), skipped),
		head + fmt.Sprintf("loss %.3f  %s steps/s, %s left, %.0f%% waiting%s", l["loss"], figure(p.StepsPerSecond), clock(p.Left), 100*min(p.Waiting, 1), skipped),
		head + fmt.Sprintf("loss %.3f  %s left", l["loss"], clock(p.Left)),
		fmt.Sprintf("%d/%d  loss %.3f", p.Step, p.Steps, l["loss"]),
	} {
		if utf8.RuneCountInString(text) <= width {
			return text
		}
	}
	return fmt.Sprintf("%d/%d", p.Step, p.Steps)
}

// figure writes a speed with as many digits as it deserves.
func figure(v float64) string {
	switch {
	case v < 1:
		return fmt.Sprintf("%.2f", v)
	case v < 100:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

func seconds(s float64) string { return clock(time.Duration(s * float64(time.Second))) }
