package corpus

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/pack"
)

// Open recognises what lies at the path and returns its clips:
//
//   - a folder that `xkd pack` has written (its pack.json tells);
//   - a folder of tar shards in WebDataset's convention, or one such shard;
//   - a folder with ESC-50's meta/esc50.csv, with UCF101's trainlistNN.txt and testlistNN.txt, or with
//     HMDB51's *_test_splitN.txt, and each of these files by itself;
//   - a folder with FSD50K's FSD50K.ground_truth, whose clips have several labels;
//   - any other folder: the media files below it, with labels from labels.csv or from sub-folders;
//   - a manifest: CSV or TSV with a header, or JSON lines, with path, label, split, start and end;
//   - a plain list: a path per line, then a label, then start and end in seconds.
//
// The paths of a list are below its own folder, or opt.Root. The report comes back with an error too,
// which names the file, the line and what to do.
func Open(ctx context.Context, path string, opt media.FolderOptions) (media.Corpus, *media.Report, error) {
	if pack.Is(path) {
		p, report, err := pack.Open(path, opt)
		if err != nil {
			return nil, report, err
		}
		return p, report, nil
	}
	opt = opt.WithDefaults()
	report := &media.Report{}
	list, err := gather(path, opt, report)
	if err != nil {
		return nil, report, err
	}
	f, err := openListing(ctx, list, opt, report)
	if err != nil {
		return nil, report, err
	}
	return f, report, nil
}

// The names by which lists of known data sets go.
var (
	ucfList  = regexp.MustCompile(`^(train|test|val)list(\d\d)\.txt$`)
	hmdbList = regexp.MustCompile(`^(.+)_test_split(\d)\.txt$`)
)

const escFile = "esc50.csv"

// gather lists the clips at the path, whatever it is.
func gather(path string, opt media.FolderOptions, report *media.Report) (*listing, error) {
	sweepCopies()
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("folder %s: %w: name an existing folder, list or shard of clips", path, files.Cause(err))
	case info.IsDir():
		return gatherDir(path, opt, report)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file: name a folder, a list or a shard of clips", path)
	}
	name := filepath.Base(path)
	switch {
	case isShard(name):
		return gatherShards(path, []string{path}, opt, report)
	case name == escFile:
		return gatherList(filepath.Dir(path), []string{path}, readESC, opt, report)
	case ucfList.MatchString(name):
		return gatherList(filepath.Dir(path), []string{path}, readUCF, opt, report)
	case hmdbList.MatchString(name):
		return gatherList(filepath.Dir(path), []string{path}, readHMDB, opt, report)
	case mediaExtensions[strings.ToLower(filepath.Ext(name))]:
		return nil, fmt.Errorf("%s: this is a file: name the folder that holds it, or a list of clips", path)
	}
	return gatherList(filepath.Dir(path), []string{path}, readList, opt, report)
}

// gatherDir tells the kinds of folders apart.
func gatherDir(dir string, opt media.FolderOptions, report *media.Report) (*listing, error) {
	for _, esc := range []string{filepath.Join(dir, "meta", escFile), filepath.Join(dir, escFile)} {
		if info, err := os.Stat(esc); err == nil && info.Mode().IsRegular() {
			return gatherList(filepath.Dir(esc), []string{esc}, readESC, opt, report)
		}
	}
	if lists, err := fsdLists(dir); len(lists) > 0 || err != nil {
		if err != nil {
			return nil, err
		}
		return gatherList(dir, lists, readFSD, opt, report)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("folder %s: %w", dir, files.Cause(err))
	}
	var ucf, hmdb, tars []string
	films, folders, ucfAny, hmdbAny := false, false, false, false
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(dir, name)
		u, h := ucfList.FindStringSubmatch(name), hmdbList.FindStringSubmatch(name)
		switch {
		case strings.HasPrefix(name, "."):
		case e.IsDir() || e.Type()&fs.ModeSymlink != 0 && folderAt(path):
			folders = true
		case u != nil:
			ucfAny = true
			if u[2] == fmt.Sprintf("%02d", opt.Fold) {
				ucf = append(ucf, path)
			}
		case h != nil:
			hmdbAny = true
			if h[2] == fmt.Sprint(opt.Fold) {
				hmdb = append(hmdb, path)
			}
		case isShard(name):
			tars = append(tars, path)
		case mediaExtensions[strings.ToLower(filepath.Ext(name))]:
			films = true
		}
	}
	switch {
	case films: // lists or shards beside films are no description of them
	case len(ucf) > 0:
		slices.Reverse(ucf) // train before test
		return gatherList(dir, ucf, readUCF, opt, report)
	case len(hmdb) > 0:
		return gatherList(dir, hmdb, readHMDB, opt, report)
	case ucfAny || hmdbAny:
		return nil, fmt.Errorf("folder %s: it has lists, but none of split %d: ask for one that is there", dir, opt.Fold)
	case len(tars) > 0 && folders:
		// An archive beside the folders that it held is no shard.
		below := *report
		if list, err := gatherFolder(dir, opt, &below); err != nil || len(list.clips) > 0 {
			*report = below
			return list, err
		}
		return gatherShards(dir, tars, opt, report)
	case len(tars) > 0:
		return gatherShards(dir, tars, opt, report)
	}
	return gatherFolder(dir, opt, report)
}

