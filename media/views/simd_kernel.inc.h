// One instruction set's loops over pixels and spectra. Included with NAME, TARGET and V, the floats of a vector, set.

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define FN(x) CAT(x, NAME)
#define D (V / 2)

typedef float FN(vec) __attribute__((vector_size(4 * V), aligned(4)));
typedef int32_t FN(ints) __attribute__((vector_size(4 * V), aligned(4)));
typedef double FN(doubles) __attribute__((vector_size(8 * D), aligned(8)));
typedef float FN(halfvec) __attribute__((vector_size(4 * D), aligned(4)));
typedef int64_t FN(longs) __attribute__((vector_size(8 * D), aligned(8)));
#define VEC FN(vec)
#define INTS FN(ints)
#define DOUBLES FN(doubles)

// FN(pick) is a where the mask is all ones, else b.
TARGET static inline VEC FN(pick)(INTS mask, VEC a, VEC b) { return (VEC)((mask & (INTS)a) | (~mask & (INTS)b)); }

TARGET static inline VEC FN(clamp)(VEC x) {
    VEC zero = x - x;
    x = FN(pick)(x > 0.0f, x, zero);
    return FN(pick)(x < 1.0f, x, zero + 1.0f);
}

// FN(get) reads up to V floats, FN(put) writes them.
TARGET static inline VEC FN(get)(const float *x, int n) {
    if (n >= V) return *(const VEC *)x;
    VEC v = {0};
    memcpy(&v, x, 4 * (unsigned long)n);
    return v;
}

TARGET static inline void FN(put)(float *x, int n, VEC v) {
    if (n >= V) *(VEC *)x = v;
    else memcpy(x, &v, 4 * (unsigned long)n);
}

// FN(line) samples a row of pixels along x to three planes of whole vectors. words is scratch: the pixels at either tap, four
// bytes to each.
TARGET static void FN(line)(const uint8_t *row, const uint8_t *end, const views_tap *xs, int size, float *out, uint32_t *words) {
    int plane = (size + V - 1) / V * V;
    uint32_t *left = words, *right = words + plane;
    for (int x = 0; x < size; x++) {
        const uint8_t *a = row + 3 * xs[x].a, *b = row + 3 * xs[x].b;
        if (end - b >= 4) {
            memcpy(left + x, a, 4);
            memcpy(right + x, b, 4);
        } else {
            left[x] = a[0] | a[1] << 8 | a[2] << 16;
            right[x] = b[0] | b[1] << 8 | b[2] << 16;
        }
    }
    for (int x = 0; x < size; x += V) {
        VEC far;
        for (int j = 0; j < V; j++) far[j] = x + j < size ? xs[x + j].w : 0;
        VEC near = 1.0f - far;
        INTS l = *(const INTS *)(left + x), r = *(const INTS *)(right + x);
        for (int c = 0; c < 3; c++) {
            VEC lc = __builtin_convertvector(l >> 8 * c & 255, VEC), rc = __builtin_convertvector(r >> 8 * c & 255, VEC);
            *(VEC *)(out + c * plane + x) = lc * near + rc * far;
        }
    }
}

TARGET static void FN(sample)(const uint8_t *frame, long bytes, int w, const views_tap *xs, const views_tap *ys, int size,
                              float *scratch, float *r, float *g, float *b) {
    int plane = (size + V - 1) / V * V;
    float *planes[3] = {r, g, b};
    // The last two source rows, sampled along x: neighbouring rows of the view share them.
    int have[2] = {-1, -1};
    float *kept[2] = {scratch, scratch + 3 * plane};
    for (int y = 0; y < size; y++) {
        int want[2] = {ys[y].a, ys[y].b}, at[2];
        for (int k = 0; k < 2; k++) {
            int slot = have[0] == want[k] ? 0 : have[1] == want[k] ? 1 : -1;
            if (slot < 0) {
                slot = have[0] == want[1 - k] ? 1 : 0;
                FN(line)(frame + (long)want[k] * w * 3, frame + bytes, xs, size, kept[slot], (uint32_t *)(scratch + 6 * plane));
                have[slot] = want[k];
            }
            at[k] = slot;
        }
        float lower = ys[y].w / 255, upper = (1 - ys[y].w) / 255;
        for (int c = 0; c < 3; c++) {
            const float *top = kept[at[0]] + c * plane, *bottom = kept[at[1]] + c * plane;
            for (int x = 0; x < size; x += V) {
                VEC v = *(const VEC *)(top + x) * upper + *(const VEC *)(bottom + x) * lower;
                FN(put)(planes[c] + (long)y * size + x, size - x, v);
            }
        }
    }
}

