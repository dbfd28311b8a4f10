package xkd

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/media"
)

// listed is a source of names alone, with the splits of one fold.
type listed struct {
	names  []string
	splits map[string]string
}

func (l listed) Len() int             { return len(l.names) }
func (l listed) Name(i int) string    { return l.names[i] }
func (l listed) Label(i int) int      { return int(l.names[i][0]-'a') % 2 }
func (l listed) Classes() []string    { return []string{"a", "b"} }
func (l listed) Duration(int) float64 { return 0 }
func (l listed) Split(i int) string   { return l.splits[l.names[i]] }
func (l listed) Load(context.Context, int, media.Span) (*media.Clip, error) {
	return nil, errors.New("none")
}

// Every fold keeps its own division; a clip that several have is read once; those that a fold leaves out are on neither side.
func TestFolds(t *testing.T) {
	names := []string{"a1", "b1", "a2", "b2", "a3", "b3"}
	sources := make([]media.Source, 3)
	for k := range sources {
		splits := map[string]string{}
		kept := []string{}
		for i, n := range names {
			if k == 1 && i == 0 {
				continue // the second fold lacks a1
			}
			splits[n] = "train"
			if i/2 == k {
				splits[n] = "test"
			}
			kept = append(kept, n)
		}
		sources[k] = listed{kept, splits}
	}
	f, err := joinFolds(sources[1], []media.Source{sources[0], sources[2]}, 100)
	require.NoError(t, err)
	require.Equal(t, 6, f.Len(), "a1 is of the other folds alone")
	used := []int{0, 1, 2, 3, 4, 5}
	splits, own, err := f.divide(used, 3)
	require.NoError(t, err)
	require.True(t, own)
	name := func(at []int) (out []string) {
		for _, i := range at {
			out = append(out, f.Name(i))
			require.Equal(t, int(f.Name(i)[0]-'a'), f.Label(i))
		}
		return out
	}
	for k, want := range [][]string{{"a2", "b2"}, {"b1", "a1"}, {"a3", "b3"}} {
		require.ElementsMatch(t, want, name(splits[k].test), "fold %d", k)
	}
	require.Len(t, splits[0].train, 3)
	require.Len(t, splits[1].train, 4)
	_, err = joinFolds(sources[0], []media.Source{sources[0]}, 100)
	require.ErrorContains(t, err, "folds 1 and 2 are the same")
}

// A source without splits is divided at random, another way for each seed; two clips of one name stay two.
func TestRandomSplits(t *testing.T) {
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprint(string(rune('a'+i%2)), i/4))
	}
	f, err := joinFolds(listed{names: names}, nil, 100)
	require.NoError(t, err)
	require.Equal(t, 30, f.Len())
	used := make([]int, 30)
	for i := range used {
		used[i] = i
	}
	splits, own, err := f.divide(used, 2)
	require.NoError(t, err)
	require.False(t, own)
	require.Len(t, splits[0].train, 20)
	require.NotEqual(t, splits[0], splits[1])
}
