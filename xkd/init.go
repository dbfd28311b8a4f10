package xkd

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"goxkd/graph"
	"goxkd/layers"
)

// source is the random stream of one purpose, a function of its key alone.
func source(seed uint64, key string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, key)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// initial draws a parameter's first value; it depends on the seed and the name alone.
func initial(q *layers.Param, seed uint64) []float32 {
	rng := source(seed, q.Name)
	if q.Init == layers.Orthogonal {
		return orthogonal(rng, q.Shape[0], q.Shape[1])
	}
	data := make([]float32, q.Shape.Size())
	const std = 0.02
	for i := range data {
		switch q.Init {
		case layers.Ones:
			data[i] = 1
		case layers.Xavier:
			bound := math.Sqrt(6 / float64(q.Shape[0]+q.Shape[1]))
			data[i] = float32(bound * (2*rng.Float64() - 1))
		case layers.Normal:
			data[i] = float32(std * rng.NormFloat64())
		case layers.Faint:
			data[i] = float32(0.01 * rng.NormFloat64())
		case layers.TruncNormal:
			v := rng.NormFloat64()
			for math.Abs(v) > 2 {
				v = rng.NormFloat64()
			}
			data[i] = float32(std * v)
		}
	}
	return data
}

// orthogonal draws a matrix [rows,cols] with orthonormal rows, or columns where there are more rows, by Gram and Schmidt.
func orthogonal(rng *rand.Rand, rows, cols int) []float32 {
	n, width := min(rows, cols), max(rows, cols)
	vectors := make([][]float64, n)
	for i := range vectors {
		v := make([]float64, width)
		for k := range v {
			v[k] = rng.NormFloat64()
		}
		for range 2 { // once more for what rounding leaves
			for _, u := range vectors[:i] {
				var along float64
				for k := range v {
					along += u[k] * v[k]
				}
				for k := range v {
					v[k] -= along * u[k]
				}
			}
		}
		var square float64
		for _, x := range v {
			square += x * x
		}
		for k := range v {
			v[k] /= math.Sqrt(square)
		}
		vectors[i] = v
	}
	out := make([]float32, rows*cols)
	for r := range rows {
		for c := range cols {
			if rows <= cols {
				out[r*cols+c] = float32(vectors[r][c])
			} else {
				out[r*cols+c] = float32(vectors[c][r])
			}
		}
	}
	return out
}

// Initialize writes the first weights: students and decoders drawn from the seed, teachers as copies of their students,
// moments and centres zero.
func (s *Step) Initialize(e graph.Executor, seed uint64) error {
	params := map[*graph.Node]*layers.Param{}
	for _, q := range s.Params {
		params[q.Node] = q
	}
	for _, n := range s.Kept() {
		data := make([]float32, n.Shape.Size())
		if q := params[n]; q != nil {
			if q.Student != nil {
				q = q.Student
			}
			data = initial(q, seed)
		}
		if err := e.Write(n, data); err != nil {
			return err
		}
	}
	return nil
}

// Weights draws a feature graph's first weights into an executor.
func (f *Features) Weights(e graph.Executor, seed uint64) error {
	for _, q := range f.Params {
		if err := e.Write(q.Node, initial(q, seed)); err != nil {
			return err
		}
	}
	return nil
}
