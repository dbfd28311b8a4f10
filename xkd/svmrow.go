package xkd

import (
	"context"
	"errors"
	"fmt"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
	"goxkd/svm"
)

// SVMOptions say how frozen features are judged by a linear support vector machine, as the paper's protocols do: it learns
// from several augmented views of a clip, and a test clip's scores are averaged over spans.
type SVMOptions struct {
	Role       Role
	Modalities []Modality // with both, these are judged joined too
	TrainClips int        // views of a training clip, each of another span and augmented by the configuration; at least 1
	TestClips  int        // spans of a test clip, evenly spaced; at least 1
	Cs         []float64
	Seed       uint64 // of the views, and of first weights
	Progress   func(done, of int)
}

// SVMRow is what features of one modality, or of both joined, are worth.
type SVMRow struct {
	Modality string  `json:"modality"`
	Top1     float64 `json:"top1"` // by the C that was picked on a part of the training clips
	OnTest   float64 `json:"top1_c_picked_on_test"`
	C        float64 `json:"c"`
	Train    int     `json:"train"` // clips
	Test     int     `json:"test"`
}

// SVM judges pooled features on labelled clips: rows for each modality and, of two, for both joined, each brought to length 1
// first. The configuration says how views are cut; without a checkpoint the network has first weights.
func SVM(ctx context.Context, dev graph.Device, c Config, l *Loaded, train, test media.Source, opt SVMOptions) (rows []SVMRow, bad []media.BadFile, err error) {
	if media.Several(train) || media.Several(test) {
		return nil, nil, fmt.Errorf("%w, and a support vector machine is taught one each", ErrSeveralLabels)
	}
	c.Views.Video.Locals, c.Views.Audio.Locals = 0, 0
	s := svmReader{config: c, opt: opt}
	for _, m := range opt.Modalities {
		var of []*Loaded
		if l != nil {
			of = append(of, l)
		}
		e, err := newEncoder(c, m, dev, EncoderOptions{Role: opt.Role, Batch: min(c.Train.Batch, probeBatch)}, of...)
		if err != nil {
			return nil, nil, errors.Join(err, s.close())
		}
		s.encoders = append(s.encoders, e)
		if l != nil {
			err = e.load(l)
		} else {
			err = e.draw(opt.Seed)
		}
		if err != nil {
			return nil, nil, errors.Join(err, s.close())
		}
	}
	rows, bad, err = s.judge(ctx, train, test)
	return rows, bad, errors.Join(err, s.close())
}

// svmReader reads features for a support vector machine.
type svmReader struct {
	config     Config
	opt        SVMOptions
	encoders   []*Encoder
	done, work int // batches
}

func (s *svmReader) close() (err error) {
	for _, e := range s.encoders {
		err = errors.Join(err, e.Close())
	}
	return err
}

func (s *svmReader) judge(ctx context.Context, train, test media.Source) (rows []SVMRow, bad []media.BadFile, err error) {
	batches := func(clips int) int { return (clips + s.config.Train.Batch - 1) / s.config.Train.Batch }
	s.work = batches(train.Len()*s.opt.TrainClips) + s.opt.TestClips*batches(test.Len())
	fit, missed, err := s.training(ctx, train)
	bad = append(bad, missed...)
	if err != nil {
		return nil, bad, err
	}
	asked, missed, err := s.tested(ctx, test)
	bad = append(bad, missed...)
	if err != nil {
		return nil, bad, err
	}
	row := func(name string, a, b svm.Set) error {
		sweep, err := svm.Try(ctx, a, b, len(train.Classes()), s.opt.Cs)
		if err != nil {
			return fmt.Errorf("%s features: %w", name, err)
		}
		rows = append(rows, SVMRow{name, sweep.Chosen.Test, sweep.Best.Test, sweep.Chosen.C, samples(a), samples(b)})
		return nil
	}
	for i, m := range s.opt.Modalities {
		if err := row(m.String(), fit[i], asked[i]); err != nil {
			return nil, bad, err
		}
	}
	if len(s.opt.Modalities) == 2 {
		err = row(BothModalities, sideBySide(unitRows(fit[0]), unitRows(fit[1])), sideBySide(unitRows(asked[0]), unitRows(asked[1])))
	}
	return rows, bad, err
}

