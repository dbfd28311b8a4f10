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
// One thread computes 16 x 16 elements of C; blocks are numbered along n first.
@compute @workgroup_size(8)
fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let block = id.y * groups.x * 8u + id.x;
    let across = (params.n + 15u) / 16u;
    if (block >= across * ((params.m + 15u) / 16u)) { return; }
    let m0 = block / across * 16u;
    let n0 = block % across * 16u;
    let split = id.z % params.splits;
    let batch = id.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;
    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;
    let k0 = split * params.split_size;
    let k1 = min(params.k, k0 + params.split_size);
    let ra0 = (a0 + min(m0 + 0u, params.m - 4u)) / 4u;
    let ra1 = (a0 + min(m0 + 4u, params.m - 4u)) / 4u;
    let ra2 = (a0 + min(m0 + 8u, params.m - 4u)) / 4u;
    let ra3 = (a0 + min(m0 + 12u, params.m - 4u)) / 4u;
    let rb0 = b0 + min(n0 + 0u, params.n - 1u);
    let rb1 = b0 + min(n0 + 1u, params.n - 1u);
    let rb2 = b0 + min(n0 + 2u, params.n - 1u);
    let rb3 = b0 + min(n0 + 3u, params.n - 1u);
    let rb4 = b0 + min(n0 + 4u, params.n - 1u);
    let rb5 = b0 + min(n0 + 5u, params.n - 1u);
    let rb6 = b0 + min(n0 + 6u, params.n - 1u);
    let rb7 = b0 + min(n0 + 7u, params.n - 1u);
    let rb8 = b0 + min(n0 + 8u, params.n - 1u);
    let rb9 = b0 + min(n0 + 9u, params.n - 1u);
    let rb10 = b0 + min(n0 + 10u, params.n - 1u);
    let rb11 = b0 + min(n0 + 11u, params.n - 1u);
    let rb12 = b0 + min(n0 + 12u, params.n - 1u);
    let rb13 = b0 + min(n0 + 13u, params.n - 1u);
    let rb14 = b0 + min(n0 + 14u, params.n - 1u);
    let rb15 = b0 + min(n0 + 15u, params.n - 1u);
    var c0_0 = vec4<f32>(0.0);
    var c0_1 = vec4<f32>(0.0);
    var c0_2 = vec4<f32>(0.0);
    var c0_3 = vec4<f32>(0.0);
    var c1_0 = vec4<f32>(0.0);
    var c1_1 = vec4<f32>(0.0);
    var c1_2 = vec4<f32>(0.0);
    var c1_3 = vec4<f32>(0.0);
    var c2_0 = vec4<f32>(0.0);
    var c2_1 = vec4<f32>(0.0);
    var c2_2 = vec4<f32>(0.0);
    var c2_3 = vec4<f32>(0.0);
    var c3_0 = vec4<f32>(0.0);
    var c3_1 = vec4<f32>(0.0);
    var c3_2 = vec4<f32>(0.0);
    var c3_3 = vec4<f32>(0.0);
    var c4_0 = vec4<f32>(0.0);
    var c4_1 = vec4<f32>(0.0);
    var c4_2 = vec4<f32>(0.0);
    var c4_3 = vec4<f32>(0.0);
    var c5_0 = vec4<f32>(0.0);
    var c5_1 = vec4<f32>(0.0);
    var c5_2 = vec4<f32>(0.0);
    var c5_3 = vec4<f32>(0.0);
    var c6_0 = vec4<f32>(0.0);
    var c6_1 = vec4<f32>(0.0);
    var c6_2 = vec4<f32>(0.0);
    var c6_3 = vec4<f32>(0.0);
    var c7_0 = vec4<f32>(0.0);
    var c7_1 = vec4<f32>(0.0);
    var c7_2 = vec4<f32>(0.0);
    var c7_3 = vec4<f32>(0.0);
    var c8_0 = vec4<f32>(0.0);
    var c8_1 = vec4<f32>(0.0);
    var c8_2 = vec4<f32>(0.0);
    var c8_3 = vec4<f32>(0.0);
    var c9_0 = vec4<f32>(0.0);
    var c9_1 = vec4<f32>(0.0);
    var c9_2 = vec4<f32>(0.0);
    var c9_3 = vec4<f32>(0.0);
    var c10_0 = vec4<f32>(0.0);
    var c10_1 = vec4<f32>(0.0);
    var c10_2 = vec4<f32>(0.0);
    var c10_3 = vec4<f32>(0.0);
    var c11_0 = vec4<f32>(0.0);
    var c11_1 = vec4<f32>(0.0);
    var c11_2 = vec4<f32>(0.0);
    var c11_3 = vec4<f32>(0.0);
    var c12_0 = vec4<f32>(0.0);
    var c12_1 = vec4<f32>(0.0);
    var c12_2 = vec4<f32>(0.0);
    var c12_3 = vec4<f32>(0.0);
    var c13_0 = vec4<f32>(0.0);
    var c13_1 = vec4<f32>(0.0);
    var c13_2 = vec4<f32>(0.0);
    var c13_3 = vec4<f32>(0.0);
    var c14_0 = vec4<f32>(0.0);
    var c14_1 = vec4<f32>(0.0);
    var c14_2 = vec4<f32>(0.0);
    var c14_3 = vec4<f32>(0.0);
    var c15_0 = vec4<f32>(0.0);
    var c15_1 = vec4<f32>(0.0);
    var c15_2 = vec4<f32>(0.0);
    var c15_3 = vec4<f32>(0.0);
    var ka = (k0 * params.a_col) / 4u;
    var kb = (k0 * params.b_row);
    let sa = (params.a_col) / 4u;
    let sb = (params.b_row);
    var k = k0;
    for (; k + 4u <= k1; k += 4u) {
        let v0_0 = vec4<f32>(b[rb0 + kb], b[rb1 + kb], b[rb2 + kb], b[rb3 + kb]);
        let v0_1 = vec4<f32>(b[rb4 + kb], b[rb5 + kb], b[rb6 + kb], b[rb7 + kb]);
        let v0_2 = vec4<f32>(b[rb8 + kb], b[rb9 + kb], b[rb10 + kb], b[rb11 + kb]);
        let v0_3 = vec4<f32>(b[rb12 + kb], b[rb13 + kb], b[rb14 + kb], b[rb15 + kb]);
        let v1_0 = vec4<f32>(b[rb0 + kb + 1u * sb], b[rb1 + kb + 1u * sb], b[rb2 + kb + 1u * sb], b[rb3 + kb + 1u * sb]);
        let v1_1 = vec4<f32>(b[rb4 + kb + 1u * sb], b[rb5 + kb + 1u * sb], b[rb6 + kb + 1u * sb], b[rb7 + kb + 1u * sb]);
        let v1_2 = vec4<f32>(b[rb8 + kb + 1u * sb], b[rb9 + kb + 1u * sb], b[rb10 + kb + 1u * sb], b[rb11 + kb + 1u * sb]);
        let v1_3 = vec4<f32>(b[rb12 + kb + 1u * sb], b[rb13 + kb + 1u * sb], b[rb14 + kb + 1u * sb], b[rb15 + kb + 1u * sb]);
        let v2_0 = vec4<f32>(b[rb0 + kb + 2u * sb], b[rb1 + kb + 2u * sb], b[rb2 + kb + 2u * sb], b[rb3 + kb + 2u * sb]);
        let v2_1 = vec4<f32>(b[rb4 + kb + 2u * sb], b[rb5 + kb + 2u * sb], b[rb6 + kb + 2u * sb], b[rb7 + kb + 2u * sb]);
        let v2_2 = vec4<f32>(b[rb8 + kb + 2u * sb], b[rb9 + kb + 2u * sb], b[rb10 + kb + 2u * sb], b[rb11 + kb + 2u * sb]);
        let v2_3 = vec4<f32>(b[rb12 + kb + 2u * sb], b[rb13 + kb + 2u * sb], b[rb14 + kb + 2u * sb], b[rb15 + kb + 2u * sb]);
        let v3_0 = vec4<f32>(b[rb0 + kb + 3u * sb], b[rb1 + kb + 3u * sb], b[rb2 + kb + 3u * sb], b[rb3 + kb + 3u * sb]);
        let v3_1 = vec4<f32>(b[rb4 + kb + 3u * sb], b[rb5 + kb + 3u * sb], b[rb6 + kb + 3u * sb], b[rb7 + kb + 3u * sb]);
        let v3_2 = vec4<f32>(b[rb8 + kb + 3u * sb], b[rb9 + kb + 3u * sb], b[rb10 + kb + 3u * sb], b[rb11 + kb + 3u * sb]);
        let v3_3 = vec4<f32>(b[rb12 + kb + 3u * sb], b[rb13 + kb + 3u * sb], b[rb14 + kb + 3u * sb], b[rb15 + kb + 3u * sb]);
        let u0_0 = a[ra0 + ka];
        let s0_0 = vec4<f32>(u0_0.x);
        let u1_0 = a[ra0 + ka + 1u * sa];
        let s1_0 = vec4<f32>(u1_0.x);
        let u2_0 = a[ra0 + ka + 2u * sa];
        let s2_0 = vec4<f32>(u2_0.x);
        let u3_0 = a[ra0 + ka + 3u * sa];
        let s3_0 = vec4<f32>(u3_0.x);
        c0_0 = fma(s0_0, v0_0, c0_0);
        c0_0 = fma(s1_0, v1_0, c0_0);
        c0_0 = fma(s2_0, v2_0, c0_0);
        c0_0 = fma(s3_0, v3_0, c0_0);
        c0_1 = fma(s0_0, v0_1, c0_1);
        c0_1 = fma(s1_0, v1_1, c0_1);
        c0_1 = fma(s2_0, v2_1, c0_1);
        c0_1 = fma(s3_0, v3_1, c0_1);
        c0_2 = fma(s0_0, v0_2, c0_2);
        c0_2 = fma(s1_0, v1_2, c0_2);
        c0_2 = fma(s2_0, v2_2, c0_2);
        c0_2 = fma(s3_0, v3_2, c0_2);
        c0_3 = fma(s0_0, v0_3, c0_3);
        c0_3 = fma(s1_0, v1_3, c0_3);
        c0_3 = fma(s2_0, v2_3, c0_3);
        c0_3 = fma(s3_0, v3_3, c0_3);
        let s0_1 = vec4<f32>(u0_0.y);
        let s1_1 = vec4<f32>(u1_0.y);
        let s2_1 = vec4<f32>(u2_0.y);
        let s3_1 = vec4<f32>(u3_0.y);
        c1_0 = fma(s0_1, v0_0, c1_0);
        c1_0 = fma(s1_1, v1_0, c1_0);
        c1_0 = fma(s2_1, v2_0, c1_0);
        c1_0 = fma(s3_1, v3_0, c1_0);
        c1_1 = fma(s0_1, v0_1, c1_1);
        c1_1 = fma(s1_1, v1_1, c1_1);
        c1_1 = fma(s2_1, v2_1, c1_1);
        c1_1 = fma(s3_1, v3_1, c1_1);
        c1_2 = fma(s0_1, v0_2, c1_2);
        c1_2 = fma(s1_1, v1_2, c1_2);
        c1_2 = fma(s2_1, v2_2, c1_2);
        c1_2 = fma(s3_1, v3_2, c1_2);
        c1_3 = fma(s0_1, v0_3, c1_3);
        c1_3 = fma(s1_1, v1_3, c1_3);
        c1_3 = fma(s2_1, v2_3, c1_3);
        c1_3 = fma(s3_1, v3_3, c1_3);
        let s0_2 = vec4<f32>(u0_0.z);
        let s1_2 = vec4<f32>(u1_0.z);
        let s2_2 = vec4<f32>(u2_0.z);
        let s3_2 = vec4<f32>(u3_0.z);
        c2_0 = fma(s0_2, v0_0, c2_0);
        c2_0 = fma(s1_2, v1_0, c2_0);
        c2_0 = fma(s2_2, v2_0, c2_0);
        c2_0 = fma(s3_2, v3_0, c2_0);
        c2_1 = fma(s0_2, v0_1, c2_1);
        c2_1 = fma(s1_2, v1_1, c2_1);
        c2_1 = fma(s2_2, v2_1, c2_1);
        c2_1 = fma(s3_2, v3_1, c2_1);
        c2_2 = fma(s0_2, v0_2, c2_2);
        c2_2 = fma(s1_2, v1_2, c2_2);
        c2_2 = fma(s2_2, v2_2, c2_2);
        c2_2 = fma(s3_2, v3_2, c2_2);
        c2_3 = fma(s0_2, v0_3, c2_3);
        c2_3 = fma(s1_2, v1_3, c2_3);
        c2_3 = fma(s2_2, v2_3, c2_3);
        c2_3 = fma(s3_2, v3_3, c2_3);
        let s0_3 = vec4<f32>(u0_0.w);
        let s1_3 = vec4<f32>(u1_0.w);
        let s2_3 = vec4<f32>(u2_0.w);
        let s3_3 = vec4<f32>(u3_0.w);
        c3_0 = fma(s0_3, v0_0, c3_0);
        c3_0 = fma(s1_3, v1_0, c3_0);
        c3_0 = fma(s2_3, v2_0, c3_0);
        c3_0 = fma(s3_3, v3_0, c3_0);
        c3_1 = fma(s0_3, v0_1, c3_1);
        c3_1 = fma(s1_3, v1_1, c3_1);
        c3_1 = fma(s2_3, v2_1, c3_1);
        c3_1 = fma(s3_3, v3_1, c3_1);
        c3_2 = fma(s0_3, v0_2, c3_2);
        c3_2 = fma(s1_3, v1_2, c3_2);
        c3_2 = fma(s2_3, v2_2, c3_2);
        c3_2 = fma(s3_3, v3_2, c3_2);
        c3_3 = fma(s0_3, v0_3, c3_3);
        c3_3 = fma(s1_3, v1_3, c3_3);
        c3_3 = fma(s2_3, v2_3, c3_3);
        c3_3 = fma(s3_3, v3_3, c3_3);
        let u0_1 = a[ra1 + ka];
        let s0_4 = vec4<f32>(u0_1.x);
        let u1_1 = a[ra1 + ka + 1u * sa];
        let s1_4 = vec4<f32>(u1_1.x);
        let u2_1 = a[ra1 + ka + 2u * sa];
        let s2_4 = vec4<f32>(u2_1.x);
        let u3_1 = a[ra1 + ka + 3u * sa];
        let s3_4 = vec4<f32>(u3_1.x);
        c4_0 = fma(s0_4, v0_0, c4_0);
        c4_0 = fma(s1_4, v1_0, c4_0);
        c4_0 = fma(s2_4, v2_0, c4_0);
        c4_0 = fma(s3_4, v3_0, c4_0);
        c4_1 = fma(s0_4, v0_1, c4_1);
        c4_1 = fma(s1_4, v1_1, c4_1);
        c4_1 = fma(s2_4, v2_1, c4_1);
        c4_1 = fma(s3_4, v3_1, c4_1);
        c4_2 = fma(s0_4, v0_2, c4_2);
        c4_2 = fma(s1_4, v1_2, c4_2);
        c4_2 = fma(s2_4, v2_2, c4_2);
        c4_2 = fma(s3_4, v3_2, c4_2);
        c4_3 = fma(s0_4, v0_3, c4_3);
        c4_3 = fma(s1_4, v1_3, c4_3);
        c4_3 = fma(s2_4, v2_3, c4_3);
        c4_3 = fma(s3_4, v3_3, c4_3);
        let s0_5 = vec4<f32>(u0_1.y);
        let s1_5 = vec4<f32>(u1_1.y);
        let s2_5 = vec4<f32>(u2_1.y);
        let s3_5 = vec4<f32>(u3_1.y);
        c5_0 = fma(s0_5, v0_0, c5_0);
        c5_0 = fma(s1_5, v1_0, c5_0);
        c5_0 = fma(s2_5, v2_0, c5_0);
        c5_0 = fma(s3_5, v3_0, c5_0);
        c5_1 = fma(s0_5, v0_1, c5_1);
        c5_1 = fma(s1_5, v1_1, c5_1);
        c5_1 = fma(s2_5, v2_1, c5_1);
        c5_1 = fma(s3_5, v3_1, c5_1);
        c5_2 = fma(s0_5, v0_2, c5_2);
        c5_2 = fma(s1_5, v1_2, c5_2);
        c5_2 = fma(s2_5, v2_2, c5_2);
        c5_2 = fma(s3_5, v3_2, c5_2);
        c5_3 = fma(s0_5, v0_3, c5_3);
        c5_3 = fma(s1_5, v1_3, c5_3);
        c5_3 = fma(s2_5, v2_3, c5_3);
        c5_3 = fma(s3_5, v3_3, c5_3);
        let s0_6 = vec4<f32>(u0_1.z);
        let s1_6 = vec4<f32>(u1_1.z);
        let s2_6 = vec4<f32>(u2_1.z);
        let s3_6 = vec4<f32>(u3_1.z);
        c6_0 = fma(s0_6, v0_0, c6_0);
        c6_0 = fma(s1_6, v1_0, c6_0);
        c6_0 = fma(s2_6, v2_0, c6_0);
        c6_0 = fma(s3_6, v3_0, c6_0);
        c6_1 = fma(s0_6, v0_1, c6_1);
        c6_1 = fma(s1_6, v1_1, c6_1);
        c6_1 = fma(s2_6, v2_1, c6_1);
        c6_1 = fma(s3_6, v3_1, c6_1);
        c6_2 = fma(s0_6, v0_2, c6_2);
        c6_2 = fma(s1_6, v1_2, c6_2);
        c6_2 = fma(s2_6, v2_2, c6_2);
        c6_2 = fma(s3_6, v3_2, c6_2);
        c6_3 = fma(s0_6, v0_3, c6_3);
        c6_3 = fma(s1_6, v1_3, c6_3);
        c6_3 = fma(s2_6, v2_3, c6_3);
        c6_3 = fma(s3_6, v3_3, c6_3);
        let s0_7 = vec4<f32>(u0_1.w);
        let s1_7 = vec4<f32>(u1_1.w);
        let s2_7 = vec4<f32>(u2_1.w);
        let s3_7 = vec4<f32>(u3_1.w);
        c7_0 = fma(s0_7, v0_0, c7_0);
        c7_0 = fma(s1_7, v1_0, c7_0);
        c7_0 = fma(s2_7, v2_0, c7_0);
        c7_0 = fma(s3_7, v3_0, c7_0);
        c7_1 = fma(s0_7, v0_1, c7_1);
        c7_1 = fma(s1_7, v1_1, c7_1);
        c7_1 = fma(s2_7, v2_1, c7_1);
        c7_1 = fma(s3_7, v3_1, c7_1);
        c7_2 = fma(s0_7, v0_2, c7_2);
        c7_2 = fma(s1_7, v1_2, c7_2);
        c7_2 = fma(s2_7, v2_2, c7_2);
        c7_2 = fma(s3_7, v3_2, c7_2);
        c7_3 = fma(s0_7, v0_3, c7_3);
        c7_3 = fma(s1_7, v1_3, c7_3);
        c7_3 = fma(s2_7, v2_3, c7_3);
        c7_3 = fma(s3_7, v3_3, c7_3);
        let u0_2 = a[ra2 + ka];
        let s0_8 = vec4<f32>(u0_2.x);
        let u1_2 = a[ra2 + ka + 1u * sa];
        let s1_8 = vec4<f32>(u1_2.x);
        let u2_2 = a[ra2 + ka + 2u * sa];
        let s2_8 = vec4<f32>(u2_2.x);
        let u3_2 = a[ra2 + ka + 3u * sa];
        let s3_8 = vec4<f32>(u3_2.x);
        c8_0 = fma(s0_8, v0_0, c8_0);
        c8_0 = fma(s1_8, v1_0, c8_0);
        c8_0 = fma(s2_8, v2_0, c8_0);
        c8_0 = fma(s3_8, v3_0, c8_0);
        c8_1 = fma(s0_8, v0_1, c8_1);
        c8_1 = fma(s1_8, v1_1, c8_1);
        c8_1 = fma(s2_8, v2_1, c8_1);
        c8_1 = fma(s3_8, v3_1, c8_1);
        c8_2 = fma(s0_8, v0_2, c8_2);
        c8_2 = fma(s1_8, v1_2, c8_2);
        c8_2 = fma(s2_8, v2_2, c8_2);
        c8_2 = fma(s3_8, v3_2, c8_2);
        c8_3 = fma(s0_8, v0_3, c8_3);
        c8_3 = fma(s1_8, v1_3, c8_3);
        c8_3 = fma(s2_8, v2_3, c8_3);
        c8_3 = fma(s3_8, v3_3, c8_3);
        let s0_9 = vec4<f32>(u0_2.y);
        let s1_9 = vec4<f32>(u1_2.y);
        let s2_9 = vec4<f32>(u2_2.y);
        let s3_9 = vec4<f32>(u3_2.y);
        c9_0 = fma(s0_9, v0_0, c9_0);
        c9_0 = fma(s1_9, v1_0, c9_0);
        c9_0 = fma(s2_9, v2_0, c9_0);
        c9_0 = fma(s3_9, v3_0, c9_0);
        c9_1 = fma(s0_9, v0_1, c9_1);
        c9_1 = fma(s1_9, v1_1, c9_1);
        c9_1 = fma(s2_9, v2_1, c9_1);
        c9_1 = fma(s3_9, v3_1, c9_1);
        c9_2 = fma(s0_9, v0_2, c9_2);
        c9_2 = fma(s1_9, v1_2, c9_2);
        c9_2 = fma(s2_9, v2_2, c9_2);
        c9_2 = fma(s3_9, v3_2, c9_2);
        c9_3 = fma(s0_9, v0_3, c9_3);
        c9_3 = fma(s1_9, v1_3, c9_3);
        c9_3 = fma(s2_9, v2_3, c9_3);
        c9_3 = fma(s3_9, v3_3, c9_3);
        let s0_10 = vec4<f32>(u0_2.z);
        let s1_10 = vec4<f32>(u1_2.z);
        let s2_10 = vec4<f32>(u2_2.z);
        let s3_10 = vec4<f32>(u3_2.z);
        c10_0 = fma(s0_10, v0_0, c10_0);
        c10_0 = fma(s1_10, v1_0, c10_0);
        c10_0 = fma(s2_10, v2_0, c10_0);
        c10_0 = fma(s3_10, v3_0, c10_0);
        c10_1 = fma(s0_10, v0_1, c10_1);
        c10_1 = fma(s1_10, v1_1, c10_1);
        c10_1 = fma(s2_10, v2_1, c10_1);
        c10_1 = fma(s3_10, v3_1, c10_1);
        c10_2 = fma(s0_10, v0_2, c10_2);
        c10_2 = fma(s1_10, v1_2, c10_2);
        c10_2 = fma(s2_10, v2_2, c10_2);
        c10_2 = fma(s3_10, v3_2, c10_2);
        c10_3 = fma(s0_10, v0_3, c10_3);
        c10_3 = fma(s1_10, v1_3, c10_3);
        c10_3 = fma(s2_10, v2_3, c10_3);
        c10_3 = fma(s3_10, v3_3, c10_3);
        let s0_11 = vec4<f32>(u0_2.w);
        let s1_11 = vec4<f32>(u1_2.w);
        let s2_11 = vec4<f32>(u2_2.w);
        let s3_11 = vec4<f32>(u3_2.w);
        c11_0 = fma(s0_11, v0_0, c11_0);
        c11_0 = fma(s1_11, v1_0, c11_0);
        c11_0 = fma(s2_11, v2_0, c11_0);
        c11_0 = fma(s3_11, v3_0, c11_0);
        c11_1 = fma(s0_11, v0_1, c11_1);
        c11_1 = fma(s1_11, v1_1, c11_1);
        c11_1 = fma(s2_11, v2_1, c11_1);
        c11_1 = fma(s3_11, v3_1, c11_1);
        c11_2 = fma(s0_11, v0_2, c11_2);
        c11_2 = fma(s1_11, v1_2, c11_2);
        c11_2 = fma(s2_11, v2_2, c11_2);
        c11_2 = fma(s3_11, v3_2, c11_2);
        c11_3 = fma(s0_11, v0_3, c11_3);
        c11_3 = fma(s1_11, v1_3, c11_3);
        c11_3 = fma(s2_11, v2_3, c11_3);
        c11_3 = fma(s3_11, v3_3, c11_3);
        let u0_3 = a[ra3 + ka];
        let s0_12 = vec4<f32>(u0_3.x);
        let u1_3 = a[ra3 + ka + 1u * sa];
        let s1_12 = vec4<f32>(u1_3.x);
        let u2_3 = a[ra3 + ka + 2u * sa];
        let s2_12 = vec4<f32>(u2_3.x);
        let u3_3 = a[ra3 + ka + 3u * sa];
        let s3_12 = vec4<f32>(u3_3.x);
        c12_0 = fma(s0_12, v0_0, c12_0);
        c12_0 = fma(s1_12, v1_0, c12_0);
        c12_0 = fma(s2_12, v2_0, c12_0);
        c12_0 = fma(s3_12, v3_0, c12_0);
        c12_1 = fma(s0_12, v0_1, c12_1);
        c12_1 = fma(s1_12, v1_1, c12_1);
        c12_1 = fma(s2_12, v2_1, c12_1);
        c12_1 = fma(s3_12, v3_1, c12_1);
        c12_2 = fma(s0_12, v0_2, c12_2);
        c12_2 = fma(s1_12, v1_2, c12_2);
        c12_2 = fma(s2_12, v2_2, c12_2);
        c12_2 = fma(s3_12, v3_2, c12_2);
        c12_3 = fma(s0_12, v0_3, c12_3);
        c12_3 = fma(s1_12, v1_3, c12_3);
        c12_3 = fma(s2_12, v2_3, c12_3);
        c12_3 = fma(s3_12, v3_3, c12_3);
        let s0_13 = vec4<f32>(u0_3.y);
        let s1_13 = vec4<f32>(u1_3.y);
        let s2_13 = vec4<f32>(u2_3.y);
        let s3_13 = vec4<f32>(u3_3.y);
        c13_0 = fma(s0_13, v0_0, c13_0);
        c13_0 = fma(s1_13, v1_0, c13_0);
        c13_0 = fma(s2_13, v2_0, c13_0);
        c13_0 = fma(s3_13, v3_0, c13_0);
        c13_1 = fma(s0_13, v0_1, c13_1);
        c13_1 = fma(s1_13, v1_1, c13_1);
        c13_1 = fma(s2_13, v2_1, c13_1);
        c13_1 = fma(s3_13, v3_1, c13_1);
        c13_2 = fma(s0_13, v0_2, c13_2);
        c13_2 = fma(s1_13, v1_2, c13_2);
        c13_2 = fma(s2_13, v2_2, c13_2);
        c13_2 = fma(s3_13, v3_2, c13_2);
        c13_3 = fma(s0_13, v0_3, c13_3);
        c13_3 = fma(s1_13, v1_3, c13_3);
        c13_3 = fma(s2_13, v2_3, c13_3);
        c13_3 = fma(s3_13, v3_3, c13_3);
        let s0_14 = vec4<f32>(u0_3.z);
        let s1_14 = vec4<f32>(u1_3.z);
        let s2_14 = vec4<f32>(u2_3.z);
        let s3_14 = vec4<f32>(u3_3.z);
        c14_0 = fma(s0_14, v0_0, c14_0);
        c14_0 = fma(s1_14, v1_0, c14_0);
        c14_0 = fma(s2_14, v2_0, c14_0);
        c14_0 = fma(s3_14, v3_0, c14_0);
        c14_1 = fma(s0_14, v0_1, c14_1);
        c14_1 = fma(s1_14, v1_1, c14_1);
        c14_1 = fma(s2_14, v2_1, c14_1);
        c14_1 = fma(s3_14, v3_1, c14_1);
        c14_2 = fma(s0_14, v0_2, c14_2);
        c14_2 = fma(s1_14, v1_2, c14_2);
        c14_2 = fma(s2_14, v2_2, c14_2);
        c14_2 = fma(s3_14, v3_2, c14_2);
        c14_3 = fma(s0_14, v0_3, c14_3);
        c14_3 = fma(s1_14, v1_3, c14_3);
        c14_3 = fma(s2_14, v2_3, c14_3);
        c14_3 = fma(s3_14, v3_3, c14_3);
        let s0_15 = vec4<f32>(u0_3.w);
        let s1_15 = vec4<f32>(u1_3.w);
        let s2_15 = vec4<f32>(u2_3.w);
        let s3_15 = vec4<f32>(u3_3.w);
        c15_0 = fma(s0_15, v0_0, c15_0);
        c15_0 = fma(s1_15, v1_0, c15_0);
        c15_0 = fma(s2_15, v2_0, c15_0);
        c15_0 = fma(s3_15, v3_0, c15_0);
        c15_1 = fma(s0_15, v0_1, c15_1);
        c15_1 = fma(s1_15, v1_1, c15_1);
        c15_1 = fma(s2_15, v2_1, c15_1);
        c15_1 = fma(s3_15, v3_1, c15_1);
        c15_2 = fma(s0_15, v0_2, c15_2);
        c15_2 = fma(s1_15, v1_2, c15_2);
        c15_2 = fma(s2_15, v2_2, c15_2);
        c15_2 = fma(s3_15, v3_2, c15_2);
        c15_3 = fma(s0_15, v0_3, c15_3);
        c15_3 = fma(s1_15, v1_3, c15_3);
        c15_3 = fma(s2_15, v2_3, c15_3);
        c15_3 = fma(s3_15, v3_3, c15_3);
        ka += 4u * sa;
        kb += 4u * sb;
    }
    for (; k < k1; k++) {
        let v0_0 = vec4<f32>(b[rb0 + kb], b[rb1 + kb], b[rb2 + kb], b[rb3 + kb]);
        let v0_1 = vec4<f32>(b[rb4 + kb], b[rb5 + kb], b[rb6 + kb], b[rb7 + kb]);
        let v0_2 = vec4<f32>(b[rb8 + kb], b[rb9 + kb], b[rb10 + kb], b[rb11 + kb]);
        let v0_3 = vec4<f32>(b[rb12 + kb], b[rb13 + kb], b[rb14 + kb], b[rb15 + kb]);
        let u0_0 = a[ra0 + ka];
        let s0_0 = vec4<f32>(u0_0.x);
        c0_0 = fma(s0_0, v0_0, c0_0);
        c0_1 = fma(s0_0, v0_1, c0_1);
        c0_2 = fma(s0_0, v0_2, c0_2);
        c0_3 = fma(s0_0, v0_3, c0_3);
        let s0_1 = vec4<f32>(u0_0.y);
        c1_0 = fma(s0_1, v0_0, c1_0);
        c1_1 = fma(s0_1, v0_1, c1_1);
        c1_2 = fma(s0_1, v0_2, c1_2);
        c1_3 = fma(s0_1, v0_3, c1_3);
        let s0_2 = vec4<f32>(u0_0.z);
        c2_0 = fma(s0_2, v0_0, c2_0);
        c2_1 = fma(s0_2, v0_1, c2_1);
        c2_2 = fma(s0_2, v0_2, c2_2);
        c2_3 = fma(s0_2, v0_3, c2_3);
        let s0_3 = vec4<f32>(u0_0.w);
        c3_0 = fma(s0_3, v0_0, c3_0);
        c3_1 = fma(s0_3, v0_1, c3_1);
        c3_2 = fma(s0_3, v0_2, c3_2);
        c3_3 = fma(s0_3, v0_3, c3_3);
        let u0_1 = a[ra1 + ka];
        let s0_4 = vec4<f32>(u0_1.x);
        c4_0 = fma(s0_4, v0_0, c4_0);
        c4_1 = fma(s0_4, v0_1, c4_1);
        c4_2 = fma(s0_4, v0_2, c4_2);
        c4_3 = fma(s0_4, v0_3, c4_3);
        let s0_5 = vec4<f32>(u0_1.y);
        c5_0 = fma(s0_5, v0_0, c5_0);
        c5_1 = fma(s0_5, v0_1, c5_1);
        c5_2 = fma(s0_5, v0_2, c5_2);
        c5_3 = fma(s0_5, v0_3, c5_3);
        let s0_6 = vec4<f32>(u0_1.z);
        c6_0 = fma(s0_6, v0_0, c6_0);
        c6_1 = fma(s0_6, v0_1, c6_1);
        c6_2 = fma(s0_6, v0_2, c6_2);
        c6_3 = fma(s0_6, v0_3, c6_3);
        let s0_7 = vec4<f32>(u0_1.w);
        c7_0 = fma(s0_7, v0_0, c7_0);
        c7_1 = fma(s0_7, v0_1, c7_1);
        c7_2 = fma(s0_7, v0_2, c7_2);
        c7_3 = fma(s0_7, v0_3, c7_3);
        let u0_2 = a[ra2 + ka];
        let s0_8 = vec4<f32>(u0_2.x);
        c8_0 = fma(s0_8, v0_0, c8_0);
        c8_1 = fma(s0_8, v0_1, c8_1);
        c8_2 = fma(s0_8, v0_2, c8_2);
        c8_3 = fma(s0_8, v0_3, c8_3);
        let s0_9 = vec4<f32>(u0_2.y);
        c9_0 = fma(s0_9, v0_0, c9_0);
        c9_1 = fma(s0_9, v0_1, c9_1);
        c9_2 = fma(s0_9, v0_2, c9_2);
        c9_3 = fma(s0_9, v0_3, c9_3);
        let s0_10 = vec4<f32>(u0_2.z);
        c10_0 = fma(s0_10, v0_0, c10_0);
        c10_1 = fma(s0_10, v0_1, c10_1);
        c10_2 = fma(s0_10, v0_2, c10_2);
        c10_3 = fma(s0_10, v0_3, c10_3);
        let s0_11 = vec4<f32>(u0_2.w);
        c11_0 = fma(s0_11, v0_0, c11_0);
        c11_1 = fma(s0_11, v0_1, c11_1);
        c11_2 = fma(s0_11, v0_2, c11_2);
        c11_3 = fma(s0_11, v0_3, c11_3);
        let u0_3 = a[ra3 + ka];
        let s0_12 = vec4<f32>(u0_3.x);
        c12_0 = fma(s0_12, v0_0, c12_0);
        c12_1 = fma(s0_12, v0_1, c12_1);
        c12_2 = fma(s0_12, v0_2, c12_2);
        c12_3 = fma(s0_12, v0_3, c12_3);
        let s0_13 = vec4<f32>(u0_3.y);
        c13_0 = fma(s0_13, v0_0, c13_0);
        c13_1 = fma(s0_13, v0_1, c13_1);
        c13_2 = fma(s0_13, v0_2, c13_2);
        c13_3 = fma(s0_13, v0_3, c13_3);
        let s0_14 = vec4<f32>(u0_3.z);
        c14_0 = fma(s0_14, v0_0, c14_0);
        c14_1 = fma(s0_14, v0_1, c14_1);
        c14_2 = fma(s0_14, v0_2, c14_2);
        c14_3 = fma(s0_14, v0_3, c14_3);
        let s0_15 = vec4<f32>(u0_3.w);
        c15_0 = fma(s0_15, v0_0, c15_0);
        c15_1 = fma(s0_15, v0_1, c15_1);
        c15_2 = fma(s0_15, v0_2, c15_2);
        c15_3 = fma(s0_15, v0_3, c15_3);
        ka += 1u * sa;
        kb += 1u * sb;
    }
    let plus0 = bias_of(n0 + 0u);
    let plus1 = bias_of(n0 + 4u);
    let plus2 = bias_of(n0 + 8u);
    let plus3 = bias_of(n0 + 12u);
    if (m0 + 0u < params.m) {
        let i = c0 + (m0 + 0u) * params.c_row;
        put(i, n0 + 0u, c0_0, plus0);
        put(i, n0 + 4u, c0_1, plus1);
        put(i, n0 + 8u, c0_2, plus2);
        put(i, n0 + 12u, c0_3, plus3);
    }
    if (m0 + 1u < params.m) {
        let i = c0 + (m0 + 1u) * params.c_row;
        put(i, n0 + 0u, c1_0, plus0);
        put(i, n0 + 4u, c1_1, plus1);
        put(i, n0 + 8u, c1_2, plus2);
        put(i, n0 + 12u, c1_3, plus3);
    }
    if (m0 + 2u < params.m) {
        let i = c0 + (m0 + 2u) * params.c_row;
        put(i, n0 + 0u, c2_0, plus0);
        put(i, n0 + 4u, c2_1, plus1);
        put(i, n0 + 8u, c2_2, plus2);
        put(i, n0 + 12u, c2_3, plus3);
    }
    if (m0 + 3u < params.m) {
        let i = c0 + (m0 + 3u) * params.c_row;
        put(i, n0 + 0u, c3_0, plus0);
        put(i, n0 + 4u, c3_1, plus1);
        put(i, n0 + 8u, c3_2, plus2);
        put(i, n0 + 12u, c3_3, plus3);
    }
    if (m0 + 4u < params.m) {
        let i = c0 + (m0 + 4u) * params.c_row;
        put(i, n0 + 0u, c4_0, plus0);
        put(i, n0 + 4u, c4_1, plus1);
        put(i, n0 + 8u, c4_2, plus2);
        put(i, n0 + 12u, c4_3, plus3);
    }
    if (m0 + 5u < params.m) {
        let i = c0 + (m0 + 5u) * params.c_row;
        put(i, n0 + 0u, c5_0, plus0);
        put(i, n0 + 4u, c5_1, plus1);
        put(i, n0 + 8u, c5_2, plus2);
        put(i, n0 + 12u, c5_3, plus3);
    }
    if (m0 + 6u < params.m) {
        let i = c0 + (m0 + 6u) * params.c_row;
        put(i, n0 + 0u, c6_0, plus0);
        put(i, n0 + 4u, c6_1, plus1);
        put(i, n0 + 8u, c6_2, plus2);
        put(i, n0 + 12u, c6_3, plus3);
    }
    if (m0 + 7u < params.m) {
        let i = c0 + (m0 + 7u) * params.c_row;
        put(i, n0 + 0u, c7_0, plus0);
        put(i, n0 + 4u, c7_1, plus1);
        put(i, n0 + 8u, c7_2, plus2);
        put(i, n0 + 12u, c7_3, plus3);
    }
    if (m0 + 8u < params.m) {
        let i = c0 + (m0 + 8u) * params.c_row;
        put(i, n0 + 0u, c8_0, plus0);
        put(i, n0 + 4u, c8_1, plus1);
        put(i, n0 + 8u, c8_2, plus2);
        put(i, n0 + 12u, c8_3, plus3);
    }
    if (m0 + 9u < params.m) {
        let i = c0 + (m0 + 9u) * params.c_row;
        put(i, n0 + 0u, c9_0, plus0);
        put(i, n0 + 4u, c9_1, plus1);
        put(i, n0 + 8u, c9_2, plus2);
        put(i, n0 + 12u, c9_3, plus3);
    }
    if (m0 + 10u < params.m) {
        let i = c0 + (m0 + 10u) * params.c_row;
        put(i, n0 + 0u, c10_0, plus0);
        put(i, n0 + 4u, c10_1, plus1);
        put(i, n0 + 8u, c10_2, plus2);
        put(i, n0 + 12u, c10_3, plus3);
    }
    if (m0 + 11u < params.m) {
        let i = c0 + (m0 + 11u) * params.c_row;
        put(i, n0 + 0u, c11_0, plus0);
        put(i, n0 + 4u, c11_1, plus1);
        put(i, n0 + 8u, c11_2, plus2);
        put(i, n0 + 12u, c11_3, plus3);
    }
    if (m0 + 12u < params.m) {
        let i = c0 + (m0 + 12u) * params.c_row;
        put(i, n0 + 0u, c12_0, plus0);
        put(i, n0 + 4u, c12_1, plus1);
        put(i, n0 + 8u, c12_2, plus2);
        put(i, n0 + 12u, c12_3, plus3);
    }
    if (m0 + 13u < params.m) {
        let i = c0 + (m0 + 13u) * params.c_row;
        put(i, n0 + 0u, c13_0, plus0);
        put(i, n0 + 4u, c13_1, plus1);
        put(i, n0 + 8u, c13_2, plus2);
        put(i, n0 + 12u, c13_3, plus3);
    }
    if (m0 + 14u < params.m) {
        let i = c0 + (m0 + 14u) * params.c_row;
        put(i, n0 + 0u, c14_0, plus0);
        put(i, n0 + 4u, c14_1, plus1);
        put(i, n0 + 8u, c14_2, plus2);
        put(i, n0 + 12u, c14_3, plus3);
    }
    if (m0 + 15u < params.m) {
        let i = c0 + (m0 + 15u) * params.c_row;
        put(i, n0 + 0u, c15_0, plus0);
        put(i, n0 + 4u, c15_1, plus1);
        put(i, n0 + 8u, c15_2, plus2);
        put(i, n0 + 12u, c15_3, plus3);
    }
}
