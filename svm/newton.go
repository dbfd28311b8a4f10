package svm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
)

const (
	// tolerance ends the work: w is then within this share of √(2f), which is at least |w|, from the optimum.
	tolerance = 1e-9
	// rounding is the share of its terms' sizes below which a gradient is rounding alone.
	rounding = 1e-13
	// maxSteps and maxInner bound Newton's steps and the conjugate gradients of each; about ten and a hundred are usual.
	maxSteps = 300
	maxInner = 3000
)

// ErrNotConverged means that the optimum was not reached, as for rows of huge and of tiny numbers together.
var ErrNotConverged = errors.New("the linear classifier has not converged: bring the features to similar scales")

// binary is one class against the rest: w of dim+1 numbers, the last the intercept, that of a feature that is always 1,
// minimises
//
//	f(w) = |w|²/2 + C Σ max(0, 1 - y·(w·x))²
//
// f is strongly convex with one piecewise quadratic term, so that Newton's method with an exact line search ends after
// finitely many steps (Keerthi and DeCoste, A Modified Finite Newton Method for Fast Solution of Large Scale Linear SVMs,
// JMLR 2005). Newton's direction is found by preconditioned conjugate gradients.
type binary struct {
	rows   [][]float64
	y      []float64 // 1 or -1
	c      float64
	dim    int
	slack  []float64 // 1 - y·(w·x)
	active []int     // rows with positive slack
}

// dot is w·(x,1).
func dot(w, x []float64) float64 { return floats.Dot(w[:len(x)], x) + w[len(x)] }

// addTo adds a·(x,1) to g.
func addTo(g []float64, a float64, x []float64) {
	floats.AddScaled(g[:len(x)], a, x)
	g[len(x)] += a
}

// look updates the slacks and the active rows for w, and gives the gradient.
func (b *binary) look(w, grad []float64) {
	b.active = b.active[:0]
	copy(grad, w)
	for i, x := range b.rows {
		s := 1 - b.y[i]*dot(w, x)
		b.slack[i] = s
		if s > 0 {
			b.active = append(b.active, i)
			addTo(grad, -2*b.c*s*b.y[i], x)
		}
	}
}

// hessian is (I + 2C Σ x·xᵀ over active rows)·v.
func (b *binary) hessian(v, out []float64) {
	copy(out, v)
	for _, i := range b.active {
		addTo(out, 2*b.c*dot(v, b.rows[i]), b.rows[i])
	}
}

// diagonal is that of the Hessian.
func (b *binary) diagonal(out []float64) {
	for k := range out {
		out[k] = 1
	}
	for _, i := range b.active {
		for k, v := range b.rows[i] {
			out[k] += 2 * b.c * v * v
		}
		out[b.dim] += 2 * b.c
	}
}

// direction solves H·d = -grad to the given share of the gradient's norm.
func (b *binary) direction(grad, d []float64, share float64) {
	n := len(grad)
	r, z, p, hp, diag := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	b.diagonal(diag)
	clear(d)
	for i, g := range grad {
		r[i] = -g
	}
	floats.DivTo(z, r, diag)
	copy(p, z)
	rz, end := floats.Dot(r, z), share*floats.Norm(grad, 2)
	for range maxInner {
		if floats.Norm(r, 2) <= end {
			return
		}
		b.hessian(p, hp)
		a := rz / floats.Dot(p, hp)
		floats.AddScaled(d, a, p)
		floats.AddScaled(r, -a, hp)
		floats.DivTo(z, r, diag)
		next := floats.Dot(r, z)
		floats.AddScaledTo(p, z, next/rz, p)
		rz = next
	}
}

// search gives the t that minimises f(w + t·d), exactly: along d the derivative is piecewise linear and rises; its pieces end
// where a row's slack changes sign. move[i] is how much t = 1 takes from slack i.
func (b *binary) search(w, d, move []float64) float64 {
	// The derivative at t is at(t) = constant + slope·t for the rows active there.
	constant, slope := floats.Dot(w, d), floats.Dot(d, d)
	type end struct {
		t    float64
		i    int
		join bool // the row becomes active there
	}
	var ends []end
	for i, s := range b.slack {
		m := move[i]
		if s > 0 {
			constant -= 2 * b.c * s * m
			slope += 2 * b.c * m * m
		}
		if s > 0 && m > 0 {
			ends = append(ends, end{s / m, i, false})
		} else if s <= 0 && m < 0 {
			ends = append(ends, end{s / m, i, true})
		}
	}
	slices.SortFunc(ends, func(a, b end) int {
		if a.t != b.t {
			if a.t < b.t {
				return -1
			}
			return 1
		}
		return a.i - b.i
	})
	for _, e := range ends {
		if constant+slope*e.t >= 0 {
			break
		}
		s, m := b.slack[e.i], move[e.i]
		sign := -1.0
		if e.join {
			sign = 1
		}
		constant -= sign * 2 * b.c * s * m
		slope += sign * 2 * b.c * m * m
	}
	return -constant / slope
}

// fit moves w, from where it is, to the minimum. f is at least as convex as |w|²/2: the distance to the optimum is at most the
// gradient's norm.
func (b *binary) fit(ctx context.Context, w []float64) error {
	n := len(w)
	grad, d, move := make([]float64, n), make([]float64, n), make([]float64, len(b.rows))
	norms := make([]float64, len(b.rows))
	for i, x := range b.rows {
		norms[i] = math.Sqrt(floats.Dot(x, x) + 1)
	}
	for range maxSteps {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.look(w, grad)
		size, f, terms := floats.Norm(grad, 2), floats.Dot(w, w)/2, floats.Norm(w, 2)
		for _, i := range b.active {
			f += b.c * b.slack[i] * b.slack[i]
			terms += 2 * b.c * b.slack[i] * norms[i]
		}
		if !finite(size) || !finite(f) {
			return fmt.Errorf("%w: the loss is %g", ErrNotConverged, f)
		}
		if size <= max(tolerance*math.Sqrt(2*f), rounding*terms) {
			return nil
		}
		b.direction(grad, d, min(0.01, 0.1*math.Sqrt(size/terms)))
		for i, x := range b.rows {
			move[i] = b.y[i] * dot(d, x)
		}
		floats.AddScaled(w, b.search(w, d, move), d)
	}
	return ErrNotConverged
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
