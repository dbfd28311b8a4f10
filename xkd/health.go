package xkd

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// Health tells whether networks still tell clips apart (docs/health.md). Figures are of one batch, by modality; those of networks
// that are not trained are no numbers, and where one modality is trained alone so are those of its teacher.
type Health struct {
	Entropy     [2]float64 // of a teacher's output as the students are taught it, in nats, mean over clips: 0 to ln(dim)
	Information [2]float64 // entropy of the mean output less the mean entropy, in nats: 0 (all clips alike) to ln(clips)
	Centre      [2]float64 // root mean square of the teacher's centre: 0 to 1 (all outputs the same; they are normalised)
	Drift       [2]float64 // by how much of its length the centre has moved in the step
	Deviation   [2]float64 // of a student's features over clips, as a share of their root mean square: 0 to 1
	Rank        [2]float64 // effective rank of the student's features: 1 to clips-1
}

// series are the figures by the names that they have in metrics.
func (h Health) series(into map[string]float64) {
	for _, m := range []Modality{Video, Audio} {
		for name, v := range map[string]float64{
			"entropy": h.Entropy[m], "information": h.Information[m], "centre": h.Centre[m], "centre_drift": h.Drift[m],
			"deviation": h.Deviation[m], "rank": h.Rank[m],
		} {
			if !math.IsNaN(v) {
				into[name+"_"+m.String()] = v
			}
		}
	}
}

// rankRows bounds the clips that an effective rank is computed of: the work grows with their cube.
const rankRows = 128

// centres reads the teachers' centres, where there are any.
func (t *Trainer) centres() (out [2][]float32, err error) {
	for m, n := range t.Step.Centres {
		if n == nil {
			continue
		}
		out[m] = make([]float32, n.Shape.Size())
		if err := t.exec.Read(n, out[m]); err != nil {
			return out, err
		}
	}
	return out, nil
}

// health looks at what the last micro-batch of a step has left on the device. before are the centres as they were when the
// step began, s its schedule.
func (t *Trainer) health(before [2][]float32, s Schedule) (h Health, err error) {
	after, err := t.centres()
	if err != nil {
		return h, err
	}
	for m := range before {
		for _, v := range []*float64{&h.Entropy[m], &h.Information[m], &h.Centre[m], &h.Drift[m], &h.Deviation[m], &h.Rank[m]} {
			*v = math.NaN()
		}
		if pooled := t.Step.Pooled[m]; pooled != nil {
			features := make([]float32, pooled.Shape.Size())
			if err := t.exec.Read(pooled, features); err != nil {
				return h, err
			}
			h.Deviation[m], h.Rank[m] = spread(features, pooled.Shape[1])
		}
		k := len(before[m])
		if k == 0 {
			continue
		}
		out := make([]float32, t.Step.Outputs[Teacher][m].Shape.Size())
		if err := t.exec.Read(t.Step.Outputs[Teacher][m], out); err != nil {
			return h, err
		}
		h.Entropy[m], h.Information[m] = entropies(out, before[m], s.TeacherTemp[m])
		was, is := wideOf(before[m]), wideOf(after[m])
		h.Centre[m] = floats.Norm(is, 2) / math.Sqrt(float64(k))
		h.Drift[m] = floats.Distance(is, was, 2) / max(floats.Norm(is, 2), 1e-12)
	}
	return h, nil
}

