package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/pack"
)

// Folder is a Corpus of clips in files: those of a folder and its sub-folders in the order of their
// paths, or those that a list names in the list's order.
type Folder struct {
	what    string // for errors
	opt     media.FolderOptions
	files   []folderFile
	classes []string
	cache   *clipCache
	index   *fileIndex
}

// listed is a clip that a folder or a list names.
type listed struct {
	name   string // unique to a person: the path below the folder with slashes, or as listed
	in     ffmpeg.Place
	sound  ffmpeg.Place // where its sound lies if in has none; of size 0 for nowhere
	beside string       // the name of sound
	label  string
	labels []string // of a clip that may have several, in place of label
	split  string
	// start and end restrict the clip, in seconds; end 0 is the file's own.
	start, end float64
	line       int // in the list, 0 for none
}

// listing is what gather has found.
type listing struct {
	what  string // what it is, for errors: "folder clips"
	root  string // folder by which the index goes, without links
	clips []listed
}

type folderFile struct {
	listed
	label  int // the first of them
	labels []int
	stamp  stamp
	info   *ffmpeg.Choice
}

// mediaExtensions are the extensions of files that are looked at.
var mediaExtensions = func() map[string]bool {
	set := map[string]bool{}
	for ext := range strings.FieldsSeq(`3g2 3gp aac ac3 aif aiff amr asf au avi caf dv f4v flac flv gif h263 h264
		ivf m2ts m2v m4a m4v mka mkv mov mp2 mp3 mp4 mpeg mpg mts mxf nut oga ogg ogv opus ps rm rmvb swf
		ts vob w64 wav webm wma wmv y4m`) {
		set["."+ext] = true
	}
	return set
}()

// gatherFolder lists the media files below dir. Labels come from labels.csv in dir or its parent, or
// else from the name of each file's first sub-folder. Links to files count, links to folders are
// followed, hidden files and folders are left out.
func gatherFolder(dir string, opt media.FolderOptions, report *media.Report) (*listing, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, fmt.Errorf("folder %s: %w: name an existing folder of clips", dir, files.Cause(err))
	} else if !info.IsDir() {
		return nil, fmt.Errorf("folder %s: this is a file: name the folder that holds it", dir)
	}
	// The folder may be named by a link itself; its table of labels lies where the name says.
	table, err := findLabels(root, opt.LabelColumn, opt.Split)
	if err != nil {
		return nil, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	names, err := walk(root, report)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, err)
	}
	return &listing{"folder " + dir, root, label(root, names, table, opt, report)}, nil
}

// openListing asks about the listed clips and returns those that can be used.
func openListing(ctx context.Context, list *listing, opt media.FolderOptions, report *media.Report) (*Folder, error) {
	f := newFolder(list, opt)
	if err := f.probeAll(ctx, report); err != nil {
		return nil, fmt.Errorf("%s: %w", list.what, err)
	}
	f.index.keep()
	f.number(report)
	report.Good = len(f.files)
	if report.Good == 0 {
		return nil, fmt.Errorf("%s: %s", list.what, hopeless(report, opt))
	}
	return f, nil
}

// newFolder takes the listed clips as they are.
func newFolder(list *listing, opt media.FolderOptions) *Folder {
	f := &Folder{what: list.what, opt: opt, cache: newClipCache(opt.CacheBytes), index: openIndex(list.root, opt.Index)}
	f.files = make([]folderFile, len(list.clips))
	for i, clip := range list.clips {
		f.files[i] = folderFile{listed: clip, label: -1}
	}
	return f
}

// Why a file is none that could be read.
var (
	errIrregular = errors.New("not a regular file")
	errNoBytes   = errors.New("the file is empty")
)

// Links to folders are followed so deep, and so many of them.
const (
	maxLinkDepth = 8
	maxLinks     = 100_000
)

// linkedFolder is a link to a folder, by the path at which it lies.
type linkedFolder struct {
	path, name string
	depth      int // of links that lead to it
}

// walker looks through folders.
type walker struct {
	root   string
	report *media.Report
	names  []string
	seen   map[string]bool // folders, by their path without links
	links  []linkedFolder
}

