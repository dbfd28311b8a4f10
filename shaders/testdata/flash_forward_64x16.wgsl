// O = softmax(scale * Q K^T) V per head. Each row's largest score and sum are corrected as blocks of keys come
// (Milakov and Gimelshein, 2018; Dao et al., 2022); lse is the logarithm of the sum of exp(scale * Q K^T).
//
// x and its gradient are [batch, tokens, (q|k|v, heads, width)], O and dy [batch, tokens, (heads, width)], in units of four
// elements; lse and delta are [batch, heads, tokens]; all begin at row start. Workgroups: x rows, y head, z batch.
struct Params {
    tokens: u32,
    heads: u32,
    start: u32, // the first row
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> lse: array<f32>;

var<workgroup> a: array<array<array<vec4<f32>, 8>, 4>, 16>;
var<workgroup> b: array<array<array<vec4<f32>, 8>, 4>, 8>;

@compute @workgroup_size(128)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let last = params.tokens - 1u;
    let dim = params.heads * 16u;
    let at_x = (params.start + group.z * params.tokens) * 3u * dim + group.y * 16u;
    let at_y = (params.start + group.z * params.tokens) * dim + group.y * 16u;
    let at_row = params.start * params.heads + (group.z * params.heads + group.y) * params.tokens;
    let first = group.x * 64u;
    let ty = t / 8u;
    let tx = t % 8u;
    var o0_0 = vec4<f32>(0.0);
    var o1_0 = vec4<f32>(0.0);
    var o2_0 = vec4<f32>(0.0);
    var o3_0 = vec4<f32>(0.0);
    var o0_1 = vec4<f32>(0.0);
    var o1_1 = vec4<f32>(0.0);
    var o2_1 = vec4<f32>(0.0);
    var o3_1 = vec4<f32>(0.0);
    var peak = vec4<f32>(-3.0e38);
    var sum = vec4<f32>(0.0);
    var a0_next = vec4<f32>(0.0);
    var a1_next = vec4<f32>(0.0);
    var a2_next = vec4<f32>(0.0);
    var a3_next = vec4<f32>(0.0);
    var b0_next = vec4<f32>(0.0);
    var b1_next = vec4<f32>(0.0);
    for (var start = 0u; start < params.tokens; start += 32u) {
        a0_next = x[at_x + 0u * dim + min(first + ty * 4u + 0u, last) * (3u * dim) + 0u + tx];
        a1_next = x[at_x + 0u * dim + min(first + ty * 4u + 1u, last) * (3u * dim) + 0u + tx];
        a2_next = x[at_x + 0u * dim + min(first + ty * 4u + 2u, last) * (3u * dim) + 0u + tx];
        a3_next = x[at_x + 0u * dim + min(first + ty * 4u + 3u, last) * (3u * dim) + 0u + tx];
        b0_next = x[at_x + 1u * dim + min(start + (ty & 7u) * 4u + ty / 8u * 2u + 0u, last) * (3u * dim) + 0u + tx];
        b1_next = x[at_x + 1u * dim + min(start + (ty & 7u) * 4u + ty / 8u * 2u + 1u, last) * (3u * dim) + 0u + tx];
        workgroupBarrier();
        a[ty][0u][tx] = a0_next;
        a[ty][1u][tx] = a1_next;
        a[ty][2u][tx] = a2_next;
        a[ty][3u][tx] = a3_next;
        b[ty & 7u][ty / 8u * 2u + 0u][tx ^ (ty & 7u)] = b0_next;
        b[ty & 7u][ty / 8u * 2u + 1u][tx ^ (ty & 7u)] = b1_next;
        workgroupBarrier();
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
        for (var d = 0u; d < 8u; d++) {
            let c = d ^ tx;
            let a0 = a[ty][0][d];
            let a1 = a[ty][1][d];
            let a2 = a[ty][2][d];
            let a3 = a[ty][3][d];
            let b0 = b[tx][0][c];
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
            let b1 = b[tx][1][c];
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
            let b2 = b[tx][2][c];
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
            let b3 = b[tx][3][c];
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
        a0_next = x[at_x + 0u * dim + min(first + ty * 4u + 0u, last) * (3u * dim) + 8u + tx];
        a1_next = x[at_x + 0u * dim + min(first + ty * 4u + 1u, last) * (3u * dim) + 8u + tx];
        a2_next = x[at_x + 0u * dim + min(first + ty * 4u + 2u, last) * (3u * dim) + 8u + tx];
        a3_next = x[at_x + 0u * dim + min(first + ty * 4u + 3u, last) * (3u * dim) + 8u + tx];
        b0_next = x[at_x + 1u * dim + min(start + (ty & 7u) * 4u + ty / 8u * 2u + 0u, last) * (3u * dim) + 8u + tx];
        b1_next = x[at_x + 1u * dim + min(start + (ty & 7u) * 4u + ty / 8u * 2u + 1u, last) * (3u * dim) + 8u + tx];
        workgroupBarrier();
        a[ty][0u][tx] = a0_next;
        a[ty][1u][tx] = a1_next;
        a[ty][2u][tx] = a2_next;
        a[ty][3u][tx] = a3_next;
        b[ty & 7u][ty / 8u * 2u + 0u][tx ^ (ty & 7u)] = b0_next;
        b[ty & 7u][ty / 8u * 2u + 1u][tx ^ (ty & 7u)] = b1_next;
        workgroupBarrier();
        for (var d = 0u; d < 8u; d++) {
            let c = d ^ tx;
            let a0 = a[ty][0][d];
            let a1 = a[ty][1][d];
            let a2 = a[ty][2][d];
            let a3 = a[ty][3][d];
            let b0 = b[tx][0][c];
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
            let b1 = b[tx][1][c];
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
            let b2 = b[tx][2][c];
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
            let b3 = b[tx][3][c];
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
        let s0 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_0, s1_0, s2_0, s3_0), start + tx * 4u + 0u < params.tokens);
        let s1 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_1, s1_1, s2_1, s3_1), start + tx * 4u + 1u < params.tokens);
        let s2 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_2, s1_2, s2_2, s3_2), start + tx * 4u + 2u < params.tokens);
        let s3 = select(vec4<f32>(-3.0e38), params.scale * vec4<f32>(s0_3, s1_3, s2_3, s3_3), start + tx * 4u + 3u < params.tokens);
        workgroupBarrier();
        b[ty / 4u][ty & 3u][tx] = max(max(s0, s1), max(s2, s3));
        workgroupBarrier();
        var top = peak;
        top = max(top, b[ty / 4u][ty & 3u][0]);
        top = max(top, b[ty / 4u][ty & 3u][1]);
        top = max(top, b[ty / 4u][ty & 3u][2]);
        top = max(top, b[ty / 4u][ty & 3u][3]);
        top = max(top, b[ty / 4u][ty & 3u][4]);
        top = max(top, b[ty / 4u][ty & 3u][5]);
        top = max(top, b[ty / 4u][ty & 3u][6]);
        top = max(top, b[ty / 4u][ty & 3u][7]);
        let fade = exp(peak - top);
        peak = top;
        let w0 = exp(s0 - top);
        let w1 = exp(s1 - top);
        let w2 = exp(s2 - top);
        let w3 = exp(s3 - top);
        sum = fma(sum, fade, (w0 + w1) + (w2 + w3));
        o0_0 *= fade.x;
        o1_0 *= fade.y;
        o2_0 *= fade.z;
        o3_0 *= fade.w;
        o0_1 *= fade.x;
        o1_1 *= fade.y;
        o2_1 *= fade.z;
        o3_1 *= fade.w;
        a[(tx) * 2u + ty / 8u][0][(ty & 7u) ^ (tx)] = w0;
        a[(tx) * 2u + ty / 8u][1][(ty & 7u) ^ (tx)] = w1;
        a[(tx) * 2u + ty / 8u][2][(ty & 7u) ^ (tx)] = w2;
        a[(tx) * 2u + ty / 8u][3][(ty & 7u) ^ (tx)] = w3;
        b0_next = x[at_x + 2u * dim + min(start + 0u + (ty & 7u) * 2u + ty / 8u + 0u, last) * (3u * dim) + 0u + tx];
        b1_next = x[at_x + 2u * dim + min(start + 0u + (ty & 7u) * 2u + ty / 8u + 0u, last) * (3u * dim) + 8u + tx];
        workgroupBarrier();
        b[ty & 7u][ty / 8u * 2u + 0u][tx] = b0_next;
        b[ty & 7u][ty / 8u * 2u + 1u][tx] = b1_next;
        workgroupBarrier();
        for (var k = 0u; k < 4u; k++) {
            let w0 = a[(k) * 2u + ty / 8u][0][(ty & 7u) ^ (k)];
            let b0_0 = b[k * 2u + 0u][0][tx];
            let b0_1 = b[k * 2u + 0u][1][tx];
            o0_0 = fma(vec4<f32>(w0.x), b0_0, o0_0);
            o0_1 = fma(vec4<f32>(w0.x), b0_1, o0_1);
            o1_0 = fma(vec4<f32>(w0.y), b0_0, o1_0);
            o1_1 = fma(vec4<f32>(w0.y), b0_1, o1_1);
            o2_0 = fma(vec4<f32>(w0.z), b0_0, o2_0);
            o2_1 = fma(vec4<f32>(w0.z), b0_1, o2_1);
            o3_0 = fma(vec4<f32>(w0.w), b0_0, o3_0);
            o3_1 = fma(vec4<f32>(w0.w), b0_1, o3_1);
            let w1 = a[(k) * 2u + ty / 8u][1][(ty & 7u) ^ (k)];
            let b1_0 = b[k * 2u + 0u][2][tx];
            let b1_1 = b[k * 2u + 0u][3][tx];
            o0_0 = fma(vec4<f32>(w1.x), b1_0, o0_0);
            o0_1 = fma(vec4<f32>(w1.x), b1_1, o0_1);
            o1_0 = fma(vec4<f32>(w1.y), b1_0, o1_0);
            o1_1 = fma(vec4<f32>(w1.y), b1_1, o1_1);
            o2_0 = fma(vec4<f32>(w1.z), b1_0, o2_0);
            o2_1 = fma(vec4<f32>(w1.z), b1_1, o2_1);
            o3_0 = fma(vec4<f32>(w1.w), b1_0, o3_0);
            o3_1 = fma(vec4<f32>(w1.w), b1_1, o3_1);
            let w2 = a[(k) * 2u + ty / 8u][2][(ty & 7u) ^ (k)];
            let b2_0 = b[k * 2u + 1u][0][tx];
            let b2_1 = b[k * 2u + 1u][1][tx];
            o0_0 = fma(vec4<f32>(w2.x), b2_0, o0_0);
            o0_1 = fma(vec4<f32>(w2.x), b2_1, o0_1);
            o1_0 = fma(vec4<f32>(w2.y), b2_0, o1_0);
            o1_1 = fma(vec4<f32>(w2.y), b2_1, o1_1);
            o2_0 = fma(vec4<f32>(w2.z), b2_0, o2_0);
            o2_1 = fma(vec4<f32>(w2.z), b2_1, o2_1);
            o3_0 = fma(vec4<f32>(w2.w), b2_0, o3_0);
            o3_1 = fma(vec4<f32>(w2.w), b2_1, o3_1);
            let w3 = a[(k) * 2u + ty / 8u][3][(ty & 7u) ^ (k)];
            let b3_0 = b[k * 2u + 1u][2][tx];
            let b3_1 = b[k * 2u + 1u][3][tx];
            o0_0 = fma(vec4<f32>(w3.x), b3_0, o0_0);
            o0_1 = fma(vec4<f32>(w3.x), b3_1, o0_1);
            o1_0 = fma(vec4<f32>(w3.y), b3_0, o1_0);
            o1_1 = fma(vec4<f32>(w3.y), b3_1, o1_1);
            o2_0 = fma(vec4<f32>(w3.z), b3_0, o2_0);
            o2_1 = fma(vec4<f32>(w3.z), b3_1, o2_1);
            o3_0 = fma(vec4<f32>(w3.w), b3_0, o3_0);
            o3_1 = fma(vec4<f32>(w3.w), b3_1, o3_1);
        }
        b0_next = x[at_x + 2u * dim + min(start + 16u + (ty & 7u) * 2u + ty / 8u + 0u, last) * (3u * dim) + 0u + tx];
        b1_next = x[at_x + 2u * dim + min(start + 16u + (ty & 7u) * 2u + ty / 8u + 0u, last) * (3u * dim) + 8u + tx];
        workgroupBarrier();
        b[ty & 7u][ty / 8u * 2u + 0u][tx] = b0_next;
        b[ty & 7u][ty / 8u * 2u + 1u][tx] = b1_next;
        workgroupBarrier();
        for (var k = 0u; k < 4u; k++) {
            let w0 = a[(k + 4u) * 2u + ty / 8u][0][(ty & 7u) ^ (k + 4u)];
            let b0_0 = b[k * 2u + 0u][0][tx];
            let b0_1 = b[k * 2u + 0u][1][tx];
            o0_0 = fma(vec4<f32>(w0.x), b0_0, o0_0);
            o0_1 = fma(vec4<f32>(w0.x), b0_1, o0_1);
            o1_0 = fma(vec4<f32>(w0.y), b0_0, o1_0);
            o1_1 = fma(vec4<f32>(w0.y), b0_1, o1_1);
            o2_0 = fma(vec4<f32>(w0.z), b0_0, o2_0);
            o2_1 = fma(vec4<f32>(w0.z), b0_1, o2_1);
            o3_0 = fma(vec4<f32>(w0.w), b0_0, o3_0);
            o3_1 = fma(vec4<f32>(w0.w), b0_1, o3_1);
            let w1 = a[(k + 4u) * 2u + ty / 8u][1][(ty & 7u) ^ (k + 4u)];
            let b1_0 = b[k * 2u + 0u][2][tx];
            let b1_1 = b[k * 2u + 0u][3][tx];
            o0_0 = fma(vec4<f32>(w1.x), b1_0, o0_0);
            o0_1 = fma(vec4<f32>(w1.x), b1_1, o0_1);
            o1_0 = fma(vec4<f32>(w1.y), b1_0, o1_0);
            o1_1 = fma(vec4<f32>(w1.y), b1_1, o1_1);
            o2_0 = fma(vec4<f32>(w1.z), b1_0, o2_0);
            o2_1 = fma(vec4<f32>(w1.z), b1_1, o2_1);
            o3_0 = fma(vec4<f32>(w1.w), b1_0, o3_0);
            o3_1 = fma(vec4<f32>(w1.w), b1_1, o3_1);
            let w2 = a[(k + 4u) * 2u + ty / 8u][2][(ty & 7u) ^ (k + 4u)];
            let b2_0 = b[k * 2u + 1u][0][tx];
            let b2_1 = b[k * 2u + 1u][1][tx];
            o0_0 = fma(vec4<f32>(w2.x), b2_0, o0_0);
            o0_1 = fma(vec4<f32>(w2.x), b2_1, o0_1);
            o1_0 = fma(vec4<f32>(w2.y), b2_0, o1_0);
            o1_1 = fma(vec4<f32>(w2.y), b2_1, o1_1);
            o2_0 = fma(vec4<f32>(w2.z), b2_0, o2_0);
            o2_1 = fma(vec4<f32>(w2.z), b2_1, o2_1);
            o3_0 = fma(vec4<f32>(w2.w), b2_0, o3_0);
            o3_1 = fma(vec4<f32>(w2.w), b2_1, o3_1);
            let w3 = a[(k + 4u) * 2u + ty / 8u][3][(ty & 7u) ^ (k + 4u)];
            let b3_0 = b[k * 2u + 1u][2][tx];
            let b3_1 = b[k * 2u + 1u][3][tx];
            o0_0 = fma(vec4<f32>(w3.x), b3_0, o0_0);
            o0_1 = fma(vec4<f32>(w3.x), b3_1, o0_1);
            o1_0 = fma(vec4<f32>(w3.y), b3_0, o1_0);
            o1_1 = fma(vec4<f32>(w3.y), b3_1, o1_1);
            o2_0 = fma(vec4<f32>(w3.z), b3_0, o2_0);
            o2_1 = fma(vec4<f32>(w3.z), b3_1, o2_1);
            o3_0 = fma(vec4<f32>(w3.w), b3_0, o3_0);
            o3_1 = fma(vec4<f32>(w3.w), b3_1, o3_1);
        }
    }
    workgroupBarrier();
    b[ty / 4u][ty & 3u][tx] = sum;
    workgroupBarrier();
    sum = b[ty / 4u][ty & 3u][0];
    sum += b[ty / 4u][ty & 3u][1];
    sum += b[ty / 4u][ty & 3u][2];
    sum += b[ty / 4u][ty & 3u][3];
    sum += b[ty / 4u][ty & 3u][4];
    sum += b[ty / 4u][ty & 3u][5];
    sum += b[ty / 4u][ty & 3u][6];
    sum += b[ty / 4u][ty & 3u][7];
    if (first + ty * 4u + 0u < params.tokens) {
        let to = at_y + (first + ty * 4u + 0u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o0_0 / sum.x;
        y[to + 0u * dim + 8u] = o0_1 / sum.x;
    }
    if (first + ty * 4u + 1u < params.tokens) {
        let to = at_y + (first + ty * 4u + 1u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o1_0 / sum.y;
        y[to + 0u * dim + 8u] = o1_1 / sum.y;
    }
    if (first + ty * 4u + 2u < params.tokens) {
        let to = at_y + (first + ty * 4u + 2u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o2_0 / sum.z;
        y[to + 0u * dim + 8u] = o2_1 / sum.z;
    }
    if (first + ty * 4u + 3u < params.tokens) {
        let to = at_y + (first + ty * 4u + 3u) * (1u * dim) + tx;
        y[to + 0u * dim + 0u] = o3_0 / sum.w;
        y[to + 0u * dim + 8u] = o3_1 / sum.w;
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
