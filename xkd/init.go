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
