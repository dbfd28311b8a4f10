// P = exp(scale * Q K^T - lse), dS = P (dO V^T - delta) scale; here dQ = dS K of a block of queries.
//
// x and its gradient are [batch, tokens, (q|k|v, heads, width)], O and dy [batch, tokens, (heads, width)], in units of four
// elements; lse and delta are [batch, heads, tokens]. Workgroups: x rows, y head, z batch.
struct Params {
    tokens: u32,
    heads: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lse: array<f32>;
@group(0) @binding(4) var<storage, read> delta: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> a: array<array<vec4<f32>, 16>, 32>;
var<workgroup> b: array<array<vec4<f32>, 16>, 32>;

@compute @workgroup_size(64)
fn queries(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let last = params.tokens - 1u;
    let dim = params.heads * 20u;
    let at_x = group.z * params.tokens * 3u * dim + group.y * 20u;
    let at_y = group.z * params.tokens * dim + group.y * 20u;
    let at_row = (group.z * params.heads + group.y) * params.tokens;
    let first = group.x * 32u;
    let ty = t / 8u;
    let tx = t % 8u;
    var q0_0_0 = vec4<f32>(0.0);
    var q0_0_1 = vec4<f32>(0.0);
    var q1_0_0 = vec4<f32>(0.0);
    var q1_0_1 = vec4<f32>(0.0);
    var q2_0_0 = vec4<f32>(0.0);
    var q2_0_1 = vec4<f32>(0.0);
    var q3_0_0 = vec4<f32>(0.0);
    var q3_0_1 = vec4<f32>(0.0);
    var q0_1_0 = vec4<f32>(0.0);
    var q1_1_0 = vec4<f32>(0.0);
    var q2_1_0 = vec4<f32>(0.0);
    var q3_1_0 = vec4<f32>(0.0);
    let lse4 = vec4<f32>(
        lse[at_row + min(first + ty * 4u + 0u, last)],
        lse[at_row + min(first + ty * 4u + 1u, last)],
        lse[at_row + min(first + ty * 4u + 2u, last)],
        lse[at_row + min(first + ty * 4u + 3u, last)],
    );
    let delta4 = vec4<f32>(
        delta[at_row + min(first + ty * 4u + 0u, last)],
        delta[at_row + min(first + ty * 4u + 1u, last)],
        delta[at_row + min(first + ty * 4u + 2u, last)],
        delta[at_row + min(first + ty * 4u + 3u, last)],
    );
    for (var start = 0u; start < params.tokens; start += 32u) {
        var g0_0 = 0.0;
        var g1_0 = 0.0;
        var g2_0 = 0.0;
        var g3_0 = 0.0;
        var g0_1 = 0.0;
        var g1_1 = 0.0;
        var g2_1 = 0.0;
        var g3_1 = 0.0;
        var g0_2 = 0.0;
        var g1_2 = 0.0;
        var g2_2 = 0.0;
        var g3_2 = 0.0;
        var g0_3 = 0.0;
        var g1_3 = 0.0;
        var g2_3 = 0.0;
        var g3_3 = 0.0;
        workgroupBarrier();
        for (var e = t; e < 512u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            a[r][c] = dy[at_y + min(first + r, last) * (1u * dim) + 0u + c];
        }
        for (var e = t; e < 512u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            b[r][c ^ (r & 7u)] = x[at_x + 2u * dim + min(start + r, last) * (3u * dim) + 0u + c];
        }
        workgroupBarrier();
        for (var d = 0u; d < 16u; d++) {
            let c = d ^ tx;
            let a0 = a[ty * 4u + 0u][d];
            let a1 = a[ty * 4u + 1u][d];
            let a2 = a[ty * 4u + 2u][d];
            let a3 = a[ty * 4u + 3u][d];
            let b0 = b[tx + 0u][c];
            g0_0 = fma(a0.x, b0.x, g0_0);
            g1_0 = fma(a1.x, b0.x, g1_0);
            g2_0 = fma(a2.x, b0.x, g2_0);
            g3_0 = fma(a3.x, b0.x, g3_0);
            g0_0 = fma(a0.y, b0.y, g0_0);
            g1_0 = fma(a1.y, b0.y, g1_0);
            g2_0 = fma(a2.y, b0.y, g2_0);
            g3_0 = fma(a3.y, b0.y, g3_0);
            g0_0 = fma(a0.z, b0.z, g0_0);
            g1_0 = fma(a1.z, b0.z, g1_0);
            g2_0 = fma(a2.z, b0.z, g2_0);
            g3_0 = fma(a3.z, b0.z, g3_0);
            g0_0 = fma(a0.w, b0.w, g0_0);
            g1_0 = fma(a1.w, b0.w, g1_0);
            g2_0 = fma(a2.w, b0.w, g2_0);
            g3_0 = fma(a3.w, b0.w, g3_0);
            let b1 = b[tx + 8u][c];
            g0_1 = fma(a0.x, b1.x, g0_1);
            g1_1 = fma(a1.x, b1.x, g1_1);
            g2_1 = fma(a2.x, b1.x, g2_1);
            g3_1 = fma(a3.x, b1.x, g3_1);
            g0_1 = fma(a0.y, b1.y, g0_1);
            g1_1 = fma(a1.y, b1.y, g1_1);
            g2_1 = fma(a2.y, b1.y, g2_1);
            g3_1 = fma(a3.y, b1.y, g3_1);
            g0_1 = fma(a0.z, b1.z, g0_1);
            g1_1 = fma(a1.z, b1.z, g1_1);
            g2_1 = fma(a2.z, b1.z, g2_1);
            g3_1 = fma(a3.z, b1.z, g3_1);
            g0_1 = fma(a0.w, b1.w, g0_1);
            g1_1 = fma(a1.w, b1.w, g1_1);
            g2_1 = fma(a2.w, b1.w, g2_1);
            g3_1 = fma(a3.w, b1.w, g3_1);
            let b2 = b[tx + 16u][c];
            g0_2 = fma(a0.x, b2.x, g0_2);
            g1_2 = fma(a1.x, b2.x, g1_2);
            g2_2 = fma(a2.x, b2.x, g2_2);
            g3_2 = fma(a3.x, b2.x, g3_2);
            g0_2 = fma(a0.y, b2.y, g0_2);
            g1_2 = fma(a1.y, b2.y, g1_2);
            g2_2 = fma(a2.y, b2.y, g2_2);
            g3_2 = fma(a3.y, b2.y, g3_2);
            g0_2 = fma(a0.z, b2.z, g0_2);
            g1_2 = fma(a1.z, b2.z, g1_2);
            g2_2 = fma(a2.z, b2.z, g2_2);
            g3_2 = fma(a3.z, b2.z, g3_2);
            g0_2 = fma(a0.w, b2.w, g0_2);
            g1_2 = fma(a1.w, b2.w, g1_2);
            g2_2 = fma(a2.w, b2.w, g2_2);
            g3_2 = fma(a3.w, b2.w, g3_2);
            let b3 = b[tx + 24u][c];
            g0_3 = fma(a0.x, b3.x, g0_3);
            g1_3 = fma(a1.x, b3.x, g1_3);
            g2_3 = fma(a2.x, b3.x, g2_3);
            g3_3 = fma(a3.x, b3.x, g3_3);
            g0_3 = fma(a0.y, b3.y, g0_3);
            g1_3 = fma(a1.y, b3.y, g1_3);
            g2_3 = fma(a2.y, b3.y, g2_3);
            g3_3 = fma(a3.y, b3.y, g3_3);
            g0_3 = fma(a0.z, b3.z, g0_3);
            g1_3 = fma(a1.z, b3.z, g1_3);
            g2_3 = fma(a2.z, b3.z, g2_3);
            g3_3 = fma(a3.z, b3.z, g3_3);
            g0_3 = fma(a0.w, b3.w, g0_3);
            g1_3 = fma(a1.w, b3.w, g1_3);
            g2_3 = fma(a2.w, b3.w, g2_3);
            g3_3 = fma(a3.w, b3.w, g3_3);
        }
        workgroupBarrier();
        for (var e = t; e < 128u; e += 64u) {
            let r = e / 4u;
            let c = e % 4u;
            a[r][c] = dy[at_y + min(first + r, last) * (1u * dim) + 16u + c];
        }
        for (var e = t; e < 128u; e += 64u) {
            let r = e / 4u;
            let c = e % 4u;
            b[r][c ^ (r & 7u)] = x[at_x + 2u * dim + min(start + r, last) * (3u * dim) + 16u + c];
        }
        workgroupBarrier();
        for (var d = 0u; d < 4u; d++) {
            let c = d ^ tx;
            let a0 = a[ty * 4u + 0u][d];
            let a1 = a[ty * 4u + 1u][d];
            let a2 = a[ty * 4u + 2u][d];
            let a3 = a[ty * 4u + 3u][d];
            let b0 = b[tx + 0u][c];
            g0_0 = fma(a0.x, b0.x, g0_0);
            g1_0 = fma(a1.x, b0.x, g1_0);
            g2_0 = fma(a2.x, b0.x, g2_0);
            g3_0 = fma(a3.x, b0.x, g3_0);
            g0_0 = fma(a0.y, b0.y, g0_0);
            g1_0 = fma(a1.y, b0.y, g1_0);
            g2_0 = fma(a2.y, b0.y, g2_0);
            g3_0 = fma(a3.y, b0.y, g3_0);
            g0_0 = fma(a0.z, b0.z, g0_0);
            g1_0 = fma(a1.z, b0.z, g1_0);
            g2_0 = fma(a2.z, b0.z, g2_0);
            g3_0 = fma(a3.z, b0.z, g3_0);
            g0_0 = fma(a0.w, b0.w, g0_0);
            g1_0 = fma(a1.w, b0.w, g1_0);
            g2_0 = fma(a2.w, b0.w, g2_0);
            g3_0 = fma(a3.w, b0.w, g3_0);
            let b1 = b[tx + 8u][c];
            g0_1 = fma(a0.x, b1.x, g0_1);
            g1_1 = fma(a1.x, b1.x, g1_1);
            g2_1 = fma(a2.x, b1.x, g2_1);
            g3_1 = fma(a3.x, b1.x, g3_1);
            g0_1 = fma(a0.y, b1.y, g0_1);
            g1_1 = fma(a1.y, b1.y, g1_1);
            g2_1 = fma(a2.y, b1.y, g2_1);
            g3_1 = fma(a3.y, b1.y, g3_1);
            g0_1 = fma(a0.z, b1.z, g0_1);
            g1_1 = fma(a1.z, b1.z, g1_1);
            g2_1 = fma(a2.z, b1.z, g2_1);
            g3_1 = fma(a3.z, b1.z, g3_1);
            g0_1 = fma(a0.w, b1.w, g0_1);
            g1_1 = fma(a1.w, b1.w, g1_1);
            g2_1 = fma(a2.w, b1.w, g2_1);
            g3_1 = fma(a3.w, b1.w, g3_1);
            let b2 = b[tx + 16u][c];
            g0_2 = fma(a0.x, b2.x, g0_2);
            g1_2 = fma(a1.x, b2.x, g1_2);
            g2_2 = fma(a2.x, b2.x, g2_2);
            g3_2 = fma(a3.x, b2.x, g3_2);
            g0_2 = fma(a0.y, b2.y, g0_2);
            g1_2 = fma(a1.y, b2.y, g1_2);
            g2_2 = fma(a2.y, b2.y, g2_2);
            g3_2 = fma(a3.y, b2.y, g3_2);
            g0_2 = fma(a0.z, b2.z, g0_2);
            g1_2 = fma(a1.z, b2.z, g1_2);
            g2_2 = fma(a2.z, b2.z, g2_2);
            g3_2 = fma(a3.z, b2.z, g3_2);
            g0_2 = fma(a0.w, b2.w, g0_2);
            g1_2 = fma(a1.w, b2.w, g1_2);
            g2_2 = fma(a2.w, b2.w, g2_2);
            g3_2 = fma(a3.w, b2.w, g3_2);
            let b3 = b[tx + 24u][c];
            g0_3 = fma(a0.x, b3.x, g0_3);
            g1_3 = fma(a1.x, b3.x, g1_3);
            g2_3 = fma(a2.x, b3.x, g2_3);
            g3_3 = fma(a3.x, b3.x, g3_3);
            g0_3 = fma(a0.y, b3.y, g0_3);
            g1_3 = fma(a1.y, b3.y, g1_3);
            g2_3 = fma(a2.y, b3.y, g2_3);
            g3_3 = fma(a3.y, b3.y, g3_3);
            g0_3 = fma(a0.z, b3.z, g0_3);
            g1_3 = fma(a1.z, b3.z, g1_3);
            g2_3 = fma(a2.z, b3.z, g2_3);
            g3_3 = fma(a3.z, b3.z, g3_3);
            g0_3 = fma(a0.w, b3.w, g0_3);
            g1_3 = fma(a1.w, b3.w, g1_3);
            g2_3 = fma(a2.w, b3.w, g2_3);
            g3_3 = fma(a3.w, b3.w, g3_3);
        }
        var s0_0 = 0.0;
        var s1_0 = 0.0;
        var s2_0 = 0.0;
        var s3_0 = 0.0;
        var s0_1 = 0.0;
        var s1_1 = 0.0;
        var s2_1 = 0.0;
        var s3_1 = 0.0;
        var s0_2 = 0.0;
        var s1_2 = 0.0;
        var s2_2 = 0.0;
        var s3_2 = 0.0;
        var s0_3 = 0.0;
        var s1_3 = 0.0;
        var s2_3 = 0.0;
        var s3_3 = 0.0;
        workgroupBarrier();
        for (var e = t; e < 512u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            a[r][c] = x[at_x + 0u * dim + min(first + r, last) * (3u * dim) + 0u + c];
        }
        for (var e = t; e < 512u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            b[r][c ^ (r & 7u)] = x[at_x + 1u * dim + min(start + r, last) * (3u * dim) + 0u + c];
        }
        workgroupBarrier();
        for (var d = 0u; d < 16u; d++) {
            let c = d ^ tx;
            let a0 = a[ty * 4u + 0u][d];
            let a1 = a[ty * 4u + 1u][d];
            let a2 = a[ty * 4u + 2u][d];
            let a3 = a[ty * 4u + 3u][d];
            let b0 = b[tx + 0u][c];
            s0_0 = fma(a0.x, b0.x, s0_0);
            s1_0 = fma(a1.x, b0.x, s1_0);
            s2_0 = fma(a2.x, b0.x, s2_0);
            s3_0 = fma(a3.x, b0.x, s3_0);
            s0_0 = fma(a0.y, b0.y, s0_0);
            s1_0 = fma(a1.y, b0.y, s1_0);
            s2_0 = fma(a2.y, b0.y, s2_0);
            s3_0 = fma(a3.y, b0.y, s3_0);
            s0_0 = fma(a0.z, b0.z, s0_0);
            s1_0 = fma(a1.z, b0.z, s1_0);
            s2_0 = fma(a2.z, b0.z, s2_0);
            s3_0 = fma(a3.z, b0.z, s3_0);
            s0_0 = fma(a0.w, b0.w, s0_0);
            s1_0 = fma(a1.w, b0.w, s1_0);
            s2_0 = fma(a2.w, b0.w, s2_0);
            s3_0 = fma(a3.w, b0.w, s3_0);
            let b1 = b[tx + 8u][c];
            s0_1 = fma(a0.x, b1.x, s0_1);
            s1_1 = fma(a1.x, b1.x, s1_1);
            s2_1 = fma(a2.x, b1.x, s2_1);
            s3_1 = fma(a3.x, b1.x, s3_1);
            s0_1 = fma(a0.y, b1.y, s0_1);
            s1_1 = fma(a1.y, b1.y, s1_1);
            s2_1 = fma(a2.y, b1.y, s2_1);
            s3_1 = fma(a3.y, b1.y, s3_1);
            s0_1 = fma(a0.z, b1.z, s0_1);
            s1_1 = fma(a1.z, b1.z, s1_1);
            s2_1 = fma(a2.z, b1.z, s2_1);
            s3_1 = fma(a3.z, b1.z, s3_1);
            s0_1 = fma(a0.w, b1.w, s0_1);
            s1_1 = fma(a1.w, b1.w, s1_1);
            s2_1 = fma(a2.w, b1.w, s2_1);
            s3_1 = fma(a3.w, b1.w, s3_1);
            let b2 = b[tx + 16u][c];
            s0_2 = fma(a0.x, b2.x, s0_2);
            s1_2 = fma(a1.x, b2.x, s1_2);
            s2_2 = fma(a2.x, b2.x, s2_2);
            s3_2 = fma(a3.x, b2.x, s3_2);
            s0_2 = fma(a0.y, b2.y, s0_2);
            s1_2 = fma(a1.y, b2.y, s1_2);
            s2_2 = fma(a2.y, b2.y, s2_2);
            s3_2 = fma(a3.y, b2.y, s3_2);
            s0_2 = fma(a0.z, b2.z, s0_2);
            s1_2 = fma(a1.z, b2.z, s1_2);
            s2_2 = fma(a2.z, b2.z, s2_2);
            s3_2 = fma(a3.z, b2.z, s3_2);
            s0_2 = fma(a0.w, b2.w, s0_2);
            s1_2 = fma(a1.w, b2.w, s1_2);
            s2_2 = fma(a2.w, b2.w, s2_2);
            s3_2 = fma(a3.w, b2.w, s3_2);
            let b3 = b[tx + 24u][c];
            s0_3 = fma(a0.x, b3.x, s0_3);
            s1_3 = fma(a1.x, b3.x, s1_3);
            s2_3 = fma(a2.x, b3.x, s2_3);
            s3_3 = fma(a3.x, b3.x, s3_3);
            s0_3 = fma(a0.y, b3.y, s0_3);
            s1_3 = fma(a1.y, b3.y, s1_3);
            s2_3 = fma(a2.y, b3.y, s2_3);
            s3_3 = fma(a3.y, b3.y, s3_3);
            s0_3 = fma(a0.z, b3.z, s0_3);
            s1_3 = fma(a1.z, b3.z, s1_3);
            s2_3 = fma(a2.z, b3.z, s2_3);
            s3_3 = fma(a3.z, b3.z, s3_3);
            s0_3 = fma(a0.w, b3.w, s0_3);
            s1_3 = fma(a1.w, b3.w, s1_3);
            s2_3 = fma(a2.w, b3.w, s2_3);
            s3_3 = fma(a3.w, b3.w, s3_3);
        }
        workgroupBarrier();
        for (var e = t; e < 128u; e += 64u) {
            let r = e / 4u;
            let c = e % 4u;
            a[r][c] = x[at_x + 0u * dim + min(first + r, last) * (3u * dim) + 16u + c];
        }
        for (var e = t; e < 128u; e += 64u) {
            let r = e / 4u;
            let c = e % 4u;
            b[r][c ^ (r & 7u)] = x[at_x + 1u * dim + min(start + r, last) * (3u * dim) + 16u + c];
        }
        workgroupBarrier();
        for (var d = 0u; d < 4u; d++) {
            let c = d ^ tx;
            let a0 = a[ty * 4u + 0u][d];
            let a1 = a[ty * 4u + 1u][d];
            let a2 = a[ty * 4u + 2u][d];
            let a3 = a[ty * 4u + 3u][d];
            let b0 = b[tx + 0u][c];
            s0_0 = fma(a0.x, b0.x, s0_0);
            s1_0 = fma(a1.x, b0.x, s1_0);
            s2_0 = fma(a2.x, b0.x, s2_0);
            s3_0 = fma(a3.x, b0.x, s3_0);
            s0_0 = fma(a0.y, b0.y, s0_0);
            s1_0 = fma(a1.y, b0.y, s1_0);
            s2_0 = fma(a2.y, b0.y, s2_0);
            s3_0 = fma(a3.y, b0.y, s3_0);
            s0_0 = fma(a0.z, b0.z, s0_0);
            s1_0 = fma(a1.z, b0.z, s1_0);
            s2_0 = fma(a2.z, b0.z, s2_0);
            s3_0 = fma(a3.z, b0.z, s3_0);
            s0_0 = fma(a0.w, b0.w, s0_0);
            s1_0 = fma(a1.w, b0.w, s1_0);
            s2_0 = fma(a2.w, b0.w, s2_0);
            s3_0 = fma(a3.w, b0.w, s3_0);
            let b1 = b[tx + 8u][c];
            s0_1 = fma(a0.x, b1.x, s0_1);
            s1_1 = fma(a1.x, b1.x, s1_1);
            s2_1 = fma(a2.x, b1.x, s2_1);
            s3_1 = fma(a3.x, b1.x, s3_1);
            s0_1 = fma(a0.y, b1.y, s0_1);
            s1_1 = fma(a1.y, b1.y, s1_1);
            s2_1 = fma(a2.y, b1.y, s2_1);
            s3_1 = fma(a3.y, b1.y, s3_1);
            s0_1 = fma(a0.z, b1.z, s0_1);
            s1_1 = fma(a1.z, b1.z, s1_1);
            s2_1 = fma(a2.z, b1.z, s2_1);
            s3_1 = fma(a3.z, b1.z, s3_1);
            s0_1 = fma(a0.w, b1.w, s0_1);
            s1_1 = fma(a1.w, b1.w, s1_1);
            s2_1 = fma(a2.w, b1.w, s2_1);
            s3_1 = fma(a3.w, b1.w, s3_1);
            let b2 = b[tx + 16u][c];
            s0_2 = fma(a0.x, b2.x, s0_2);
            s1_2 = fma(a1.x, b2.x, s1_2);
            s2_2 = fma(a2.x, b2.x, s2_2);
            s3_2 = fma(a3.x, b2.x, s3_2);
            s0_2 = fma(a0.y, b2.y, s0_2);
            s1_2 = fma(a1.y, b2.y, s1_2);
            s2_2 = fma(a2.y, b2.y, s2_2);
            s3_2 = fma(a3.y, b2.y, s3_2);
            s0_2 = fma(a0.z, b2.z, s0_2);
            s1_2 = fma(a1.z, b2.z, s1_2);
            s2_2 = fma(a2.z, b2.z, s2_2);
            s3_2 = fma(a3.z, b2.z, s3_2);
            s0_2 = fma(a0.w, b2.w, s0_2);
            s1_2 = fma(a1.w, b2.w, s1_2);
            s2_2 = fma(a2.w, b2.w, s2_2);
            s3_2 = fma(a3.w, b2.w, s3_2);
            let b3 = b[tx + 24u][c];
            s0_3 = fma(a0.x, b3.x, s0_3);
            s1_3 = fma(a1.x, b3.x, s1_3);
            s2_3 = fma(a2.x, b3.x, s2_3);
            s3_3 = fma(a3.x, b3.x, s3_3);
            s0_3 = fma(a0.y, b3.y, s0_3);
            s1_3 = fma(a1.y, b3.y, s1_3);
            s2_3 = fma(a2.y, b3.y, s2_3);
            s3_3 = fma(a3.y, b3.y, s3_3);
            s0_3 = fma(a0.z, b3.z, s0_3);
            s1_3 = fma(a1.z, b3.z, s1_3);
            s2_3 = fma(a2.z, b3.z, s2_3);
            s3_3 = fma(a3.z, b3.z, s3_3);
            s0_3 = fma(a0.w, b3.w, s0_3);
            s1_3 = fma(a1.w, b3.w, s1_3);
            s2_3 = fma(a2.w, b3.w, s2_3);
            s3_3 = fma(a3.w, b3.w, s3_3);
        }
        let p0 = select(vec4<f32>(0.0), exp(params.scale * vec4<f32>(s0_0, s1_0, s2_0, s3_0) - lse4), start + tx + 0u < params.tokens);
        let d0 = params.scale * p0 * (vec4<f32>(g0_0, g1_0, g2_0, g3_0) - delta4);
        let p1 = select(vec4<f32>(0.0), exp(params.scale * vec4<f32>(s0_1, s1_1, s2_1, s3_1) - lse4), start + tx + 8u < params.tokens);
        let d1 = params.scale * p1 * (vec4<f32>(g0_1, g1_1, g2_1, g3_1) - delta4);
        let p2 = select(vec4<f32>(0.0), exp(params.scale * vec4<f32>(s0_2, s1_2, s2_2, s3_2) - lse4), start + tx + 16u < params.tokens);
        let d2 = params.scale * p2 * (vec4<f32>(g0_2, g1_2, g2_2, g3_2) - delta4);
        let p3 = select(vec4<f32>(0.0), exp(params.scale * vec4<f32>(s0_3, s1_3, s2_3, s3_3) - lse4), start + tx + 24u < params.tokens);
        let d3 = params.scale * p3 * (vec4<f32>(g0_3, g1_3, g2_3, g3_3) - delta4);
        workgroupBarrier();
        a[0u + (tx + 0u) / 2u][((tx + 0u) & 1u) * 8u + (ty ^ tx)] = d0;
        a[0u + (tx + 8u) / 2u][((tx + 8u) & 1u) * 8u + (ty ^ tx)] = d1;
        a[0u + (tx + 16u) / 2u][((tx + 16u) & 1u) * 8u + (ty ^ tx)] = d2;
        a[0u + (tx + 24u) / 2u][((tx + 24u) & 1u) * 8u + (ty ^ tx)] = d3;
        for (var e = t; e < 512u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            b[r][c ^ (r & 7u)] = x[at_x + 1u * dim + min(start + r, last) * (3u * dim) + 0u + c];
        }
        workgroupBarrier();
        for (var k = 0u; k < 32u; k += 2u) {
            let x0 = (k & 7u) + 0u;
            let w0 = a[0u + (k + 0u) / 2u][((k + 0u) & 1u) * 8u + (ty ^ x0)];
            let v0_0 = b[k + 0u][(tx ^ x0) + 0u];
            let v0_1 = b[k + 0u][(tx ^ x0) + 8u];
            let x1 = (k & 7u) + 1u;
            let w1 = a[0u + (k + 1u) / 2u][((k + 1u) & 1u) * 8u + (ty ^ x1)];
            let v1_0 = b[k + 1u][(tx ^ x1) + 0u];
            let v1_1 = b[k + 1u][(tx ^ x1) + 8u];
            q0_0_0 = fma(vec4<f32>(w0.x), v0_0, q0_0_0);
            q0_0_1 = fma(vec4<f32>(w0.x), v0_1, q0_0_1);
            q1_0_0 = fma(vec4<f32>(w0.y), v0_0, q1_0_0);
            q1_0_1 = fma(vec4<f32>(w0.y), v0_1, q1_0_1);
            q2_0_0 = fma(vec4<f32>(w0.z), v0_0, q2_0_0);
            q2_0_1 = fma(vec4<f32>(w0.z), v0_1, q2_0_1);
            q3_0_0 = fma(vec4<f32>(w0.w), v0_0, q3_0_0);
            q3_0_1 = fma(vec4<f32>(w0.w), v0_1, q3_0_1);
            q0_0_0 = fma(vec4<f32>(w1.x), v1_0, q0_0_0);
            q0_0_1 = fma(vec4<f32>(w1.x), v1_1, q0_0_1);
            q1_0_0 = fma(vec4<f32>(w1.y), v1_0, q1_0_0);
            q1_0_1 = fma(vec4<f32>(w1.y), v1_1, q1_0_1);
            q2_0_0 = fma(vec4<f32>(w1.z), v1_0, q2_0_0);
            q2_0_1 = fma(vec4<f32>(w1.z), v1_1, q2_0_1);
            q3_0_0 = fma(vec4<f32>(w1.w), v1_0, q3_0_0);
            q3_0_1 = fma(vec4<f32>(w1.w), v1_1, q3_0_1);
        }
        workgroupBarrier();
        for (var e = t; e < 128u; e += 64u) {
            let r = e / 4u;
            let c = e % 4u;
            b[r][c ^ (r & 7u)] = x[at_x + 1u * dim + min(start + r, last) * (3u * dim) + 16u + c];
        }
        workgroupBarrier();
        for (var k = 0u; k < 32u; k += 2u) {
            let x0 = (k & 7u) + 0u;
            let w0 = a[0u + (k + 0u) / 2u][((k + 0u) & 1u) * 8u + (ty ^ x0)];
            let v0_0 = b[k + 0u][(tx ^ x0) + 0u];
            let x1 = (k & 7u) + 1u;
            let w1 = a[0u + (k + 1u) / 2u][((k + 1u) & 1u) * 8u + (ty ^ x1)];
            let v1_0 = b[k + 1u][(tx ^ x1) + 0u];
            q0_1_0 = fma(vec4<f32>(w0.x), v0_0, q0_1_0);
            q1_1_0 = fma(vec4<f32>(w0.y), v0_0, q1_1_0);
            q2_1_0 = fma(vec4<f32>(w0.z), v0_0, q2_1_0);
            q3_1_0 = fma(vec4<f32>(w0.w), v0_0, q3_1_0);
            q0_1_0 = fma(vec4<f32>(w1.x), v1_0, q0_1_0);
            q1_1_0 = fma(vec4<f32>(w1.y), v1_0, q1_1_0);
            q2_1_0 = fma(vec4<f32>(w1.z), v1_0, q2_1_0);
            q3_1_0 = fma(vec4<f32>(w1.w), v1_0, q3_1_0);
        }
    }
    if (first + ty * 4u + 0u < params.tokens) {
        let to = at_x + (first + ty * 4u + 0u) * (3u * dim) + tx;
        y[to + 0u * dim + 0u] = q0_0_0;
        y[to + 0u * dim + 8u] = q0_0_1;
        if (tx < 4u) {
            y[to + 0u * dim + 16u] = q0_1_0;
        }
    }
    if (first + ty * 4u + 1u < params.tokens) {
        let to = at_x + (first + ty * 4u + 1u) * (3u * dim) + tx;
        y[to + 0u * dim + 0u] = q1_0_0;
        y[to + 0u * dim + 8u] = q1_0_1;
        if (tx < 4u) {
            y[to + 0u * dim + 16u] = q1_1_0;
        }
    }
    if (first + ty * 4u + 2u < params.tokens) {
        let to = at_x + (first + ty * 4u + 2u) * (3u * dim) + tx;
        y[to + 0u * dim + 0u] = q2_0_0;
        y[to + 0u * dim + 8u] = q2_0_1;
        if (tx < 4u) {
            y[to + 0u * dim + 16u] = q2_1_0;
        }
    }
    if (first + ty * 4u + 3u < params.tokens) {
        let to = at_x + (first + ty * 4u + 3u) * (3u * dim) + tx;
        y[to + 0u * dim + 0u] = q3_0_0;
        y[to + 0u * dim + 8u] = q3_0_1;
        if (tx < 4u) {
            y[to + 0u * dim + 16u] = q3_1_0;
        }
    }
}
