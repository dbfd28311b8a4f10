package corpus

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"goxkd/internal/files"
)

// labelsFile is the name of a table of labels: a header row "clip,<columns...>,split", where split
// may be left out, then one row per clip.
const labelsFile = "labels.csv"

// labelTable is a table of labels for one of its columns.
type labelTable struct {
	column string
	label  map[string]string // by clip
	split  map[string]string
	above  string // its file, where that lies above the folder
}

// findLabels reads the table in the folder or else that of its parent, which is another's: what is wrong with that one counts
// only where a column or a split is asked for. Without a table the result is nil.
func findLabels(dir, column, wantSplit string) (*labelTable, error) {
	table, err := readLabelsFile(filepath.Join(dir, labelsFile), column)
	if table != nil || err != nil {
		return table, err
	}
	above := filepath.Join(filepath.Dir(dir), labelsFile)
	table, err = readLabelsFile(above, column)
	switch {
	case table != nil:
		table.above = above
		return table, nil
	case err != nil && (column != "" || wantSplit != ""):
		return nil, err
	}
	if column != "" {
		return nil, fmt.Errorf("labels: column %q is asked for, but %s has no %s: leave the column out to take labels from sub-folders", column, dir, labelsFile)
	}
	return nil, nil
}

// readLabelsFile reads a table; where there is none the result is nil.
func readLabelsFile(path, column string) (*labelTable, error) {
	f, err := openText(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("labels %s: %w", path, files.Cause(err))
	}
	defer f.Close()
	table, err := readLabels(f, column)
	if err != nil {
		return nil, fmt.Errorf("labels %s: %w", path, err)
	}
	return table, nil
}

func readLabels(r io.Reader, column string) (*labelTable, error) {
	in := bufio.NewReaderSize(textOf(r), maxListLine)
	head, _ := in.Peek(maxListLine)
	first, _, _ := strings.Cut(string(head), "\n")
	rows := csv.NewReader(&lineBound{r: in})
	for _, comma := range ",;\t" {
		if strings.ContainsRune(first, comma) {
			rows.Comma = comma
			break
		}
	}
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("header row: %w", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	if len(header) < 2 || header[0] != "clip" {
		return nil, fmt.Errorf("the header is %q: it must be clip,<columns...>,split", strings.Join(header, ","))
	}
	split := slices.Index(header, "split")
	at := 1
	if column != "" {
		if at = slices.Index(header, column); at < 1 {
			return nil, fmt.Errorf("no column %q: there are %s", column, strings.Join(header[1:], ", "))
		}
	} else if split == 1 {
		return nil, errors.New("there is no column of labels between clip and split")
	}
	t := &labelTable{column: header[at], label: map[string]string{}, split: map[string]string{}}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		clip := strings.TrimSpace(row[0])
		t.label[clip] = strings.TrimSpace(row[at])
		if split > 0 {
			t.split[clip] = strings.TrimSpace(row[split])
		}
	}
}

// has tells whether the table names the clip.
func (t *labelTable) has(name string) bool {
	_, _, ok := t.of(name)
	return ok
}

// of finds a clip's label and split by its file name, with or without the extension, or its path
// below the folder.
func (t *labelTable) of(name string) (label, split string, ok bool) {
	base := filepath.Base(name)
	for _, key := range []string{strings.TrimSuffix(base, filepath.Ext(base)), base, name, strings.TrimSuffix(name, filepath.Ext(name))} {
		if label, ok = t.label[key]; ok {
			return label, t.split[key], true
		}
	}
	return "", "", false
}