// walk lists the media files below root by path and counts the others. Links to folders are followed where that leads to
// none twice.
func walk(root string, report *media.Report) ([]string, error) {
	w := &walker{root: root, report: report, seen: map[string]bool{}}
	if err := w.folder(root, "", 0); err != nil {
		return nil, err
	}
	// A link's folder counts as the link's only where it is not there by itself.
	for i := 0; i < len(w.links); i++ {
		link := w.links[i]
		say := func(text string) {
			report.Remarks = append(report.Remarks, media.BadFile{Path: link.name, Reason: text})
		}
		to, err := filepath.EvalSymlinks(link.path)
		switch {
		case err != nil:
			say(fmt.Sprintf("a link that cannot be followed: %v", files.Cause(err)))
			continue
		case w.seen[to] || to == string(filepath.Separator) || strings.HasPrefix(root, to+string(filepath.Separator)):
			say("a link to a folder that holds this one, or that is read already: it is not followed")
			continue
		case link.depth > maxLinkDepth || i >= maxLinks:
			say("a link behind too many others: it is not followed")
			continue
		}
		if err := w.folder(to, link.name, link.depth); err != nil {
			say(fmt.Sprintf("a link to a folder that cannot be read: %v", files.Cause(err)))
		}
	}
	if len(w.links) > 0 {
		slices.SortStableFunc(w.names, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	}
	return w.names, nil
}

// folder lists what is below a folder that is called name, at dir without links.
func (w *walker) folder(dir, name string, depth int) error {
	report := w.report
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		below, _ := filepath.Rel(dir, file)
		name := path.Join(name, filepath.ToSlash(below))
		switch {
		case err != nil && file == dir:
			return err
		case err != nil:
			report.Bad = append(report.Bad, media.NewBadFile(name, fmt.Errorf("cannot be read: %w", files.Cause(err))))
			return nil
		case file != dir && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir() && w.seen[file]:
			return fs.SkipDir
		case d.IsDir():
			w.seen[file] = true
			return nil
		case d.Name() == IndexFile:
			return nil
		case d.Type()&fs.ModeSymlink != 0 && !strings.HasPrefix(d.Name(), ".") && folderAt(file):
			w.links = append(w.links, linkedFolder{file, name, depth + 1})
			return nil
		case strings.HasPrefix(d.Name(), ".") || !mediaExtensions[strings.ToLower(filepath.Ext(file))]:
			report.Ignored++
			return nil
		}
		// Stat follows a link to a file; pipes and devices would block whoever opens them.
		info, err := os.Stat(file)
		switch {
		case err != nil:
			report.Bad = append(report.Bad, media.NewBadFile(name, fmt.Errorf("cannot be read: %w", files.Cause(err))))
		case !info.Mode().IsRegular():
			report.Bad = append(report.Bad, media.NewBadFile(name, errIrregular))
		case info.Size() == 0:
			report.Bad = append(report.Bad, media.NewBadFile(name, errNoBytes))
		default:
			w.names = append(w.names, name)
		}
		return nil
	})
}

