package xkd

import (
	"context"
	"slices"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

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

// rowsOf are features of one chunk of clips by one network: by clip, one row a span.
type rowsOf map[int][][]float64

// extract gives, per modality, the features of each network (checkpoints first, then one untrained per seed) as rows, and the
// clips that could be read, whole; each has Spans rows, side by side. A modality that the source or the
// checkpoints lack gets nil.
func (x extractor) extract(ctx context.Context) (features [2][][][]float64, used []int, bad []media.BadFile, err error) {
	var encoders [2]*Encoder
	video, audio := media.Modalities(x.src)
	for m, has := range []bool{video, audio} {
		if !has || slices.ContainsFunc(x.checkpoints, func(l *Loaded) bool { return !l.Has(Modality(m), x.opt.Role) }) {
			continue
		}
		m := Modality(m)
		if encoders[m], err = newEncoder(x.config, m, x.dev, EncoderOptions{Role: x.opt.Role, Batch: min(x.config.Train.Batch, probeBatch)}, x.checkpoints...); err != nil {
			return features, nil, nil, err
		}
		defer encoders[m].Close()
		networks := len(x.checkpoints)
		if !x.opt.TrainedOnly {
			networks += x.opt.Seeds
		}
		features[m] = make([][][]float64, networks)
	}
	chunk, n := chunk(x.config), x.src.Len()
	for at := 0; at < n; at += chunk {
		clips := make([]int, min(chunk, n-at))
		for i := range clips {
			clips[i] = at + i
		}
		var rows [2][]rowsOf
		for span := range x.opt.Spans {
			batch, failed, err := views.Centre(ctx, x.src, x.config.Spec(), clips, views.CentreOptions{Segment: span, Segments: x.opt.Spans})
			bad = append(bad, failed...)
			if err != nil {
				if ctx.Err() != nil {
					return features, nil, nil, ctx.Err()
				}
				if at+chunk >= n && len(used) == 0 {
					return features, nil, bad, err
				}
				clips = nil
				break
			}
			clips = batch.Indices // a clip that fails at one span is not read again
			for m, en := range encoders {
				if features[m] == nil {
					continue
				}
				if rows[m] == nil {
					rows[m] = make([]rowsOf, len(features[m]))
				}
				if err := x.encode(ctx, en, batch, rows[m]); err != nil {
					return features, nil, nil, err
				}
			}
		}
		for m := range rows {
			for i, r := range rows[m] {
				for _, clip := range clips {
					features[m][i] = append(features[m][i], r[clip]...)
				}
			}
		}
		used = append(used, clips...)
		if x.opt.Progress != nil {
			x.opt.Progress(min(at+chunk, n), n)
		}
	}
	return features, used, bad, nil
}

// encode adds a row of a batch's clips by every network of one modality.
func (x extractor) encode(ctx context.Context, en *Encoder, batch *views.Batch, rows []rowsOf) (err error) {
	for i := range rows {
		if i < len(x.checkpoints) {
			err = en.load(x.checkpoints[i])
		} else {
			err = en.draw(uint64(1000 + i - len(x.checkpoints)))
		}
		if err != nil {
			return err
		}
		pooled, err := en.encode(ctx, batch)
		if err != nil {
			return err
		}
		if rows[i] == nil {
			rows[i] = rowsOf{}
		}
		dim := en.Dim()
		for k, clip := range batch.Indices {
			row := make([]float64, dim)
			for d, v := range pooled[k*dim : (k+1)*dim] {
				row[d] = float64(v)
			}
			rows[i][clip] = append(rows[i][clip], row)
		}
	}
	return nil
}
