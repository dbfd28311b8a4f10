package xkd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// What is averaged over the clips and crops of a sample.
const (
	MeanSoftmax = "softmax" // probabilities
	MeanLogits  = "logits"
)

// TestResult is what a classifier is worth on clips.
type TestResult struct {
	Samples int             `json:"samples"`
	Top1    float64         `json:"top1"`          // share; 0 with several labels a clip
	Top5    float64         `json:"top5"`          //
	MAP     float64         `json:"map,omitempty"` // mean average precision, with several labels a clip
	Loss    float64         `json:"loss"`          // mean cross-entropy of the averaged scores
	Bad     []media.BadFile `json:"bad,omitempty"`
	Scores  [][]float64     `json:"-"` // by clip; nil where it could not be read
}

// Test judges a fine-tuned network on labelled clips: so many spans of each, evenly spaced, and of video so many crops along
// the frame's longer side; their scores averaged.
func (t *Trainer) Test(ctx context.Context, dev graph.Device, src media.Source, progress func(done, of int)) (*TestResult, error) {
	c, batch := t.Config, min(t.Config.Train.Batch, probeBatch)
	k, err := BuildClassifier(c, batch, FeatureOptions{})
	if err != nil {
		return nil, err
	}
	e, err := dev.Compile(k.Graph, graph.PlanOptions{Store: t.store})
	if err != nil {
		return nil, err
	}
	r, err := k.test(ctx, e, c, src, progress)
	return r, errors.Join(err, e.Close())
}

func (k *Classifier) test(ctx context.Context, e graph.Executor, c Config, src media.Source, progress func(done, of int)) (*TestResult, error) {
	m, classes := c.Tune.modality(), c.Tune.Classes
	r := &TestResult{Scores: make([][]float64, src.Len())}
	crops := []float64{0}
	if n := c.Tune.TestCrops; m == Video && n > 1 {
		crops = nil
		for i := range n {
			crops = append(crops, -1+2*float64(i)/float64(n-1))
		}
	}
	batch := k.View.Shape[0]
	failed := map[string]bool{}
	passes := max(c.Tune.TestClips, 1) * len(crops)
	counts := make([]int, src.Len())
	step := 0
	for clip := range max(c.Tune.TestClips, 1) {
		for _, along := range crops {
			for at := 0; at < src.Len(); at += batch {
				indices := make([]int, 0, batch)
				for i := at; i < min(at+batch, src.Len()); i++ {
					indices = append(indices, i)
				}
				b, bad, err := views.Centre(ctx, src, c.Spec(), indices, views.CentreOptions{Segment: clip, Segments: c.Tune.TestClips, Along: along})
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				for _, f := range bad {
					if !failed[f.Path] {
						failed[f.Path] = true
						r.Bad = append(r.Bad, f)
					}
				}
				if err != nil && len(bad) < len(indices) {
					return nil, err
				}
				if step++; progress != nil {
					progress(step, passes*((src.Len()+batch-1)/batch))
				}
				if err != nil {
					continue // none of these can be read
				}
				logits, err := k.logits(ctx, e, m, b)
				if err != nil {
					return nil, err
				}
				for i, index := range b.Indices {
					if r.Scores[index] == nil {
						r.Scores[index] = make([]float64, classes)
					}
					addScores(r.Scores[index], logits[i*classes:(i+1)*classes], c.Tune.TestMean)
					counts[index]++
				}
			}
		}
	}
	for i, n := range counts {
		for j := range r.Scores[i] {
			r.Scores[i][j] /= float64(n)
		}
	}
	r.judge(src, c)
	if r.Samples == 0 {
		return nil, fmt.Errorf("%w: none of %d labelled ones can be read", ErrTooFewClips, src.Len())
	}
	return r, nil
}

// logits of a batch that may be short [n,Classes].
func (k *Classifier) logits(ctx context.Context, e graph.Executor, m Modality, b *views.Batch) ([]float32, error) {
	size, full := k.View.Shape[1:].Size(), k.View.Shape.Size()
	global, _ := viewsOfBatch(b)
	in := View{Bytes: padded(global[m].Bytes, 0, b.B*size, full), Floats: padded(global[m].Floats, 0, b.B*size, full)}
	if err := writeViews(e, k.View, in); err != nil {
		return nil, err
	}
	if err := e.Run(ctx); err != nil {
		return nil, err
	}
	out := make([]float32, k.Logits.Shape.Size())
	return out, e.Read(k.Logits, out)
}

func addScores(sum []float64, logits []float32, mean string) {
	lse := 0.0
	if mean != MeanLogits {
		peak := float64(slices.Max(logits))
		for _, v := range logits {
			lse += math.Exp(float64(v) - peak)
		}
		lse = peak + math.Log(lse)
	}
	for i, v := range logits {
		if mean == MeanLogits {
			sum[i] += float64(v)
		} else {
			sum[i] += math.Exp(float64(v) - lse)
		}
	}
}

// judge compares scores with labels.
func (r *TestResult) judge(src media.Source, c Config) {
	var rows [][]float64
	var labels [][]int
	for i, s := range r.Scores {
		of := media.LabelsOf(src, i)
		if s == nil || len(of) == 0 {
			continue
		}
		rows, labels = append(rows, s), append(labels, of)
	}
	r.Samples = len(rows)
	if c.Tune.MultiLabel {
		r.MAP = MeanAveragePrecision(rows, labels, c.Tune.Classes)
		return
	}
	for i, s := range rows {
		want, above := s[labels[i][0]], 0
		for j, v := range s {
			if v > want || v == want && j < labels[i][0] {
				above++
			}
		}
		if above == 0 {
			r.Top1 += 1 / float64(len(rows))
		}
		if above < 5 {
			r.Top5 += 1 / float64(len(rows))
		}
		if c.Tune.TestMean != MeanLogits {
			r.Loss -= math.Log(max(want, 1e-12)) / float64(len(rows))
		}
	}
}

// MeanAveragePrecision is the mean over classes that occur of the average precision: the mean, over the clips of a class, of
// the precision among those that score as high or higher. Clips of equal score count together.
func MeanAveragePrecision(scores [][]float64, labels [][]int, classes int) float64 {
	sum, counted := 0.0, 0
	for k := range classes {
		order := make([]int, len(scores))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(a, b int) bool { return scores[order[a]][k] > scores[order[b]][k] })
		positives, seen, hits, precision := 0, 0, 0, 0.0
		for i := 0; i < len(order); {
			j, found := i, 0
			for ; j < len(order) && scores[order[j]][k] == scores[order[i]][k]; j++ {
				if slices.Contains(labels[order[j]], k) {
					found++
				}
			}
			seen, hits, positives = j, hits+found, positives+found
			precision += float64(found) * float64(hits) / float64(seen)
			i = j
		}
		if positives > 0 {
			sum += precision / float64(positives)
			counted++
		}
	}
	if counted == 0 {
		return 0
	}
	return sum / float64(counted)
}
