package op_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"goxkd/graph"
	"goxkd/graph/op"
)

// sample is a case with its inputs, for the closed forms.
type sample struct {
	graph.Case
	in [][]float64
	y  graph.Shape // of the result
}

// at reads input i by coordinates.
func (s sample) at(i int, coords ...int) float64 { return s.in[i][index(s.Shapes[i], coords)] }

func index(s graph.Shape, coords []int) int {
	k := 0
	for axis, c := range coords {
		k = k*s[axis] + c
	}
	return k
}

// fill computes every element of the result from its coordinates.
func (s sample) fill(f func(c []int) float64) [][]float64 {
	out := make([]float64, s.y.Size())
	for k := range out {
		out[k] = f(coordinates(s.y, k))
	}
	return [][]float64{out}
}

func coordinates(s graph.Shape, k int) []int {
	c := make([]int, len(s))
	for axis := len(s) - 1; axis >= 0; axis-- {
		c[axis] = k % s[axis]
		k /= s[axis]
	}
	return c
}

// rows computes each row of the result from the same rows of the inputs whose length it shares.
func (s sample) rows(f func(x, second []float64) []float64) [][]float64 {
	w := s.Shapes[0].Last()
	var out []float64
	for lo := 0; lo < len(s.in[0]); lo += w {
		var second []float64
		if len(s.in) > 1 {
			second = s.in[1][lo : lo+w]
		}
		out = append(out, f(s.in[0][lo:lo+w], second)...)
	}
	return [][]float64{out}
}

// derivative differentiates the closed form of another operation with respect to input i; the upstream gradient is the
// last input.
func derivative(form func(sample) [][]float64, i int, y func(s sample) graph.Shape) func(sample) [][]float64 {
	return func(s sample) [][]float64 {
		last := len(s.in) - 1
		u := s.in[last]
		s.in, s.Shapes = s.in[:last], s.Shapes[:last]
		s.y = y(s)
		return [][]float64{differences(s.in[i], func() float64 {
			var sum float64
			for k, v := range form(s)[0] {
				sum += u[k] * v
			}
			return sum
		})}
	}
}

func shapeOf(i int) func(sample) graph.Shape {
	return func(s sample) graph.Shape { return s.Shapes[i] }
}

func rowCount(i int) func(sample) graph.Shape {
	return func(s sample) graph.Shape { x := s.Shapes[i]; return x[:len(x)-1] }
}

func binary(f func(a, b float64) float64) func(sample) [][]float64 {
	return func(s sample) [][]float64 {
		return s.fill(func(c []int) float64 {
			b := s.Shapes[1]
			if b.Size() == 1 {
				return f(s.at(0, c...), s.in[1][0])
			}
			return f(s.at(0, c...), s.at(1, c[len(c)-len(b):]...))
		})
	}
}

// gelu integrates the normal density from 0 by Simpson's rule.
func gelu(s sample) [][]float64 {
	return s.fill(func(c []int) float64 {
		x := s.at(0, c...)
		const n = 400
		var area float64
		for i := 0; i <= n; i++ {
			w := 2 + 2*float64(i%2)
			if i == 0 || i == n {
				w = 1
			}
			z := x * float64(i) / n
			area += w * math.Exp(-z*z/2)
		}
		return x * (0.5 + area*x/n/3/math.Sqrt(2*math.Pi))
	})
}

// softmax in the form 1 / Σ exp(xⱼ - xᵢ).
func softmax(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		var sum float64
		for j := range x {
			sum += math.Exp(x[j] - x[i])
		}
		out[i] = 1 / sum
	}
	return out
}

func hypot(x []float64) float64 {
	var n float64
	for _, v := range x {
		n = math.Hypot(n, v)
	}
	return n
}

// average gives mean and variance by the mean of squares less the square of the mean.
func average(x []float64) (mean, variance float64) {
	var squares float64
	for _, v := range x {
		mean += v / float64(len(x))
		squares += v * v / float64(len(x))
	}
	return mean, squares - mean*mean
}

func attention(s sample) [][]float64 {
	probs := attentionProbs(s)[0]
	n, heads := s.Shapes[0][1], s.Attrs.(op.AttentionAttrs).Heads
	dim := s.Shapes[0][2] / 3
	width := dim / heads
	return s.fill(func(c []int) float64 {
		h := c[2] / width
		var sum float64
		for j := 0; j < n; j++ {
			sum += probs[index(graph.Shape{s.Shapes[0][0], heads, n, n}, []int{c[0], h, c[1], j})] * s.at(0, c[0], j, 2*dim+c[2])
		}
		return sum
	})
}

