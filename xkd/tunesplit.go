package xkd

import (
	"fmt"
	"path"
	"regexp"
	"strconv"

	"goxkd/media"
)

// TuneSplit divides labelled clips into those to train on, of which there are tune.clips at most, and those to test: by the
// fold in their names (tune.fold_name), else by the source's own splits, else two thirds and one at random.
func (c Config) TuneSplit(src media.Source) (train, test media.Subset, err error) {
	train.Of, test.Of = src, src
	if !c.Tune.MultiLabel && media.Several(src) {
		return train, test, fmt.Errorf("%w: set tune.multi_label to true", ErrSeveralLabels)
	}
	var fold *regexp.Regexp
	if c.Tune.FoldName != "" {
		if fold, err = regexp.Compile(c.Tune.FoldName); err != nil || fold.NumSubexp() < 1 {
			return train, test, FieldError{Path: "tune.fold_name", Problem: fmt.Sprintf("is %q: must be a regular expression with a group", c.Tune.FoldName)}
		}
	}
	own, _ := src.(splitter)
	var rest []int
	for i := range src.Len() {
		if len(media.LabelsOf(src, i)) == 0 {
			continue
		}
		switch {
		case fold != nil:
			found := fold.FindStringSubmatch(path.Base(src.Name(i)))
			if found == nil {
				return train, test, fmt.Errorf("%s: its name does not fit tune.fold_name, %s", src.Name(i), c.Tune.FoldName)
			}
			if found[1] == strconv.Itoa(c.Data.Fold) {
				test.Indices = append(test.Indices, i)
			} else {
				train.Indices = append(train.Indices, i)
			}
		case own != nil && own.Split(i) == "train":
			train.Indices = append(train.Indices, i)
		case own != nil && own.Split(i) == "test":
			test.Indices = append(test.Indices, i)
		default:
			rest = append(rest, i)
		}
	}
	if len(train.Indices) == 0 && len(test.Indices) == 0 {
		order := source(0, "tune/split").Perm(len(rest)) // the same whatever the run's seed
		for at, k := range order {
			if at < len(order)*2/3 {
				train.Indices = append(train.Indices, rest[k])
			} else {
				test.Indices = append(test.Indices, rest[k])
			}
		}
	}
	if n := c.Tune.Clips; n > 0 && n < len(train.Indices) {
		var few []int
		for _, k := range source(0, "tune/clips").Perm(len(train.Indices))[:n] {
			few = append(few, train.Indices[k])
		}
		train.Indices = few
	}
	if len(train.Indices) < 1 || len(test.Indices) < 1 {
		return train, test, fmt.Errorf("%w: %d labelled clips to train on and %d to test", ErrTooFewClips, len(train.Indices), len(test.Indices))
	}
	return train, test, nil
}
