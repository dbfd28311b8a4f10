package corpus

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
	lines := bufio.NewScanner(textOf(r))
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
	f, err := openList(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	clips, err := parseList(f, path, opt)
	return clips, nil, err
}

func parseList(r io.Reader, path string, opt media.FolderOptions) ([]listed, error) {
	in := bufio.NewReaderSize(textOf(r), maxListLine)
	head, _ := in.Peek(maxListLine)
	first, rest, _ := bytes.Cut(bytes.TrimLeft(head, " \t\r\n"), []byte("\n"))
	// Excel's note of what parts the columns.
	comma := rune(0)
	if mark, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(string(first))), "sep="); ok && len(mark) == 1 {
		comma = rune(mark[0])
		_, _ = in.Discard(len(head) - len(rest))
		first, _, _ = bytes.Cut(rest, []byte("\n"))
	}
	switch {
	case len(first) > 0 && first[0] == '{':
		return parseJSONLines(in, path, opt)
	case len(first) > 0 && first[0] == '[':
		return parseJSONArray(in, path, opt)
	case comma != 0:
		return parseTable(in, path, comma, opt)
	}
	for _, comma := range ",;\t" {
		if headed(string(first), comma) {
			return parseTable(in, path, comma, opt)
		}
	}
	return parsePlain(in, path)
}

// The names that a manifest's columns may have.
var (
	pathColumns = []string{
		"path", "file", "filename", "file_name", "filepath", "file_path", "video", "video_path", "audio", "audio_path", "clip", "clip_path", "media", "wav",
	}
	labelColumns = []string{"label", "class", "category", "class_name", "label_name", "target"}
	splitColumns = []string{"split", "set", "subset", "partition"}
	startColumns = []string{"start", "start_time", "start_seconds", "start_sec", "begin"}
	endColumns   = []string{"end", "end_time", "end_seconds", "end_sec", "stop"}
)

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
	at := func(names []string) int {
		for _, name := range names { // the more usual name first
			if i := slices.IndexFunc(header, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), name) }); i >= 0 {
				return i
			}
		}
		return -1
	}
	c := columns{at(pathColumns), at(labelColumns), at(splitColumns), at(startColumns), at(endColumns)}
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
	rows.TrimLeadingSpace = comma != '\t'
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
	err = eachRow(rows, path, func(line int, row []string) error {
		get := func(at int) string {
			if at < 0 {
				return ""
			}
			return row[at]
		}
		clip, err := newListed(get(c.path), get(c.label), get(c.split), get(c.start), get(c.end), line)
		if err != nil {
			return lineError(path, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// eachRow calls do with the rows that are left.
func eachRow(rows *csv.Reader, path string, do func(line int, row []string) error) error {
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return csvError(path, err)
		}
		line, _ := rows.FieldPos(0)
		if err := do(line, row); err != nil {
			return err
		}
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
		clip, err := objectOf(m, opt.LabelColumn, line)
		if err != nil {
			return lineError(path, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// parseJSONArray reads one array of such objects. What stands for the line in errors is the object's number.
func parseJSONArray(r io.Reader, path string, opt media.FolderOptions) ([]listed, error) {
	in := json.NewDecoder(r)
	in.UseNumber()
	if _, err := in.Token(); err != nil {
		return nil, lineError(path, 1, "no JSON array: %w", err)
	}
	var clips []listed
	for in.More() {
		var m map[string]any
		if err := in.Decode(&m); err != nil {
			return nil, lineError(path, len(clips)+1, "no JSON object: %w", err)
		}
		clip, err := objectOf(m, opt.LabelColumn, len(clips)+1)
		if err != nil {
			return nil, lineError(path, len(clips)+1, "%w", err)
		}
		clips = append(clips, clip)
	}
	if _, err := in.Token(); err != nil {
		return nil, lineError(path, len(clips)+1, "the array has no end: %w", err)
	}
	return clips, nil
}

// objectOf makes a clip of a JSON object, whose keys have the names of columns.
func objectOf(m map[string]any, label string, line int) (listed, error) {
	keys := slices.Sorted(maps.Keys(m))
	c, err := findColumns(keys, "")
	if err != nil {
		return listed{}, err
	}
	if label != "" { // not every object need have it
		c.label = slices.Index(keys, label)
	}
	get := func(at int) string {
		if at < 0 {
			return ""
		}
		text, _ := scalar(m[keys[at]])
		return text
	}
	return newListed(get(c.path), get(c.label), get(c.split), get(c.start), get(c.end), line)
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
	path = strings.TrimSpace(path)
	c := listed{name: filepath.ToSlash(path), in: ffmpeg.Place{Path: path}, label: strings.TrimSpace(label), split: strings.TrimSpace(split), line: line}
	switch {
	case path == "":
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
	v, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
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

// semicolons tells whether a line's columns are parted so: what is before the first is a path, or in quotes.
func semicolons(text string) bool {
	path, _, _ := strings.Cut(text, ";")
	path = strings.Trim(strings.TrimSpace(path), `"`)
	return mediaExtensions[strings.ToLower(filepath.Ext(path))]
}

// plainFields takes a line apart at tabs where it has any, else at semicolons or commas, else at spaces. A path may
// hold spaces when it ends in a known extension.
func plainFields(text string) ([]string, error) {
	for _, comma := range "\t;," {
		// A path may hold the others.
		if !strings.ContainsRune(text, comma) || comma == ';' && !semicolons(text) {
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
	if path, rest, ok := strings.Cut(strings.TrimPrefix(text, `"`), `"`); ok && strings.HasPrefix(text, `"`) {
		return append([]string{path}, strings.Fields(rest)...), nil
	}
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
