package corpus

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"goxkd/media"
)

// UCF101, HMDB51 and ESC-50 come with lists of their own form.

// readUCF reads UCF101's lists: "Class/v_x.avi 1" for training, "Class/v_x.avi" for testing. The class
// is the folder; classInd.txt beside the list, where there is one, must agree with the number.
func readUCF(file string, _ media.FolderOptions) ([]listed, []string, error) {
	split := ucfList.FindStringSubmatch(filepath.Base(file))[1]
	numbers, err := readClassInd(filepath.Join(filepath.Dir(file), "classInd.txt"))
	if err != nil {
		return nil, nil, err
	}
	f, err := openList(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	clips, err := parseUCF(f, file, split, numbers)
	return clips, []string{".", "UCF-101", "videos", "..", "../UCF-101", "../videos", "../UCF101"}, err
}

func parseUCF(r io.Reader, file, split string, numbers map[string]int) ([]listed, error) {
	var clips []listed
	err := eachLine(r, file, func(line int, text string) error {
		name, number := strings.TrimSpace(text), ""
		if at := strings.LastIndexByte(name, ' '); at > 0 {
			if _, err := strconv.Atoi(name[at+1:]); err == nil {
				name, number = strings.TrimSpace(name[:at]), name[at+1:]
			}
		}
		class, _, ok := strings.Cut(name, "/")
		if !ok || class == "" {
			return lineError(file, line, "%q has no class: write Class/name.avi", name)
		}
		if want, ok := numbers[class]; numbers != nil && !ok {
			return lineError(file, line, "class %q is not in classInd.txt", class)
		} else if ok && number != "" && number != strconv.Itoa(want) {
			return lineError(file, line, "class %q has number %s here and %d in classInd.txt", class, number, want)
		}
		clip, err := newListed(name, class, split, "", "", line)
		if err != nil {
			return lineError(file, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// readClassInd reads "1 ApplyEyeMakeup" per line; without the file the result is nil.
func readClassInd(file string) (map[string]int, error) {
	f, err := openList(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseClassInd(f, file)
}

func parseClassInd(r io.Reader, file string) (map[string]int, error) {
	numbers := map[string]int{}
	err := eachLine(r, file, func(line int, text string) error {
		fields := strings.Fields(text)
		if len(fields) != 2 {
			return lineError(file, line, "%q: write a number and a class", text)
		}
		n, err := strconv.Atoi(fields[0])
		if err != nil {
			return lineError(file, line, "%q is no number", fields[0])
		}
		numbers[fields[1]] = n
		return nil
	})
	return numbers, err
}

// readHMDB reads HMDB51's lists: "name.avi 1" for training, 2 for testing, 0 for neither. The class is
// in the list's name, and the name of the folder of its files.
func readHMDB(file string, _ media.FolderOptions) ([]listed, []string, error) {
	class := hmdbList.FindStringSubmatch(filepath.Base(file))[1]
	f, err := openList(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	clips, err := parseHMDB(f, file, class)
	return clips, []string{".", "videos", "hmdb51", "..", "../videos", "../hmdb51", "../hmdb51_org", "../HMDB51"}, err
}

func parseHMDB(r io.Reader, file, class string) ([]listed, error) {
	var clips []listed
	err := eachLine(r, file, func(line int, text string) error {
		text = strings.TrimSpace(text)
		at := strings.LastIndexAny(text, " \t")
		if at < 1 {
			return lineError(file, line, "%q: write a file and 0, 1 or 2", text)
		}
		name, use := strings.TrimSpace(text[:at]), text[at+1:]
		split, ok := map[string]string{"0": "unused", "1": "train", "2": "test"}[use]
		if !ok {
			return lineError(file, line, "%q is not 0, 1 or 2", use)
		}
		clip, err := newListed(path.Join(class, name), class, split, "", "", line)
		if err != nil {
			return lineError(file, line, "%w", err)
		}
		if split != "unused" {
			clips = append(clips, clip)
		}
		return nil
	})
	return clips, err
}

// readESC reads ESC-50's meta/esc50.csv: the clips of opt.Fold are test, those of the other folds train.
func readESC(file string, opt media.FolderOptions) ([]listed, []string, error) {
	f, err := openList(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	clips, err := parseESC(f, file, opt.Fold)
	return clips, []string{"../audio", "audio", "."}, err
}

func parseESC(r io.Reader, file string, fold int) ([]listed, error) {
	rows := csv.NewReader(&lineBound{r: textOf(r)})
	header, err := rows.Read()
	if err != nil {
		return nil, csvError(file, err)
	}
	at := map[string]int{}
	for _, name := range []string{"filename", "fold", "category"} {
		if at[name] = slices.Index(header, name); at[name] < 0 {
			return nil, lineError(file, 1, "there is no column %q: there are %s", name, strings.Join(header, ", "))
		}
	}
	var clips []listed
	found := false
	err = eachRow(rows, file, func(line int, row []string) error {
		n, err := strconv.Atoi(row[at["fold"]])
		if err != nil {
			return lineError(file, line, "fold %q is no number", row[at["fold"]])
		}
		split := "train"
		if n == fold {
			split, found = "test", true
		}
		clip, err := newListed(row[at["filename"]], row[at["category"]], split, "", "", line)
		if err != nil {
			return lineError(file, line, "%w", err)
		}
		clips = append(clips, clip)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(clips) > 0 && !found {
		return nil, fmt.Errorf("list %s: it has no fold %d: ask for one that is there", file, fold)
	}
	return clips, nil
}
