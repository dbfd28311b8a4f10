// One instruction set's loops over rows and elements. Included with NAME, TARGET and V set, after sgemm_kernel.inc.h.

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define FN(x) CAT(x, NAME)

typedef int FN(ints) __attribute__((vector_size(4 * V), aligned(4)));
#define VEC FN(vec)
#define INTS FN(ints)

// FN(choose) is a where the mask is all ones, else b.
TARGET static inline VEC FN(choose)(INTS mask, VEC a, VEC b) {
    return (VEC)((mask & (INTS)a) | (~mask & (INTS)b));
}

// FN(expm) is exp(x) for x <= 0 within two units of the last place: whole powers of two are taken off in two exact steps
// (Cody and Waite, 1980), the rest is a polynomial. Below -87 it stays at exp(-87), which is 1.6e-38.
TARGET static inline VEC FN(expm)(VEC x) {
    VEC c = FN(choose)(x > -87.0f, x, x * 0 - 87.0f);
    INTS n = __builtin_convertvector(c * 1.44269504f - 0.5f, INTS);
    VEC whole = __builtin_convertvector(n, VEC);
    VEC r = (c - whole * 0.693359375f) + whole * 2.12194440e-4f;
    VEC p = 1.9875691500e-4f * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (VEC)((n + 127) << 23);
}

typedef double FN(doubles) __attribute__((vector_size(4 * V), aligned(8)));
typedef float FN(half) __attribute__((vector_size(2 * V), aligned(4)));
#define DOUBLES FN(doubles)
#define D (V / 2)

// FN(total) adds the lanes in order.
TARGET static inline double FN(total)(VEC v) {
    double sum = 0;
    for (int j = 0; j < V; j++) sum += v[j];
    return sum;
}

// FN(widen) adds V floats to V sums in double.
TARGET static inline void FN(widen)(DOUBLES sums[2], VEC v) {
    FN(half) part[2];
    memcpy(part, &v, sizeof part);
    sums[0] += __builtin_convertvector(part[0], DOUBLES);
    sums[1] += __builtin_convertvector(part[1], DOUBLES);
}

// FN(softmax) replaces each row by its softmax. Sums run over V lanes that are added in order at the end, and their logarithms
// go to lse unless it is null.
TARGET static void FN(softmax)(float *x, int rows, int cols, float *lse) {
    for (int r = 0; r < rows; r++, x += cols) {
        VEC most = FN(load)(x, cols, -3.4e38f);
        for (int i = V; i < cols; i += V) {
            VEC v = FN(load)(x + i, cols - i, -3.4e38f);
            most = FN(choose)(v > most, v, most);
        }
        float peak = most[0];
        for (int j = 1; j < V; j++) peak = most[j] > peak ? most[j] : peak;
        VEC sums = most * 0;
        for (int i = 0; i < cols; i += V) {
            VEC e = FN(expm)(FN(load)(x + i, cols - i, -3.4e38f) - peak);
            FN(save)(x + i, cols - i, e);
            sums += e;
        }
        double sum = 0;
        for (int j = 0; j < V; j++) sum += sums[j];
        if (lse) lse[r] = (float)(peak + log(sum));
        float inverse = (float)(1 / sum);
        for (int i = 0; i < cols; i += V) FN(save)(x + i, cols - i, FN(load)(x + i, cols - i, 0) * inverse);
    }
}

