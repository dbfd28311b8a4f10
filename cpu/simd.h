// xkd_simd_level is the widest instruction set of this processor: 0 baseline, 1 AVX2 with FMA, 2 AVX-512. The functions below
// take a level up to that.
int xkd_simd_level(void);

// xkd_sgemm is C[m,n] = alpha·A·B + beta·C + bias [n] + add [m,n], of which the last two may be null; element (i,k) of A stands at i·arow + k·acol, (k,j) of B at k·brow + j·bcol,
// (i,j) of C at i·ldc + j, of add at i·ldadd + j. A beta of 0 ignores what C holds.
void xkd_sgemm(int level, int m, int n, int k, float alpha, const float *a, long arow, long acol,
               const float *b, long brow, long bcol, float beta, const float *bias, const float *add, long ldadd, float *c, long ldc);

// xkd_softmax replaces each row of x [rows,cols] by its softmax, and writes log Σ exp(row) to lse [rows] unless it is null.
void xkd_softmax(int level, float *x, int rows, int cols, float *lse);

// xkd_gelu is y = x·Φ(x); xkd_gelu_grad is dx = dy·(Φ(x) + x·φ(x)).
void xkd_gelu(int level, const float *x, float *y, int n);
void xkd_gelu_grad(int level, const float *x, const float *dy, float *dx, int n);

// xkd_softmax_grad replaces each row of d [rows,cols] by p (d - Σ p d).
void xkd_softmax_grad(int level, const float *p, float *d, int rows, int cols);

// xkd_layernorm is y = (x - mean) scale gain + bias for each row of x [rows,w], with mean and scale = 1/√(variance + eps) in
// stats [rows,2]; gain and bias may be null. xkd_layernorm_grad is its gradient by x.
void xkd_layernorm(int level, const float *x, const float *gain, const float *bias, float *y, float *stats, int rows, int w, float eps);
void xkd_layernorm_grad(int level, const float *x, const float *stats, const float *dy, const float *gain, float *dx, int rows, int w);

// xkd_columns is y[j] = scale Σ x over rows that start stride floats apart, for j < n; with dy, which lies as x does, it adds
// dy (x - mean) scale by the statistics of each row.
void xkd_columns(int level, const float *x, const float *stats, const float *dy, long stride, int rows, int n, double scale, float *y);

// xkd_adamw updates n parameters and their moments. constants are the gradient's factor, β1, 1-β1, β2, 1-β2, 1 - lr·decay,
// lr/(1-β1^t), 1/√(1-β2^t) and eps.
void xkd_adamw(int level, float *p, float *m, float *v, const float *g, int n, const float *constants);

// xkd_mix is y = a y + b x, xkd_add y = a + b, xkd_away y = f (x - t), xkd_squares Σ (x - t)², where t may be null.
void xkd_mix(int level, float *y, const float *x, int n, float a, float b);
void xkd_add(int level, const float *a, const float *b, float *y, int n);
void xkd_away(int level, const float *x, const float *t, float f, float *y, int n);
double xkd_squares(int level, const float *x, const float *t, int n);