func attentionProbs(s sample) [][]float64 {
	b, n, heads := s.Shapes[0][0], s.Shapes[0][1], s.Attrs.(op.AttentionAttrs).Heads
	dim := s.Shapes[0][2] / 3
	width := dim / heads
	s.y = graph.Shape{b, heads, n, n}
	score := func(b, h, i, j int) float64 {
		var sum float64
		for d := h * width; d < (h+1)*width; d++ {
			sum += s.at(0, b, i, d) * s.at(0, b, j, dim+d)
		}
		return sum / math.Sqrt(float64(width))
	}
	return s.fill(func(c []int) float64 {
		var sum float64
		for j := 0; j < n; j++ {
			sum += math.Exp(score(c[0], c[1], c[2], j) - score(c[0], c[1], c[2], c[3]))
		}
		return 1 / sum
	})
}

func gaussKernel(s sample) [][]float64 {
	return s.fill(func(c []int) float64 {
		var sum float64
		for e := -3; e <= 3; e++ {
			sum += math.Pow(math.E, -math.Pow(10, float64(e))*s.at(0, c...))
		}
		return sum
	})
}

func l2Normalize(s sample) [][]float64 {
	return s.rows(func(x, _ []float64) []float64 {
		var out []float64
		for _, v := range x {
			out = append(out, v/max(hypot(x), s.Attrs.(op.NormAttrs).Eps))
		}
		return out
	})
}

func rowMSE(s sample) [][]float64 {
	return s.rows(func(x, target []float64) []float64 {
		var sum float64
		for i, v := range x {
			sum += v*v - 2*v*target[i] + target[i]*target[i]
		}
		return []float64{sum / float64(len(x))}
	})
}

// softCrossEntropy as Σ q·log Σ exp((xⱼ - xᵢ)/T).
func softCrossEntropy(s sample) [][]float64 {
	k := s.Shapes[0][1]
	return s.fill(func(c []int) float64 {
		var loss float64
		for i := 0; i < k; i++ {
			var sum float64
			for j := 0; j < k; j++ {
				sum += math.Exp((s.at(1, c[0], j) - s.at(1, c[0], i)) / s.Attrs.(op.TemperatureAttrs).Temperature)
			}
			loss += s.at(0, c[0]%s.Shapes[0][0], i) * math.Log(sum)
		}
		return loss
	})
}

// pairDistance as |x|² - 2x·y + |y|².
func pairDistance(s sample) [][]float64 {
	return s.fill(func(c []int) float64 {
		var xx, xy, yy float64
		for k := 0; k < s.Shapes[0][1]; k++ {
			x, y := s.at(0, c[0], k), s.at(1, c[1], k)
			xx, xy, yy = xx+x*x, xy+x*y, yy+y*y
		}
		return xx - 2*xy + yy
	})
}

// jacobian gives dx = Jᵀ d of a row, J from its elements.
func jacobian(d []float64, j func(i, k int) float64) []float64 {
	out := make([]float64, len(d))
	for i := range d {
		for k, v := range d {
			out[i] += j(k, i) * v
		}
	}
	return out
}

func same(i, k int) float64 {
	if i == k {
		return 1
	}
	return 0
}

