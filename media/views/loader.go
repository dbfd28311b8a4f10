package views

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"goxkd/internal/rng"
	"goxkd/media"
)

// LoaderConfig says how batches are made. Zero fields take the defaults named.
type LoaderConfig struct {
	Batch     int    // clips per batch (required)
	Seed      uint64 // of the order and of all augmentations
	Workers   int    // goroutines that decode and augment (default GOMAXPROCS); no effect on the batches
	Prefetch  int    // batches made ahead (default 2); no effect on the batches
	StartStep int    // number of the first batch, to resume a run
	// PrefetchBytes bounds the memory of the batches made ahead (default 1 GiB): there are fewer than
	// Prefetch where that many would not fit, but always one. No effect on the batches.
	PrefetchBytes int64
	// MostLost is the share of failing clips above which batches end with a LostError (default a half; 1 for never): of the
	// clips whose turn it was last, as many as four batches hold but 64 at least.
	MostLost float64
}

// LostError ends batches where most clips fail: then the data have gone, or never were what they seemed.
type LostError struct {
	Failed, Asked int             // of the clips whose turn it was last
	Bad           []media.BadFile // the first that failed among them
}

func (e LostError) Error() string {
	var why []string
	for _, b := range e.Bad {
		why = append(why, media.Printable(b.Path)+": "+media.Printable(b.Reason))
	}
	return fmt.Sprintf("%d of the last %d clips could not be read; the first are %s", e.Failed, e.Asked, strings.Join(why, "; "))
}

// lostNamed is how many clips a LostError names.
const lostNamed = 3

// window counts which of the clips whose turn it was last have failed.
type window struct {
	most   float64
	turns  []bool // a ring
	next   int
	full   bool
	failed int
	bad    []lost
	asked  int
}

// lost is a clip that failed in its turn.
type lost struct {
	turn int // from the start of the window's life, or the slot within a batch
	file media.BadFile
}

func newWindow(batch int, most float64) *window {
	return &window{most: most, turns: make([]bool, max(64, 4*batch))}
}

// add takes a batch's turns, of which those in bad failed, and returns a LostError where most of the window has.
func (w *window) add(batch int, bad []lost) error {
	slices.SortFunc(bad, func(a, b lost) int { return cmp.Compare(a.turn, b.turn) })
	for slot := range batch {
		gone := len(bad) > 0 && bad[0].turn == slot
		if w.turns[w.next] {
			w.failed--
		}
		w.turns[w.next] = gone
		w.next = (w.next + 1) % len(w.turns)
		w.full = w.full || w.next == 0
		w.asked++
		if gone {
			w.failed++
			w.bad = append(w.bad, lost{w.asked, bad[0].file})
			bad = bad[1:]
		}
		for len(w.bad) > 0 && w.bad[0].turn <= w.asked-len(w.turns) {
			w.bad = w.bad[1:]
		}
		if w.full && float64(w.failed) > w.most*float64(len(w.turns)) {
			return w.error()
		}
	}
	return nil
}

func (w *window) error() error {
	e := LostError{Failed: w.failed, Asked: len(w.turns)}
	named := map[string]bool{}
	for _, l := range w.bad {
		if len(e.Bad) < lostNamed && !named[l.file.Path] {
			named[l.file.Path] = true
			e.Bad = append(e.Bad, l.file)
		}
	}
	return e
}

// DefaultMostLost is what LoaderConfig.MostLost is where it is 0.
const DefaultMostLost = 0.5

const (
	defaultPrefetch      = 2
	defaultPrefetchBytes = 1 << 30
)

// ahead is how many batches are made ahead.
func (s Spec) ahead(prefetch, batch int, bytes int64, video, audio bool) int {
	return max(1, min(prefetch, int(bytes/s.batchBytes(batch, video, audio))))
}

