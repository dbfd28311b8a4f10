// xkd_simd_level is the widest instruction set of this processor: 0 baseline, 1 AVX2 with FMA, 2 AVX-512. The functions below
// take a level up to that.
int xkd_simd_level(void);

// xkd_sgemm is C[m,n] = alpha·A·B + beta·C; element (i,k) of A stands at i·arow + k·acol, (k,j) of B at k·brow + j·bcol,
// (i,j) of C at i·ldc + j. A beta of 0 ignores what C holds.
void xkd_sgemm(int level, int m, int n, int k, float alpha, const float *a, long arow, long acol,
               const float *b, long brow, long bcol, float beta, float *c, long ldc);

// xkd_softmax replaces each row of x [rows,cols] by its softmax, and writes log Σ exp(row) to lse [rows] unless it is null.
void xkd_softmax(int level, float *x, int rows, int cols, float *lse);

// xkd_gelu is y = x·Φ(x); xkd_gelu_grad is dx = dy·(Φ(x) + x·φ(x)).
void xkd_gelu(int level, const float *x, float *y, int n);
void xkd_gelu_grad(int level, const float *x, const float *dy, float *dx, int n);