// folderAt tells whether there is a folder, or a link to one.
func folderAt(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// label lists the files of the wanted split with their labels.
func label(root string, names []string, table *labelTable, opt media.FolderOptions, report *media.Report) []listed {
	// A table that names none of the files belongs to another folder beside this one.
	if opt.LabelColumn == "" && opt.Split == "" && table != nil && !slices.ContainsFunc(names, table.has) {
		table = nil
	}
	if table != nil && table.above != "" {
		report.Remarks = append(report.Remarks, media.BadFile{Path: table.above, Reason: "labels are taken from this file, above the folder"})
	}
	var clips []listed
	for _, name := range names {
		clip := listed{name: name, in: ffmpeg.Place{Path: filepath.Join(root, filepath.FromSlash(name))}}
		if table != nil {
			clip.label, clip.split, _ = table.of(name)
		} else if sub, _, ok := strings.Cut(name, "/"); ok {
			clip.label = sub
		}
		if opt.Split != "" && clip.split != opt.Split {
			report.Split++
			continue
		}
		clips = append(clips, clip)
	}
	return clips
}

// probeAll asks about every file and keeps the good ones. Only a missing tool or the end of ctx is
// an error.
func (f *Folder) probeAll(ctx context.Context, report *media.Report) error {
	errs := make([]error, len(f.files))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done progress
	files.Parallel(f.opt.Workers, len(f.files), func(i int) {
		if ctx.Err() != nil {
			return
		}
		if errs[i] = f.examine(ctx, &f.files[i]); errors.Is(errs[i], media.ErrTool) {
			cancel(errs[i])
		}
		// A process that is killed loses the answers of the last seconds alone.
		f.index.keepNow()
		done.one(f.opt.Progress, len(f.files))
	})
	done.end(f.opt.Progress, len(f.files))
	if ctx.Err() != nil {
		f.index.keep() // what is known already spares the next run the asking
		return context.Cause(ctx)
	}
	good := f.files[:0]
	for i, file := range f.files {
		if errs[i] == nil {
			good = append(good, file)
			for _, text := range file.info.Remarks {
				report.Remarks = append(report.Remarks, media.BadFile{Path: file.name, Reason: text})
			}
			continue
		}
		if errors.Is(errs[i], files.ErrMissing) {
			report.Missing++
		}
		report.Bad = append(report.Bad, media.NewBadFile(file.name, lined(errs[i], file.line)))
	}
	f.files = good
	sort.SliceStable(report.Remarks, func(a, b int) bool { return report.Remarks[a].Path < report.Remarks[b].Path })
	sort.SliceStable(report.Bad, func(a, b int) bool { return report.Bad[a].Path < report.Bad[b].Path })
	return nil
}

// progress counts files that were looked at.
type progress struct {
	mu   sync.Mutex
	done int
}

func (p *progress) one(tell func(done, total int), total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done++; tell != nil && p.done < total {
		tell(p.done, total)
	}
}

func (p *progress) end(tell func(done, total int), total int) {
	if tell != nil {
		tell(total, total)
	}
}

// examine decides about one clip.
func (f *Folder) examine(ctx context.Context, file *folderFile) error {
	contents, s, err := f.index.ask(ctx, file.in, file.name)
	f.index.note(file.in, file.name, file.listed.label, file.split)
	if err != nil {
		return err
	}
	file.stamp = s
	file.info, err = f.choose(file, contents, func(in ffmpeg.Place, name string) (ffmpeg.Contents, error) {
		beside, _, err := f.index.ask(ctx, in, name)
		return beside, err
	})
	if err != nil {
		return err
	}
	from, to := file.info.Begin, file.info.Begin+file.info.Duration
	switch d := file.info.Duration; {
	case file.start > 0 && d > 0 && file.start >= to:
		return fmt.Errorf("starts at %g s, but lasts %.1f s", file.start, to)
	case file.end > 0 && d > 0 && file.end <= from:
		return fmt.Errorf("ends at %g s, but all that is wanted of it is there from %.1f s on only", file.end, from)
	case f.opt.MaxDuration > 0 && file.duration() > f.opt.MaxDuration:
		return fmt.Errorf("lasts %.1f s, more than the %.1f s allowed", file.duration(), f.opt.MaxDuration)
	}
	if f.opt.Check {
		if _, err := ffmpeg.Decode(ctx, file.in, file.info, media.Span{Start: file.from(), Seconds: 0.5}, f.format()); err != nil {
			return err
		}
	}
	return nil
}

// choose picks the streams of a clip, of which the sound may lie in a file of its own.
func (f *Folder) choose(file *folderFile, contents ffmpeg.Contents, ask func(in ffmpeg.Place, name string) (ffmpeg.Contents, error)) (*ffmpeg.Choice, error) {
	info, err := contents.Pick(f.opt.NeedVideo, f.opt.NeedAudio)
	var lack media.LackError
	if err == nil && f.opt.NeedAudio && file.sound.Size > 0 {
		info.Remarks = append(info.Remarks, fmt.Sprintf("its own sound is taken, not that of %s", file.beside))
	}
	if err == nil || !errors.As(err, &lack) || !lack.Audio || lack.Video || file.sound.Size == 0 {
		return info, err
	}
	beside, err := ask(file.sound, file.beside)
	if err != nil {
		return nil, fmt.Errorf("its sound in %s: %w", file.beside, err)
	}
	if !f.opt.NeedVideo {
		return ffmpeg.Alone(beside, file.sound)
	}
	return ffmpeg.Join(contents, beside, file.sound)
}

// from is where the clip begins, in seconds from the file's beginning: all that is wanted is there from then on.
func (file *folderFile) from() float64 { return max(file.start, file.info.Begin) }

// duration is the length of the clip in seconds, 0 when unknown.
func (file *folderFile) duration() float64 {
	d := file.info.Duration
	switch {
	case d > 0:
		to := file.info.Begin + d
		if file.end > 0 {
			to = min(to, file.end)
		}
		return math.Round((to-file.from())*1e6) / 1e6
	case file.end > 0:
		return max(file.end-file.from(), 0)
	}
	return 0
}

// number gives the good files their classes.
func (f *Folder) number(report *media.Report) {
	var labels []string
	for _, file := range f.files {
		labels = append(append(labels, file.listed.label), file.listed.labels...)
	}
	f.classes = media.ClassesOf(labels)
	at := map[string]int{}
	for i, c := range f.classes {
		at[c] = i
	}
	for i := range f.files {
		file := &f.files[i]
		names := file.listed.labels
		if names == nil && file.listed.label != "" {
			names = []string{file.listed.label}
		}
		for _, name := range names {
			file.labels = append(file.labels, at[name])
		}
		if len(names) == 0 {
			report.Unlabeled++
			continue
		}
		file.label = file.labels[0]
	}
}

// hopeless says why no file can be used and what to do.
func hopeless(report *media.Report, opt media.FolderOptions) string {
	kind := "clips with video and sound"
	switch {
	case !opt.NeedAudio:
		kind = "clips with video"
	case !opt.NeedVideo:
		kind = "clips with sound"
	}
	switch {
	case len(report.Bad) > 0:
		return fmt.Sprintf("none of %d media files can be used; the first is %q: %s: put %s there", len(report.Bad), report.Bad[0].Path, report.Bad[0].Reason, kind)
	case report.Split > 0:
		return fmt.Sprintf("no clip belongs to split %q: name a split of its list or of %s", opt.Split, labelsFile)
	default:
		return fmt.Sprintf("it holds no media files (%d others): put %s there (mp4, mkv, webm, ...)", report.Ignored, kind)
	}
}

// Len is the number of clips.
func (f *Folder) Len() int { return len(f.files) }

// Name is the clip's path below the folder, with slashes, or its name in the list.
func (f *Folder) Name(i int) string { return f.files[i].name }

// Label is the clip's class, -1 when it has none; of several the first.
func (f *Folder) Label(i int) int { return f.files[i].label }

// Labels are the clip's classes: one, or where the list says so any number.
func (f *Folder) Labels(i int) []int { return f.files[i].labels }

// Split is the clip's split in its list or labels.csv, empty without one.
func (f *Folder) Split(i int) string { return f.files[i].split }

// Classes are the labels in order.
func (f *Folder) Classes() []string { return f.classes }

// Duration is the length of the shorter wanted stream in seconds, 0 when the file does not tell.
func (f *Folder) Duration(i int) float64 { return f.files[i].duration() }

// Modalities tells which streams are decoded.
func (f *Folder) Modalities() (video, audio bool) { return f.opt.NeedVideo, f.opt.NeedAudio }

func (f *Folder) format() ffmpeg.Format {
	return ffmpeg.Format{FPS: f.opt.FPS, Size: f.opt.Size, Rate: f.opt.Rate, Limit: f.opt.Timeout}
}

// Load decodes the span of clip i. Whether a clip is decoded whole and cut, or sought, depends on its
// length alone and never on the cache, so that the cache changes no pixel.
func (f *Folder) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	r := f.LoadAll(ctx, []media.Request{{Index: i, Span: span}})[0]
	return r.Clip, r.Err
}

