// delta is the sum of O dy over each row of a head.
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
@group(0) @binding(1) var<storage, read> o: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> delta: array<f32>;

@compute @workgroup_size(64)
fn overlap(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let last = params.tokens - 1u;
    let dim = params.heads * 16u;
    let at_x = (params.start + group.z * params.tokens) * 3u * dim + group.y * 16u;
    let at_y = (params.start + group.z * params.tokens) * dim + group.y * 16u;
    let at_row = params.start * params.heads + (group.z * params.heads + group.y) * params.tokens;
    let row = group.x * 64u + t;
    let at = at_y + min(row, last) * dim;
    var sum = vec4<f32>(0.0);
    for (var d = 0u; d < 16u; d++) {
        sum = fma(o[at + d], dy[at + d], sum);
    }
    if (row < params.tokens) {
        delta[at_row + row] = (sum.x + sum.y) + (sum.z + sum.w);
    }
}
