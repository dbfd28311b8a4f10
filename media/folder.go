package media

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// FolderOptions say what is wanted of a folder of clips. Zero fields take the defaults named; with
// neither NeedVideo nor NeedAudio both are needed, as for training.
type FolderOptions struct {
	NeedVideo bool // clips must have video; with NeedVideo alone, sound is not decoded
	NeedAudio bool // clips must have audio; with NeedAudio alone, frames are not decoded

	LabelColumn string // column of labels.csv (default its first)
	Split       string // keep only clips of this split in labels.csv (default all)

	FPS  int // frames per second (default 8)
	Size int // shorter side of the frames in pixels (default 112)
	Rate int // Hz (default 16000)

	Workers      int           // files looked at side by side (default GOMAXPROCS)
	MaxDuration  float64       // seconds; longer files are refused (default: no limit)
	Check        bool          // decode the beginning of each file too, so that damage shows at once
	Timeout      time.Duration // for each child process (default 60 s); a clip that takes longer counts as failed
	WholeSeconds float64       // files up to this length are decoded whole, longer ones by seeking (default 10)
	ProbeCache   string        // file in which ffprobe's answers are kept between runs (default none)
	CacheBytes   int64         // memory for clips decoded whole (default 256 MiB; negative for none)
}

// OptionsFor are the options whose frames and samples fit the spec.
func OptionsFor(s Spec) FolderOptions {
	return FolderOptions{FPS: s.FPS, Size: s.Size, Rate: s.Rate}
}

func (o FolderOptions) withDefaults() FolderOptions {
	if !o.NeedVideo && !o.NeedAudio {
		o.NeedVideo, o.NeedAudio = true, true
	}
	defaults := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	defaults(&o.FPS, 8)
	defaults(&o.Size, 112)
	defaults(&o.Rate, 16000)
	defaults(&o.Workers, runtime.GOMAXPROCS(0))
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.WholeSeconds == 0 {
		o.WholeSeconds = 10
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 256 << 20
	}
	return o
}

// Report tells what a folder holds.
type Report struct {
	Good      int       // clips that can be used
	Bad       []BadFile // media files that cannot, and why, by path
	Ignored   int       // files that are no media by their extension
	Unlabeled int       // clips without a label
	Split     int       // clips left out because they belong to another split
}

// Folder is a Source of the clips in a folder and its sub-folders, in the order of their paths.
type Folder struct {
	dir     string
	opt     FolderOptions
	files   []folderFile
	classes []string
	cache   *clipCache
	probes  *probeCache
}

type folderFile struct {
	name  string // path below the folder, with slashes
	path  string
	label int
	split string
	info  *probed
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

// OpenFolder looks for media files below dir, asks ffprobe about each and returns those that can be
// used. Labels come from labels.csv in dir or its parent, or else from the name of each file's first
// sub-folder. Links to files count, links to folders are not followed, hidden files and folders are
// left out. The report comes back with an error too, which names the folder and what to do.
func OpenFolder(ctx context.Context, dir string, opt FolderOptions) (*Folder, *Report, error) {
	opt = opt.withDefaults()
	report := &Report{}
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, report, fmt.Errorf("folder %s: %w", dir, err)
	}
	if info, err := os.Stat(root); err != nil {
		return nil, report, fmt.Errorf("folder %s: %w: name an existing folder of clips", dir, cause(err))
	} else if !info.IsDir() {
		return nil, report, fmt.Errorf("folder %s: this is a file: name the folder that holds it", dir)
	}
	// The folder may be named by a link itself; its table of labels lies where the name says.
	table, err := findLabels(root, opt.LabelColumn)
	if err != nil {
		return nil, report, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, report, fmt.Errorf("folder %s: %w", dir, err)
	}
	names, err := walk(root, report)
	if err != nil {
		return nil, report, fmt.Errorf("folder %s: %w", dir, err)
	}
	f := &Folder{dir: dir, opt: opt, cache: newClipCache(opt.CacheBytes), probes: openProbeCache(opt.ProbeCache)}
	labels := f.label(root, names, table, report)
	if err := f.probeAll(ctx, report); err != nil {
		return nil, report, fmt.Errorf("folder %s: %w", dir, err)
	}
	f.index(labels, report)
	report.Good = len(f.files)
	if report.Good == 0 {
		return nil, report, fmt.Errorf("folder %s: %s", dir, hopeless(report, opt))
	}
	return f, report, nil
}

// cause is the error without the operation and the path, which the text round it names.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// walk lists the media files below root by path and counts the others.
func walk(root string, report *Report) ([]string, error) {
	var names []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil && path == root:
			return err
		case err != nil:
			report.Bad = append(report.Bad, BadFile{filepath.ToSlash(name), "cannot be read: " + cause(err).Error()})
			return nil
		case path != root && strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case d.IsDir():
			return nil
		case strings.HasPrefix(d.Name(), ".") || !mediaExtensions[strings.ToLower(filepath.Ext(path))]:
			report.Ignored++
			return nil
		}
		// Stat follows a link to a file; pipes and devices would block whoever opens them.
		info, err := os.Stat(path)
		switch {
		case err != nil:
			report.Bad = append(report.Bad, BadFile{filepath.ToSlash(name), "cannot be read: " + cause(err).Error()})
		case info.IsDir():
			report.Ignored++
		case !info.Mode().IsRegular():
			report.Bad = append(report.Bad, BadFile{filepath.ToSlash(name), "not a regular file"})
		case info.Size() == 0:
			report.Bad = append(report.Bad, BadFile{filepath.ToSlash(name), "the file is empty"})
		default:
			names = append(names, filepath.ToSlash(name))
		}
		return nil
	})
	return names, err
}

