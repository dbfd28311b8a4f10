package xkd

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"goxkd/graph"
	"goxkd/media"
	"goxkd/media/views"
)

// RetrieveOptions say whose features find each other.
type RetrieveOptions struct {
	Role  Role
	Clips int // at most; 0 means 768
	Batch int // clips at a time on the device; 0 means 16
	// TrainedOnly leaves the untrained networks out.
	TrainedOnly bool
	// Progress is called as clips are read.
	Progress func(done, of int)
}

// RetrieveRow tells how well one modality of the clips finds the other. Recall at k is the share of clips whose counterpart is
// among the k that are most like it.
type RetrieveRow struct {
	Network    string  `json:"network"`  // trained, or untrained
	Features   string  `json:"features"` // heads, or pooled
	From       string  `json:"from"`
	To         string  `json:"to"`
	Recall1    float64 `json:"recall_1"`
	Recall5    float64 `json:"recall_5"`
	Recall10   float64 `json:"recall_10"`
	MedianRank float64 `json:"median_rank"` // 1 is the best
}

// Retrieval is how well video finds its sound, and sound its video, among a set of clips.
type Retrieval struct {
	Rows  []RetrieveRow   `json:"rows"`
	Clips int             `json:"clips"`
	Bad   []media.BadFile `json:"bad,omitempty"`
}

// Chance is what rows would be by chance.
func (r *Retrieval) Chance() RetrieveRow {
	at := func(k float64) float64 { return min(1, k/float64(r.Clips)) }
	return RetrieveRow{Recall1: at(1), Recall5: at(5), Recall10: at(10), MedianRank: float64(r.Clips+1) / 2}
}

// Retrieve ranks, for the video of each clip, the sounds of all clips by likeness, and the reverse; by the heads' outputs and by
// pooled features, of the trained networks and of untrained ones. Likeness is the cosine after the mean over the clips has been
// taken out of each modality. Of equally like clips the right one counts last.
func Retrieve(ctx context.Context, dev graph.Device, src media.Source, l *Loaded, opt RetrieveOptions) (*Retrieval, error) {
	if video, audio := media.Modalities(src); !video || !audio {
		return nil, media.LackError{Video: !video, Audio: !audio}
	}
	for _, m := range []Modality{Video, Audio} {
		if err := l.lacks(m, opt.Role); err != nil {
			return nil, err
		}
	}
	if opt.Clips <= 0 {
		opt.Clips = 768
	}
	if opt.Batch <= 0 {
		opt.Batch = 16
	}
	const kinds = 2 // heads and pooled
	networks := []string{"trained", "untrained"}
	if opt.TrainedOnly {
		networks = networks[:1]
	}
	var encoders [2]*Encoder
	for m := range encoders {
		en, err := newEncoder(l.Config, Modality(m), dev, EncoderOptions{Role: opt.Role, Batch: opt.Batch, heads: true}, l)
		if err != nil {
			return nil, err
		}
		defer en.Close()
		encoders[m] = en
	}
	var rows [2][2][kinds][]float32 // by modality and network
	r := &Retrieval{}
	n, chunk := min(src.Len(), opt.Clips), chunk(l.Config)
	for at := 0; at < n; at += chunk {
		clips := make([]int, min(chunk, n-at))
		for i := range clips {
			clips[i] = (at + i) * src.Len() / n
		}
		batch, failed, err := views.Centre(ctx, src, l.Config.Spec(), clips, views.CentreOptions{})
		r.Bad = append(r.Bad, failed...)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil && len(failed) < len(clips):
			return nil, err
		case err != nil:
			continue // none of these can be read
		}
		r.Clips += batch.B
		for m, en := range encoders {
			for net := range networks {
				err := en.load(l)
				if net == 1 {
					err = en.draw(1000) // first weights, as a probe's first untrained network
				}
				if err != nil {
					return nil, err
				}
				in := [2]View{{Bytes: batch.VideoGlobal}, {Floats: batch.AudioGlobal}}[m]
				got, err := en.features.extract(ctx, en.exec, in, en.features.Head, en.features.Pooled)
				if err != nil {
					return nil, err
				}
				for k := range kinds {
					rows[m][net][k] = append(rows[m][net][k], got[k]...)
				}
			}
		}
		if opt.Progress != nil {
			opt.Progress(min(at+chunk, n), n)
		}
	}
	if r.Clips < 2 {
		return nil, fmt.Errorf("%w: %d can be read: give two or more", ErrTooFewClips, r.Clips)
	}
	for net, network := range networks {
		for k, kind := range []string{"heads", "pooled"} {
			video, audio := centredUnit(rows[Video][net][k], r.Clips), centredUnit(rows[Audio][net][k], r.Clips)
			for _, d := range []struct {
				from, to Modality
				a, b     []float32
			}{{Video, Audio, video, audio}, {Audio, Video, audio, video}} {
				row := ranked(d.a, d.b, r.Clips)
				row.Network, row.Features, row.From, row.To = network, kind, d.from.String(), d.to.String()
				r.Rows = append(r.Rows, row)
			}
		}
	}
	return r, nil
}

// centredUnit takes the mean over n rows out and brings each row to length 1; a row that has none stays zero.
func centredUnit(rows []float32, n int) []float32 {
	dim := len(rows) / n
	mean := make([]float64, dim)
	for i, v := range rows {
		mean[i%dim] += float64(v) / float64(n)
	}
	out := make([]float32, len(rows))
	for i := range n {
		size := 0.0
		for k, v := range rows[i*dim : (i+1)*dim] {
			d := float64(v) - mean[k]
			size += d * d
		}
		for k, v := range rows[i*dim : (i+1)*dim] {
			out[i*dim+k] = float32((float64(v) - mean[k]) / max(math.Sqrt(size), 1e-12))
		}
	}
	return out
}

// ranked looks up the rank of row i of b for row i of a, for each of n rows.
func ranked(a, b []float32, n int) (r RetrieveRow) {
	dim := len(a) / n
	matrix := func(rows []float32) blas32.General {
		return blas32.General{Rows: n, Cols: dim, Stride: dim, Data: rows}
	}
	like := blas32.General{Rows: n, Cols: n, Stride: n, Data: make([]float32, n*n)}
	blas32.Gemm(blas.NoTrans, blas.Trans, 1, matrix(a), matrix(b), 0, like)
	ranks := make([]float64, n)
	for i := range n {
		row := like.Data[i*n : (i+1)*n]
		for _, v := range row {
			if v >= row[i] || v != v {
				ranks[i]++ // itself is one
			}
		}
		for k, share := range map[float64]*float64{1: &r.Recall1, 5: &r.Recall5, 10: &r.Recall10} {
			if ranks[i] <= k {
				*share += 1 / float64(n)
			}
		}
	}
	slices.Sort(ranks)
	r.MedianRank = (ranks[(n-1)/2] + ranks[n/2]) / 2
	return r
}