// Several clips are decoded by one process: so many at most, and within so much memory.
const (
	maxTogether   = 16
	togetherBytes = 128 << 20
)

// Together implements media.Gatherer.
func (f *Folder) Together(seconds float64) int {
	most := int64(1)
	for i := range f.files {
		file, long := &f.files[i], seconds
		if f.short(file) {
			long = file.duration()
		}
		most = max(most, file.info.Bytes(long, f.format()))
	}
	return int(min(max(togetherBytes/most, 1), maxTogether))
}

// LoadAll implements media.Gatherer.
func (f *Folder) LoadAll(ctx context.Context, all []media.Request) []media.Loaded {
	out := make([]media.Loaded, len(all))
	var wanted []media.Request
	var at []int
	for k, r := range all {
		if r.Index < 0 || r.Index >= len(f.files) {
			out[k].Err = fmt.Errorf("%s: no clip %d: it has %d", f.what, r.Index, len(f.files))
			continue
		}
		file, span := &f.files[r.Index], r.Span
		if f.short(file) {
			if c := f.cache.get(r.Index); c != nil {
				out[k].Clip = c.Cut(span)
				continue
			}
			span = media.Span{Seconds: file.duration()}
		} else {
			// As Cut does it: a span that would run past the end begins earlier, and on the grid of frames.
			if d := file.duration(); d > 0 {
				span.Seconds = min(span.Seconds, d)
				span.Start = min(span.Start, d-span.Seconds)
			}
			span.Start = max(span.Start, 0)
			if fps := float64(f.opt.FPS); f.opt.NeedVideo {
				span.Start = math.Floor(span.Start*fps+1e-6) / fps
			}
		}
		wanted, at = append(wanted, media.Request{Index: r.Index, Span: span}), append(at, k)
	}
	for n, got := range f.decode(ctx, wanted) {
		k := at[n]
		out[k] = got
		if i := all[k].Index; got.Err == nil && f.short(&f.files[i]) {
			f.keep(i, got.Clip)
			out[k].Clip = got.Clip.Cut(all[k].Span)
		}
	}
	return out
}

