package xkd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"goxkd/media"
)

// splitter is implemented by sources that come with a division into training and test clips.
type splitter interface{ Split(i int) string }

// split is one division of the clips.
type split struct{ train, test []int }

// folded is a source of the labelled clips that any of several sources has, each clip once. The sources are of the same clips,
// divided in several ways, and some of them may leave clips out.
type folded struct {
	sources []media.Source
	at      []place          // where each clip was found first
	splits  []map[int]string // by source, of clip i: its split there; clips that are not in it have none
}

// place is clip index of a source.
type place struct{ source, index int }

// joinFolds takes up to n labelled clips of each source, evenly.
func joinFolds(src media.Source, further []media.Source, n int) (*folded, error) {
	f := &folded{sources: append([]media.Source{src}, further...)}
	known := map[string]int{}
	for k, s := range f.sources {
		if !slices.Equal(s.Classes(), src.Classes()) {
			return nil, errors.New("the folds are of other classes than the first")
		}
		splits, times := map[int]string{}, map[string]int{}
		sp, _ := s.(splitter)
		for _, i := range choose(s, n) {
			// Parts of one file may have its name alone.
			name := s.Name(i)
			times[name]++
			key := fmt.Sprintf("%s\x00%d", name, times[name])
			at, ok := known[key]
			if !ok {
				at = len(f.at)
				known[key], f.at = at, append(f.at, place{k, i})
			}
			if sp != nil {
				splits[at] = sp.Split(i)
			}
		}
		for before := range k {
			if fmt.Sprint(f.splits[before]) == fmt.Sprint(splits) {
				return nil, fmt.Errorf("folds %d and %d are the same: these clips have no folds, or not so many", before+1, k+1)
			}
		}
		f.splits = append(f.splits, splits)
	}
	return f, nil
}

func (f *folded) Len() int               { return len(f.at) }
func (f *folded) Name(i int) string      { return f.sources[f.at[i].source].Name(f.at[i].index) }
func (f *folded) Label(i int) int        { return f.sources[f.at[i].source].Label(f.at[i].index) }
func (f *folded) Classes() []string      { return f.sources[0].Classes() }
func (f *folded) Duration(i int) float64 { return f.sources[f.at[i].source].Duration(f.at[i].index) }
func (f *folded) Load(ctx context.Context, i int, span media.Span) (*media.Clip, error) {
	return f.sources[f.at[i].source].Load(ctx, f.at[i].index, span)
}
func (f *folded) Modalities() (video, audio bool) { return media.Modalities(f.sources[0]) }

// choose takes up to n labelled clips, evenly over the source.
func choose(src media.Source, n int) []int {
	var labelled []int
	for i := 0; i < src.Len(); i++ {
		if src.Label(i) >= 0 {
			labelled = append(labelled, i)
		}
	}
	if len(labelled) <= n {
		return labelled
	}
	out := make([]int, n)
	for i := range out {
		out[i] = labelled[i*len(labelled)/n]
	}
	return out
}

// divide makes one split per seed: with several sources the split of each, with one its own for all seeds, or where it has none
// two thirds for training at random. Splits hold positions in used. own reports that they are the sources'.
func (f *folded) divide(used []int, seeds int) (out []split, own bool, err error) {
	for seed := range seeds {
		var sp split
		splits := f.splits[min(seed, len(f.splits)-1)]
		for at, i := range used {
			switch splits[i] {
			case "train":
				sp.train = append(sp.train, at)
			case "test":
				sp.test = append(sp.test, at)
			}
		}
		own = len(sp.train) > 0 && len(sp.test) > 0
		if !own && len(f.sources) > 1 {
			return nil, false, fmt.Errorf("%w: fold %d has %d readable training clips and %d to test", ErrTooFewClips, seed+1, len(sp.train), len(sp.test))
		}
		if !own {
			order := source(uint64(seed), "probe/split").Perm(len(used))
			cut := len(order) * 2 / 3
			sp = split{order[:cut], order[cut:]}
		}
		if len(sp.train) < 2 || len(sp.test) < 1 {
			return nil, false, fmt.Errorf("%w: %d labelled ones can be read: give three or more", ErrTooFewClips, len(used))
		}
		out = append(out, sp)
	}
	return out, own, nil
}
