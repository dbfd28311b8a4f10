package xkd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/svm"
)

// ProbeOptions say how frozen features are judged.
type ProbeOptions struct {
	Seeds      int  // splits, and untrained networks; 0 means 3
	Clips      int  // clips used at most; 0 means 768
	Neighbours int  // k of k-NN; 0 means 5
	Role       Role // whose features
	// Spans is the number of spans of a clip, evenly spaced: each is a row to fit, and a clip's scores are averaged. 0 means
	// one, in the middle.
	Spans int
	// Cs are the values of C that the linear SVM tries; none means ProbeCs.
	Cs []float64
	// Raw leaves the features as they are, as the paper's protocols do; else the mean and deviation of the training rows are
	// taken out of each dimension.
	Raw bool
	// Folds are sources of the same clips that divide them in further ways, beside the source itself: there is one split for
	// each, and for each an untrained network.
	Folds []media.Source
	// TrainedOnly leaves out the untrained networks: scores of theirs are empty.
	TrainedOnly bool
	// Progress is called as clips are read.
	Progress func(done, of int)
}

// ProbeCs are the C that a linear SVM tries, as the paper's protocols do (docs/method.md, section 8.1).
var ProbeCs = []float64{1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1}

func (o ProbeOptions) withDefaults() ProbeOptions {
	for _, d := range []struct {
		field *int
		usual int
	}{{&o.Seeds, 3}, {&o.Clips, 768}, {&o.Neighbours, 5}, {&o.Spans, 1}} {
		if *d.field <= 0 {
			*d.field = d.usual
		}
	}
	if len(o.Cs) == 0 {
		o.Cs = ProbeCs
	}
	if len(o.Folds) > 0 {
		o.Seeds = 1 + len(o.Folds)
	}
	return o
}

// Score is an accuracy over seeds.
type Score struct {
	Mean   float64   `json:"mean"`
	Std    float64   `json:"std"`
	Values []float64 `json:"values"`
}

func score(values []float64) Score {
	s := Score{Values: values}
	for _, v := range values {
		s.Mean += v / float64(len(values))
	}
	for _, v := range values {
		s.Std += (v - s.Mean) * (v - s.Mean)
	}
	if len(values) > 1 {
		s.Std = math.Sqrt(s.Std / float64(len(values)-1))
	}
	return s
}

// BothModalities names rows of video and audio features, each L2-normalised, then joined.
const BothModalities = "audio+video"

// ProbeRow compares trained with untrained features of one modality, or of both.
type ProbeRow struct {
	Modality   string `json:"modality"`
	Classifier string `json:"classifier"`
	Trained    Score  `json:"trained"`
	Untrained  Score  `json:"untrained"`
	// OnTest is the accuracy of the trained features by the C that is best on the test clips themselves, as the released code
	// reports. It flatters; Trained is by a C that was chosen on a part of the training clips. Nil where there is no C.
	OnTest *Score    `json:"trained_c_picked_on_test,omitempty"`
	Cs     []float64 `json:"c,omitempty"` // chosen for Trained
}

// ProbeResult is what frozen features are worth.
type ProbeResult struct {
	Rows    []ProbeRow      `json:"rows"`
	Train   int             `json:"train"` // clips
	Test    int             `json:"test"`
	Folds   int             `json:"folds"` // ways in which the source itself divides the clips; 0 where they were divided at random
	Classes []string        `json:"classes"`
	Chance  float64         `json:"chance"` // accuracy of always naming the commonest class
	Bad     []media.BadFile `json:"bad,omitempty"`
}

