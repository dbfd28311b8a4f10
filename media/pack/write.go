package pack

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"goxkd/internal/files"
	"goxkd/media"
)

// Options say how clips are packed. Zero fields take the defaults named.
type Options struct {
	FPS, Size, Rate int     // of the clips that the source gives, as its options asked (required)
	LabelColumn     string  // the column that the labels come from, to be remembered
	ShardBytes      int64   // a shard is closed before it grows beyond this (default 256 MiB)
	MaxSeconds      float64 // longer clips are packed in parts of equal length, each a clip (default 60)
	Workers         int     // clips decoded side by side (default GOMAXPROCS)
	// Progress is called after each clip with the number of clips done, those of earlier runs included.
	Progress func(done, of int)
}

// Report tells what was packed.
type Report struct {
	Clips   int             // packed, parts counted one by one
	Kept    int             // of them by earlier runs
	Skipped []media.BadFile // clips that could not be decoded, and why
	Shards  int
	Bytes   int64
}

// errBusy marks a folder that another process is packing into.
var errBusy = errors.New("another process is packing into it: wait for its end")

// Files is a Corpus whose clips are decoded from files, which may change. Packing one takes short clips
// as training would, and tells a changed corpus from the packed one.
type Files interface {
	media.Corpus
	// Whole is all of clip i, of which any span is a cut; ok is false where spans are decoded one by one.
	Whole(ctx context.Context, i int) (c *media.Clip, ok bool, err error)
	// Stamps writes what differs once a file has changed.
	Stamps(w io.Writer)
	// Confirm makes sure of clip i's length where it was taken from an index, which may be wrong.
	Confirm(ctx context.Context, i int) error
}

// piece is one clip to pack: clip i of the source, or a part of it.
type piece struct {
	clip int
	name string
	span media.Span
	part bool
}