// reader reads one list. Its clips' paths are as listed, in in.path; roots are folders below which
// they may lie, relative to the list's own.
type reader func(path string, opt media.FolderOptions) (clips []listed, roots []string, err error)

// gatherList reads lists and finds where their files lie.
func gatherList(dir string, paths []string, read reader, opt media.FolderOptions, report *media.Report) (*listing, error) {
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", paths[0], files.Cause(err))
	}
	list := &listing{what: "list " + paths[0], root: root}
	if len(paths) > 1 {
		list.what = "lists in " + dir
	}
	var all []listed
	var roots []string
	for _, path := range paths {
		clips, below, err := read(path, opt)
		if err != nil {
			return nil, err
		}
		all, roots = append(all, clips...), below
	}
	base := root
	switch {
	case opt.Root != "":
		if base, err = filepath.Abs(opt.Root); err != nil {
			return nil, fmt.Errorf("%s: %w", list.what, err)
		}
		if info, err := os.Stat(base); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%s: the folder of its files, %s, does not exist: name another", list.what, opt.Root)
		}
	case len(roots) > 0:
		base = likeliest(root, roots, all)
	}
	for _, clip := range all {
		if !filepath.IsAbs(clip.in.Path) {
			clip.in.Path = filepath.Join(base, filepath.FromSlash(clip.in.Path))
		}
		if opt.Split != "" && clip.split != opt.Split {
			report.Split++
			continue
		}
		clip.in.Path = slashed(clip.in.Path)
		if err := unusable(clip.in.Path); err != nil {
			report.Bad = append(report.Bad, media.NewBadFile(clip.name, lined(err, clip.line)))
			continue
		}
		list.clips = append(list.clips, clip)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: it names no clips: name a folder of clips, or write a path per line, then its label", list.what)
	}
	return list, nil
}

// slashed is a path as Windows writes it with the system's slashes, where no file has the very name.
func slashed(path string) string {
	if !strings.Contains(path, `\`) {
		return path
	}
	if _, err := os.Lstat(path); err == nil {
		return path
	}
	if with := strings.ReplaceAll(path, `\`, "/"); regular(with) {
		return with
	}
	return path
}

func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// unusable says why a listed path is none that could be read: pipes and devices would block whoever
// opens them. Whether it is there is asked later.
func unusable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil
	case !info.Mode().IsRegular():
		return errIrregular
	case info.Size() == 0:
		return errNoBytes
	}
	return nil
}

// lineOf is why a clip cannot be used, and the line of the list that names it.
type lineOf struct {
	error
	line int
}

func (e lineOf) Error() string { return fmt.Sprintf("%v (line %d of the list)", e.error, e.line) }

func (e lineOf) Unwrap() error { return e.error }

// lined adds the line, where there is one.
func lined(err error, line int) error {
	if line == 0 {
		return err
	}
	return lineOf{err, line}
}

// likeliest is the folder below which most of the first clips exist.
func likeliest(root string, below []string, clips []listed) string {
	best, most := root, -1
	for _, sub := range below {
		base, hits := filepath.Join(root, filepath.FromSlash(sub)), 0
		for _, clip := range clips[:min(len(clips), 50)] {
			if _, err := os.Stat(filepath.Join(base, filepath.FromSlash(clip.in.Path))); err == nil {
				hits++
			}
		}
		if hits > most {
			best, most = base, hits
		}
	}
	return best
}

// lineError names a line of a list.
func lineError(path string, line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", path, line, fmt.Errorf(format, args...))
}

var errLongLine = errors.New("the line is longer than 64 KiB")
