package corpus

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"goxkd/media"
)

// FSD50K comes with tables of its own form: clips by number, several labels each, and a vocabulary.
const (
	fsdTables     = "FSD50K.ground_truth"
	fsdDev        = "dev.csv"
	fsdEval       = "eval.csv"
	fsdVocabulary = "vocabulary.csv"
)

// fsdLists are FSD50K's tables in a folder; none where it holds no such set.
func fsdLists(dir string) ([]string, error) {
	tables := filepath.Join(dir, fsdTables)
	if !folderAt(tables) {
		return nil, nil
	}
	lists := []string{filepath.Join(tables, fsdDev), filepath.Join(tables, fsdEval)}
	for _, list := range lists {
		if !regular(list) {
			return nil, fmt.Errorf("folder %s: %s is missing: FSD50K has %s and %s there", dir, list, fsdDev, fsdEval)
		}
	}
	return lists, nil
}

// readFSD reads one of FSD50K's tables: fname, labels, mids and, of the development set, split (train or val). Clips of the
// evaluation set are test.
func readFSD(file string, _ media.FolderOptions) ([]listed, []string, error) {
	vocabulary, err := readVocabulary(filepath.Join(filepath.Dir(file), fsdVocabulary))
	if err != nil {
		return nil, nil, err
	}
	f, err := openList(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	clips, err := parseFSD(f, file, vocabulary)
	return clips, []string{"."}, err
}

func parseFSD(r io.Reader, file string, vocabulary map[string]bool) ([]listed, error) {
	rows := csv.NewReader(&lineBound{r: textOf(r)})
	header, err := rows.Read()
	if err != nil {
		return nil, csvError(file, err)
	}
	name, labels, split := slices.Index(header, "fname"), slices.Index(header, "labels"), slices.Index(header, "split")
	folder := strings.TrimSuffix(filepath.Base(file), ".csv")
	if dev := folder+".csv" == fsdDev; name < 0 || labels < 0 || dev && split < 0 {
		return nil, lineError(file, 1, "the columns are %s: there must be fname, labels and, in %s, split", strings.Join(header, ", "), fsdDev)
	}
	var clips []listed
	err = eachRow(rows, file, func(line int, row []string) error {
		use := "test"
		if split >= 0 {
			use = strings.TrimSpace(row[split])
		}
		if strings.TrimSpace(row[name]) == "" {
			return lineError(file, line, "there is no name")
		}
		clip, err := newListed("FSD50K."+folder+"_audio/"+strings.TrimSuffix(strings.TrimSpace(row[name]), ".wav")+".wav", "", use, "", "", line)
		if err != nil {
			return lineError(file, line, "%w", err)
		}
		for label := range strings.SplitSeq(row[labels], ",") {
			if label = strings.TrimSpace(label); label == "" || slices.Contains(clip.labels, label) {
				continue
			}
			if vocabulary != nil && !vocabulary[label] {
				return lineError(file, line, "label %q is not in %s", label, fsdVocabulary)
			}
			clip.labels = append(clip.labels, label)
		}
		clips = append(clips, clip)
		return nil
	})
	return clips, err
}

// readVocabulary reads "0,Accelerating_and_revving_and_vroom,/m/07q2z82" a line; without the file the result is nil.
func readVocabulary(file string) (map[string]bool, error) {
	f, err := openList(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	known := map[string]bool{}
	err = eachRow(csv.NewReader(&lineBound{r: textOf(f)}), file, func(line int, row []string) error {
		if len(row) < 2 {
			return lineError(file, line, "it must be a number, a label and more")
		}
		known[strings.TrimSpace(row[1])] = true
		return nil
	})
	return known, err
}
