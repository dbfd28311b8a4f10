package op

import (
	"fmt"
	"math"
	"slices"

	"goxkd/graph"
)

var layerNormOp, layerNormGradOp, layerNormGradAffineOp *graph.Op

// LayerNormAttrs holds the constant added to the variance.
type LayerNormAttrs struct{ Eps float64 }

// LayerNormGradAttrs tell which inputs there are after x, the statistics and dy: gain, and what the result is added to.
type LayerNormGradAttrs struct{ Affine, Onto bool }

// LayerNorm normalises the innermost rows of x [..., C] to mean 0 and variance 1 (biased), then applies gain and bias [C];
// both may be nil (Ba, Kiros and Hinton, 2016).
func LayerNorm(g *graph.Graph, x, gain, bias *graph.Node, eps float64) *graph.Node {
	if gain == nil {
		return g.Apply(layerNormOp, LayerNormAttrs{eps}, x)
	}
	return g.Apply(layerNormOp, LayerNormAttrs{eps}, x, gain, bias)
}

// moments gives the mean of a row and 1/√(variance + eps).
func moments[T graph.Float](row []T, eps float64) (mean, scale float64) {
	for _, v := range row {
		mean += float64(v)
	}
	mean /= float64(len(row))
	var variance float64
	for _, v := range row {
		d := float64(v) - mean
		variance += d * d
	}
	return mean, 1 / math.Sqrt(variance/float64(len(row))+eps)
}

func layerNormRef[T graph.Float](c *graph.Call[T]) {
	w, eps := c.Node.Shape.Last(), c.Node.Attrs.(LayerNormAttrs).Eps
	x, y := c.In[0], c.Out
	c.Par(len(x)/w, rowGrain(4*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, out := x[r*w:(r+1)*w], y[r*w:(r+1)*w]
			mean, scale := moments(row, eps)
			c.Outs[1][2*r], c.Outs[1][2*r+1] = T(mean), T(scale)
			if len(c.In) == 1 {
				for i, v := range row {
					out[i] = T((float64(v) - mean) * scale)
				}
				continue
			}
			gain, bias := c.In[1][:w], c.In[2][:w]
			for i, v := range row {
				out[i] = T((float64(v)-mean)*scale*float64(gain[i]) + float64(bias[i]))
			}
		}
	})
}

// layerNormGradRef: with h = (x-mean)·scale and d = dy·gain, dx = scale · (d - mean(d) - h·mean(d·h)).
func layerNormGradRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	x, stats, dy := c.In[0], c.In[1], c.In[2]
	a := c.Node.Attrs.(LayerNormGradAttrs)
	var gain, onto []T
	if a.Affine {
		gain = c.In[3]
	}
	if a.Onto {
		onto = c.In[len(c.In)-1]
	}
	c.Par(len(x)/w, rowGrain(4*w), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row, d, dx := x[r*w:(r+1)*w], dy[r*w:(r+1)*w], c.Out[r*w:(r+1)*w]
			mean, scale := float64(stats[2*r]), float64(stats[2*r+1])
			var sum, sumH float64
			for i := range row {
				v := float64(d[i])
				if gain != nil {
					v *= float64(gain[i])
				}
				sum += v
				sumH += v * (float64(row[i]) - mean) * scale
			}
			sum /= float64(w)
			sumH /= float64(w)
			for i := range row {
				v := float64(d[i])
				if gain != nil {
					v *= float64(gain[i])
				}
				dx[i] = T(scale * (v - sum - (float64(row[i])-mean)*scale*sumH))
			}
			if onto != nil {
				for i, v := range onto[r*w : (r+1)*w] {
					dx[i] += v
				}
			}
		}
	})
}

func layerNormGradAffineRef[T graph.Float](c *graph.Call[T]) {
	w := c.Node.Shape.Last()
	x, stats, dy := c.In[0], c.In[1], c.In[2]
	rows := len(x) / w
	c.Par(w, max(1, grain/rows), func(lo, hi int) {
		gain, bias := make([]float64, hi-lo), make([]float64, hi-lo)
		for r := 0; r < rows; r++ {
			mean, scale := float64(stats[2*r]), float64(stats[2*r+1])
			for i := lo; i < hi; i++ {
				d := float64(dy[r*w+i])
				gain[i-lo] += d * (float64(x[r*w+i]) - mean) * scale
				bias[i-lo] += d
			}
		}
		for i := range gain {
			c.Outs[0][lo+i], c.Outs[1][lo+i] = T(gain[i]), T(bias[i])
		}
	})
}

