#include "simd.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

void views_sums(const float *r, const float *g, const float *b, int n, double *sums) {
    double x = 0, y = 0, z = 0;
    for (int i = 0; i < n; i++) {
        x += r[i];
        y += g[i];
        z += b[i];
    }
    sums[0] = x;
    sums[1] = y;
    sums[2] = z;
}

#if defined(__x86_64__) || defined(__i386__)

#define NAME _avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,prefer-vector-width=512")))
#define V 16
#include "simd_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V

#define NAME _avx2
#define TARGET __attribute__((target("avx2")))
#define V 8
#include "simd_kernel.inc.h"
#undef NAME
#undef TARGET
#undef V

#endif

// The baseline of every processor: 128-bit vectors (SSE, NEON).
#define NAME _base
#define TARGET
#define V 4
#include "simd_kernel.inc.h"

int views_level(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

// CALL runs the form of a function that the level names.
#if defined(__x86_64__) || defined(__i386__)
#define CALL(f, ...)                                \
    do {                                            \
        if (level == 2) f##_avx512(__VA_ARGS__);    \
        else if (level == 1) f##_avx2(__VA_ARGS__); \
        else f##_base(__VA_ARGS__);                 \
    } while (0)
#else
#define CALL(f, ...)           \
    do {                       \
        (void)level;           \
        f##_base(__VA_ARGS__); \
    } while (0)
#endif

void views_sample(int level, const uint8_t *frame, long bytes, int w, const views_tap *xs, const views_tap *ys, int size, float *scratch,
                  float *r, float *g, float *b) {
    CALL(sample, frame, bytes, w, xs, ys, size, scratch, r, g, b);
}

void views_transform(int level, float *r, float *g, float *b, const float *m, int n) { CALL(transform, r, g, b, m, n); }

void views_hue(int level, float *r, float *g, float *b, float shift, int n) { CALL(hue, r, g, b, shift, n); }

void views_blur(int level, float *p, int size, const float *alongx, int nx, const float *alongy, int ny, float *padded, float *spare) {
    CALL(blur, p, size, alongx, nx, alongy, ny, padded, spare);
}

void views_store(int level, const float *x, uint8_t *y, int n) { CALL(store, x, y, n); }

// Eight doubles are the widest vector.
long views_mel_scratch(int half) { return 8 * (3 * half + 1) + 8; }

void views_mel_tables(int level, int half, int hop, int mels, const double *window, const double *turns, const int32_t *places,
                      const int32_t *first, const int32_t *start, const double *weights, const float *wave, int frames,
                      double *scratch, double *sums) {
    const views_spectra s = {half, hop, mels, window, turns, places, first, start, weights};
    CALL(mel, &s, wave, frames, scratch, sums);
}
