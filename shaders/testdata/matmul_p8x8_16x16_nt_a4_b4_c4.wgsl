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
var<workgroup> tile_a: array<array<array<vec4<f32>, 32>, 2>, 8>;
var<workgroup> tile_b: array<array<array<vec4<f32>, 32>, 2>, 8>;
// A workgroup computes 128 x 128 elements of C through tiles of depth 16, a thread 8 x 8 of them.
@compute @workgroup_size(256)
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
    let ty = t / 64u * 4u + t / 8u % 4u;
    let tx = t / 32u % 2u * 8u + t % 8u;
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
    let xs0 = (t % 128u) / 4u;
    let ds0 = (t % 128u) % 4u * 4u;
    var os0_0 = (a0 + min(m0 + xs0 * 4u + 0u, params.m - 1u) * params.a_row) / 4u;
    var gs0_0 = vec4<f32>(0.0);
    var os0_1 = (a0 + min(m0 + xs0 * 4u + 1u, params.m - 1u) * params.a_row) / 4u;
    var gs0_1 = vec4<f32>(0.0);
    var os0_2 = (a0 + min(m0 + xs0 * 4u + 2u, params.m - 1u) * params.a_row) / 4u;
    var gs0_2 = vec4<f32>(0.0);
    var os0_3 = (a0 + min(m0 + xs0 * 4u + 3u, params.m - 1u) * params.a_row) / 4u;
    var gs0_3 = vec4<f32>(0.0);
    if (t >= 128u) {
        os0_0 = (b0 + min(n0 + xs0 * 4u + 0u, params.n - 1u) * params.b_col) / 4u;
        os0_1 = (b0 + min(n0 + xs0 * 4u + 1u, params.n - 1u) * params.b_col) / 4u;
        os0_2 = (b0 + min(n0 + xs0 * 4u + 2u, params.n - 1u) * params.b_col) / 4u;
        os0_3 = (b0 + min(n0 + xs0 * 4u + 3u, params.n - 1u) * params.b_col) / 4u;
    }
    if (t < 128u) {
        gs0_0 = vec4<f32>(0.0);
        gs0_1 = vec4<f32>(0.0);
        gs0_2 = vec4<f32>(0.0);
        gs0_3 = vec4<f32>(0.0);
        if (k0 + ds0 < k1) {
            let i = (k0 + ds0) / 4u;
            gs0_0 = a[os0_0 + i];
            gs0_1 = a[os0_1 + i];
            gs0_2 = a[os0_2 + i];
            gs0_3 = a[os0_3 + i];
        }
    }
    if (t >= 128u) {
        gs0_0 = vec4<f32>(0.0);
        gs0_1 = vec4<f32>(0.0);
        gs0_2 = vec4<f32>(0.0);
        gs0_3 = vec4<f32>(0.0);
        if (k0 + ds0 < k1) {
            let i = (k0 + ds0) / 4u;
            gs0_0 = b[os0_0 + i];
            gs0_1 = b[os0_1 + i];
            gs0_2 = b[os0_2 + i];
            gs0_3 = b[os0_3 + i];
        }
    }
    for (var k = k0; k < k1; k += 16u) {
        if (t < 128u) {
            tile_a[ds0 / 2u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.x, gs0_1.x, gs0_2.x, gs0_3.x);
            tile_a[ds0 / 2u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.y, gs0_1.y, gs0_2.y, gs0_3.y);
            tile_a[ds0 / 2u + 1u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.z, gs0_1.z, gs0_2.z, gs0_3.z);
            tile_a[ds0 / 2u + 1u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.w, gs0_1.w, gs0_2.w, gs0_3.w);
        }
        if (t >= 128u) {
            tile_b[ds0 / 2u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.x, gs0_1.x, gs0_2.x, gs0_3.x);
            tile_b[ds0 / 2u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.y, gs0_1.y, gs0_2.y, gs0_3.y);
            tile_b[ds0 / 2u + 1u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.z, gs0_1.z, gs0_2.z, gs0_3.z);
            tile_b[ds0 / 2u + 1u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.w, gs0_1.w, gs0_2.w, gs0_3.w);
        }
        workgroupBarrier();
        let next = k + 16u;
        if (t < 128u) {
            gs0_0 = vec4<f32>(0.0);
            gs0_1 = vec4<f32>(0.0);
            gs0_2 = vec4<f32>(0.0);
            gs0_3 = vec4<f32>(0.0);
            if (next + ds0 < k1) {
                let i = (next + ds0) / 4u;
                gs0_0 = a[os0_0 + i];
                gs0_1 = a[os0_1 + i];
                gs0_2 = a[os0_2 + i];
                gs0_3 = a[os0_3 + i];
            }
        }
        if (t >= 128u) {
            gs0_0 = vec4<f32>(0.0);
            gs0_1 = vec4<f32>(0.0);
            gs0_2 = vec4<f32>(0.0);
            gs0_3 = vec4<f32>(0.0);
            if (next + ds0 < k1) {
                let i = (next + ds0) / 4u;
                gs0_0 = b[os0_0 + i];
                gs0_1 = b[os0_1 + i];
                gs0_2 = b[os0_2 + i];
                gs0_3 = b[os0_3 + i];
            }
        }
        {
            let pa = ty ^ (0u & 6u);
            let pb = tx ^ (0u & 6u);
            let u0_0 = tile_a[0u][0][pa];
            let u0_1 = tile_a[0u][0][pa + 16u];
            let v0_0 = tile_b[0u][0][pb];
            let v0_1 = tile_b[0u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[0u][1][pa];
            let u1_1 = tile_a[0u][1][pa + 16u];
            let v1_0 = tile_b[0u][1][pb];
            let v1_1 = tile_b[0u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (1u & 6u);
            let pb = tx ^ (1u & 6u);
            let u0_0 = tile_a[1u][0][pa];
            let u0_1 = tile_a[1u][0][pa + 16u];
            let v0_0 = tile_b[1u][0][pb];
            let v0_1 = tile_b[1u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[1u][1][pa];
            let u1_1 = tile_a[1u][1][pa + 16u];
            let v1_0 = tile_b[1u][1][pb];
            let v1_1 = tile_b[1u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (2u & 6u);
            let pb = tx ^ (2u & 6u);
            let u0_0 = tile_a[2u][0][pa];
            let u0_1 = tile_a[2u][0][pa + 16u];
            let v0_0 = tile_b[2u][0][pb];
            let v0_1 = tile_b[2u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[2u][1][pa];
            let u1_1 = tile_a[2u][1][pa + 16u];
            let v1_0 = tile_b[2u][1][pb];
            let v1_1 = tile_b[2u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (3u & 6u);
            let pb = tx ^ (3u & 6u);
            let u0_0 = tile_a[3u][0][pa];
            let u0_1 = tile_a[3u][0][pa + 16u];
            let v0_0 = tile_b[3u][0][pb];
            let v0_1 = tile_b[3u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[3u][1][pa];
            let u1_1 = tile_a[3u][1][pa + 16u];
            let v1_0 = tile_b[3u][1][pb];
            let v1_1 = tile_b[3u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (4u & 6u);
            let pb = tx ^ (4u & 6u);
            let u0_0 = tile_a[4u][0][pa];
            let u0_1 = tile_a[4u][0][pa + 16u];
            let v0_0 = tile_b[4u][0][pb];
            let v0_1 = tile_b[4u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[4u][1][pa];
            let u1_1 = tile_a[4u][1][pa + 16u];
            let v1_0 = tile_b[4u][1][pb];
            let v1_1 = tile_b[4u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (5u & 6u);
            let pb = tx ^ (5u & 6u);
            let u0_0 = tile_a[5u][0][pa];
            let u0_1 = tile_a[5u][0][pa + 16u];
            let v0_0 = tile_b[5u][0][pb];
            let v0_1 = tile_b[5u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[5u][1][pa];
            let u1_1 = tile_a[5u][1][pa + 16u];
            let v1_0 = tile_b[5u][1][pb];
            let v1_1 = tile_b[5u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (6u & 6u);
            let pb = tx ^ (6u & 6u);
            let u0_0 = tile_a[6u][0][pa];
            let u0_1 = tile_a[6u][0][pa + 16u];
            let v0_0 = tile_b[6u][0][pb];
            let v0_1 = tile_b[6u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[6u][1][pa];
            let u1_1 = tile_a[6u][1][pa + 16u];
            let v1_0 = tile_b[6u][1][pb];
            let v1_1 = tile_b[6u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        {
            let pa = ty ^ (7u & 6u);
            let pb = tx ^ (7u & 6u);
            let u0_0 = tile_a[7u][0][pa];
            let u0_1 = tile_a[7u][0][pa + 16u];
            let v0_0 = tile_b[7u][0][pb];
            let v0_1 = tile_b[7u][0][pb + 16u];
            c0_0 = fma(vec4<f32>(u0_0.x), v0_0, c0_0);
            c0_1 = fma(vec4<f32>(u0_0.x), v0_1, c0_1);
            c1_0 = fma(vec4<f32>(u0_0.y), v0_0, c1_0);
            c1_1 = fma(vec4<f32>(u0_0.y), v0_1, c1_1);
            c2_0 = fma(vec4<f32>(u0_0.z), v0_0, c2_0);
            c2_1 = fma(vec4<f32>(u0_0.z), v0_1, c2_1);
            c3_0 = fma(vec4<f32>(u0_0.w), v0_0, c3_0);
            c3_1 = fma(vec4<f32>(u0_0.w), v0_1, c3_1);
            c4_0 = fma(vec4<f32>(u0_1.x), v0_0, c4_0);
            c4_1 = fma(vec4<f32>(u0_1.x), v0_1, c4_1);
            c5_0 = fma(vec4<f32>(u0_1.y), v0_0, c5_0);
            c5_1 = fma(vec4<f32>(u0_1.y), v0_1, c5_1);
            c6_0 = fma(vec4<f32>(u0_1.z), v0_0, c6_0);
            c6_1 = fma(vec4<f32>(u0_1.z), v0_1, c6_1);
            c7_0 = fma(vec4<f32>(u0_1.w), v0_0, c7_0);
            c7_1 = fma(vec4<f32>(u0_1.w), v0_1, c7_1);
            let u1_0 = tile_a[7u][1][pa];
            let u1_1 = tile_a[7u][1][pa + 16u];
            let v1_0 = tile_b[7u][1][pb];
            let v1_1 = tile_b[7u][1][pb + 16u];
            c0_0 = fma(vec4<f32>(u1_0.x), v1_0, c0_0);
            c0_1 = fma(vec4<f32>(u1_0.x), v1_1, c0_1);
            c1_0 = fma(vec4<f32>(u1_0.y), v1_0, c1_0);
            c1_1 = fma(vec4<f32>(u1_0.y), v1_1, c1_1);
            c2_0 = fma(vec4<f32>(u1_0.z), v1_0, c2_0);
            c2_1 = fma(vec4<f32>(u1_0.z), v1_1, c2_1);
            c3_0 = fma(vec4<f32>(u1_0.w), v1_0, c3_0);
            c3_1 = fma(vec4<f32>(u1_0.w), v1_1, c3_1);
            c4_0 = fma(vec4<f32>(u1_1.x), v1_0, c4_0);
            c4_1 = fma(vec4<f32>(u1_1.x), v1_1, c4_1);
            c5_0 = fma(vec4<f32>(u1_1.y), v1_0, c5_0);
            c5_1 = fma(vec4<f32>(u1_1.y), v1_1, c5_1);
            c6_0 = fma(vec4<f32>(u1_1.z), v1_0, c6_0);
            c6_1 = fma(vec4<f32>(u1_1.z), v1_1, c6_1);
            c7_0 = fma(vec4<f32>(u1_1.w), v1_0, c7_0);
            c7_1 = fma(vec4<f32>(u1_1.w), v1_1, c7_1);
        }
        workgroupBarrier();
    }
    let n1 = n0 + 0u + tx * 4u;
    let plus0 = bias_of(n1);
    let n2 = n0 + 64u + tx * 4u;
    let plus1 = bias_of(n2);
    let m1 = m0 + 0u + ty * 4u;
    if (m1 < params.m) {
        let i = c0 + m1 * params.c_row;
        put(i, n1, c0_0, plus0);
        put(i, n2, c0_1, plus1);
    }
    let m2 = m0 + 1u + ty * 4u;
    if (m2 < params.m) {
        let i = c0 + m2 * params.c_row;
        put(i, n1, c1_0, plus0);
        put(i, n2, c1_1, plus1);
    }
    let m3 = m0 + 2u + ty * 4u;
    if (m3 < params.m) {
        let i = c0 + m3 * params.c_row;
        put(i, n1, c2_0, plus0);
        put(i, n2, c2_1, plus1);
    }
    let m4 = m0 + 3u + ty * 4u;
    if (m4 < params.m) {
        let i = c0 + m4 * params.c_row;
        put(i, n1, c3_0, plus0);
        put(i, n2, c3_1, plus1);
    }
    let m5 = m0 + 64u + ty * 4u;
    if (m5 < params.m) {
        let i = c0 + m5 * params.c_row;
        put(i, n1, c4_0, plus0);
        put(i, n2, c4_1, plus1);
    }
    let m6 = m0 + 65u + ty * 4u;
    if (m6 < params.m) {
        let i = c0 + m6 * params.c_row;
        put(i, n1, c5_0, plus0);
        put(i, n2, c5_1, plus1);
    }
    let m7 = m0 + 66u + ty * 4u;
    if (m7 < params.m) {
        let i = c0 + m7 * params.c_row;
        put(i, n1, c6_0, plus0);
        put(i, n2, c6_1, plus1);
    }
    let m8 = m0 + 67u + ty * 4u;
    if (m8 < params.m) {
        let i = c0 + m8 * params.c_row;
        put(i, n1, c7_0, plus0);
        put(i, n2, c7_1, plus1);
    }
}