func wideOf(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// entropies of q = softmax((x - centre)/temperature) for rows x of as many elements as the centre has: the mean over rows, and
// by how much that of the mean row exceeds it (docs/method.md, E10 has q).
func entropies(x, centre []float32, temperature float64) (mean, information float64) {
	k := len(centre)
	rows := len(x) / k
	sum, q := make([]float64, k), make([]float64, k)
	for r := range rows {
		for i := range q {
			q[i] = (float64(x[r*k+i]) - float64(centre[i])) / temperature
		}
		log := floats.LogSumExp(q)
		for i, v := range q {
			p := math.Exp(v - log)
			mean -= p * (v - log) / float64(rows)
			sum[i] += p / float64(rows)
		}
	}
	for _, p := range sum {
		if p > 0 {
			information -= p * math.Log(p)
		}
	}
	return mean, max(0, information-mean)
}

// spread of rows of so many elements: their deviation as a share of their root mean square, and their effective rank
// exp(-Σ p ln p), where p are the singular values of the centred rows, scaled to sum 1 (Roy and Vetterli, 2007).
func spread(x []float32, dim int) (deviation, rank float64) {
	rows := min(len(x)/dim, rankRows)
	if rows < 2 {
		return 0, 1
	}
	a := mat.NewDense(rows, dim, wideOf(x[:rows*dim]))
	all := floats.Dot(a.RawMatrix().Data, a.RawMatrix().Data)
	mean := make([]float64, dim)
	for r := range rows {
		floats.AddScaled(mean, 1/float64(rows), a.RawRowView(r))
	}
	for r := range rows {
		floats.Sub(a.RawRowView(r), mean)
	}
	rest := floats.Dot(a.RawMatrix().Data, a.RawMatrix().Data)
	if all == 0 || rest/all < 1e-12 {
		return 0, 1
	}
	var gram mat.SymDense
	gram.SymOuterK(1, a)
	var e mat.EigenSym
	if !e.Factorize(&gram, false) {
		return math.Sqrt(rest / all), 1
	}
	values := e.Values(nil)
	total := 0.0
	for i, v := range values {
		values[i] = math.Sqrt(max(v, 0))
		total += values[i]
	}
	entropy := 0.0
	for _, v := range values {
		if p := v / total; p > 0 {
			entropy -= p * math.Log(p)
		}
	}
	return math.Sqrt(rest / all), math.Exp(entropy)
}

// What is a sign of collapse, and for how many looks in a row it has to last. Before patience of the run is over nothing is:
// networks that have just been drawn tell clips apart badly.
const (
	uniformEntropy   = 0.98 // of ln(dim)
	sameInformation  = 0.02 // of ln(clips)
	sameDeviation    = 0.02
	lowRank          = 1.5
	nearUniform      = 0.02 // distance of the distillation loss from ln(dim), as a share of it
	looksInARow      = 5
	patience         = 0.1 // of the steps, and
	patienceSteps    = 100 // at least
	clipsToTellApart = 4   // with fewer, a batch tells nothing of how clips differ
)

// physician warns once of each sign that lasts.
type physician struct {
	row    map[string]int
	warned map[string]bool
}

// look gives the warnings that are due after a step with this health and distillation loss. rows are the clips of a batch.
func (p *physician) look(h Health, kd float64, dim, rows, step, steps int) (warnings []string) {
	if step < max(patienceSteps, int(patience*float64(steps))) {
		return nil
	}
	if p.row == nil {
		p.row, p.warned = map[string]int{}, map[string]bool{}
	}
	see := func(key string, is bool, format string, args ...any) {
		if !is {
			p.row[key] = 0
			return
		}
		if p.row[key]++; p.row[key] >= looksInARow && !p.warned[key] {
			p.warned[key] = true
			warnings = append(warnings, fmt.Sprintf("step %d: %s; see docs/health.md", step, fmt.Sprintf(format, args...)))
		}
	}
	most := math.Log(float64(dim))
	apart := math.Log(float64(min(rows, dim)))
	for _, m := range []Modality{Video, Audio} {
		name := m.String()
		see("uniform "+name, h.Entropy[m] > uniformEntropy*most,
			"the %s teacher's outputs are nearly uniform (entropy %.2f of at most %.2f): it teaches nothing", name, h.Entropy[m], most)
		if rows < clipsToTellApart {
			continue
		}
		see("same "+name, h.Information[m] < sameInformation*apart,
			"the %s teacher says nearly the same of every clip (%.3f nats of at most %.2f)", name, h.Information[m], apart)
		see("deviation "+name, h.Deviation[m] < sameDeviation,
			"the %s student's features hardly differ between clips (deviation %.3f of their size)", name, h.Deviation[m])
		see("rank "+name, h.Rank[m] < lowRank,
			"the %s student's features lie on a line (effective rank %.2f)", name, h.Rank[m])
	}
	see("kd", math.Abs(kd-most) < nearUniform*most,
		"the distillation loss stands at ln(%d) = %.2f, what uniform answers would give: see whether the students follow their teachers", dim, most)
	return warnings
}

// check adds a step's health to its values and warns of what lasts.
func (p *physician) check(t *Trainer, centres [2][]float32, s Schedule, losses Losses, values map[string]float64, warn func(string)) error {
	h, err := t.health(centres, s)
	if err != nil {
		return err
	}
	h.series(values)
	kd := math.NaN()
	if t.Step.Centres[Video] != nil {
		for m, name := range []string{"vt2as_kd_loss", "at2vs_kd_loss"} { // what is left of the loss: how far the student is from its teacher
			values["divergence_"+Modality(m).String()] = float64(losses[slices.Index(LossNames, name)]) - h.Entropy[m]
		}
		kd = float64(losses[slices.Index(LossNames, "cmkd_loss")])
	}
	for _, text := range p.look(h, kd, t.Config.Model.Head.Out, t.Config.Train.Batch, t.done, t.Config.Train.Steps) {
		if warn != nil {
			warn(text)
		}
	}
	return nil
}
