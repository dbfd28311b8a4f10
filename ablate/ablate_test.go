package ablate

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"goxkd/cpu"
	"goxkd/media/synthetic"
	"goxkd/xkd"
)

func TestParseRow(t *testing.T) {
	for text, want := range map[string]Row{
		"slow: optimizer.lr=1e-4; ema.video={base: 0.9, final: 1}": {Name: "slow", Settings: []string{"optimizer.lr=1e-4", "ema.video={base: 0.9, final: 1}"}},
		"optimizer.lr=1e-4":               {Name: "optimizer.lr=1e-4", Settings: []string{"optimizer.lr=1e-4"}},
		"ema.video={base: 0.9, final: 1}": {Name: "ema.video={base: 0.9, final: 1}", Settings: []string{"ema.video={base: 0.9, final: 1}"}},
		"as it is:":                       {Name: "as it is", Settings: []string{}},
	} {
		r, err := ParseRow(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r, text)
	}
	for text, problem := range map[string]string{": a=b": "no name", "untrained: a=b": "always there", "x: fast": "is no setting"} {
		_, err := ParseRow(text)
		require.ErrorContains(t, err, problem, text)
	}
}

// small are options that are trained in a moment.
func small(t *testing.T, dir string) Options {
	t.Helper()
	c, err := xkd.Default("nano", xkd.XKD)
	require.NoError(t, err)
	c.Model.Encoder, c.Model.Decoder = xkd.Size{Dim: 16, Depth: 1, Heads: 2}, xkd.Size{Dim: 8, Depth: 1, Heads: 2}
	c.Model.Head = xkd.Head{Hidden: 16, Layers: 3, Bottleneck: 8, Out: 24}
	c.Train.Steps, c.Train.Batch, c.Train.Seed = 6, 2, 7
	c.Data.Synthetic.Clips = 32
	test := c.Generated()
	test.Clips, test.Seed = 24, 99
	return Options{
		Config: c, Rows: PaperRows()[3:], Seeds: 2, Folder: dir, Parallel: 2,
		Clips: synthetic.New(c.Generated()), Test: synthetic.New(test), TestName: "generated", Splits: 2,
	}
}

// lastSteps is no kind of event: what stands by it is how many steps the last one told of.
const lastSteps = -1

// count counts the events of each kind.
func count(o *Options) map[EventKind]int {
	n := map[EventKind]int{}
	o.Event = func(e Event) {
		n[e.Kind]++
		n[lastSteps] = e.Steps
	}
	return n
}

// A run that was stopped goes on, none that is finished is repeated, and the table is that of a run that was not stopped.
func TestRunGoesOn(t *testing.T) {
	straight := small(t, t.TempDir())
	news := count(&straight)
	want, err := Run(context.Background(), cpu.Device{}, straight)
	require.NoError(t, err)
	require.Equal(t, map[EventKind]int{Started: 4, Stepped: 24, Judging: 6, Done: 6, lastSteps: 24}, news)
	require.Len(t, want.Columns, 16) // student and teacher, by video, audio and both, by k-NN and SVM, and retrieval both ways
	require.Len(t, want.Rows, 3)
	for _, l := range want.Rows {
		require.Equal(t, []uint64{7, 8}, l.Seeds, l.Name)
		require.Len(t, l.Cells, 16)
	}

	stopped := small(t, t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	steps, done := 0, 0
	stopped.Event = func(e Event) {
		if e.Kind == Done {
			done++
		}
		if e.Kind == Stepped {
			if steps++; steps == 15 {
				cancel()
			}
		}
	}
	part, err := Run(ctx, cpu.Device{}, stopped)
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, part.Results, done)
	for i, l := range part.Rows {
		if n := len(l.Seeds); n > 0 {
			require.Equal(t, want.Rows[i].Cells[0].Values[:n], l.Cells[0].Values)
		}
	}
	require.NotZero(t, done)
	require.Less(t, done, 6)

	first := done
	news = count(&stopped)
	got, err := Run(context.Background(), cpu.Device{}, stopped)
	require.NoError(t, err)
	require.Equal(t, first, news[Reused])
	require.Equal(t, 6-first, news[Done])
	require.Equal(t, 24-steps, news[Stepped])
	require.Equal(t, 24, news[lastSteps])
	require.Equal(t, want.Rows, got.Rows)

	// What is finished holds for these settings and clips alone.
	other := stopped
	other.Config.Optimizer.LR *= 2
	_, err = Run(context.Background(), cpu.Device{}, other)
	require.ErrorIs(t, err, ErrOther)
	require.ErrorContains(t, err, "optimizer.lr")
	other = stopped
	other.Seeds, other.Rows, other.Splits = 1, stopped.Rows[:1], 3
	news = count(&other)
	_, err = Run(context.Background(), cpu.Device{}, other)
	require.NoError(t, err)
	require.Equal(t, map[EventKind]int{Judging: 2, Done: 2, lastSteps: 6}, news)

	result := filepath.Join(stopped.Folder, "all-three-seed7", ResultFile)
	require.NoError(t, os.WriteFile(result, []byte("{"), 0o644))
	_, err = Run(context.Background(), cpu.Device{}, stopped)
	require.ErrorContains(t, err, result, "a damaged result is named")
}