// Write decodes all clips of the source into shards in the folder out. A shard's contents depend on the
// source alone; a run that was stopped goes on after its last finished shard. Clips that fail are
// skipped and named. It is an error when out holds anything but the same pack.
func Write(ctx context.Context, src media.Corpus, out string, opt Options) (*Report, error) {
	if opt.FPS < 1 || opt.Size < 1 || opt.Rate < 1 {
		return nil, errors.New("pack: frames per second, size and rate must be above 0")
	}
	if media.Several(src) {
		return nil, errors.New("pack: the clips have several labels each, of which a pack keeps one: read them from their files")
	}
	if opt.ShardBytes <= 0 {
		opt.ShardBytes = 256 << 20
	}
	if !(opt.MaxSeconds > 0) {
		opt.MaxSeconds = 60
	}
	if opt.Workers < 1 {
		opt.Workers = runtime.GOMAXPROCS(0)
	}
	p := &packer{src: src, out: out, opt: opt, report: &Report{}}
	if err := p.cut(ctx); err != nil {
		return nil, err
	}
	p.info = manifest{
		Version: version, FPS: opt.FPS, Size: opt.Size, Rate: opt.Rate, Column: opt.LabelColumn,
		Shard: opt.ShardBytes, Longest: opt.MaxSeconds, Source: digest(src),
	}
	p.info.Video, p.info.Audio = src.Modalities()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return nil, fmt.Errorf("pack: %s: %w: name another folder", out, files.Cause(err))
	}
	unlock, err := files.LockDir(out)
	if errors.Is(err, files.ErrLocked) {
		return nil, fmt.Errorf("pack: %s: %w", out, errBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("pack: %s: %w", out, err)
	}
	defer unlock()
	if err := p.begin(); err != nil {
		return nil, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	p.report.Shards = p.shard
	if p.report.Clips == 0 {
		return nil, fmt.Errorf("pack: none of the %d clips can be decoded; the first is %s: %s", src.Len(), p.report.Skipped[0].Path, p.report.Skipped[0].Reason)
	}
	p.info.Complete, p.info.Shards, p.info.Clips, p.info.Skipped = true, p.shard, p.report.Clips, p.report.Skipped
	if err := writeJSON(filepath.Join(out, infoFile), p.info); err != nil {
		return nil, fmt.Errorf("pack: %s: %w", out, roomFor(err))
	}
	return p.report, nil
}

type packer struct {
	src    media.Corpus
	out    string
	opt    Options
	info   manifest
	pieces []piece
	next   int // piece
	shard  int // number of the next shard
	report *Report
}

// manyParts is the number of parts from which on a clip's length is made sure of: the parts are listed beforehand.
const manyParts = 16

// cut lists the pieces: parts begin on the grid of frames.
func (p *packer) cut(ctx context.Context) error {
	for i := range p.src.Len() {
		d := p.src.Duration(i)
		if f, ok := p.src.(Files); ok && d > manyParts*p.opt.MaxSeconds {
			if err := f.Confirm(ctx, i); err != nil {
				return err
			}
			d = p.src.Duration(i)
		}
		parts := int(math.Ceil(d/p.opt.MaxSeconds - 1e-9))
		if parts < 2 {
			p.pieces = append(p.pieces, piece{clip: i, name: p.src.Name(i), span: media.Span{Start: 0, Seconds: d}})
			continue
		}
		fps := float64(p.opt.FPS)
		for k := range parts {
			from := math.Floor(d*float64(k)/float64(parts)*fps) / fps
			to := math.Floor(d*float64(k+1)/float64(parts)*fps) / fps
			if k+1 == parts {
				to = d
			}
			p.pieces = append(p.pieces, piece{i, fmt.Sprintf("%s#%d", p.src.Name(i), k+1), media.Span{Start: from, Seconds: to - from}, true})
		}
	}
	return nil
}

// digest tells sources apart: by their clips and, where these are files, the files' times of change.
func digest(src media.Corpus) string {
	h := sha256.New()
	media.WriteClips(h, src)
	if f, ok := src.(Files); ok {
		f.Stamps(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// begin marks an empty folder, or finds the shards that an earlier run has finished in it.
func (p *packer) begin() error {
	file := filepath.Join(p.out, infoFile)
	if !Is(p.out) {
		entries, err := os.ReadDir(p.out)
		if err != nil {
			return fmt.Errorf("pack: %s: %w", p.out, files.Cause(err))
		}
		if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !isHalf(e.Name()) }) {
			return fmt.Errorf("pack: %s holds other files: name an empty or a new folder", p.out)
		}
		if err := writeJSON(file, p.info); err != nil {
			return fmt.Errorf("pack: %s: %w", p.out, roomFor(err))
		}
		return nil
	}
	var old manifest
	if err := readJSON(file, &old); err != nil {
		return fmt.Errorf("pack: %s: %w: delete the folder or name another", file, err)
	}
	same := old
	same.Complete, same.Shards, same.Clips, same.Skipped = false, 0, 0, nil
	switch {
	case same.Source != p.info.Source:
		return fmt.Errorf("pack: %s was packed from other clips, or these have changed since: name another folder, or delete it", p.out)
	case !equalInfo(same, p.info):
		return fmt.Errorf("pack: %s was packed with other options: name another folder, or delete it", p.out)
	}
	for {
		shard := filepath.Join(p.out, shardName(p.shard))
		var x shardIndex
		info, err := os.Stat(shard)
		if err != nil || readJSON(shardIndexName(shard), &x) != nil || x.Version != version ||
			x.Bytes != info.Size() || x.First != p.next || x.Next <= x.First || x.Next > len(p.pieces) {
			break
		}
		p.next = x.Next
		p.shard++
		p.report.Clips += len(x.Samples)
		p.report.Bytes += x.Bytes
		p.report.Skipped = append(p.report.Skipped, x.Skipped...)
	}
	p.report.Kept = p.report.Clips
	return p.sweep()
}

// isHalf tells whether a file is one that was being written when a run was stopped.
func isHalf(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".part")
}

func equalInfo(a, b manifest) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// sweep removes what a stopped run has left behind: halves of files, and shards beyond the first gap.
func (p *packer) sweep() error {
	entries, err := os.ReadDir(p.out)
	if err != nil {
		return fmt.Errorf("pack: %s: %w", p.out, files.Cause(err))
	}
	for _, e := range entries {
		var k int
		_, scanErr := fmt.Sscanf(e.Name(), "shard-%06d.tar", &k)
		if isHalf(e.Name()) || scanErr == nil && k >= p.shard && strings.HasPrefix(e.Name(), shardName(k)) {
			if err := os.Remove(filepath.Join(p.out, e.Name())); err != nil {
				return fmt.Errorf("pack: %w", err)
			}
		}
	}
	return nil
}

// result is a decoded piece.
type result struct {
	clip *media.Clip
	err  error
}

// run decodes side by side and writes in order.
func (p *packer) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan chan result, p.opt.Workers-1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(results)
		for _, piece := range p.pieces[p.next:] {
			r := make(chan result, 1)
			select {
			case results <- r:
			case <-ctx.Done():
				return
			}
			go func() {
				clip, err := p.decode(ctx, piece)
				r <- result{clip, err}
			}()
		}
	}()
	var shard *shardWriter
	defer func() {
		cancel()
		for r := range results {
			<-r
		}
		<-done
		shard.abandon()
	}()
	for ; p.next < len(p.pieces); p.next++ {
		piece := p.pieces[p.next]
		var r result
		select {
		case c, ok := <-results:
			if !ok {
				return ctx.Err()
			}
			r = <-c
		case <-ctx.Done():
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(r.err, media.ErrTool) {
			return fmt.Errorf("pack: %w", r.err)
		}
		var s *packedSample
		if r.err == nil {
			s = p.prepare(piece, r.clip)
			if shard != nil && shard.would(s) > p.opt.ShardBytes {
				if err := p.finish(shard); err != nil {
					return err
				}
				shard = nil
			}
		}
		if shard == nil {
			var err error
			if shard, err = newShardWriter(filepath.Join(p.out, shardName(p.shard)), p.next); err != nil {
				return fmt.Errorf("pack: %s: %w", shardName(p.shard), roomFor(err))
			}
		}
		if r.err != nil {
			shard.index.Skipped = append(shard.index.Skipped, media.NewBadFile(piece.name, r.err))
		} else if err := shard.add(s); err != nil {
			return fmt.Errorf("pack: %s: %w", shardName(p.shard), roomFor(err))
		}
		if p.opt.Progress != nil {
			p.opt.Progress(p.next+1, len(p.pieces))
		}
	}
	if shard != nil {
		err := p.finish(shard)
		shard = nil
		return err
	}
	return nil
}

