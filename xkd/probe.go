package xkd

import (
	"context"
	"errors"
	"fmt"
	"math"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// ProbeOptions say how frozen features are judged.
type ProbeOptions struct {
	Seeds      int  // splits, and untrained networks; 0 means 3
	Clips      int  // clips used at most; 0 means 768
	Neighbours int  // k of k-NN; 0 means 5
	Role       Role // whose features
	// TrainedOnly leaves out the untrained networks: scores of theirs are empty.
	TrainedOnly bool
	// Progress is called as clips are read.
	Progress func(done, of int)
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

// ProbeRow compares trained with untrained features of one modality.
type ProbeRow struct {
	Modality   string `json:"modality"`
	Classifier string `json:"classifier"`
	Trained    Score  `json:"trained"`
	Untrained  Score  `json:"untrained"`
}

// ProbeResult is what frozen features are worth.
type ProbeResult struct {
	Rows    []ProbeRow      `json:"rows"`
	Train   int             `json:"train"` // clips
	Test    int             `json:"test"`
	Classes []string        `json:"classes"`
	Chance  float64         `json:"chance"` // accuracy of always naming the commonest class
	Bad     []media.BadFile `json:"bad,omitempty"`
}

// split is one division of the clips.
type split struct{ train, test []int }

// splitter is implemented by sources that come with a division into training and test clips.
type splitter interface{ Split(i int) string }

// Probe judges the pooled features of frozen networks on a labelled source: k-NN and a linear SVM, for each modality, beside
// networks with first weights only. Each seed draws another split (unless the source has its own) and another
// untrained network. Several checkpoints, such as of runs with several seeds, are averaged.
func Probe(ctx context.Context, dev graph.Device, src media.Source, checkpoints []*Loaded, opt ProbeOptions) (*ProbeResult, error) {
	if len(checkpoints) == 0 {
		return nil, errors.New("no checkpoint to probe")
	}
	if opt.Seeds <= 0 {
		opt.Seeds = 3
	}
	if opt.Clips <= 0 {
		opt.Clips = 768
	}
	if opt.Neighbours <= 0 {
		opt.Neighbours = 5
	}
	c := checkpoints[0].Config
	for _, l := range checkpoints[1:] {
		if l.Config.network() != c.network() {
			return nil, fmt.Errorf("%s and %s are of different configurations: probe them one by one", checkpoints[0].Path, l.Path)
		}
	}
	if len(src.Classes()) < 2 {
		return nil, fmt.Errorf("%w: probing needs two classes or more, as sub-folders or a labels.csv", ErrNoLabels)
	}
	clips := choose(src, opt.Clips)
	x := extractor{dev: dev, config: c, src: src, checkpoints: checkpoints, opt: opt}
	features, used, bad, err := x.extract(ctx, clips)
	if err != nil {
		return nil, err
	}
	splits, err := divide(src, used, opt.Seeds)
	if err != nil {
		return nil, err
	}
	r := &ProbeResult{Classes: src.Classes(), Bad: bad, Train: len(splits[0].train), Test: len(splits[0].test)}
	r.Chance = commonest(src, used)
	for _, m := range []Modality{Video, Audio} {
		if features[m] == nil {
			continue
		}
		var knn, lin [2][]float64
		for seed, sp := range splits {
			untrained := len(checkpoints) + seed
			for i, net := range features[m] {
				which := 0
				if i >= len(checkpoints) {
					which = 1
					if i != untrained {
						continue
					}
				}
				train, test := standardize(pick(net, src, used, sp.train), pick(net, src, used, sp.test))
				knn[which] = append(knn[which], nearest(train, test, opt.Neighbours))
				a, err := linear(train, test, len(src.Classes()))
				if err != nil {
					return nil, err
				}
				lin[which] = append(lin[which], a)
			}
		}
		r.Rows = append(r.Rows,
			ProbeRow{m.String(), fmt.Sprintf("k-NN (k=%d)", opt.Neighbours), score(knn[0]), score(knn[1])},
			ProbeRow{m.String(), "linear", score(lin[0]), score(lin[1])})
	}
	return r, nil
}

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

// divide makes one split per seed: the source's own, or two thirds for training at random. Splits hold positions in used.
func divide(src media.Source, used []int, seeds int) ([]split, error) {
	var own split
	if s, ok := src.(splitter); ok {
		for at, i := range used {
			switch s.Split(i) {
			case "train":
				own.train = append(own.train, at)
			case "test":
				own.test = append(own.test, at)
			}
		}
	}
	var out []split
	for seed := 0; seed < seeds; seed++ {
		sp := own
		if len(own.train) == 0 || len(own.test) == 0 {
			order := source(uint64(seed), "probe/split").Perm(len(used))
			cut := len(order) * 2 / 3
			sp = split{order[:cut], order[cut:]}
		}
		if len(sp.train) < 2 || len(sp.test) < 1 {
			return nil, fmt.Errorf("%w: %d labelled ones can be read: give three or more", ErrTooFewClips, len(used))
		}
		out = append(out, sp)
	}
	return out, nil
}

// commonest is the share of the commonest class among the clips used.
func commonest(src media.Source, used []int) float64 {
	counts, most := map[int]int{}, 0
	for _, i := range used {
		counts[src.Label(i)]++
		most = max(most, counts[src.Label(i)])
	}
	return float64(most) / float64(len(used))
}

// pick collects a split's rows.
func pick(features [][]float64, src media.Source, used, at []int) samples {
	var s samples
	for _, i := range at {
		s.rows = append(s.rows, features[i])
		s.labels = append(s.labels, src.Label(used[i]))
	}
	return s
}

// extractor computes features of all networks.
type extractor struct {
	dev         graph.Device
	config      Config
	src         media.Source
	checkpoints []*Loaded
	opt         ProbeOptions
}

// probeBatch bounds the batch of a probe, which a checkpoint's configuration asks for.
const probeBatch = 256

// chunk is the number of clips held as views at a time: of large ones, fewer.
func chunk(c Config) int {
	const most, memory = 192, 1 << 30
	v, a := c.Views.Video.Global, c.Views.Audio
	return max(1, min(most, memory/(videoChannels*v.Frames*v.Size[0]*v.Size[1]+4*a.Mels*a.Global.Frames)))
}

// extract gives, per modality, the features of each network (checkpoints first, then one untrained per seed) as rows, and the
// clips that could be read. A modality that the source lacks gets nil.
func (x extractor) extract(ctx context.Context, clips []int) (features [2][][][]float64, used []int, bad []media.BadFile, err error) {
	var encoders [2]*Encoder
	for _, m := range []Modality{Video, Audio} {
		if encoders[m], err = newEncoder(x.config, m, x.dev, EncoderOptions{Role: x.opt.Role, Batch: min(x.config.Train.Batch, probeBatch)}, x.checkpoints...); err != nil {
			return features, nil, nil, err
		}
		defer encoders[m].Close()
	}
	networks := len(x.checkpoints)
	if !x.opt.TrainedOnly {
		networks += x.opt.Seeds
	}
	chunk := chunk(x.config)
	for at := 0; at < len(clips); at += chunk {
		batch, failed, err := views.Centre(ctx, x.src, x.config.Spec(), clips[at:min(at+chunk, len(clips))], views.CentreOptions{})
		bad = append(bad, failed...)
		if err != nil {
			if ctx.Err() != nil {
				return features, nil, nil, ctx.Err()
			}
			if at+chunk >= len(clips) && len(used) == 0 {
				return features, nil, bad, err
			}
			continue
		}
		used = append(used, batch.Indices...)
		for _, m := range []Modality{Video, Audio} {
			if batch.VideoGlobal == nil && m == Video || batch.AudioGlobal == nil && m == Audio {
				continue
			}
			if features[m] == nil {
				features[m] = make([][][]float64, networks)
			}
			en := encoders[m]
			for i := range features[m] {
				if i < len(x.checkpoints) {
					err = en.load(x.checkpoints[i])
				} else {
					err = en.draw(uint64(1000 + i - len(x.checkpoints)))
				}
				if err != nil {
					return features, nil, nil, err
				}
				pooled, err := en.encode(ctx, batch)
				if err != nil {
					return features, nil, nil, err
				}
				dim := en.Dim()
				for ; len(pooled) > 0; pooled = pooled[dim:] {
					row := make([]float64, dim)
					for k, v := range pooled[:dim] {
						row[k] = float64(v)
					}
					features[m][i] = append(features[m][i], row)
				}
			}
		}
		if x.opt.Progress != nil {
			x.opt.Progress(min(at+chunk, len(clips)), len(clips))
		}
	}
	return features, used, bad, nil
}