// closed holds the closed form of every operation, written without a look at the reference: by coordinates, in other forms
// of the formula, or as a numerical derivative of another closed form.
var closed = map[string]func(s sample) [][]float64{
	"add": binary(func(a, b float64) float64 { return b + a }),
	"sub": binary(func(a, b float64) float64 { return -(b - a) }),
	"mul": binary(func(a, b float64) float64 { return ((a+b)*(a+b) - (a-b)*(a-b)) / 4 }),
	"div": binary(func(a, b float64) float64 { return a * math.Pow(b, -1) }),
	"lincomb": func(s sample) [][]float64 {
		return s.fill(func(c []int) (sum float64) {
			for i, w := range s.Attrs.([]float64) {
				sum += w * s.at(i, c...)
			}
			return sum
		})
	},
	"gelu":      gelu,
	"gelu_grad": derivative(gelu, 0, shapeOf(0)),
	"sum_axis": func(s sample) [][]float64 {
		a, out := s.Attrs.(op.AxisAttrs), make([]float64, s.y.Size())
		for k, v := range s.in[0] {
			c := coordinates(s.Shapes[0], k)
			out[index(s.y, append(c[:a.Axis:a.Axis], c[a.Axis+1:]...))] += v * a.Scale
		}
		return [][]float64{out}
	},
	"spread": func(s sample) [][]float64 {
		a := s.Attrs.(op.AxisAttrs)
		return s.fill(func(c []int) float64 {
			return a.Scale * s.at(0, append(c[:a.Axis:a.Axis], c[a.Axis+1:]...)...)
		})
	},
	"row_dot": func(s sample) [][]float64 {
		return s.rows(func(a, b []float64) []float64 {
			var plus, minus float64
			for i := range a {
				plus += (a[i] + b[i]) * (a[i] + b[i])
				minus += (a[i] - b[i]) * (a[i] - b[i])
			}
			return []float64{(plus - minus) / 4}
		})
	},
	"mul_rows": func(s sample) [][]float64 {
		return s.fill(func(c []int) float64 {
			row := c[:len(c)-1]
			return s.in[1][index(s.Shapes[1], row)] * s.at(0, c...)
		})
	},
	"norm": func(s sample) [][]float64 { return [][]float64{{hypot(s.in[0])}} },
	"layernorm": func(s sample) [][]float64 {
		w := s.Shapes[0].Last()
		return s.fill(func(c []int) float64 {
			lo := index(s.Shapes[0], c) / w * w
			mean, variance := average(s.in[0][lo : lo+w])
			v := (s.at(0, c...) - mean) / math.Sqrt(variance+s.Attrs.(op.LayerNormAttrs).Eps)
			if len(s.in) == 3 {
				k := c[len(c)-1]
				v = v*s.in[1][k] + s.in[2][k]
			}
			return v
		})
	},
	"row_stats": func(s sample) [][]float64 {
		return s.rows(func(x, _ []float64) []float64 {
			mean, variance := average(x)
			return []float64{mean, math.Pow(variance+s.Attrs.(op.LayerNormAttrs).Eps, -0.5)}
		})
	},
	// The Jacobian of (x - mean)·scale at given mean and scale: scale (δ - 1/C - hᵢ hₖ/C).
	"layernorm_grad": func(s sample) [][]float64 {
		w := s.Shapes[0].Last()
		var out []float64
		for r := 0; r < s.Shapes[0].Rows(); r++ {
			mean, scale := s.in[1][2*r], s.in[1][2*r+1]
			d := make([]float64, w)
			for i := range d {
				d[i] = s.in[2][r*w+i]
				if len(s.in) == 4 {
					d[i] *= s.in[3][i]
				}
			}
			h := func(i int) float64 { return (s.in[0][r*w+i] - mean) * scale }
			out = append(out, jacobian(d, func(i, k int) float64 {
				return scale * (same(i, k) - 1/float64(w) - h(i)*h(k)/float64(w))
			})...)
		}
		return [][]float64{out}
	},
	"layernorm_grad_gain": func(s sample) [][]float64 {
		out := make([]float64, s.y.Size())
		for k, x := range s.in[0] {
			r := k / len(out)
			out[k%len(out)] += (x*s.in[1][2*r+1] - s.in[1][2*r]*s.in[1][2*r+1]) * s.in[2][k]
		}
		return [][]float64{out}
	},
	"softmax": func(s sample) [][]float64 {
		return s.rows(func(x, _ []float64) []float64 { return softmax(x) })
	},
	"softmax_grad": func(s sample) [][]float64 {
		return s.rows(func(y, d []float64) []float64 {
			return jacobian(d, func(i, k int) float64 { return y[k] * (same(i, k) - y[i]) })
		})
	},
	"permute": func(s sample) [][]float64 {
		return s.fill(func(c []int) float64 {
			from := make([]int, len(c))
			for i, p := range s.Attrs.([]int) {
				from[p] = c[i]
			}
			return s.at(0, from...)
		})
	},
	"slice": func(s sample) [][]float64 {
		a := s.Attrs.(op.SpanAttrs)
		return s.fill(func(c []int) float64 {
			c[a.Axis] += a.From
			return s.at(0, c...)
		})
	},
	"pad": func(s sample) [][]float64 {
		a := s.Attrs.(op.SpanAttrs)
		return s.fill(func(c []int) float64 {
			if c[a.Axis] -= a.From; c[a.Axis] < 0 || c[a.Axis] >= a.Len {
				return 0
			}
			return s.at(0, c...)
		})
	},
	"concat": func(s sample) [][]float64 {
		axis := s.Attrs.(int)
		return s.fill(func(c []int) float64 {
			i := 0
			for c[axis] >= s.Shapes[i][axis] {
				c[axis] -= s.Shapes[i][axis]
				i++
			}
			return s.at(i, c...)
		})
	},
	"gather": func(s sample) [][]float64 {
		return s.fill(func(c []int) float64 {
			id := s.at(1, c[0], c[1])
			if id < 0 {
				return 0
			}
			return s.at(0, c[0], int(id), c[2])
		})
	},
	"l2_normalize":      l2Normalize,
	"l2_normalize_grad": derivative(l2Normalize, 0, shapeOf(0)),
	"normalize_patches": func(s sample) [][]float64 {
		return s.rows(func(x, _ []float64) []float64 {
			mean, variance := average(x)
			var out []float64
			for _, v := range x {
				n := float64(len(x))
				out = append(out, (v-mean)/math.Sqrt(variance*n/(n-1)+1e-6))
			}
			return out
		})
	},
	"match_norm": func(s sample) [][]float64 {
		return s.rows(func(x, ref []float64) []float64 {
			var out []float64
			for _, v := range x {
				out = append(out, v/hypot(x)*hypot(ref))
			}
			return out
		})
	},
	"row_mse":                 rowMSE,
	"row_mse_grad":            derivative(rowMSE, 0, rowCount(0)),
	"soft_cross_entropy":      softCrossEntropy,
	"soft_cross_entropy_grad": derivative(softCrossEntropy, 1, rowCount(1)),
	"pair_distance":           pairDistance,
	"pair_distance_grad": derivative(pairDistance, 0, func(s sample) graph.Shape {
		return graph.Shape{s.Shapes[0][0], s.Shapes[1][0]}
	}),
	"gauss_kernel":      gaussKernel,
	"gauss_kernel_grad": derivative(gaussKernel, 0, shapeOf(0)),
	"clip_factor": func(s sample) [][]float64 {
		most, norm := s.Attrs.(op.ClipAttrs).Max, s.in[0][0]
		if norm+1e-6 <= most {
			return [][]float64{{1}}
		}
		return [][]float64{{most / (norm + 1e-6)}}
	},
	// In the order of the optimizer's paper: decay, moments, corrected moments, step.
	"adamw": func(s sample) [][]float64 {
		a, h := s.Attrs.(op.AdamWAttrs), s.in[5]
		var ps, ms, vs []float64
		for i, p := range s.in[0] {
			g, m, v := s.in[3][i]*s.in[4][0], s.in[1][i], s.in[2][i]
			if h[4] != 0 {
				m += (1 - a.Beta1) * (g - m)
				v += (1 - a.Beta2) * (g*g - v)
				if a.Decay {
					p -= p * h[0] * h[1]
				}
				corrected := math.Sqrt(v / (h[3] * h[3]))
				p -= h[0] * (m / h[2]) / (corrected + a.Eps)
			}
			ps, ms, vs = append(ps, p), append(ms, m), append(vs, v)
		}
		return [][]float64{ps, ms, vs}
	},
	"ema": func(s sample) [][]float64 {
		var out []float64
		for i, t := range s.in[0] {
			out = append(out, s.in[1][i]+s.in[2][0]*(t-s.in[1][i]))
		}
		return [][]float64{out}
	},
	"matmul": func(s sample) [][]float64 {
		a := s.Attrs.(op.MatMulAttrs)
		// Both operands as matrices, element by element.
		left, right := graph.Shape{s.Shapes[0].Rows(), s.Shapes[0].Last()}, s.Shapes[1]
		get := func(i int, shape graph.Shape, trans bool, r, c int) float64 {
			if trans {
				r, c = c, r
			}
			return s.in[i][r*shape[1]+c]
		}
		k := left[1]
		if a.TransA {
			k = left[0]
		}
		n := s.y.Last()
		out := make([]float64, s.y.Size())
		for e := range out {
			for p := 0; p < k; p++ {
				out[e] += get(0, left, a.TransA, e/n, p) * get(1, right, a.TransB, p, e%n)
			}
			if len(s.in) == 3 {
				out[e] += s.in[2][e%n]
			}
		}
		return [][]float64{out}
	},
	"attention":       attention,
	"attention_grad":  derivative(attention, 0, func(s sample) graph.Shape { x := s.Shapes[0]; return graph.Shape{x[0], x[1], x[2] / 3} }),
	"attention_probs": attentionProbs,
}