func TestRowsThatCannotBe(t *testing.T) {
	o := small(t, t.TempDir())
	for problem, rows := range map[string][]Row{
		"no row":        nil,
		"are named":     {{Name: "x"}, {Name: "x"}},
		"the same in":   {{Name: "x", Settings: []string{"data.synthetic.seed=4"}}},
		"row x: loss":   {{Name: "x", Settings: []string{"loss.kd=-1"}}},
		"is no setting": {{Name: "x", Settings: []string{"loss.kdd=1"}}},
	} {
		o.Rows = rows
		require.ErrorContains(t, o.Check(), problem)
	}
}

// The differences that count, and the order, from figures by hand.
func TestTable(t *testing.T) {
	video, audio := Column{"student", "video", "linear"}, Column{"student", "audio", "linear"}
	o := Options{Rows: []Row{{Name: "part"}, {Name: Whole}}}
	var runs []run
	var results []*Result
	add := func(row string, v, a float64) {
		runs = append(runs, run{row: Row{Name: row}})
		results = append(results, &Result{Row: row, Tested: 100, Scores: []Score{{video, []float64{v - 0.1, v + 0.1}}, {audio, []float64{a}}}})
	}
	for _, d := range []float64{-0.01, 0.01} {
		add(Untrained, 0.2+d, 0.5+d)
		add("part", 0.5+d, 0.52+d)
		add(Whole, 0.8+d, 0.9+d)
	}
	runs, results = append(runs, run{row: Row{Name: "part"}}), append(results, nil)
	table := tabulate(o, runs, results)
	require.Equal(t, Whole, table.Compared)
	part := table.Row("part")
	require.InDelta(t, 0.5, part.Cells[0].Mean, 1e-12)
	require.InDelta(t, 0.3, part.Cells[0].Gain.By, 1e-12)
	require.InDelta(t, 0.3, part.Cells[0].Lead.By, 1e-12)
	// Two standard errors: deviations are smaller than what counting hits gives, 2·sqrt((0.25 + 0.16)/100/2).
	require.InDelta(t, 0.0905539, part.Cells[0].Gain.Noise, 1e-6)
	require.Equal(t, 1, part.Cells[0].Gain.Sign())
	require.Equal(t, 0, part.Cells[1].Gain.Sign())
	require.Equal(t, -1, Difference{-0.2, 0.1}.Sign())
	// Retrieval has more clips, and another chance.
	found := Table{Columns: []Column{{Classifier: Retrieval}}, Tested: 100, Searched: 400, Chance: 0.5}
	require.InDelta(t, 10.0/400, found.ChanceOf(found.Columns[0]), 1e-12)
	require.InDelta(t, 0.5, found.ChanceOf(Column{Classifier: "linear"}), 1e-12)
	require.InDelta(t, 2*math.Sqrt(0.5*0.5/400+0.2*0.8/400), found.difference(0, xkd.NewScore([]float64{0.5}), xkd.NewScore([]float64{0.2})).Noise, 1e-12)
	orders := table.Orders()
	require.Equal(t, Order{Column: video, Leads: true, Gains: true}, orders[0])
	require.Equal(t, Order{Column: audio, Leads: true, Below: []string{"part"}}, orders[1])
}