// label lists the files of the wanted split and returns their labels.
func (f *Folder) label(root string, names []string, table *labelTable, report *Report) map[string]string {
	labels := map[string]string{}
	// A table that names none of the files belongs to another folder beside this one.
	if f.opt.LabelColumn == "" && f.opt.Split == "" && table != nil && !slices.ContainsFunc(names, table.has) {
		table = nil
	}
	for _, name := range names {
		label, split := "", ""
		if table != nil {
			label, split, _ = table.of(name)
		} else if sub, _, ok := strings.Cut(name, "/"); ok {
			label = sub
		}
		if f.opt.Split != "" && split != f.opt.Split {
			report.Split++
			continue
		}
		if label != "" {
			labels[name] = label
		}
		f.files = append(f.files, folderFile{name: name, path: filepath.Join(root, filepath.FromSlash(name)), label: -1, split: split})
	}
	return labels
}

// probeAll asks about every file and keeps the good ones. Only a missing tool or the end of ctx is
// an error.
func (f *Folder) probeAll(ctx context.Context, report *Report) error {
	errs := make([]error, len(f.files))
	var next atomic.Int64
	var work sync.WaitGroup
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for range min(f.opt.Workers, len(f.files)) {
		work.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(f.files) || ctx.Err() != nil {
					return
				}
				f.files[i].info, errs[i] = f.examine(ctx, f.files[i].path)
				if errors.Is(errs[i], errTool) {
					cancel(errs[i])
				}
			}
		})
	}
	work.Wait()
	f.probes.save()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	good := f.files[:0]
	for i, file := range f.files {
		if errs[i] != nil {
			report.Bad = append(report.Bad, BadFile{file.name, errs[i].Error()})
			continue
		}
		good = append(good, file)
	}
	f.files = good
	sort.Slice(report.Bad, func(a, b int) bool { return report.Bad[a].Path < report.Bad[b].Path })
	return nil
}

// examine decides about one file.
func (f *Folder) examine(ctx context.Context, path string) (*probed, error) {
	answer, err := f.probes.ask(ctx, path)
	if err != nil {
		return nil, err
	}
	info, err := parseProbe(answer, f.opt.NeedVideo, f.opt.NeedAudio)
	if err != nil {
		return nil, err
	}
	if f.opt.MaxDuration > 0 && info.duration > f.opt.MaxDuration {
		return nil, fmt.Errorf("lasts %.1f s, more than the %.1f s allowed", info.duration, f.opt.MaxDuration)
	}
	if f.opt.Check {
		if _, err := decode(ctx, path, info, Span{0, 0.5}, f.format()); err != nil {
			return nil, err
		}
	}
	return info, nil
}

// index numbers the classes of the good files.
func (f *Folder) index(labels map[string]string, report *Report) {
	seen := map[string]bool{}
	for _, file := range f.files {
		if label, ok := labels[file.name]; ok && !seen[label] {
			seen[label] = true
			f.classes = append(f.classes, label)
		}
	}
	slices.Sort(f.classes)
	for i := range f.files {
		label, ok := labels[f.files[i].name]
		if !ok {
			report.Unlabeled++
			continue
		}
		f.files[i].label, _ = slices.BinarySearch(f.classes, label)
	}
}

// hopeless says why no file can be used and what to do.
func hopeless(report *Report, opt FolderOptions) string {
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
		return fmt.Sprintf("no clip belongs to split %q: name a split of %s", opt.Split, labelsFile)
	default:
		return fmt.Sprintf("it holds no media files (%d others): put %s there (mp4, mkv, webm, ...)", report.Ignored, kind)
	}
}

// Len is the number of clips.
func (f *Folder) Len() int { return len(f.files) }

// Name is the clip's path below the folder, with slashes.
func (f *Folder) Name(i int) string { return f.files[i].name }

// Path is the clip's file.
func (f *Folder) Path(i int) string { return f.files[i].path }

// Label is the clip's class, -1 when it has none.
func (f *Folder) Label(i int) int { return f.files[i].label }

// Split is the clip's split in labels.csv, empty without one.
func (f *Folder) Split(i int) string { return f.files[i].split }

// Classes are the labels in order.
func (f *Folder) Classes() []string { return f.classes }

// Duration is the length of the shorter wanted stream in seconds, 0 when the file does not tell.
func (f *Folder) Duration(i int) float64 { return f.files[i].info.duration }

// Modalities tells which streams are decoded.
func (f *Folder) Modalities() (video, audio bool) { return f.opt.NeedVideo, f.opt.NeedAudio }

func (f *Folder) format() format {
	return format{f.opt.FPS, f.opt.Size, f.opt.Rate, f.opt.Timeout}
}

// Load decodes the span of clip i. Whether a file is decoded whole and cut, or sought, depends on its
// length alone and never on the cache, so that the cache changes no pixel.
func (f *Folder) Load(ctx context.Context, i int, span Span) (*Clip, error) {
	if i < 0 || i >= len(f.files) {
		return nil, fmt.Errorf("folder %s: no clip %d: it has %d", f.dir, i, len(f.files))
	}
	file := &f.files[i]
	named := func(c *Clip, err error) (*Clip, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.path, err)
		}
		c.Name, c.Label = file.name, file.label
		return c, nil
	}
	if d := file.info.duration; d <= 0 || d > f.opt.WholeSeconds {
		return named(decode(ctx, file.path, file.info, span, f.format()))
	}
	whole := f.cache.get(i)
	if whole == nil {
		var err error
		// A little more than the header says: the last frame may end after it.
		whole, err = named(decode(ctx, file.path, file.info, Span{0, f.opt.WholeSeconds + 1}, f.format()))
		if err != nil {
			return nil, err
		}
		f.cache.put(i, whole)
	}
	return whole.cut(span), nil
}
