package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"goxkd/media"
)

// ErrLate marks a child that was killed because its time was up. The file may serve another time.
var ErrLate = errors.New("did not end")

// stderrLimit bounds what is kept of a child's complaints.
const stderrLimit = 8 << 10

// complaint is what a tool said of its input before it failed: its first line, in its own words. Nobody asks what they are.
type complaint string

func (c complaint) Error() string { return string(c) }

// process is one run of a child with bounded time and output.
type process struct {
	name  string
	args  []string
	limit time.Duration
	// outs are the most bytes read from each output: standard output, then descriptors 3, 4, ...
	// Beyond its limit an output is closed, which ends the child's interest in it.
	outs []int
}

// run starts the child, reads its outputs and waits for it. The child and whatever it started are
// killed when ctx ends or the limit passes. The outputs come back also when there is an error, whose
// text is one line; it is a complaint where the child has said one.
func (p process) run(ctx context.Context) ([][]byte, error) {
	outs := make([][]byte, len(p.outs))
	sinks := make([]func(io.Reader), len(p.outs))
	for i, limit := range p.outs {
		sinks[i] = func(r io.Reader) { outs[i] = readUpTo(r, limit) }
	}
	started, err := p.stream(ctx, sinks)
	if !started {
		return nil, err
	}
	return outs, err
}

// stream is run for outputs that are read as they come, each by its sink, side by side; an output is closed when its sink
// returns. started tells whether there was a child at all.
func (p process) stream(ctx context.Context, sinks []func(io.Reader)) (started bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.name, p.args...)
	defer ownGroup(cmd)()
	cmd.WaitDelay = time.Second
	complaints := &boundedBuffer{limit: stderrLimit}
	cmd.Stderr = complaints

	readers := make([]*os.File, len(sinks))
	writers := make([]*os.File, len(sinks))
	closeAll := func(files []*os.File) {
		for _, f := range files {
			if f != nil {
				f.Close()
			}
		}
	}
	for i := range sinks {
		var err error
		if readers[i], writers[i], err = os.Pipe(); err != nil {
			closeAll(readers)
			closeAll(writers)
			return false, fmt.Errorf("%w %s: %w", media.ErrTool, p.name, err)
		}
	}
	cmd.Stdout = writers[0]
	cmd.ExtraFiles = writers[1:]
	err = cmd.Start()
	closeAll(writers)
	if err != nil {
		closeAll(readers)
		return false, fmt.Errorf("%w %s: %w: install ffmpeg and put it on the PATH", media.ErrTool, p.name, err)
	}
	// A descendant that outlives its group could hold a pipe open: the end of ctx closes our side.
	stop := context.AfterFunc(ctx, func() { closeAll(readers) })
	var reading sync.WaitGroup
	for i, r := range readers {
		reading.Go(func() {
			sinks[i](r)
			r.Close()
		})
	}
	reading.Wait()
	err = cmd.Wait()
	stop()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return true, fmt.Errorf("%s %w within %v", p.name, ErrLate, p.limit)
	case ctx.Err() != nil:
		return true, ctx.Err()
	case err != nil:
		if line := complaints.line(); line != "" {
			return true, complaint(line)
		}
		return true, fmt.Errorf("%s: %w", p.name, err)
	}
	return true, nil
}

// readUpTo reads at most limit bytes, growing with what comes.
func readUpTo(r io.Reader, limit int) []byte {
	var buf bytes.Buffer
	buf.Grow(min(limit, 1<<20))
	_, _ = io.Copy(&buf, io.LimitReader(r, int64(limit))) // the child's end decides about errors
	return buf.Bytes()
}

// boundedBuffer keeps the first bytes written and drops the rest.
type boundedBuffer struct {
	limit int
	buf   []byte
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	b.buf = append(b.buf, p[:min(len(p), b.limit-len(b.buf))]...)
	return len(p), nil
}

// source is what ffmpeg puts before a complaint, e.g. "[mov,mp4 @ 0x55d0]".
var complaintSource = regexp.MustCompile(`^(\[[^\]]* @ 0x[0-9a-f]+\] *)+`)

// notRead is what ffmpeg says of a format that is not among formats, which it lists.
var notRead = regexp.MustCompile(`^\[(\S+) @ 0x[0-9a-f]+\] Format not on whitelist`)

// line is the first complaint in one short line of printable text.
func (b *boundedBuffer) line() string {
	for line := range strings.Lines(string(b.buf)) {
		if name := notRead.FindStringSubmatch(line); name != nil {
			return fmt.Sprintf("it holds %q, which is none of the containers that are read", strings.TrimSuffix(name[1], "_pipe"))
		}
		line = strings.TrimSpace(complaintSource.ReplaceAllString(strings.TrimSpace(line), ""))
		line = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '\uFFFD' {
				return -1
			}
			return r
		}, line)
		if line == "" {
			continue
		}
		if runes := []rune(line); len(runes) > 160 {
			line = string(runes[:160]) + "…"
		}
		return line
	}
	return ""
}
