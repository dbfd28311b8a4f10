#include <string.h>

#include "sgemm.h"

// Blocks: KC sums at a time, MC rows of A and NC columns of B copied. MC is a multiple of MR, NC of every NR.
#define KC 256
#define MC 96
#define NC 512

#if defined(__x86_64__) || defined(__i386__)

#define NAME _avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define V 16
#define MR 12
#include "sgemm_kernel.h"
#undef NAME
#undef TARGET
#undef V
#undef MR

#define NAME _avx2
#define TARGET __attribute__((target("avx2,fma")))
#define V 8
#define MR 6
#include "sgemm_kernel.h"
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
#include "sgemm_kernel.h"

int xkd_sgemm_level(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

void xkd_sgemm(int level, int m, int n, int k, float alpha, const float *a, long arow, long acol,
               const float *b, long brow, long bcol, float beta, float *c, long ldc) {
#if defined(__x86_64__) || defined(__i386__)
    if (level == 2) {
        sgemm_avx512(m, n, k, alpha, a, arow, acol, b, brow, bcol, beta, c, ldc);
        return;
    }
    if (level == 1) {
        sgemm_avx2(m, n, k, alpha, a, arow, acol, b, brow, bcol, beta, c, ldc);
        return;
    }
#endif
    sgemm_base(m, n, k, alpha, a, arow, acol, b, brow, bcol, beta, c, ldc);
}
