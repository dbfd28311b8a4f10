package corpus

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/internal/files"
	"goxkd/media"
	"goxkd/media/ffmpeg"
)

// maxListLine bounds one line of a list.
const maxListLine = 64 << 10

// lineBound passes bytes on and fails at a line that is too long, so that no parser above it can be
// made to hold a whole file.
type lineBound struct {
	r    io.Reader
	have int
}

func (b *lineBound) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	for _, c := range p[:n] {
		if b.have++; c == '\n' {
			b.have = 0
		}
		if b.have > maxListLine {
			return 0, errLongLine
		}
	}
	return n, err
}

// eachLine calls do with every line that is not blank, without its end and a byte order mark.
func eachLine(r io.Reader, path string, do func(line int, text string) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxListLine)
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimRight(lines.Text(), "\r")
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		if strings.ContainsRune(text, 0) {
			return lineError(path, n, "this is no text: name a list, a folder or a .tar shard of clips")
		}
		if err := do(n, text); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return lineError(path, n+1, "%w", errLongLine)
	} else if err != nil {
		return lineError(path, n+1, "%w", err)
	}
	return nil
}

// readList reads a manifest or a plain list, whichever the file is.
func readList(path string, opt media.FolderOptions) ([]listed, []string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("list %s: %w", path, files.Cause(err))
	}
	defer f.Close()
	clips, err := parseList(f, path, opt)
	return clips, nil, err
}

func parseList(r io.Reader, path string, opt media.FolderOptions) ([]listed, error) {
	in := bufio.NewReaderSize(r, maxListLine)
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		_, _ = in.Discard(3)
	}
	head, _ := in.Peek(maxListLine)
	first, _, _ := bytes.Cut(bytes.TrimLeft(head, " \t\r\n"), []byte("\n"))
	switch {
	case len(first) > 0 && first[0] == '{':
		return parseJSONLines(in, path, opt)
	case headed(string(first), ','):
		return parseTable(in, path, ',', opt)
	case headed(string(first), '\t'):
		return parseTable(in, path, '\t', opt)
	}
	return parsePlain(in, path)
}

// pathColumns are the names that a manifest's column of paths may have.
var pathColumns = []string{"path", "file", "filename", "video", "clip"}

// headed tells whether the line is a manifest's header.
func headed(line string, comma rune) bool {
	for field := range strings.SplitSeq(strings.TrimSpace(line), string(comma)) {
		if slices.Contains(pathColumns, strings.ToLower(strings.Trim(strings.TrimSpace(field), `"`))) {
			return true
		}
	}
	return false
}

// columns finds the manifest's columns in its header; -1 where there is none.
type columns struct{ path, label, split, start, end int }

func findColumns(header []string, label string) (columns, error) {
	at := func(names ...string) int {
		return slices.IndexFunc(header, func(h string) bool { return slices.Contains(names, strings.ToLower(strings.TrimSpace(h))) })
	}
	c := columns{at(pathColumns...), at("label", "class", "category"), at("split"), at("start"), at("end")}
	if c.path < 0 {
		return c, fmt.Errorf("there is no column %q: there are %s", "path", strings.Join(header, ", "))
	}
	if label != "" {
		if c.label = slices.Index(header, label); c.label < 0 {
			return c, fmt.Errorf("there is no column %q: there are %s", label, strings.Join(header, ", "))
		}
	}
	return c, nil
}

func parseTable(r io.Reader, path string, comma rune, opt media.FolderOptions) ([]listed, error) {
	rows := csv.NewReader(&lineBound{r: r})
	rows.Comma = comma
	header, err := rows.Read()
	if err != nil {
		return nil, csvError(path, err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	c, err := findColumns(header, opt.LabelColumn)
	if err != nil {
		return nil, lineError(path, 1, "%w", err)
	}
	var clips []listed
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return clips, nil
		}
		if err != nil {
			return nil, csvError(path, err)
		}
		line, _ := rows.FieldPos(0)
		get := func(at int) string {
			if at < 0 {
				return ""
			}
			return row[at]
		}
		clip, err := newListed(get(c.path), get(c.label), get(c.split), get(c.start), get(c.end), line)
		if err != nil {
			return nil, lineError(path, line, "%w", err)
		}
		clips = append(clips, clip)
	}
}

