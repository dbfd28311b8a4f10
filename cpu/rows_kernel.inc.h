// One instruction set's loops with exponentials. Included with NAME, TARGET and V set, after sgemm_kernel.inc.h.

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

// FN(load) reads up to V floats; missing ones are the filler.
TARGET static inline VEC FN(load)(const float *x, int n, float filler) {
    if (n >= V) return *(const VEC *)x;
    float full[V];
    for (int j = 0; j < V; j++) full[j] = j < n ? x[j] : filler;
    return *(const VEC *)full;
}

// FN(save) writes up to V floats.
TARGET static inline void FN(save)(float *x, int n, VEC v) {
    if (n >= V) *(VEC *)x = v;
    else memcpy(x, &v, 4 * (unsigned long)n);
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

#undef VEC
#undef INTS
#undef CAT2
#undef CAT
#undef FN