func statsShape(x graph.Shape) graph.Shape { return append(rowsShape(x).Clone(), 2) }

// layerNormParams is struct Params of layernorm.wgsl.
type layerNormParams struct {
	Rows, Width, Chunks uint32
	Eps                 float32
}

func layerNormLaunch(n *graph.Node, t graph.Target) graph.Launch {
	x := n.Shape
	p := layerNormParams{Rows: uint32(x.Rows()), Width: uint32(x.Last()), Eps: float32(n.Attrs.(LayerNormAttrs).Eps)}
	gain, bias := 0, 0
	if len(n.Inputs) == 3 {
		gain, bias = 1, 2
	}
	return launch(affine(gain > 0, overRows(n, t, "layernorm", "layernorm", x.Rows(), x.Last(), 3, p,
		bindIn("x", 0), bindIn("gain", gain), bindIn("bias", bias), bindOut(), bind("found", graph.Result(1)))))
}

func layerNormGradLaunch(n *graph.Node, t graph.Target) graph.Launch {
	x := n.Shape
	p := layerNormParams{Rows: uint32(x.Rows()), Width: uint32(x.Last())}
	a := n.Attrs.(LayerNormGradAttrs)
	gain, onto := bind("gain", graph.In(0)), bind("onto", graph.In(0))
	gain.Elements, onto.Elements = -1, -1
	if a.Affine {
		gain = bindIn("gain", 3)
	}
	if a.Onto {
		onto = bindIn("onto", len(n.Inputs)-1)
	}
	d := affine(a.Affine, overRows(n, t, "layernorm", "layernorm_grad", x.Rows(), x.Last(), 2, p,
		bindIn("x", 0), bindIn("stats", 1), bindIn("dy", 2), gain, onto, bindOut()))
	d.Consts = append(d.Consts, graph.Const{Name: "ONTO", Value: fmt.Sprint(a.Onto)})
	return launch(d)
}

// affine tells the kernel whether there are gain and bias; where there are none, the variables are bound but not read.
func affine(yes bool, d graph.Dispatch) graph.Dispatch {
	d.Consts = append(d.Consts, graph.Const{Name: "AFFINE", Value: fmt.Sprint(yes)})
	return d
}

// layerNormGradAffineLaunch sums chunks of rows, then the chunks.
func layerNormGradAffineLaunch(n *graph.Node, t graph.Target) graph.Launch {
	rows, w := n.Inputs[0].Shape.Rows(), n.Inputs[0].Shape.Last()
	// Chunks of 64 rows at least, since each has four loads.
	c := chunks(t, rows, w, 64)
	p := layerNormParams{Rows: uint32(rows), Width: uint32(w), Chunks: uint32(c)}
	binds := []graph.Bind{bindIn("x", 0), bindIn("stats", 1), bindIn("dy", 2)}
	gain, bias := bind("y", graph.Out()), bind("more", graph.Result(1))
	if c == 1 {
		return launch(overColumns(t, "layernorm", "layernorm_grad_affine", 1, 1, rows, w, p, append(binds, gain, bias)...))
	}
	gains, biases := graph.Scratch(0), graph.Scratch(1)
	first := overColumns(t, "layernorm", "layernorm_grad_affine", 1, c, rows, w, p, append(binds, bind("y", gains), bind("more", biases))...)
	p.Rows, p.Chunks = uint32(c), 1
	return graph.Launch{
		Dispatches: []graph.Dispatch{first, overColumns(t, "layernorm", "sum_pairs", 1, 1, c, w, p, bind("x", gains), bind("dy", biases), gain, bias)},
		Scratch:    []int{c * w, c * w},
	}
}