// csvError puts the file and the line first.
func csvError(path string, err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return lineError(path, parse.Line, "%w", parse.Err)
	}
	return fmt.Errorf("list %s: %w", path, err)
}

func parseJSONLines(r io.Reader, path string, opt media.FolderOptions) ([]listed, error) {
	label := opt.LabelColumn
	if label == "" {
		label = "label"
	}
	var clips []listed
	err := eachLine(r, path, func(line int, text string) error {
		fields := json.NewDecoder(strings.NewReader(text))
		fields.UseNumber()
		var m map[string]any
		if err := fields.Decode(&m); err != nil {
			return lineError(path, line, "no JSON object: %w", err)
		}
		if fields.More() {
			return lineError(path, line, "more than one value: write one object per line")
		}
		get := func(name string) string { s, _ := scalar(m[name]); return s }
		clip, err := newListed(get("path"), get(label), get("split"), get("start"), get("end"), line)
		if err != nil {
			return lineError(path, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// scalar is a JSON string or number as text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// newListed makes a clip of a list's fields.
func newListed(path, label, split, start, end string, line int) (listed, error) {
	c := listed{name: filepath.ToSlash(path), in: ffmpeg.Place{Path: path}, label: strings.TrimSpace(label), split: strings.TrimSpace(split), line: line}
	switch {
	case strings.TrimSpace(path) == "":
		return c, errors.New("the path is empty")
	case strings.ContainsRune(path, 0):
		return c, errors.New("the path holds a zero byte")
	}
	var err error
	if c.start, err = instant(start); err != nil {
		return c, fmt.Errorf("start %q: %w", start, err)
	}
	if c.end, err = instant(end); err != nil {
		return c, fmt.Errorf("end %q: %w", end, err)
	}
	if c.end != 0 && c.end <= c.start || c.end == 0 && strings.TrimSpace(end) != "" {
		return c, fmt.Errorf("the clip ends at %q and starts at %q: it must end later", end, start)
	}
	if c.start > 0 || c.end > 0 {
		c.name += fmt.Sprintf("@%g-", c.start)
		if c.end > 0 {
			c.name += strconv.FormatFloat(c.end, 'g', -1, 64)
		}
	}
	return c, nil
}

// instant reads seconds; nothing is 0.
func instant(text string) (float64, error) {
	if text = strings.TrimSpace(text); text == "" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v >= media.MaxSeconds {
		return 0, errors.New("must be seconds, such as 12.5")
	}
	return v, nil
}

// parsePlain reads "path", "path label" or "path label start end" per line.
func parsePlain(r io.Reader, path string) ([]listed, error) {
	var clips []listed
	err := eachLine(r, path, func(line int, text string) error {
		fields, err := plainFields(text)
		if err != nil {
			return lineError(path, line, "%w", err)
		}
		var clip listed
		switch len(fields) {
		case 1:
			clip, err = newListed(fields[0], "", "", "", "", line)
		case 2:
			clip, err = newListed(fields[0], fields[1], "", "", "", line)
		case 4:
			clip, err = newListed(fields[0], fields[1], "", fields[2], fields[3], line)
		default:
			err = fmt.Errorf("%d fields: write a path, then a label, then start and end in seconds", len(fields))
		}
		if err != nil {
			return lineError(path, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// plainFields takes a line apart at tabs where it has any, else at commas, else at spaces. A path may
// hold spaces when it ends in a known extension.
func plainFields(text string) ([]string, error) {
	for _, comma := range "\t," {
		if !strings.ContainsRune(text, comma) {
			continue
		}
		row := csv.NewReader(strings.NewReader(text))
		row.Comma = comma
		fields, err := row.Read()
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			return nil, parse.Err
		}
		if err != nil {
			return nil, err
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		return fields, nil
	}
	text = strings.TrimSpace(text)
	for at, c := range text {
		if c == ' ' && mediaExtensions[strings.ToLower(filepath.Ext(text[:at]))] {
			return append([]string{text[:at]}, strings.Fields(text[at:])...), nil
		}
	}
	if mediaExtensions[strings.ToLower(filepath.Ext(text))] {
		return []string{text}, nil
	}
	return strings.Fields(text), nil
}
