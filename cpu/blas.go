package cpu

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"goxkd/graph"
	"goxkd/graph/op"
)

// vectors are the forms of operations that use the processor's vectors.
var vectors = map[string]graph.Ref[float32]{
	"gelu": gelu, "gelu_grad": geluGrad,
	"layernorm": layerNorm, "layernorm_grad": layerNormGrad, "layernorm_grad_gain": layerNormGradGain,
	"sum_axis": sumAxis, "add": add, "row_mse": rowMSE, "row_mse_grad": rowMSEGrad,
	"adamw": adamW, "ema": ema, "bank_ema": bankEMA, "bank_norms": bankNorms,
}

// fast gives the form of an operation that uses a BLAS or the processor's vectors, or nil.
func fast[T graph.Float](name string) graph.Ref[T] {
	switch name {
	case "matmul":
		return matMul[T]
	case "attention":
		return attention[T]
	case "attention_grad":
		return attentionGrad[T]
	case "attention_probs":
		return attentionProbs[T]
	}
	if f, ok := vectors[name]; ok {
		ref, _ := any(f).(graph.Ref[T]) // nil for float64
		return ref
	}
	return nil
}

// matrix is a dense row-major matrix whose rows start stride elements apart.
type matrix[T graph.Float] struct {
	data               []T
	rows, cols, stride int
}

func dense[T graph.Float](data []T, rows, cols int) matrix[T] {
	return matrix[T]{data, rows, cols, cols}
}

func trans(t bool) blas.Transpose {
	if t {
		return blas.Trans
	}
	return blas.NoTrans
}

// gemm is c = alpha·op(a)·op(b) + beta·c, on one core: heads are shared out, not their products.
func gemm[T graph.Float](tA, tB bool, alpha T, a, b matrix[T], beta T, c matrix[T]) {
	switch any(alpha).(type) {
	case float32:
		product(tA, tB, float32(alpha), any(a).(matrix[float32]), any(b).(matrix[float32]), float32(beta), any(c).(matrix[float32])).run(level, nil)
	case float64:
		blas64.Gemm(trans(tA), trans(tB), float64(alpha), general64(a), general64(b), float64(beta), general64(c))
	}
}

func product(tA, tB bool, alpha float32, a, b matrix[float32], beta float32, c matrix[float32]) product32 {
	k := a.cols
	if tA {
		k = a.rows
	}
	return product32{tA: tA, tB: tB, m: c.rows, n: c.cols, k: k, alpha: alpha, a: a.data, lda: a.stride, b: b.data, ldb: b.stride, beta: beta, c: c.data, ldc: c.stride}
}

func general64[T graph.Float](m matrix[T]) blas64.General {
	return blas64.General{Rows: m.rows, Cols: m.cols, Stride: m.stride, Data: any(m.data).([]float64)}
}

func matMul[T graph.Float](c *graph.Call[T]) {
	t := c.Node.Attrs.(op.MatMulAttrs)
	m, n, k := op.MatMulSize(c.Node)
	a, b := dense(c.In[0], m, k), dense(c.In[1], k, n)
	if t.TransA {
		a = dense(c.In[0], k, m)
	}
	if t.TransB {
		b = dense(c.In[1], n, k)
	}
	out := dense(c.Out, m, n)
	if c32, ok := any(c).(*graph.Call[float32]); ok {
		p := product(t.TransA, t.TransB, 1, any(a).(matrix[float32]), any(b).(matrix[float32]), 0, any(out).(matrix[float32]))
		if len(c.In) > 2 {
			p.bias = c32.In[2]
		}
		if len(c.In) > 3 {
			p.add = c32.In[3]
		}
		p.run(level, c.Par)
		return
	}
	beta := T(0)
	if len(c.In) > 2 {
		beta = 1
		for i := 0; i < m; i++ {
			copy(c.Out[i*n:], c.In[2])
		}
	}
	gemm(t.TransA, t.TransB, 1, a, b, beta, out)
	if len(c.In) > 3 {
		for i, x := range c.In[3] {
			c.Out[i] += x
		}
	}
}