// numerical marks the closed forms that are numerical derivatives.
var numerical = map[string]bool{
	"gelu_grad": true, "l2_normalize_grad": true, "row_mse_grad": true, "soft_cross_entropy_grad": true,
	"pair_distance_grad": true, "gauss_kernel_grad": true, "attention_grad": true,
}

func TestClosedForms(t *testing.T) {
	for _, o := range graph.Ops() {
		if closed[o.Name] == nil && !o.View {
			t.Errorf("%s has no closed form", o.Name)
		}
	}
	eachCase(t, false, func(t *testing.T, o *graph.Op, c graph.Case) {
		in := drawn(c, rand.New(rand.NewPCG(3, 9)))
		_, y, err := applied(o, c.Attrs, c.Shapes)
		if err != nil {
			t.Fatal(err)
		}
		if closed[o.Name] == nil {
			t.Skip("no closed form")
		}
		got := reference(t, o, c, in, serial)
		want := closed[o.Name](sample{Case: c, in: in, y: y.Shape})
		if len(got) != len(want) {
			t.Fatalf("%d results, expected %d", len(got), len(want))
		}
		limit := 1e-10
		if numerical[o.Name] {
			limit = 2e-6
		}
		for i := range want {
			near(t, "result", got[i], want[i], limit)
		}
	})
}