// AheadBytes is the memory of the batches of a Loader with the defaults: those made ahead, and so many in use.
func (s Spec) AheadBytes(batch, used int, video, audio bool) int64 {
	n := s.ahead(defaultPrefetch, batch, defaultPrefetchBytes, video, audio) + used
	return int64(n) * s.batchBytes(batch, video, audio)
}

// LoaderStats is what a Loader has met so far, batches made ahead included.
type LoaderStats struct {
	Skipped     int             // times a clip was passed over for the next one
	Reasons     []media.BadFile // each clip that failed, once, in the order met, at most 100
	WaitSeconds float64         // time that Next has waited for a batch
}

// Loader makes training batches ahead of their use. Batch k holds positions k*Batch.. of an endless
// order: the source's clips in a new permutation each epoch, so a batch may span two epochs. A clip
// that fails is replaced by the next in its epoch's order that works, and the rest of the order
// stays as it is, so a resumed run meets the same batches.
type Loader struct {
	src    media.Source
	spec   Spec
	cfg    LoaderConfig
	video  bool
	audio  bool
	cancel context.CancelFunc
	ctx    context.Context
	work   sync.WaitGroup
	jobs   chan []job
	ready  chan *pending
	slots  chan struct{} // one token per batch made ahead
	free   chan *Batch
	// together is how many clips a worker takes at a time.
	together int
	waited   atomic.Int64
	recent   *window // of batches that Next has returned

	mu      sync.Mutex
	orders  map[uint64][]int
	failed  map[attempt]error
	named   map[int]bool
	skipped int
	reasons []media.BadFile
}

// attempt is one clip in one epoch. Failures are remembered per epoch: another epoch sees another
// span, and a resumed run, which knows no past, must decide alike.
type attempt struct {
	epoch uint64
	index int
}

// pending is a batch under way.
type pending struct {
	batch *Batch
	left  atomic.Int32
	done  chan struct{}
	mu    sync.Mutex
	err   error
	lost  []lost // slots whose own clip failed
}

// job is one slot of a pending batch.
type job struct {
	p    *pending
	slot int
	at   uint64 // position in the endless order
}

// NewLoader starts the workers. Batches end when ctx does; Close must be called in any case.
func NewLoader(ctx context.Context, src media.Source, spec Spec, cfg LoaderConfig) (*Loader, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if cfg.Batch < 1 {
		return nil, fmt.Errorf("loader: batch is %d: must be at least 1", cfg.Batch)
	}
	if cfg.StartStep < 0 {
		return nil, fmt.Errorf("loader: start step is %d: must not be negative", cfg.StartStep)
	}
	if src.Len() == 0 {
		return nil, errors.New("loader: the source has no clips")
	}
	if cfg.Workers < 1 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Prefetch < 1 {
		cfg.Prefetch = defaultPrefetch
	}
	if cfg.PrefetchBytes <= 0 {
		cfg.PrefetchBytes = defaultPrefetchBytes
	}
	if cfg.MostLost <= 0 {
		cfg.MostLost = DefaultMostLost
	}
	video, audio := media.Modalities(src)
	cfg.Prefetch = spec.ahead(cfg.Prefetch, cfg.Batch, cfg.PrefetchBytes, video, audio)
	sg, err := spec.newSpectrogram()
	if err != nil {
		return nil, err
	}
	l := &Loader{
		src: src, spec: spec, cfg: cfg,
		jobs:   make(chan []job),
		ready:  make(chan *pending, cfg.Prefetch),
		slots:  make(chan struct{}, cfg.Prefetch),
		free:   make(chan *Batch, cfg.Prefetch+1),
		orders: map[uint64][]int{},
		failed: map[attempt]error{},
		named:  map[int]bool{},
	}
	l.video, l.audio = video, audio
	// No worker shall wait while another has several clips to decode.
	l.together = min(media.Together(src, spec.Seconds), max(1, cfg.Batch*cfg.Prefetch/cfg.Workers), cfg.Batch)
	l.recent = newWindow(cfg.Batch, cfg.MostLost)
	l.ctx, l.cancel = context.WithCancel(ctx)
	l.work.Add(1 + cfg.Workers)
	go l.dispatch()
	for range cfg.Workers {
		go l.serve(newViewer(spec, sg))
	}
	return l, nil
}

