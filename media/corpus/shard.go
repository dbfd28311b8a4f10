package corpus

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/pack"
)

// gatherShards lists the clips of tar shards in WebDataset's convention: members of one clip share their key. The media file
// is the clip; its label is in .cls, in the "label" or "class" of .json, or else a short .txt; a "split" may stand in .json.
// Every media member is a clip, the sound of one, or is named in the report. A compressed shard is unpacked once, into the
// user's cache.
func gatherShards(where string, shards []string, opt media.FolderOptions, report *media.Report) (*listing, error) {
	dir := where
	if len(shards) == 1 && shards[0] == where {
		dir = filepath.Dir(where)
	}
	root, err := filepath.Abs(dir)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, fmt.Errorf("shards %s: %w", where, files.Cause(err))
	}
	list := &listing{what: "shards " + where, root: root}
	found := make([]*shard, len(shards))
	errs := make([]error, len(shards))
	files.Parallel(opt.Workers, len(shards), func(i int) {
		name := filepath.Base(shards[i])
		file, err := unpacked(filepath.Join(root, name))
		if err != nil {
			found[i], errs[i] = &shard{}, err
			return
		}
		found[i], errs[i] = scanShard(file, name)
	})
	for i, shard := range shards {
		if errs[i] != nil {
			report.Bad = append(report.Bad, media.NewBadFile(filepath.Base(shard), errs[i]))
		}
		report.Bad = append(report.Bad, found[i].bad...)
		report.Ignored += found[i].ignored
		for _, clip := range found[i].clips {
			if opt.Split != "" && clip.split != opt.Split {
				report.Split++
				continue
			}
			list.clips = append(list.clips, clip)
		}
	}
	return list, nil
}

// shard is what one holds.
type shard struct {
	clips   []listed
	bad     []media.BadFile // members that are no clips though their names say so
	ignored int
}

// member is one of media, or text that describes one.
type member struct {
	pack.Member
	ext  string // after the last dot
	stem string // before it
	text []byte // of a small one
}

// soundExtensions are those of files of sound alone.
var soundExtensions = func() map[string]bool {
	set := map[string]bool{}
	for ext := range strings.FieldsSeq(`aac ac3 aif aiff amr au caf flac m4a mka mp2 mp3 oga ogg opus w64 wav wma`) {
		set[ext] = true
	}
	return set
}()

var (
	errTwice  = errors.New("a later member of the archive has the same name: that one is taken")
	errCircle = errors.New("links within the archive go round in a circle, or too deep")
)

// scanShard lists one shard's clips, by the name that it goes by; with an error, those before the damage.
func scanShard(file, name string) (*shard, error) {
	s := &shard{}
	refuse := func(m pack.Member, err error) {
		s.bad = append(s.bad, media.NewBadFile(name+"/"+m.Name, err))
	}
	var members []member
	at := map[string]int{} // by clean name
	err := pack.Scan(file, func(m pack.Member, body func() ([]byte, error)) error {
		clean := path.Clean("/" + m.Name)
		base := path.Base(clean)
		dot := strings.LastIndexByte(base, '.')
		if m.Kind == tar.TypeDir || m.Kind == tar.TypeXGlobalHeader {
			return nil
		}
		if dot < 1 || strings.HasPrefix(base, ".") {
			s.ignored++
			return nil
		}
		x := member{Member: m, ext: strings.ToLower(base[dot+1:]), stem: strings.TrimSuffix(clean, clean[len(clean)-len(base)+dot:])}
		film := mediaExtensions["."+x.ext]
		switch {
		case film || x.ext == "json" || x.ext == "cls" || x.ext == "txt":
		default:
			s.ignored++
			return nil
		}
		if !film && m.Kind == tar.TypeReg {
			text, err := body()
			if err != nil {
				return err
			}
			x.text = text
		}
		if old, ok := at[clean]; ok {
			if film {
				refuse(members[old].Member, errTwice)
			}
			members[old] = x
			return nil
		}
		at[clean] = len(members)
		members = append(members, x)
		return nil
	})
	// Links first: what they lead to counts as theirs.
	keep := members[:0]
	for _, m := range members {
		if why := m.follow(members, at); why != nil {
			refuse(m.Member, why)
			continue
		}
		if mediaExtensions["."+m.ext] && m.Size == 0 {
			refuse(m.Member, errNoBytes)
			continue
		}
		keep = append(keep, m)
	}
	// Members of one key, in the order of the keys' first members.
	groups := map[string][]member{}
	var keys []string
	for _, m := range keep {
		if _, ok := groups[m.Key]; !ok {
			keys = append(keys, m.Key)
		}
		groups[m.Key] = append(groups[m.Key], m)
	}
	for _, key := range keys {
		s.group(file, name, groups[key])
	}
	return s, err
}