TARGET static void FN(transform)(float *r, float *g, float *b, const float *m, int n) {
    for (int i = 0; i < n; i += V) {
        VEC x = FN(get)(r + i, n - i), y = FN(get)(g + i, n - i), z = FN(get)(b + i, n - i);
        FN(put)(r + i, n - i, FN(clamp)(m[0] * x + m[4] * y + m[8] * z + m[12]));
        FN(put)(g + i, n - i, FN(clamp)(m[1] * x + m[5] * y + m[9] * z + m[13]));
        FN(put)(b + i, n - i, FN(clamp)(m[2] * x + m[6] * y + m[10] * z + m[14]));
    }
}

// FN(trapezoid) is 1 for h within one sixth of red, 0 within one of cyan, linear between; period 6, h positive.
TARGET static inline VEC FN(trapezoid)(VEC h) {
    h = h - 6.0f * __builtin_convertvector(__builtin_convertvector(h / 6.0f, INTS), VEC);
    VEC falls = 2.0f - h, rises = h - 4.0f;
    return FN(clamp)(FN(pick)(falls > rises, falls, rises));
}

TARGET static void FN(hue)(float *r, float *g, float *b, float shift, int n) {
    for (int i = 0; i < n; i += V) {
        VEC x = FN(get)(r + i, n - i), y = FN(get)(g + i, n - i), z = FN(get)(b + i, n - i);
        VEC high = FN(pick)(x > y, x, y), low = FN(pick)(x < y, x, y);
        high = FN(pick)(high > z, high, z);
        low = FN(pick)(low < z, low, z);
        VEC span = high - low;
        INTS grey = ~(span > 0.0f), red = high == x, green = high == y;
        VEC over = FN(pick)(red, y - z, FN(pick)(green, z - x, x - y));
        VEC from = FN(pick)(red, x - x, FN(pick)(green, x - x + 2.0f, x - x + 4.0f));
        VEC h = from + over / FN(pick)(grey, x - x + 1.0f, span) + shift;
        FN(put)(r + i, n - i, FN(pick)(grey, x, low + span * FN(trapezoid)(h)));
        FN(put)(g + i, n - i, FN(pick)(grey, y, low + span * FN(trapezoid)(h + 4.0f)));
        FN(put)(b + i, n - i, FN(pick)(grey, z, low + span * FN(trapezoid)(h + 2.0f)));
    }
}

// reflect continues 0..n-1 by reflection about its ends, as often as needed.
#ifndef REFLECT
#define REFLECT
static inline int reflect(int i, int n) {
    if (n == 1) return 0;
    int period = 2 * (n - 1);
    i = (i % period + period) % period;
    return i < n ? i : period - i;
}
#endif

TARGET static void FN(blur)(float *p, int size, const float *alongx, int nx, const float *alongy, int ny, float *padded, float *spare) {
    for (int y = 0; y < size; y++) {
        const float *row = p + y * size;
        float *out = spare + y * size;
        for (int i = 0; i < nx / 2; i++) padded[i] = row[reflect(i - nx / 2, size)];
        memcpy(padded + nx / 2, row, 4 * (unsigned long)size);
        for (int i = 0; i < nx / 2; i++) padded[nx / 2 + size + i] = row[reflect(size + i, size)];
        for (int x = 0; x < size; x += V) {
            VEC sum = {0};
            for (int k = 0; k < nx; k++) sum += alongx[k] * FN(get)(padded + x + k, size - x);
            FN(put)(out + x, size - x, sum);
        }
    }
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x += V) {
            VEC sum = {0};
            for (int k = 0; k < ny; k++) sum += alongy[k] * FN(get)(spare + (long)reflect(y + k - ny / 2, size) * size + x, size - x);
            FN(put)(p + y * size + x, size - x, sum);
        }
    }
}

// FN(store) multiplies by 255 in double, which is exact, and adds 1.5 * 2^52, which rounds to whole numbers in the low bits.
TARGET static void FN(store)(const float *x, uint8_t *y, int n) {
    int i = 0;
    for (; i + V <= n; i += V) {
        VEC v = FN(clamp)(*(const VEC *)(x + i));
        FN(halfvec) part[2];
        memcpy(part, &v, sizeof part);
        for (int k = 0; k < 2; k++) {
            DOUBLES wide = __builtin_convertvector(part[k], DOUBLES) * 255.0 + 6755399441055744.0;
            FN(longs) bits = (FN(longs))wide;
            for (int j = 0; j < D; j++) y[i + k * D + j] = (uint8_t)bits[j];
        }
    }
    for (; i < n; i++) {
        float v = x[i] > 0 ? x[i] < 1 ? x[i] : 1 : 0;
        double wide = (double)v * 255.0 + 6755399441055744.0;
        uint64_t bits;
        memcpy(&bits, &wide, 8);
        y[i] = (uint8_t)bits;
    }
}