// finish closes a shard, all before the next piece within.
func (p *packer) finish(shard *shardWriter) error {
	shard.index.Next = p.next
	if err := shard.close(); err != nil {
		shard.abandon()
		return fmt.Errorf("pack: %s: %w", shardName(p.shard), roomFor(err))
	}
	p.shard++
	p.report.Clips += len(shard.index.Samples)
	p.report.Bytes += shard.index.Bytes
	p.report.Skipped = append(p.report.Skipped, shard.index.Skipped...)
	return nil
}

// roomFor adds what helps against a full disk.
func roomFor(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: free some space and run again; finished shards are kept", err)
	}
	return err
}

// decode gives all of a piece. A short file comes as its corpus decodes it for training, so that the
// same span of either has the same pixels.
func (p *packer) decode(ctx context.Context, piece piece) (*media.Clip, error) {
	var c *media.Clip
	var whole bool
	var err error
	if f, ok := p.src.(Files); ok && !piece.part {
		c, whole, err = f.Whole(ctx, piece.clip)
	}
	switch {
	case whole:
	case piece.span.Seconds <= 0: // a file that does not tell its length
		c, err = p.src.Load(ctx, piece.clip, media.Span{Start: 0, Seconds: p.opt.MaxSeconds})
	default:
		c, err = p.src.Load(ctx, piece.clip, piece.span)
	}
	if err != nil {
		return nil, err
	}
	video, audio := p.src.Modalities()
	switch {
	case video && (c.T < 1 || c.H < 1 || c.W < 1):
		return nil, errors.New("no video frame")
	case audio && len(c.Wave) == 0:
		return nil, errors.New("no audio sample")
	case video && c.FPS != p.opt.FPS || audio && c.Rate != p.opt.Rate:
		return nil, fmt.Errorf("%d frames per second and %d Hz are not the %d and %d asked for", c.FPS, c.Rate, p.opt.FPS, p.opt.Rate)
	}
	return c, nil
}

