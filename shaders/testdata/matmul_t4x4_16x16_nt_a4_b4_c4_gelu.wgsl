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
@group(0) @binding(6) var<storage, read_write> at: array<vec4<f32>>;
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
    return bias[min(col, params.n - 4u) / 4u];
}
fn put(i: u32, col: u32, sum: vec4<f32>, plus: vec4<f32>) {
    var v = sum * params.alpha + plus;
    if (col < params.n) {
        if (params.has_x != 0u) { v += x[(i + col) / 4u]; }
        at[(i + col) / 4u] = v;
    }
}
fn finish(i: u32, col: u32) {
    if (col < params.n) {
        let k = (i + col) / 4u;
        let v = at[k];
        c[k] = vec4<f32>(v.x * normal(v.x).x, v.y * normal(v.y).x, v.z * normal(v.z).x, v.w * normal(v.w).x);
    }
}
var<workgroup> tile_a: array<array<array<vec4<f32>, 16>, 2>, 8>;
var<workgroup> tile_b: array<array<array<vec4<f32>, 16>, 2>, 8>;
// A workgroup computes 64 x 64 elements of C through tiles of depth 16, a thread 4 x 4 of them.
@compute @workgroup_size(256)
fn matmul(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let block = group.y * groups.x + group.x;
    let across = (params.n + 63u) / 64u;
    if (block >= across * ((params.m + 63u) / 64u)) { return; }
    let m0 = block / across * 64u;
    let n0 = block % across * 64u;
    let split = group.z % params.splits;
    let batch = group.z / params.splits;
    let b1 = batch / params.batch2;
    let b2 = batch % params.batch2;
    let a0 = params.a_off + b1 * params.a_b1 + b2 * params.a_b2;
    let b0 = params.b_off + b1 * params.b_b1 + b2 * params.b_b2;
    let c0 = params.c_off + split * params.c_split + b1 * params.c_b1 + b2 * params.c_b2;
    let k0 = split * params.split_size;
    let k1 = min(params.k, k0 + params.split_size);
    let ty = t / 16u;
    let tx = t % 16u;
    var c0_0 = vec4<f32>(0.0);
    var c1_0 = vec4<f32>(0.0);
    var c2_0 = vec4<f32>(0.0);
    var c3_0 = vec4<f32>(0.0);
    let xs0 = (t % 64u) / 4u;
    let ds0 = (t % 64u) % 4u * 4u;
    var os0_0 = (a0 + min(m0 + xs0 * 4u + 0u, params.m - 1u) * params.a_row) / 4u;
    var gs0_0 = vec4<f32>(0.0);
    var os0_1 = (a0 + min(m0 + xs0 * 4u + 1u, params.m - 1u) * params.a_row) / 4u;
    var gs0_1 = vec4<f32>(0.0);
    var os0_2 = (a0 + min(m0 + xs0 * 4u + 2u, params.m - 1u) * params.a_row) / 4u;
    var gs0_2 = vec4<f32>(0.0);
    var os0_3 = (a0 + min(m0 + xs0 * 4u + 3u, params.m - 1u) * params.a_row) / 4u;
    var gs0_3 = vec4<f32>(0.0);
    if (t >= 192u) {
        os0_0 = (b0 + min(n0 + xs0 * 4u + 0u, params.n - 1u) * params.b_col) / 4u;
        os0_1 = (b0 + min(n0 + xs0 * 4u + 1u, params.n - 1u) * params.b_col) / 4u;
        os0_2 = (b0 + min(n0 + xs0 * 4u + 2u, params.n - 1u) * params.b_col) / 4u;
        os0_3 = (b0 + min(n0 + xs0 * 4u + 3u, params.n - 1u) * params.b_col) / 4u;
    }
    for (var k = k0; k < k1; k += 16u) {
        if (t < 64u) {
            gs0_0 = vec4<f32>(0.0);
            gs0_1 = vec4<f32>(0.0);
            gs0_2 = vec4<f32>(0.0);
            gs0_3 = vec4<f32>(0.0);
            if (k + ds0 < k1) {
                let i = (k + ds0) / 4u;
                gs0_0 = a[os0_0 + i];
                gs0_1 = a[os0_1 + i];
                gs0_2 = a[os0_2 + i];
                gs0_3 = a[os0_3 + i];
            }
        }
        if (t < 64u) {
            tile_a[ds0 / 2u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.x, gs0_1.x, gs0_2.x, gs0_3.x);
            tile_a[ds0 / 2u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.y, gs0_1.y, gs0_2.y, gs0_3.y);
            tile_a[ds0 / 2u + 1u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.z, gs0_1.z, gs0_2.z, gs0_3.z);
            tile_a[ds0 / 2u + 1u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.w, gs0_1.w, gs0_2.w, gs0_3.w);
        }
        if (t >= 192u) {
            gs0_0 = vec4<f32>(0.0);
            gs0_1 = vec4<f32>(0.0);
            gs0_2 = vec4<f32>(0.0);
            gs0_3 = vec4<f32>(0.0);
            if (k + ds0 < k1) {
                let i = (k + ds0) / 4u;
                gs0_0 = b[os0_0 + i];
                gs0_1 = b[os0_1 + i];
                gs0_2 = b[os0_2 + i];
                gs0_3 = b[os0_3 + i];
            }
        }
        if (t >= 192u) {
            tile_b[ds0 / 2u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.x, gs0_1.x, gs0_2.x, gs0_3.x);
            tile_b[ds0 / 2u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.y, gs0_1.y, gs0_2.y, gs0_3.y);
            tile_b[ds0 / 2u + 1u][0][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.z, gs0_1.z, gs0_2.z, gs0_3.z);
            tile_b[ds0 / 2u + 1u][1][xs0 ^ ((ds0 >> 1u) & 6u)] = vec4<f32>(gs0_0.w, gs0_1.w, gs0_2.w, gs0_3.w);
        }
        workgroupBarrier();
        for (var kk = 0u; kk < 8u; kk++) {
            let pa = ty ^ (kk & 6u);
            let pb = tx ^ (kk & 6u);
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
    for (var e = 0u; e < 4u; e++) {
        let r = e / 1u;
        let q = e % 1u;
        let row = m0 + r / 4u * 64u + r % 4u + ty * 4u;
        if (row < params.m) { finish(c0 + row * params.c_row, n0 + q * 64u + tx * 4u); }
    }
}
