// C[b,m,n] = alpha * sum over k of A[b,m,k] B[b,k,n] (+ bias[n]), with strided batches.
//
// Batch b is the pair (b / batch2, b % batch2); strides and offsets count elements. Element (m,k) of A is at
// a_off + b1*a_b1 + b2*a_b2 + m*a_row + k*a_col, element (k,n) of B likewise, and element (m,n) of C at
// c_off + split*c_split + b1*c_b1 + b2*c_b2 + m*c_row + n. One of each operand's row and column stride is 1.
//
// The sum over k is cut into `splits` pieces of split_size; piece s goes to its own part of C, c_split further on, and
// splitk_sum adds the pieces in a fixed order. Without a bias (has_bias = 0) any buffer stands in for it.
struct Params {
    m: u32, n: u32, k: u32,
    batch: u32, batch2: u32,
    a_off: u32, a_b1: u32, a_b2: u32, a_row: u32, a_col: u32,
    b_off: u32, b_b1: u32, b_b2: u32, b_row: u32, b_col: u32,
    c_off: u32, c_b1: u32, c_b2: u32, c_row: u32,
    splits: u32, split_size: u32, c_split: u32,
    alpha: f32, has_bias: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;
@group(0) @binding(5) var<storage, read> part: array<f32>;

// One thread adds the pieces of one element; part is [splits, batch, m, n].
@compute @workgroup_size(64)
fn splitk_sum(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.y * groups.x * 64u + id.x;
    if (i >= params.batch * params.m * params.n) {
        return;
    }
    var sum = 0.0;
    for (var s = 0u; s < params.splits; s++) {
        sum += part[s * params.c_split + i];
    }
    c[c_index(i)] = sum + bias_of(i % params.n);
}

fn bias_of(col: u32) -> f32 {
    if (params.has_bias == 0u) {
        return 0.0;
    }
    return bias[col];
}

// c_index gives the place in C of element i of the dense [batch, m, n].
fn c_index(i: u32) -> u32 {
    let mn = params.m * params.n;
    let b = i / mn;
    let r = i % mn;
    return params.c_off + (b / params.batch2) * params.c_b1 + (b % params.batch2) * params.c_b2
        + (r / params.n) * params.c_row + r % params.n;
}


@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
fn put(i: u32, col: u32, sum: vec4<f32>) {
    var v = sum * params.alpha;
    if (params.has_bias != 0u) {
        let last = params.n - 1u;
        v += vec4<f32>(bias[min(col, last)], bias[min(col + 1u, last)], bias[min(col + 2u, last)], bias[min(col + 3u, last)]);
    }
    if (col + 0u < params.n) { c[i + col + 0u] = v.x; }
    if (col + 1u < params.n) { c[i + col + 1u] = v.y; }
    if (col + 2u < params.n) { c[i + col + 2u] = v.z; }
    if (col + 3u < params.n) { c[i + col + 3u] = v.w; }
}
// One thread computes 32 x 16 elements of C; blocks are numbered along n first.
@compute @workgroup_size(8)
fn matmul(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let block = id.y * groups.x * 8u + id.x;
    let across = (params.n + 15u) / 16u;
    if (block >= across * ((params.m + 31u) / 32u)) { return; }
    let m0 = block / across * 32u;
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
    let ra0 = (a0 + min(m0 + 0u, params.m - 1u) * params.a_row + k0);
    let ra1 = (a0 + min(m0 + 1u, params.m - 1u) * params.a_row + k0);
    let ra2 = (a0 + min(m0 + 2u, params.m - 1u) * params.a_row + k0);
    let ra3 = (a0 + min(m0 + 3u, params.m - 1u) * params.a_row + k0);
    let ra4 = (a0 + min(m0 + 4u, params.m - 1u) * params.a_row + k0);
    let ra5 = (a0 + min(m0 + 5u, params.m - 1u) * params.a_row + k0);
    let ra6 = (a0 + min(m0 + 6u, params.m - 1u) * params.a_row + k0);
    let ra7 = (a0 + min(m0 + 7u, params.m - 1u) * params.a_row + k0);
    let ra8 = (a0 + min(m0 + 8u, params.m - 1u) * params.a_row + k0);
    let ra9 = (a0 + min(m0 + 9u, params.m - 1u) * params.a_row + k0);
    let ra10 = (a0 + min(m0 + 10u, params.m - 1u) * params.a_row + k0);
    let ra11 = (a0 + min(m0 + 11u, params.m - 1u) * params.a_row + k0);
    let ra12 = (a0 + min(m0 + 12u, params.m - 1u) * params.a_row + k0);
    let ra13 = (a0 + min(m0 + 13u, params.m - 1u) * params.a_row + k0);
    let ra14 = (a0 + min(m0 + 14u, params.m - 1u) * params.a_row + k0);
    let ra15 = (a0 + min(m0 + 15u, params.m - 1u) * params.a_row + k0);
    let ra16 = (a0 + min(m0 + 16u, params.m - 1u) * params.a_row + k0);
    let ra17 = (a0 + min(m0 + 17u, params.m - 1u) * params.a_row + k0);
    let ra18 = (a0 + min(m0 + 18u, params.m - 1u) * params.a_row + k0);
    let ra19 = (a0 + min(m0 + 19u, params.m - 1u) * params.a_row + k0);
    let ra20 = (a0 + min(m0 + 20u, params.m - 1u) * params.a_row + k0);
    let ra21 = (a0 + min(m0 + 21u, params.m - 1u) * params.a_row + k0);
    let ra22 = (a0 + min(m0 + 22u, params.m - 1u) * params.a_row + k0);
    let ra23 = (a0 + min(m0 + 23u, params.m - 1u) * params.a_row + k0);
    let ra24 = (a0 + min(m0 + 24u, params.m - 1u) * params.a_row + k0);
    let ra25 = (a0 + min(m0 + 25u, params.m - 1u) * params.a_row + k0);
    let ra26 = (a0 + min(m0 + 26u, params.m - 1u) * params.a_row + k0);
    let ra27 = (a0 + min(m0 + 27u, params.m - 1u) * params.a_row + k0);
    let ra28 = (a0 + min(m0 + 28u, params.m - 1u) * params.a_row + k0);
    let ra29 = (a0 + min(m0 + 29u, params.m - 1u) * params.a_row + k0);
    let ra30 = (a0 + min(m0 + 30u, params.m - 1u) * params.a_row + k0);
    let ra31 = (a0 + min(m0 + 31u, params.m - 1u) * params.a_row + k0);
    let rb0 = (b0 + min(n0 + 0u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb1 = (b0 + min(n0 + 1u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb2 = (b0 + min(n0 + 2u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb3 = (b0 + min(n0 + 3u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb4 = (b0 + min(n0 + 4u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb5 = (b0 + min(n0 + 5u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb6 = (b0 + min(n0 + 6u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb7 = (b0 + min(n0 + 7u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb8 = (b0 + min(n0 + 8u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb9 = (b0 + min(n0 + 9u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb10 = (b0 + min(n0 + 10u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb11 = (b0 + min(n0 + 11u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb12 = (b0 + min(n0 + 12u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb13 = (b0 + min(n0 + 13u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb14 = (b0 + min(n0 + 14u, params.n - 1u) * params.b_col + k0) / 4u;
    let rb15 = (b0 + min(n0 + 15u, params.n - 1u) * params.b_col + k0) / 4u;
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
    var c16_0 = vec4<f32>(0.0);
    var c16_1 = vec4<f32>(0.0);
    var c16_2 = vec4<f32>(0.0);
    var c16_3 = vec4<f32>(0.0);
    var c17_0 = vec4<f32>(0.0);
    var c17_1 = vec4<f32>(0.0);
    var c17_2 = vec4<f32>(0.0);
    var c17_3 = vec4<f32>(0.0);
    var c18_0 = vec4<f32>(0.0);
    var c18_1 = vec4<f32>(0.0);
    var c18_2 = vec4<f32>(0.0);
    var c18_3 = vec4<f32>(0.0);
    var c19_0 = vec4<f32>(0.0);
    var c19_1 = vec4<f32>(0.0);
    var c19_2 = vec4<f32>(0.0);
    var c19_3 = vec4<f32>(0.0);
    var c20_0 = vec4<f32>(0.0);
    var c20_1 = vec4<f32>(0.0);
    var c20_2 = vec4<f32>(0.0);
    var c20_3 = vec4<f32>(0.0);
    var c21_0 = vec4<f32>(0.0);
    var c21_1 = vec4<f32>(0.0);
    var c21_2 = vec4<f32>(0.0);
    var c21_3 = vec4<f32>(0.0);
    var c22_0 = vec4<f32>(0.0);
    var c22_1 = vec4<f32>(0.0);
    var c22_2 = vec4<f32>(0.0);
    var c22_3 = vec4<f32>(0.0);
    var c23_0 = vec4<f32>(0.0);
    var c23_1 = vec4<f32>(0.0);
    var c23_2 = vec4<f32>(0.0);
    var c23_3 = vec4<f32>(0.0);
    var c24_0 = vec4<f32>(0.0);
    var c24_1 = vec4<f32>(0.0);
    var c24_2 = vec4<f32>(0.0);
    var c24_3 = vec4<f32>(0.0);
    var c25_0 = vec4<f32>(0.0);
    var c25_1 = vec4<f32>(0.0);
    var c25_2 = vec4<f32>(0.0);
    var c25_3 = vec4<f32>(0.0);
    var c26_0 = vec4<f32>(0.0);
    var c26_1 = vec4<f32>(0.0);
    var c26_2 = vec4<f32>(0.0);
    var c26_3 = vec4<f32>(0.0);
    var c27_0 = vec4<f32>(0.0);
    var c27_1 = vec4<f32>(0.0);
    var c27_2 = vec4<f32>(0.0);
    var c27_3 = vec4<f32>(0.0);
    var c28_0 = vec4<f32>(0.0);
    var c28_1 = vec4<f32>(0.0);
    var c28_2 = vec4<f32>(0.0);
    var c28_3 = vec4<f32>(0.0);
    var c29_0 = vec4<f32>(0.0);
    var c29_1 = vec4<f32>(0.0);
    var c29_2 = vec4<f32>(0.0);
    var c29_3 = vec4<f32>(0.0);
    var c30_0 = vec4<f32>(0.0);
    var c30_1 = vec4<f32>(0.0);
    var c30_2 = vec4<f32>(0.0);
    var c30_3 = vec4<f32>(0.0);
    var c31_0 = vec4<f32>(0.0);
    var c31_1 = vec4<f32>(0.0);
    var c31_2 = vec4<f32>(0.0);
    var c31_3 = vec4<f32>(0.0);
    var ka = 0u;
    var kb = 0u;
    var k = k0;
    for (; k + 4u <= k1; k += 4u) {
        let b0 = b[rb0 + kb];
        let b1 = b[rb1 + kb];
        let b2 = b[rb2 + kb];
        let b3 = b[rb3 + kb];
        let b4 = b[rb4 + kb];
        let b5 = b[rb5 + kb];
        let b6 = b[rb6 + kb];
        let b7 = b[rb7 + kb];
        let b8 = b[rb8 + kb];
        let b9 = b[rb9 + kb];
        let b10 = b[rb10 + kb];
        let b11 = b[rb11 + kb];
        let b12 = b[rb12 + kb];
        let b13 = b[rb13 + kb];
        let b14 = b[rb14 + kb];
        let b15 = b[rb15 + kb];
        let v0_0 = vec4<f32>(b0.x, b1.x, b2.x, b3.x);
        let v0_1 = vec4<f32>(b4.x, b5.x, b6.x, b7.x);
        let v0_2 = vec4<f32>(b8.x, b9.x, b10.x, b11.x);
        let v0_3 = vec4<f32>(b12.x, b13.x, b14.x, b15.x);
        let v1_0 = vec4<f32>(b0.y, b1.y, b2.y, b3.y);
        let v1_1 = vec4<f32>(b4.y, b5.y, b6.y, b7.y);
        let v1_2 = vec4<f32>(b8.y, b9.y, b10.y, b11.y);
        let v1_3 = vec4<f32>(b12.y, b13.y, b14.y, b15.y);
        let v2_0 = vec4<f32>(b0.z, b1.z, b2.z, b3.z);
        let v2_1 = vec4<f32>(b4.z, b5.z, b6.z, b7.z);
        let v2_2 = vec4<f32>(b8.z, b9.z, b10.z, b11.z);
        let v2_3 = vec4<f32>(b12.z, b13.z, b14.z, b15.z);
        let v3_0 = vec4<f32>(b0.w, b1.w, b2.w, b3.w);
        let v3_1 = vec4<f32>(b4.w, b5.w, b6.w, b7.w);
        let v3_2 = vec4<f32>(b8.w, b9.w, b10.w, b11.w);
        let v3_3 = vec4<f32>(b12.w, b13.w, b14.w, b15.w);
        let s0_0 = vec4<f32>(a[ra0 + ka + 0u]);
        let s1_0 = vec4<f32>(a[ra0 + ka + 1u]);
        let s2_0 = vec4<f32>(a[ra0 + ka + 2u]);
        let s3_0 = vec4<f32>(a[ra0 + ka + 3u]);
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
        let s0_1 = vec4<f32>(a[ra1 + ka + 0u]);
        let s1_1 = vec4<f32>(a[ra1 + ka + 1u]);
        let s2_1 = vec4<f32>(a[ra1 + ka + 2u]);
        let s3_1 = vec4<f32>(a[ra1 + ka + 3u]);
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
        let s0_2 = vec4<f32>(a[ra2 + ka + 0u]);
        let s1_2 = vec4<f32>(a[ra2 + ka + 1u]);
        let s2_2 = vec4<f32>(a[ra2 + ka + 2u]);
        let s3_2 = vec4<f32>(a[ra2 + ka + 3u]);
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
        let s0_3 = vec4<f32>(a[ra3 + ka + 0u]);
        let s1_3 = vec4<f32>(a[ra3 + ka + 1u]);
        let s2_3 = vec4<f32>(a[ra3 + ka + 2u]);
        let s3_3 = vec4<f32>(a[ra3 + ka + 3u]);
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
        let s0_4 = vec4<f32>(a[ra4 + ka + 0u]);
        let s1_4 = vec4<f32>(a[ra4 + ka + 1u]);
        let s2_4 = vec4<f32>(a[ra4 + ka + 2u]);
        let s3_4 = vec4<f32>(a[ra4 + ka + 3u]);
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
        let s0_5 = vec4<f32>(a[ra5 + ka + 0u]);
        let s1_5 = vec4<f32>(a[ra5 + ka + 1u]);
        let s2_5 = vec4<f32>(a[ra5 + ka + 2u]);
        let s3_5 = vec4<f32>(a[ra5 + ka + 3u]);
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
        let s0_6 = vec4<f32>(a[ra6 + ka + 0u]);
        let s1_6 = vec4<f32>(a[ra6 + ka + 1u]);
        let s2_6 = vec4<f32>(a[ra6 + ka + 2u]);
        let s3_6 = vec4<f32>(a[ra6 + ka + 3u]);
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
        let s0_7 = vec4<f32>(a[ra7 + ka + 0u]);
        let s1_7 = vec4<f32>(a[ra7 + ka + 1u]);
        let s2_7 = vec4<f32>(a[ra7 + ka + 2u]);
        let s3_7 = vec4<f32>(a[ra7 + ka + 3u]);
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
        let s0_8 = vec4<f32>(a[ra8 + ka + 0u]);
        let s1_8 = vec4<f32>(a[ra8 + ka + 1u]);
        let s2_8 = vec4<f32>(a[ra8 + ka + 2u]);
        let s3_8 = vec4<f32>(a[ra8 + ka + 3u]);
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
        let s0_9 = vec4<f32>(a[ra9 + ka + 0u]);
        let s1_9 = vec4<f32>(a[ra9 + ka + 1u]);
        let s2_9 = vec4<f32>(a[ra9 + ka + 2u]);
        let s3_9 = vec4<f32>(a[ra9 + ka + 3u]);
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
        let s0_10 = vec4<f32>(a[ra10 + ka + 0u]);
        let s1_10 = vec4<f32>(a[ra10 + ka + 1u]);
        let s2_10 = vec4<f32>(a[ra10 + ka + 2u]);
        let s3_10 = vec4<f32>(a[ra10 + ka + 3u]);
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
        let s0_11 = vec4<f32>(a[ra11 + ka + 0u]);
        let s1_11 = vec4<f32>(a[ra11 + ka + 1u]);
        let s2_11 = vec4<f32>(a[ra11 + ka + 2u]);
        let s3_11 = vec4<f32>(a[ra11 + ka + 3u]);
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
        let s0_12 = vec4<f32>(a[ra12 + ka + 0u]);
        let s1_12 = vec4<f32>(a[ra12 + ka + 1u]);
        let s2_12 = vec4<f32>(a[ra12 + ka + 2u]);
        let s3_12 = vec4<f32>(a[ra12 + ka + 3u]);
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
        let s0_13 = vec4<f32>(a[ra13 + ka + 0u]);
        let s1_13 = vec4<f32>(a[ra13 + ka + 1u]);
        let s2_13 = vec4<f32>(a[ra13 + ka + 2u]);
        let s3_13 = vec4<f32>(a[ra13 + ka + 3u]);
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
        let s0_14 = vec4<f32>(a[ra14 + ka + 0u]);
        let s1_14 = vec4<f32>(a[ra14 + ka + 1u]);
        let s2_14 = vec4<f32>(a[ra14 + ka + 2u]);
        let s3_14 = vec4<f32>(a[ra14 + ka + 3u]);
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
        let s0_15 = vec4<f32>(a[ra15 + ka + 0u]);
        let s1_15 = vec4<f32>(a[ra15 + ka + 1u]);
        let s2_15 = vec4<f32>(a[ra15 + ka + 2u]);
        let s3_15 = vec4<f32>(a[ra15 + ka + 3u]);
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
        let s0_16 = vec4<f32>(a[ra16 + ka + 0u]);
        let s1_16 = vec4<f32>(a[ra16 + ka + 1u]);
        let s2_16 = vec4<f32>(a[ra16 + ka + 2u]);
        let s3_16 = vec4<f32>(a[ra16 + ka + 3u]);
        c16_0 = fma(s0_16, v0_0, c16_0);
        c16_0 = fma(s1_16, v1_0, c16_0);
        c16_0 = fma(s2_16, v2_0, c16_0);
        c16_0 = fma(s3_16, v3_0, c16_0);
        c16_1 = fma(s0_16, v0_1, c16_1);
        c16_1 = fma(s1_16, v1_1, c16_1);
        c16_1 = fma(s2_16, v2_1, c16_1);
        c16_1 = fma(s3_16, v3_1, c16_1);
        c16_2 = fma(s0_16, v0_2, c16_2);
        c16_2 = fma(s1_16, v1_2, c16_2);
        c16_2 = fma(s2_16, v2_2, c16_2);
        c16_2 = fma(s3_16, v3_2, c16_2);
        c16_3 = fma(s0_16, v0_3, c16_3);
        c16_3 = fma(s1_16, v1_3, c16_3);
        c16_3 = fma(s2_16, v2_3, c16_3);
        c16_3 = fma(s3_16, v3_3, c16_3);
        let s0_17 = vec4<f32>(a[ra17 + ka + 0u]);
        let s1_17 = vec4<f32>(a[ra17 + ka + 1u]);
        let s2_17 = vec4<f32>(a[ra17 + ka + 2u]);
        let s3_17 = vec4<f32>(a[ra17 + ka + 3u]);
        c17_0 = fma(s0_17, v0_0, c17_0);
        c17_0 = fma(s1_17, v1_0, c17_0);
        c17_0 = fma(s2_17, v2_0, c17_0);
        c17_0 = fma(s3_17, v3_0, c17_0);
        c17_1 = fma(s0_17, v0_1, c17_1);
        c17_1 = fma(s1_17, v1_1, c17_1);
        c17_1 = fma(s2_17, v2_1, c17_1);
        c17_1 = fma(s3_17, v3_1, c17_1);
        c17_2 = fma(s0_17, v0_2, c17_2);
        c17_2 = fma(s1_17, v1_2, c17_2);
        c17_2 = fma(s2_17, v2_2, c17_2);
        c17_2 = fma(s3_17, v3_2, c17_2);
        c17_3 = fma(s0_17, v0_3, c17_3);
        c17_3 = fma(s1_17, v1_3, c17_3);
        c17_3 = fma(s2_17, v2_3, c17_3);
        c17_3 = fma(s3_17, v3_3, c17_3);
        let s0_18 = vec4<f32>(a[ra18 + ka + 0u]);
        let s1_18 = vec4<f32>(a[ra18 + ka + 1u]);
        let s2_18 = vec4<f32>(a[ra18 + ka + 2u]);
        let s3_18 = vec4<f32>(a[ra18 + ka + 3u]);
        c18_0 = fma(s0_18, v0_0, c18_0);
        c18_0 = fma(s1_18, v1_0, c18_0);
        c18_0 = fma(s2_18, v2_0, c18_0);
        c18_0 = fma(s3_18, v3_0, c18_0);
        c18_1 = fma(s0_18, v0_1, c18_1);
        c18_1 = fma(s1_18, v1_1, c18_1);
        c18_1 = fma(s2_18, v2_1, c18_1);
        c18_1 = fma(s3_18, v3_1, c18_1);
        c18_2 = fma(s0_18, v0_2, c18_2);
        c18_2 = fma(s1_18, v1_2, c18_2);
        c18_2 = fma(s2_18, v2_2, c18_2);
        c18_2 = fma(s3_18, v3_2, c18_2);
        c18_3 = fma(s0_18, v0_3, c18_3);
        c18_3 = fma(s1_18, v1_3, c18_3);
        c18_3 = fma(s2_18, v2_3, c18_3);
        c18_3 = fma(s3_18, v3_3, c18_3);
        let s0_19 = vec4<f32>(a[ra19 + ka + 0u]);
        let s1_19 = vec4<f32>(a[ra19 + ka + 1u]);
        let s2_19 = vec4<f32>(a[ra19 + ka + 2u]);
        let s3_19 = vec4<f32>(a[ra19 + ka + 3u]);
        c19_0 = fma(s0_19, v0_0, c19_0);
        c19_0 = fma(s1_19, v1_0, c19_0);
        c19_0 = fma(s2_19, v2_0, c19_0);
        c19_0 = fma(s3_19, v3_0, c19_0);
        c19_1 = fma(s0_19, v0_1, c19_1);
        c19_1 = fma(s1_19, v1_1, c19_1);
        c19_1 = fma(s2_19, v2_1, c19_1);
        c19_1 = fma(s3_19, v3_1, c19_1);
        c19_2 = fma(s0_19, v0_2, c19_2);
        c19_2 = fma(s1_19, v1_2, c19_2);
        c19_2 = fma(s2_19, v2_2, c19_2);
        c19_2 = fma(s3_19, v3_2, c19_2);
        c19_3 = fma(s0_19, v0_3, c19_3);
        c19_3 = fma(s1_19, v1_3, c19_3);
        c19_3 = fma(s2_19, v2_3, c19_3);
        c19_3 = fma(s3_19, v3_3, c19_3);
        let s0_20 = vec4<f32>(a[ra20 + ka + 0u]);
        let s1_20 = vec4<f32>(a[ra20 + ka + 1u]);
        let s2_20 = vec4<f32>(a[ra20 + ka + 2u]);
        let s3_20 = vec4<f32>(a[ra20 + ka + 3u]);
        c20_0 = fma(s0_20, v0_0, c20_0);
        c20_0 = fma(s1_20, v1_0, c20_0);
        c20_0 = fma(s2_20, v2_0, c20_0);
        c20_0 = fma(s3_20, v3_0, c20_0);
        c20_1 = fma(s0_20, v0_1, c20_1);
        c20_1 = fma(s1_20, v1_1, c20_1);
        c20_1 = fma(s2_20, v2_1, c20_1);
        c20_1 = fma(s3_20, v3_1, c20_1);
        c20_2 = fma(s0_20, v0_2, c20_2);
        c20_2 = fma(s1_20, v1_2, c20_2);
        c20_2 = fma(s2_20, v2_2, c20_2);
        c20_2 = fma(s3_20, v3_2, c20_2);
        c20_3 = fma(s0_20, v0_3, c20_3);
        c20_3 = fma(s1_20, v1_3, c20_3);
        c20_3 = fma(s2_20, v2_3, c20_3);
        c20_3 = fma(s3_20, v3_3, c20_3);
        let s0_21 = vec4<f32>(a[ra21 + ka + 0u]);
        let s1_21 = vec4<f32>(a[ra21 + ka + 1u]);
        let s2_21 = vec4<f32>(a[ra21 + ka + 2u]);
        let s3_21 = vec4<f32>(a[ra21 + ka + 3u]);
        c21_0 = fma(s0_21, v0_0, c21_0);
        c21_0 = fma(s1_21, v1_0, c21_0);
        c21_0 = fma(s2_21, v2_0, c21_0);
        c21_0 = fma(s3_21, v3_0, c21_0);
        c21_1 = fma(s0_21, v0_1, c21_1);
        c21_1 = fma(s1_21, v1_1, c21_1);
        c21_1 = fma(s2_21, v2_1, c21_1);
        c21_1 = fma(s3_21, v3_1, c21_1);
        c21_2 = fma(s0_21, v0_2, c21_2);
        c21_2 = fma(s1_21, v1_2, c21_2);
        c21_2 = fma(s2_21, v2_2, c21_2);
        c21_2 = fma(s3_21, v3_2, c21_2);
        c21_3 = fma(s0_21, v0_3, c21_3);
        c21_3 = fma(s1_21, v1_3, c21_3);
        c21_3 = fma(s2_21, v2_3, c21_3);
        c21_3 = fma(s3_21, v3_3, c21_3);
        let s0_22 = vec4<f32>(a[ra22 + ka + 0u]);
        let s1_22 = vec4<f32>(a[ra22 + ka + 1u]);
        let s2_22 = vec4<f32>(a[ra22 + ka + 2u]);
        let s3_22 = vec4<f32>(a[ra22 + ka + 3u]);
        c22_0 = fma(s0_22, v0_0, c22_0);
        c22_0 = fma(s1_22, v1_0, c22_0);
        c22_0 = fma(s2_22, v2_0, c22_0);
        c22_0 = fma(s3_22, v3_0, c22_0);
        c22_1 = fma(s0_22, v0_1, c22_1);
        c22_1 = fma(s1_22, v1_1, c22_1);
        c22_1 = fma(s2_22, v2_1, c22_1);
        c22_1 = fma(s3_22, v3_1, c22_1);
        c22_2 = fma(s0_22, v0_2, c22_2);
        c22_2 = fma(s1_22, v1_2, c22_2);
        c22_2 = fma(s2_22, v2_2, c22_2);
        c22_2 = fma(s3_22, v3_2, c22_2);
        c22_3 = fma(s0_22, v0_3, c22_3);
        c22_3 = fma(s1_22, v1_3, c22_3);
        c22_3 = fma(s2_22, v2_3, c22_3);
        c22_3 = fma(s3_22, v3_3, c22_3);
        let s0_23 = vec4<f32>(a[ra23 + ka + 0u]);
        let s1_23 = vec4<f32>(a[ra23 + ka + 1u]);
        let s2_23 = vec4<f32>(a[ra23 + ka + 2u]);
        let s3_23 = vec4<f32>(a[ra23 + ka + 3u]);
        c23_0 = fma(s0_23, v0_0, c23_0);
        c23_0 = fma(s1_23, v1_0, c23_0);
        c23_0 = fma(s2_23, v2_0, c23_0);
        c23_0 = fma(s3_23, v3_0, c23_0);
        c23_1 = fma(s0_23, v0_1, c23_1);
        c23_1 = fma(s1_23, v1_1, c23_1);
        c23_1 = fma(s2_23, v2_1, c23_1);
        c23_1 = fma(s3_23, v3_1, c23_1);
        c23_2 = fma(s0_23, v0_2, c23_2);
        c23_2 = fma(s1_23, v1_2, c23_2);
        c23_2 = fma(s2_23, v2_2, c23_2);
        c23_2 = fma(s3_23, v3_2, c23_2);
        c23_3 = fma(s0_23, v0_3, c23_3);
        c23_3 = fma(s1_23, v1_3, c23_3);
        c23_3 = fma(s2_23, v2_3, c23_3);
        c23_3 = fma(s3_23, v3_3, c23_3);
        let s0_24 = vec4<f32>(a[ra24 + ka + 0u]);
        let s1_24 = vec4<f32>(a[ra24 + ka + 1u]);
        let s2_24 = vec4<f32>(a[ra24 + ka + 2u]);
        let s3_24 = vec4<f32>(a[ra24 + ka + 3u]);
        c24_0 = fma(s0_24, v0_0, c24_0);
        c24_0 = fma(s1_24, v1_0, c24_0);
        c24_0 = fma(s2_24, v2_0, c24_0);
        c24_0 = fma(s3_24, v3_0, c24_0);
        c24_1 = fma(s0_24, v0_1, c24_1);
        c24_1 = fma(s1_24, v1_1, c24_1);
        c24_1 = fma(s2_24, v2_1, c24_1);
        c24_1 = fma(s3_24, v3_1, c24_1);
        c24_2 = fma(s0_24, v0_2, c24_2);
        c24_2 = fma(s1_24, v1_2, c24_2);
        c24_2 = fma(s2_24, v2_2, c24_2);
        c24_2 = fma(s3_24, v3_2, c24_2);
        c24_3 = fma(s0_24, v0_3, c24_3);
        c24_3 = fma(s1_24, v1_3, c24_3);
        c24_3 = fma(s2_24, v2_3, c24_3);
        c24_3 = fma(s3_24, v3_3, c24_3);
        let s0_25 = vec4<f32>(a[ra25 + ka + 0u]);
        let s1_25 = vec4<f32>(a[ra25 + ka + 1u]);
        let s2_25 = vec4<f32>(a[ra25 + ka + 2u]);
        let s3_25 = vec4<f32>(a[ra25 + ka + 3u]);
        c25_0 = fma(s0_25, v0_0, c25_0);
        c25_0 = fma(s1_25, v1_0, c25_0);
        c25_0 = fma(s2_25, v2_0, c25_0);
        c25_0 = fma(s3_25, v3_0, c25_0);
        c25_1 = fma(s0_25, v0_1, c25_1);
        c25_1 = fma(s1_25, v1_1, c25_1);
        c25_1 = fma(s2_25, v2_1, c25_1);
        c25_1 = fma(s3_25, v3_1, c25_1);
        c25_2 = fma(s0_25, v0_2, c25_2);
        c25_2 = fma(s1_25, v1_2, c25_2);
        c25_2 = fma(s2_25, v2_2, c25_2);
        c25_2 = fma(s3_25, v3_2, c25_2);
        c25_3 = fma(s0_25, v0_3, c25_3);
        c25_3 = fma(s1_25, v1_3, c25_3);
        c25_3 = fma(s2_25, v2_3, c25_3);
        c25_3 = fma(s3_25, v3_3, c25_3);
        let s0_26 = vec4<f32>(a[ra26 + ka + 0u]);
        let s1_26 = vec4<f32>(a[ra26 + ka + 1u]);
        let s2_26 = vec4<f32>(a[ra26 + ka + 2u]);
        let s3_26 = vec4<f32>(a[ra26 + ka + 3u]);
        c26_0 = fma(s0_26, v0_0, c26_0);
        c26_0 = fma(s1_26, v1_0, c26_0);
        c26_0 = fma(s2_26, v2_0, c26_0);
        c26_0 = fma(s3_26, v3_0, c26_0);
        c26_1 = fma(s0_26, v0_1, c26_1);
        c26_1 = fma(s1_26, v1_1, c26_1);
        c26_1 = fma(s2_26, v2_1, c26_1);
        c26_1 = fma(s3_26, v3_1, c26_1);
        c26_2 = fma(s0_26, v0_2, c26_2);
        c26_2 = fma(s1_26, v1_2, c26_2);
        c26_2 = fma(s2_26, v2_2, c26_2);
        c26_2 = fma(s3_26, v3_2, c26_2);
        c26_3 = fma(s0_26, v0_3, c26_3);
        c26_3 = fma(s1_26, v1_3, c26_3);
        c26_3 = fma(s2_26, v2_3, c26_3);
        c26_3 = fma(s3_26, v3_3, c26_3);
        let s0_27 = vec4<f32>(a[ra27 + ka + 0u]);
        let s1_27 = vec4<f32>(a[ra27 + ka + 1u]);
        let s2_27 = vec4<f32>(a[ra27 + ka + 2u]);
        let s3_27 = vec4<f32>(a[ra27 + ka + 3u]);
        c27_0 = fma(s0_27, v0_0, c27_0);
        c27_0 = fma(s1_27, v1_0, c27_0);
        c27_0 = fma(s2_27, v2_0, c27_0);
        c27_0 = fma(s3_27, v3_0, c27_0);
        c27_1 = fma(s0_27, v0_1, c27_1);
        c27_1 = fma(s1_27, v1_1, c27_1);
        c27_1 = fma(s2_27, v2_1, c27_1);
        c27_1 = fma(s3_27, v3_1, c27_1);
        c27_2 = fma(s0_27, v0_2, c27_2);
        c27_2 = fma(s1_27, v1_2, c27_2);
        c27_2 = fma(s2_27, v2_2, c27_2);
        c27_2 = fma(s3_27, v3_2, c27_2);
        c27_3 = fma(s0_27, v0_3, c27_3);
        c27_3 = fma(s1_27, v1_3, c27_3);
        c27_3 = fma(s2_27, v2_3, c27_3);
        c27_3 = fma(s3_27, v3_3, c27_3);
        let s0_28 = vec4<f32>(a[ra28 + ka + 0u]);
        let s1_28 = vec4<f32>(a[ra28 + ka + 1u]);
        let s2_28 = vec4<f32>(a[ra28 + ka + 2u]);
        let s3_28 = vec4<f32>(a[ra28 + ka + 3u]);
        c28_0 = fma(s0_28, v0_0, c28_0);
        c28_0 = fma(s1_28, v1_0, c28_0);
        c28_0 = fma(s2_28, v2_0, c28_0);
        c28_0 = fma(s3_28, v3_0, c28_0);
        c28_1 = fma(s0_28, v0_1, c28_1);
        c28_1 = fma(s1_28, v1_1, c28_1);
        c28_1 = fma(s2_28, v2_1, c28_1);
        c28_1 = fma(s3_28, v3_1, c28_1);
        c28_2 = fma(s0_28, v0_2, c28_2);
        c28_2 = fma(s1_28, v1_2, c28_2);
        c28_2 = fma(s2_28, v2_2, c28_2);
        c28_2 = fma(s3_28, v3_2, c28_2);
        c28_3 = fma(s0_28, v0_3, c28_3);
        c28_3 = fma(s1_28, v1_3, c28_3);
        c28_3 = fma(s2_28, v2_3, c28_3);
        c28_3 = fma(s3_28, v3_3, c28_3);
        let s0_29 = vec4<f32>(a[ra29 + ka + 0u]);
        let s1_29 = vec4<f32>(a[ra29 + ka + 1u]);
        let s2_29 = vec4<f32>(a[ra29 + ka + 2u]);
        let s3_29 = vec4<f32>(a[ra29 + ka + 3u]);
        c29_0 = fma(s0_29, v0_0, c29_0);
        c29_0 = fma(s1_29, v1_0, c29_0);
        c29_0 = fma(s2_29, v2_0, c29_0);
        c29_0 = fma(s3_29, v3_0, c29_0);
        c29_1 = fma(s0_29, v0_1, c29_1);
        c29_1 = fma(s1_29, v1_1, c29_1);
        c29_1 = fma(s2_29, v2_1, c29_1);
        c29_1 = fma(s3_29, v3_1, c29_1);
        c29_2 = fma(s0_29, v0_2, c29_2);
        c29_2 = fma(s1_29, v1_2, c29_2);
        c29_2 = fma(s2_29, v2_2, c29_2);
        c29_2 = fma(s3_29, v3_2, c29_2);
        c29_3 = fma(s0_29, v0_3, c29_3);
        c29_3 = fma(s1_29, v1_3, c29_3);
        c29_3 = fma(s2_29, v2_3, c29_3);
        c29_3 = fma(s3_29, v3_3, c29_3);
        let s0_30 = vec4<f32>(a[ra30 + ka + 0u]);
        let s1_30 = vec4<f32>(a[ra30 + ka + 1u]);
        let s2_30 = vec4<f32>(a[ra30 + ka + 2u]);
        let s3_30 = vec4<f32>(a[ra30 + ka + 3u]);
        c30_0 = fma(s0_30, v0_0, c30_0);
        c30_0 = fma(s1_30, v1_0, c30_0);
        c30_0 = fma(s2_30, v2_0, c30_0);
        c30_0 = fma(s3_30, v3_0, c30_0);
        c30_1 = fma(s0_30, v0_1, c30_1);
        c30_1 = fma(s1_30, v1_1, c30_1);
        c30_1 = fma(s2_30, v2_1, c30_1);
        c30_1 = fma(s3_30, v3_1, c30_1);
        c30_2 = fma(s0_30, v0_2, c30_2);
        c30_2 = fma(s1_30, v1_2, c30_2);
        c30_2 = fma(s2_30, v2_2, c30_2);
        c30_2 = fma(s3_30, v3_2, c30_2);
        c30_3 = fma(s0_30, v0_3, c30_3);
        c30_3 = fma(s1_30, v1_3, c30_3);
        c30_3 = fma(s2_30, v2_3, c30_3);
        c30_3 = fma(s3_30, v3_3, c30_3);
        let s0_31 = vec4<f32>(a[ra31 + ka + 0u]);
        let s1_31 = vec4<f32>(a[ra31 + ka + 1u]);
        let s2_31 = vec4<f32>(a[ra31 + ka + 2u]);
        let s3_31 = vec4<f32>(a[ra31 + ka + 3u]);
        c31_0 = fma(s0_31, v0_0, c31_0);
        c31_0 = fma(s1_31, v1_0, c31_0);
        c31_0 = fma(s2_31, v2_0, c31_0);
        c31_0 = fma(s3_31, v3_0, c31_0);
        c31_1 = fma(s0_31, v0_1, c31_1);
        c31_1 = fma(s1_31, v1_1, c31_1);
        c31_1 = fma(s2_31, v2_1, c31_1);
        c31_1 = fma(s3_31, v3_1, c31_1);
        c31_2 = fma(s0_31, v0_2, c31_2);
        c31_2 = fma(s1_31, v1_2, c31_2);
        c31_2 = fma(s2_31, v2_2, c31_2);
        c31_2 = fma(s3_31, v3_2, c31_2);
        c31_3 = fma(s0_31, v0_3, c31_3);
        c31_3 = fma(s1_31, v1_3, c31_3);
        c31_3 = fma(s2_31, v2_3, c31_3);
        c31_3 = fma(s3_31, v3_3, c31_3);
        ka += 4u;
        kb += 1u;
    }
    if (m0 + 0u < params.m) {
        let i = c0 + (m0 + 0u) * params.c_row;
        put(i, n0 + 0u, c0_0);
        put(i, n0 + 4u, c0_1);
        put(i, n0 + 8u, c0_2);
        put(i, n0 + 12u, c0_3);
    }
    if (m0 + 1u < params.m) {
        let i = c0 + (m0 + 1u) * params.c_row;
        put(i, n0 + 0u, c1_0);
        put(i, n0 + 4u, c1_1);
        put(i, n0 + 8u, c1_2);
        put(i, n0 + 12u, c1_3);
    }
    if (m0 + 2u < params.m) {
        let i = c0 + (m0 + 2u) * params.c_row;
        put(i, n0 + 0u, c2_0);
        put(i, n0 + 4u, c2_1);
        put(i, n0 + 8u, c2_2);
        put(i, n0 + 12u, c2_3);
    }
    if (m0 + 3u < params.m) {
        let i = c0 + (m0 + 3u) * params.c_row;
        put(i, n0 + 0u, c3_0);
        put(i, n0 + 4u, c3_1);
        put(i, n0 + 8u, c3_2);
        put(i, n0 + 12u, c3_3);
    }
    if (m0 + 4u < params.m) {
        let i = c0 + (m0 + 4u) * params.c_row;
        put(i, n0 + 0u, c4_0);
        put(i, n0 + 4u, c4_1);
        put(i, n0 + 8u, c4_2);
        put(i, n0 + 12u, c4_3);
    }
    if (m0 + 5u < params.m) {
        let i = c0 + (m0 + 5u) * params.c_row;
        put(i, n0 + 0u, c5_0);
        put(i, n0 + 4u, c5_1);
        put(i, n0 + 8u, c5_2);
        put(i, n0 + 12u, c5_3);
    }
    if (m0 + 6u < params.m) {
        let i = c0 + (m0 + 6u) * params.c_row;
        put(i, n0 + 0u, c6_0);
        put(i, n0 + 4u, c6_1);
        put(i, n0 + 8u, c6_2);
        put(i, n0 + 12u, c6_3);
    }
    if (m0 + 7u < params.m) {
        let i = c0 + (m0 + 7u) * params.c_row;
        put(i, n0 + 0u, c7_0);
        put(i, n0 + 4u, c7_1);
        put(i, n0 + 8u, c7_2);
        put(i, n0 + 12u, c7_3);
    }
    if (m0 + 8u < params.m) {
        let i = c0 + (m0 + 8u) * params.c_row;
        put(i, n0 + 0u, c8_0);
        put(i, n0 + 4u, c8_1);
        put(i, n0 + 8u, c8_2);
        put(i, n0 + 12u, c8_3);
    }
    if (m0 + 9u < params.m) {
        let i = c0 + (m0 + 9u) * params.c_row;
        put(i, n0 + 0u, c9_0);
        put(i, n0 + 4u, c9_1);
        put(i, n0 + 8u, c9_2);
        put(i, n0 + 12u, c9_3);
    }
    if (m0 + 10u < params.m) {
        let i = c0 + (m0 + 10u) * params.c_row;
        put(i, n0 + 0u, c10_0);
        put(i, n0 + 4u, c10_1);
        put(i, n0 + 8u, c10_2);
        put(i, n0 + 12u, c10_3);
    }
    if (m0 + 11u < params.m) {
        let i = c0 + (m0 + 11u) * params.c_row;
        put(i, n0 + 0u, c11_0);
        put(i, n0 + 4u, c11_1);
        put(i, n0 + 8u, c11_2);
        put(i, n0 + 12u, c11_3);
    }
    if (m0 + 12u < params.m) {
        let i = c0 + (m0 + 12u) * params.c_row;
        put(i, n0 + 0u, c12_0);
        put(i, n0 + 4u, c12_1);
        put(i, n0 + 8u, c12_2);
        put(i, n0 + 12u, c12_3);
    }
    if (m0 + 13u < params.m) {
        let i = c0 + (m0 + 13u) * params.c_row;
        put(i, n0 + 0u, c13_0);
        put(i, n0 + 4u, c13_1);
        put(i, n0 + 8u, c13_2);
        put(i, n0 + 12u, c13_3);
    }
    if (m0 + 14u < params.m) {
        let i = c0 + (m0 + 14u) * params.c_row;
        put(i, n0 + 0u, c14_0);
        put(i, n0 + 4u, c14_1);
        put(i, n0 + 8u, c14_2);
        put(i, n0 + 12u, c14_3);
    }
    if (m0 + 15u < params.m) {
        let i = c0 + (m0 + 15u) * params.c_row;
        put(i, n0 + 0u, c15_0);
        put(i, n0 + 4u, c15_1);
        put(i, n0 + 8u, c15_2);
        put(i, n0 + 12u, c15_3);
    }
    if (m0 + 16u < params.m) {
        let i = c0 + (m0 + 16u) * params.c_row;
        put(i, n0 + 0u, c16_0);
        put(i, n0 + 4u, c16_1);
        put(i, n0 + 8u, c16_2);
        put(i, n0 + 12u, c16_3);
    }
    if (m0 + 17u < params.m) {
        let i = c0 + (m0 + 17u) * params.c_row;
        put(i, n0 + 0u, c17_0);
        put(i, n0 + 4u, c17_1);
        put(i, n0 + 8u, c17_2);
        put(i, n0 + 12u, c17_3);
    }
    if (m0 + 18u < params.m) {
        let i = c0 + (m0 + 18u) * params.c_row;
        put(i, n0 + 0u, c18_0);
        put(i, n0 + 4u, c18_1);
        put(i, n0 + 8u, c18_2);
        put(i, n0 + 12u, c18_3);
    }
    if (m0 + 19u < params.m) {
        let i = c0 + (m0 + 19u) * params.c_row;
        put(i, n0 + 0u, c19_0);
        put(i, n0 + 4u, c19_1);
        put(i, n0 + 8u, c19_2);
        put(i, n0 + 12u, c19_3);
    }
    if (m0 + 20u < params.m) {
        let i = c0 + (m0 + 20u) * params.c_row;
        put(i, n0 + 0u, c20_0);
        put(i, n0 + 4u, c20_1);
        put(i, n0 + 8u, c20_2);
        put(i, n0 + 12u, c20_3);
    }
    if (m0 + 21u < params.m) {
        let i = c0 + (m0 + 21u) * params.c_row;
        put(i, n0 + 0u, c21_0);
        put(i, n0 + 4u, c21_1);
        put(i, n0 + 8u, c21_2);
        put(i, n0 + 12u, c21_3);
    }
    if (m0 + 22u < params.m) {
        let i = c0 + (m0 + 22u) * params.c_row;
        put(i, n0 + 0u, c22_0);
        put(i, n0 + 4u, c22_1);
        put(i, n0 + 8u, c22_2);
        put(i, n0 + 12u, c22_3);
    }
    if (m0 + 23u < params.m) {
        let i = c0 + (m0 + 23u) * params.c_row;
        put(i, n0 + 0u, c23_0);
        put(i, n0 + 4u, c23_1);
        put(i, n0 + 8u, c23_2);
        put(i, n0 + 12u, c23_3);
    }
    if (m0 + 24u < params.m) {
        let i = c0 + (m0 + 24u) * params.c_row;
        put(i, n0 + 0u, c24_0);
        put(i, n0 + 4u, c24_1);
        put(i, n0 + 8u, c24_2);
        put(i, n0 + 12u, c24_3);
    }
    if (m0 + 25u < params.m) {
        let i = c0 + (m0 + 25u) * params.c_row;
        put(i, n0 + 0u, c25_0);
        put(i, n0 + 4u, c25_1);
        put(i, n0 + 8u, c25_2);
        put(i, n0 + 12u, c25_3);
    }
    if (m0 + 26u < params.m) {
        let i = c0 + (m0 + 26u) * params.c_row;
        put(i, n0 + 0u, c26_0);
        put(i, n0 + 4u, c26_1);
        put(i, n0 + 8u, c26_2);
        put(i, n0 + 12u, c26_3);
    }
    if (m0 + 27u < params.m) {
        let i = c0 + (m0 + 27u) * params.c_row;
        put(i, n0 + 0u, c27_0);
        put(i, n0 + 4u, c27_1);
        put(i, n0 + 8u, c27_2);
        put(i, n0 + 12u, c27_3);
    }
    if (m0 + 28u < params.m) {
        let i = c0 + (m0 + 28u) * params.c_row;
        put(i, n0 + 0u, c28_0);
        put(i, n0 + 4u, c28_1);
        put(i, n0 + 8u, c28_2);
        put(i, n0 + 12u, c28_3);
    }
    if (m0 + 29u < params.m) {
        let i = c0 + (m0 + 29u) * params.c_row;
        put(i, n0 + 0u, c29_0);
        put(i, n0 + 4u, c29_1);
        put(i, n0 + 8u, c29_2);
        put(i, n0 + 12u, c29_3);
    }
    if (m0 + 30u < params.m) {
        let i = c0 + (m0 + 30u) * params.c_row;
        put(i, n0 + 0u, c30_0);
        put(i, n0 + 4u, c30_1);
        put(i, n0 + 8u, c30_2);
        put(i, n0 + 12u, c30_3);
    }
    if (m0 + 31u < params.m) {
        let i = c0 + (m0 + 31u) * params.c_row;
        put(i, n0 + 0u, c31_0);
        put(i, n0 + 4u, c31_1);
        put(i, n0 + 8u, c31_2);
        put(i, n0 + 12u, c31_3);
    }
}