// dispatch opens batches in order and hands out their slots.
func (l *Loader) dispatch() {
	defer l.work.Done()
	for step := uint64(l.cfg.StartStep); ; step++ {
		select {
		case l.slots <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		p := &pending{batch: l.blank(), done: make(chan struct{})}
		p.batch.Step = int(step)
		p.left.Store(int32(l.cfg.Batch))
		l.ready <- p // never blocks: as many places as tokens
		for i := 0; i < l.cfg.Batch; i += l.together {
			var jobs []job
			for k := i; k < min(i+l.together, l.cfg.Batch); k++ {
				jobs = append(jobs, job{p: p, slot: k, at: step*uint64(l.cfg.Batch) + uint64(k)})
			}
			select {
			case l.jobs <- jobs:
			case <-l.ctx.Done():
				return
			}
		}
	}
}

// blank is a batch to fill, a released one where there is any.
func (l *Loader) blank() *Batch {
	select {
	case b := <-l.free:
		return b
	default:
		return l.spec.newBatch(l.cfg.Batch, l.video, l.audio, true)
	}
}

func (l *Loader) serve(v *viewer) {
	defer l.work.Done()
	for {
		select {
		case jobs := <-l.jobs:
			first := l.loadFirst(jobs)
			for k, j := range jobs {
				if err := l.fill(v, j, first[k]); err != nil {
					j.p.mu.Lock()
					if j.p.err == nil {
						j.p.err = err
					}
					j.p.mu.Unlock()
				}
				first[k] = media.Loaded{}
				if j.p.left.Add(-1) == 0 {
					close(j.p.done)
				}
			}
		case <-l.ctx.Done():
			return
		}
	}
}

// place is the epoch of a job, its order, and the job's position in it.
func (l *Loader) place(j job) (epoch uint64, order []int, first uint64) {
	n := uint64(l.src.Len())
	return j.at / n, l.order(j.at / n), j.at % n
}

// loadFirst loads the clips at the jobs' own positions together. Those that are known to fail stay empty.
func (l *Loader) loadFirst(jobs []job) []media.Loaded {
	out := make([]media.Loaded, len(jobs))
	var wanted []media.Request
	var at []int
	for k, j := range jobs {
		epoch, order, first := l.place(j)
		if index := order[first]; l.known(attempt{epoch, index}) == nil {
			wanted, at = append(wanted, l.request(epoch, index)), append(at, k)
		}
	}
	for n, got := range media.LoadAll(l.ctx, l.src, wanted) {
		out[at[n]] = got
	}
	return out
}

// fill puts the clip at the job's position, or the next that works, into its slot. loaded is the first unless it is empty.
func (l *Loader) fill(v *viewer, j job, loaded media.Loaded) error {
	n := uint64(l.src.Len())
	epoch, order, first := l.place(j)
	for k := range n {
		index := order[(first+k)%n]
		try := attempt{epoch, index}
		if err := l.known(try); err != nil {
			j.p.miss(l, j.slot, k, index, err)
			l.skip(try, nil)
			continue
		}
		if k > 0 || loaded.Clip == nil && loaded.Err == nil {
			loaded = media.LoadAll(l.ctx, l.src, []media.Request{l.request(epoch, index)})[0]
		}
		clip, err := loaded.Clip, loaded.Err
		if err == nil {
			err = v.check(clip, l.video, l.audio)
		}
		if l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		if err != nil {
			j.p.miss(l, j.slot, k, index, err)
			l.skip(try, err)
			continue
		}
		if err := v.matches(clip, l.video, l.audio); err != nil {
			return err
		}
		v.augment(j.p.batch, j.slot, clip, l.cfg.Seed, epoch, index)
		j.p.batch.Labels[j.slot], j.p.batch.Names[j.slot], j.p.batch.Indices[j.slot] = clip.Label, clip.Name, index
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("none of the %d clips can be decoded: %w", n, LostError{int(n), int(n), slices.Clone(l.reasons[:min(lostNamed, len(l.reasons))])})
}

// miss notes a slot whose own clip failed, the first that is tried for it.
func (p *pending) miss(l *Loader, slot int, tried uint64, index int, err error) {
	if tried > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = append(p.lost, lost{slot, media.NewBadFile(l.src.Name(index), err)})
}

// request asks for the span that this epoch sees of the clip.
func (l *Loader) request(epoch uint64, index int) media.Request {
	return media.Request{Index: index, Span: l.spec.trainingSpan(l.src.Duration(index), l.cfg.Seed, epoch, index)}
}

// order is the permutation of an epoch. The last few stay in memory.
func (l *Loader) order(epoch uint64) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	order, ok := l.orders[epoch]
	if !ok {
		order = rng.New(l.cfg.Seed, rng.StreamOrder, epoch).Perm(l.src.Len())
		l.orders[epoch] = order
		for e := range l.orders {
			if e+2 < epoch {
				delete(l.orders, e)
			}
		}
		for a := range l.failed {
			if a.epoch+2 < epoch {
				delete(l.failed, a)
			}
		}
	}
	return order
}

// known is why the clip failed before in this epoch, so that it is not tried again; nil where it did not.
func (l *Loader) known(try attempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed[try]
}

// maxReasons bounds what a run over a hopeless folder remembers.
const maxReasons = 100

func (l *Loader) skip(try attempt, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped++
	if err == nil {
		return
	}
	l.failed[try] = err
	if !l.named[try.index] && len(l.reasons) < maxReasons {
		l.named[try.index] = true
		l.reasons = append(l.reasons, media.NewBadFile(l.src.Name(try.index), err))
	}
}

// Next returns the next batch. After an error or the end of the context it returns that error.
func (l *Loader) Next() (*Batch, error) {
	start := time.Now()
	defer func() { l.waited.Add(int64(time.Since(start))) }()
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	var p *pending
	select {
	case p = <-l.ready:
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
	select {
	case <-p.done:
	case <-l.ctx.Done():
		return nil, l.ctx.Err()
	}
	<-l.slots
	if p.err != nil {
		l.cancel()
		return nil, p.err
	}
	// Batches are judged in their order, so that workers and those made ahead change nothing.
	if err := l.recent.add(l.cfg.Batch, p.lost); err != nil {
		l.cancel()
		return nil, err
	}
	return p.batch, nil
}

// Release gives a batch back whose contents are no longer needed, to be filled again. It is optional
// and saves allocations.
func (l *Loader) Release(b *Batch) {
	if b == nil || b.B != l.cfg.Batch || len(b.VideoGlobal) != l.wantVideo() || len(b.AudioGlobal) != l.wantAudio() {
		return
	}
	select {
	case l.free <- b:
	default:
	}
}

func (l *Loader) wantVideo() int {
	if !l.video {
		return 0
	}
	return l.cfg.Batch * l.spec.videoGlobal()
}

func (l *Loader) wantAudio() int {
	if !l.audio {
		return 0
	}
	return l.cfg.Batch * l.spec.audioGlobal()
}

// Stats tells what was skipped and how long Next has waited.
func (l *Loader) Stats() LoaderStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return LoaderStats{l.skipped, append([]media.BadFile(nil), l.reasons...), time.Duration(l.waited.Load()).Seconds()}
}

// Close stops the workers and the processes they wait for, and returns when none is left. It may be
// called more than once.
func (l *Loader) Close() error {
	l.cancel()
	l.work.Wait()
	return nil
}
