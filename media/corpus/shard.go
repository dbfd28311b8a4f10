package corpus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
	"goxkd/media/pack"
)

// gatherShards lists the clips of tar shards in WebDataset's convention: members of one clip stand
// together and share their key. The media file is the clip; its label is in .cls, in the "label" or
// "class" of .json, or else a short .txt; a "split" may stand in .json.
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
	found := make([][]listed, len(shards))
	errs := make([]error, len(shards))
	files.Parallel(opt.Workers, len(shards), func(i int) {
		found[i], errs[i] = scanShard(filepath.Join(root, filepath.Base(shards[i])))
	})
	for i, shard := range shards {
		if errs[i] != nil {
			report.Bad = append(report.Bad, media.NewBadFile(filepath.Base(shard), errs[i]))
		}
		for _, clip := range found[i] {
			if opt.Split != "" && clip.split != opt.Split {
				report.Split++
				continue
			}
			list.clips = append(list.clips, clip)
		}
	}
	return list, nil
}

// scanShard lists one shard's clips; with an error, those before the damage.
func scanShard(file string) ([]listed, error) {
	var clips []listed
	var clip *listed
	var key string
	rank := 0 // of the label's origin: a better one replaces a worse
	finish := func() {
		if clip != nil && clip.in.Size > 0 {
			clips = append(clips, *clip)
		}
		clip, rank = nil, 0
	}
	err := pack.Scan(file, func(m pack.Member, body func() ([]byte, error)) error {
		if clip == nil || m.Key != key {
			finish()
			clip, key = &listed{in: ffmpeg.Place{Path: file}}, m.Key
		}
		ext := m.Ext[strings.LastIndexByte(m.Ext, '.')+1:]
		switch {
		case mediaExtensions["."+ext] && clip.in.Size == 0 && m.Size > 0:
			clip.in.At, clip.in.Size = m.At, m.Size
			clip.name = filepath.Base(file) + "/" + m.Name
		case ext == "json" || ext == "cls" || ext == "txt":
			text, err := body()
			if err != nil {
				return err
			}
			describe(clip, ext, text, &rank)
		}
		return nil
	})
	finish()
	return clips, err
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
		clip.split, _ = scalar(m["split"])
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
