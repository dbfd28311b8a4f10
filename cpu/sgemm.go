package cpu

/*
#cgo CFLAGS: -O3
#cgo LDFLAGS: -lm
#include "simd.h"
*/
import "C"

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"
)

// simd is gonum's BLAS with its single-precision matrix product replaced by one that uses the processor's widest vectors.
type simd struct {
	gonum.Implementation
	level C.int
}

func init() { blas32.Use(simd{level: level}) }

// shareFrom is the number of multiplications from which a product is shared out over the cores.
const shareFrom = 1 << 19

// Sgemm implements blas.Float32Level3: C = alpha·op(A)·op(B) + beta·C, row-major, op(A) m x k, op(B) k x n.
func (s simd) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m <= 0 || n <= 0 || k <= 0 {
		s.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	product32{tA: tA != blas.NoTrans, tB: tB != blas.NoTrans, m: m, n: n, k: k, alpha: alpha, a: a, lda: lda, b: b, ldb: ldb, beta: beta, c: c, ldc: ldc}.run(s.level, Par)
}

// product32 is C = alpha·op(A)·op(B) + beta·C, row-major, op(A) m x k, op(B) k x n, plus a bias [n] and a matrix like C where
// they are not nil.
type product32 struct {
	tA, tB      bool
	m, n, k     int
	alpha, beta float32
	a, b, c     []float32
	lda, ldb    int
	ldc         int
	bias, add   []float32
}

// run computes it, shared out by par where it is large.
func (p product32) run(level C.int, par func(n, grain int, f func(lo, hi int))) {
	m, n, k, ldc := p.m, p.n, p.k, p.ldc
	arow, acol, brow, bcol := p.lda, 1, p.ldb, 1
	if p.tA {
		arow, acol = 1, p.lda
	}
	if p.tB {
		brow, bcol = 1, p.ldb
	}
	// The C code checks nothing: the last elements must be there.
	_ = p.a[(m-1)*arow+(k-1)*acol]
	_ = p.b[(k-1)*brow+(n-1)*bcol]
	_ = p.c[(m-1)*ldc+n-1]
	if p.bias != nil {
		_ = p.bias[n-1]
	}
	if p.add != nil {
		_ = p.add[(m-1)*ldc+n-1]
	}
	at := func(x []float32, i int) *C.float {
		if x == nil {
			return nil
		}
		return (*C.float)(&x[i])
	}
	block := func(i0, i1, j0, j1 int) {
		C.xkd_sgemm(level, C.int(i1-i0), C.int(j1-j0), C.int(k), C.float(p.alpha),
			at(p.a, i0*arow), C.long(arow), C.long(acol),
			at(p.b, j0*bcol), C.long(brow), C.long(bcol),
			C.float(p.beta), at(p.bias, j0), at(p.add, i0*ldc+j0), C.long(ldc),
			at(p.c, i0*ldc+j0), C.long(ldc))
	}
	switch {
	case par == nil || m*n*k < shareFrom:
		block(0, m, 0, n)
	case m >= n:
		const rows = 12
		par((m+rows-1)/rows, 1, func(lo, hi int) { block(lo*rows, min(hi*rows, m), 0, n) })
	default:
		const cols = 32
		par((n+cols-1)/cols, 1, func(lo, hi int) { block(0, m, lo*cols, min(hi*cols, n)) })
	}
}
