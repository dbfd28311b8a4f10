// One instruction set's matrix product. Included with NAME (function suffix), TARGET (attribute) and V (floats per vector)
// set. C[m,n] = alpha·op(A)·op(B) + beta·C + bias + add, row-major.
//
// The usual scheme (Goto and van de Geijn, 2008): panels of A and B are copied so that the inner loop reads both in order,
// and MR x NR sums stay in registers. Each sum runs over k in order, so the result does not depend on how rows and columns
// are shared out over cores.

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define FN(x) CAT(x, NAME)
#define NR (2 * V)

typedef float FN(vec) __attribute__((vector_size(4 * V), aligned(4)));

// FN(load) reads up to V floats; missing ones are the filler.
TARGET static inline FN(vec) FN(load)(const float *x, int n, float filler) {
    if (n >= V) return *(const FN(vec) *)x;
    float full[V];
    for (int j = 0; j < V; j++) full[j] = j < n ? x[j] : filler;
    return *(const FN(vec) *)full;
}

// FN(save) writes up to V floats.
TARGET static inline void FN(save)(float *x, int n, FN(vec) v) {
    if (n >= V) *(FN(vec) *)x = v;
    else memcpy(x, &v, 4 * (unsigned long)n);
}

// FN(finish) is what becomes of up to V sums of a row on their way to C.
TARGET static inline void FN(finish)(FN(vec) sum, float *c, int n, float alpha, float beta, const float *bias, const float *add) {
    sum = sum * alpha;
    if (beta != 0) sum += beta * FN(load)(c, n, 0);
    if (bias) sum += FN(load)(bias, n, 0);
    if (add) sum += FN(load)(add, n, 0);
    FN(save)(c, n, sum);
}

// FN(kernel) multiplies a panel of MR rows by one of NR columns over k, and finishes the sums of the first rows x cols.
TARGET static void FN(kernel)(int k, const float *restrict a, const float *restrict b, int rows, int cols, float alpha, float beta,
                              const float *bias, const float *add, long ldadd, float *restrict c, long ldc) {
    FN(vec) sums[MR][2];
    memset(sums, 0, sizeof sums);
    for (int p = 0; p < k; p++) {
        FN(vec) b0 = *(const FN(vec) *)(b), b1 = *(const FN(vec) *)(b + V);
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            sums[i][0] += a[i] * b0;
            sums[i][1] += a[i] * b1;
        }
        a += MR;
        b += NR;
    }
    if (rows >= MR && cols >= NR) {
#pragma GCC unroll 16
        for (int i = 0; i < MR; i++) {
            FN(finish)(sums[i][0], c + i * ldc, V, alpha, beta, bias, add ? add + i * ldadd : 0);
            FN(finish)(sums[i][1], c + i * ldc + V, V, alpha, beta, bias ? bias + V : 0, add ? add + i * ldadd + V : 0);
        }
        return;
    }
    FN(vec) tile[MR][2];
    memcpy(tile, sums, sizeof tile);
    for (int i = 0; i < rows && i < MR; i++) {
        for (int j = 0; j < 2 && j * V < cols; j++) {
            FN(finish)(tile[i][j], c + i * ldc + j * V, cols - j * V, alpha, beta, bias ? bias + j * V : 0, add ? add + i * ldadd + j * V : 0);
        }
    }
}

// FN(pack) copies op(X)'s rows [from, from+rows) and sums [k0, k0+k) into panels of `width` rows, k-major, padded with zeros.
TARGET static void FN(pack)(const float *x, long row, long col, int rows, int k, int width, float *restrict to) {
    for (int r = 0; r < rows; r += width, to += (long)k * width) {
        int n = rows - r < width ? rows - r : width;
        const float *src = x + r * row;
        if (row == 1 && n == width) {
            for (int p = 0; p < k; p++) memcpy(to + (long)p * width, src + p * col, 4 * width);
            continue;
        }
        int i = 0;
        if (col == 1) {
            // Four rows at a time are turned in registers.
            for (; i + 4 <= n; i += 4) {
                const float *s0 = src + i * row, *s1 = s0 + row, *s2 = s1 + row, *s3 = s2 + row;
                int p = 0;
                for (; p + 4 <= k; p += 4) turn4(s0 + p, s1 + p, s2 + p, s3 + p, to + (long)p * width + i, width);
                for (; p < k; p++) {
                    float *out = to + (long)p * width + i;
                    out[0] = s0[p];
                    out[1] = s1[p];
                    out[2] = s2[p];
                    out[3] = s3[p];
                }
            }
        }
        for (; i < n; i++) {
            for (int p = 0; p < k; p++) to[(long)p * width + i] = src[i * row + p * col];
        }
        for (; i < width; i++) {
            for (int p = 0; p < k; p++) to[(long)p * width + i] = 0;
        }
    }
}

TARGET static void FN(sgemm)(int m, int n, int k, float alpha, const float *a, long arow, long acol,
                             const float *b, long brow, long bcol, float beta, const float *bias, const float *add, long ldadd,
                             float *c, long ldc) {
    static __thread float apack[MC * KC] __attribute__((aligned(64)));
    static __thread float bpack[KC * NC] __attribute__((aligned(64)));
    for (int jc = 0; jc < n; jc += NC) {
        int nc = n - jc < NC ? n - jc : NC;
        for (int pc = 0; pc < k; pc += KC) {
            int kc = k - pc < KC ? k - pc : KC;
            float scale = pc == 0 ? beta : 1;
            // The bias comes with the first sums, what goes past the product with the last.
            const float *first = pc == 0 ? bias : 0, *last = pc + KC >= k ? add : 0;
            FN(pack)(b + jc * bcol + pc * brow, bcol, brow, nc, kc, NR, bpack);
            for (int ic = 0; ic < m; ic += MC) {
                int mc = m - ic < MC ? m - ic : MC;
                FN(pack)(a + ic * arow + pc * acol, arow, acol, mc, kc, MR, apack);
                for (int jr = 0; jr < nc; jr += NR) {
                    for (int ir = 0; ir < mc; ir += MR) {
                        int i = ic + ir, j = jc + jr;
                        FN(kernel)(kc, apack + ir * kc, bpack + jr * kc, mc - ir, nc - jr, alpha, scale, first ? first + j : 0,
                                   last ? last + i * ldadd + j : 0, ldadd, c + i * ldc + j, ldc);
                    }
                }
            }
        }
    }
}

#undef CAT2
#undef CAT
#undef FN
#undef NR