// keep puts a clip that was decoded whole into the cache.
func (f *Folder) keep(i int, c *media.Clip) {
	c.Trim()
	f.cache.put(i, c)
}

// short tells whether the clip is decoded whole.
func (f *Folder) short(file *folderFile) bool {
	d := file.duration()
	return d > 0 && d <= f.opt.WholeSeconds
}

// Whole is all of clip i where its file is short enough to be decoded whole, as its spans are cut from
// it; ok is false where it is not.
func (f *Folder) Whole(ctx context.Context, i int) (c *media.Clip, ok bool, err error) {
	file := &f.files[i]
	if !f.short(file) {
		return nil, false, nil
	}
	c, err = f.whole(ctx, i)
	return c, true, err
}

// CacheBytes is the most memory that clips decoded whole take together: all of them, or the cache's bound.
func (f *Folder) CacheBytes() int64 {
	n := int64(0)
	for i := range f.files {
		file := &f.files[i]
		if f.short(file) {
			n += file.info.Bytes(file.duration(), f.format())
		}
		if n > f.cache.limit {
			return max(f.cache.limit, 0)
		}
	}
	return n
}

// LoadBytes is the most memory that one clip takes when so many seconds of it are asked for: short ones are decoded whole.
func (f *Folder) LoadBytes(seconds float64) int64 {
	most := int64(0)
	for i := range f.files {
		file, long := &f.files[i], seconds
		if f.short(file) {
			long = file.duration()
		}
		most = max(most, file.info.Bytes(long, f.format()))
	}
	return most
}

// Digest implements media.Digested.
func (f *Folder) Digest() string {
	d := media.NewDigester()
	for i := range f.files {
		size := f.files[i].stamp.size
		if in := f.files[i].in; in.Size > 0 {
			size = in.Size // of a member of an archive
		}
		d.Add(f.Name(i), size, f.Duration(i))
	}
	return d.Text()
}