// FN(fft) transforms x [n] in place, real and imaginary parts side by side, a sequence to each lane: decimation in frequency by
// fours, and by two where n is twice a power of four. Frequencies end where views_spectra.places says. turns are those of 2*n.
TARGET static void FN(fft)(DOUBLES *restrict x, int n, const double *restrict turns) {
    int size = n;
    for (; size >= 4; size /= 4) {
        int q = size / 4, step = 4 * (n / size); // doubles from one turn to the next
        for (int j = 0; j < q; j++) {
            double c1 = turns[j * step], s1 = turns[j * step + 1], c2 = turns[2 * j * step], s2 = turns[2 * j * step + 1];
            double c3 = turns[3 * j * step], s3 = turns[3 * j * step + 1];
            for (int at = j; at < n; at += size) {
                DOUBLES *a = x + 2 * at, *b = a + 2 * q, *c = b + 2 * q, *d = c + 2 * q;
                DOUBLES ar = a[0] + c[0], ai = a[1] + c[1], cr = a[0] - c[0], ci = a[1] - c[1];
                DOUBLES br = b[0] + d[0], bi = b[1] + d[1], dr = b[0] - d[0], di = b[1] - d[1];
                a[0] = ar + br;
                a[1] = ai + bi;
                DOUBLES yr = cr + di, yi = ci - dr;
                b[0] = yr * c1 - yi * s1;
                b[1] = yr * s1 + yi * c1;
                yr = ar - br;
                yi = ai - bi;
                c[0] = yr * c2 - yi * s2;
                c[1] = yr * s2 + yi * c2;
                yr = cr - di;
                yi = ci + dr;
                d[0] = yr * c3 - yi * s3;
                d[1] = yr * s3 + yi * c3;
            }
        }
    }
    if (size == 2) {
        for (int at = 0; at < n; at += 2) {
            DOUBLES *a = x + 2 * at;
            DOUBLES r = a[0] - a[2], i = a[1] - a[3];
            a[0] += a[2];
            a[1] += a[3];
            a[2] = r;
            a[3] = i;
        }
    }
}

// FN(mel) takes D frames at a time, one to a lane. A real frame is transformed as half as many complex numbers, of which even
// samples are the real parts and odd ones the imaginary parts.
TARGET static void FN(mel)(const views_spectra *s, const float *wave, int frames, double *scratch, double *sums) {
    int n = s->half;
    DOUBLES *x = (DOUBLES *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *power = x + 2 * n;
    for (int t = 0; t < frames; t += D) {
        int lanes = frames - t < D ? frames - t : D;
        for (int j = 0; j < D; j++) {
            const float *from = wave + (long)(t + (j < lanes ? j : lanes - 1)) * s->hop;
            double *to = (double *)x + j;
            for (int i = 0; i < 2 * n; i++) to[i * D] = (double)from[i] * s->window[i];
        }
        FN(fft)(x, n, s->turns);
        power[0] = (x[0] + x[1]) * (x[0] + x[1]);
        power[n] = (x[0] - x[1]) * (x[0] - x[1]);
        for (int k = 1; k <= n / 2; k++) {
            DOUBLES *a = x + 2 * s->places[k], *b = x + 2 * s->places[n - k];
            // E is the transform of the even samples, O of the odd ones: X[k] = E + w O, X[n-k] = conj(E - w O).
            DOUBLES er = (a[0] + b[0]) * 0.5, ei = (a[1] - b[1]) * 0.5, or = (a[1] + b[1]) * 0.5, oi = (b[0] - a[0]) * 0.5;
            double c = s->turns[2 * k], sn = s->turns[2 * k + 1];
            DOUBLES wr = or * c - oi * sn, wi = or * sn + oi * c;
            power[k] = (er + wr) * (er + wr) + (ei + wi) * (ei + wi);
            power[n - k] = (er - wr) * (er - wr) + (ei - wi) * (ei - wi);
        }
        for (int m = 0; m < s->mels; m++) {
            DOUBLES sum = {0};
            const DOUBLES *p = power + s->first[m];
            for (int i = s->start[m]; i < s->start[m + 1]; i++) sum += s->weights[i] * *p++;
            for (int j = 0; j < lanes; j++) sums[(long)m * frames + t + j] = sum[j];
        }
    }
}

#undef VEC
#undef INTS
#undef DOUBLES
#undef D
#undef CAT2
#undef CAT
#undef FN
