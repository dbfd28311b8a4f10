// y[b, token, (pt ph pw c)] = x[b, c, t, h, w] · scale[c] + shift[c]: patches of normalised pixels. x [B,3,T,H,W] are bytes,
// four to a word, the first in the lowest bits. A thread makes PER elements.
struct Params {
    n: u32, // elements of y
    frames: u32, rows: u32, cols: u32, // of x
    patch_t: u32, patch_h: u32, patch_w: u32,
    scale0: f32, scale1: f32, scale2: f32,
    shift0: f32, shift1: f32, shift2: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

//!include grid

@compute @workgroup_size(64)
fn patches(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.n);
    let grid_h = params.rows / params.patch_h;
    let grid_w = params.cols / params.patch_w;
    let grid_t = params.frames / params.patch_t;
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        var k = place(i, 3u);
        let c = k.y;
        k = place(k.x, params.patch_w);
        var column = k.y;
        k = place(k.x, params.patch_h);
        var row = k.y;
        k = place(k.x, params.patch_t);
        var frame = k.y;
        k = place(k.x, grid_w);
        column += k.y * params.patch_w;
        k = place(k.x, grid_h);
        row += k.y * params.patch_h;
        k = place(k.x, grid_t);
        frame += k.y * params.patch_t;
        let at = (((k.x * 3u + c) * params.frames + frame) * params.rows + row) * params.cols + column;
        let pixel = f32((x[at / 4u] >> (8u * (at & 3u))) & 255u);
        let scale = select(select(params.scale0, params.scale1, c == 1u), params.scale2, c == 2u);
        let shift = select(select(params.shift0, params.shift1, c == 1u), params.shift2, c == 2u);
        y[i] = pixel * scale + shift;
    }
}
