package xkd

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a metrics file holds, a run goes on with each done step's line once; what is damaged is kept aside and named.
func TestMetricsAtResume(t *testing.T) {
	line := func(step int) string { return fmt.Sprintf(`{"step":%d,"losses":{"loss":%d}}`, step, step) }
	lines := func(steps ...int) (out string) {
		for _, s := range steps {
			out += line(s) + "\n"
		}
		return out
	}
	for _, c := range []struct {
		name, have, want, aside string
		done                    int
		notes                   []string
	}{
		{name: "new", done: 0, have: lines(1, 2)},
		{name: "whole", done: 3, have: lines(1, 2, 3), want: lines(1, 2, 3)},
		{name: "later steps", done: 2, have: lines(1, 2, 3, 4), want: lines(1, 2)},
		{name: "cut tail", done: 2, have: lines(1, 2) + line(3)[:9], want: lines(1, 2)},
		{name: "blank line", done: 3, have: lines(1) + "\n" + lines(2, 3, 4), want: lines(1, 2, 3)},
		{name: "damaged line", done: 3, have: lines(1) + "x\x00y\n" + lines(2, 3), want: lines(1, 2, 3), aside: "x\x00y\n", notes: []string{"1 damaged"}},
		{name: "lost line", done: 4, have: lines(1) + line(2)[:5] + lines(3, 4), want: lines(1, 4), aside: line(2)[:5] + lines(3),
			notes: []string{"1 damaged", "done: 2-3"}},
		{name: "twice", done: 2, have: lines(1, 2, 1, 2), want: lines(1, 2)},
		{name: "twice before the end", done: 3, have: lines(1, 2, 1, 2, 3), want: lines(1, 2, 3), aside: lines(1, 2), notes: []string{"2 damaged or double"}},
		{name: "missing", done: 3, notes: []string{"done: 1-3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), MetricsFile)
			if c.have != "" {
				require.NoError(t, os.WriteFile(path, []byte(c.have), 0o644))
			}
			f, notes, err := openMetrics(path, c.done)
			require.NoError(t, err)
			_, err = io.WriteString(f, "next\n")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, c.want+"next\n", string(got))
			aside, _ := os.ReadFile(filepath.Join(filepath.Dir(path), DamagedMetricsFile))
			require.Equal(t, c.aside, string(aside))
			require.Len(t, notes, len(c.notes))
			for i, n := range c.notes {
				require.Contains(t, notes[i], n)
			}
		})
	}
	require.Equal(t, "1, 3, 5, 7, 9 and 2 more", spans([][2]int{{1, 1}, {3, 3}, {5, 5}, {7, 7}, {9, 9}, {11, 12}}))
	dir := t.TempDir()
	path, victim := filepath.Join(dir, MetricsFile), filepath.Join(dir, "victim")
	require.NoError(t, os.WriteFile(victim, []byte("mine"), 0o644))
	require.NoError(t, os.Symlink(victim, path))
	_, _, err := openMetrics(path, 0)
	require.ErrorIs(t, err, ErrFolder)
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "mine", strings.TrimSpace(string(text)))
}
