// One instruction set's matrix product. Included with NAME (function suffix), TARGET (attribute) and V (floats per vector)
// set. C[m,n] = alpha·op(A)·op(B) + beta·C, row-major.
//
// The usual scheme (Goto and van de Geijn, 2008): panels of A and B are copied so that the inner loop reads both in order,
// and MR x NR sums stay in registers. Each sum runs over k in order, so the result does not depend on how rows and columns
// are shared out over cores.

#define CAT2(a, b) a##b
#define CAT(a, b) CAT2(a, b)
#define FN(x) CAT(x, NAME)
#define NR (2 * V)

typedef float FN(vec) __attribute__((vector_size(4 * V), aligned(4)));

// kernel multiplies a panel of MR rows by one of NR columns over k and stores the sums to out [MR,NR].
TARGET static void FN(kernel)(int k, const float *restrict a, const float *restrict b, float *restrict out) {
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
    for (int i = 0; i < MR; i++) {
        *(FN(vec) *)(out + i * NR) = sums[i][0];
        *(FN(vec) *)(out + i * NR + V) = sums[i][1];
    }
}

// FN(store) adds one tile's sums to C, clipped to rows x cols.
TARGET static void FN(store)(const float *restrict tile, int rows, int cols, float alpha, float beta, float *restrict c, long ldc) {
    for (int i = 0; i < rows; i++) {
        float *row = c + i * ldc;
        const float *sum = tile + i * NR;
        if (beta == 0) {
            for (int j = 0; j < cols; j++) row[j] = alpha * sum[j];
        } else {
            for (int j = 0; j < cols; j++) row[j] = beta * row[j] + alpha * sum[j];
        }
    }
}

// pack copies op(X)'s rows [from, from+rows) and sums [k0, k0+k) into panels of `width` rows, k-major, padded with zeros.
TARGET static void FN(pack)(const float *x, long row, long col, int rows, int k, int width, float *restrict to) {
    for (int r = 0; r < rows; r += width) {
        int n = rows - r < width ? rows - r : width;
        const float *src = x + r * row;
        if (row == 1 && n == width) {
            for (int p = 0; p < k; p++, to += width) memcpy(to, src + p * col, 4 * width);
            continue;
        }
        for (int p = 0; p < k; p++, to += width) {
            for (int i = 0; i < n; i++) to[i] = src[i * row + p * col];
            for (int i = n; i < width; i++) to[i] = 0;
        }
    }
}

TARGET static void FN(sgemm)(int m, int n, int k, float alpha, const float *a, long arow, long acol,
                             const float *b, long brow, long bcol, float beta, float *c, long ldc) {
    static __thread float apack[MC * KC] __attribute__((aligned(64)));
    static __thread float bpack[KC * NC] __attribute__((aligned(64)));
    float tile[MR * NR] __attribute__((aligned(64)));
    for (int jc = 0; jc < n; jc += NC) {
        int nc = n - jc < NC ? n - jc : NC;
        for (int pc = 0; pc < k; pc += KC) {
            int kc = k - pc < KC ? k - pc : KC;
            float scale = pc == 0 ? beta : 1;
            FN(pack)(b + jc * bcol + pc * brow, bcol, brow, nc, kc, NR, bpack);
            for (int ic = 0; ic < m; ic += MC) {
                int mc = m - ic < MC ? m - ic : MC;
                FN(pack)(a + ic * arow + pc * acol, arow, acol, mc, kc, MR, apack);
                for (int jr = 0; jr < nc; jr += NR) {
                    for (int ir = 0; ir < mc; ir += MR) {
                        FN(kernel)(kc, apack + ir * kc, bpack + jr * kc, tile);
                        FN(store)(tile, mc - ir < MR ? mc - ir : MR, nc - jr < NR ? nc - jr : NR, alpha, scale,
                                  c + (ic + ir) * ldc + jc + jr, ldc);
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