// samples counts those of a set.
func samples(s svm.Set) (n int) {
	for i := range s.Samples {
		if i == 0 || s.Samples[i] != s.Samples[i-1] {
			n++
		}
	}
	return n
}

// gathered are rows by encoder and clip.
type gathered []map[int][][]float64

// add takes the rows of a batch.
func (s *svmReader) add(ctx context.Context, to gathered, b *views.Batch) error {
	for k, e := range s.encoders {
		features, err := e.encode(ctx, b)
		if err != nil {
			return err
		}
		if features == nil {
			return media.LackError{Video: e.Modality == Video, Audio: e.Modality == Audio}
		}
		dim := e.Dim()
		for i, clip := range b.Indices {
			to[k][clip] = append(to[k][clip], wideOf(features[i*dim:(i+1)*dim]))
		}
	}
	if s.done++; s.opt.Progress != nil {
		s.opt.Progress(min(s.done, s.work), s.work)
	}
	return nil
}

// sets are the rows of each encoder, clip after clip.
func (g gathered) sets(src media.Source) []svm.Set {
	sets := make([]svm.Set, len(g))
	for k, byClip := range g {
		for i := range src.Len() {
			for _, row := range byClip[i] {
				sets[k].Rows = append(sets[k].Rows, row)
				sets[k].Labels = append(sets[k].Labels, src.Label(i))
				sets[k].Samples = append(sets[k].Samples, i)
			}
		}
	}
	return sets
}

func (s *svmReader) gather() gathered {
	g := make(gathered, len(s.encoders))
	for k := range g {
		g[k] = map[int][][]float64{}
	}
	return g
}

// training reads augmented views as training does: so many epochs of the clips, one view of each in each.
func (s *svmReader) training(ctx context.Context, src media.Source) ([]svm.Set, []media.BadFile, error) {
	batch := min(s.config.Train.Batch, src.Len())
	loader, err := views.NewLoader(ctx, src, s.config.Spec(), views.LoaderConfig{Batch: batch, Seed: s.opt.Seed, MostLost: s.config.Data.MostLost})
	if err != nil {
		return nil, nil, err
	}
	defer loader.Close()
	g := s.gather()
	for read := 0; read < src.Len()*s.opt.TrainClips; read += batch {
		b, err := loader.Next()
		if err == nil {
			err = s.add(ctx, g, b)
		}
		if err != nil {
			return nil, loader.Stats().Reasons, err
		}
		loader.Release(b)
	}
	return g.sets(src), loader.Stats().Reasons, nil
}

// tested reads evenly spaced spans without augmentation. A clip that fails at one span is left out of the others.
func (s *svmReader) tested(ctx context.Context, src media.Source) ([]svm.Set, []media.BadFile, error) {
	g := s.gather()
	var bad []media.BadFile
	for at := 0; at < src.Len(); at += s.config.Train.Batch {
		var clips []int
		for i := at; i < min(at+s.config.Train.Batch, src.Len()); i++ {
			clips = append(clips, i)
		}
		for span := range s.opt.TestClips {
			b, failed, err := views.Centre(ctx, src, s.config.Spec(), clips, views.CentreOptions{Segment: span, Segments: s.opt.TestClips})
			bad = append(bad, failed...)
			if err != nil && (ctx.Err() != nil || len(failed) < len(clips)) {
				return nil, bad, err
			}
			if err != nil {
				break // none of these can be read
			}
			clips = b.Indices
			if err := s.add(ctx, g, b); err != nil {
				return nil, bad, err
			}
		}
	}
	sets := g.sets(src)
	if len(sets[0].Rows) == 0 {
		return nil, bad, fmt.Errorf("%w: none of %d to test can be read", ErrTooFewClips, src.Len())
	}
	return sets, bad, nil
}
