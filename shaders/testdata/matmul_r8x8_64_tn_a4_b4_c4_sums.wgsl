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
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> at: array<f32>;
fn bias_of(col: u32) -> vec4<f32> {
    if (params.has_bias == 0u) {
        return vec4<f32>(0.0);
    }
    return bias[min(col, params.n - 4u) / 4u];
}
fn put(i: u32, col: u32, sum: vec4<f32>, plus: vec4<f32>) {
    var v = sum * params.alpha + plus;
    if (col < params.n) {
        if (params.has_x != 0u) { v += x[(i + col) / 4u]; }
        c[(i + col) / 4u] = v;
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
    let ra0 = (a0 + min(m0 + 0u, params.m - 4u)) / 4u;
    let ra1 = (a0 + min(m0 + 4u, params.m - 4u)) / 4u;
    let rb0 = (b0 + min(n0 + 0u, params.n - 4u)) / 4u;
    let rb1 = (b0 + min(n0 + 4u, params.n - 4u)) / 4u;
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
    var d0 = vec4<f32>(0.0);
    var d1 = vec4<f32>(0.0);
    var ka = (k0 * params.a_col) / 4u;
    var kb = (k0 * params.b_row) / 4u;
    let sa = (params.a_col) / 4u;
    let sb = (params.b_row) / 4u;
    var k = k0;
    for (; k + 4u <= k1; k += 4u) {
        let v0_0 = b[rb0 + kb];
        let v0_1 = b[rb1 + kb];
        let v1_0 = b[rb0 + kb + 1u * sb];
        let v1_1 = b[rb1 + kb + 1u * sb];
        let v2_0 = b[rb0 + kb + 2u * sb];
        let v2_1 = b[rb1 + kb + 2u * sb];
        let v3_0 = b[rb0 + kb + 3u * sb];
        let v3_1 = b[rb1 + kb + 3u * sb];
        let u0_0 = a[ra0 + ka];
        d0 += u0_0;
        let s0_0 = vec4<f32>(u0_0.x);
        let u1_0 = a[ra0 + ka + 1u * sa];
        d0 += u1_0;
        let s1_0 = vec4<f32>(u1_0.x);
        let u2_0 = a[ra0 + ka + 2u * sa];
        d0 += u2_0;
        let s2_0 = vec4<f32>(u2_0.x);
        let u3_0 = a[ra0 + ka + 3u * sa];
        d0 += u3_0;
        let s3_0 = vec4<f32>(u3_0.x);
        c0_0 = fma(s0_0, v0_0, c0_0);
        c0_0 = fma(s1_0, v1_0, c0_0);
        c0_0 = fma(s2_0, v2_0, c0_0);
        c0_0 = fma(s3_0, v3_0, c0_0);
        c0_1 = fma(s0_0, v0_1, c0_1);
        c0_1 = fma(s1_0, v1_1, c0_1);
        c0_1 = fma(s2_0, v2_1, c0_1);
        c0_1 = fma(s3_0, v3_1, c0_1);
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
        let u0_1 = a[ra1 + ka];
        d1 += u0_1;
        let s0_4 = vec4<f32>(u0_1.x);
        let u1_1 = a[ra1 + ka + 1u * sa];
        d1 += u1_1;
        let s1_4 = vec4<f32>(u1_1.x);
        let u2_1 = a[ra1 + ka + 2u * sa];
        d1 += u2_1;
        let s2_4 = vec4<f32>(u2_1.x);
        let u3_1 = a[ra1 + ka + 3u * sa];
        d1 += u3_1;
        let s3_4 = vec4<f32>(u3_1.x);
        c4_0 = fma(s0_4, v0_0, c4_0);
        c4_0 = fma(s1_4, v1_0, c4_0);
        c4_0 = fma(s2_4, v2_0, c4_0);
        c4_0 = fma(s3_4, v3_0, c4_0);
        c4_1 = fma(s0_4, v0_1, c4_1);
        c4_1 = fma(s1_4, v1_1, c4_1);
        c4_1 = fma(s2_4, v2_1, c4_1);
        c4_1 = fma(s3_4, v3_1, c4_1);
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
        ka += 4u * sa;
        kb += 4u * sb;
    }
    for (; k < k1; k++) {
        let v0_0 = b[rb0 + kb];
        let v0_1 = b[rb1 + kb];
        let u0_0 = a[ra0 + ka];
        d0 += u0_0;
        let s0_0 = vec4<f32>(u0_0.x);
        c0_0 = fma(s0_0, v0_0, c0_0);
        c0_1 = fma(s0_0, v0_1, c0_1);
        let s0_1 = vec4<f32>(u0_0.y);
        c1_0 = fma(s0_1, v0_0, c1_0);
        c1_1 = fma(s0_1, v0_1, c1_1);
        let s0_2 = vec4<f32>(u0_0.z);
        c2_0 = fma(s0_2, v0_0, c2_0);
        c2_1 = fma(s0_2, v0_1, c2_1);
        let s0_3 = vec4<f32>(u0_0.w);
        c3_0 = fma(s0_3, v0_0, c3_0);
        c3_1 = fma(s0_3, v0_1, c3_1);
        let u0_1 = a[ra1 + ka];
        d1 += u0_1;
        let s0_4 = vec4<f32>(u0_1.x);
        c4_0 = fma(s0_4, v0_0, c4_0);
        c4_1 = fma(s0_4, v0_1, c4_1);
        let s0_5 = vec4<f32>(u0_1.y);
        c5_0 = fma(s0_5, v0_0, c5_0);
        c5_1 = fma(s0_5, v0_1, c5_1);
        let s0_6 = vec4<f32>(u0_1.z);
        c6_0 = fma(s0_6, v0_0, c6_0);
        c6_1 = fma(s0_6, v0_1, c6_1);
        let s0_7 = vec4<f32>(u0_1.w);
        c7_0 = fma(s0_7, v0_0, c7_0);
        c7_1 = fma(s0_7, v0_1, c7_1);
        ka += 1u * sa;
        kb += 1u * sb;
    }
    let plus0 = bias_of(n0 + 0u);
    let plus1 = bias_of(n0 + 4u);
    for (var r = m0; r < min(m0 + 8u, params.m); r += 4u) {
        if (r + 0u < params.m) {
            let i = c0 + (r + 0u) * params.c_row;
            put(i, n0 + 0u, c0_0, plus0);
            put(i, n0 + 4u, c0_1, plus1);
            if (n0 == 0u) { at[split * params.m + r + 0u] = d0.x; }
        }
        if (r + 1u < params.m) {
            let i = c0 + (r + 1u) * params.c_row;
            put(i, n0 + 0u, c1_0, plus0);
            put(i, n0 + 4u, c1_1, plus1);
            if (n0 == 0u) { at[split * params.m + r + 1u] = d0.y; }
        }
        if (r + 2u < params.m) {
            let i = c0 + (r + 2u) * params.c_row;
            put(i, n0 + 0u, c2_0, plus0);
            put(i, n0 + 4u, c2_1, plus1);
            if (n0 == 0u) { at[split * params.m + r + 2u] = d0.z; }
        }
        if (r + 3u < params.m) {
            let i = c0 + (r + 3u) * params.c_row;
            put(i, n0 + 0u, c3_0, plus0);
            put(i, n0 + 4u, c3_1, plus1);
            if (n0 == 0u) { at[split * params.m + r + 3u] = d0.w; }
        }
        c0_0 = c4_0;
        c0_1 = c4_1;
        c1_0 = c5_0;
        c1_1 = c5_1;
        c2_0 = c6_0;
        c2_1 = c6_1;
        c3_0 = c7_0;
        c3_1 = c7_1;
        d0 = d1;
    }
}