// Probe judges the pooled features of frozen networks on a labelled source: k-NN and a linear SVM, for each modality and for both
// joined, beside networks with first weights only. Each seed draws another split (unless the source has its own) and another
// untrained network. Several checkpoints, such as of runs with several seeds, are averaged.
func Probe(ctx context.Context, dev graph.Device, src media.Source, checkpoints []*Loaded, opt ProbeOptions) (*ProbeResult, error) {
	if len(checkpoints) == 0 {
		return nil, errors.New("no checkpoint to probe")
	}
	opt = opt.withDefaults()
	c := checkpoints[0].Config
	for _, l := range checkpoints[1:] {
		if l.Config.network() != c.network() {
			return nil, fmt.Errorf("%s and %s are of different configurations: probe them one by one", checkpoints[0].Path, l.Path)
		}
	}
	if len(src.Classes()) < 2 {
		return nil, fmt.Errorf("%w: probing needs two classes or more, as sub-folders or a labels.csv", ErrNoLabels)
	}
	if media.Several(src) {
		return nil, fmt.Errorf("%w, and a probe judges one each: fine-tuning takes several, by tune.multi_label", ErrSeveralLabels)
	}
	clips, err := joinFolds(src, opt.Folds, opt.Clips)
	if err != nil {
		return nil, err
	}
	x := extractor{dev: dev, config: c, src: clips, checkpoints: checkpoints, opt: opt}
	features, used, bad, err := x.extract(ctx)
	if err != nil {
		return nil, err
	}
	splits, own, err := clips.divide(used, opt.Seeds)
	if err != nil {
		return nil, err
	}
	r := &ProbeResult{Classes: src.Classes(), Bad: bad, Train: len(splits[0].train), Test: len(splits[0].test)}
	if own {
		r.Folds = 1 + len(opt.Folds)
	}
	r.Chance = media.Commonest(media.Subset{Of: clips, Indices: used})
	judge := judge{ctx: ctx, src: clips, used: used, splits: splits, trained: len(checkpoints), opt: opt}
	for _, m := range []Modality{Video, Audio} {
		if features[m] != nil {
			if err := judge.rows(r, m.String(), features[m]); err != nil {
				return nil, err
			}
		}
	}
	if features[Video] != nil && features[Audio] != nil {
		if err := judge.rows(r, BothModalities, features[Video], features[Audio]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// judge scores features by networks (checkpoints first, then one untrained per split).
type judge struct {
	ctx     context.Context
	src     media.Source
	used    []int
	splits  []split
	trained int
	opt     ProbeOptions
}

// rows adds the rows of one modality, or of several joined.
func (j judge) rows(r *ProbeResult, name string, modalities ...[][][]float64) error {
	var knn, lin, onTest [2][]float64
	var cs []float64
	for at, sp := range j.splits {
		for net := range modalities[0] {
			which := 0
			if net >= j.trained {
				if which = 1; net != j.trained+at {
					continue
				}
			}
			var train, test svm.Set
			for i, m := range modalities {
				a, b := j.pick(m[net], sp.train), j.pick(m[net], sp.test)
				if !j.opt.Raw {
					a, b = standardize(a, b)
				}
				if len(modalities) > 1 {
					a, b = unitRows(a), unitRows(b)
				}
				if i == 0 {
					train, test = a, b
				} else {
					train, test = sideBySide(train, a), sideBySide(test, b)
				}
			}
			knn[which] = append(knn[which], nearest(meanRows(train), meanRows(test), j.opt.Neighbours))
			s, err := svm.Try(j.ctx, train, test, len(j.src.Classes()), j.opt.Cs)
			if err != nil {
				return fmt.Errorf("%s features: %w", name, err)
			}
			lin[which], onTest[which] = append(lin[which], s.Chosen.Test), append(onTest[which], s.Best.Test)
			if which == 0 {
				cs = append(cs, s.Chosen.C)
			}
		}
	}
	picked := score(onTest[0])
	r.Rows = append(r.Rows,
		ProbeRow{Modality: name, Classifier: fmt.Sprintf("k-NN (k=%d)", j.opt.Neighbours), Trained: score(knn[0]), Untrained: score(knn[1])},
		ProbeRow{Modality: name, Classifier: "linear SVM", Trained: score(lin[0]), Untrained: score(lin[1]), OnTest: &picked, Cs: cs})
	return nil
}

// pick collects a split's rows: the spans of a clip are rows of one sample.
func (j judge) pick(features [][]float64, at []int) (s svm.Set) {
	for _, i := range at {
		for k := range j.opt.Spans {
			s.Rows = append(s.Rows, features[i*j.opt.Spans+k])
			s.Labels = append(s.Labels, j.src.Label(j.used[i]))
			s.Samples = append(s.Samples, i)
		}
	}
	return s
}

// unitRows gives copies of Euclidean length 1.
func unitRows(s svm.Set) svm.Set {
	rows := make([][]float64, len(s.Rows))
	for i, r := range s.Rows {
		rows[i] = slices.Clone(r)
		floats.Scale(1/max(floats.Norm(r, 2), 1e-12), rows[i])
	}
	s.Rows = rows
	return s
}

// sideBySide puts the features of the same rows side by side.
func sideBySide(a, b svm.Set) svm.Set {
	rows := make([][]float64, len(a.Rows))
	for i := range rows {
		rows[i] = slices.Concat(a.Rows[i], b.Rows[i])
	}
	a.Rows = rows
	return a
}

// meanRows gives one row a sample, the mean of its own.
func meanRows(s svm.Set) svm.Set {
	var out svm.Set
	n := 0
	for i, r := range s.Rows {
		if i == 0 || s.Samples[i] != s.Samples[i-1] {
			out.Rows, out.Labels, out.Samples = append(out.Rows, make([]float64, len(r))), append(out.Labels, s.Labels[i]), append(out.Samples, s.Samples[i])
			n = 0
		}
		n++
		mean := out.Rows[len(out.Rows)-1]
		for k, v := range r {
			mean[k] += (v - mean[k]) / float64(n)
		}
	}
	return out
}
