package gpu

import (
	"context"
	"time"

	"github.com/rajveermalviya/go-webgpu/wgpu"

	"goxkd/graph"
)

// While the adapter works on one submission the host encodes the next, so that the adapter never waits for the host.

// A software adapter does its work on the host's cores, and its driver makes the caller of a submission wait: nothing is gained
// there, and each submission is waited for.
func inFlight(c graph.Class) int {
	if c == graph.Software {
		return 0
	}
	return 1
}

// flight is a submission that the adapter may still be at work on.
type flight struct {
	number   int // of the executor's, from 1 on
	from, to int // its dispatches
	sent     time.Time
	fence    *fence
}

// fence tells when the work submitted before it is done: it is a buffer that the adapter copies a word into, and the library
// maps it when the copy is done.
type fence struct {
	buffer  *wgpu.Buffer
	mapping mapping
}

// fences are those of a device that nobody waits for, and the word that is copied.
type fences struct {
	word *wgpu.Buffer
	free []*fence
}

func (f *fences) release() {
	if f.word != nil {
		f.word.Release()
	}
	for _, x := range f.free {
		x.buffer.Release()
		x.mapping.free()
	}
	*f = fences{}
}

// raise puts a fence behind what was submitted.
func (d *Device) raise() (*fence, error) {
	if d.fences.word == nil {
		b, err := d.buffer("fence's word", wordBytes, wgpu.BufferUsage_CopySrc)
		if err != nil {
			return nil, err
		}
		d.fences.word = b
	}
	var f *fence
	if n := len(d.fences.free); n > 0 {
		f, d.fences.free = d.fences.free[n-1], d.fences.free[:n-1]
	} else {
		b, err := d.buffer("fence", wordBytes, wgpu.BufferUsage_MapRead|wgpu.BufferUsage_CopyDst)
		if err != nil {
			return nil, err
		}
		f = &fence{b, newMapping()}
	}
	if err := d.copyBuffer(d.fences.word, 0, f.buffer, 0, wordBytes); err != nil {
		d.fences.free = append(d.fences.free, f)
		return nil, err
	}
	f.mapping.start(f.buffer, mapRead, wordBytes)
	return f, nil
}

// pass waits until the adapter has come to the fence, which may be raised again then. waited tells that it had not yet.
func (d *Device) pass(f *fence) (waited bool, err error) {
	d.dev.Poll(false, nil)
	waited = f.mapping.state() < 0
	if err = d.await(f.mapping); err == nil {
		err = f.buffer.Unmap()
	}
	d.fences.free = append(d.fences.free, f)
	return waited, err
}

// Start submits the given stages of the schedule, or all, and returns before the adapter is done with the last submission, except on
// software adapters.
func (e *Executor) Start(ctx context.Context, stages ...graph.Stage) error {
	return e.do(func() error {
		return e.eachStage(stages, func(from, to int) error { return e.start(ctx, from, to) })
	})
}

// Overlaps implements graph.Device.
func (d *Device) Overlaps() bool { return d.InFlight > 0 }

// start submits the dispatches [from,end), with so many submissions in flight at the end as the device may have.
func (e *Executor) start(ctx context.Context, from, end int) error {
	for from < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := e.cuts.next(from, end)
		if err := e.failed(from, to, e.launch(from, to)); err != nil {
			return err
		}
		if err := e.land(e.dev.InFlight); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// slice is the number of dispatches that are encoded before they are sent: encoding one takes microseconds each, in which a fast
// adapter would wait for the first, and a submission costs some tens of them.
const slice = 192

// launch submits the dispatches [from,to).
func (e *Executor) launch(from, to int) error {
	f := flight{number: e.launched + 1, from: from, to: to, sent: time.Now()}
	for at := from; at < to; at += slice {
		if err := e.submit(at, min(at+slice, to), 1); err != nil {
			return err
		}
	}
	if e.dev.InFlight > 0 {
		var err error
		if f.fence, err = e.dev.raise(); err != nil {
			return err
		}
	}
	e.flights, e.launched = append(e.flights, f), f.number
	return nil
}

// land waits until at most so many submissions are in flight.
func (e *Executor) land(most int) error {
	return e.landUpTo(e.launched - most)
}

// landUpTo waits for the submissions up to a number, and learns what they took.
func (e *Executor) landUpTo(number int) error {
	for len(e.flights) > 0 && e.flights[0].number <= number {
		f := e.flights[0]
		e.flights = e.flights[1:]
		start := time.Now()
		waited := true
		var err error
		if f.fence == nil {
			e.dev.wait()
		} else {
			waited, err = e.dev.pass(f.fence)
		}
		end := time.Now()
		e.host.Wait += end.Sub(start)
		if err == nil {
			err = e.dev.errors.take()
		}
		if err != nil {
			return e.failed(f.from, f.to, err)
		}
		// It began when the one before it was done. One that nobody has waited for was done earlier than it was looked at.
		began := f.sent
		if e.landed.After(began) {
			began = e.landed
		}
		if waited || e.cuts.unknown(f.from, f.to) {
			e.cuts.learn(f.from, f.to, end.Sub(began))
		}
		e.landed = end
	}
	return nil
}