// layerNormClosed by the mean of squares.
func layerNormClosed(s graph.Sample) [][]float64 {
	w, eps := s.Shapes[0].Last(), s.Attrs.(LayerNormAttrs).Eps
	y := s.Fill(func(c []int) float64 {
		lo := graph.Index(s.Shapes[0], c) / w * w
		mean, variance := average(s.In[0][lo : lo+w])
		v := (s.At(0, c...) - mean) / math.Sqrt(variance+eps)
		if len(s.In) == 3 {
			k := c[len(c)-1]
			v = v*s.In[1][k] + s.In[2][k]
		}
		return v
	})
	s.In = s.In[:1] // the others have no rows
	return append(y, s.Rows(func(x, _ []float64) []float64 {
		mean, variance := average(x)
		return []float64{mean, math.Pow(variance+eps, -0.5)}
	})...)
}

func init() {
	eps := LayerNormAttrs{1e-5}
	layerNormOp = graph.Register(graph.Op{
		Name: "layernorm", Formula: "y = (x - mean) / √(var + eps) · gain + bias, and mean and 1/√(var + eps) of each row",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 1, 3)
			x := n.Inputs[0].Shape
			for i := 1; i < len(n.Inputs); i++ {
				wantShape(n, i, graph.Shape{x.Last()})
			}
			return x
		},
		More:  func(n *graph.Node) []graph.Shape { return []graph.Shape{statsShape(n.Inputs[0].Shape)} },
		Ref32: layerNormRef[float32], Ref64: layerNormRef[float64],
		Grad: func(g *graph.Graph, n, dy *graph.Node) []*graph.Node {
			x, stats := n.Inputs[0], n.Results[1]
			if len(n.Inputs) == 1 {
				return []*graph.Node{g.Apply(layerNormGradOp, LayerNormGradAttrs{}, x, stats, dy)}
			}
			var dx *graph.Node
			if x.NeedsGrad {
				dx = g.Apply(layerNormGradOp, LayerNormGradAttrs{Affine: true}, x, stats, dy, n.Inputs[1])
			}
			affine := g.Apply(layerNormGradAffineOp, nil, x, stats, dy)
			return []*graph.Node{dx, affine, affine.Results[1]}
		},
		Launch: layerNormLaunch, Variants: rowsOf(0, 3),
		Cases: []graph.Case{
			{Name: "affine", Shapes: []graph.Shape{{3, 5, 7}, {7}, {7}}, Attrs: eps, Range: [2]float64{-2, 2}},
			{Name: "plain", Shapes: []graph.Shape{{4, 40}}, Attrs: eps, Range: [2]float64{-2, 2}},
			{Name: "offset", Shapes: []graph.Shape{{3, 16}, {16}, {16}}, Attrs: eps, Range: [2]float64{9, 11}},
			{Name: "large", Shapes: []graph.Shape{{2320, 96}, {96}, {96}}, Attrs: eps, Large: true},
			{Name: "wide", Shapes: []graph.Shape{{3, 8192}}, Attrs: eps, Large: true},
		},
		Closed: layerNormClosed,
	})
	layerNormGradOp = graph.Register(graph.Op{
		Name: "layernorm_grad", Formula: "dx = scale · (d - mean(d) - h · mean(d·h)) + onto, d = dy·gain, h = (x-mean)·scale",
		Shape: func(n *graph.Node) graph.Shape {
			a := n.Attrs.(LayerNormGradAttrs)
			want := 3
			for _, more := range []bool{a.Affine, a.Onto} {
				if more {
					want++
				}
			}
			wants(n, want)
			x := n.Inputs[0].Shape
			wantShape(n, 1, statsShape(x))
			wantShape(n, 2, x)
			if a.Affine {
				wantShape(n, 3, graph.Shape{x.Last()})
			}
			if a.Onto {
				wantShape(n, len(n.Inputs)-1, x)
			}
			return x
		},
		Onto: func(g *graph.Graph, n, x *graph.Node) *graph.Node {
			a := n.Attrs.(LayerNormGradAttrs)
			if a.Onto {
				return nil
			}
			a.Onto = true
			return g.Apply(layerNormGradOp, a, append(slices.Clone(n.Inputs), x)...)
		},
		Ref32: layerNormGradRef[float32], Ref64: layerNormGradRef[float64],
		NoGrad: secondDerivative,
		Launch: layerNormGradLaunch, Variants: rowsOf(0, 2),
		Cases: []graph.Case{
			{Name: "affine", Shapes: []graph.Shape{{3, 5, 7}, {3, 5, 2}, {3, 5, 7}, {7}}, Attrs: LayerNormGradAttrs{Affine: true}},
			{Name: "plain", Shapes: []graph.Shape{{4, 40}, {4, 2}, {4, 40}}, Attrs: LayerNormGradAttrs{}},
			{Name: "affine onto", Shapes: []graph.Shape{{3, 9}, {3, 2}, {3, 9}, {9}, {3, 9}}, Attrs: LayerNormGradAttrs{true, true}},
			{Name: "plain onto", Shapes: []graph.Shape{{3, 70}, {3, 2}, {3, 70}, {3, 70}}, Attrs: LayerNormGradAttrs{Onto: true}},
			{Name: "large", Shapes: []graph.Shape{{2320, 96}, {2320, 2}, {2320, 96}, {96}}, Attrs: LayerNormGradAttrs{Affine: true}, Large: true},
			{Name: "large onto", Shapes: []graph.Shape{{2320, 96}, {2320, 2}, {2320, 96}, {96}, {2320, 96}}, Attrs: LayerNormGradAttrs{true, true}, Large: true},
		},
		// The Jacobian of (x - mean)·scale at given mean and scale: scale (δ - 1/C - hᵢ hₖ/C).
		Closed: func(s graph.Sample) [][]float64 {
			w, a := s.Shapes[0].Last(), s.Attrs.(LayerNormGradAttrs)
			var out []float64
			for r := 0; r < s.Shapes[0].Rows(); r++ {
				mean, scale := s.In[1][2*r], s.In[1][2*r+1]
				d := make([]float64, w)
				for i := range d {
					d[i] = s.In[2][r*w+i]
					if a.Affine {
						d[i] *= s.In[3][i]
					}
				}
				h := func(i int) float64 { return (s.In[0][r*w+i] - mean) * scale }
				out = append(out, jacobian(d, func(i, k int) float64 {
					return scale * (kronecker(i, k) - 1/float64(w) - h(i)*h(k)/float64(w))
				})...)
			}
			if a.Onto {
				for i, v := range s.In[len(s.In)-1] {
					out[i] += v
				}
			}
			return [][]float64{out}
		},
	})
	layerNormGradAffineOp = graph.Register(graph.Op{
		Name: "layernorm_grad_affine", Formula: "dgain = Σ over rows of dy · (x-mean) · scale, dbias = Σ over rows of dy",
		Shape: func(n *graph.Node) graph.Shape {
			wants(n, 3)
			x := n.Inputs[0].Shape
			wantShape(n, 1, statsShape(x))
			wantShape(n, 2, x)
			return graph.Shape{x.Last()}
		},
		More:  func(n *graph.Node) []graph.Shape { return []graph.Shape{{n.Inputs[0].Shape.Last()}} },
		Ref32: layerNormGradAffineRef[float32], Ref64: layerNormGradAffineRef[float64],
		NoGrad: secondDerivative,
		Launch: layerNormGradAffineLaunch, Variants: func(_ *graph.Node, t graph.Target) []string { return columnVariants(t) },
		Cases: []graph.Case{
			{Name: "small", Shapes: []graph.Shape{{3, 5, 7}, {3, 5, 2}, {3, 5, 7}}},
			{Name: "large", Shapes: []graph.Shape{{2320, 96}, {2320, 2}, {2320, 96}}, Large: true},
		},
		Closed: func(s graph.Sample) [][]float64 {
			out, bias := make([]float64, s.Y.Size()), make([]float64, s.Y.Size())
			for k, x := range s.In[0] {
				r := k / len(out)
				out[k%len(out)] += (x*s.In[1][2*r+1] - s.In[1][2*r]*s.In[1][2*r+1]) * s.In[2][k]
				bias[k%len(out)] += s.In[2][k]
			}
			return [][]float64{out, bias}
		},
	})
}