// FN(normal) gives Φ(v) and φ(v); the polynomials are those of shaders/erf.wgsl.
TARGET static inline VEC FN(normal)(VEC v, VEC *density) {
    VEC a = FN(choose)(v < 0, -v, v);
    a = FN(choose)(a < 13.0f, a, a * 0 + 13.0f);
    VEC e = FN(expm)(-0.5f * a * a);
    VEC t = 1.0f / (1.0f + 0.3f * a);
    VEC q = -0.0209846693611f * t + 0.114402111863f;
    q = q * t - 0.232835483053f;
    q = q * t + 0.197921644074f;
    q = q * t - 0.0844812825249f;
    q = q * t + 0.0988308413108f;
    q = q * t + 0.077485770647f;
    q = q * t + 0.110423196615f;
    q = q * t + 0.119550118278f;
    q = q * t + 0.119687750228f;
    VEC tail = e * t * q;
    VEC u = a * a;
    VEC p = 4.12977726e-7f * u - 8.728008719e-6f;
    p = p * u + 0.0001143812951f;
    p = p * u - 0.001186518053f;
    p = p * u + 0.009973257251f;
    p = p * u - 0.0664903382f;
    p = p * u + 0.3989422794f;
    *density = 0.3989422804014327f * e;
    return FN(choose)(a < 1.5f, 0.5f + v * p, FN(choose)(v > 0, 1.0f - tail, tail));
}

TARGET static void FN(gelu)(const float *x, float *y, int n) {
    for (int i = 0; i < n; i += V) {
        VEC v = FN(load)(x + i, n - i, 0), density;
        FN(save)(y + i, n - i, v * FN(normal)(v, &density));
    }
}

TARGET static void FN(gelu_grad)(const float *x, const float *dy, float *dx, int n) {
    for (int i = 0; i < n; i += V) {
        VEC v = FN(load)(x + i, n - i, 0), density;
        VEC cdf = FN(normal)(v, &density);
        FN(save)(dx + i, n - i, FN(load)(dy + i, n - i, 0) * (cdf + v * density));
    }
}

// FN(softmax_grad) replaces each row of d by p (d - Σ p d).
TARGET static void FN(softmax_grad)(const float *p, float *d, int rows, int cols) {
    for (int r = 0; r < rows; r++, p += cols, d += cols) {
        VEC sums = {0};
        for (int i = 0; i < cols; i += V) sums += FN(load)(p + i, cols - i, 0) * FN(load)(d + i, cols - i, 0);
        float mean = (float)FN(total)(sums);
        for (int i = 0; i < cols; i += V) FN(save)(d + i, cols - i, FN(load)(p + i, cols - i, 0) * (FN(load)(d + i, cols - i, 0) - mean));
    }
}

TARGET static void FN(layernorm)(const float *x, const float *gain, const float *bias, float *y, float *stats, int rows, int w, float eps) {
    for (int r = 0; r < rows; r++, x += w, y += w, stats += 2) {
        VEC sums = {0}, squares = {0};
        for (int i = 0; i < w; i += V) sums += FN(load)(x + i, w - i, 0);
        float mean = (float)(FN(total)(sums) / w);
        for (int i = 0; i < w; i += V) {
            VEC d = FN(load)(x + i, w - i, mean) - mean;
            squares += d * d;
        }
        float scale = (float)(1 / sqrt(FN(total)(squares) / w + eps));
        stats[0] = mean;
        stats[1] = scale;
        for (int i = 0; i < w; i += V) {
            VEC h = (FN(load)(x + i, w - i, 0) - mean) * scale;
            if (gain) h = h * FN(load)(gain + i, w - i, 0) + FN(load)(bias + i, w - i, 0);
            FN(save)(y + i, w - i, h);
        }
    }
}

TARGET static void FN(layernorm_grad)(const float *x, const float *stats, const float *dy, const float *gain, float *dx, int rows, int w) {
    for (int r = 0; r < rows; r++, x += w, dy += w, dx += w, stats += 2) {
        float mean = stats[0], scale = stats[1];
        VEC sums = {0}, along = {0};
        for (int i = 0; i < w; i += V) {
            VEC d = FN(load)(dy + i, w - i, 0);
            if (gain) d = d * FN(load)(gain + i, w - i, 0);
            sums += d;
            along += d * ((FN(load)(x + i, w - i, mean) - mean) * scale);
        }
        float sum = (float)(FN(total)(sums) / w), h = (float)(FN(total)(along) / w);
        for (int i = 0; i < w; i += V) {
            VEC d = FN(load)(dy + i, w - i, 0);
            if (gain) d = d * FN(load)(gain + i, w - i, 0);
            FN(save)(dx + i, w - i, scale * (d - sum - (FN(load)(x + i, w - i, mean) - mean) * scale * h));
        }
    }
}

