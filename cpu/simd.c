#include <math.h>
#include <string.h>

#include "simd.h"

// Blocks of the matrix product: KC sums at a time, MC rows of A and NC columns of B copied. MC is a multiple of MR, NC of
// every NR.
#define KC 256
#define MC 96
#define NC 512

#if defined(__x86_64__) || defined(__i386__)

#define NAME _avx512
#define TARGET __attribute__((target("avx512f,fma,prefer-vector-width=512")))
#define V 16
#define MR 12
#include "sgemm_kernel.inc.h"
#include "rows_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V
#undef MR

#define NAME _avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V 8
#define MR 6
#include "sgemm_kernel.inc.h"
#include "rows_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V
#undef MR

#endif

// The baseline of every processor: 128-bit vectors (SSE, NEON).
#define NAME _base
#define TARGET
#define V 4
#define MR 4
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
               const float *b, long brow, long bcol, float beta, float *c, long ldc) {
    CALL(sgemm, m, n, k, alpha, a, arow, acol, b, brow, bcol, beta, c, ldc);
}

void xkd_softmax(int level, float *x, int rows, int cols, float *lse) { CALL(softmax, x, rows, cols, lse); }

void xkd_gelu(int level, const float *x, float *y, int n) { CALL(gelu, x, y, n); }

void xkd_gelu_grad(int level, const float *x, const float *dy, float *dx, int n) { CALL(gelu_grad, x, dy, dx, n); }
