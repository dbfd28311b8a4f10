package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// The product of every instruction set this processor has equals sums in float64, for ragged sizes, transposes, strides,
// scales, and sizes past every block.
func TestSgemm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for level := range level + 1 {
		for _, size := range [][3]int{{1, 1, 1}, {5, 7, 3}, {12, 32, 16}, {13, 33, 300}, {97, 515, 257}, {145, 145, 32}, {110, 530, 270}} {
			for _, form := range []string{"nn", "nt", "tn", "tt"} {
				m, n, k := size[0], size[1], size[2]
				tA, tB := form[0] == 't', form[1] == 't'
				t.Run(fmt.Sprintf("level %d, %s, %v", level, form, size), func(t *testing.T) {
					ar, ac, br, bc := m, k, k, n
					if tA {
						ar, ac = ac, ar
					}
					if tB {
						br, bc = bc, br
					}
					lda, ldb, ldc := ac+3, bc+1, n+2
					a, b, c := make([]float32, ar*lda), make([]float32, br*ldb), make([]float32, m*ldc)
					for _, x := range [][]float32{a, b, c} {
						for i := range x {
							x[i] = rng.Float32()*2 - 1
						}
					}
					sums := make([]float64, m*n)
					for i := range sums {
						for p := 0; p < k; p++ {
							at, bt := i/n*lda+p, p*ldb+i%n
							if tA {
								at = p*lda + i/n
							}
							if tB {
								bt = i%n*ldb + p
							}
							sums[i] += float64(a[at]) * float64(b[bt])
						}
					}
					for _, beta := range []float32{0, 1, 0.5} {
						got := append([]float32(nil), c...)
						simd{level: level}.Sgemm(trans(tA), trans(tB), m, n, k, 0.7, a, lda, b, ldb, beta, got, ldc)
						for i, v := range got {
							want := float64(c[i])
							if i%ldc < n {
								want = 0.7*sums[i/ldc*n+i%ldc] + float64(beta*c[i])
							}
							if math.Abs(want-float64(v)) > 1e-4 {
								t.Fatalf("beta %g: element %d,%d is %g, expected %g", beta, i/ldc, i%ldc, v, want)
							}
						}
					}
				})
			}
		}
	}
}

func BenchmarkSgemm(b *testing.B) {
	for _, s := range []struct {
		name    string
		m, n, k int
		tA, tB  blas.Transpose
	}{
		{"1024", 1024, 1024, 1024, blas.NoTrans, blas.NoTrans},
		{"linear", 2320, 384, 96, blas.NoTrans, blas.Trans},
		{"gradient", 384, 96, 2320, blas.Trans, blas.NoTrans},
		{"scores", 145, 145, 32, blas.NoTrans, blas.Trans},
	} {
		x, y, z := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n)
		for i := range x { // gonum skips zeros
			x[i] = 1
		}
		lda, ldb := s.k, s.n
		if s.tA == blas.Trans {
			lda = s.m
		}
		if s.tB == blas.Trans {
			ldb = s.k
		}
		for _, impl := range []struct {
			name string
			blas.Float32
		}{{"simd", simd{level: level}}, {"gonum", simd{}.Implementation}} {
			b.Run(s.name+"/"+impl.name, func(b *testing.B) {
				for b.Loop() {
					impl.Sgemm(s.tA, s.tB, s.m, s.n, s.k, 1, x, lda, y, ldb, 0, z, s.n)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