// FN(columns) adds columns [0,n) of rows that start `stride` floats apart, in double, times scale. With dy it adds
// dy (x - mean) / deviation, by the statistics of each row.
TARGET static void FN(columns)(const float *x, const float *stats, const float *dy, long stride, int rows, int n, double scale, float *y) {
    for (int i = 0; i < n; i += 4 * V) {
        int vecs = (n - i + V - 1) / V < 4 ? (n - i + V - 1) / V : 4;
        DOUBLES sums[4][2];
        memset(sums, 0, sizeof sums);
        for (int r = 0; r < rows; r++) {
            const float *row = x + r * stride + i;
            for (int k = 0; k < vecs; k++) {
                VEC v = FN(load)(row + k * V, n - i - k * V, 0);
                if (dy) v = FN(load)(dy + r * stride + i + k * V, n - i - k * V, 0) * ((v - stats[2 * r]) * stats[2 * r + 1]);
                FN(widen)(sums[k], v);
            }
        }
        for (int k = 0; k < vecs; k++) {
            double all[V];
            memcpy(all, sums[k], sizeof all);
            for (int j = 0; j < V && i + k * V + j < n; j++) y[i + k * V + j] = (float)(all[j] * scale);
        }
    }
}

TARGET static void FN(adamw)(float *p, float *m, float *v, const float *g, int n, const float *c) {
    float factor = c[0], beta1 = c[1], rest1 = c[2], beta2 = c[3], rest2 = c[4], keep = c[5], rate = c[6], bias2 = c[7], eps = c[8];
    for (int i = 0; i < n; i += V) {
        VEC d = FN(load)(g + i, n - i, 0) * factor;
        VEC mi = beta1 * FN(load)(m + i, n - i, 0) + rest1 * d, vi = beta2 * FN(load)(v + i, n - i, 0) + rest2 * d * d;
        FN(save)(m + i, n - i, mi);
        FN(save)(v + i, n - i, vi);
        FN(save)(p + i, n - i, FN(load)(p + i, n - i, 0) * keep - rate * mi / (SQRT(vi) * bias2 + eps));
    }
}

// FN(mix) is y = a y + b x.
TARGET static void FN(mix)(float *y, const float *x, int n, float a, float b) {
    for (int i = 0; i < n; i += V) FN(save)(y + i, n - i, a * FN(load)(y + i, n - i, 0) + b * FN(load)(x + i, n - i, 0));
}

// FN(sum2) is y = a + b.
TARGET static void FN(sum2)(const float *a, const float *b, float *y, int n) {
    for (int i = 0; i < n; i += V) FN(save)(y + i, n - i, FN(load)(a + i, n - i, 0) + FN(load)(b + i, n - i, 0));
}

// FN(away) is y = f (x - t).
TARGET static void FN(away)(const float *x, const float *t, float f, float *y, int n) {
    for (int i = 0; i < n; i += V) FN(save)(y + i, n - i, f * (FN(load)(x + i, n - i, 0) - FN(load)(t + i, n - i, 0)));
}

// FN(squares) is Σ (x - t)², in double; t may be null for zeros.
TARGET static double FN(squares)(const float *x, const float *t, int n) {
    DOUBLES sums[2];
    memset(sums, 0, sizeof sums);
    for (int i = 0; i < n; i += V) {
        VEC v = FN(load)(x + i, n - i, 0);
        if (t) v = v - FN(load)(t + i, n - i, 0);
        FN(half) part[2];
        memcpy(part, &v, sizeof part);
        for (int k = 0; k < 2; k++) {
            DOUBLES d = __builtin_convertvector(part[k], DOUBLES);
            sums[k] += d * d;
        }
    }
    double all[V], sum = 0;
    memcpy(all, sums, sizeof all);
    for (int j = 0; j < V; j++) sum += all[j];
    return sum;
}

#undef DOUBLES
#undef D
#undef VEC
#undef INTS
#undef CAT2
#undef CAT
#undef FN
