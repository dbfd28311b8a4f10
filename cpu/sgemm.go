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
	arow, acol, brow, bcol := lda, 1, ldb, 1
	if tA != blas.NoTrans {
		arow, acol = 1, lda
	}
	if tB != blas.NoTrans {
		brow, bcol = 1, ldb
	}
	// The C code checks nothing: the last elements must be there.
	_ = a[(m-1)*arow+(k-1)*acol]
	_ = b[(k-1)*brow+(n-1)*bcol]
	_ = c[(m-1)*ldc+n-1]
	block := func(i0, i1, j0, j1 int) {
		C.xkd_sgemm(s.level, C.int(i1-i0), C.int(j1-j0), C.int(k), C.float(alpha),
			(*C.float)(&a[i0*arow]), C.long(arow), C.long(acol),
			(*C.float)(&b[j0*bcol]), C.long(brow), C.long(bcol),
			C.float(beta), (*C.float)(&c[i0*ldc+j0]), C.long(ldc))
	}
	switch {
	case m*n*k < shareFrom:
		block(0, m, 0, n)
	case m >= n:
		const rows = 12
		Par((m+rows-1)/rows, 1, func(lo, hi int) { block(lo*rows, min(hi*rows, m), 0, n) })
	default:
		const cols = 32
		Par((n+cols-1)/cols, 1, func(lo, hi int) { block(0, m, lo*cols, min(hi*cols, n)) })
	}
}
