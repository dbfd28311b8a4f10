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


@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
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
var<workgroup> tile_a: array<f32, 2048>;
var<workgroup> tile_b: array<f32, 2048>;
// A workgroup computes 128 x 128 elements of C through tiles of depth 16, a thread 8 x 8 of them.
@compute @workgroup_size(16, 16)
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let block = group.y * groups.x + group.x;
    let across = (params.n + 127u) / 128u;
    if (block >= across * ((params.m + 127u) / 128u)) { return; }
    let m0 = block / across * 128u;
    let n0 = block % across * 128u;
    let split = group.z % params.splits;
    let batch = group.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;
    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;
    let k0 = split * params.split_size;
    let k1 = min(params.k, k0 + params.split_size);
    let ty = t / 16u * 4u;
    let tx = t % 16u * 4u;
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
    for (var k = k0; k < k1; k += 16u) {
        {
            let e = t + 0u;
            let x = e / 4u;
            let kk = e % 4u * 4u;
            var v = vec4<f32>(0.0);
            if (m0 + x < params.m && k + kk < k1) {
                v = a[(a0 + (m0 + x) * params.a_row + (k + kk) * params.a_col) / 4u];
            }
            tile_a[(kk + 0u) * 128u + x] = v.x;
            tile_a[(kk + 1u) * 128u + x] = v.y;
            tile_a[(kk + 2u) * 128u + x] = v.z;
            tile_a[(kk + 3u) * 128u + x] = v.w;
        }
        {
            let e = t + 256u;
            let x = e / 4u;
            let kk = e % 4u * 4u;
            var v = vec4<f32>(0.0);
            if (m0 + x < params.m && k + kk < k1) {
                v = a[(a0 + (m0 + x) * params.a_row + (k + kk) * params.a_col) / 4u];
            }
            tile_a[(kk + 0u) * 128u + x] = v.x;
            tile_a[(kk + 1u) * 128u + x] = v.y;
            tile_a[(kk + 2u) * 128u + x] = v.z;
            tile_a[(kk + 3u) * 128u + x] = v.w;
        }
        {
            let e = t + 0u;
            let x = e / 4u;
            let kk = e % 4u * 4u;
            var v = vec4<f32>(0.0);
            if (n0 + x < params.n && k + kk < k1) {
                v = b[(b0 + (n0 + x) * params.b_col + (k + kk) * params.b_row) / 4u];
            }
            tile_b[(kk + 0u) * 128u + x] = v.x;
            tile_b[(kk + 1u) * 128u + x] = v.y;
            tile_b[(kk + 2u) * 128u + x] = v.z;
            tile_b[(kk + 3u) * 128u + x] = v.w;
        }
        {
            let e = t + 256u;
            let x = e / 4u;
            let kk = e % 4u * 4u;
            var v = vec4<f32>(0.0);
            if (n0 + x < params.n && k + kk < k1) {
                v = b[(b0 + (n0 + x) * params.b_col + (k + kk) * params.b_row) / 4u];
            }
            tile_b[(kk + 0u) * 128u + x] = v.x;
            tile_b[(kk + 1u) * 128u + x] = v.y;
            tile_b[(kk + 2u) * 128u + x] = v.z;
            tile_b[(kk + 3u) * 128u + x] = v.w;
        }
        workgroupBarrier();
        for (var kk = 0u; kk < 16u; kk++) {
            let pa = kk * 128u + ty;
            let pb = kk * 128u + tx;
            let v0 = vec4<f32>(tile_b[pb + 0u], tile_b[pb + 1u], tile_b[pb + 2u], tile_b[pb + 3u]);
            let v1 = vec4<f32>(tile_b[pb + 64u], tile_b[pb + 65u], tile_b[pb + 66u], tile_b[pb + 67u]);
            let s0 = vec4<f32>(tile_a[pa + 0u]);
            c0_0 = fma(s0, v0, c0_0);
            c0_1 = fma(s0, v1, c0_1);
            let s1 = vec4<f32>(tile_a[pa + 1u]);
            c1_0 = fma(s1, v0, c1_0);
            c1_1 = fma(s1, v1, c1_1);
            let s2 = vec4<f32>(tile_a[pa + 2u]);
            c2_0 = fma(s2, v0, c2_0);
            c2_1 = fma(s2, v1, c2_1);
            let s3 = vec4<f32>(tile_a[pa + 3u]);
            c3_0 = fma(s3, v0, c3_0);
            c3_1 = fma(s3, v1, c3_1);
            let s4 = vec4<f32>(tile_a[pa + 64u]);
            c4_0 = fma(s4, v0, c4_0);
            c4_1 = fma(s4, v1, c4_1);
            let s5 = vec4<f32>(tile_a[pa + 65u]);
            c5_0 = fma(s5, v0, c5_0);
            c5_1 = fma(s5, v1, c5_1);
            let s6 = vec4<f32>(tile_a[pa + 66u]);
            c6_0 = fma(s6, v0, c6_0);
            c6_1 = fma(s6, v1, c6_1);
            let s7 = vec4<f32>(tile_a[pa + 67u]);
            c7_0 = fma(s7, v0, c7_0);
            c7_1 = fma(s7, v1, c7_1);
        }
        workgroupBarrier();
    }
    if (m0 + 0u + ty < params.m) {
        let i = c0 + (m0 + 0u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c0_0);
        put(i, n0 + 64u + tx, c0_1);
    }
    if (m0 + 1u + ty < params.m) {
        let i = c0 + (m0 + 1u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c1_0);
        put(i, n0 + 64u + tx, c1_1);
    }
    if (m0 + 2u + ty < params.m) {
        let i = c0 + (m0 + 2u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c2_0);
        put(i, n0 + 64u + tx, c2_1);
    }
    if (m0 + 3u + ty < params.m) {
        let i = c0 + (m0 + 3u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c3_0);
        put(i, n0 + 64u + tx, c3_1);
    }
    if (m0 + 64u + ty < params.m) {
        let i = c0 + (m0 + 64u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c4_0);
        put(i, n0 + 64u + tx, c4_1);
    }
    if (m0 + 65u + ty < params.m) {
        let i = c0 + (m0 + 65u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c5_0);
        put(i, n0 + 64u + tx, c5_1);
    }
    if (m0 + 66u + ty < params.m) {
        let i = c0 + (m0 + 66u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c6_0);
        put(i, n0 + 64u + tx, c6_1);
    }
    if (m0 + 67u + ty < params.m) {
        let i = c0 + (m0 + 67u + ty) * params.c_row;
        put(i, n0 + 0u + tx, c7_0);
        put(i, n0 + 64u + tx, c7_1);
    }
}