// packedSample is a sample with its members' contents.
type packedSample struct {
	sample
	frames, wave, json []byte
}

func (p *packer) prepare(piece piece, c *media.Clip) *packedSample {
	s := &packedSample{sample: sample{
		Key: fmt.Sprintf("%09d", p.next), Name: strings.ToValidUTF8(piece.name, "?"), Split: p.src.Split(piece.clip),
		Duration: piece.span.Seconds, FPS: p.opt.FPS, Rate: p.opt.Rate,
	}}
	if l := p.src.Label(piece.clip); l >= 0 {
		s.Label = p.src.Classes()[l]
	}
	if c.T > 0 {
		s.Shape = [4]int{c.T, c.H, c.W, 3}
		s.frames = c.Frames
		s.Frames = blob{Size: int64(len(s.frames)), Sums: checksums(s.frames)}
	}
	if len(c.Wave) > 0 {
		s.wave, s.Form = packWave(c.Wave)
		s.Wave = blob{Size: int64(len(s.wave)), Sums: checksums(s.wave)}
	}
	s.json, _ = json.Marshal(s.sample) // strings and finite numbers alone
	return s
}

// shardWriter writes one shard beside its place until it is whole.
type shardWriter struct {
	path  string
	file  *os.File
	tar   *tar.Writer
	at    int64
	index shardIndex
}

func newShardWriter(path string, first int) (*shardWriter, error) {
	f, err := os.Create(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".part"))
	if err != nil {
		return nil, err
	}
	w := &shardWriter{path: path, file: f, index: shardIndex{Version: version, First: first, Samples: []sample{}}}
	w.tar = tar.NewWriter(writeCounter{f, &w.at})
	return w, nil
}

// writeCounter counts what is written.
type writeCounter struct {
	w io.Writer
	n *int64
}

func (c writeCounter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	*c.n += int64(n)
	return n, err
}

// tarBlock is the unit of a tar: headers take one, contents are padded to it, and two end the file.
const tarBlock = 512

// would is the shard's size with the sample in it.
func (w *shardWriter) would(s *packedSample) int64 {
	n := w.at + 2*tarBlock
	for _, part := range [][]byte{s.json, s.frames, s.wave} {
		n += tarBlock + (int64(len(part))+tarBlock-1)/tarBlock*tarBlock
	}
	if len(w.index.Samples) == 0 {
		return 0 // a clip larger than a shard has one of its own
	}
	return n
}

func (w *shardWriter) add(s *packedSample) error {
	put := func(ext string, data []byte) (int64, error) {
		h := &tar.Header{Name: s.Key + "." + ext, Mode: 0o644, Size: int64(len(data)), ModTime: time.Unix(0, 0), Format: tar.FormatGNU}
		// The padding of the member before is written with the header.
		if err := w.tar.WriteHeader(h); err != nil {
			return 0, err
		}
		at := w.at
		_, err := w.tar.Write(data)
		return at, err
	}
	if _, err := put("json", s.json); err != nil {
		return err
	}
	var err error
	if len(s.frames) > 0 {
		if s.Frames.At, err = put("frames", s.frames); err != nil {
			return err
		}
	}
	if len(s.wave) > 0 {
		if s.Wave.At, err = put("wave", s.wave); err != nil {
			return err
		}
	}
	w.index.Samples = append(w.index.Samples, s.sample)
	return nil
}

// close puts the shard onto the disk and in its place, then its index.
func (w *shardWriter) close() error {
	if err := w.tar.Close(); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.file.Name(), w.path); err != nil {
		return err
	}
	files.SyncDir(filepath.Dir(w.path))
	w.index.Bytes = w.at
	return writeJSON(shardIndexName(w.path), w.index)
}

// abandon removes a shard that is not whole. A nil shard has nothing to remove.
func (w *shardWriter) abandon() {
	if w != nil {
		w.file.Close()
		os.Remove(w.file.Name())
	}
}
