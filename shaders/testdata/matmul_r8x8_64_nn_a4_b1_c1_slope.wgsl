// C[b,m,n] = alpha * sum over k of A[b,m,k] B[b,k,n] (+ bias[n]), with strided batches.
//
// Batch b is the pair (b / batch2, b % batch2); strides and offsets count elements. Element (m,k) of A is at
// a_off + b1*a_b1 + b2*a_b2 + m*a_row + k*a_col, element (k,n) of B likewise, and element (m,n) of C at
// c_off + split*c_split + b1*c_b1 + b2*c_b2 + m*c_row + n. One of each operand's row and column stride is 1.
//
// The sum over k is cut into `splits` pieces of split_size; piece s goes to its own part of C, c_split further on, and
// splitk_sum adds the pieces in a fixed order. Without a bias (has_bias = 0) any buffer stands in for it, and so for x,
// which lies as C does and is added last. The sum may then pass through GELU, with itself left in `kept`, or be multiplied by
// GELU's derivative at `at`; both lie as C does.
struct Params {
    m: u32, n: u32, k: u32,
    batch: u32, batch2: u32,
    a_off: u32, a_b1: u32, a_b2: u32, a_row: u32, a_col: u32,
    b_off: u32, b_b1: u32, b_b2: u32, b_row: u32, b_col: u32,
    c_off: u32, c_b1: u32, c_b2: u32, c_row: u32,
    splits: u32, split_size: u32, c_split: u32,
    alpha: f32, has_bias: u32, has_x: u32,
}

@group(0) @binding(0) var<uniform> params: Params;


@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<storage, read> x: array<f32>;
@group(0) @binding(6) var<storage, read> at: array<f32>;
// The normal distribution for GELU: Φ(v) = (1 + erf(v/√2))/2 and its density φ(v) = exp(-v²/2)/√(2π).
//
// In the middle, Φ(v) = 1/2 + v P(v²) with P of degree 6, a Chebyshev fit on |v| <= 1.5 with error below 1e-9. In the tails,
// for a = |v|, Φ(-a) = exp(-a²/2) · t Q(t) with t = 1/(1 + 0.3a) and Q of degree 9, a fit on [0, 15] with relative error
// below 5e-9; beyond 13 it is nothing in 32 bits.
fn normal(v: f32) -> vec2<f32> {
    let a = min(abs(v), 13.0);
    let e = select(exp_half_square(a), 0.0, a >= 13.0);
    let t = 1.0 / (1.0 + 0.3 * a);
    var q = -0.0209846693611 * t + 0.114402111863;
    q = q * t - 0.232835483053;
    q = q * t + 0.197921644074;
    q = q * t - 0.0844812825249;
    q = q * t + 0.0988308413108;
    q = q * t + 0.077485770647;
    q = q * t + 0.110423196615;
    q = q * t + 0.119550118278;
    q = q * t + 0.119687750228;
    let tail = e * t * q;
    let u = a * a;
    var p = 4.12977726e-7 * u - 8.728008719e-6;
    p = p * u + 0.0001143812951;
    p = p * u - 0.001186518053;
    p = p * u + 0.009973257251;
    p = p * u - 0.0664903382;
    p = p * u + 0.3989422794;
    let outside = select(tail, 1.0 - tail, v > 0.0);
    return vec2<f32>(select(outside, 0.5 + v * p, a < 1.5), 0.3989422804014327 * e);
}

// exp_half_square is exp(-a²/2) for a in [0, 13]. WGSL's own exp may lose as many digits as its argument is large; here
// a² is split into an exact part and a rest, and whole powers of two are taken off in two exact steps (Cody and Waite).
fn exp_half_square(a: f32) -> f32 {
    let high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let square = -0.5 * high * high;
    let n = round(square * 1.44269504);
    let r = (square - n * 0.693359375) + n * 2.12194440e-4 - 0.5 * (a - high) * (a + high);
    var p = 1.9875691500e-4 * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    p = p * r * r + r + 1.0;
    return p * bitcast<f32>((i32(n) + 127) << 23u);
}

