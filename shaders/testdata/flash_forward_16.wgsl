// O = softmax(scale * Q K^T) V per head. Each row's largest score and sum are corrected as blocks of keys come
// (Milakov and Gimelshein, 2018; Dao et al., 2022); lse is the logarithm of the sum of exp(scale * Q K^T).
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
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

var<workgroup> a: array<array<vec4<f32>, 16>, 32>;
var<workgroup> b: array<array<vec4<f32>, 16>, 32>;

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let last = params.tokens - 1u;
    let dim = params.heads * 16u;
    let at_x = group.z * params.tokens * 3u * dim + group.y * 16u;
    let at_y = group.z * params.tokens * dim + group.y * 16u;
    let at_row = (group.z * params.heads + group.y) * params.tokens;
    let first = group.x * 32u;
    let ty = t / 8u;
    let tx = t % 8u;
    var o0_0_0 = vec4<f32>(0.0);
    var o0_0_1 = vec4<f32>(0.0);
    var o1_0_0 = vec4<f32>(0.0);
    var o1_0_1 = vec4<f32>(0.0);
    var o2_0_0 = vec4<f32>(0.0);
    var o2_0_1 = vec4<f32>(0.0);
    var o3_0_0 = vec4<f32>(0.0);
    var o3_0_1 = vec4<f32>(0.0);
    var peak = vec4<f32>(-3.0e38);
    var sum = vec4<f32>(0.0);
    for (var e = t; e < 512u; e += 64u) {
        let r = e / 16u;
        let c = e % 16u;
        a[r][c] = x[at_x + 0u * dim + min(first + r, last) * (3u * dim) + 0u + c];
    }
    for (var start = 0u; start < params.tokens; start += 32u) {
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
        let s0 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_0, s1_0, s2_0, s3_0), start + tx + 0u < params.tokens);
        let s1 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_1, s1_1, s2_1, s3_1), start + tx + 8u < params.tokens);
        let s2 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_2, s1_2, s2_2, s3_2), start + tx + 16u < params.tokens);
        let s3 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_3, s1_3, s2_3, s3_3), start + tx + 24u < params.tokens);
        workgroupBarrier();
        b[16u + ty][tx] = max(max(s0, s1), max(s2, s3));
        workgroupBarrier();
        var top = peak;
        top = max(top, b[16u + ty][0]);
        top = max(top, b[16u + ty][1]);
        top = max(top, b[16u + ty][2]);
        top = max(top, b[16u + ty][3]);
        top = max(top, b[16u + ty][4]);
        top = max(top, b[16u + ty][5]);
        top = max(top, b[16u + ty][6]);
        top = max(top, b[16u + ty][7]);
        let fade = exp(peak - top);
        peak = top;
        let w0 = exp(s0 - top);
        let w1 = exp(s1 - top);
        let w2 = exp(s2 - top);
        let w3 = exp(s3 - top);
        sum = fma(sum, fade, (w0 + w1) + (w2 + w3));
        o0_0_0 *= fade.x;
        o0_0_1 *= fade.x;
        o1_0_0 *= fade.y;
        o1_0_1 *= fade.y;
        o2_0_0 *= fade.z;
        o2_0_1 *= fade.z;
        o3_0_0 *= fade.w;
        o3_0_1 *= fade.w;
        workgroupBarrier();
        b[16u + (tx + 0u) / 2u][((tx + 0u) & 1u) * 8u + (ty ^ tx)] = w0;
        b[16u + (tx + 8u) / 2u][((tx + 8u) & 1u) * 8u + (ty ^ tx)] = w1;
        b[16u + (tx + 16u) / 2u][((tx + 16u) & 1u) * 8u + (ty ^ tx)] = w2;
        b[16u + (tx + 24u) / 2u][((tx + 24u) & 1u) * 8u + (ty ^ tx)] = w3;
        for (var e = t; e < 256u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            b[r][c ^ (r & 7u)] = x[at_x + 2u * dim + min(start + 0u + r, last) * (3u * dim) + 0u + c];
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 2u) {
            let x0 = (k & 7u) + 0u;
            let w0 = b[16u + (k + 0u) / 2u][((k + 0u) & 1u) * 8u + (ty ^ x0)];
            let v0_0 = b[k + 0u][(tx ^ x0) + 0u];
            let v0_1 = b[k + 0u][(tx ^ x0) + 8u];
            let x1 = (k & 7u) + 1u;
            let w1 = b[16u + (k + 1u) / 2u][((k + 1u) & 1u) * 8u + (ty ^ x1)];
            let v1_0 = b[k + 1u][(tx ^ x1) + 0u];
            let v1_1 = b[k + 1u][(tx ^ x1) + 8u];
            o0_0_0 = fma(vec4<f32>(w0.x), v0_0, o0_0_0);
            o0_0_1 = fma(vec4<f32>(w0.x), v0_1, o0_0_1);
            o1_0_0 = fma(vec4<f32>(w0.y), v0_0, o1_0_0);
            o1_0_1 = fma(vec4<f32>(w0.y), v0_1, o1_0_1);
            o2_0_0 = fma(vec4<f32>(w0.z), v0_0, o2_0_0);
            o2_0_1 = fma(vec4<f32>(w0.z), v0_1, o2_0_1);
            o3_0_0 = fma(vec4<f32>(w0.w), v0_0, o3_0_0);
            o3_0_1 = fma(vec4<f32>(w0.w), v0_1, o3_0_1);
            o0_0_0 = fma(vec4<f32>(w1.x), v1_0, o0_0_0);
            o0_0_1 = fma(vec4<f32>(w1.x), v1_1, o0_0_1);
            o1_0_0 = fma(vec4<f32>(w1.y), v1_0, o1_0_0);
            o1_0_1 = fma(vec4<f32>(w1.y), v1_1, o1_0_1);
            o2_0_0 = fma(vec4<f32>(w1.z), v1_0, o2_0_0);
            o2_0_1 = fma(vec4<f32>(w1.z), v1_1, o2_0_1);
            o3_0_0 = fma(vec4<f32>(w1.w), v1_0, o3_0_0);
            o3_0_1 = fma(vec4<f32>(w1.w), v1_1, o3_0_1);
        }
        workgroupBarrier();
        for (var e = t; e < 256u; e += 64u) {
            let r = e / 16u;
            let c = e % 16u;
            b[r][c ^ (r & 7u)] = x[at_x + 2u * dim + min(start + 16u + r, last) * (3u * dim) + 0u + c];
        }
        workgroupBarrier();
        for (var k = 0u; k < 16u; k += 2u) {
            let x0 = (k & 7u) + 0u;
            let w0 = b[16u + (k + 16u) / 2u][((k + 16u) & 1u) * 8u + (ty ^ x0)];
            let v0_0 = b[k + 0u][(tx ^ x0) + 0u];
            let v0_1 = b[k + 0u][(tx ^ x0) + 8u];
            let x1 = (k & 7u) + 1u;
            let w1 = b[16u + (k + 17u) / 2u][((k + 17u) & 1u) * 8u + (ty ^ x1)];
            let v1_0 = b[k + 1u][(tx ^ x1) + 0u];
            let v1_1 = b[k + 1u][(tx ^ x1) + 8u];
            o0_0_0 = fma(vec4<f32>(w0.x), v0_0, o0_0_0);
            o0_0_1 = fma(vec4<f32>(w0.x), v0_1, o0_0_1);
            o1_0_0 = fma(vec4<f32>(w0.y), v0_0, o1_0_0);
            o1_0_1 = fma(vec4<f32>(w0.y), v0_1, o1_0_1);
            o2_0_0 = fma(vec4<f32>(w0.z), v0_0, o2_0_0);
            o2_0_1 = fma(vec4<f32>(w0.z), v0_1, o2_0_1);
            o3_0_0 = fma(vec4<f32>(w0.w), v0_0, o3_0_0);
            o3_0_1 = fma(vec4<f32>(w0.w), v0_1, o3_0_1);
            o0_0_0 = fma(vec4<f32>(w1.x), v1_0, o0_0_0);
            o0_0_1 = fma(vec4<f32>(w1.x), v1_1, o0_0_1);
            o1_0_0 = fma(vec4<f32>(w1.y), v1_0, o1_0_0);
            o1_0_1 = fma(vec4<f32>(w1.y), v1_1, o1_0_1);
            o2_0_0 = fma(vec4<f32>(w1.z), v1_0, o2_0_0);
            o2_0_1 = fma(vec4<f32>(w1.z), v1_1, o2_0_1);
            o3_0_0 = fma(vec4<f32>(w1.w), v1_0, o3_0_0);
            o3_0_1 = fma(vec4<f32>(w1.w), v1_1, o3_0_1);
        }
    }
    workgroupBarrier();
    b[16u + ty][tx] = sum;
    workgroupBarrier();
    sum = b[16u + ty][0];
    sum += b[16u + ty][1];
    sum += b[16u + ty][2];
    sum += b[16u + ty][3];
    sum += b[16u + ty][4];
    sum += b[16u + ty][5];
    sum += b[16u + ty][6];
    sum += b[16u + ty][7];
    if (first + ty * 4u + 0u < params.tokens) {
        let to = at_y + (first + ty * 4u + 0u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o0_0_0 / sum.x;
        y[to + 0u * dim + 8u] = o0_0_1 / sum.x;
    }
    if (first + ty * 4u + 1u < params.tokens) {
        let to = at_y + (first + ty * 4u + 1u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o1_0_0 / sum.y;
        y[to + 0u * dim + 8u] = o1_0_1 / sum.y;
    }
    if (first + ty * 4u + 2u < params.tokens) {
        let to = at_y + (first + ty * 4u + 2u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o2_0_0 / sum.z;
        y[to + 0u * dim + 8u] = o2_0_1 / sum.z;
    }
    if (first + ty * 4u + 3u < params.tokens) {
        let to = at_y + (first + ty * 4u + 3u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o3_0_0 / sum.w;
        y[to + 0u * dim + 8u] = o3_0_1 / sum.w;
    }
    let found = peak + log(sum);
    if (tx == 0u && first + ty * 4u + 0u < params.tokens) {
        lse[at_row + first + ty * 4u + 0u] = found.x;
    }
    if (tx == 0u && first + ty * 4u + 1u < params.tokens) {
        lse[at_row + first + ty * 4u + 1u] = found.y;
    }
    if (tx == 0u && first + ty * 4u + 2u < params.tokens) {
        lse[at_row + first + ty * 4u + 2u] = found.z;
    }
    if (tx == 0u && first + ty * 4u + 3u < params.tokens) {
        lse[at_row + first + ty * 4u + 3u] = found.w;
    }
}