// Stamps writes what tells whether the clips would be decoded otherwise: the files' sizes and times of
// change, and up to which length clips are decoded whole.
func (f *Folder) Stamps(w io.Writer) {
	fmt.Fprintf(w, "%g\n", f.opt.WholeSeconds)
	for i := range f.files {
		fmt.Fprintln(w, f.files[i].stamp.size, f.files[i].stamp.time)
	}
}

var _ pack.Files = (*Folder)(nil)

// whole is all of a short clip, from the cache where it is there.
func (f *Folder) whole(ctx context.Context, i int) (*media.Clip, error) {
	c := f.cache.get(i)
	if c == nil {
		r := f.decode(ctx, []media.Request{{Index: i, Span: media.Span{Seconds: f.files[i].duration()}}})[0]
		if r.Err != nil {
			return nil, r.Err
		}
		c = r.Clip
		f.keep(i, c)
	}
	own := *c // sharing the samples
	return &own, nil
}

// decode decodes spans of clips. It makes sure that the files are those that were opened, and names them in errors.
func (f *Folder) decode(ctx context.Context, all []media.Request) []media.Loaded {
	out := make([]media.Loaded, len(all))
	var jobs []ffmpeg.Job
	var at []int
	for k, r := range all {
		file := &f.files[r.Index]
		if err := f.unchanged(ctx, file); err != nil {
			out[k].Err = fmt.Errorf("%s: %w", file.place(), err)
			continue
		}
		r.Span.Start += file.from()
		if err := f.index.beyond(file.in, file.name, r.Span.Start); err != nil {
			out[k].Err = fmt.Errorf("%s: %w", file.place(), err)
			continue
		}
		jobs, at = append(jobs, ffmpeg.Job{In: file.in, Of: file.info, Span: r.Span}), append(at, k)
	}
	for n, got := range ffmpeg.DecodeAll(ctx, jobs, f.format()) {
		k, span := at[n], jobs[n].Span
		file := &f.files[all[k].Index]
		switch {
		case errors.Is(got.Err, ffmpeg.ErrEmpty):
			wrong := f.index.mistaken(ctx, file.in, file.name)
			if wrong == nil && file.sound.Size > 0 {
				wrong = f.index.mistaken(ctx, file.sound, file.beside)
			}
			got.Err = fmt.Errorf("%s: %w between %.3f s and %.3f s", file.place(), got.Err, span.Start, span.Start+span.Seconds)
			if wrong != nil {
				got.Err = fmt.Errorf("%w: %w", got.Err, wrong)
			}
		case got.Err != nil:
			got.Err = fmt.Errorf("%s: %w", file.place(), got.Err)
		default:
			got.Clip.Name, got.Clip.Label = file.name, file.label
		}
		out[k] = got
	}
	return out
}

// place names the file in errors.
func (file *folderFile) place() string {
	if file.in.Size > 0 {
		return file.in.Path + ": " + file.name
	}
	return file.in.Path
}

// unchanged refuses a file that has gone since it was opened, or that now holds other streams. One
// that was merely touched or copied anew serves on.
func (f *Folder) unchanged(ctx context.Context, file *folderFile) error {
	now, err := stampOf(file.in.Path)
	if err != nil {
		if err = files.Missing(err); errors.Is(err, files.ErrMissing) {
			return errors.New("the file has gone since it was opened")
		}
		return err
	}
	if now == file.stamp {
		return nil
	}
	if file.in.Size > 0 && now.size != file.stamp.size {
		return errors.New("the shard has changed since it was opened")
	}
	contents, err := ffmpeg.Probe(ctx, file.in)
	if err != nil {
		return fmt.Errorf("the file has changed since it was opened: %w", err)
	}
	info, err := f.choose(file, contents, func(in ffmpeg.Place, _ string) (ffmpeg.Contents, error) { return ffmpeg.Probe(ctx, in) })
	if err != nil {
		return fmt.Errorf("the file has changed since it was opened: %w", err)
	}
	if !reflect.DeepEqual(info, file.info) {
		return errors.New("the file has changed since it was opened, and holds other streams now")
	}
	return nil
}