// follow takes what a link leads to as the member's own.
func (m *member) follow(members []member, at map[string]int) error {
	to := m.Member
	for range 8 {
		target := ""
		switch to.Kind {
		case tar.TypeReg:
			m.At, m.Size, m.Kind = to.At, to.Size, tar.TypeReg
			return nil
		case tar.TypeLink:
			target = path.Clean("/" + to.Link)
		case tar.TypeSymlink:
			target = to.Link
			if !path.IsAbs(target) {
				target = path.Join(path.Dir("/"+to.Name), target)
			}
			target = path.Clean(target)
		default:
			return errIrregular
		}
		i, ok := at[target]
		if !ok {
			return fmt.Errorf("a link to %q, which is not in the archive: store the file itself", to.Link)
		}
		if m.text == nil {
			m.text = members[i].text
		}
		to = members[i].Member
	}
	return errCircle
}

// group makes the clips of one key. Names may have dots of their own: where there are several films or several sounds, a
// clip is what shares its name up to the last dot.
func (s *shard) group(file, name string, members []member) {
	var films, sounds []member
	for _, m := range members {
		switch {
		case soundExtensions[m.ext]:
			sounds = append(sounds, m)
		case mediaExtensions["."+m.ext]:
			films = append(films, m)
		}
	}
	if len(films)+len(sounds) == 0 {
		return
	}
	if len(films) <= 1 && len(sounds) <= 1 {
		s.clip(file, name, films, sounds, members)
		return
	}
	stems := map[string]bool{}
	for _, m := range slices.Concat(films, sounds) {
		stems[m.stem] = true
	}
	of := func(all []member, stem string) []member {
		return slices.DeleteFunc(slices.Clone(all), func(m member) bool { return m.stem != stem })
	}
	for _, m := range members {
		if !stems[m.stem] {
			continue
		}
		delete(stems, m.stem)
		// Text of the very name counts before text of a shorter one, which all the key's clips share.
		var about []member
		for _, x := range members {
			if x.stem == m.stem || !mediaExtensions["."+x.ext] && strings.HasPrefix(m.stem, x.stem+".") {
				about = append(about, x)
			}
		}
		slices.SortStableFunc(about, func(a, b member) int { return cmp.Compare(len(b.stem), len(a.stem)) })
		s.clip(file, name, of(films, m.stem), of(sounds, m.stem), about)
	}
}

// clip makes one of the first film, or the first sound, and names the others.
func (s *shard) clip(file, name string, films, sounds, about []member) {
	place := func(m member) ffmpeg.Place { return ffmpeg.Place{Path: file, At: m.At, Size: m.Size} }
	var main member
	clip := listed{}
	switch {
	case len(films) > 0:
		main, films = films[0], films[1:]
		if len(sounds) > 0 {
			clip.sound, clip.beside = place(sounds[0]), name+"/"+sounds[0].Name
			sounds = sounds[1:]
		}
	default:
		main, sounds = sounds[0], sounds[1:]
	}
	clip.in, clip.name = place(main), name+"/"+main.Name
	for _, m := range slices.Concat(films, sounds) {
		s.bad = append(s.bad, media.NewBadFile(name+"/"+m.Name, fmt.Errorf("its key has another file of the kind: %s is taken", main.Name)))
	}
	rank := 0 // of the label's origin: a better one replaces a worse
	for _, m := range about {
		if m.text != nil {
			describe(&clip, m.ext, m.text, &rank)
		}
	}
	s.clips = append(s.clips, clip)
}

// describe takes a label and a split from a small member; what is not understood tells nothing.
func describe(clip *listed, ext string, text []byte, rank *int) {
	label, better := "", 0
	switch ext {
	case "cls":
		label, better = strings.TrimSpace(string(text)), 3
	case "txt":
		label, better = strings.TrimSpace(string(text)), 1
	case "json":
		fields := json.NewDecoder(bytes.NewReader(text))
		fields.UseNumber()
		var m map[string]any
		if fields.Decode(&m) != nil {
			return
		}
		if clip.split == "" {
			clip.split, _ = scalar(m["split"])
		}
		for _, name := range []string{"label", "class"} {
			if text, ok := scalar(m[name]); ok && label == "" {
				label, better = text, 2
			}
		}
	}
	if label != "" && len(label) <= 64 && !strings.ContainsAny(label, "\n\r\x00") && better > *rank {
		clip.label, *rank = label, better
	}
}
