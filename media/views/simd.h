#include <stdint.h>

// views_level is the widest instruction set of this processor: 0 baseline, 1 AVX2, 2 AVX-512. The functions below take a level
// up to that, and give the same bits at each: products and sums are never fused, and each result has one order of its terms.
int views_level(void);

// views_tap is one bilinear sample along an axis: two pixels and the weight of the second.
typedef struct {
    int32_t a, b;
    float w;
} views_tap;

// views_sample samples one frame [h,w,3] of so many bytes at the taps of both axes to planes [size,size] in 0..1. scratch
// has 8*(size+15) floats.
void views_sample(int level, const uint8_t *frame, long bytes, int w, const views_tap *xs, const views_tap *ys, int size,
                  float *scratch, float *r, float *g, float *b);

// views_transform applies the first three rows of a column-major 4x4 matrix to n pixels and keeps them in 0..1.
void views_transform(int level, float *r, float *g, float *b, const float *m, int n);

// views_hue turns the hue of n pixels by shift/6 of the circle.
void views_hue(int level, float *r, float *g, float *b, float shift, int n);

// views_sums adds up each plane in order.
void views_sums(const float *r, const float *g, const float *b, int n, double *sums);

// views_blur blurs a plane [size,size] along x and y with kernels of nx and ny taps. padded is scratch for size+nx floats,
// spare for size*size.
void views_blur(int level, float *p, int size, const float *alongx, int nx, const float *alongy, int ny, float *padded, float *spare);

// views_store writes n pixels of 0..1 as bytes, to the nearest, halves to even.
void views_store(int level, const float *x, uint8_t *y, int n);

// views_spectra describes the filtered power spectra of real frames of 2*half samples, half a power of two.
typedef struct {
    int half, hop, mels;
    const double *window;  // [2*half]
    const double *turns;   // cos and -sin of 2 pi k/(2*half), pairs, k < 2*half
    const int32_t *places; // [half]: where the transform leaves frequency k
    const int32_t *first;  // [mels]: each filter's first bin
    const int32_t *start;  // [mels+1]: each filter's first weight
    const double *weights;
} views_spectra;

// views_mel_scratch is the scratch that views_mel_tables wants, in doubles.
long views_mel_scratch(int half);

// views_mel_tables writes the filters' sums [mels,frames] of the frames at 0, hop, 2 hop, ... of a waveform. The tables are those
// of views_spectra.
void views_mel_tables(int level, int half, int hop, int mels, const double *window, const double *turns, const int32_t *places,
                      const int32_t *first, const int32_t *start, const double *weights, const float *wave, int frames,
                      double *scratch, double *sums);
