// y = x from single to half precision, two elements to a word with the first in the low bits, and back. A thread makes PER
// words.
struct Params {
    n: u32,     // elements
    words: u32, // of packed elements
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<u32>;
@group(0) @binding(3) var<storage, read> halves: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//!include grid

@compute @workgroup_size(64)
fn narrow(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.words);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        var second = 0.0;
        if (2u * i + 1u < params.n) { second = x[2u * i + 1u]; }
        packed[i] = pack2x16float(vec2<f32>(x[2u * i], second));
    }
}

@compute @workgroup_size(64)
fn widen(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) num: vec3<u32>, @builtin(local_invocation_index) t: u32) {
    let end = end_of(wid, num, params.words);
    for (var i = first_of(wid, num, t); i < end; i += 64u) {
        let pair = unpack2x16float(halves[i]);
        y[2u * i] = pair.x;
        if (2u * i + 1u < params.n) { y[2u * i + 1u] = pair.y; }
    }
}
