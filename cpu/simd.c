#include <math.h>
#include <string.h>

#include "simd.h"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Blocks of the matrix product: KC sums at a time, MC rows of A and NC columns of B copied. MC is a multiple of MR, NC of
// every NR.
#define KC 256
#define MC 96
#define NC 512

// turn4 writes four columns of four rows as rows, width floats apart.
typedef float four __attribute__((vector_size(16), aligned(4)));

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLES
#endif
#endif

static inline void turn4(const float *a, const float *b, const float *c, const float *d, float *to, int width) {
#ifdef SHUFFLES
    four r0 = *(const four *)a, r1 = *(const four *)b, r2 = *(const four *)c, r3 = *(const four *)d;
    four ab0 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5), ab1 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    four cd0 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5), cd1 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    *(four *)to = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
    *(four *)(to + width) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
    *(four *)(to + 2 * width) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
    *(four *)(to + 3 * width) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
#else
    for (int p = 0; p < 4; p++, to += width) {
        to[0] = a[p];
        to[1] = b[p];
        to[2] = c[p];
        to[3] = d[p];
    }
#endif
}

#if defined(__x86_64__) || defined(__i386__)

#define NAME _avx512
#define TARGET __attribute__((target("avx512f,fma,prefer-vector-width=512")))
#define V 16
#define MR 12
#define SQRT(x) (FN(vec))_mm512_sqrt_ps((__m512)(x))
#include "sgemm_kernel.inc.h"
#include "rows_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V
#undef MR
#undef SQRT

#define NAME _avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V 8
#define MR 6
#define SQRT(x) (FN(vec))_mm256_sqrt_ps((__m256)(x))
#include "sgemm_kernel.inc.h"
#include "rows_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V
#undef MR
#undef SQRT

#endif

// The baseline of every processor: 128-bit vectors (SSE, NEON).
#define NAME _base
#define TARGET
#define V 4
#define MR 4
#if defined(__x86_64__) || defined(__SSE__)
#define SQRT(x) (FN(vec))_mm_sqrt_ps((__m128)(x))
#elif defined(__aarch64__)
#define SQRT(x) (FN(vec))vsqrtq_f32((float32x4_t)(x))
#else
#define SQRT(x) ((FN(vec)){sqrtf((x)[0]), sqrtf((x)[1]), sqrtf((x)[2]), sqrtf((x)[3])})
#endif
#include "sgemm_kernel.inc.h"
#include "rows_kernel.inc.h"

int xkd_simd_level(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

// CALL runs the form of a function that the level names.
#if defined(__x86_64__) || defined(__i386__)
#define CALL(f, ...)                                  \
    do {                                              \
        if (level == 2) f##_avx512(__VA_ARGS__);      \
        else if (level == 1) f##_avx2(__VA_ARGS__);   \
        else f##_base(__VA_ARGS__);                   \
    } while (0)
#else
#define CALL(f, ...)          \
    do {                      \
        (void)level;          \
        f##_base(__VA_ARGS__); \
    } while (0)
#endif

void xkd_sgemm(int level, int m, int n, int k, float alpha, const float *a, long arow, long acol,
               const float *b, long brow, long bcol, float beta, const float *bias, const float *add, long ldadd, float *c, long ldc) {
    CALL(sgemm, m, n, k, alpha, a, arow, acol, b, brow, bcol, beta, bias, add, ldadd, c, ldc);
}

void xkd_softmax(int level, float *x, int rows, int cols, float *lse) { CALL(softmax, x, rows, cols, lse); }

void xkd_gelu(int level, const float *x, float *y, int n) { CALL(gelu, x, y, n); }

void xkd_gelu_grad(int level, const float *x, const float *dy, float *dx, int n) { CALL(gelu_grad, x, dy, dx, n); }

void xkd_softmax_grad(int level, const float *p, float *d, int rows, int cols) { CALL(softmax_grad, p, d, rows, cols); }

void xkd_layernorm(int level, const float *x, const float *gain, const float *bias, float *y, float *stats, int rows, int w, float eps) {
    CALL(layernorm, x, gain, bias, y, stats, rows, w, eps);
}

void xkd_layernorm_grad(int level, const float *x, const float *stats, const float *dy, const float *gain, float *dx, int rows, int w) {
    CALL(layernorm_grad, x, stats, dy, gain, dx, rows, w);
}

void xkd_columns(int level, const float *x, const float *stats, const float *dy, long stride, int rows, int n, double scale, float *y) {
    CALL(columns, x, stats, dy, stride, rows, n, scale, y);
}

void xkd_adamw(int level, float *p, float *m, float *v, const float *g, int n, const float *constants) { CALL(adamw, p, m, v, g, n, constants); }

void xkd_mix(int level, float *y, const float *x, int n, float a, float b) { CALL(mix, y, x, n, a, b); }

void xkd_add(int level, const float *a, const float *b, float *y, int n) { CALL(sum2, a, b, y, n); }

void xkd_away(int level, const float *x, const float *t, float f, float *y, int n) { CALL(away, x, t, f, y, n); }

double xkd_squares(int level, const float *x, const float *t, int n) {
    double sum;
    CALL(sum = squares, x, t, n);
    return sum;
}