// Figures worked out by hand, so that closed form and reference cannot err alike in the conventions.
func TestFiguresByHand(t *testing.T) {
	for _, c := range []struct {
		op     string
		attrs  any
		shapes []graph.Shape
		in     [][]float64
		want   []float64
	}{
		{"softmax", nil, []graph.Shape{{2}}, [][]float64{{0, math.Log(3)}}, []float64{0.25, 0.75}},
		{"layernorm", op.LayerNormAttrs{}, []graph.Shape{{2}, {2}, {2}}, [][]float64{{1, 3}, {10, 10}, {0, 5}}, []float64{-10, 15}},
		{"normalize_patches", nil, []graph.Shape{{3}}, [][]float64{{-1000, 0, 1000}}, []float64{-1, 0, 1}},
		{"soft_cross_entropy", op.TemperatureAttrs{Temperature: 0.5}, []graph.Shape{{1, 2}, {2, 2}},
			[][]float64{{1, 0}, {0, 0, 0, math.Log(3) / 2}}, []float64{math.Log(2), math.Log(4)}},
		{"pair_distance", nil, []graph.Shape{{1, 2}, {2, 2}}, [][]float64{{0, 0}, {3, 4, 0, 0}}, []float64{25, 1e-30}},
		{"gauss_kernel", nil, []graph.Shape{{1}}, [][]float64{{0}}, []float64{7}},
		{"match_norm", nil, []graph.Shape{{2}, {2}}, [][]float64{{3, 4}, {0, 10}}, []float64{6, 8}},
		{"gelu", nil, []graph.Shape{{2}}, [][]float64{{0, 1}}, []float64{0, 0.841344746068543}},
		{"clip_factor", op.ClipAttrs{Max: 3}, []graph.Shape{{1}}, [][]float64{{6 - 1e-6}}, []float64{0.5}},
		{"adamw", op.AdamWAttrs{Beta1: 0.9, Beta2: 0.99, Decay: true}, []graph.Shape{{1}, {1}, {1}, {1}, {1}, {5}},
			[][]float64{{2}, {0}, {0}, {5}, {1}, {0.1, 0.5, 0.1, 0.1, 1}}, []float64{2 - 0.1*0.5*2 - 0.1}},
		{"ema", nil, []graph.Shape{{1}, {1}, {1}}, [][]float64{{1}, {2}, {0.75}}, []float64{1.25}},
		{"gather", nil, []graph.Shape{{1, 2, 1}, {1, 3}, {1, 2}}, [][]float64{{5, 6}, {1, -1, 0}, {2, 0}}, []float64{6, 0, 5}},
		{"permute", []int{1, 0}, []graph.Shape{{2, 3}}, [][]float64{{1, 2, 3, 4, 5, 6}}, []float64{1, 4, 2, 5, 3, 6}},
		{"matmul", op.MatMulAttrs{TransB: true}, []graph.Shape{{1, 2}, {2, 2}, {2}}, [][]float64{{1, 2}, {3, 4, 5, 6}, {0, 100}}, []float64{11, 117}},
	} {
		o := lookup(t, c.op)
		got := reference(t, o, graph.Case{Attrs: c.attrs, Shapes: c.shapes}, c.in, serial)[0]
		near(t, c.op, got, c.want, 1e-9)
	}
}