// head is one head of one sample: views of q, k and v in the joint projection.
type head[T graph.Float] struct{ q, k, v matrix[T] }

func headOf[T graph.Float](qkv []T, bh, tokens, heads, width int) head[T] {
	dim := heads * width
	x := qkv[bh/heads*tokens*3*dim : (bh/heads+1)*tokens*3*dim]
	part := func(i int) matrix[T] {
		return matrix[T]{x[i*dim+bh%heads*width:], tokens, width, 3 * dim}
	}
	return head[T]{part(0), part(1), part(2)}
}

// rowsOf is one head's part of a tensor [B,N,D] with heads side by side.
func rowsOf[T graph.Float](x []T, bh, tokens, heads, width int) matrix[T] {
	dim := heads * width
	b, h := bh/heads, bh%heads
	return matrix[T]{x[b*tokens*dim+h*width : (b+1)*tokens*dim], tokens, width, dim}
}

// probs writes softmax(q kᵀ/√width) of the first queries to p, a row to each, and the logarithms of the rows' sums of exponentials to lse unless it is nil.
func (h head[T]) probs(p matrix[T], lse []T) {
	q := h.q
	q.rows = p.rows
	gemm(false, true, T(1/math.Sqrt(float64(q.cols))), q, h.k, 0, p)
	softmaxRows(p.data, p.cols, lse)
}

// squares lends buffers for the N x N matrices of a head.
var squares sync.Pool

func borrow[T graph.Float](n int) *[]T {
	if b, ok := squares.Get().(*[]T); ok && cap(*b) >= n {
		*b = (*b)[:n]
		return b
	}
	b := make([]T, n)
	return &b
}

func attention[T graph.Float](c *graph.Call[T]) { op.BySequences(c, attentionOne[T]) }

func attentionOne[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := op.AttentionSize(c.Node)
	c.Par(batch*heads, 1, func(lo, hi int) {
		buf := borrow[T](tokens * tokens)
		defer squares.Put(buf)
		p := dense(*buf, tokens, tokens)
		for bh := lo; bh < hi; bh++ {
			h := headOf(c.In[0], bh, tokens, heads, width)
			h.probs(p, c.Outs[1][bh*tokens:(bh+1)*tokens])
			gemm(false, false, 1, p, h.v, 0, rowsOf(c.Out, bh, tokens, heads, width))
		}
	})
}

func attentionProbs[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := op.AttentionSize(c.Node)
	queries := c.Node.Attrs.(op.ProbsAttrs).Queries
	c.Par(batch*heads, 1, func(lo, hi int) {
		for bh := lo; bh < hi; bh++ {
			p := dense(c.Out[bh*queries*tokens:(bh+1)*queries*tokens], queries, tokens)
			headOf(c.In[0], bh, tokens, heads, width).probs(p, nil)
		}
	})
}

func attentionGrad[T graph.Float](c *graph.Call[T]) { op.BySequences(c, attentionGradOne[T]) }

func attentionGradOne[T graph.Float](c *graph.Call[T]) {
	batch, tokens, heads, width := op.AttentionSize(c.Node)
	scale := T(1 / math.Sqrt(float64(width)))
	c.Par(batch*heads, 1, func(lo, hi int) {
		buf := borrow[T](2 * tokens * tokens)
		defer squares.Put(buf)
		p, ds := dense((*buf)[:tokens*tokens], tokens, tokens), dense((*buf)[tokens*tokens:], tokens, tokens)
		for bh := lo; bh < hi; bh++ {
			h, d := headOf(c.In[0], bh, tokens, heads, width), headOf(c.Out, bh, tokens, heads, width)
			do := rowsOf(c.In[3], bh, tokens, heads, width)
			h.probs(p, nil)
			gemm(true, false, 1, p, do, 0, d.v)
			gemm(false, true, 1, do, h.v, 0, ds)
			softmaxGradRows(p.data, ds.data, tokens)
			gemm(false, false, scale, ds, h.k, 0, d.q)
			gemm(true, false, scale, ds, h.q, 0, d.k)
		}
	})
}
