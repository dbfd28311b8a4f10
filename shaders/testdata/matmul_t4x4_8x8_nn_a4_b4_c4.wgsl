// C[b,m,n] = alpha * sum over k of A[b,m,k] B[b,k,n] (+ bias[n]), with strided batches.
//
// Batch b is the pair (b / batch2, b % batch2); strides and offsets count elements. Element (m,k) of A is at
// a_off + b1*a_b1 + b2*a_b2 + m*a_row + k*a_col, element (k,n) of B likewise, and element (m,n) of C at
// c_off + split*c_split + b1*c_b1 + b2*c_b2 + m*c_row + n. One of each operand's row and column stride is 1.
//
// The sum over k is cut into `splits` pieces of split_size; piece s goes to its own part of C, c_split further on, and
// splitk_sum adds the pieces in a fixed order. Without a bias (has_bias = 0) any buffer stands in for it, and so for x,
// which lies as C does and is added last.
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
var<workgroup> tile_a: array<array<array<vec4<f32>, 8>, 2>, 8>;
var<workgroup> tile_b: array<array<array<vec4<f32>, 8>, 2>, 8>;
// A workgroup computes 32 x 32 elements of C through tiles of depth 16, a thread 4 x 4 of them.
@compute @workgroup_size(64)
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let block = group.y * groups.x + group.x;
    let across = (params.n + 31u) / 32u;
    if (block >= across * ((params.m + 31u) / 32u)) { return; }
    let m0 = block / across * 32u;
    let n0 = block % across * 32u;
    let split = group.z % params.splits;
    let batch = group.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;
    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;
    let k0 = split * params.split_size;
    let k1 = min(params.k, k0 + params.split_size);
    let ty = t / 8u;
    let tx = t % 8u;
    var c0_0 = vec4<f32>(0.0);
    var c1_0 = vec4<f32>(0.0);
    var c2_0 = vec4<f32>(0.0);
    var c3_0 = vec4<f32>(0.0);
    let xa0 = (t % 32u) / 4u;
    let da0 = (t % 32u) % 4u * 4u;
    let oa0_0 = (a0 + min(m0 + xa0 * 4u + 0u, params.m - 1u) * params.a_row) / 4u;
    var ga0_0 = vec4<f32>(0.0);
    let oa0_1 = (a0 + min(m0 + xa0 * 4u + 1u, params.m - 1u) * params.a_row) / 4u;
    var ga0_1 = vec4<f32>(0.0);
    let oa0_2 = (a0 + min(m0 + xa0 * 4u + 2u, params.m - 1u) * params.a_row) / 4u;
    var ga0_2 = vec4<f32>(0.0);
    let oa0_3 = (a0 + min(m0 + xa0 * 4u + 3u, params.m - 1u) * params.a_row) / 4u;
    var ga0_3 = vec4<f32>(0.0);
    let xb0 = t % 8u;
    let db0 = t / 8u;
    let ob0 = (b0 + min(n0 + xb0 * 4u, params.n - 4u)) / 4u;
    var gb0 = vec4<f32>(0.0);
    let xb1 = (t + 64u) % 8u;
    let db1 = (t + 64u) / 8u;
    let ob1 = (b0 + min(n0 + xb1 * 4u, params.n - 4u)) / 4u;
    var gb1 = vec4<f32>(0.0);
    let sb = (params.b_row) / 4u;
    for (var k = k0; k < k1; k += 16u) {
        if (t < 32u) {
            ga0_0 = vec4<f32>(0.0);
            ga0_1 = vec4<f32>(0.0);
            ga0_2 = vec4<f32>(0.0);
            ga0_3 = vec4<f32>(0.0);
            if (k + da0 < k1) {
                let i = (k + da0) / 4u;
                ga0_0 = a[oa0_0 + i];
                ga0_1 = a[oa0_1 + i];
                ga0_2 = a[oa0_2 + i];
                ga0_3 = a[oa0_3 + i];
            }
        }
        if (t < 32u) {
            tile_a[da0 / 2u][0][xa0 ^ ((da0 >> 1u) & 6u)] = vec4<f32>(ga0_0.x, ga0_1.x, ga0_2.x, ga0_3.x);
            tile_a[da0 / 2u][1][xa0 ^ ((da0 >> 1u) & 6u)] = vec4<f32>(ga0_0.y, ga0_1.y, ga0_2.y, ga0_3.y);
            tile_a[da0 / 2u + 1u][0][xa0 ^ ((da0 >> 1u) & 6u)] = vec4<f32>(ga0_0.z, ga0_1.z, ga0_2.z, ga0_3.z);
            tile_a[da0 / 2u + 1u][1][xa0 ^ ((da0 >> 1u) & 6u)] = vec4<f32>(ga0_0.w, ga0_1.w, ga0_2.w, ga0_3.w);
        }
        gb0 = vec4<f32>(0.0);
        if (k + db0 < k1) {
            let i = (k + db0) * sb;
            gb0 = b[ob0 + i];
        }
        gb1 = vec4<f32>(0.0);
        if (k + db1 < k1) {
            let i = (k + db1) * sb;
            gb1 = b[ob1 + i];
        }
        tile_b[db0 / 2u][db0 % 2u][xb0] = gb0;
        tile_b[db1 / 2u][db1 % 2u][xb1] = gb1;
        workgroupBarrier();
        for (var kk = 0u; kk < 8u; kk++) {
            let pa = ty ^ (kk & 6u);
            let pb = tx;
            let u0_0 = tile_a[kk][0][pa];
            let v0_0 = tile_b[kk][0][pb];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            let u1_0 = tile_a[kk][1][pa];
            let v1_0 = tile_b[kk][1][pb];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
        }
        workgroupBarrier();
    }
    let n1 = n0 + 0u + tx * 4u;
    let plus0 = bias_of(n1);
    let m1 = m0 + 0u + ty * 4u;
    if (m1 < params.m) {
        let i = c0 + m1 * params.c_row;
        put(i, n1, c0_0, plus0);
    }
    let m2 = m0 + 1u + ty * 4u;
    if (m2 < params.m) {
        let i = c0 + m2 * params.c_row;
        put(i, n1, c1_0, plus0);
    }
    let m3 = m0 + 2u + ty * 4u;
    if (m3 < params.m) {
        let i = c0 + m3 * params.c_row;
        put(i, n1, c2_0, plus0);
    }
    let m4 = m0 + 3u + ty * 4u;
    if (m4 < params.m) {
        let i = c0 + m4 * params.c_row;
        put(i, n1, c3_0, plus0);
    }
}
