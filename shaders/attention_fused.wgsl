// O = softmax(scale * Q K^T) V per head, without the [tokens, tokens] matrix: keys and values pass through workgroup memory,
// and each row's largest score and sum are corrected as they come (Milakov and Gimelshein, 2018; Dao et al., 2022).
//
// x is [batch, tokens, (q|k|v, heads, width)], y [batch, tokens, (heads, width)], in units of four elements; lse [batch,
// heads, tokens] gets the logarithms of the rows' sums of exponentials. A workgroup
// computes 64 rows of one head (x: rows, y: head, z: batch), a thread one of them.
const WIDTH: u32 = 8u; // of a head, divided by 4; at most 16
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

var<workgroup> keys: array<vec4<f32>, 256>;
var<workgroup> values: array<vec4<f32>, 256>;

@compute @workgroup_size(64)
fn fused(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let row = group.x * 64u + t;
    let last = params.tokens - 1u;
    let dim = params.heads * WIDTH;
    let base = (params.start + group.z * params.tokens) * 3u * dim + group.y * WIDTH;
    var q: array<vec4<f32>, 16>;
    var o: array<vec4<f32>, 16>;
    for (var i = 0u; i < WIDTH; i++) {
        q[i] = params.scale * x[base + min(row, last) * 3u * dim + i];
        o[i] = vec4<f32>(0.0);
    }
    var peak = -3.0e38;
    var sum = 0.0;
    for (var start = 0u; start < params.tokens; start += 16u) {
        workgroupBarrier();
        for (var e = t; e < 16u * WIDTH; e += 64u) {
            let at = base + min(start + e / WIDTH, last) * 3u * dim + e % WIDTH;
            keys[e] = x[at + dim];
            values[e] = x[at + 2u * dim];
        }
        workgroupBarrier();
        var scores: array<f32, 16>;
        var top = peak;
        for (var j = 0u; j < 16u; j++) {
            var s = 0.0;
            for (var i = 0u; i < WIDTH; i++) {
                s += dot(q[i], keys[j * WIDTH + i]);
            }
            s = select(-3.0e38, s, start + j < params.tokens);
            scores[j] = s;
            top = max(top, s);
        }
        let fade = exp(peak - top);
        peak = top;
        sum *= fade;
        for (var i = 0u; i < WIDTH; i++) {
            o[i] *= fade;
        }
        for (var j = 0u; j < 16u; j++) {
            let w = exp(scores[j] - top);
            sum += w;
            for (var i = 0u; i < WIDTH; i++) {
                o[i] += w * values[j * WIDTH + i];
            }
        }
    }
    if (row < params.tokens) {
        let out = (params.start + group.z * params.tokens + row) * dim + group.y * WIDTH;
        for (var i = 0u; i < WIDTH; i++) {
            y[out + i] = o[i] / sum;
        }
        lse[params.start * params.heads + (group.z * params.heads + group.y) * params.tokens + row] = peak + log(sum);
    }
}