fn bias_of(col: u32) -> vec4<f32> {
    if (params.has_bias == 0u) {
        return vec4<f32>(0.0);
    }
    let last = params.n - 1u;
    return vec4<f32>(bias[min(col, last)], bias[min(col + 1u, last)], bias[min(col + 2u, last)], bias[min(col + 3u, last)]);
}
fn put(i: u32, col: u32, sum: vec4<f32>, plus: vec4<f32>) {
    var v = sum * params.alpha + plus;
    if (col + 0u < params.n) {
        if (params.has_x != 0u) { v.x += x[i + col + 0u]; }
        c[i + col + 0u] = v.x;
    }
    if (col + 1u < params.n) {
        if (params.has_x != 0u) { v.y += x[i + col + 1u]; }
        c[i + col + 1u] = v.y;
    }
    if (col + 2u < params.n) {
        if (params.has_x != 0u) { v.z += x[i + col + 2u]; }
        c[i + col + 2u] = v.z;
    }
    if (col + 3u < params.n) {
        if (params.has_x != 0u) { v.w += x[i + col + 3u]; }
        c[i + col + 3u] = v.w;
    }
}
fn finish(i: u32, col: u32) {
    for (var k = i + col; k < i + min(col + 4u, params.n); k++) {
        let v = at[k];
        let p = normal(v);
        c[k] = c[k] * (p.x + v * p.y);
    }
}
// One thread computes 8 x 8 elements of C; blocks are numbered along n first.
@compute @workgroup_size(64)
fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let block = id.y * groups.x * 64u + id.x;
    let across = (params.n + 7u) / 8u;
    if (block >= across * ((params.m + 7u) / 8u)) { return; }
    let m0 = block / across * 8u;
    let n0 = block % across * 8u;
    let split = id.z % params.splits;
    let batch = id.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;
    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;
    let k0 = split * params.split_size;
    let k1 = min(params.k, k0 + params.split_size);
    let ra0 = (a0 + min(m0 + 0u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra1 = (a0 + min(m0 + 1u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra2 = (a0 + min(m0 + 2u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra3 = (a0 + min(m0 + 3u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra4 = (a0 + min(m0 + 4u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra5 = (a0 + min(m0 + 5u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra6 = (a0 + min(m0 + 6u, params.m - 1u) * params.a_row + k0) / 4u;
    let ra7 = (a0 + min(m0 + 7u, params.m - 1u) * params.a_row + k0) / 4u;
    let rb0 = b0 + min(n0 + 0u, params.n - 1u);
    let rb1 = b0 + min(n0 + 1u, params.n - 1u);
    let rb2 = b0 + min(n0 + 2u, params.n - 1u);
    let rb3 = b0 + min(n0 + 3u, params.n - 1u);
    let rb4 = b0 + min(n0 + 4u, params.n - 1u);
    let rb5 = b0 + min(n0 + 5u, params.n - 1u);
    let rb6 = b0 + min(n0 + 6u, params.n - 1u);
    let rb7 = b0 + min(n0 + 7u, params.n - 1u);
    var c0_0 = vec4<f32>(0.0);
    var c0_1 = vec4<f32>(0.0);
    var c1_0 = vec4<f32>(0.0);
    var c1_1 = vec4<f32>(0.0);
    var c2_0 = vec4<f32>(0.0);
    var c2_1 = vec4<f32>(0.0);
    var c3_0 = vec4<f32>(0.0);
    var c3_1 = vec4<f32>(0.0);
    var c4_0 = vec4<f32>(0.0);
    var c4_1 = vec4<f32>(0.0);
    var c5_0 = vec4<f32>(0.0);
    var c5_1 = vec4<f32>(0.0);
    var c6_0 = vec4<f32>(0.0);
    var c6_1 = vec4<f32>(0.0);
    var c7_0 = vec4<f32>(0.0);
    var c7_1 = vec4<f32>(0.0);
    var ka = 0u;
    var kb = (k0 * params.b_row);
    let sb = (params.b_row);
    var k = k0;
    for (; k + 4u <= k1; k += 4u) {
        let v0_0 = vec4<f32>(b[rb0 + kb], b[rb1 + kb], b[rb2 + kb], b[rb3 + kb]);
        let v0_1 = vec4<f32>(b[rb4 + kb], b[rb5 + kb], b[rb6 + kb], b[rb7 + kb]);
        let v1_0 = vec4<f32>(b[rb0 + kb + 1u * sb], b[rb1 + kb + 1u * sb], b[rb2 + kb + 1u * sb], b[rb3 + kb + 1u * sb]);
        let v1_1 = vec4<f32>(b[rb4 + kb + 1u * sb], b[rb5 + kb + 1u * sb], b[rb6 + kb + 1u * sb], b[rb7 + kb + 1u * sb]);
        let v2_0 = vec4<f32>(b[rb0 + kb + 2u * sb], b[rb1 + kb + 2u * sb], b[rb2 + kb + 2u * sb], b[rb3 + kb + 2u * sb]);
        let v2_1 = vec4<f32>(b[rb4 + kb + 2u * sb], b[rb5 + kb + 2u * sb], b[rb6 + kb + 2u * sb], b[rb7 + kb + 2u * sb]);
        let v3_0 = vec4<f32>(b[rb0 + kb + 3u * sb], b[rb1 + kb + 3u * sb], b[rb2 + kb + 3u * sb], b[rb3 + kb + 3u * sb]);
        let v3_1 = vec4<f32>(b[rb4 + kb + 3u * sb], b[rb5 + kb + 3u * sb], b[rb6 + kb + 3u * sb], b[rb7 + kb + 3u * sb]);
        let a0 = a[ra0 + ka];
        let s0_0 = vec4<f32>(a0.x);
        let s1_0 = vec4<f32>(a0.y);
        let s2_0 = vec4<f32>(a0.z);
        let s3_0 = vec4<f32>(a0.w);
        c0_0 = fma(s0_0, v0_0, c0_0);
        c0_0 = fma(s1_0, v1_0, c0_0);
        c0_0 = fma(s2_0, v2_0, c0_0);
        c0_0 = fma(s3_0, v3_0, c0_0);
        c0_1 = fma(s0_0, v0_1, c0_1);
        c0_1 = fma(s1_0, v1_1, c0_1);
        c0_1 = fma(s2_0, v2_1, c0_1);
        c0_1 = fma(s3_0, v3_1, c0_1);
        let a1 = a[ra1 + ka];
        let s0_1 = vec4<f32>(a1.x);
        let s1_1 = vec4<f32>(a1.y);
        let s2_1 = vec4<f32>(a1.z);
        let s3_1 = vec4<f32>(a1.w);
        c1_0 = fma(s0_1, v0_0, c1_0);
        c1_0 = fma(s1_1, v1_0, c1_0);
        c1_0 = fma(s2_1, v2_0, c1_0);
        c1_0 = fma(s3_1, v3_0, c1_0);
        c1_1 = fma(s0_1, v0_1, c1_1);
        c1_1 = fma(s1_1, v1_1, c1_1);
        c1_1 = fma(s2_1, v2_1, c1_1);
        c1_1 = fma(s3_1, v3_1, c1_1);
        let a2 = a[ra2 + ka];
        let s0_2 = vec4<f32>(a2.x);
        let s1_2 = vec4<f32>(a2.y);
        let s2_2 = vec4<f32>(a2.z);
        let s3_2 = vec4<f32>(a2.w);
        c2_0 = fma(s0_2, v0_0, c2_0);
        c2_0 = fma(s1_2, v1_0, c2_0);
        c2_0 = fma(s2_2, v2_0, c2_0);
        c2_0 = fma(s3_2, v3_0, c2_0);
        c2_1 = fma(s0_2, v0_1, c2_1);
        c2_1 = fma(s1_2, v1_1, c2_1);
        c2_1 = fma(s2_2, v2_1, c2_1);
        c2_1 = fma(s3_2, v3_1, c2_1);
        let a3 = a[ra3 + ka];
        let s0_3 = vec4<f32>(a3.x);
        let s1_3 = vec4<f32>(a3.y);
        let s2_3 = vec4<f32>(a3.z);
        let s3_3 = vec4<f32>(a3.w);
        c3_0 = fma(s0_3, v0_0, c3_0);
        c3_0 = fma(s1_3, v1_0, c3_0);
        c3_0 = fma(s2_3, v2_0, c3_0);
        c3_0 = fma(s3_3, v3_0, c3_0);
        c3_1 = fma(s0_3, v0_1, c3_1);
        c3_1 = fma(s1_3, v1_1, c3_1);
        c3_1 = fma(s2_3, v2_1, c3_1);
        c3_1 = fma(s3_3, v3_1, c3_1);
        let a4 = a[ra4 + ka];
        let s0_4 = vec4<f32>(a4.x);
        let s1_4 = vec4<f32>(a4.y);
        let s2_4 = vec4<f32>(a4.z);
        let s3_4 = vec4<f32>(a4.w);
        c4_0 = fma(s0_4, v0_0, c4_0);
        c4_0 = fma(s1_4, v1_0, c4_0);
        c4_0 = fma(s2_4, v2_0, c4_0);
        c4_0 = fma(s3_4, v3_0, c4_0);
        c4_1 = fma(s0_4, v0_1, c4_1);
        c4_1 = fma(s1_4, v1_1, c4_1);
        c4_1 = fma(s2_4, v2_1, c4_1);
        c4_1 = fma(s3_4, v3_1, c4_1);
        let a5 = a[ra5 + ka];
        let s0_5 = vec4<f32>(a5.x);
        let s1_5 = vec4<f32>(a5.y);
        let s2_5 = vec4<f32>(a5.z);
        let s3_5 = vec4<f32>(a5.w);
        c5_0 = fma(s0_5, v0_0, c5_0);
        c5_0 = fma(s1_5, v1_0, c5_0);
        c5_0 = fma(s2_5, v2_0, c5_0);
        c5_0 = fma(s3_5, v3_0, c5_0);
        c5_1 = fma(s0_5, v0_1, c5_1);
        c5_1 = fma(s1_5, v1_1, c5_1);
        c5_1 = fma(s2_5, v2_1, c5_1);
        c5_1 = fma(s3_5, v3_1, c5_1);
        let a6 = a[ra6 + ka];
        let s0_6 = vec4<f32>(a6.x);
        let s1_6 = vec4<f32>(a6.y);
        let s2_6 = vec4<f32>(a6.z);
        let s3_6 = vec4<f32>(a6.w);
        c6_0 = fma(s0_6, v0_0, c6_0);
        c6_0 = fma(s1_6, v1_0, c6_0);
        c6_0 = fma(s2_6, v2_0, c6_0);
        c6_0 = fma(s3_6, v3_0, c6_0);
        c6_1 = fma(s0_6, v0_1, c6_1);
        c6_1 = fma(s1_6, v1_1, c6_1);
        c6_1 = fma(s2_6, v2_1, c6_1);
        c6_1 = fma(s3_6, v3_1, c6_1);
        let a7 = a[ra7 + ka];
        let s0_7 = vec4<f32>(a7.x);
        let s1_7 = vec4<f32>(a7.y);
        let s2_7 = vec4<f32>(a7.z);
        let s3_7 = vec4<f32>(a7.w);
        c7_0 = fma(s0_7, v0_0, c7_0);
        c7_0 = fma(s1_7, v1_0, c7_0);
        c7_0 = fma(s2_7, v2_0, c7_0);
        c7_0 = fma(s3_7, v3_0, c7_0);
        c7_1 = fma(s0_7, v0_1, c7_1);
        c7_1 = fma(s1_7, v1_1, c7_1);
        c7_1 = fma(s2_7, v2_1, c7_1);
        c7_1 = fma(s3_7, v3_1, c7_1);
        ka += 1u;
        kb += 4u * sb;
    }
    let plus0 = bias_of(n0 + 0u);
    let plus1 = bias_of(n0 + 4u);
    for (var r = m0; r < min(m0 + 8u, params.m); r += 4u) {
        if (r + 0u < params.m) {
            let i = c0 + (r + 0u) * params.c_row;
            put(i, n0 + 0u, c0_0, plus0);
            put(i, n0 + 4u, c0_1, plus1);
        }
        if (r + 1u < params.m) {
            let i = c0 + (r + 1u) * params.c_row;
            put(i, n0 + 0u, c1_0, plus0);
            put(i, n0 + 4u, c1_1, plus1);
        }
        if (r + 2u < params.m) {
            let i = c0 + (r + 2u) * params.c_row;
            put(i, n0 + 0u, c2_0, plus0);
            put(i, n0 + 4u, c2_1, plus1);
        }
        if (r + 3u < params.m) {
            let i = c0 + (r + 3u) * params.c_row;
            put(i, n0 + 0u, c3_0, plus0);
            put(i, n0 + 4u, c3_1, plus1);
        }
        c0_0 = c4_0;
        c0_1 = c4_1;
        c1_0 = c5_0;
        c1_1 = c5_1;
        c2_0 = c6_0;
        c2_1 = c6_1;
        c3_0 = c7_0;
        c3_1 = c7_1;
    }
    for (var e = 0u; e < 16u; e++) {
        let r = e / 2u;
        let q = e % 2u;
        let row = m0 + r;
        if (row < params.m) { finish(c0 + row * params.c_row, n0 + 4u * q); }
    }
}
